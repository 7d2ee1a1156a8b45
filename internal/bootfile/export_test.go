package bootfile

import (
	"os"
	"path/filepath"
)

// WithoutRoots takes the first layer off a table: files are opened by their
// paths, through whatever links stand there now.
func (t *Table) WithoutRoots() *Table {
	for name, p := range t.files {
		if p.err == nil {
			p.root = byPath(p.root.Name())
			t.files[name] = p
		}
	}
	return t
}

type byPath string

func (p byPath) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	return os.OpenFile(filepath.Join(string(p), name), flag, perm)
}

func (p byPath) Readlink(name string) (string, error) {
	return os.Readlink(filepath.Join(string(p), name))
}

func (p byPath) Lstat(name string) (os.FileInfo, error) {
	return os.Lstat(filepath.Join(string(p), name))
}

func (p byPath) Name() string { return string(p) }

// Unguarded runs what opens a file on the caller's thread.
func Unguarded(open func() (*os.File, error)) (*os.File, error) { return open() }

// Landlocked gives what runs it where nothing but a folder can be read.
func Landlocked(dir string) (do func(func() (*os.File, error)) (*os.File, error), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g, err := newGuard([]*os.File{f})
	if err != nil {
		return nil, err
	}
	return g.do, nil
}
