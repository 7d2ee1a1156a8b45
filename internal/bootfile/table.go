package bootfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Table maps clean names to local files. It is immutable. Only its maker says
// which files of the host there are in it: a client's name is looked up, never
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

// Open opens a file of the table. The path itself may be a symbolic link, as
// whoever configured it may point where they want; what it leads to must be a
// regular file.
func (t *Table) Open(_ context.Context, r Request) (*File, error) {
	name, ok := Clean(r.Name)
	if !ok {
		return nil, ErrNotFound
	}
	path, ok := t.files[name]
	if !ok {
		return nil, ErrNotFound
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %v", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening %s: %v", name, err)
	}
	return &File{
		Name: name, Size: info.Size(), Content: f, ModTime: info.ModTime(),
		ETag:  fmt.Sprintf("\"%x-%x\"", info.Size(), info.ModTime().UnixNano()),
		Close: f.Close,
	}, nil
}
