package history

import (
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// Around remembers what a boot is judged by beside its own record: the DHCP
// servers heard of where it is, the machine's earlier boots, how others of its
// model fared, and how long steps usually take. It knows no clock and is not
// safe for concurrent use; its memory is bounded.
type Around struct {
	places map[string]map[netip.Addr]verdict.Neighbour
	past   map[model.MAC][]verdict.Past
	usual  *usual
	models *models
}

// NewAround makes one that knows nothing.
func NewAround() *Around {
	return &Around{
		places: map[string]map[netip.Addr]verdict.Neighbour{}, past: map[model.MAC][]verdict.Past{},
		usual: newUsual(), models: newModels(),
	}
}

// Hear remembers the DHCP servers of a place.
func (a *Around) Hear(who record.Who, s *model.Step) {
	d := s.DHCP
	if d == nil {
		return
	}
	n := verdict.Neighbour{Addr: s.Server, Ours: s.Ours, Last: s.Time}
	switch s.Kind {
	case model.StepOffer, model.StepAck:
		n.Leases = d.Address.IsValid()
	case model.StepRequest:
		n.Addr, n.Leases = d.Chosen, d.Chosen.IsValid()
	}
	if !n.Addr.IsValid() {
		return
	}
	at := a.places[who.Place]
	if at == nil {
		if len(a.places) > maxPlaces {
			return
		}
		at = map[netip.Addr]verdict.Neighbour{}
		a.places[who.Place] = at
	}
	if old, ok := at[n.Addr]; ok {
		n.Leases, n.Ours = n.Leases || old.Leases, n.Ours || old.Ours
	} else if len(at) > maxNeighbours {
		return
	}
	at[n.Addr] = n
}

const (
	maxPlaces     = 4096
	maxNeighbours = 64 // of a place
)

// Case puts a boot before the judge.
func (a *Around) Case(b *model.Boot, now time.Time) verdict.Case {
	c := verdict.Case{Boot: b, Now: now, Usual: a.usual, Before: a.past[b.MAC]}
	for _, n := range a.places[b.Place] {
		if now.Sub(n.Last) < neighbourAge {
			c.Neighbours = append(c.Neighbours, n)
		}
	}
	slices.SortFunc(c.Neighbours, func(a, b verdict.Neighbour) int { return a.Addr.Compare(b.Addr) })
	c.WentOn, c.Stuck = a.models.others(b)
	return c
}

// Learn takes a boot that has ended, judged.
func (a *Around) Learn(b *model.Boot) {
	a.settled(b)
	a.ended(b)
}

// settled takes a boot whose verdict is final.
func (a *Around) settled(b *model.Boot) {
	a.usual.learn(b)
	a.models.learn(b)
}

// ended takes a boot that nothing more is added to.
func (a *Around) ended(b *model.Boot) {
	if b.MAC == "" {
		return
	}
	if len(a.past) >= maxPast {
		clear(a.past) // a flood of invented machines costs the others' past
	}
	past := append([]verdict.Past{{Code: b.Verdict.Code, Last: b.Last}}, a.past[b.MAC]...)
	a.past[b.MAC] = past[:min(len(past), keepPast)]
}
