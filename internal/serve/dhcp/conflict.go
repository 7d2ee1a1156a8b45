package dhcp

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// Conflict takes an address that somebody was found to have out of circulation
// for a while. One that is leased stays so: if its machine did not get the
// answer, it finds out by itself and declines. mac is whose the address is,
// empty where that is not known.
//
// The record need not be on disk for anybody's sake: it goes there with the
// next lease, and after a crash the address is found again.
func (s *Server) Conflict(a netip.Addr, mac model.MAC, hold time.Duration) {
	now := s.Clock()
	s.deciding.Lock()
	v := s.View()
	l, known := v.Leases.ByAddr(a)
	aside := known && l.State == policy.StateDeclined && l.Expires.After(now)
	leased := known && l.State == policy.StateBound && l.Expires.After(now)
	if slices.Contains(v.Own, a) || rightful(v, a, mac) || known && !aside && (mac == l.MAC || leased && mac == "") {
		s.deciding.Unlock()
		return
	}
	var err error
	if !leased {
		until := now.Add(hold)
		if aside && l.Expires.After(until) {
			until = l.Expires // a machine that was given it has declined it
		}
		_, err = s.Leases.Stage(policy.LeaseChange{Kind: policy.PutAside, Lease: model.Lease{
			Address: a, MAC: mac, Start: now, Expires: until, State: policy.StateDeclined,
		}})
	}
	s.deciding.Unlock()
	attrs := []slog.Attr{slog.String("address", a.String())}
	switch {
	case err != nil:
		attrs = append(attrs, slog.String("error", err.Error()))
	case leased:
		attrs = append(attrs, slog.String("leased_to", string(l.MAC)))
	case aside && l.MAC == mac:
		return // that was said before
	}
	s.Events.Emit(event.Event{Time: now, Code: event.DHCPConflict, MAC: mac, Attrs: attrs})
}

// rightful reports whether an address is reserved for who has it, as far as
// can be seen: some are given theirs by hand as well.
func rightful(v policy.View, a netip.Addr, mac model.MAC) bool {
	m := v.Policy.ReservedFor(a)
	return m != nil && (mac == "" || len(m.MACs) == 0 || slices.Contains(m.MACs, mac))
}

// Crowd tells of who answers for so many addresses that it cannot have them
// all.
func (s *Server) Crowd(a netip.Addr, mac model.MAC) {
	s.Events.Emit(event.Event{Time: s.Clock(), Code: event.DHCPCrowd, MAC: mac, Attrs: []slog.Attr{slog.String("address", a.String())}})
}
