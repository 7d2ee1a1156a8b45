// Package handover writes down what other people need to know of a site: the
// network team its ports and IP helpers, the security team what passes and
// which files are served, whoever runs the DHCP server the boot data that it is
// to carry. It turns a configuration and a few facts of this host into data,
// and the data into the languages that those people paste.
//
// Nothing is invented: an address that is not known is asked for, and what may
// come from anywhere says so.
package handover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Facts are what the configuration does not say.
type Facts struct {
	Address     netip.Addr     // of the server, as a person gave it; zero: by configuration and interfaces
	Networks    []netip.Prefix // only these are meant; one that is no [[subnet]] is in the mode of [server]
	Interfaces  []Interface    // of this host, without loopback
	AnswerPorts Ports          // where the kernel picks ports from; TFTP data leaves from some of them
	Programs    []Program      // boot programs that are served
	Downloads   []Download     // servers that image files are fetched from
}

// Interface is one of this host's.
type Interface struct {
	Name     string
	Prefixes []netip.Prefix // its addresses, with their networks
}

// Program is a boot program that is served.
type Program struct {
	Arch   model.Arch
	Loader string // kind, as policy and rules name it
	File   string // its name in the architecture's folder
}

// Download is a server of somebody else's that image files come from.
type Download struct {
	Host string // name or address
	Port uint16
}

// Ports is a run of ports, both ends included.
type Ports struct {
	First uint16
	Last  uint16
}

func port(n uint16) Ports { return Ports{n, n} }

// String is the run as firewalls write it: "69", "32768-60999".
func (p Ports) String() string {
	if p.First == p.Last {
		return fmt.Sprint(p.First)
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// Network is one where machines boot.
type Network struct {
	CIDR   netip.Prefix
	Mode   model.Mode
	Router netip.Addr // zero where it is not known
	Local  bool       // the server has an interface there: no relay is between
	DHCP   netip.Addr // the server's address that relays and machines send DHCP to
	Files  netip.Addr // the address that replies name for files
	Why    string     // where Files is known from
	// Upstream are the site's DHCP servers; empty where nobody named them.
	Upstream []netip.Addr
	Probe    bool   // free addresses are asked for
	At       string // where it was said
}

// Site is a configuration with every address known that it takes to write it
// down.
type Site struct {
	Config    *config.Config
	Networks  []Network
	Answer    Ports // where TFTP data leaves from: port 69, or what the kernel picks
	Single    bool  // TFTP has one port
	Programs  []Program
	Downloads []Download
}

// UnknownAddress says that nobody can tell under which address the machines of
// some networks reach the server.
type UnknownAddress struct {
	Networks   []netip.Prefix
	Candidates []string // "10.77.1.2 on eth0"
}

func (e *UnknownAddress) Error() string {
	var nets []string
	for _, n := range e.Networks {
		nets = append(nets, n.String())
	}
	have := "this host has none"
	if len(e.Candidates) > 0 {
		have = "this host has " + strings.Join(e.Candidates, ", ")
	}
	return fmt.Sprintf("at which address do machines of %s reach hobnail? say it with --address, or as [server] address; %s",
		strings.Join(nets, ", "), have)
}

// NoNetwork says that nothing tells where machines are.
type NoNetwork struct{}

func (*NoNetwork) Error() string {
	return "where are the machines? neither the configuration has a [[subnet]] nor this host an interface with a network; name it with --network"
}

// Survey finds the networks and, for each, the address that machines reach the
// server by. The error is *UnknownAddress or *NoNetwork.
func Survey(cfg *config.Config, f Facts) (*Site, error) {
	s := &Site{Config: cfg, Answer: f.AnswerPorts, Single: cfg.TFTP.SinglePort, Downloads: f.Downloads}
	// The inventory takes no other names; here one would be taken for a command.
	s.Programs = slices.DeleteFunc(slices.Clone(f.Programs), func(p Program) bool { return !tidy(p.File) })
	if s.Single {
		s.Answer = port(tftpPort)
	}
	s.Networks = networks(cfg, f)
	if len(s.Networks) == 0 {
		return nil, &NoNetwork{}
	}
	unknown := &UnknownAddress{Candidates: candidates(cfg, f)}
	for i := range s.Networks {
		n := &s.Networks[i]
		n.locate(cfg, f)
		if !n.Files.IsValid() || !n.DHCP.IsValid() && n.Mode != model.ModeOff {
			unknown.Networks = append(unknown.Networks, n.CIDR)
		}
	}
	if len(unknown.Networks) > 0 {
		return nil, unknown
	}
	return s, nil
}

// networks lists where machines are: what was named, else each [[subnet]], and
// without either the networks of this host.
func networks(cfg *config.Config, f Facts) []Network {
	var all []Network
	for i := range cfg.Subnets {
		if n := subnet(cfg, &cfg.Subnets[i]); len(f.Networks) == 0 || slices.Contains(f.Networks, n.CIDR) {
			all = append(all, n)
		}
	}
	more := f.Networks
	if len(all)+len(more) == 0 {
		for _, i := range listening(cfg, f) {
			for _, p := range i.Prefixes {
				more = append(more, p.Masked())
			}
		}
	}
	for _, p := range more {
		if !slices.ContainsFunc(all, func(n Network) bool { return n.CIDR == p }) {
			all = append(all, Network{CIDR: p, Mode: cfg.Server.DHCP, Upstream: cfg.Server.Upstream, At: cfg.Server.DHCPAt})
		}
	}
	return all
}

func subnet(cfg *config.Config, sub *config.Subnet) Network {
	n := Network{
		CIDR: sub.CIDR, Mode: sub.Mode, Router: sub.Router, Files: sub.NextServer, Upstream: sub.Upstream,
		Probe: sub.Probe && sub.Mode == model.ModeServer, At: sub.At,
	}
	if n.Files.IsValid() {
		n.Why = "next_server of " + sub.At
	}
	if len(n.Upstream) == 0 {
		n.Upstream = cfg.Server.Upstream
	}
	return n
}

// listening are the interfaces that the server listens on.
func listening(cfg *config.Config, f Facts) []Interface {
	return slices.DeleteFunc(slices.Clone(f.Interfaces), func(i Interface) bool {
		return len(cfg.Server.Interfaces) > 0 && !slices.Contains(cfg.Server.Interfaces, i.Name)
	})
}

// locate fills in the addresses of a network, in the order in which the server
// itself would choose them.
func (n *Network) locate(cfg *config.Config, f Facts) {
	var all []netip.Addr
	var here, why string
	var on netip.Addr
	for _, i := range listening(cfg, f) {
		for _, p := range i.Prefixes {
			all = append(all, p.Addr())
			if n.CIDR.Contains(p.Addr()) && !on.IsValid() {
				on, here = p.Addr(), "this host's on "+i.Name
			}
		}
	}
	n.Local = on.IsValid()
	switch {
	case f.Address.IsValid():
		n.DHCP, why = f.Address, "--address"
		n.Files = netip.Addr{}
		n.Local = n.CIDR.Contains(f.Address)
	case cfg.Server.Address.IsValid():
		n.DHCP, why = cfg.Server.Address, "[server] address"
		n.Local = n.Local || n.CIDR.Contains(cfg.Server.Address)
	case on.IsValid():
		n.DHCP, why = on, here
	case len(all) == 1:
		n.DHCP, why = all[0], "the only one of this host"
	}
	if !n.Files.IsValid() {
		n.Files, n.Why = n.DHCP, why
	}
}

func candidates(cfg *config.Config, f Facts) []string {
	var all []string
	for _, i := range listening(cfg, f) {
		for _, p := range i.Prefixes {
			all = append(all, p.Addr().String()+" on "+i.Name)
		}
	}
	return all
}

// Ports of the services; those of HTTP and HTTPS are configured.
const (
	dhcpServer = 67
	dhcpClient = 68
	tftpPort   = 69
	pxePort    = 4011
)

// firstFree is the first port that firmware and loaders take for their own end
// of TFTP and HTTP: none of EDK2, iPXE, GRUB, pxelinux and U-Boot takes one
// below.
const firstFree = 1024

func highPorts() Ports { return Ports{firstFree, 65535} }
