package lab

import (
	"fmt"
	"net/netip"
	"time"
)

// startup is how long a server of somebody else's may take to be ready.
const startup = 20 * time.Second

// Plan is what a plain DHCP server, one that knows nothing of network boot,
// gives to the machines of one subnet.
type Plan struct {
	Subnet      string // "10.77.2.0/24"
	First, Last string // the pool
	Router      string
}

func (p Plan) prefix() netip.Prefix { return netip.MustParsePrefix(p.Subnet) }

// mask is the subnet mask in dotted form.
func (p Plan) mask() string {
	var m [4]byte
	for i := range p.prefix().Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(m).String()
}

// Relay runs ISC dhcrelay on a router, which then is the IP helper of the
// machines on link: their broadcasts go to all the servers. With agent, it
// adds the relay agent information option (82) to requests.
func (h *Host) Relay(link *Link, agent bool, servers ...string) *Proc {
	h.lab.t.Helper()
	argv := []string{"dhcrelay", "-4", "-d", "--no-pid", "-id", h.iface(link)}
	for i, p := range h.Ports {
		if p.Link != link {
			argv = append(argv, "-iu", fmt.Sprintf("eth%d", i))
		}
	}
	if agent {
		argv = append(argv, "-a")
	}
	p := h.Start("dhcrelay-"+h.Name, append(argv, servers...)...)
	p.WaitFor("Sending on +Socket/fallback", startup)
	return p
}

// Dnsmasq runs dnsmasq on a host, without its DNS service, with these further
// arguments ("--dhcp-range=…").
func (h *Host) Dnsmasq(args ...string) *Proc {
	h.lab.t.Helper()
	leases := h.lab.Path("dnsmasq-" + h.Name + ".leases")
	argv := []string{"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
		"--pid-file=", "--log-facility=-", "--log-dhcp", "--dhcp-leasefile=" + leases, "--no-ping"}
	p := h.Start("dnsmasq-"+h.Name, append(argv, args...)...)
	p.WaitFor("started, version", startup)
	return p
}

// DnsmasqPlain runs dnsmasq as a plain DHCP server.
func (h *Host) DnsmasqPlain(plan Plan) *Proc {
	h.lab.t.Helper()
	return h.Dnsmasq(
		fmt.Sprintf("--dhcp-range=%s,%s,%s,1h", plan.First, plan.Last, plan.mask()),
		"--dhcp-option=option:router,"+plan.Router)
}

// Kea runs Kea's DHCPv4 server as a plain DHCP server, on the host's first
// port. It answers relayed requests and those of its own link.
func (h *Host) Kea(plan Plan) *Proc {
	h.lab.t.Helper()
	return h.KeaWith(plan)
}

// KeaWith is Kea with further entries of option-data.
func (h *Host) KeaWith(plan Plan, options ...string) *Proc {
	h.lab.t.Helper()
	more := ""
	for _, o := range options {
		more += ", " + o
	}
	dir := h.lab.Path("kea-" + h.Name)
	conf := h.lab.WriteFile("kea-"+h.Name+"/kea-dhcp4.json", fmt.Sprintf(`{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"]},
  "lease-database": {"type": "memfile", "name": %q},
  "loggers": [{"name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": 40, "output_options": [{"output": "stdout"}]}],
  "valid-lifetime": 3600,
  "subnet4": [{
    "id": 1, "subnet": %q,
    "pools": [{"pool": "%s - %s"}],
    "option-data": [{"name": "routers", "data": %q}%s]
  }]
}}
`, dir+"/leases.csv", plan.Subnet, plan.First, plan.Last, plan.Router, more))
	p := h.Start("kea-"+h.Name, "env", "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir, "kea-dhcp4", "-c", conf)
	p.WaitFor("DHCP4_STARTED", startup)
	return p
}

// ISCDHCPD runs ISC dhcpd as a plain DHCP server, on the host's first port. It
// answers relayed requests and those of its own link.
func (h *Host) ISCDHCPD(plan Plan) *Proc {
	h.lab.t.Helper()
	own := ""
	if local := h.Ports[0].Addr.Masked(); local != plan.prefix() {
		// dhcpd listens only where it knows the subnet.
		own = fmt.Sprintf("subnet %s netmask %s {}\n", local.Addr(), Plan{Subnet: local.String()}.mask())
	}
	conf := h.lab.WriteFile("dhcpd-"+h.Name+".conf", fmt.Sprintf(`authoritative;
default-lease-time 3600;
%ssubnet %s netmask %s {
  range %s %s;
  option routers %s;
}
`, own, plan.prefix().Masked().Addr(), plan.mask(), plan.First, plan.Last, plan.Router))
	leases := h.lab.WriteFile("dhcpd-"+h.Name+".leases", "")
	p := h.Start("dhcpd-"+h.Name, "dhcpd", "-4", "-d", "-f", "--no-pid", "-cf", conf, "-lf", leases, "eth0")
	p.WaitFor("Server starting service", startup)
	return p
}
