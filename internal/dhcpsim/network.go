package dhcpsim

import (
	"net/netip"
	"time"

	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

// hop carries something over one link: it may be lost, arrive twice, or late.
func (w *world) hop(arrive func()) {
	if w.chance(w.weather.drop) {
		return
	}
	w.after(w.travel(), arrive)
	if w.chance(w.weather.double) {
		w.after(w.travel(), arrive)
	}
}

func (w *world) travel() time.Duration {
	if w.chance(w.weather.delay) {
		return w.between(0, w.weather.late)
	}
	return w.between(100*time.Microsecond, 2*time.Millisecond)
}

// broadcast carries a machine's message to all servers, directly or by relays.
func (w *world) broadcast(p *dhcp4.Packet) {
	if len(w.relays) == 0 {
		b := encode(p)
		for _, s := range w.servers {
			w.hop(func() {
				s.receive(netio.Packet{Data: b, Src: netip.AddrPortFrom(netip.IPv4Unspecified(), dhcp4.ClientPort),
					Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255})})
			})
		}
		return
	}
	for _, r := range w.relays {
		w.hop(func() { r.forward(*p) })
	}
}

// unicast carries a message of a machine that has an address to one server.
func (w *world) unicast(p *dhcp4.Packet, server netip.Addr) {
	b := encode(p)
	for _, s := range w.servers {
		if s.addr == server {
			w.hop(func() {
				s.receive(netio.Packet{Data: b, Src: netip.AddrPortFrom(p.CIAddr, dhcp4.ClientPort), Dst: server})
			})
		}
	}
}

// relay is a router that helps broadcasts on.
type relay struct {
	w    *world
	addr netip.Addr
}

func (r *relay) forward(p dhcp4.Packet) {
	p.Hops++
	p.GIAddr = r.addr
	b := encode(&p)
	for _, s := range r.w.servers {
		r.w.hop(func() {
			s.receive(netio.Packet{Data: b, Src: netip.AddrPortFrom(r.addr, dhcp4.ServerPort), Dst: s.addr})
		})
	}
}

// deliver carries a server's datagram to where it is addressed.
func (w *world) deliver(out netio.Datagram) {
	for _, r := range w.relays {
		if out.To.Addr() == r.addr {
			w.hop(func() { w.toMachine(out.Data) })
			return
		}
	}
	if out.HW != nil || out.To.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		w.toMachine(out.Data)
		return
	}
	// To whoever uses the address when it gets there.
	w.hop(func() {
		for _, m := range w.machines {
			if m.uses(out.To.Addr()) {
				m.receive(out.Data)
			}
		}
	})
}

// toMachine is the machines' own link; who is meant is in the message.
func (w *world) toMachine(b []byte) {
	p, err := dhcp4.Parse(b)
	if err != nil {
		w.violates("a server sent what cannot be read: %v", err)
		return
	}
	for _, m := range w.machines {
		if m.mac == p.CHAddr {
			w.hop(func() { m.receive(b) })
		}
	}
}

func encode(p *dhcp4.Packet) []byte {
	b, err := p.Append(nil)
	if err != nil {
		panic("a simulated machine's message: " + err.Error())
	}
	return b
}
