package config

import (
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/model"
)

// subnetDraft is a [[subnet]] with the places that checks need.
type subnetDraft struct {
	Subnet
	at     int
	cidr   located[netip.Prefix] // zero if it could not be read
	pool   []located[Range]
	router located[netip.Addr]
	mode   located[model.Mode]
	link   located[string]

	upstream []located[netip.Addr]

	unpooled bool // has no pool key, right or wrong
}

// defaultLease outlives a boot and an installation, because boot firmware
// and loaders never renew.
const defaultLease = time.Hour

// maxServers bounds the lists of DNS and NTP servers: firmware copies them
// into buffers of fixed size, and some of it has overflowed.
const maxServers = 8

func (d *draft) readSubnet(s section) {
	n := &subnetDraft{at: s.table.at, mode: located[model.Mode]{v: d.dhcp.v, at: s.table.at}}
	n.unpooled = !s.has("pool")
	n.Subnet = Subnet{Mode: d.dhcp.v, Lease: defaultLease, Probe: true, At: d.src.at(s.table.at)}
	d.subnets = append(d.subnets, n)

	s.require("cidr")
	n.cidr, _ = one(s, "cidr", parsePrefix)
	n.CIDR = n.cidr.v
	if v, ok := one(s, "dhcp", parseMode); ok {
		n.Mode, n.mode = v.v, v
	}
	n.pool = some(s, "pool", parseRange)
	slices.SortStableFunc(n.pool, func(a, b located[Range]) int { return a.v.First.Compare(b.v.First) })
	n.Pool = values(n.pool)
	n.router, _ = one(s, "router", parseAddr)
	n.Router = n.router.v
	n.DNS = values(d.servers(s, "dns"))
	n.NTP = values(d.servers(s, "ntp"))
	n.upstream = d.servers(s, "upstream")
	n.Upstream = values(n.upstream)
	if v, ok := one(s, "domain", parseDomain); ok {
		n.Domain = v.v
	}
	if v, ok := one(s, "lease", parseLease); ok {
		n.Lease = v.v
	}
	if v, ok := one(s, "per_circuit", parseCount); ok {
		n.PerCircuit = v.v
	}
	if v, ok := one(s, "next_server", parseAddr); ok {
		n.NextServer = v.v
	}
	n.Options = d.readOptions(s)
	if v, ok := one(s, "probe", parseSwitch); ok {
		n.Probe = v.v
	}
	n.link, _ = one(s, "link", parseName)
	n.Link = n.link.v
}

func (d *draft) servers(s section, key string) []located[netip.Addr] {
	list := some(s, key, parseAddr)
	if len(list) > maxServers {
		d.report.add(list[maxServers].at, "%s has %d servers; allowed are %d at most", key, len(list), maxServers)
	}
	return list
}

// checkUpstream reports requests that would be passed on to ourselves.
func (d *draft) checkUpstream() {
	lists := [][]located[netip.Addr]{d.upstream}
	for _, n := range d.subnets {
		lists = append(lists, n.upstream)
	}
	for _, a := range slices.Concat(lists...) {
		if a.v == d.cfg.Server.Address {
			d.report.add(a.at, "upstream %v is this server's address; allowed are the addresses of other DHCP servers", a.v)
		}
	}
}

// checkSubnet compares the values of one [[subnet]] with each other.
func (d *draft) checkSubnet(n *subnetDraft) {
	p := n.cidr.v
	if !p.IsValid() {
		return
	}
	if n.router.v.IsValid() {
		d.checkHost(p, "router", n.router)
	}
	size := int64(0)
	for i, r := range n.pool {
		size += r.v.Size()
		if i > 0 && !n.pool[i-1].v.Last.Less(r.v.First) {
			d.report.add(r.at, "pool %v overlaps %v on line %d; every address belongs to one range",
				r.v, n.pool[i-1].v, d.src.line(n.pool[i-1].at))
		}
		d.checkRange(n, r)
	}
	if of := d.cfg.Server.Share.Of; len(n.pool) > 0 && size < int64(of) {
		d.report.add(n.pool[0].at, "pool has %d addresses for %d servers; allowed are %d or more", size, of, of)
	}
}

// checkRange reports addresses of a pool that must not be given away.
func (d *draft) checkRange(n *subnetDraft, r located[Range]) {
	p := n.cidr.v
	if !p.Contains(r.v.First) || !p.Contains(r.v.Last) {
		d.report.add(r.at, "pool %v is not inside %v; allowed are addresses of the subnet", r.v, p)
		return
	}
	taken := []struct {
		what string
		addr netip.Addr
	}{
		{"the subnet's own address", networkOf(p)},
		{"the broadcast address", broadcastOf(p)},
		{"the router", n.router.v},
		{"this server's address", d.cfg.Server.Address},
	}
	for _, t := range taken {
		if t.addr.IsValid() && r.v.Contains(t.addr) {
			d.report.add(r.at, "pool %v contains %v, %s; leave it out, in two ranges if need be", r.v, t.addr, t.what)
		}
	}
}

// checkHost reports an address that no machine of the subnet can have.
func (d *draft) checkHost(p netip.Prefix, key string, a located[netip.Addr]) {
	switch {
	case !p.Contains(a.v):
		d.report.add(a.at, "%s %v is not inside %v; allowed are addresses of the subnet", key, a.v, p)
	case a.v == networkOf(p):
		d.report.add(a.at, "%s %v is the subnet's own address; allowed are the other addresses of %v", key, a.v, p)
	case a.v == broadcastOf(p):
		d.report.add(a.at, "%s %v is the broadcast address of %v; allowed are the addresses before it", key, a.v, p)
	}
}

// checkOverlap reports subnets that share addresses. Prefixes are either
// disjoint or one contains the other, so in the order of their first
// addresses, the wider before the narrower, it is enough to remember the last
// that was not inside another.
func (d *draft) checkOverlap() {
	var order []*subnetDraft
	for _, n := range d.subnets {
		if n.cidr.v.IsValid() {
			order = append(order, n)
		}
	}
	slices.SortStableFunc(order, func(a, b *subnetDraft) int {
		if c := a.cidr.v.Addr().Compare(b.cidr.v.Addr()); c != 0 {
			return c
		}
		return a.cidr.v.Bits() - b.cidr.v.Bits()
	})
	var outer *subnetDraft
	for _, n := range order {
		if outer == nil || !outer.cidr.v.Overlaps(n.cidr.v) {
			outer = n
			continue
		}
		d.report.add(n.cidr.at, "cidr %v overlaps %v on line %d; let the subnets be disjoint",
			n.cidr.v, outer.cidr.v, d.src.line(outer.cidr.at))
	}
}

// checkLinks reports subnets of one link with different modes: a machine there
// is in all of them until it has an address.
func (d *draft) checkLinks() {
	first := map[string]*subnetDraft{}
	for _, n := range d.subnets {
		switch other := first[n.Link]; {
		case n.Link == "":
		case other == nil:
			first[n.Link] = n
		case other.Mode != n.Mode:
			d.report.add(n.link.at, "link %s has mode %s here and mode %s on line %d; allowed is one mode for all subnets of a link",
				quote(n.Link), n.Mode, other.Mode, d.src.line(other.link.at))
		}
	}
}

// checkServing reports subnets that are to give addresses and have none.
func (d *draft) checkServing() {
	reserved := map[*subnetDraft]bool{}
	find := d.subnetFinder()
	for _, m := range d.machines {
		if n := find(m.address.v); n != nil {
			reserved[n] = true
		}
	}
	for _, n := range d.subnets {
		if n.Mode == model.ModeServer && n.cidr.v.IsValid() && n.unpooled && !reserved[n] {
			d.report.add(n.mode.at, `dhcp = "server" has no address to give; add a pool or a [[machine]] with an address in %v`, n.cidr.v)
		}
	}
	if d.dhcp.v == model.ModeServer && len(d.subnets) == 0 {
		d.report.add(d.dhcp.at, `dhcp = "server" has no subnet to serve; add a [[subnet]] with a cidr and a pool`)
	}
}

// subnetFinder gives the search for the [[subnet]] an address is in: one
// lookup for each length of prefix, however many subnets there are.
func (d *draft) subnetFinder() func(netip.Addr) *subnetDraft {
	byPrefix := map[netip.Prefix]*subnetDraft{}
	for _, n := range d.subnets {
		byPrefix[n.cidr.v] = n
	}
	return func(a netip.Addr) *subnetDraft {
		if !a.IsValid() {
			return nil
		}
		for bits := range a.BitLen() + 1 {
			if n := byPrefix[netip.PrefixFrom(a, bits).Masked()]; n != nil {
				return n
			}
		}
		return nil
	}
}

// String is the range as the file spells it.
func (r Range) String() string { return r.First.String() + "-" + r.Last.String() }

// networkOf gives the address that stands for the subnet itself; none on a
// link of two or a single address (RFC 3021).
func networkOf(p netip.Prefix) netip.Addr {
	if p.Bits() > 30 {
		return netip.Addr{}
	}
	return p.Addr()
}

// broadcastOf gives a subnet's broadcast address, where it has one.
func broadcastOf(p netip.Prefix) netip.Addr {
	if p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}
