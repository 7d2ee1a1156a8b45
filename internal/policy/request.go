package policy

import (
	"net/netip"
	"time"

	"hobnail/internal/classify"
)

// request sorts the four kinds of DHCPREQUEST apart, RFC 2131 section 4.3.2.
func (v View) request(d *Decision, now time.Time, f *classify.Facts) {
	switch {
	case !f.CIAddr.IsValid() && !f.Requested.IsValid():
		d.ignore("request", "RFC 2131 section 4.3.2", "the REQUEST names no address at all")
	case f.ServerID.IsValid():
		v.selecting(d, now, f)
	case f.CIAddr.IsValid():
		v.renewing(d, now, f)
	default:
		v.initReboot(d, now, f)
	}
}

// selecting: the client took somebody's offer. Another server's is never
// refused: a NAK would end the boot of a machine that was well served.
func (v View) selecting(d *Decision, now time.Time, f *classify.Facts) {
	want := f.Requested
	if !want.IsValid() {
		want = f.CIAddr // some old clients put it there
	}
	switch {
	case !v.ours(d, f.ServerID):
		d.ignore("server-id", "RFC 2131 section 4.3.2", "the machine took the offer of server %s", f.ServerID)
	case f.ServerID == f.Override && !v.given(d, f, want):
		d.ignore("server-id", "RFC 5107 section 4", "the machine took another server's offer: %s is not of ours, and all servers are called %s here", want, f.ServerID)
	default:
		v.grant(d, now, f, want)
		return
	}
	if l, ok := v.offered(d, f); ok {
		d.Change = v.change(d, f, Free, l.Address, now, now)
	}
}

// given reports whether it can be this server that offered an address to the
// machine. A relay that has itself called the server (RFC 5107) sends what
// answers one server's offer to all of them, and all are meant by the name.
func (v View) given(d *Decision, f *classify.Facts, a netip.Addr) bool {
	l, ok := v.Leases.ByAddr(a)
	return ok && l.MAC == f.Key() || v.reservedForThis(f, a) || v.Policy.inOwnPool(d, a)
}

// grant acknowledges an address that the client wants from us, or refuses it.
func (v View) grant(d *Decision, now time.Time, f *classify.Facts, want netip.Addr) {
	if !v.boot(d, f) {
		return
	}
	reserved, ok := v.reservation(d, now, f)
	switch {
	case ok && want != reserved:
		v.refuse(d, "%s is reserved for %s, which asked for %s", reserved, d.Machine.Name, want)
		return
	case !ok && v.inUse(want, now):
		v.refuse(d, "%s is in use by somebody else", want)
		return
	case !ok && !v.usable(d, f, want, now):
		v.refuse(d, "%s is not this machine's to have here", want)
		return
	case !ok && v.circuitFull(d, now, f):
		return
	}
	d.because("address", "RFC 2131 section 4.3.2", "%s is this machine's until the lease ends", want)
	d.Answer, d.Address, d.Lease = Ack, want, leaseTime(d, f)
	d.Change = v.change(d, f, Bind, want, now, now.Add(d.Lease+Margin+v.Ahead))
}

// inUse reports whether an address is put aside because somebody was found to
// have it, by the machine that was given it or by ourselves.
func (v View) inUse(a netip.Addr, now time.Time) bool {
	l, ok := v.Leases.ByAddr(a)
	return ok && l.State == StateDeclined && Keeps(l, now)
}

// renewing covers RENEWING and REBINDING: only a lease on record is extended.
func (v View) renewing(d *Decision, now time.Time, f *classify.Facts) {
	l, ok := v.Leases.ByAddr(f.CIAddr)
	switch {
	case !onLink(d.Subnet, f.CIAddr):
		v.refuse(d, "%s does not belong to %s", f.CIAddr, d.Subnet.CIDR)
	case ok && l.MAC == f.Key():
		v.grant(d, now, f, f.CIAddr)
	case ok && l.State == StateBound && l.Expires.After(now):
		v.refuse(d, "%s is leased to another machine", f.CIAddr)
	case v.reservedForThis(f, f.CIAddr):
		v.grant(d, now, f, f.CIAddr)
	default:
		d.ignore("address", "RFC 2131 section 4.3.2", "no record of %s: another server may have one", f.CIAddr)
	}
}

// initReboot: the client comes back with an address it had before. One that is
// unknown here is another server's, or of a time before this one, and is left
// in peace: the RFC wants silence, and two servers with one pool depend on it.
func (v View) initReboot(d *Decision, now time.Time, f *classify.Facts) {
	its, known := v.Leases.ByAddr(f.Requested)
	l, ok := v.Leases.ByKey(d.Subnet.CIDR, f.Key())
	switch {
	case !onLink(d.Subnet, f.Requested):
		v.refuse(d, "%s does not belong to %s", f.Requested, d.Subnet.CIDR)
	case v.reservedForThis(f, f.Requested),
		known && its.MAC == f.Key() && its.State != StateDeclined:
		v.grant(d, now, f, f.Requested)
	case ok && l.State == StateBound && l.Expires.After(now) && !v.anothers(d, f.Requested):
		v.refuse(d, "this machine's lease is %s, not %s", l.Address, f.Requested)
	default:
		d.ignore("address", "RFC 2131 section 4.3.2", "no record of this machine: another server may have one")
	}
}

// anothers reports whether an address may be one that another server gave: the
// machine may have had several, the last of them not from us.
func (v View) anothers(d *Decision, a netip.Addr) bool {
	return v.Policy.Config.Server.Share.Of > 1 && !v.Policy.inOwnPool(d, a)
}

func (v View) reservedForThis(f *classify.Facts, a netip.Addr) bool {
	m := v.Policy.reserved[a]
	return m != nil && m == v.Policy.machine(f)
}

// refuse answers NAK, which carries neither address nor boot data (RFC 2131
// table 3).
func (v View) refuse(d *Decision, format string, args ...any) {
	d.ignore("address", "RFC 2131 section 4.3.2", format, args...)
	d.Answer = Nak
}

// ownFaultDecline is how EDK2 words a DECLINE that is about our offer, not
// about the address: the offer lacked something it needs (Dhcp4Io.c).
const ownFaultDecline = "Lease is denied upon entering bound"

func (v View) decline(d *Decision, now time.Time, f *classify.Facts) {
	switch {
	case f.ServerID.IsValid() && !v.ours(d, f.ServerID):
		d.ignore("server-id", "RFC 2131 section 4.3.3", "the DECLINE is for server %s", f.ServerID)
	case !v.leasedTo(d, f, f.Requested):
		d.ignore("address", "RFC 2131 section 4.3.3", "%s is not this machine's to decline", f.Requested)
	case f.DeclineText == ownFaultDecline:
		d.ignore("address", "EDK2 Dhcp4Io.c", "the firmware found our offer incomplete; the address itself is free")
		d.Change = v.change(d, f, Free, f.Requested, now, now)
	case v.declinesTooMuch(f, now):
		d.ignore("quota", "built-in", "this machine has declined %d addresses, which is more than anybody finds in use: %s is only free again", mostDeclined, f.Requested)
		d.Change = v.change(d, f, Free, f.Requested, now, now)
	default:
		d.ignore("address", "RFC 2131 section 4.3.3", "%s is in use by somebody else: put aside", f.Requested)
		d.Change = v.change(d, f, PutAside, f.Requested, now, now.Add(declineHold))
	}
}

// release: clients send it from the address that they give back, by unicast.
// One that comes from another address was made up by somebody else; where it
// was not, the lease only ends when it would have.
func (v View) release(d *Decision, now time.Time, f *classify.Facts) {
	src := f.Ingress.Src.Addr()
	switch {
	case f.ServerID.IsValid() && !v.ours(d, f.ServerID):
		d.ignore("server-id", "RFC 2131 section 4.3.4", "the RELEASE is for server %s", f.ServerID)
	case !v.leasedTo(d, f, f.CIAddr):
		d.ignore("address", "RFC 2131 section 4.3.4", "%s is not this machine's to release", f.CIAddr)
	case !f.Relayed() && src != f.CIAddr:
		d.ignore("address", "RFC 2131 section 4.4.6", "the RELEASE of %s comes from %s, not from that address", f.CIAddr, src)
	default:
		d.ignore("address", "RFC 2131 section 4.3.4", "%s is free again", f.CIAddr)
		d.Change = v.change(d, f, Free, f.CIAddr, now, now)
	}
}

// leasedTo reports whether an address is leased to who asks, at the place it
// asks from: what comes from another link is forged, whatever it says.
func (v View) leasedTo(d *Decision, f *classify.Facts, a netip.Addr) bool {
	l, ok := v.Leases.ByAddr(a)
	return ok && l.MAC == f.Key() && l.State == StateBound && onLink(d.Subnet, a)
}

// inform answers with options only: the client keeps the address it has.
func (v View) inform(d *Decision, f *classify.Facts) {
	switch {
	case f.HasQuirk(classify.QuirkBSDP):
		d.ignore("client", "built-in", "Apple's boot service discovery is not answered")
		return
	case !f.CIAddr.IsValid():
		d.ignore("address", "RFC 2131 section 4.3.5", "the INFORM does not say the client's address")
		return
	case !onLink(d.Subnet, f.CIAddr):
		d.ignore("address", "RFC 2131 section 4.3.5", "%s does not belong to %s", f.CIAddr, d.Subnet.CIDR)
		return
	}
	if v.boot(d, f) {
		d.Answer = Ack
		d.because("inform", "RFC 2131 section 4.3.5", "options for a client that has its address")
	}
}
