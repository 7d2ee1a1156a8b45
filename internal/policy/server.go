package policy

import (
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// offerHold is how long an offered address is kept for its machine. UEFI waits
// up to 32 s before it takes an offer, but who asks and takes nothing must not
// empty a pool: after the hold the address is others' to have, as the last of
// those that are free, and still the machine's if nobody wanted it.
const offerHold = 10 * time.Second

// declineHold is how long a declined address is leased to nobody.
const declineHold = 24 * time.Hour

// Margin is how much longer a lease is kept than its machine was told: many
// clients count from when the ACK came, not from when they asked, and the
// answer may have waited for the disk and the network. It also covers a clock
// that was set a little while the server was stopped.
const Margin = 30 * time.Second

// server is the full DHCP server, RFC 2131 section 4.3.
func (v View) server(d *Decision, now time.Time, f *classify.Facts) {
	if d.Subnet == nil {
		d.ignore("subnet", "built-in", "no [[subnet]] is configured for this place, so there is no address to give")
		return
	}
	if f.Relayed() && oneHost(f.Override) {
		d.ServerID = f.Override // RFC 5107: renewals go through the relay
	}
	if f.Key() == "" {
		d.ignore("client", "RFC 2131 section 4.2", "the client names neither a hardware address nor a client id")
		return
	}
	v.settle(d, f)
	switch f.Message {
	case dhcp4.Discover:
		v.discover(d, now, f)
	case dhcp4.Request:
		v.request(d, now, f)
	case dhcp4.Decline:
		v.decline(d, now, f)
	case dhcp4.Release:
		v.release(d, now, f)
	case dhcp4.Inform:
		v.inform(d, f)
	default:
		d.ignore("message", "RFC 2131 section 4.3", "%s is not answered", f.Message)
	}
	if d.Answer == Offer || d.Answer == Ack {
		v.options(d, f)
	}
}

// boot adds boot data for a network boot client and reports whether the
// machine may be answered. A machine whose boot program is not there, or that
// is denied, gets silence rather than half an answer: firmware that finds an
// offer without a boot file only reports the wrong error.
func (v View) boot(d *Decision, f *classify.Facts) bool {
	if !f.Boots() {
		d.Machine = v.Policy.machine(f)
		d.because("client", "built-in", "not a network boot client: an address only")
		return true
	}
	return v.bootData(d, f)
}

func (v View) discover(d *Decision, now time.Time, f *classify.Facts) {
	if !v.boot(d, f) {
		return
	}
	addr, ok := v.address(d, now, f)
	if !ok {
		return
	}
	d.Answer, d.Address, d.Lease = Offer, addr, leaseTime(d, f)
	d.Change = v.change(d, f, Hold, addr, now, now.Add(offerHold))
	if l, ok := v.Leases.ByAddr(addr); ok && l.State == StateBound && l.Expires.After(now) {
		d.Change = LeaseChange{} // its own running lease: nothing to hold
	}
}

// leastLease is the shortest that is given for the asking; the configuration
// allows none that is shorter.
const leastLease = time.Minute

// leaseTime is what the subnet gives, or less where less is wished (option
// 51, RFC 2131 section 4.3.1).
func leaseTime(d *Decision, f *classify.Facts) time.Duration {
	if f.LeaseWish == 0 {
		return d.Subnet.Lease
	}
	return min(d.Subnet.Lease, max(f.LeaseWish, leastLease))
}

// address picks what to offer, in the order of RFC 2131 section 4.3.1: the
// reservation, the running or last lease, the address asked for, a free one;
// each in every subnet of the link, that of the request first.
func (v View) address(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	if v.circuitFull(d, now, f) {
		return netip.Addr{}, false
	}
	place := d.Subnet
	for _, find := range [...]func(View, *Decision, time.Time, *classify.Facts) (netip.Addr, bool){
		View.reserved, View.had, View.asked, View.free,
	} {
		for _, s := range v.Policy.sharing(place) {
			d.Subnet = s
			if a, ok := find(v, d, now, f); ok {
				return a, true
			}
		}
	}
	d.Subnet, d.PoolFull = place, true
	d.ignore("address", d.Subnet.At, "no address is free in this server's part of the pool of %s", d.Subnet.CIDR)
	return netip.Addr{}, false
}

func (v View) reserved(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	a, ok := v.reservation(d, now, f)
	if ok {
		d.because("address", d.Machine.Source, "%s is reserved for %s", a, d.Machine.Name)
	}
	return a, ok
}

func (v View) had(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	l, ok := v.Leases.ByKey(d.Subnet.CIDR, f.Key())
	if !ok || !v.usable(d, f, l.Address, now) {
		return netip.Addr{}, false
	}
	d.because("address", "RFC 2131 section 4.3.1", "%s is the address this machine had", l.Address)
	return l.Address, true
}

func (v View) asked(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	a := f.Requested
	if !onLink(d.Subnet, a) || !v.usable(d, f, a, now) {
		return netip.Addr{}, false
	}
	d.because("address", "RFC 2131 section 4.3.1", "%s is what the machine asked for, and free", a)
	return a, true
}

func (v View) free(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	skip := func(a netip.Addr) bool { return v.reservedForOther(a, f) || v.notForClients(d, f, a) }
	a, ok := Pick(v.Leases, v.Policy.Owned(d.Subnet), f.Key(), now, skip)
	if ok {
		d.because("address", d.Subnet.At, "%s is free in the pool", a)
	}
	return a, ok
}

// reservation gives the address that is kept for the machine that asks. There
// is none while somebody else has it, from before it was reserved or without
// asking anybody: no address is given twice, reserved or not. The interfaces
// of one machine share its reservation.
func (v View) reservation(d *Decision, now time.Time, f *classify.Facts) (netip.Addr, bool) {
	m := d.Machine
	if m == nil || !onLink(d.Subnet, m.Address) {
		return netip.Addr{}, false
	}
	l, known := v.Leases.ByAddr(m.Address)
	switch {
	case !known || !Keeps(l, now):
		return m.Address, true
	case l.State == StateDeclined:
		d.because("address", m.Source, "%s is reserved for %s, which found it in use by somebody else", m.Address, m.Name)
		return netip.Addr{}, false
	case l.MAC == f.Key() || v.Policy.byMAC[l.MAC] == m:
		return m.Address, true
	}
	d.because("address", m.Source, "%s is reserved for %s but leased to %s until %s",
		m.Address, m.Name, l.MAC, l.Expires.UTC().Format(time.RFC3339))
	return netip.Addr{}, false
}

// Keeps reports whether a record still keeps its address from others.
func Keeps(l model.Lease, now time.Time) bool {
	return l.State != StateReleased && l.Expires.After(now)
}

// usable reports whether an address may be leased to this machine by this
// server: from our part of the pool, reserved for nobody else, and free or
// already its own.
func (v View) usable(d *Decision, f *classify.Facts, a netip.Addr, now time.Time) bool {
	if v.reservedForOther(a, f) || v.notForClients(d, f, a) {
		return false
	}
	l, known := v.Leases.ByAddr(a)
	live := known && Keeps(l, now)
	if live && (l.MAC != f.Key() || l.State == StateDeclined) {
		return false
	}
	if live && l.State == StateBound || v.Policy.reserved[a] != nil {
		return onLink(d.Subnet, a) // its own, even where no pool of today has it
	}
	return v.Policy.inOwnPool(d, a)
}

func (v View) reservedForOther(a netip.Addr, f *classify.Facts) bool {
	m := v.Policy.reserved[a]
	return m != nil && m != v.Policy.machine(f) && !v.lastHeld(a, m, f)
}

// lastHeld reports whether who asks had this reserved address last and does
// not say this time what its machine m is known by: an operating system sends
// no UUID, firmware no client id, and no relay names the port when a lease is
// renewed.
func (v View) lastHeld(a netip.Addr, m *model.Machine, f *classify.Facts) bool {
	silent := m.UUID != "" && f.UUID == "" || len(m.ClientIDs) > 0 && f.ClientID == "" || m.CircuitID != "" && f.CircuitID == ""
	l, ok := v.Leases.ByAddr(a)
	return silent && ok && l.MAC == f.Key() && l.State != StateDeclined
}

// notForClients refuses addresses that the network itself uses: the router's,
// the relay's, the boot server's and our own.
func (v View) notForClients(d *Decision, f *classify.Facts, a netip.Addr) bool {
	return a == d.Subnet.Router || a == f.Relay || a == d.Server || a == f.Ingress.Local || slices.Contains(v.Own, a)
}

func (p *Policy) inOwnPool(d *Decision, a netip.Addr) bool {
	for _, r := range p.Owned(d.Subnet) {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

// state is that of a lease after a change.
func (k ChangeKind) state() string {
	switch k {
	case Hold:
		return StateOffered
	case Bind:
		return StateBound
	case Free:
		return StateReleased
	case PutAside:
		return StateDeclined
	}
	return ""
}

func (v View) change(d *Decision, f *classify.Facts, kind ChangeKind, a netip.Addr, now, until time.Time) LeaseChange {
	circuit := circuitOf(f)
	if l, ok := v.Leases.ByAddr(a); ok && circuit == "" && l.MAC == f.Key() {
		circuit = l.Circuit // a renewal comes without the relay
	}
	return LeaseChange{Kind: kind, Lease: model.Lease{
		Address: a, MAC: f.Key(), ClientID: f.ClientID, Hostname: f.Hostname, Circuit: circuit,
		Start: now, Expires: until, State: kind.state(),
	}}
}

// ours reports whether an address is one of this server's.
func (v View) ours(d *Decision, a netip.Addr) bool {
	return a == d.ServerID || a == v.Policy.Config.Server.Address || slices.Contains(v.Own, a)
}
