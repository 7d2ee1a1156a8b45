// Package lease keeps which machine has which address, and keeps it on disk:
// a lease that was acknowledged is in the log, synced, before the ACK leaves.
// It does not decide who gets what; see package policy.
package lease

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// Table is the set of leases of one server. Its methods may be called from
// several goroutines; decisions that depend on each other (look up, then
// stage) are the business of one.
type Table struct {
	mu     sync.Mutex // over what follows, never held while the disk works
	byAddr map[netip.Addr]model.Lease
	byKey  map[model.MAC][]netip.Addr // all addresses a machine has a record of, oldest first
	staged *batch                     // what the next commit writes
	late   error                      // a failed commit of changes whose own Commit is still to come

	committing sync.Mutex // held while the disk works; taken before mu
	log        *log       // nil: in memory only
}

// NewTable makes an empty table that lives in memory only.
func NewTable() *Table {
	return &Table{byAddr: map[netip.Addr]model.Lease{}, byKey: map[model.MAC][]netip.Addr{}, staged: &batch{}}
}

// Open reads the log at path, creating it and its folder if need be, and goes
// on writing there. A torn last record is dropped, as its lease was never
// acknowledged; damage before the end is an error that names the file and the
// place, and nothing is served from it.
func Open(path string) (*Table, error) {
	t := NewTable()
	l, err := openLog(path, func(rec model.Lease) { t.put(rec) })
	if err != nil {
		return nil, err
	}
	t.log = l
	return t, nil
}

// Close closes the log. The table stays readable.
func (t *Table) Close() error {
	t.committing.Lock()
	defer t.committing.Unlock()
	if t.log == nil {
		return nil
	}
	return t.log.close()
}

// Stage carries a change out in memory and queues its record. durable says
// that it may not be acknowledged before a later Commit has returned nil.
// Offers, and their end, are kept in memory only: an offer lost in a crash is
// asked for again. Stage may be called while Commit waits for the disk. On an
// error nothing has changed.
func (t *Table) Stage(c policy.LeaseChange) (durable bool, err error) {
	durable, _, err = t.stage(c)
	return durable, err
}

// Commit puts all that is staged on stable storage, with one write and one
// sync. When it returns nil, everything staged before the call is there. After
// an error nothing of it may be acknowledged; the changes are undone in memory
// where nothing has changed them again. Commit is for one goroutine, which
// acknowledges for all.
func (t *Table) Commit() error {
	t.mu.Lock()
	b, mine := t.staged, len(t.staged.undo)
	t.mu.Unlock()
	err := t.commit(b)

	t.mu.Lock()
	defer t.mu.Unlock()
	late := t.late
	t.late = nil
	if err == nil {
		return late
	}
	if len(b.undo) > mine {
		t.late = err // for the changes that came while we waited to write
	}
	return err
}

// Apply is Stage and Commit of one change, for any number of goroutines.
func (t *Table) Apply(c policy.LeaseChange) error {
	durable, b, err := t.stage(c)
	if err != nil || !durable {
		return err
	}
	err = t.commit(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && len(b.undo) > 1 {
		t.late = err
	}
	return err
}

func (t *Table) stage(c policy.LeaseChange) (durable bool, b *batch, err error) {
	if c.Kind == policy.NoChange {
		return false, nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil && t.durable(c) {
		if err := t.log.refuses(); err != nil {
			return true, nil, err
		}
		b, durable = t.staged, true
		old, known := t.byAddr[c.Lease.Address]
		if err := b.add(c.Lease, undo{old: old, known: known, staged: c.Lease}); err != nil {
			return true, nil, fmt.Errorf("writing the lease of %s: %v", c.Lease.Address, err)
		}
	}
	t.put(c.Lease)
	return durable, b, nil
}

// commit writes a batch, unless somebody else has, and says how that went.
func (t *Table) commit(b *batch) error {
	t.committing.Lock()
	defer t.committing.Unlock()
	if b.done {
		return b.err
	}
	t.mu.Lock()
	if len(b.undo) == 0 {
		t.mu.Unlock()
		return nil
	}
	t.staged = &batch{}
	t.mu.Unlock()

	b.err, b.done = t.log.write(b.records, len(b.undo)), true
	if b.err != nil {
		t.mu.Lock()
		t.rollBack(b)
		t.mu.Unlock()
	}
	return b.err
}

// rollBack makes memory say again what the disk says, but for addresses that
// were changed again since: those have a record of their own on the way.
func (t *Table) rollBack(b *batch) {
	for _, u := range slices.Backward(b.undo) {
		switch {
		case t.byAddr[u.staged.Address] != u.staged:
		case u.known:
			t.put(u.old)
		default:
			t.forget(u.staged.MAC, u.staged.Address)
			delete(t.byAddr, u.staged.Address)
		}
	}
}

// batch is what one commit carries.
type batch struct {
	records []byte
	undo    []undo
	done    bool
	err     error
}

// undo is what stood where a change was staged.
type undo struct {
	staged, old model.Lease
	known       bool // old is a record
}

func (b *batch) add(rec model.Lease, u undo) error {
	line, err := encode(rec)
	if err != nil {
		return err
	}
	b.records, b.undo = append(b.records, line...), append(b.undo, u)
	return nil
}

// durable reports whether a change has to be on disk. The record of an offer
// never is, so neither need its end be.
func (t *Table) durable(c policy.LeaseChange) bool {
	switch c.Kind {
	case policy.Hold:
		return false
	case policy.Free:
		return t.byAddr[c.Lease.Address].State != policy.StateOffered
	}
	return true
}

func (t *Table) put(l model.Lease) {
	if old, ok := t.byAddr[l.Address]; ok && old.MAC != l.MAC {
		t.forget(old.MAC, l.Address)
	}
	t.byAddr[l.Address] = l
	t.forget(l.MAC, l.Address)
	t.byKey[l.MAC] = append(t.byKey[l.MAC], l.Address)
}

func (t *Table) forget(key model.MAC, a netip.Addr) {
	kept := t.byKey[key][:0]
	for _, have := range t.byKey[key] {
		if have != a {
			kept = append(kept, have)
		}
	}
	if len(kept) == 0 {
		delete(t.byKey, key)
		return
	}
	t.byKey[key] = kept
}

// ByKey gives the newest record that a machine has inside a network. Records
// of declined addresses are no use to the machine and are passed over.
func (t *Table) ByKey(network netip.Prefix, key model.MAC) (model.Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	addrs := t.byKey[key]
	for i := len(addrs) - 1; i >= 0; i-- {
		l := t.byAddr[addrs[i]]
		if network.Contains(l.Address) && l.State != policy.StateDeclined {
			return l, true
		}
	}
	return model.Lease{}, false
}

// ByAddr gives the record of an address, in whatever state.
func (t *Table) ByAddr(a netip.Addr) (model.Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.byAddr[a]
	return l, ok
}

// All lists every record, in the order of addresses.
func (t *Table) All() []model.Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]model.Lease, 0, len(t.byAddr))
	for _, l := range t.byAddr {
		all = append(all, l)
	}
	sortByAddr(all)
	return all
}
