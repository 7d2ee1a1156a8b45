package handover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Place is where packets of a rule are seen.
type Place string

// Places of rules.
const (
	AtHost   Place = "host"   // the server's own host
	AtRouter Place = "router" // routers and firewalls between machines and server
	AtRelay  Place = "relay"  // the router that is the machines' IP helper
)

// Protocols of rules.
const (
	UDP  = "udp"
	TCP  = "tcp"
	ICMP = "icmp"
	ARP  = "arp"
)

// Side is one end of what passes.
type Side struct {
	Name  string       // for people: "machines", "hobnail"
	Net   netip.Prefix // zero: anywhere
	Host  string       // a name that only DNS knows; empty: none
	Ports []Ports      // empty: any, or the protocol has none
}

// Rule is one flow of packets in one direction.
type Rule struct {
	ID       string       // stable: "tftp-data"
	Inbound  bool         // to hobnail; else from it
	Network  netip.Prefix // the machines' network that it is for; zero: it is for none
	Protocol string
	Message  string // of ICMP: "echo-request"
	From, To Side
	Reply    bool    // only packets of connections that the other side opened
	At       []Place // where such packets are seen
	What     string
}

func (r Rule) at(p Place) bool { return slices.Contains(r.At, p) }

// Rules lists all that passes, network by network, then what belongs to none.
func (s *Site) Rules() []Rule {
	var all []Rule
	for _, n := range s.Networks {
		b := &builder{site: s, net: n}
		b.dhcp()
		b.upstream()
		b.pxe()
		b.tftp()
		b.http()
		b.probe()
		all = append(all, b.rules...)
	}
	b := &builder{site: s}
	b.downloads()
	b.metrics()
	return append(all, b.rules...)
}

type builder struct {
	site  *Site
	net   Network
	rules []Rule
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func broadcast() netip.Prefix { return host(netip.AddrFrom4([4]byte{255, 255, 255, 255})) }

func nobody() netip.Prefix { return host(netip.IPv4Unspecified()) }

func (b *builder) machines(ports ...Ports) Side {
	return Side{Name: "machines", Net: b.net.CIDR, Ports: ports}
}

// server is our end for DHCP, files the one for TFTP and HTTP; they differ
// where next_server names another.
func (b *builder) server(ports ...Ports) Side {
	return Side{Name: "hobnail", Net: host(b.net.DHCP), Ports: ports}
}

func (b *builder) files(ports ...Ports) Side {
	return Side{Name: "hobnail", Net: host(b.net.Files), Ports: ports}
}

func (b *builder) relay(ports ...Ports) Side {
	return Side{Name: "the IP helper", Net: b.net.CIDR, Ports: ports}
}

// in and out add a rule, out and in the same the other way.
func (b *builder) in(id, protocol string, from, to Side, at []Place, what string) *Rule {
	return b.add(Rule{ID: id, Inbound: true, Protocol: protocol, From: from, To: to, At: at, What: what})
}

func (b *builder) out(id, protocol string, from, to Side, at []Place, what string) *Rule {
	return b.add(Rule{ID: id, Protocol: protocol, From: from, To: to, At: at, What: what})
}

func (b *builder) add(r Rule) *Rule {
	r.Network = b.net.CIDR
	b.rules = append(b.rules, r)
	return &b.rules[len(b.rules)-1]
}

// ends are the places that see what travels between machines and server.
func (b *builder) ends() []Place {
	if b.net.Local {
		return []Place{AtHost}
	}
	return []Place{AtHost, AtRouter, AtRelay}
}

// dhcp is port 67: by broadcast on our own link, by a relay elsewhere.
func (b *builder) dhcp() {
	n := b.net
	if n.Mode == model.ModeOff {
		return
	}
	asks := Side{Name: "machines", Net: nobody(), Ports: []Ports{port(dhcpClient)}}
	everyone := func(p uint16) Side { return Side{Name: "everyone", Net: broadcast(), Ports: []Ports{port(p)}} }
	server, client := port(dhcpServer), port(dhcpClient)
	if n.Local {
		b.in("dhcp-request", UDP, asks, everyone(dhcpServer), []Place{AtHost}, "DHCP requests of machines without an address")
		b.out("dhcp-answer", UDP, b.server(server), everyone(dhcpClient), []Place{AtHost}, "DHCP answers to them")
	} else {
		b.in("dhcp-helper-request", UDP, asks, everyone(dhcpServer), []Place{AtRelay}, "DHCP requests of machines without an address, which the IP helper takes up")
		b.in("dhcp-relayed", UDP, Side{Name: "the IP helper", Ports: []Ports{server, client}}, b.server(server), b.ends(), "DHCP requests that the IP helper sends on, from its address here or there")
		b.out("dhcp-relayed-answer", UDP, b.server(server), b.relay(server), b.ends(), "DHCP answers to the IP helper's address on the machines' network (giaddr)")
		b.out("dhcp-helper-answer", UDP, Side{Name: "the IP helper", Ports: []Ports{server}}, Side{Name: "machines", Ports: []Ports{client}}, []Place{AtRelay}, "DHCP answers that the IP helper hands to machines")
	}
	if n.Mode == model.ModeProxy {
		return
	}
	b.in("dhcp-renew", UDP, b.machines(client), b.server(server), b.ends(), "renewal and return of addresses")
	b.out("dhcp-renew-answer", UDP, b.server(server), b.machines(client), b.ends(), "DHCP answers to machines that have an address")
}

// upstream is what merge mode has with the site's own DHCP servers.
func (b *builder) upstream() {
	n := b.net
	if n.Mode != model.ModeMerge && n.Mode != model.ModeAuto {
		return
	}
	server := port(dhcpServer)
	if n.Local && len(n.Upstream) == 0 {
		b.out("upstream-broadcast", UDP, b.server(server), Side{Name: "everyone", Net: broadcast(), Ports: []Ports{server}}, []Place{AtHost}, "requests passed on to the site's DHCP servers on the same link")
	}
	list := []netip.Prefix{{}}
	about := ", whose addresses nobody has named (upstream): anywhere"
	if len(n.Upstream) > 0 {
		list, about = nil, ""
		for _, a := range n.Upstream {
			list = append(list, host(a))
		}
	}
	for _, p := range list {
		theirs := Side{Name: "the site's DHCP server", Net: p, Ports: []Ports{server}}
		b.out("upstream-request", UDP, b.server(server), theirs, []Place{AtHost, AtRouter, AtRelay}, "requests passed on to the site's DHCP servers, as by a relay"+about)
		b.in("upstream-answer", UDP, theirs, b.server(server), []Place{AtHost, AtRouter, AtRelay}, "their answers"+about)
	}
}

// pxe is the boot service: unicast, from machines that have an address.
func (b *builder) pxe() {
	if b.net.Mode == model.ModeOff {
		return
	}
	theirs, ours := b.machines(port(dhcpClient), port(pxePort)), b.server(port(pxePort))
	b.in("pxe-request", UDP, theirs, ours, b.ends(), "PXE boot service: which boot program")
	b.out("pxe-answer", UDP, ours, theirs, b.ends(), "its answers, to the port that was asked from")
}

// tftp has a port for requests, and others for data unless there is one for
// all (RFC 1350 section 4).
func (b *builder) tftp() {
	theirs := b.machines(highPorts())
	if b.site.Single {
		b.in("tftp-request", UDP, theirs, b.files(port(tftpPort)), b.ends(), "TFTP requests and acknowledgements")
		b.out("tftp-data", UDP, b.files(port(tftpPort)), theirs, b.ends(), "TFTP data, from the port of the requests (single-port)")
		return
	}
	b.in("tftp-request", UDP, theirs, b.files(port(tftpPort)), b.ends(), "TFTP requests")
	b.out("tftp-data", UDP, b.files(b.site.Answer), theirs, b.ends(), "TFTP data, from one of 32 ports that are picked at each start")
	b.in("tftp-ack", UDP, theirs, b.files(b.site.Answer), b.ends(), "TFTP acknowledgements, to that port")
}

func (b *builder) http() {
	for _, service := range []struct {
		id, name string
		port     uint16
	}{{"http", "HTTP", b.site.Config.Server.HTTPPort}, {"https", "HTTPS", b.site.Config.Server.HTTPSPort}} {
		if service.port == 0 {
			continue
		}
		theirs, ours := b.machines(highPorts()), b.files(port(service.port))
		b.in(service.id, TCP, theirs, ours, b.ends(), service.name+": boot files")
		b.out(service.id+"-answer", TCP, ours, theirs, b.ends(), service.name+": the answers").Reply = true
	}
	// Blocks are as long as the path lets them be, which only routers can say.
	r := b.in("path-mtu", ICMP, Side{Name: "routers"}, b.files(), []Place{AtHost, AtRouter, AtRelay}, "that a packet is too long for the way (fragmentation needed)")
	r.Message = "fragmentation-needed"
}

// probe is how hobnail finds out who has an address of the pool.
func (b *builder) probe() {
	if !b.net.Probe {
		return
	}
	if b.net.Local {
		b.out("probe-arp", ARP, b.server(), b.machines(), []Place{AtHost}, "whether somebody has a free address, and the answer")
	}
	b.out("probe-ping", ICMP, b.server(), b.machines(), b.ends(), "whether somebody has a free address (ping)").Message = "echo-request"
	b.in("probe-pong", ICMP, b.machines(), b.server(), b.ends(), "the answer").Message = "echo-reply"
}

// downloads are image files of other servers.
func (b *builder) downloads() {
	ours := Side{Name: "hobnail"}
	named := false
	for _, d := range b.site.Downloads {
		theirs := Side{Name: d.Host, Host: d.Host, Ports: []Ports{port(d.Port)}}
		if a, err := netip.ParseAddr(d.Host); err == nil && a.Is4() {
			theirs.Net, theirs.Host = host(a), ""
		} else {
			named = true
		}
		b.out("download", TCP, ours, theirs, []Place{AtHost}, "image files that are named by URL")
	}
	if named {
		for _, protocol := range []string{UDP, TCP} {
			b.out("dns", protocol, ours, Side{Name: "name servers", Ports: []Ports{port(53)}}, []Place{AtHost}, "the addresses of those servers")
		}
	}
}

// metrics is for whoever collects them, whom the configuration does not know.
func (b *builder) metrics() {
	text := b.site.Config.Server.Metrics
	at, err := netip.ParseAddrPort(strings.TrimPrefix(text, ":"))
	if text == "off" || err == nil && at.Addr().IsLoopback() {
		return
	}
	n := at.Port()
	if err != nil {
		if _, err := fmt.Sscanf(text[strings.LastIndexByte(text, ':')+1:], "%d", &n); err != nil {
			return
		}
	}
	b.in("metrics", TCP, Side{Name: "whoever collects metrics"}, Side{Name: "hobnail", Ports: []Ports{port(n)}}, []Place{AtHost}, "Prometheus: who may read it is for you to say")
}
