package diag

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Host is what is known of the host that a configuration is for.
type Host struct {
	Now        time.Time
	Ports      []Port
	Privileged bool   // hobnail's process has what it needs, or cannot be asked
	Lacks      string // the capabilities that it has not
	Firewalls  []*Ruleset
	Data       Data
	Interfaces []Iface
	Missing    []string   // interfaces that are named and not there
	Address    netip.Addr // [server] address; zero: not set
	Subnets    []Subnet
	Pools      []Pool
	Tests      []Test
}

// Port is one that hobnail needs.
type Port struct {
	Network string // udp or tcp
	Port    uint16
	What    string // for people: "DHCP"
	Bound   bool
	Holder  string // "dnsmasq (process 812)"; empty: not known
	Ours    bool   // the holder is a hobnail
}

func (p Port) String() string {
	return fmt.Sprintf("%s port %d (%s)", strings.ToUpper(p.Network), p.Port, p.What)
}

// Data is the data folder.
type Data struct {
	Path        string
	Fault       string // why it cannot be written; empty: it can
	Free, Total uint64 // octets of its disk
}

// Iface is an interface that is up and has an address.
type Iface struct {
	Name     string
	Prefixes []netip.Prefix
	Loopback bool
}

// Subnet is a network that is configured.
type Subnet struct {
	CIDR  netip.Prefix
	Mode  string
	Route string // why nothing can be sent there; empty: it can
}

// Pool says how much of a pool is in use.
type Pool struct {
	CIDR       netip.Prefix
	Size, Used int64
}

// Test is a packet of this host's to itself.
type Test struct {
	What  string
	Fault string // empty: it was answered
}

// diskSpare is what a lease log needs while it is written anew, with room for
// what else grows there.
const diskSpare = 64 << 20

// firstYear is the year before which no clock of this program's can be right.
const firstYear = 2025

// JudgeHost lists what is wrong with a host, and what is not.
func JudgeHost(h Host) []Finding {
	var all []Finding
	running := h.Running()
	all = append(all, h.ports(running)...)
	if running {
		all = append(all, h.privileges()...)
	}
	all = append(all, h.firewall()...)
	for _, t := range h.Tests {
		if t.Fault == "" {
			all = append(all, fine("%s answers this host", t.What))
			continue
		}
		all = append(all, finds(SelfTest, Fault, "%s does not answer this host: %s", t.What, t.Fault))
	}
	all = append(all, h.data()...)
	all = append(all, h.clock()...)
	all = append(all, h.addresses()...)
	return append(all, h.pools()...)
}

// Running reports whether a hobnail has all the ports of a server, or at least
// one of them.
func (h Host) Running() bool {
	for _, p := range h.Ports {
		if p.Ours {
			return true
		}
	}
	return false
}

func (h Host) ports(running bool) (all []Finding) {
	free := 0
	for _, p := range h.Ports {
		switch {
		case p.Ours:
			all = append(all, fine("%s is %s's", p, p.Holder))
		case p.Bound && p.Holder == "":
			all = append(all, finds(PortTaken, Warning, "%s is taken, and by whom cannot be told: run doctor as root", p))
		case p.Bound:
			all = append(all, finds(PortTaken, Fault, "%s is taken by %s", p, p.Holder))
		case running:
			all = append(all, finds(NotRunning, Fault, "hobnail runs, and has not opened %s: is that the configuration it runs by?", p))
		default:
			free++
		}
	}
	if free > 0 && !running {
		all = append(all, finds(NotRunning, Fault, "hobnail does not run here: %s free", ports2(free, len(h.Ports))))
	}
	return all
}

func ports2(free, all int) string {
	if free == all {
		return "all its ports are"
	}
	return count(free, "port") + " of " + fmt.Sprint(all) + " are"
}

func (h Host) privileges() []Finding {
	if h.Privileged {
		return []Finding{fine("hobnail has the privileges that it needs")}
	}
	return []Finding{finds(Privileges, Fault, "hobnail runs without %s", h.Lacks)}
}

// dataPort stands for those that TFTP answers from.
const dataPort = 40000

// firewall asks the rules about each port, on each interface.
func (h Host) firewall() (all []Finding) {
	flows := h.Ports
	for _, p := range h.Ports {
		if p.Port == 69 {
			flows = append(append([]Port(nil), flows...), Port{Network: "udp", Port: dataPort, What: "TFTP's data ports"})
		}
	}
	looked := 0
	for _, p := range flows {
		worst, where := Passes, ""
		for _, i := range h.Interfaces {
			for _, r := range h.Firewalls {
				looked++
				pass, chain := Passes, ""
				if !i.Loopback {
					pass, chain = r.Judge(Flow{Proto: p.Network, Port: p.Port, Iface: i.Name, Established: p.Port == dataPort})
				}
				if pass == Drops && worst != Drops || pass == Unsure && worst == Passes {
					worst, where = pass, fmt.Sprintf("%s, on %s", chain, i.Name)
				}
			}
		}
		name := p.String()
		if p.Port == dataPort {
			name = "UDP port 32768 and up (" + p.What + ")"
		}
		switch worst {
		case Drops:
			all = append(all, finds(Firewall, Fault, "the firewall of this host drops %s (%s)", name, where))
		case Unsure:
			all = append(all, finds(Firewall, Warning, "the firewall of this host lets %s through by rules that cannot be judged from here, or not at all (%s)", name, where))
		}
	}
	if looked > 0 && len(all) == 0 {
		all = append(all, fine("the firewall of this host lets through what machines send"))
	}
	return all
}

func (h Host) data() []Finding {
	d := h.Data
	switch {
	case d.Fault != "":
		return []Finding{finds(DiskReadOnly, Fault, "the data folder %s cannot be written: %s", d.Path, d.Fault)}
	case d.Total > 0 && d.Free == 0:
		return []Finding{finds(DiskFull, Fault, "the disk of %s is full", d.Path)}
	case d.Total > 0 && d.Free < diskSpare:
		return []Finding{finds(DiskFull, Warning, "the disk of %s has %d MiB left", d.Path, d.Free>>20)}
	}
	return []Finding{fine("the data folder %s can be written", d.Path)}
}

func (h Host) clock() []Finding {
	if h.Now.Year() < firstYear {
		return []Finding{finds(ClockWrong, Fault, "the clock of this host says %s", h.Now.UTC().Format(time.DateTime))}
	}
	return nil
}

// addresses: is the server where its subnets are, and is what it names its own.
func (h Host) addresses() (all []Finding) {
	for _, name := range h.Missing {
		all = append(all, finds(InterfaceGone, Fault, "the interface %s is named in [server] interfaces, and is not there, not up, or has no IPv4 address", name))
	}
	if h.Address.IsValid() && !h.has(h.Address) {
		all = append(all, finds(AddressElse, Fault, "[server] address is %s, which no interface here has", h.Address))
	}
	for _, s := range h.Subnets {
		on := h.on(s.CIDR)
		switch {
		case on != "":
			all = append(all, fine("%s (mode %s) is on the link of %s", s.CIDR, s.Mode, on))
		case s.Route != "":
			all = append(all, finds(NoRoute, Fault, "%s (mode %s) is on no link here, and there is no route to its relay: %s", s.CIDR, s.Mode, s.Route))
		default:
			all = append(all, fine("%s (mode %s) is on no link here: a relay has to send its requests to this host", s.CIDR, s.Mode))
		}
	}
	return all
}

func (h Host) has(a netip.Addr) bool {
	for _, i := range h.Interfaces {
		for _, p := range i.Prefixes {
			if p.Addr() == a {
				return true
			}
		}
	}
	return false
}

// on names the interface that has an address in a network; empty for none.
func (h Host) on(n netip.Prefix) string {
	for _, i := range h.Interfaces {
		for _, p := range i.Prefixes {
			if n.Contains(p.Addr()) {
				return i.Name
			}
		}
	}
	return ""
}

func (h Host) pools() (all []Finding) {
	for _, p := range h.Pools {
		switch {
		case p.Size > 0 && p.Used >= p.Size:
			all = append(all, finds(PoolFull, Fault, "the pool of %s is full: %d addresses", p.CIDR, p.Size))
		case p.Size > 0 && p.Used*10 >= p.Size*9:
			all = append(all, finds(PoolFull, Warning, "%d of %d addresses of the pool of %s are in use", p.Used, p.Size, p.CIDR))
		}
	}
	return all
}
