package bootfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Table maps clean names to local files. It is immutable. Only its maker says
// which files of the host are in it: a client's name is looked up, never
// joined to a path.
type Table struct {
	files map[string]string
}

// NewTable makes a table of clean names and absolute paths.
func NewTable(files map[string]string) (*Table, error) {
	t := &Table{files: make(map[string]string, len(files))}
	for name, path := range files {
		if clean, ok := Clean(name); !ok || clean != name {
			return nil, fmt.Errorf("serving %s: %q is not a clean name", path, name)
		}
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("serving %s as %s: the path is not absolute", path, name)
		}
		t.files[name] = path
	}
	return t, nil
}

// Open opens a file of the table.
func (t *Table) Open(_ context.Context, r Request) (*File, error) {
	name, ok := Clean(r.Name)
	if !ok {
		return nil, ErrNotFound
	}
	path, ok := t.files[name]
	if !ok {
		return nil, ErrNotFound
	}
	f, info, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("opening boot file %s: %v", name, err)
	}
	return &File{
		Name: name, Size: info.Size(), Content: f, ModTime: info.ModTime(),
		ETag:  fmt.Sprintf("\"%x-%x\"", info.Size(), info.ModTime().UnixNano()),
		Close: f.Close,
	}, nil
}

// openRegular opens a file that whoever configured it named by its path. A
// symbolic link may stand there or on the way, as in /vmlinuz; what it leads
// to must be a regular file. Nothing of a client is in the path, so there is
// no root to keep it under.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	// Without O_NONBLOCK, opening a FIFO would wait for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(path + " is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
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
