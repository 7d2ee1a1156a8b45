package policy

import (
	"net/netip"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// place finds the subnet that a request comes from, in the order of RFC 3527
// (link selection), RFC 3011 (subnet selection), giaddr, ciaddr, and last the
// interface it arrived on; and with it who gives addresses there.
func (v View) place(d *Decision, f *classify.Facts) {
	addr, how := whereFrom(f)
	d.Subnet = v.Policy.SubnetOf(addr)
	if d.Subnet != nil {
		d.Mode = d.Subnet.Mode
		d.because("subnet", d.Subnet.At, "%s %s is in subnet %s, mode %s", how, addr, &d.Subnet.CIDR, &d.Subnet.Mode)
		return
	}
	d.Mode = v.Policy.Config.Server.DHCP
	d.because("subnet", v.Policy.Config.Server.DHCPAt, "%s %s is in no configured subnet: mode %s", how, addr, d.Mode)
}

// whereFrom gives the address that says where a request comes from, and what
// that is.
func whereFrom(f *classify.Facts) (addr netip.Addr, what any) {
	switch {
	case f.LinkSelect.IsValid():
		return f.LinkSelect, "selected link"
	case f.SubnetSelect.IsValid():
		return f.SubnetSelect, "selected subnet"
	case f.Relayed():
		return f.Relay, "relay"
	case f.CIAddr.IsValid() && tellsItsLink(f):
		return f.CIAddr, "client address"
	}
	return f.Ingress.Local, ourAddressOn(f.Ingress.Interface)
}

type ourAddressOn string

func (name ourAddressOn) String() string { return "our address on " + string(name) }

// tellsItsLink reports whether the client's own address says where it is. It
// does when the request was routed here, and in an INFORM, whose sender keeps
// its address whatever we think of it. A broadcast comes from our link, and a
// client that asks there to go on with an address of another is on the wrong
// one.
func tellsItsLink(f *classify.Facts) bool {
	switch f.Message {
	case dhcp4.Discover:
		return false
	case dhcp4.Inform:
		return true
	}
	return f.Ingress.Dst == f.Ingress.Local
}

func (d *Decision) modeAt(v View) string {
	if d.Subnet != nil {
		return d.Subnet.At
	}
	return v.Policy.Config.Server.DHCPAt
}

// onLink reports whether an address can be used at the place of the request.
func onLink(s *config.Subnet, a netip.Addr) bool { return s != nil && s.CIDR.Contains(a) }

// settle moves the decision to the subnet of the link that holds the address
// which the client has or wants, where several subnets share the link.
func (v View) settle(d *Decision, f *classify.Facts) {
	a := f.Requested
	if !a.IsValid() {
		a = f.CIAddr
	}
	if f.Message == dhcp4.Discover || !a.IsValid() {
		return
	}
	for _, s := range v.Policy.sharing(d.Subnet) {
		if s.CIDR.Contains(a) && s != d.Subnet {
			d.Subnet = s
			d.because("link", s.At, "%s is in subnet %s, which shares the link %s", a, s.CIDR, s.Link)
		}
	}
}

// offered gives the offer of ours that stands for a machine on this link.
func (v View) offered(d *Decision, f *classify.Facts) (model.Lease, bool) {
	for _, s := range v.Policy.sharing(d.Subnet) {
		if l, ok := v.Leases.ByKey(s.CIDR, f.Key()); ok && l.State == StateOffered {
			return l, true
		}
	}
	return model.Lease{}, false
}
