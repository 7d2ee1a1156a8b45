package lease

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is what the log needs of the folder that it is in. Tests have one
// that loses power.
type folder interface {
	open(name string) (file, error) // fs.ErrNotExist if there is none
	create(name string) (file, error)
	rename(from, to string) error
	remove(name string) error
	sync() error // makes what was created and renamed last
}

// file is what the log needs of a file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error // makes content and size last
}

type osFolder string

type osFile struct{ *os.File }

func (d osFolder) open(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_RDWR, 0)
	return osFile{f}, err
}

func (d osFolder) create(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	return osFile{f}, err
}

func (d osFolder) rename(from, to string) error {
	return os.Rename(filepath.Join(string(d), from), filepath.Join(string(d), to))
}

func (d osFolder) remove(name string) error { return os.Remove(filepath.Join(string(d), name)) }

func (d osFolder) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync leaves the times of the file aside: fdatasync is one write less.
func (f osFile) Sync() error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}

// lock makes the log at path this process's until it is closed or ends. The
// file holds the process id, for people and for the error of the next.
func lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if err != syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("locking %s: %v", path, err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, &InUse{Path: path, PID: strings.TrimSpace(string(pid))}
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// InUse is the error of opening a log that a running server has open.
type InUse struct{ Path, PID string }

func (e *InUse) Error() string {
	return fmt.Sprintf("%s is held by process %s: another hobnail runs with this data folder", e.Path, e.PID)
}
