package dhcpsim

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// machine is switched on, boots by its firmware, then by iPXE, and runs a
// system; restarts, goes off with and without a word, and comes back. Each of
// the three is a DHCP client of its own kind.
type machine struct {
	w    *world
	name string
	n    int
	mac  [16]byte

	kind  kind
	state state
	turn  int // counts changes of state: what waits for an earlier one does nothing

	xid     uint32
	askedAt time.Duration // when this exchange began
	offers  []*dhcp4.Packet
	wish    netip.Addr // what is asked for
	server  netip.Addr // whose offer was taken, or who gave the lease

	address  netip.Addr // in use
	until    time.Duration
	last     netip.Addr // what the system had, and remembers when it comes back
	lastTill time.Duration

	held     map[netip.Addr]*hold // what is the machine's, in use or not
	servedAt time.Duration        // when it last got an address that is of use
	forges   bool                 // see vandal
}

// kind is which client runs.
type kind string

const (
	off      kind = "off"
	firmware kind = "firmware"
	ipxe     kind = "iPXE"
	system   kind = "system"
)

// state is that of RFC 2131 figure 5.
type state string

const (
	idle       state = "idle"
	selecting  state = "selecting"
	requesting state = "requesting"
	rebooting  state = "rebooting"
	bound      state = "bound"
	renewing   state = "renewing"
	rebinding  state = "rebinding"
)

// waits are how long each client waits for answers, time after time. UEFI
// collects offers for all of its first wait, iPXE likewise; a system takes the
// first offer.
var waits = map[kind][]time.Duration{
	firmware: {4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second},
	ipxe:     {time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second},
	system:   {3 * time.Second, 6 * time.Second, 12 * time.Second, 12 * time.Second},
}

func newMachine(w *world, n int) *machine {
	m := &machine{w: w, n: n, name: fmt.Sprintf("machine%d", n), mac: [16]byte{0x52, 0x54, 0, 0, 0, byte(n)},
		kind: off, state: idle, held: map[netip.Addr]*hold{}}
	w.after(w.between(0, 20*time.Second), m.boot)
	return m
}

// then has something happen in a while, unless the machine has moved on.
func (m *machine) then(d time.Duration, do func()) {
	turn := m.turn
	m.w.after(d, func() {
		if m.turn == turn {
			do()
		}
	})
}

// becomes is the one way to another state.
func (m *machine) becomes(k kind, s state) {
	m.kind, m.state = k, s
	m.turn++
}

// boot switches the machine on, or restarts it.
func (m *machine) boot() {
	m.address = netip.Addr{}
	if m.w.chance(0.2) { // from its own disk
		m.run()
		return
	}
	m.discover(firmware)
}

// run starts the system, which goes on with the address it had if it can.
func (m *machine) run() {
	m.address = netip.Addr{}
	if m.last.IsValid() && m.lastTill > m.w.now && m.w.chance(0.7) {
		m.becomes(system, rebooting)
		m.exchange()
		m.wish, m.server = m.last, netip.Addr{}
		m.request(0)
		return
	}
	m.discover(system)
}

func (m *machine) exchange() {
	m.xid, m.askedAt, m.offers = m.w.rng.Uint32(), m.w.now, nil
}

// discover looks for servers.
func (m *machine) discover(k kind) {
	m.becomes(k, selecting)
	m.exchange()
	m.tryDiscover(0)
}

func (m *machine) tryDiscover(n int) {
	p := m.message(dhcp4.Discover)
	if m.kind == system && m.last.IsValid() {
		p.Options.AddAddr(dhcp4.OptRequestedAddr, m.last)
	}
	m.w.says(m.name, "%s DISCOVER", m.kind)
	m.w.broadcast(p)
	m.then(waits[m.kind][n], func() {
		switch {
		case len(m.offers) > 0:
			m.choose()
		case n+1 < len(waits[m.kind]):
			m.tryDiscover(n + 1)
		default:
			m.fails()
		}
	})
}

// fails is the end of a boot, or of a system's patience, for now.
func (m *machine) fails() {
	m.w.says(m.name, "%s gives up", m.kind)
	m.becomes(m.kind, idle)
	m.then(m.w.between(time.Second, 8*time.Second), m.boot)
}

// choose takes an offer: UEFI's first, iPXE's last.
func (m *machine) choose() {
	o := m.offers[0]
	if m.kind == ipxe {
		o = m.offers[len(m.offers)-1]
	}
	m.wish = o.YIAddr
	m.server, _ = o.Options.Addr(dhcp4.OptServerID)
	m.becomes(m.kind, requesting)
	m.request(0)
}

// request asks for the address, by broadcast, in SELECTING and INIT-REBOOT.
func (m *machine) request(n int) {
	p := m.message(dhcp4.Request)
	p.Options.AddAddr(dhcp4.OptRequestedAddr, m.wish)
	if m.server.IsValid() {
		p.Options.AddAddr(dhcp4.OptServerID, m.server)
	}
	m.w.says(m.name, "%s REQUEST %s of %s", m.kind, m.wish, m.server)
	m.w.broadcast(p)
	m.then(waits[m.kind][n], func() {
		switch {
		case n < 2:
			m.request(n + 1)
		case m.kind == firmware:
			m.fails()
		default:
			m.discover(m.kind)
		}
	})
}

// receive is a message from a server.
func (m *machine) receive(b []byte) {
	p, err := dhcp4.Parse(b)
	if err != nil || p.Xid != m.xid || m.kind == off {
		return
	}
	switch p.Type() {
	case dhcp4.Offer:
		if m.state != selecting {
			return
		}
		m.offers = append(m.offers, p)
		if m.kind == system {
			m.choose()
		}
	case dhcp4.Ack:
		if m.state == requesting || m.state == rebooting || m.state == renewing || m.state == rebinding {
			m.acked(p)
		}
	case dhcp4.Nak:
		if !m.forges {
			m.refused(p)
		}
	}
}

func (m *machine) refused(p *dhcp4.Packet) {
	by, _ := p.Options.Addr(dhcp4.OptServerID)
	switch m.state {
	case rebooting, renewing, rebinding:
		a := m.wish
		if m.address.IsValid() {
			a = m.address
		}
		m.w.judge.refused(m, a, by)
		m.last = netip.Addr{}
		m.discover(system)
	case requesting:
		if by != m.server {
			m.w.violates("%s took the offer of %s and was refused by %s", m.name, m.server, by)
		}
		if m.kind == firmware { // PXE-E07, and the boot is over
			m.fails()
			return
		}
		m.discover(m.kind)
	}
}

func (m *machine) acked(p *dhcp4.Packet) {
	by, _ := p.Options.Addr(dhcp4.OptServerID)
	seconds, _ := p.Options.Uint32(dhcp4.OptLeaseTime)
	a, until := p.YIAddr, m.w.now+time.Duration(seconds)*time.Second
	m.w.says(m.name, "%s takes %s until %.4fs", m.kind, a, until.Seconds())
	switch {
	case m.state == requesting && by != m.server, m.state != requesting && a != m.wish:
		m.w.violates("%s asked %s for %s, and %s gave it %s", m.name, m.server, m.wish, by, a)
		return
	case time.Duration(seconds)*time.Second != m.w.site.lease:
		m.w.violates("%s was given %s for %d seconds", m.name, a, seconds)
		return
	}
	m.w.judge.acked(m, m.w.serverAt(by), a, until)
	m.becomes(m.kind, bound)
	if m.forges {
		return
	}
	if m.kind != system {
		m.servedAt = m.w.now
	}
	m.address, m.until, m.server = a, until, by
	switch m.kind {
	case firmware: // loads iPXE
		m.then(m.w.between(time.Second, 5*time.Second), func() { m.discover(ipxe) })
	case ipxe: // loads the system
		m.then(m.w.between(time.Second, 10*time.Second), m.run)
	case system:
		m.settle()
	}
}

// settle is a system with a fresh lease.
func (m *machine) settle() {
	m.last, m.lastTill, m.wish = m.address, m.until, m.address
	if m.w.strays[m.address.String()] && !m.isReserved() {
		m.decline()
		return
	}
	m.servedAt = m.w.now
	life := m.w.site.lease
	m.then(life/2, func() {
		m.becomes(system, renewing)
		m.exchange()
		m.renew(m.until - life/8)
	})
	if !m.w.calm && m.w.chance(0.6) {
		m.then(m.w.between(0, 2*life), m.leave)
	}
}

func (m *machine) isReserved() bool { return m.address == reservedIP }

// renew asks the server that gave the lease for more, and then all servers,
// until the lease ends.
func (m *machine) renew(rebind time.Duration) {
	p := m.message(dhcp4.Request)
	p.CIAddr = m.address
	next := m.w.now + m.w.site.lease/8
	if m.state == renewing {
		m.w.says(m.name, "renews %s with %s", m.address, m.server)
		m.w.unicast(p, m.server)
	} else {
		m.w.says(m.name, "rebinds %s", m.address)
		m.w.broadcast(p)
	}
	m.then(min(next, m.until)-m.w.now, func() {
		switch {
		case m.w.now >= m.until:
			m.w.says(m.name, "its lease of %s is over", m.address)
			m.address = netip.Addr{}
			m.discover(system)
		case m.state == renewing && m.w.now >= rebind:
			m.becomes(system, rebinding)
			m.renew(rebind)
		default:
			m.renew(rebind)
		}
	})
}

// decline tells the server that somebody else uses the address.
func (m *machine) decline() {
	m.w.stats.Declines++
	m.w.says(m.name, "declines %s", m.address)
	p := m.message(dhcp4.Decline)
	p.Options.AddAddr(dhcp4.OptRequestedAddr, m.address)
	p.Options.AddAddr(dhcp4.OptServerID, m.server)
	m.w.broadcast(p)
	m.w.judge.gaveUp(m, m.address)
	m.address, m.last = netip.Addr{}, netip.Addr{}
	m.becomes(system, idle)
	m.then(10*time.Second, func() { m.discover(system) })
}

// leave is the end of a system: it gives the address back or not, and the
// machine restarts or stays off for a while.
func (m *machine) leave() {
	if m.w.chance(0.4) {
		m.w.says(m.name, "releases %s", m.address)
		p := m.message(dhcp4.Release)
		p.CIAddr = m.address
		p.Options.AddAddr(dhcp4.OptServerID, m.server)
		m.w.unicast(p, m.server)
		m.w.judge.gaveUp(m, m.address)
		m.last = netip.Addr{}
	}
	m.w.says(m.name, "goes down")
	m.address = netip.Addr{}
	m.becomes(off, idle)
	// Longer than a RELEASE can be under way: one that comes after the
	// machine has come back is nothing that a server could tell.
	m.then(m.w.between(2*latest+time.Second, 40*time.Second), m.boot)
}

// stay switches on what is off, and nothing goes off any more.
func (m *machine) stay() {
	switch {
	case m.forges:
	case m.kind == off || m.state == idle:
		m.then(m.w.between(2*latest+time.Second, 15*time.Second), m.boot)
	case m.kind == system && m.state == bound:
		m.turn++ // forget the plan to leave
		m.becomes(system, renewing)
		m.exchange()
		m.renew(m.until - m.w.site.lease/8)
	}
}

// uses reports whether an address is the machine's to receive at.
func (m *machine) uses(a netip.Addr) bool { return m.address == a && m.kind != off }

// addresses lists what the machine holds, in order.
func (m *machine) addresses() []netip.Addr {
	return slices.SortedFunc(maps.Keys(m.held), netip.Addr.Compare)
}

func (m *machine) key() model.MAC { return model.MACFromBytes(m.mac[:6]) }

// message begins a message of the client that runs.
func (m *machine) message(kind dhcp4.MessageType) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Xid: m.xid, CHAddr: m.mac}
	o := &p.Options
	o.AddUint8(dhcp4.OptMessageType, uint8(kind))
	switch m.kind {
	case firmware:
		p.Flags = dhcp4.FlagBroadcast
		o.AddString(dhcp4.OptVendorClass, "PXEClient:Arch:00007:UNDI:003016")
		o.AddUint16(dhcp4.OptArch, 7)
	case ipxe:
		o.Add(dhcp4.OptClientID, append([]byte{1}, m.mac[:6]...))
		o.AddString(dhcp4.OptVendorClass, "PXEClient:Arch:00007:UNDI:003010")
		o.AddString(dhcp4.OptUserClass, "iPXE")
		o.AddUint16(dhcp4.OptArch, 7)
	default:
		o.Add(dhcp4.OptClientID, append([]byte{255, 0, 0, 0, 1, 0, 3, 0, 1}, m.mac[:6]...))
		o.AddString(dhcp4.OptHostName, m.name)
	}
	return p
}

func (w *world) serverAt(a netip.Addr) *server {
	for _, s := range w.servers {
		if s.addr == a {
			return s
		}
	}
	w.violates("no server has the address %s that an answer names", a)
	return w.servers[0]
}
