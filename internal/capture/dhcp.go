package capture

import (
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/wire/dhcp4"
)

// isDHCP reports whether a datagram goes from or to a port of DHCP.
func isDHCP(p *packet) bool {
	for _, port := range []uint16{p.src.Port(), p.dst.Port()} {
		switch port {
		case dhcp4.ServerPort, dhcp4.ClientPort, dhcp4.BootPort:
			return true
		}
	}
	return false
}

// dhcp takes a datagram of DHCP or of the boot service.
func (e *explainer) dhcp(p *packet) {
	m, err := dhcp4.Parse(p.data)
	if err != nil {
		if p.cut() {
			e.sum.Cut++
		} else {
			e.sum.Malformed++
		}
		return
	}
	if m.Op == dhcp4.OpRequest {
		e.request(p, m)
	} else {
		e.reply(p, m)
	}
}

func (e *explainer) request(p *packet, m *dhcp4.Packet) {
	port := p.dst.Port()
	if port != dhcp4.ServerPort && port != dhcp4.BootPort {
		return
	}
	f := classify.DHCP(m, classify.Ingress{Interface: e.link(p), Dst: p.dst.Addr(), Src: p.src, Port: port})
	who, s, ok := record.Request(p.at, &f)
	if !ok {
		return
	}
	s.Frame = p.frame
	if e.queue.isCopy(p.at, &who, &s) {
		return
	}
	d := s.DHCP
	switch s.Kind {
	case model.StepDiscover:
		e.startsOver(who.MAC) // whatever program asks, the one before has ended
	case model.StepRequest:
		// The ACK may go past the place of the capture.
		if d.Chosen.IsValid() && d.Address.IsValid() {
			e.claim(d.Address, who.MAC)
		}
	}
	e.queue.putDHCP(p.at, who, s)
}

func (e *explainer) reply(p *packet, m *dhcp4.Packet) {
	who, s, ok := record.Reply(p.at, m, p.src)
	if !ok {
		return
	}
	s.Frame = p.frame
	who.Place = record.Place(s.DHCP.Relay, e.link(p))
	d := s.DHCP
	if p.cut() {
		d.NoEnd, d.NoMask, d.NoRoute, d.NoServerID = false, false, false, false // it may have gone on
		d.BadOption, d.MenuFault = "", ""
	}
	if s.Ours {
		e.own.add(s.Server)
		e.own.add(p.src.Addr())
	}
	if who.Addr.IsValid() {
		e.claim(who.Addr, who.MAC)
	}
	e.bootServers(&s)
	if !e.queue.isCopy(p.at, &who, &s) {
		e.queue.putDHCP(p.at, who, s)
	}
}

// bootServers remembers whom a server's answer sends machines to.
func (e *explainer) bootServers(s *model.Step) {
	d := s.DHCP
	if d.File == "" {
		return
	}
	e.servers.add(s.Server)
	e.servers.add(d.NextServer)
	u, err := url.Parse(d.File)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return
	}
	e.servers.add(addr)
	port := map[string]uint64{"http": 80, "https": 443}[u.Scheme]
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil {
			return
		}
	}
	e.web.named(netip.AddrPortFrom(addr.Unmap(), uint16(port)), record.Printable(strings.TrimLeft(path.Clean(u.Path), "/")), u.Scheme == "https")
}

// link names the link that a packet was captured on, as far as the capture
// says.
func (e *explainer) link(p *packet) string {
	var all []string
	if name := e.source.ifaceName(p.iface); name != "" {
		all = append(all, record.Printable(name))
	}
	for _, v := range p.vlans {
		if v != 0 {
			all = append(all, "vlan "+strconv.Itoa(int(v)))
		}
	}
	return strings.Join(all, " ")
}
