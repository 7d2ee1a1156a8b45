package library

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// partialPrefix begins the names of files that are not whole yet. They are
// hidden, so neither people nor the watch take them for images.
const partialPrefix = ".partial-"

// How long parts are kept that nobody works on.
const (
	keepDownload = 7 * 24 * time.Hour // may be resumed
	keepCopy     = time.Hour          // cannot
)

// partial is a file in the making. It is locked until it is closed: of two
// servers with one folder, one makes it.
type partial struct {
	f    *os.File
	path string
}

// errBusy says that another process makes the same file.
var errBusy = errors.New("another hobnail is at it")

// openPartial makes or takes up the part of a file. what names its origin: the
// same origin, the same part.
func openPartial(folder, what, file string) (*partial, error) {
	sum := sha256.Sum256([]byte(what))
	path := filepath.Join(folder, partialPrefix+hex.EncodeToString(sum[:8])+"-"+tail(file))
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, fmt.Errorf("making a file in the folder of images: %v", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			return nil, fmt.Errorf("making %s: %w", path, errBusy)
		}
		// Whoever had it may have given it its name meanwhile.
		mine, err := f.Stat()
		now, err2 := os.Lstat(path)
		if err == nil && err2 == nil && os.SameFile(mine, now) {
			return &partial{f, path}, nil
		}
		f.Close()
	}
}

// tail is the end of a file's name, by which recognition may go, short enough
// for something in front of it.
func tail(file string) string { return file[max(0, len(file)-100):] }

func (p *partial) size() int64 {
	info, err := p.f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// note is where a download writes down what it is a part of.
func (p *partial) note() string { return p.path + ".json" }

// drop takes it away.
func (p *partial) drop() {
	os.Remove(p.note())
	os.Remove(p.path)
	p.f.Close()
}

// publish puts it on stable storage and gives it its name in the folder, or
// that with -2, -3 … where there is such a file: nothing is ever replaced.
func (p *partial) publish(file string) (string, error) {
	if err := p.f.Sync(); err != nil {
		return "", p.fault(err)
	}
	folder := filepath.Dir(p.path)
	ext := filepath.Ext(file)
	for n, name := 2, file; ; n++ {
		to := filepath.Join(folder, name)
		err := renameNew(p.path, to)
		if err == nil {
			os.Remove(p.note())
			return to, syncFolder(folder)
		}
		if !errors.Is(err, fs.ErrExist) || n > 1000 {
			return "", fmt.Errorf("naming %s: %v", to, err)
		}
		name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(file, ext), n, ext)
	}
}

// fault says what failed in writing it.
func (p *partial) fault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w; make room in %s", ErrFull, filepath.Dir(p.path))
	}
	return fmt.Errorf("writing to the folder of images: %v", err)
}

// renameNew renames a file unless there is one of the new name, fs.ErrExist.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS { // as NFS has it
		if err = os.Link(from, to); err == nil {
			return os.Remove(from)
		}
	}
	return err
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // network file systems
		return err
	}
	return nil
}

// sweep takes away parts that nobody works on any more.
func sweep(folder string, now time.Time) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, partialPrefix) || !e.Type().IsRegular() || strings.HasSuffix(name, ".json") {
			continue
		}
		path := filepath.Join(folder, name)
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		keep := keepCopy
		if _, noted := os.Stat(path + ".json"); noted == nil {
			keep = keepDownload
		}
		old := err == nil && now.Sub(info.ModTime()) > keep
		if old && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			(&partial{f, path}).drop()
			continue
		}
		f.Close()
	}
}
