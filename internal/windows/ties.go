package windows

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTies is how many addresses are remembered; the one that was heard of
	// longest ago goes first. One takes some 300 octets.
	maxTies = 8192
	// tieAge is how long an address is remembered after its last read: longer than
	// a boot.wim takes by the slowest TFTP, shorter than most leases.
	tieAge = time.Hour
)

// Ties remembers which address boots what. It may be used from several
// goroutines; the zero value is ready.
type Ties struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]*list.Element
	order  list.List // of *tie, the one read longest ago in front
}

type tie struct {
	addr netip.Addr
	ref  Ref
	read time.Time
}

// Put remembers what an address boots from now on.
func (t *Ties) Put(a netip.Addr, r Ref, now time.Time) {
	a = a.Unmap()
	if !a.IsValid() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byAddr == nil {
		t.byAddr = map[netip.Addr]*list.Element{}
	}
	t.drop(a)
	t.byAddr[a] = t.order.PushBack(&tie{a, r, now})
	if t.order.Len() > maxTies {
		t.drop(t.order.Front().Value.(*tie).addr)
	}
}

// Get tells what an address boots, and remembers that it was asked.
func (t *Ties) Get(a netip.Addr, now time.Time) (r Ref, ok bool) {
	a = a.Unmap()
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byAddr[a]
	if !ok {
		return Ref{}, false
	}
	one := e.Value.(*tie)
	if now.Sub(one.read) >= tieAge {
		t.drop(a)
		return Ref{}, false
	}
	one.read = now
	t.order.MoveToBack(e)
	return one.ref, true
}

// Forget is for an address that boots something else.
func (t *Ties) Forget(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(a.Unmap())
}

func (t *Ties) drop(a netip.Addr) {
	if e, ok := t.byAddr[a]; ok {
		t.order.Remove(e)
		delete(t.byAddr, a)
	}
}
