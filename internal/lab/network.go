package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"hobnail/internal/lab/link"
)

// Link is one broadcast domain: a bridge in a namespace of its own, with no
// address. It floods every frame to every port like a hub, so a capture of it
// sees everything.
type Link struct {
	Name string

	lab   *Lab
	ns    netns
	ports int
}

// Link makes an empty link.
func (l *Lab) Link(name string) *Link {
	l.t.Helper()
	k := &Link{Name: name, lab: l, ns: l.newNetns(name)}
	// IPv6 off: the bridge itself must not talk on the link.
	l.sysctl(k.ns, "net.ipv6.conf.all.disable_ipv6", "1")
	l.sysctl(k.ns, "net.ipv6.conf.default.disable_ipv6", "1")
	l.ip("-n", string(k.ns), "link", "add", "br0", "type", "bridge",
		"stp_state", "0", "forward_delay", "0", "ageing_time", "0", "mcast_snooping", "0")
	l.ip("-n", string(k.ns), "link", "set", "br0", "up")
	return k
}

// tap adds a port for a machine and returns its name inside the link's
// namespace.
func (k *Link) tap() string {
	k.lab.t.Helper()
	k.ports++
	name := fmt.Sprintf("tap%d", k.ports)
	k.lab.ip("-n", string(k.ns), "tuntap", "add", "dev", name, "mode", "tap")
	k.lab.ip("-n", string(k.ns), "link", "set", name, "master", "br0", "up")
	return name
}

// Port is where a host is plugged in: a link and its address there.
type Port struct {
	Link *Link
	Addr netip.Prefix
}

// At describes a port; the address is written "10.77.1.2/24".
func At(link *Link, cidr string) Port {
	return Port{Link: link, Addr: netip.MustParsePrefix(cidr)}
}

// Host is a namespace with one interface for each of its ports, named eth0,
// eth1 and so on.
type Host struct {
	Name  string
	Ports []Port

	lab *Lab
	ns  netns
}

// Host makes a host with one port. gateway is its default route and may be
// empty.
func (l *Lab) Host(name string, link *Link, cidr, gateway string) *Host {
	l.t.Helper()
	h := l.newHost(name, At(link, cidr))
	if gateway != "" {
		l.ip("-n", string(h.ns), "route", "add", "default", "via", gateway)
	}
	return h
}

// Router makes a host that forwards IPv4 between its ports. It relays no
// broadcasts; see Relay.
func (l *Lab) Router(name string, ports ...Port) *Host {
	l.t.Helper()
	h := l.newHost(name, ports...)
	l.sysctl(h.ns, "net.ipv4.ip_forward", "1")
	return h
}

// Cable makes a host that is joined to another, and to nobody else, by one
// cable. Its own end is its first port; the other's end is named like the host.
func (l *Lab) Cable(name, cidr string, to *Host, there string) *Host {
	l.t.Helper()
	h := &Host{Name: name, Ports: []Port{{Addr: netip.MustParsePrefix(cidr)}}, lab: l, ns: l.newNetns(name)}
	l.ip("-n", string(to.ns), "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", string(h.ns))
	l.ifup(h.ns, "eth0", cidr)
	l.ifup(to.ns, name, there)
	return h
}

// Wire makes a host as Cable does, joined by a cable with a length and faults.
// cpu is the processor that does its work, as in link.Join.
func (l *Lab) Wire(name, cidr string, to *Host, there string, f link.Faults, cpu int) (*Host, *link.Link) {
	l.t.Helper()
	h := &Host{Name: name, Ports: []Port{{Addr: netip.MustParsePrefix(cidr)}}, lab: l, ns: l.newNetns(name)}
	w := l.join(link.End{Netns: string(h.ns), Name: "eth0"}, link.End{Netns: string(to.ns), Name: name}, f, cpu)
	l.ifup(h.ns, "eth0", cidr)
	l.ifup(to.ns, name, there)
	return h, w
}

// WireTo joins a host that has no other interface to the link, by such a cable.
func (k *Link) WireTo(h *Host, cidr string, f link.Faults) *link.Link {
	l := k.lab
	l.t.Helper()
	k.ports++
	port := fmt.Sprintf("wire%d", k.ports)
	w := l.join(link.End{Netns: string(k.ns), Name: port}, link.End{Netns: string(h.ns), Name: "eth0"}, f, -1)
	l.ip("-n", string(k.ns), "link", "set", port, "master", "br0", "up")
	l.ifup(h.ns, "eth0", cidr)
	return w
}

func (l *Lab) join(a, b link.End, f link.Faults, cpu int) *link.Link {
	l.t.Helper()
	w, err := link.Join(a, b, f, cpu)
	if err != nil {
		l.t.Fatalf("joining %s and %s: %v", a.Netns, b.Netns, err)
	}
	l.onClose(func() { w.Close() })
	return w
}

// ifup gives an interface its address and switches it on.
func (l *Lab) ifup(ns netns, iface, cidr string) {
	l.t.Helper()
	l.ip("-n", string(ns), "address", "add", cidr, "broadcast", "+", "dev", iface)
	l.ip("-n", string(ns), "link", "set", iface, "up")
}

func (l *Lab) newHost(name string, ports ...Port) *Host {
	l.t.Helper()
	h := &Host{Name: name, Ports: ports, lab: l, ns: l.newNetns(name)}
	for i, p := range ports {
		p.Link.plug(h.ns, fmt.Sprintf("eth%d", i), p.Addr)
	}
	return h
}

// plug joins a namespace to the link with a virtual cable. The cable is made
// inside the two namespaces, so its names need not be unique on the machine.
func (k *Link) plug(ns netns, iface string, addr netip.Prefix) {
	k.lab.t.Helper()
	k.ports++
	port := fmt.Sprintf("port%d", k.ports)
	k.lab.ip("-n", string(k.ns), "link", "add", port, "type", "veth", "peer", "name", iface, "netns", string(ns))
	k.lab.ip("-n", string(k.ns), "link", "set", port, "master", "br0", "up")
	k.lab.ifup(ns, iface, addr.String())
}

// Remove takes the host away, and with it what runs there loses its network.
func (h *Host) Remove() { h.lab.ip("netns", "delete", string(h.ns)) }

// Dir makes a directory of the host's in the lab's directory.
func (h *Host) Dir(name string) string {
	h.lab.t.Helper()
	return filepath.Dir(h.lab.WriteFile(h.Name+"/"+name+"/.keep", ""))
}

// File writes a file of the host's and returns its absolute name.
func (h *Host) File(name, content string) string {
	h.lab.t.Helper()
	return h.lab.WriteFile(h.Name+"/"+name, content)
}

// AwaitPort waits until something on the host has bound a UDP port.
func (h *Host) AwaitPort(port uint16, timeout time.Duration) {
	h.lab.t.Helper()
	if !poll(timeout, func() bool {
		return h.Run("ss", "-Hlun", "sport", "=", fmt.Sprint(port)) != ""
	}) {
		h.lab.t.Fatalf("nothing bound UDP port %d on %s within %v", port, h.Name, timeout)
	}
}

// Addr is the host's address on its first port.
func (h *Host) Addr() netip.Addr { return h.Ports[0].Addr.Addr() }

// iface is the interface that the host has on a link.
func (h *Host) iface(link *Link) string {
	for i, p := range h.Ports {
		if p.Link == link {
			return fmt.Sprintf("eth%d", i)
		}
	}
	h.lab.t.Fatalf("%s has no port on link %s", h.Name, link.Name)
	return ""
}

// Run runs a command on the host to its end, and returns its standard output
// without the last newline. It ends the test if the command fails.
func (h *Host) Run(argv ...string) string {
	h.lab.t.Helper()
	cmd := h.ns.command(argv...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		h.lab.t.Fatalf("running %s on %s: %v: %s%s", commandLine(argv), h.Name, err, out, errs.String())
	}
	return strings.TrimRight(string(out), "\n")
}
