package bootfile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Table maps clean names to local files. It is immutable. Only its maker says
// which files of the host are in it: a client's name is looked up, never
// joined to a path.
type Table struct {
	files  map[string]place
	folded map[string]string // names in lower case, of parts in AnyCase, to names
	fits   map[string]func(os.FileInfo) error
	guard  *guard
	kept   handles
}

// Part is some files of a table.
type Part struct {
	Files map[string]string // clean names to absolute paths
	// AnyCase finds names however they are spelled: for what Windows loaders
	// read, which mix \Boot\BCD and boot\bcd.
	AnyCase bool
	// Fits says of some names why the file that lies there is not the one that
	// is meant.
	Fits map[string]func(os.FileInfo) error
}

// NewTable makes a table. With landlock, and on a kernel that has it, files
// are opened by threads that can read the folders of these files only.
func NewTable(landlock bool, parts ...Part) (*Table, error) {
	t := &Table{files: map[string]place{}, folded: map[string]string{}, fits: map[string]func(os.FileInfo) error{}, guard: &guard{}}
	folders := places{}
	for _, part := range parts {
		maps.Copy(t.fits, part.Fits)
		for _, name := range slices.Sorted(maps.Keys(part.Files)) {
			if err := t.add(folders, name, part.Files[name], part.AnyCase); err != nil {
				return nil, err
			}
		}
	}
	if !landlock || !HasLandlock() {
		return t, nil
	}
	return t, t.restrict()
}

func (t *Table) add(folders places, name, path string, anyCase bool) error {
	if clean, ok := Clean(name); !ok || clean != name {
		return fmt.Errorf("serving %s: %q is not a clean name", path, name)
	}
	if !filepath.IsAbs(path) {
		return fmt.Errorf("serving %s as %s: the path is not absolute", path, name)
	}
	if have, ok := t.files[name]; ok {
		return fmt.Errorf("serving %s as %s: %s has that name", path, name, have.path)
	}
	if anyCase {
		lower := strings.ToLower(name)
		if have, ok := t.folded[lower]; ok {
			return fmt.Errorf("serving %s: %s has the same name but for upper and lower case, which Windows loaders do not tell apart; remove one", path, t.files[have].path)
		}
		t.folded[lower] = name
	}
	t.files[name] = folders.find(path)
	return nil
}

// restrict makes the guard of all places, which are few folders.
func (t *Table) restrict() (err error) {
	var readable []*os.File
	seen := map[string]bool{}
	for _, p := range t.files {
		if p.err != nil || p.root.Name() != "/" && seen[p.root.Name()] {
			continue
		}
		seen[p.root.Name()] = true
		if f := p.readable(); f != nil {
			defer f.Close()
			readable = append(readable, f)
		}
	}
	t.guard, err = newGuard(readable)
	return err
}

// Open opens a file of the table.
func (t *Table) Open(_ context.Context, r Request) (*File, error) {
	name, ok := Clean(r.Name)
	if !ok {
		return nil, ErrNotFound
	}
	p, ok := t.files[name]
	if !ok {
		if name, ok = t.folded[strings.ToLower(name)]; !ok {
			return nil, ErrNotFound
		}
		p = t.files[name]
	}
	h := t.kept.get(name, p)
	if h == nil {
		f, err := t.guard.do(p.open)
		if err != nil {
			return nil, fmt.Errorf("opening boot file %s: %v", name, err)
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New(p.path + " is not a regular file")
		}
		if fits := t.fits[name]; err == nil && fits != nil {
			err = fits(info)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("opening boot file %s: %v", name, err)
		}
		h = t.kept.put(name, f, info)
	}
	return &File{
		Name: name, Size: h.info.Size(), Content: h.file, ModTime: h.info.ModTime(), ETag: h.etag,
		Close: func() error { return t.kept.release(h) },
	}, nil
}

// Chain asks its Openers in turn; the first that knows a name answers, be it
// with an error.
type Chain []Opener

// Open opens the first file of that name.
func (c Chain) Open(ctx context.Context, r Request) (*File, error) {
	for _, o := range c {
		if f, err := o.Open(ctx, r); !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	return nil, ErrNotFound
}
