// Package lease keeps which machine has which address, and keeps it on disk:
// a lease that was acknowledged is in the log, synced, before the ACK leaves.
// It does not decide who gets what; see package policy.
package lease

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// Table is the set of leases of one server. Its methods may be called from
// several goroutines; decisions that depend on each other (look up, then
// stage) are the business of one.
type Table struct {
	mu      sync.Mutex // over what follows, never held while the disk works
	rows    *rows
	changes uint32
	newest  int64  // when the newest change was decided
	staged  *batch // what the next commit writes
	spare   *batch // one that was written, for its memory
	tickets uint64 // of the last change that was queued
	failed  uint64 // the last ticket of a commit that failed
	why     error  // how it did
	broken  error  // the first fault after which the log cannot be believed

	committing sync.Mutex // held while the disk works; taken before mu
	log        *log       // nil: in memory only
	held       io.Closer  // the lock on the log

	background sync.WaitGroup
	// Report is told what went wrong behind the back of all callers, from
	// another goroutine: the log could not be written anew and goes on
	// growing. It may be nil, and is set before the first Commit.
	Report func(error)
}

// NewTable makes an empty table that lives in memory only.
func NewTable() *Table { return &Table{rows: newRows(), staged: &batch{}} }

// Open reads the log at path, creating it and its folder if need be, and goes
// on writing there. A torn last commit is dropped, as nothing of it was ever
// acknowledged; damage before the end is an error that names the file and the
// place, and nothing is served from it. A log that another process has open
// gives *InUse.
func Open(path string) (*Table, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("opening the lease log: %v", err)
	}
	held, err := lock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("opening the lease log: %w", err)
	}
	t, err := openIn(osFolder(filepath.Dir(path)), path)
	if err != nil {
		held.Close()
		return nil, err
	}
	t.held = held
	return t, nil
}

func openIn(dir folder, path string) (*Table, error) {
	t := NewTable()
	var err error
	if t.log, err = openLog(dir, filepath.Base(path), path, t.load); err != nil {
		return nil, err
	}
	for t.rows.end(t.newest, endsAtOnce) {
	}
	err = t.compact()
	if old := t.log; err != nil && full(err) && old.file != nil && old.end > 0 {
		// The old file does as well, without its torn end.
		if err = old.again(); err == nil {
			err = old.dir.sync()
		}
	}
	if err != nil {
		t.log.close()
		return nil, err
	}
	return t, nil
}

// load puts in a record of the log.
func (t *Table) load(l model.Lease) {
	t.put(&l)
}

// Read gives the records of a log without touching it, in the order of
// addresses. It may belong to a running server.
func Read(path string) ([]model.Lease, error) {
	var err error
	for range 5 {
		t := NewTable()
		var l *log
		if l, err = openLog(osFolder(filepath.Dir(path)), filepath.Base(path), path, t.load); err == nil {
			l.close()
			return t.All(), nil
		}
		// A commit that came between two reads looks like damage; a
		// second look tells.
	}
	return nil, err
}

// Close closes the log. The table stays readable.
func (t *Table) Close() error {
	t.background.Wait()
	t.committing.Lock()
	defer t.committing.Unlock()
	if t.log == nil {
		return nil
	}
	if t.held != nil {
		defer t.held.Close()
	}
	t.mu.Lock()
	if t.broken == nil {
		t.broken = os.ErrClosed
	}
	t.mu.Unlock()
	return t.log.close()
}

// Stage carries a change out in memory and queues its record. The ticket is
// for Commit, which must have returned nil before anybody is told of the
// change; 0 says that there is nothing to wait for. Offers, and their end, are
// kept in memory only: an offer lost in a crash is asked for again. Tickets
// grow. Stage may be called while Commit waits for the disk. On an error
// nothing has changed.
func (t *Table) Stage(c policy.LeaseChange) (ticket uint64, err error) {
	if c.Kind == policy.NoChange {
		return 0, nil
	}
	if err := storable(&c.Lease); err != nil {
		return 0, fmt.Errorf("keeping the lease of %s: %v", c.Lease.Address, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stage(&c)
}

// stage is Stage for who holds mu, of a lease that is storable.
func (t *Table) stage(c *policy.LeaseChange) (ticket uint64, err error) {
	if t.log != nil && t.durable(c) {
		if t.broken != nil {
			return 0, fmt.Errorf("the lease log %s failed earlier and needs a restart: %v", t.log.path, t.broken)
		}
		t.tickets++
		ticket = t.tickets
		t.staged.add(&c.Lease, t.undo(&c.Lease))
	}
	t.put(&c.Lease)
	return ticket, nil
}

// Commit puts all that is staged on stable storage, with one write and one
// sync. When it returns nil, whatever was staged before the call is there from
// the ticket on. After an error nothing of that may be acknowledged; changes
// that are not there are undone in memory, where nothing has changed them
// again.
//
// The ticket is the first that the caller answers for. A commit carries what
// others have staged as well, and when it fails, theirs has to fail too, which
// comes later and finds nothing to write.
func (t *Table) Commit(from uint64) error {
	if err := t.commit(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if from <= t.failed {
		return t.why
	}
	return nil
}

// Release ends at once whatever keeps an address, of those that which picks:
// leases, offers, and the rest that a declined address is given. It says what
// it ended. The machine of a lease is not told, and gets its address back if
// it asks before another does.
func (t *Table) Release(now time.Time, which func(model.Lease) bool) ([]model.Lease, error) {
	t.mu.Lock()
	var released []model.Lease
	var first uint64
	for _, l := range t.all() {
		if !policy.Keeps(l, now) || !which(l) {
			continue
		}
		c := policy.LeaseChange{Kind: policy.Free, Lease: l}
		c.Lease.State, c.Lease.Start, c.Lease.Expires = policy.StateReleased, now, now
		ticket, err := t.stage(&c)
		if err != nil {
			t.mu.Unlock()
			return nil, err
		}
		if first == 0 {
			first = ticket
		}
		released = append(released, l)
	}
	t.mu.Unlock()
	if first == 0 {
		return released, nil
	}
	return released, t.Commit(first)
}

// Apply is Stage and Commit of one change.
func (t *Table) Apply(c policy.LeaseChange) error {
	ticket, err := t.Stage(c)
	if err != nil || ticket == 0 {
		return err
	}
	return t.Commit(ticket)
}

// durable reports whether a change has to be on disk. The record of an offer
// never is, so neither need its end be.
func (t *Table) durable(c *policy.LeaseChange) bool {
	switch c.Kind {
	case policy.Hold:
		return false
	case policy.Free:
		n := t.rows.byAddr(number(c.Lease.Address))
		return n == 0 || t.rows.at(n).state != offered
	}
	return true
}

func (t *Table) put(l *model.Lease) {
	t.changes++
	t.newest = max(t.newest, nanos(l.Start))
	t.rows.put(l, t.changes)
}

// commit writes what is staged.
func (t *Table) commit() error {
	t.committing.Lock()
	defer t.committing.Unlock()
	t.mu.Lock()
	b, last, broken := t.staged, t.tickets, t.broken
	if b.n > 0 {
		t.staged, t.spare = t.spare, nil
		if t.staged == nil {
			t.staged = &batch{}
		}
	}
	t.mu.Unlock()
	if b.n == 0 {
		return nil
	}

	final, err := true, broken
	if broken == nil {
		final, err = t.log.write(b.frame, b.n)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.rollBack(b)
		t.failed, t.why = last, err
		if final && t.broken == nil {
			t.broken = err
		}
	} else if t.grown() {
		t.background.Add(1)
		t.log.copying = &copied{} // so that one is begun, not two
		go t.compactBehind()
	}
	if cap(b.undo) <= mostSpared {
		b.empty()
		t.spare = b
	}
	return err
}

func (t *Table) compactBehind() {
	defer t.background.Done()
	if err := t.compact(); err != nil && t.Report != nil {
		t.Report(err)
	}
}

// mostSpared is how many changes a commit may have had whose memory is kept.
const mostSpared = 4096

// batch is what one commit carries.
type batch struct {
	frame []byte // room for its head, then records
	undo  []undo
	n     int
}

// undo is what stood where a change was staged.
type undo struct {
	addr        uint32
	change      uint32 // the change that this undoes
	old         model.Lease
	oldChange   uint32
	wasNoRecord bool
}

func (b *batch) add(l *model.Lease, u undo) {
	if b.n == 0 {
		b.frame = append(b.frame[:0], make([]byte, frameHead)...)
	}
	b.frame, b.undo = appendRecord(b.frame, l), append(b.undo, u)
	b.n++
}

// empty makes room for the next changes.
func (b *batch) empty() {
	clear(b.undo)
	b.frame, b.undo, b.n = b.frame[:0], b.undo[:0], 0
}

// undo notes what the next change of an address undoes.
func (t *Table) undo(l *model.Lease) undo {
	u := undo{addr: number(l.Address), change: t.changes + 1}
	n := t.rows.byAddr(u.addr)
	if u.wasNoRecord = n == 0; !u.wasNoRecord {
		u.old, u.oldChange = t.rows.at(n).lease(), t.rows.at(n).change
	}
	return u
}

// rollBack makes memory say again what the disk says, but for addresses that
// were changed again since: those have a record of their own on the way.
func (t *Table) rollBack(b *batch) {
	for i := range slices.Backward(b.undo) {
		u := &b.undo[i]
		n := t.rows.byAddr(u.addr)
		switch {
		case n == 0 || t.rows.at(n).change != u.change:
		case u.wasNoRecord:
			t.rows.remove(n)
		default:
			t.rows.put(&u.old, u.oldChange)
		}
	}
}

// ByKey gives the newest record that a machine has inside a network. Records
// of declined addresses are no use to the machine and are passed over.
func (t *Table) ByKey(network netip.Prefix, key model.MAC) (model.Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease(t.rows.newest(network, key))
}

// ByAddr gives the record of an address, in whatever state.
func (t *Table) ByAddr(a netip.Addr) (model.Lease, bool) {
	if !a.Is4() {
		return model.Lease{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease(t.rows.byAddr(number(a)))
}

func (t *Table) lease(n uint32) (model.Lease, bool) {
	if n == 0 {
		return model.Lease{}, false
	}
	return t.rows.at(n).lease(), true
}

// All lists every record, in the order of addresses.
func (t *Table) All() []model.Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all()
}

func (t *Table) all() []model.Lease {
	all := make([]model.Lease, 0, t.rows.count)
	for _, page := range t.rows.pages {
		for i := range page {
			if page[i].state != 0 {
				all = append(all, page[i].lease())
			}
		}
	}
	slices.SortFunc(all, func(a, b model.Lease) int { return a.Address.Compare(b.Address) })
	return all
}
