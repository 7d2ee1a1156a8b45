// Package upstream remembers what hobnail has passed on to the site's DHCP
// servers and what it has learned of them: requests that wait for an answer,
// who offered what, where a server answers. All of it is bounded, in number
// and in time, and losing it costs a machine one more try. It decides nothing
// and sends nothing.
package upstream

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// Bounds. A request waits longer than any server thinks: an answer that comes
// after the proxy's offer is still good. What was offered is kept for as long
// as firmware and loaders hold an address, so that they can give it back.
const (
	maxWaiting  = 4096
	waitingTime = 30 * time.Second
	maxOffers   = 8192
	offerTime   = 4 * time.Hour
	maxPlaces   = 1024
	maxServers  = 4 // of one place

	// sameRequest is how soon the copies of one request arrive that several
	// relays of a link send. A machine repeats itself after a second at the
	// soonest, and then by all of them again.
	sameRequest = 900 * time.Millisecond

	// lostAfter is how many requests in a row a server that answered must
	// leave unanswered to count as silent. One or two may be for machines
	// that it was told not to serve.
	lostAfter = 3
)

// Exchange is a request that was passed on.
type Exchange struct {
	Request  *dhcp4.Packet // as the machine sent it
	Facts    classify.Facts
	Decision policy.Decision
	Probe    bool // our own: nobody waits for the answer
	Since    time.Time

	try *try
}

// try is what became of a request, and of its repetitions while it waits: an
// answer to one is an answer to all.
type try struct{ answered, missed bool }

// id tells exchanges apart: the xid alone repeats across machines and boots,
// and one machine's DISCOVER and REQUEST share it.
type id struct {
	mac     model.MAC
	xid     uint32
	message dhcp4.MessageType
}

type offer struct {
	key  model.MAC
	addr netip.Addr
}

// place is what is known of the servers that answer for one place.
type place struct {
	state      policy.SiteState
	unanswered int // in a row
	servers    []netip.Addr
}

// Table is the memory. It may be used from several goroutines.
type Table struct {
	mu      sync.Mutex
	waiting *queue[id, *Exchange]
	offers  *queue[offer, policy.SiteServer]
	places  map[netip.Prefix]*place
}

var _ policy.Upstream = (*Table)(nil)

// NewTable makes an empty table.
func NewTable() *Table {
	return &Table{
		waiting: newQueue[id, *Exchange](maxWaiting, waitingTime),
		offers:  newQueue[offer, policy.SiteServer](maxOffers, offerTime),
		places:  map[netip.Prefix]*place{},
	}
}

// Ask remembers a request that goes on to the site's servers. The exchange
// must not change afterwards.
func (t *Table) Ask(now time.Time, e *Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Since, e.try = now, &try{}
	key := id{e.Facts.MAC, e.Facts.Xid, e.Facts.Message}
	if before, ok := t.waiting.get(now, key); ok && !before.try.answered && !before.try.missed {
		e.try = before.try
	}
	t.waiting.put(now, key, e)
}

// Answer finds the request that a server's message answers and ties the
// address in it to the server. found says that the place's servers were not
// known to answer before.
func (t *Table) Answer(now time.Time, m *dhcp4.Packet, from netip.Addr) (e *Exchange, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.waiting.get(now, id{macOf(m), m.Xid, answers(m.Type())})
	nak := m.Type() == dhcp4.Nak
	if !ok || e.Decision.Passing.Relay != m.GIAddr || !nak && m.YIAddr.IsUnspecified() {
		return nil, false // the last is a proxy's, for which nobody asked
	}
	e.try.answered = true
	p := t.place(e.Decision.Place)
	found = p.state != policy.SiteAnswers
	p.state, p.unanswered = policy.SiteAnswers, 0
	if !e.Probe && !nak {
		server, ok := m.Options.Addr(dhcp4.OptServerID)
		if !ok {
			server = from
		}
		t.offers.put(now, offer{e.Facts.Key(), m.YIAddr}, policy.SiteServer{ID: server, Addr: from})
	}
	return e, found
}

// Missed is called when a request has waited for long enough. It gives what was
// known of the place's servers before, and what is now.
func (t *Table) Missed(e *Exchange) (before, now policy.SiteState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.place(e.Decision.Place)
	before = p.state
	if e.try.answered || e.try.missed {
		return before, before
	}
	e.try.missed = true
	p.unanswered++
	if before == policy.SiteUnknown || before == policy.SiteAnswers && p.unanswered >= lostAfter {
		p.state = policy.SiteSilent
	}
	return before, p.state
}

// Waits reports whether nobody has answered a request yet.
func (t *Table) Waits(e *Exchange) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !e.try.answered
}

// Heard remembers a server whose offer a machine of a place took.
func (t *Table) Heard(at netip.Prefix, server netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.place(at)
	if slices.Contains(p.servers, server) {
		return
	}
	if len(p.servers) == maxServers {
		p.servers = slices.Delete(p.servers, 0, 1)
	}
	p.servers = append(p.servers, server)
}

// State says whether the servers of a place answer.
func (t *Table) State(at netip.Prefix) policy.SiteState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.places[at]; p != nil {
		return p.state
	}
	return policy.SiteUnknown
}

// Servers lists the servers that were heard of at a place.
func (t *Table) Servers(at netip.Prefix) []netip.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.places[at]; p != nil {
		return slices.Clone(p.servers)
	}
	return nil
}

// Offered gives the server that offered or gave a machine an address.
func (t *Table) Offered(key model.MAC, a netip.Addr) (policy.SiteServer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.offers.peek(offer{key, a})
}

// OnItsWay reports whether a request is passed on at this moment that came by
// another relay.
func (t *Table) OnItsWay(now time.Time, f *classify.Facts) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.waiting.get(now, id{f.MAC, f.Xid, f.Message})
	return ok && e.Facts.Relay != f.Relay && now.Sub(e.Since) < sameRequest
}

// place gives what is known of a place, which is made if need be. When there
// are too many, all are forgotten: they are learned anew within one boot.
func (t *Table) place(at netip.Prefix) *place {
	p := t.places[at]
	if p == nil {
		if len(t.places) >= maxPlaces {
			clear(t.places)
		}
		p = &place{}
		t.places[at] = p
	}
	return p
}

// macOf reads a server's message as classify reads a client's.
func macOf(p *dhcp4.Packet) model.MAC {
	if p.HType != dhcp4.HTypeEthernet || p.HLen != 6 {
		return ""
	}
	return model.MACFromBytes(p.HardwareAddr())
}

// answers gives what a server's message answers.
func answers(m dhcp4.MessageType) dhcp4.MessageType {
	if m == dhcp4.Offer {
		return dhcp4.Discover
	}
	return dhcp4.Request
}
