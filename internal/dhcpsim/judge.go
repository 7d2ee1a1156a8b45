package dhcpsim

import (
	"net/netip"
	"time"

	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// judge watches a run. What must hold:
//
//   - no address is two machines' at one time. It is a machine's from the ACK
//     until the time in it has run out, or the machine has given it back or
//     declined it. Machines are generous to themselves: they count from when
//     the ACK came, though it was sent and decided earlier;
//   - when an ACK leaves, its lease is on the disk as it would be after a power
//     cut, for at least as long as the ACK says;
//   - a server that starts knows every lease that it has acknowledged;
//   - a lease that is valid is not refused to its machine (NAK);
//   - a machine that asks again keeps its address, if the server that it takes
//     has given it one that is still valid;
//   - when nothing is broken any more, a machine that asks is served, if there
//     is a free address.
//
// Clocks are set forward and back while servers run, and nothing of this may
// break. But a server that starts counts what is on its disk by the clock that
// it finds; where that was set forward since the lease was written, the lease
// ends early, and nobody can know. That is excused, and counted.
type judge struct {
	w     *world
	holds map[netip.Addr][]*hold
}

// hold is a lease as a machine has it.
type hold struct {
	m            *machine
	s            *server
	ahead        time.Duration // the least that the server's clock was ahead since it gave the lease
	since, until time.Duration
	doubtful     bool // the server was started since, with its clock set forward
}

// skew is by how much clocks may have been set forward, while servers were
// stopped, without harm: the rest of the margin is for answers that are late.
const skew = policy.Margin - 2*latest - time.Second

// acked is an ACK that a machine has taken.
func (j *judge) acked(m *machine, s *server, a netip.Addr, until time.Duration) {
	j.w.stats.Acks++
	if j.holds == nil {
		j.holds = map[netip.Addr][]*hold{}
	}
	now := &hold{m: m, s: s, ahead: s.ahead(), since: j.w.now, until: until}
	var kept []*hold
	for _, h := range j.holds[a] {
		switch {
		case h.m == m || h.until <= j.w.now:
		case h.excused(s):
			j.w.stats.Excused++
			j.w.says("JUDGE", "%s is %s's until %.4fs and now %s's: the clock of %s was set forward", a, h.m.name, h.until.Seconds(), m.name, s.name)
		default:
			j.w.violates("%s is %s's until %.4fs, from %s, and now %s's, from %s", a, h.m.name, h.until.Seconds(), h.s.name, m.name, s.name)
			kept = append(kept, h)
		}
	}
	j.sameAddress(m, s, a)
	j.holds[a] = append(kept, now)
	m.held[a] = now
}

// excused reports whether a server may think that a lease has ended.
func (h *hold) excused(s *server) bool { return h.s == s && h.doubtful }

// sameAddress wants a machine to keep what it has.
func (j *judge) sameAddress(m *machine, s *server, a netip.Addr) {
	if m.state != requesting || m.forges {
		return // it asked for this very address by itself
	}
	for _, have := range m.addresses() {
		h := m.held[have]
		if have != a && h.s == s && h.since < m.askedAt && h.until > j.w.now && !h.excused(s) {
			j.w.violates("%s has %s from %s until %.4fs, and was given %s by it", m.name, have, s.name, h.until.Seconds(), a)
		}
	}
}

// gaveUp ends a lease early.
func (j *judge) gaveUp(m *machine, a netip.Addr) {
	if m.held[a] == nil {
		return
	}
	var kept []*hold
	for _, h := range j.holds[a] {
		if h.m != m {
			kept = append(kept, h)
		}
	}
	j.holds[a] = kept
	delete(m.held, a)
}

// refused is a NAK for an address that a machine asked to keep.
func (j *judge) refused(m *machine, a netip.Addr, by netip.Addr) {
	h, ok := m.held[a]
	if !ok || h.until <= j.w.now {
		return
	}
	for _, s := range j.w.servers {
		if h.excused(s) {
			return
		}
	}
	j.w.violates("%s was refused %s by %v, which it has from %s until %.4fs", m.name, a, by, h.s.name, h.until.Seconds())
}

// ledger is what a server owes: the leases that it acknowledged and that were
// not given back since.
type ledger map[netip.Addr]*debt

type debt struct {
	mac   model.MAC
	until time.Duration
	ahead time.Duration // as in hold
}

// hears takes note of what a machine gives back.
func (l ledger) hears(b []byte) {
	kind := dhcp4.PeekType(b)
	if kind != dhcp4.Release && kind != dhcp4.Decline {
		return
	}
	p, err := dhcp4.Parse(b)
	if err != nil {
		return
	}
	a := p.CIAddr
	if kind == dhcp4.Decline {
		a, _ = p.Options.Addr(dhcp4.OptRequestedAddr)
	}
	if d := l[a]; d != nil && d.mac == model.MACFromBytes(p.HardwareAddr()) {
		delete(l, a)
	}
}

// sent is an answer on its way out of a server.
func (j *judge) sent(s *server, p *dhcp4.Packet) {
	j.w.says(s.name, "%s %s to %x", p.Type(), p.YIAddr, p.HardwareAddr())
	lasts, timed := p.Options.Uint32(dhcp4.OptLeaseTime)
	if p.Type() != dhcp4.Ack || !timed {
		return
	}
	a := p.YIAddr
	d := &debt{model.MACFromBytes(p.HardwareAddr()), j.w.now + seconds(int(lasts)), s.ahead()}
	why := d.paidBy(s.disk.records()[a])
	if now, _ := s.table.ByAddr(a); now.MAC != d.mac || now.State != policy.StateBound {
		// Given back while the answer waited for the disk; what gives it
		// back may be there already.
		delete(s.owed, a)
		return
	}
	if why != "" {
		j.w.violates("%s acknowledges %s to %s, but the disk %s", s.name, a, d.mac, why)
	}
	s.owed[a] = d
}

// paidBy says what a record lacks; "" for nothing.
func (d *debt) paidBy(l model.Lease) string {
	until := epoch.Add(d.until + d.ahead)
	switch {
	case !l.Address.IsValid():
		return "has no record of it"
	case l.MAC != d.mac:
		return "has it for " + string(l.MAC)
	case l.State != policy.StateBound:
		return "has it " + l.State
	case l.Expires.Before(until):
		return "has it until " + l.Expires.Format(clockTime) + ", not until " + until.Format(clockTime)
	}
	return ""
}

const clockTime = "15:04:05.000"

// records are those of a disk after the worst power cut.
func (d *disk) records() map[netip.Addr]model.Lease {
	if d.read == nil || d.readAt != d.synced {
		d.read, d.readAt = map[netip.Addr]model.Lease{}, d.synced
		err := lease.ReadIn(certain{d: d}, logName, func(l model.Lease) { d.read[l.Address] = l })
		if err != nil {
			d.s.w.violates("%s would not start after a power cut: %v", d.s.name, err)
		}
	}
	return d.read
}

// clockSet notes that what is written from now on is by another clock, also of
// a lease that was acknowledged before.
func (j *judge) clockSet(s *server) {
	for _, a := range j.w.addresses() {
		for _, h := range j.holds[a] {
			if h.s == s {
				h.ahead = min(h.ahead, s.wall)
			}
		}
		if d := s.owed[a]; d != nil {
			d.ahead = min(d.ahead, s.wall)
		}
	}
}

// started compares what a server knows with what it owes.
func (j *judge) started(s *server) {
	for _, a := range j.w.addresses() {
		for _, h := range j.holds[a] {
			if h.s == s {
				h.doubtful = h.doubtful || s.wall > h.ahead+skew
			}
		}
		d := s.owed[a]
		if d == nil {
			continue
		}
		if d.until <= j.w.now || s.wall > d.ahead+skew {
			delete(s.owed, a)
			continue
		}
		l, _ := s.leases.ByAddr(a)
		if why := d.paidBy(l); why != "" {
			j.w.violates("%s acknowledged %s to %s, and after a restart %s", s.name, a, d.mac, why)
		}
	}
}

// addresses lists all that a server may lease.
func (w *world) addresses() []netip.Addr {
	all := []netip.Addr{reservedIP}
	for n := range w.site.pool {
		all = append(all, nth(n))
	}
	return all
}

// end is after the calm.
func (j *judge) end() {
	for _, m := range j.w.machines {
		if m.servedAt > j.w.end-patience || m.forges {
			continue
		}
		for _, s := range j.w.servers {
			for n := range j.w.site.pool {
				if a := nth(n); s.wouldGive(a) {
					j.w.violates("%s asks and is not served since %.4fs, though %s has %s free", m.name, m.servedAt.Seconds(), s.name, a)
					return
				}
			}
		}
	}
}

// patience is how long a machine may be without an answer that it can use.
const patience = 100 * time.Second

// wouldGive reports whether an address is the server's to give, and free for
// so long that every machine has asked since.
func (s *server) wouldGive(a netip.Addr) bool {
	of, n := s.w.site.servers, 0
	for x := range s.w.site.pool {
		if nth(x) == a {
			n = x
		}
	}
	if n < s.w.site.pool*s.n/of || n >= s.w.site.pool*(s.n+1)/of {
		return false
	}
	l, known := s.table.ByAddr(a)
	return !known || !policy.Keeps(l, s.clock.Now().Add(-patience))
}
