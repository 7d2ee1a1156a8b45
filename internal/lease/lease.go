// Package lease keeps which machine has which address, and keeps it on disk:
// a lease that was acknowledged is in the log, synced, before the ACK leaves.
// It does not decide who gets what; see package policy.
package lease

import (
	"net/netip"
	"sync"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// Table is the set of leases of one server. Its methods may be called from
// several goroutines; decisions that depend on each other (look up, then
// apply) are the business of one.
type Table struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]model.Lease
	byKey  map[model.MAC][]netip.Addr // all addresses a machine has a record of, oldest first
	log    *log                       // nil: in memory only
}

// NewTable makes an empty table that lives in memory only.
func NewTable() *Table {
	return &Table{byAddr: map[netip.Addr]model.Lease{}, byKey: map[model.MAC][]netip.Addr{}}
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
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log == nil {
		return nil
	}
	return t.log.close()
}

// Apply carries out a change. Offers, and their end, are kept in memory only:
// an offer lost in a crash is asked for again. Everything else is on stable
// storage when Apply returns nil; on an error nothing has changed and nothing
// may be acknowledged.
func (t *Table) Apply(c policy.LeaseChange) error {
	if c.Kind == policy.NoChange {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil && t.durable(c) {
		if err := t.log.append(c.Lease); err != nil {
			return err
		}
	}
	t.put(c.Lease)
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
