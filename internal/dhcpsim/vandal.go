package dhcpsim

import (
	"net/netip"
	"time"

	"hobnail/internal/wire/dhcp4"
)

// vandalize has somebody on the machines' link say in his own name what only
// the holder of an address may say.
func (w *world) vandalize() {
	if w.calm {
		return
	}
	m := w.vandal()
	a := nth(w.rng.IntN(w.site.pool))
	s := pick(w, w.servers...)
	m.exchange()
	switch w.rng.IntN(4) {
	case 0:
		p := m.message(dhcp4.Release)
		p.CIAddr = a
		p.Options.AddAddr(dhcp4.OptServerID, s.addr)
		w.says(m.name, "forges a RELEASE of %s", a)
		w.unicast(p, s.addr)
		w.judge.gaveUp(m, a) // it may even be his
	case 1:
		p := m.message(dhcp4.Decline)
		p.Options.AddAddr(dhcp4.OptRequestedAddr, a)
		p.Options.AddAddr(dhcp4.OptServerID, s.addr)
		w.says(m.name, "forges a DECLINE of %s", a)
		w.broadcast(p)
		w.judge.gaveUp(m, a)
	case 2:
		m.becomes(system, requesting)
		m.wish, m.server = a, s.addr
		p := m.message(dhcp4.Request)
		p.Options.AddAddr(dhcp4.OptRequestedAddr, a)
		p.Options.AddAddr(dhcp4.OptServerID, s.addr)
		w.says(m.name, "wants %s without an offer", a)
		w.broadcast(p)
	case 3:
		m.becomes(system, rebinding)
		m.wish, m.address = a, netip.Addr{}
		p := m.message(dhcp4.Request)
		p.CIAddr = a
		w.says(m.name, "rebinds %s", a)
		w.broadcast(p)
	}
	w.after(w.between(time.Second, 15*time.Second), w.vandalize)
}

// vandal is the machine that forges: on the link, but it never boots.
func (w *world) vandal() *machine {
	for _, m := range w.machines {
		if m.forges {
			return m
		}
	}
	m := &machine{w: w, n: 250, name: "vandal", mac: [16]byte{0x52, 0x54, 0, 0, 0, 250}, kind: system, state: idle,
		held: map[netip.Addr]*hold{}, forges: true}
	w.machines = append(w.machines, m)
	return m
}
