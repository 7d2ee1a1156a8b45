package isofs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// tree is one of the trees of an image. Its methods may be called by many
// goroutines at once.
type tree interface {
	format() string
	label() string
	root() *node
	// list reads a directory: its entries in the order of the image, and how
	// many were left out for their names.
	list(dir *node) (nodes []*node, skipped int, err error)
	// extents says where the content of a file lies, all of it within the image.
	extents(n *node) (extents, error)
}

// Volume is an open image: fs.FS, fs.StatFS, fs.ReadDirFS, fs.ReadLinkFS. It may
// be used by many goroutines for as long as the reader behind it can be read.
type Volume struct {
	m    medium
	t    tree
	dirs *dirs
}

var (
	_ fs.StatFS     = (*Volume)(nil)
	_ fs.ReadDirFS  = (*Volume)(nil)
	_ fs.ReadLinkFS = (*Volume)(nil)
)

// Open opens an image of size octets. It is ErrFormat if there is no volume in
// it, a *Fault if there is a broken one.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	return open(medium{r, size}, true)
}

// open is Open; without sums, checksums of UDF are not looked at, so that a
// fuzzer comes further than the first of them.
func open(m medium, sums bool) (*Volume, error) {
	trees, err := findTrees(m, sums)
	if err != nil {
		return nil, fmt.Errorf("opening an image of %d octets: %w", m.size, err)
	}
	return choose(m, trees), nil
}

// findTrees gives all trees of an image that can be read, UDF first, then Rock
// Ridge or plain ISO 9660, then Joliet. The error is that of the last that
// failed, if all did.
func findTrees(m medium, sums bool) ([]tree, error) {
	udf, udfErr := openUDF(m, sums)
	iso, isoErr := openISO(m)
	var trees []tree
	if udfErr == nil {
		trees = append(trees, udf)
	}
	if isoErr == nil {
		trees = append(trees, iso...)
	}
	switch {
	case len(trees) > 0:
		return trees, nil
	case errors.Is(udfErr, ErrFormat):
		return nil, isoErr
	}
	return nil, udfErr
}

// choose takes the tree to show; trees is not empty and ordered as by findTrees.
func choose(m medium, trees []tree) *Volume {
	first := newVolume(m, trees[0])
	if len(trees) == 1 {
		return first
	}
	second := newVolume(m, trees[1])
	switch {
	case trees[0].format() == formatUDF:
		if richer(second, first) {
			return choose(m, trees[1:])
		}
	case trees[0].format() == formatPlain:
		return second
	}
	return first
}

func newVolume(m medium, t tree) *Volume {
	return &Volume{m: m, t: t, dirs: newDirs(t, m.size)}
}

// What Format says.
const (
	formatPlain     = "iso9660"
	formatRockRidge = "rock-ridge"
	formatJoliet    = "joliet"
	formatUDF       = "udf"
)

// Label is the volume identifier, as the tree shown gives it.
func (v *Volume) Label() string { return v.t.label() }

// Format is the kind of tree that is shown: "iso9660", "rock-ridge", "joliet"
// or "udf".
func (v *Volume) Format() string { return v.t.format() }

// Open opens a file or directory; links are followed. A directory is an
// fs.ReadDirFile, anything else also an io.ReaderAt and io.Seeker.
func (v *Volume) Open(name string) (fs.File, error) {
	n, err := v.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.dir() {
		l, err := v.dirs.list(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &dirFile{info: named(n, name), entries: l.entries()}, nil
	}
	where, err := v.t.extents(n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return newFile(named(n, name), newContent(v.m, where)), nil
}

// Stat describes a file; links are followed.
func (v *Volume) Stat(name string) (fs.FileInfo, error) { return v.stat("stat", name, true) }

// Lstat describes a file, or the link of that name.
func (v *Volume) Lstat(name string) (fs.FileInfo, error) { return v.stat("lstat", name, false) }

func (v *Volume) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := v.resolve(op, name, follow)
	if err != nil {
		return nil, err
	}
	return named(n, name), nil
}

// ReadLink gives the target of a symbolic link as the image has it.
func (v *Volume) ReadLink(name string) (string, error) {
	n, err := v.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.mode.Type() != fs.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.link, nil
}

// ReadDir gives the entries of a directory, sorted by name.
func (v *Volume) ReadDir(name string) ([]fs.DirEntry, error) {
	l, err := v.listing("readdir", name)
	if err != nil {
		return nil, err
	}
	return l.entries(), nil
}

// Skipped says how many entries of a directory are not shown because of their
// names.
func (v *Volume) Skipped(name string) (int, error) {
	l, err := v.listing("readdir", name)
	if err != nil {
		return 0, err
	}
	return l.skipped, nil
}

func (v *Volume) listing(op, name string) (*listing, error) {
	n, err := v.resolve(op, name, true)
	if err != nil {
		return nil, err
	}
	if !n.dir() {
		return nil, &fs.PathError{Op: op, Path: name, Err: errNotDir}
	}
	l, err := v.dirs.list(n)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return l, nil
}

// Extents says where the octets of a file lie in the image, in the order of the
// file; links are followed. An empty file has none. With one extent whose Offset
// is not Hole the file can be sent straight out of the image.
func (v *Volume) Extents(name string) ([]Extent, error) {
	n, err := v.resolve("extents", name, true)
	if err != nil {
		return nil, err
	}
	if n.dir() {
		return nil, &fs.PathError{Op: "extents", Path: name, Err: errIsDir}
	}
	where, err := v.t.extents(n)
	if err != nil {
		return nil, &fs.PathError{Op: "extents", Path: name, Err: err}
	}
	return append([]Extent(nil), where...), nil
}
