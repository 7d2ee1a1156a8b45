package bootfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// place is where a configured file really lies: a name in a folder that is
// held open.
type place struct {
	path string // as it was configured
	root folder
	base string
	err  error // why there is none
}

// folder is an *os.Root. Tests put something in its place that keeps nothing
// in, to see that Landlock does.
type folder interface {
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	Readlink(name string) (string, error)
	Lstat(name string) (os.FileInfo, error)
	Name() string
}

// places finds the folders of configured files, each opened once.
type places map[string]*os.Root

// find follows the links that an administrator has placed, such as /vmlinuz to
// boot/vmlinuz-6.1, once and for all. Whatever becomes a link later, or stands
// on the way to the folder, leads nowhere else. A file may come after the
// configuration, its folder may not.
func (p places) find(path string) place {
	found := place{path: path}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		var dir string
		dir, err = filepath.EvalSymlinks(filepath.Dir(path))
		real = filepath.Join(dir, filepath.Base(path))
	}
	dir := filepath.Dir(real)
	if err == nil && p[dir] == nil {
		var root *os.Root
		if root, err = os.OpenRoot(dir); err == nil {
			p[dir] = root
		}
	}
	if err != nil {
		found.err = fmt.Errorf("when the configuration was loaded: %v", err)
		return found
	}
	found.root, found.base = p[dir], filepath.Base(real)
	return found
}

// open opens the file, which is one openat(2) unless it is a link.
func (p place) open() (*os.File, error) {
	if p.err != nil {
		return nil, p.err
	}
	// Without O_NONBLOCK, opening a FIFO would wait for its other end.
	f, err := p.root.OpenFile(p.base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		return f, nil
	}
	if to, linkErr := p.root.Readlink(p.base); linkErr == nil {
		// os.Root says "path escapes from parent" of a link that leads out.
		return nil, fmt.Errorf("%s has become a link to %s, which is followed only inside %s: %v", p.path, to, p.root.Name(), err)
	}
	return nil, fmt.Errorf("%s: %v", p.path, err)
}

// readable opens what a guard has to let through for a place: its folder, or
// the file alone where the folder is "/" and everything would be inside. nil
// if there is nothing.
func (p place) readable() *os.File {
	if p.err != nil {
		return nil
	}
	name := "."
	if p.root.Name() == "/" {
		name = p.base
	}
	f, err := p.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil // the file is not there: the error comes when it is asked for
	}
	return f
}
