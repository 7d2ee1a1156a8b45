package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"hobnail/internal/store"
)

// fault says what failed with which file, and what a person can do. nil stays
// nil.
func (s *Store) fault(doing string, err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s %s: %v", doing, s.path, cause(err))
	}
	folder := filepath.Dir(s.path)
	switch e.Code() & 0xff {
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return fmt.Errorf("%s %s: %w (%v); %s", doing, s.path, store.ErrDamaged, e, s.remedy())
	case codes.SQLITE_FULL:
		return fmt.Errorf("%s %s: %w; make room in %s", doing, s.path, store.ErrFull, folder)
	case codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		return fmt.Errorf("%s %s: %v; hobnail must be able to write to the file and to its folder", doing, s.path, e)
	case codes.SQLITE_BUSY:
		return fmt.Errorf("%s %s: %v; another process holds it", doing, s.path, e)
	case codes.SQLITE_IOERR:
		return fmt.Errorf("%s %s: %v; the disk failed, or its file system: see the kernel's log, and whether %s has room", doing, s.path, e, folder)
	}
	return fmt.Errorf("%s %s: %v", doing, s.path, e)
}

// remedy is what to do about a damaged file.
func (s *Store) remedy() string {
	return fmt.Sprintf("stop hobnail, move %s* to another place, and start it: it begins anew; \"sqlite3 FILE .recover\" gives what can still be read", s.path)
}

// cause is an error without the path that stands before it already.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// hold makes the file this process's to write until it is closed or ends. The
// lock's file holds the process id, for people and for the error of the next.
// It is not the database itself: SQLite's own locks on that would go with any
// other descriptor that is closed (POSIX fcntl).
func hold(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("making %s: %v; hobnail must be able to write to that folder", path, cause(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if err != syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("locking %s: %v", path, err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, fmt.Errorf("process %s writes it: another hobnail runs with this data folder", strings.TrimSpace(string(pid)))
	}
	// A full disk is no reason not to hold it.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}
