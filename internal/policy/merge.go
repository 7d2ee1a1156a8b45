package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Patience is how long a machine's DISCOVER waits for the site's DHCP server
// before it gets a proxy's offer instead. ISC dhcpd listens for a second
// whether an address is in use before it offers it; iPXE goes on without a
// boot server after two.
const Patience = 1800 * time.Millisecond

// Passing says how a request goes on to the site's DHCP server, as a relay
// agent sends it.
type Passing struct {
	To       []netip.Addr  // servers; the broadcast address stands for the link that the request came in by
	Relay    netip.Addr    // giaddr: our address, where the answer comes back to
	Link     netip.Addr    // option 82.5: the machine's link where giaddr is on another; zero: giaddr says it
	ServerID netip.Addr    // what option 54 says there; zero: the request goes without one
	Patience time.Duration // how long a DISCOVER waits before a proxy's offer is made; 0: it does not wait
}

// SiteState is whether the site's DHCP servers answer what we pass on to them.
type SiteState string

// States of a place.
const (
	SiteUnknown SiteState = ""        // nobody has been asked yet
	SiteAnswers SiteState = "answers" // the last ones asked have answered
	SiteSilent  SiteState = "silent"  // the last ones asked have not
)

// SiteServer is a DHCP server of the site.
type SiteServer struct {
	ID   netip.Addr // what it calls itself in option 54
	Addr netip.Addr // where its answer came from
}

// Upstream is what decisions need to know of the site's DHCP servers.
type Upstream interface {
	// State says whether they answer for a place.
	State(place netip.Prefix) SiteState
	// Servers lists those whose offers machines of a place were seen to take.
	Servers(place netip.Prefix) []netip.Addr
	// Offered gives the server that offered or gave a machine an address
	// through us.
	Offered(key model.MAC, a netip.Addr) (SiteServer, bool)
	// OnItsWay reports whether this request, come by another relay, has just
	// been passed on.
	OnItsWay(now time.Time, f *classify.Facts) bool
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// merge passes requests of network boot clients on to the site's DHCP server,
// and nothing else: an operating system deals with that server itself.
func (v View) merge(d *Decision, now time.Time, f *classify.Facts) {
	if d.Mode == model.ModeAuto && v.Upstream == nil {
		d.because("auto", d.modeAt(v), "merge where the site's DHCP server answers what is passed on to it, which only a running server finds out: proxy here")
		d.Mode = model.ModeProxy
		v.proxy(d, f)
		return
	}
	d.Place = d.placeOf(f)
	switch {
	case f.Message == dhcp4.Request && f.ServerID.IsValid() && !v.ours(d, f.ServerID):
		v.taken(d, f)
	case f.Relayed() && f.MAC == model.ProbeMAC(f.Relay):
		d.ignore("relay", "built-in", "a hobnail at %s asks whether the site's DHCP server answers it", f.Relay)
	case f.Message == dhcp4.Decline, f.Message == dhcp4.Release:
		v.passBack(d, f)
	case !f.Boots():
		d.ignore("client", "PXE 2.1 section 2.2", "not a network boot client: it gets its address from the site's DHCP server directly")
	case f.Message == dhcp4.Discover:
		v.ask(d, now, f)
	case f.Message == dhcp4.Request && f.Item != nil && !f.ServerID.IsValid():
		d.Mode = model.ModeProxy
		v.proxy(d, f)
	case f.Message == dhcp4.Request && (f.ServerID.IsValid() || f.CIAddr.IsValid() && f.Ingress.Dst == f.Ingress.Local):
		v.passBack(d, f)
	default:
		d.ignore("message", "RFC 2131 section 4.3", "this %s is for the site's DHCP server, which hears it too", f.Message)
	}
}

// placeOf names where a request is from, by the widest network that is known:
// the servers that answer for one machine of a place answer for all.
func (d *Decision) placeOf(f *classify.Facts) netip.Prefix {
	at, _ := whereFrom(f)
	switch {
	case d.Subnet != nil:
		return d.Subnet.CIDR
	case f.Ingress.Prefix.Contains(at):
		return f.Ingress.Prefix
	}
	return netip.PrefixFrom(at, at.BitLen())
}

// taken: the machine chose another server. That is how servers beyond a router
// are learned of; but where our own server offered the very address, the other
// one is a second hobnail, which has it from the same.
func (v View) taken(d *Decision, f *classify.Facts) {
	d.ignore("server-id", "RFC 2131 section 4.3.2", "the machine took the offer of server %s", f.ServerID)
	if _, ok := v.siteOffered(f, f.Requested); !ok && oneHost(f.ServerID) {
		d.Taken = f.ServerID
	}
}

// ask passes a DISCOVER on.
func (v View) ask(d *Decision, now time.Time, f *classify.Facts) {
	state := v.siteState(d.Place)
	auto := d.Mode == model.ModeAuto
	switch {
	case v.Upstream != nil && v.Upstream.OnItsWay(now, f):
		d.ignore("relay", "built-in", "the same DISCOVER came another way and has been passed on")
		return
	case state == SiteAnswers:
		d.because("merge", d.modeAt(v), "the site's DHCP server answers what is passed on to it: merge")
	case auto && state == SiteSilent:
		d.because("auto", d.modeAt(v), "no DHCP server answered what was passed on to it: proxy, until one does")
	}
	d.Mode, d.ServerID = model.ModeMerge, v.Policy.serverAddress(f)
	if !v.bootData(d, f) {
		return
	}
	v.route(d, f)
	d.Passing.Patience = Patience
	if auto && state == SiteSilent {
		d.Passing.Patience = 0
	}
	d.because("address", "RFC 2131 section 4.1", "the site's DHCP server gives the address: it is asked %s, as by a relay at %s",
		joinAddrs(d.Passing.To), d.Passing.Relay)
}

// passBack passes on what a machine says of an address that it was offered
// through us, and of no other: a forged RELEASE or DECLINE goes nowhere. EDK2
// sends both without option 60, so they need not look like a boot client's.
func (v View) passBack(d *Decision, f *classify.Facts) {
	a := f.Requested
	if !a.IsValid() {
		a = f.CIAddr
	}
	if f.ServerID.IsValid() && !v.ours(d, f.ServerID) {
		d.ignore("server-id", "RFC 2131 section 4.3", "the %s is for server %s", f.Message, f.ServerID)
		return
	}
	server, ok := v.siteOffered(f, a)
	if !ok {
		d.ignore("address", "built-in", "%s was not offered to this machine through us", a)
		return
	}
	d.Mode, d.ServerID = model.ModeMerge, v.Policy.serverAddress(f)
	if f.Message == dhcp4.Request && !v.bootData(d, f) {
		return
	}
	v.route(d, f)
	d.Passing.To = []netip.Addr{server.Addr}
	if f.ServerID.IsValid() {
		d.Passing.ServerID = server.ID
	}
	d.because("address", "RFC 2131 section 4.3", "%s is server %s's: the %s goes on to it", a, server.ID, f.Message)
}

// route says where a request goes on to and what it says of its way there.
func (v View) route(d *Decision, f *classify.Facts) {
	d.Answer = Forward
	d.Passing = &Passing{Relay: f.Ingress.Local, To: v.Policy.upstream(d.Subnet)}
	if at, _ := whereFrom(f); at != f.Ingress.Local && !f.Ingress.Prefix.Contains(at) {
		d.Passing.Link = at
	}
	if len(d.Passing.To) > 0 {
		return
	}
	// Servers on the link hear the broadcast, whichever they are.
	d.Passing.To = []netip.Addr{broadcast}
	if v.Upstream == nil {
		return
	}
	for _, a := range v.Upstream.Servers(d.Place) {
		if !f.Ingress.Prefix.Contains(a) {
			d.Passing.To = append(d.Passing.To, a)
		}
	}
}

// upstream lists the servers that the configuration names.
func (p *Policy) upstream(s *config.Subnet) []netip.Addr {
	if s != nil && len(s.Upstream) > 0 {
		return slices.Clone(s.Upstream)
	}
	return slices.Clone(p.Config.Server.Upstream)
}

func (v View) siteState(place netip.Prefix) SiteState {
	if v.Upstream == nil {
		return SiteUnknown
	}
	return v.Upstream.State(place)
}

func (v View) siteOffered(f *classify.Facts, a netip.Addr) (SiteServer, bool) {
	if v.Upstream == nil || !a.IsValid() {
		return SiteServer{}, false
	}
	return v.Upstream.Offered(f.Key(), a)
}

// Unanswered decides anew for a machine whose DISCOVER the site's server has
// not answered in time: as a proxy.
func (v View) Unanswered(f *classify.Facts) Decision {
	d := Decision{Answer: Ignore}
	v.begin(&d, f)
	d.because("merge", "built-in", "the site's DHCP server has not answered what was passed on to it: a proxy's offer instead")
	d.Mode = model.ModeProxy
	v.proxy(&d, f)
	return d
}

// Probe decides on a DISCOVER of our own, which only asks whether the site's
// DHCP server answers: it is passed on wherever a machine's would be.
func (v View) Probe(f *classify.Facts) Decision {
	d := Decision{Answer: Ignore}
	v.begin(&d, f)
	if d.Mode != model.ModeMerge && d.Mode != model.ModeAuto {
		d.because("mode", d.modeAt(v), "nobody is asked in mode %s", d.Mode)
		return d
	}
	d.Place = d.placeOf(f)
	v.route(&d, f)
	return d
}

// Merged completes what was decided when a request was passed on, with what
// the site's server answered.
func Merged(d Decision, site *dhcp4.Packet) Decision {
	d = d.Clone()
	id, _ := site.Options.Addr(dhcp4.OptServerID)
	switch site.Type() {
	case dhcp4.Offer:
		d.Answer = Offer
	case dhcp4.Ack:
		d.Answer = Ack
	case dhcp4.Nak:
		d.ignore("address", "RFC 2131 section 4.3.2", "the site's DHCP server %s refuses the address", id)
		d.Answer = Nak
		return d
	default:
		d.ignore("message", "RFC 2131 section 4.3", "the site's DHCP server sent %s", site.Type())
		return d
	}
	if !oneHost(site.YIAddr) {
		d.ignore("address", "PXE 2.1 section 2.2.3", "%s offers no address: a proxy's answer, not a DHCP server's", id)
		return d
	}
	d.Address = site.YIAddr
	if n, ok := site.Options.Uint32(dhcp4.OptLeaseTime); ok {
		d.Lease = time.Duration(n) * time.Second
	}
	d.because("address", "RFC 2131 section 4.3.1", "%s is from the site's DHCP server %s", d.Address, id)
	if class, ok := pxe.ParseClass(string(optionOf(site, dhcp4.OptVendorClass))); ok {
		d.because("class", "PXE 2.1 section 2.2.3", "the site's DHCP server says %s itself (option 60): taken out, as machines would ask its port 4011", class.Name)
	}
	return d
}

func optionOf(p *dhcp4.Packet, code dhcp4.OptionCode) []byte {
	b, _ := p.Options.Get(code)
	return b
}

func joinAddrs(list []netip.Addr) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = "at " + a.String()
		if a == broadcast {
			words[i] = "by broadcast"
		}
	}
	return strings.Join(words, " and ")
}
