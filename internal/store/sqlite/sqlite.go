// Package sqlite keeps a store in one file on this host, by SQLite. One process
// writes it; others may read it meanwhile.
//
// What Update returned nil for is on stable storage: the file has a
// write-ahead log (FILE-wal) that is synced at each commit. Values carry a
// checksum, so that what is read is what was written, or an error.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // driver "sqlite"

	"hobnail/internal/store"
)

// Marks of our files, in SQLite's header.
const (
	applicationID = 0x686f626e // "hobn"
	format        = 1
)

// keepIdle is how many connections stay open for the next View; each has up to
// 2 MiB of cache.
const keepIdle = 4

// Store implements store.Store.
type Store struct {
	path     string
	db       *sql.DB
	held     io.Closer  // the lock on the file; nil where it is only read
	writer   chan *conn // its connection is in here while no Update runs; nil where it is only read
	watchers store.Watchers
	locks    store.Locks

	mu     sync.Mutex // over what follows
	idle   []*conn
	closed bool
	busy   sync.WaitGroup // transactions
}

// Open opens the store in a file for reading and writing, and makes the file if
// there is none. Its folder must be there.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %v", path, err)
	}
	held, err := hold(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("opening %s: %v", path, err)
	}
	s := &Store{path: path, held: held, writer: make(chan *conn, 1)}
	if err := s.open("rw"); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// OpenReadOnly opens the store in a file that is there, for reading, also while
// another process writes it. The error is fs.ErrNotExist if there is no file.
func OpenReadOnly(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %v", path, err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening %s: %w", path, fs.ErrNotExist)
	}
	s := &Store{path: path}
	if err := s.open("ro"); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) open(mode string) error {
	if mode == "rw" {
		// SQLite would make it readable to everybody; its other files take after it.
		f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making %s: %v; hobnail must be able to write to that folder", s.path, cause(err))
		}
	}
	db, err := sql.Open("sqlite", name(s.path, mode))
	if err != nil {
		return fmt.Errorf("opening %s: %v", s.path, err)
	}
	s.db = db
	if err := s.recognise(mode); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return s.fault("opening", err)
	}
	if s.writer != nil {
		s.writer <- c
	} else {
		s.idle = append(s.idle, c)
	}
	return nil
}

// name is the file as SQLite's driver wants it named, with what each
// connection sets: wait 5 s for another process's lock (one that recovers the
// log after a crash), sync at each commit, look closely at what is read, and
// cut a log that a burst made long.
func name(path, mode string) string {
	u := url.URL{Path: path}
	return "file:" + u.EscapedPath() + "?mode=" + mode +
		"&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_pragma=cell_size_check(ON)&_pragma=journal_size_limit(16777216)"
}

// recognise looks whether the file is a store of ours, and makes one of an
// empty file.
func (s *Store) recognise(mode string) error {
	ctx := context.Background()
	var id, version, tables int
	for pragma, n := range map[string]*int{
		"PRAGMA application_id": &id, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := s.db.QueryRowContext(ctx, pragma).Scan(n); err != nil {
			return s.fault("opening", err)
		}
	}
	switch {
	case id == applicationID && version == format:
		return nil
	case id == applicationID && version > format:
		return fmt.Errorf("opening %s: it was written by a newer hobnail (format %d, this one knows %d)", s.path, version, format)
	case id != 0 || version != 0 || tables != 0:
		return fmt.Errorf("opening %s: it is a database of another program", s.path)
	case mode == "ro":
		return fmt.Errorf("opening %s: it is empty", s.path)
	}
	return s.fault("making", s.create(ctx))
}

// create makes the table. A table with rowids, not one without: values of a
// kilobyte and more would each take a page of their own there.
func (s *Store) create(ctx context.Context) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, q := range []string{
		"PRAGMA journal_mode=WAL",
		"BEGIN IMMEDIATE",
		"CREATE TABLE kv (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL)",
		fmt.Sprintf("PRAGMA application_id=%d", applicationID),
		fmt.Sprintf("PRAGMA user_version=%d", format),
		"COMMIT",
	} {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(s.path))
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// begin counts a transaction in.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.busy.Add(1)
	return nil
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.busy.Done()
	c, err := s.reader()
	if err != nil {
		return s.fault("reading", err)
	}
	defer s.release(c)
	return s.run(ctx, c, "BEGIN", f, nil)
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.writer == nil {
		return fmt.Errorf("writing %s: %w", s.path, store.ErrReadOnly)
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.busy.Done()
	var c *conn
	select {
	case c = <-s.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.writer <- c }()
	wrote := map[string]bool{}
	err := s.run(ctx, c, "BEGIN IMMEDIATE", f, wrote)
	if err == nil {
		s.watchers.Tell(wrote)
	}
	return err
}

// run runs f in a transaction. wrote is nil where it must not write.
func (s *Store) run(ctx context.Context, c *conn, begin string, f func(store.Tx) error, wrote map[string]bool) error {
	doing := "reading"
	if wrote != nil {
		doing = "writing"
	}
	if err := c.do(begin); err != nil {
		return s.fault(doing, err)
	}
	t := &tx{s: s, ctx: ctx, c: c, wrote: wrote}
	committed := false
	defer func() {
		t.over = true
		if !committed {
			_ = c.do("ROLLBACK") // it may have been rolled back already, by what failed
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed // f did not say
	}
	if err := c.do("COMMIT"); err != nil {
		return s.fault(doing, err)
	}
	committed = true
	return nil
}

// reader gives a connection that nobody uses.
func (s *Store) reader() (*conn, error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	return s.connect()
}

func (s *Store) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) < keepIdle {
		s.idle = append(s.idle, c)
		return
	}
	c.close()
}

// Changes implements store.Store: of commits by this process.
func (s *Store) Changes(prefix string) (changed <-chan struct{}, stop func()) {
	return s.watchers.Watch(prefix)
}

// Lock implements store.Store. One process writes the file, so its locks are
// that process's.
func (s *Store) Lock(ctx context.Context, name string, f func(context.Context) error) error {
	if s.writer == nil {
		return fmt.Errorf("locking %q in %s: %w", name, s.path, store.ErrReadOnly)
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	return s.locks.Run(ctx, name, f)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.busy.Wait()
	for _, c := range s.idle {
		c.close()
	}
	var err error
	if s.db != nil {
		select {
		case c := <-s.writer:
			c.close()
		default:
		}
		err = s.db.Close()
	}
	if s.held != nil {
		s.held.Close()
	}
	if err != nil {
		return s.fault("closing", err)
	}
	return nil
}
