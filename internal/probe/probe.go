// Package probe finds addresses that somebody uses without having been given
// them: a printer with a fixed address inside a pool. It asks ahead of need and
// beside the path of packets; what is to happen with an address that is in use
// is the caller's to say.
package probe

import (
	"context"
	"net/netip"
	"time"

	"hobnail/internal/model"
)

// Question asks who has an address.
type Question struct {
	Addr    netip.Addr
	IfIndex int // the interface of the link that it is on; 0: beyond a router
}

// Answer says that somebody has an address.
type Answer struct {
	Addr netip.Addr
	MAC  model.MAC // whose it is; empty where the answer came from beyond a router
}

// Wire carries questions out and brings answers back. Ask does not wait for
// the answer.
type Wire interface {
	Ask(Question) error
	Answers() <-chan Answer
}

// Place is a pool that is searched: its addresses in their order.
type Place struct {
	IfIndex int // as in Question
	Addrs   []netip.Addr
}

const (
	// pace is the time between two questions. A broadcast each is what an ARP
	// probe costs a link.
	pace = 5 * time.Millisecond
	// fresh is how long an address that was asked for is not asked for again.
	fresh = time.Minute
	// patience is how long after a question an answer to it is believed.
	patience = 5 * time.Second
	// round is the time from the beginning of one search of all pools to the
	// next.
	round = 10 * time.Minute
	// crowd is how many addresses one machine may have in a round. Routers and
	// firewalls that answer for others have all of them; beyond a router,
	// where machines are not seen, it takes half of those asked for as well.
	crowd = 16
)

// Hold is how long an address that is in use is kept from others: over the
// next two rounds, which find it again.
const Hold = 3 * round

// Prober asks for every free address of all pools, round after round, and at
// once for those that are offered. Its fields are set before Run.
type Prober struct {
	Wire   Wire
	Places func() []Place
	// Link gives the interface of the link that an offered address is on, 0
	// for beyond a router; ok is false where nobody is to be asked.
	Link func(netip.Addr) (index int, ok bool)
	// Free reports whether an address could be offered: only those are
	// asked for.
	Free func(netip.Addr) bool
	// Found is told of each address that is in use. It does not wait.
	Found func(Answer)
	// Crowded is told, once a round, of who answers for too many addresses
	// to be believed; of them nothing more is found in that round.
	Crowded func(Answer)

	offered chan netip.Addr
	asked   map[netip.Addr]time.Time
	crowds  map[string]*counted // by source, in this round
	rest    []Question          // of this round
	begun   time.Time           // this round
}

// offers is how many offered addresses may wait to be asked for. In a storm
// the others are offered unasked: it is the round that has asked for them.
const offers = 256

// New makes a prober without its fields.
func New() *Prober {
	return &Prober{offered: make(chan netip.Addr, offers), asked: map[netip.Addr]time.Time{}, crowds: map[string]*counted{}}
}

// Offered says that an address was offered and may be taken soon. It never
// waits.
func (p *Prober) Offered(a netip.Addr) {
	select {
	case p.offered <- a:
	default:
	}
}

// Run asks until the context ends.
func (p *Prober) Run(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-p.Wire.Answers():
			p.heard(time.Now(), a)
		case <-tick.C:
			tick.Reset(p.next(time.Now()))
		case a := <-p.offered:
			if i, ok := p.Link(a); ok {
				p.ask(time.Now(), Question{a, i})
			}
			p.breathe(ctx)
		}
	}
}

// breathe keeps the distance to the next question while offers come in
// bursts.
func (p *Prober) breathe(ctx context.Context) {
	wait := time.NewTimer(pace)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-p.Wire.Answers():
			p.heard(time.Now(), a)
		case <-wait.C:
			return
		}
	}
}

// next asks for one address of the round, begins a new round when it is time,
// and gives the time until it wants to be called again.
func (p *Prober) next(now time.Time) time.Duration {
	if len(p.rest) == 0 {
		if left := p.begun.Add(round).Sub(now); left > 0 {
			return left
		}
		p.begin(now)
	}
	for len(p.rest) > 0 {
		q := p.rest[0]
		p.rest = p.rest[1:]
		if p.Free(q.Addr) && p.ask(now, q) {
			return pace
		}
	}
	return max(pace, p.begun.Add(round).Sub(now))
}

func (p *Prober) begin(now time.Time) {
	p.begun = now
	clear(p.crowds)
	for a, at := range p.asked {
		if now.Sub(at) > fresh {
			delete(p.asked, a)
		}
	}
	p.rest = p.rest[:0]
	for _, place := range p.Places() {
		for _, a := range place.Addrs {
			p.rest = append(p.rest, Question{a, place.IfIndex})
		}
	}
}

// ask reports whether it asked. What cannot be sent, to a link that is down,
// is as good as unanswered.
func (p *Prober) ask(now time.Time, q Question) bool {
	if at, ok := p.asked[q.Addr]; ok && now.Sub(at) < fresh {
		return false
	}
	p.asked[q.Addr] = now
	if q.IfIndex == 0 {
		part := source(Answer{Addr: q.Addr})
		if p.crowds[part] == nil {
			p.crowds[part] = &counted{}
		}
		p.crowds[part].asked++
	}
	return p.Wire.Ask(q) == nil
}

func (p *Prober) heard(now time.Time, a Answer) {
	at, ok := p.asked[a.Addr]
	if !ok || now.Sub(at) > patience {
		return // nobody asked, and what comes unasked is easily forged
	}
	p.asked[a.Addr] = now.Add(-patience - 1) // one answer to a question
	c := p.crowds[source(a)]
	if c == nil {
		c = &counted{}
		p.crowds[source(a)] = c
	}
	c.has++
	switch {
	case c.has < crowd || a.MAC == "" && 2*c.has < c.asked:
		p.Found(a)
	case !c.told:
		c.told = true
		p.Crowded(a)
	}
}

// source tells who answered: a machine, or whatever is in the way to a part of
// the network beyond a router.
func source(a Answer) string {
	if a.MAC != "" {
		return string(a.MAC)
	}
	return netip.PrefixFrom(a.Addr, 24).Masked().String()
}

// counted is what is known of a source in this round.
type counted struct {
	asked int // questions to that part of the network
	has   int // its answers
	told  bool
}
