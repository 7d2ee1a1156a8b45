package app

import (
	"context"
	"net/netip"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/probe"
	"hobnail/internal/serve/dhcp"
)

// maxProbed is how many addresses of a pool are asked for in a round. Larger
// pools are asked for as they are offered.
const maxProbed = 1 << 14

// presence is the network as the prober knows it.
type presence struct {
	sockets *netio.Presence
	answers chan probe.Answer
}

// Ask asks by ARP on our own links, and by an echo request beyond them.
func (p *presence) Ask(q probe.Question) error {
	if q.IfIndex == 0 {
		return p.sockets.AskFar(q.Addr)
	}
	return p.sockets.AskLink(q.IfIndex, q.Addr)
}

func (p *presence) Answers() <-chan probe.Answer { return p.answers }

// listen hands on what is heard until the sockets are closed.
func (p *presence) listen(ctx context.Context, hear func() (netio.Present, bool, error)) {
	for {
		s, ok, err := hear()
		if err != nil {
			return
		}
		if !ok {
			continue
		}
		select {
		case p.answers <- probe.Answer{Addr: s.Addr, MAC: s.MAC}:
		case <-ctx.Done():
			return
		}
	}
}

// newProber makes the search for addresses in use, and what runs it.
func (s *Server) newProber(d *dhcp.Server) (service, error) {
	sockets, err := netio.OpenPresence()
	if err != nil {
		return service{}, err
	}
	wire := &presence{sockets: sockets, answers: make(chan probe.Answer, 64)}
	p := probe.New()
	p.Wire, p.Places, p.Link, p.Free = wire, s.places, s.link, s.free
	p.Found = func(a probe.Answer) { d.Conflict(a.Addr, a.MAC, probe.Hold) }
	p.Crowded = func(a probe.Answer) { d.Crowd(a.Addr, a.MAC) }
	d.Offered = p.Offered
	return service{serve: func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { sockets.Close() })
		defer stop()
		go wire.listen(ctx, sockets.HearLink)
		go wire.listen(ctx, sockets.HearFar)
		p.Run(ctx)
		return nil
	}}, nil
}

// probes reports whether addresses of a subnet are asked for.
func probes(n *config.Subnet) bool { return n.Mode == model.ModeServer && n.Probe }

// places lists our part of all pools that are asked for.
func (s *Server) places() []probe.Place {
	l := s.current.Load()
	var all []probe.Place
	for i := range l.Config.Subnets {
		n := &l.Config.Subnets[i]
		if !probes(n) {
			continue
		}
		place := probe.Place{IfIndex: s.ifIndex(n.CIDR)}
		for _, r := range l.Policy.Owned(n) {
			for at := int64(0); at < r.Size() && len(place.Addrs) < maxProbed; at++ {
				place.Addrs = append(place.Addrs, r.Nth(at))
			}
		}
		all = append(all, place)
	}
	return all
}

// link says on which of our links an address is.
func (s *Server) link(a netip.Addr) (index int, ok bool) {
	l := s.current.Load()
	for i := range l.Config.Subnets {
		if n := &l.Config.Subnets[i]; n.CIDR.Contains(a) {
			return s.ifIndex(n.CIDR), probes(n)
		}
	}
	return 0, false
}

// ifIndex gives the interface that has an address in a network; 0 if none has.
func (s *Server) ifIndex(n netip.Prefix) int {
	for _, i := range s.ifaces.All() {
		for _, p := range i.Prefixes {
			if n.Contains(p.Addr()) {
				return i.Index
			}
		}
	}
	return 0
}

// free reports whether an address could be offered, or be taken by whom it was
// offered to. One that is put aside is asked for as well: it stays so while
// somebody has it.
func (s *Server) free(a netip.Addr) bool {
	l, ok := s.leases.ByAddr(a)
	return !ok || !policy.Keeps(l, time.Now()) || l.State != policy.StateBound
}
