package lease

import (
	"errors"
	"fmt"
	"time"
)

// The log is written anew, with one record for each address, when it has more
// than several of them for each, and at every start: what a process could read
// from a file whose last sync failed need not be on the disk.
const (
	grownBy    = 4
	grownAtAll = 20_000 // records; a shorter log is left alone
)

// rememberFor is how long a machine's last address is remembered after its
// lease ended. An address that is wanted before is given to others.
const rememberFor = 2 * 365 * 24 * time.Hour

// grown reports whether the log is to be written anew; under committing.
func (t *Table) grown() bool {
	return t.log.copying == nil && t.log.records > max(grownAtAll, grownBy*t.log.base)
}

// compact writes the log anew while commits go on.
//
// The new file gets a snapshot of memory, row by row, and behind it whatever
// has been committed since the snapshot was begun. So for every address the
// last record in it is at least as new as the last in the old file. The new
// file takes the old one's name only when all of it is on the disk; until then
// the old one is whole.
func (t *Table) compact() error {
	tail := copied{}
	t.committing.Lock()
	t.log.copying = &tail
	t.committing.Unlock()
	w, err := t.snapshot()
	if err == nil {
		err = t.catchUp(w, &tail)
	}
	if err == nil {
		return nil
	}
	t.committing.Lock()
	defer t.committing.Unlock()
	t.log.copying = nil
	t.log.base = t.log.records // not again with every commit
	if w != nil {
		w.file.Close()
	}
	if !errors.As(err, new(*swapped)) {
		t.log.dir.remove(t.log.temporary())
	}
	return fmt.Errorf("writing the lease log %s anew: %w", t.log.path, err)
}

// snapshot writes all rows that are to last into a new file.
func (t *Table) snapshot() (*writer, error) {
	f, err := t.log.dir.create(t.log.temporary())
	if err != nil {
		return nil, err
	}
	w := &writer{file: f}
	if err := w.begin(); err != nil {
		return w, err
	}
	buf := make([]byte, frameHead)
	for page := 0; ; page++ {
		t.mu.Lock()
		records, n, more := t.rows.page(page, t.newest-int64(rememberFor), buf[:frameHead])
		t.mu.Unlock()
		if !more {
			return w, w.file.Sync()
		}
		if err := w.frame(records, n); err != nil {
			return w, err
		}
		buf = records
	}
}

// catchUp adds what was committed meanwhile, and puts the new file in the
// place of the old while no commit is at work.
func (t *Table) catchUp(w *writer, tail *copied) error {
	for {
		t.committing.Lock()
		if t.log.copying != tail {
			t.committing.Unlock()
			return errors.New("a commit failed meanwhile")
		}
		part, n := append(make([]byte, frameHead, frameHead+len(tail.frame)), tail.frame...), tail.n
		tail.frame, tail.n = tail.frame[:0], 0
		if len(part) < smallTail {
			defer t.committing.Unlock()
			return t.swap(w, part, n)
		}
		t.committing.Unlock()
		if err := w.frame(part, n); err != nil {
			return err
		}
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
}

// smallTail is little enough to be written while commits wait.
const smallTail = 64 << 10

// swapped is a fault after the new file got the old one's name.
type swapped struct{ error }

func (t *Table) swap(w *writer, part []byte, n int) error {
	err := w.frame(part, n)
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = t.log.dir.rename(t.log.temporary(), t.log.name)
	}
	if err != nil {
		return err
	}
	if err := t.log.dir.sync(); err != nil {
		// Which file a restart will find is unknown: to neither may be added.
		t.mu.Lock()
		t.broken = err
		t.mu.Unlock()
		return &swapped{err}
	}
	t.log.close()
	t.log.file, t.log.end, t.log.records, t.log.base, t.log.copying = w.file, w.at, w.records, w.records, nil
	return nil
}

func (l *log) temporary() string { return l.name + ".new" }

// writer writes a log from its beginning.
type writer struct {
	file    file
	at      int64
	records int
	dirty   int64
}

func (w *writer) begin() error {
	_, err := w.file.WriteAt([]byte(header), 0)
	w.at = int64(len(header))
	return err
}

// frame writes records that have room for a frame's head in front.
func (w *writer) frame(b []byte, n int) error {
	if len(b) == frameHead {
		return nil
	}
	seal(b, w.at)
	if _, err := w.file.WriteAt(b, w.at); err != nil {
		return err
	}
	w.at += int64(len(b))
	w.records += n
	// In small portions: a sync of the log waits for what other files have
	// to write as well.
	if w.dirty += int64(len(b)); w.dirty > 1<<20 {
		w.dirty = 0
		return w.file.Sync()
	}
	return nil
}

// page appends the records of a page of rows that are to last, and forgets
// those that ended before a time. Offers have no place in the log.
func (r *rows) page(page int, ended int64, b []byte) (records []byte, n int, more bool) {
	if page >= len(r.pages) {
		return b, 0, false
	}
	for i := range r.pages[page] {
		w := &r.pages[page][i]
		switch {
		case w.state == 0 || w.state == offered:
			continue
		case w.expires < ended:
			r.remove(uint32(page*pageRows + i))
			continue
		}
		l := w.lease()
		b = appendRecord(b, &l)
		n++
	}
	return b, n, true
}
