//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"hobnail/internal/wire/dhcp4"
)

// filesOnly leaves DHCP to the site's server, which carries the boot data.
const filesOnly = "address = \"" + localAddr + "\"\n"

// offSubnet is the machines' network, where hobnail answers no DHCP.
const offSubnet = `
[[subnet]]
cidr   = "` + machineNet + `"
dhcp   = "off"
router = "` + routerAddr + `"
`

// byName starts the kernel on the machine of the matrix alone, which is known
// by its MAC address; everybody else is sent to the local disk.
const byName = "\n[boot]\nunknown = \"local\"\n\n[[machine]]\nname = \"box\"\nmac = \"" + machineMAC + "\"\nboot = \"kernel\"\n"

// carrier is a DHCP server of the site's that carries boot data out of "hobnail
// ports dhcp".
type carrier struct {
	system string // as in --for
	// start takes the text in, has the server check its own configuration, and
	// starts it.
	start func(h *Host, snippet string)
}

func carriers() []carrier {
	plan := plainPlan()
	return []carrier{
		{"isc", func(h *Host, snippet string) {
			h.File("hobnail.conf", snippet)
			conf := h.File("dhcpd.conf", fmt.Sprintf(`authoritative;
default-lease-time 3600;
include %q;
subnet %s netmask %s {
  range %s %s;
  option routers %s;
  next-server 10.77.2.9;
  filename "other.efi";
}
`, h.lab.Path(h.Name+"/hobnail.conf"), plan.prefix().Addr(), plan.mask(), plan.First, plan.Last, plan.Router))
			h.Run("dhcpd", "-t", "-4", "-cf", conf)
			h.Start("dhcpd", "dhcpd", "-4", "-d", "-f", "--no-pid", "-cf", conf, "-lf", h.File("dhcpd.leases", ""), "eth0").
				WaitFor("Server starting service", startup)
		}},
		{"kea", func(h *Host, snippet string) {
			dir := h.Dir("kea")
			conf := h.File("kea-dhcp4.json", fmt.Sprintf(`{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"]},
  "lease-database": {"type": "memfile", "name": %q},
  "loggers": [{"name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": 40, "output_options": [{"output": "stdout"}]}],
  "valid-lifetime": 3600,
  "client-classes": <?include %q?>,
  "subnet4": [{
    "id": 1, "subnet": %q,
    "pools": [{"pool": "%s - %s"}],
    "option-data": [{"name": "routers", "data": %q}]
  }]
}}
`, dir+"/leases.csv", h.File("hobnail.json", snippet), plan.Subnet, plan.First, plan.Last, plan.Router))
			env := []string{"env", "KEA_PIDFILE_DIR=" + dir, "KEA_LOCKFILE_DIR=" + dir, "kea-dhcp4"}
			h.Run(append(env, "-t", conf)...)
			h.Start("kea", append(env, "-c", conf)...).WaitFor("DHCP4_STARTED", startup)
		}},
		{"dnsmasq", dnsmasqWith},
		{"opnsense", dnsmasqWith},
	}
}

func dnsmasqWith(h *Host, snippet string) {
	plan := plainPlan()
	conf := h.File("hobnail.conf", snippet)
	h.Run("dnsmasq", "--test", "--conf-file="+conf)
	h.Start("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file="+conf, "--port=0", "--user=root", "--pid-file=",
		"--log-facility=-", "--log-dhcp", "--no-ping", "--dhcp-leasefile="+h.lab.Path(h.Name+".leases"),
		fmt.Sprintf("--dhcp-range=%s,%s,%s,1h", plan.First, plan.Last, plan.mask()), "--dhcp-option=option:router,"+plan.Router).
		WaitFor("started, version", startup)
}

// handedOver starts hobnail as a file server, and the site's DHCP server with
// what hobnail wrote for it.
func handedOver(l *Lab, lan *Link, c carrier, conf string) *Server {
	server := l.Host("srv", lan, localAddr+"/24", "").Hobnail(filesOnly + "dhcp = \"off\"\n" + conf + offSubnet + images)
	text := server.Host.Run(Binary(server.Host), "ports", "dhcp", "--for", c.system, "-c", server.Config)
	c.start(l.Host("dhcp", lan, otherAddr+"/24", ""), text+"\n")
	return server
}

// TestPortsBoot switches machines on beside a DHCP server that tells them what
// hobnail wrote down. In rows for BIOS the kernel starts only if iPXE has put
// its MAC address into the name of its script.
func TestPortsBoot(t *testing.T) {
	t.Parallel()
	for _, c := range carriers() {
		if c.system == "opnsense" {
			continue // dnsmasq with the same text; TestPortsDHCP compares what it says
		}
		uefi := UEFIx64
		if c.system == "isc" {
			uefi = UEFIx64Secure
		}
		for _, r := range []struct {
			kind  Kind
			conf  string
			shows []string
		}{
			{BIOS, byName, []string{ipxe, kernelLine}},
			{uefi, boots("kernel"), []string{grub, kernelLine}},
			{UEFIx64HTTP, boots("kernel"), []string{`Start HTTP Boot over IPv4`, kernelLine}},
		} {
			t.Run(c.system+"-"+string(r.kind), func(t *testing.T) {
				t.Parallel()
				Slot(t)
				l := New(t)
				lan := l.Link("lan")
				l.Capture(lan)
				handedOver(l, lan, c, r.conf)
				m := l.Machine(r.kind, lan, MachineOpts{MAC: machineMAC})
				for _, pattern := range r.shows {
					m.Expect(pattern)
				}
			})
		}
	}
}

// TestPortsDHCP asks each server as every kind of client does that hobnail
// wrote something for, and wants that very file.
func TestPortsDHCP(t *testing.T) {
	for _, c := range carriers() {
		t.Run(c.system, func(t *testing.T) {
			t.Parallel()
			l := New(t)
			lan := l.Link("lan")
			server := handedOver(l, lan, c, "")
			h := l.Host("client", lan, "10.77.2.7/24", "")
			var want struct {
				Boot []struct {
					Client, File string
					Codes        []uint16
					NextServer   string `json:"next_server"`
				}
			}
			out := server.Host.Run(Binary(server.Host), "ports", "dhcp", "--for", "dnsmasq", "--json", "-c", server.Config)
			if err := json.Unmarshal([]byte(out), &want); err != nil || len(want.Boot) < 10 {
				t.Fatalf("ports dhcp --json: %v: %s", err, out)
			}
			for i, b := range want.Boot {
				for _, code := range b.Codes {
					told(t, h, byte(i+1), b.Client, code, b.File, b.NextServer)
				}
			}
			if offer := ask(t, h, 100, dhcp4.Options{}); offer == nil || offer.File == "nbp/bios/undionly.kpxe" {
				t.Errorf("a client that does not boot was offered %+v, want an address and no file of ours", offer)
			}
		})
	}
}

// told asks as one kind of client, and compares what the offer says.
func told(t *testing.T, h *Host, mac byte, client string, code uint16, file, next string) {
	t.Helper()
	class := map[string]string{"http": "HTTPClient", "uboot": "U-Boot.armv8"}[client]
	if class == "" {
		class = "PXEClient"
	}
	if client != "uboot" {
		class += fmt.Sprintf(":Arch:%05d:UNDI:003016", code)
	}
	variants := []dhcp4.Options{nil}
	if client == "ipxe" {
		// By either sign, as vendors' builds send one of them alone.
		variants = []dhcp4.Options{
			{{Code: dhcp4.OptUserClass, Data: []byte("iPXE")}}, {{Code: 175, Data: []byte{0x13, 1, 1}}},
		}
	}
	for _, more := range variants {
		offer := ask(t, h, mac, firmwareOptions(class, code, more...))
		if offer == nil {
			t.Errorf("%s with code %d was offered nothing", client, code)
			continue
		}
		got := offer.File
		if text, ok := offer.Options.Get(dhcp4.OptBootFileName); got == "" && ok {
			got = strings.TrimRight(string(text), "\x00")
		}
		if got != file {
			t.Errorf("%s with code %d was offered %q, want %q", client, code, got, file)
		}
		if next != "" && offer.SIAddr.String() != next {
			t.Errorf("%s with code %d was sent to %s, want %s", client, code, offer.SIAddr, next)
		}
		if text, _ := offer.Options.Get(dhcp4.OptVendorClass); client == "http" && string(text) != "HTTPClient" {
			t.Errorf("%s with code %d was sent option 60 %q, and takes no other than HTTPClient", client, code, text)
		}
	}
}

// ask sends a DISCOVER and gives the offer.
func ask(t *testing.T, h *Host, mac byte, o dhcp4.Options) (offer *dhcp4.Packet) {
	t.Helper()
	c := h.client(t, mac, o)
	defer c.conn.Close()
	c.ask(func(p *dhcp4.Packet) bool { offer = p; return true })
	return offer
}

// TestPortsFirewall puts a firewall that drops everything else between machines
// and server, or on the server itself, with the very rules that hobnail wrote:
// all that a boot needs passes, and with any one of them missing it does not.
func TestPortsFirewall(t *testing.T) {
	for _, tc := range []struct {
		name, at string
		hook     map[string]string // our chain, by the hook that comes by it
		conf     string
		needs    map[string]string // what fails without a rule
	}{
		{"router", "router", map[string]string{"forward": "hobnail_forward"}, "",
			map[string]string{"dhcp-relayed": "dhcp", "dhcp-relayed-answer": "dhcp", "tftp-request": "tftp", "tftp-data": "tftp", "tftp-ack": "tftp", "http": "http", "http-answer": "http"}},
		{"router-single-port", "router", map[string]string{"forward": "hobnail_forward"}, "\n[tftp]\nanswers = \"single-port\"\n",
			map[string]string{"tftp-request": "tftp", "tftp-data": "tftp"}},
		{"host", "host", map[string]string{"input": "hobnail_input", "output": "hobnail_output"}, "",
			map[string]string{"dhcp-relayed": "dhcp", "dhcp-relayed-answer": "dhcp", "tftp-request": "tftp", "tftp-data": "tftp", "tftp-ack": "tftp", "http": "http", "http-answer": "http"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := New(t)
			lan, mid, core := l.Link("lan"), l.Link("mid"), l.Link("core")
			relay := l.Router("relay", At(mid, "10.77.9.1/24"), At(lan, routerAddr+"/24"))
			relay.Run("ip", "route", "add", "default", "via", "10.77.9.2")
			firewall := l.Router("firewall", At(core, coreRouter+"/24"), At(mid, "10.77.9.2/24"))
			firewall.Run("ip", "route", "add", machineNet, "via", "10.77.9.1")
			server := l.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail("address = \"" + coreAddr + "\"\n" + tc.conf + gives + images)
			relay.Relay(lan, true, coreAddr)
			client := l.Host("client", lan, "10.77.2.7/24", routerAddr)
			if tc.at == "host" {
				firewall = server.Host
			}
			f := &filter{Host: firewall, hooks: tc.hook}
			rules := server.Host.Run(Binary(server.Host), "ports", "--format", "nftables", "--at", tc.at, "-c", server.Config)
			f.load("")
			for what, passes := range flows(t, client) {
				if passes(t) {
					t.Errorf("%s passes a firewall that lets nothing through", what)
				}
			}
			f.load(rules)
			f.load(rules) // loaded again it is the same
			for what, passes := range flows(t, client) {
				if !passes(t) {
					t.Errorf("%s does not pass by these rules:\n%s", what, rules)
				}
			}
			for id, what := range tc.needs {
				f.load(without(rules, id))
				if flows(t, client)[what](t) {
					t.Errorf("%s passes without the rule %s: who needs it?", what, id)
				}
			}
		})
	}
}

// filter is a host that drops what no rule takes.
type filter struct {
	*Host
	hooks map[string]string
	n     int
}

// load replaces the rules by those that a person would load, hooked in as the
// text says. The kernel is asked first whether it would take them.
func (f *filter) load(rules string) {
	f.n++
	base := "flush ruleset\ntable inet filter {\n"
	for hook := range f.hooks {
		base += fmt.Sprintf("chain %s { type filter hook %s priority 0; policy drop; }\n", hook, hook)
	}
	f.Run("nft", "-f", f.File(fmt.Sprintf("base-%d.nft", f.n), base+"}\n"))
	if rules == "" {
		return
	}
	file := f.File(fmt.Sprintf("rules-%d.nft", f.n), rules+"\n")
	f.Run("nft", "-c", "-f", file)
	f.Run("nft", "-f", file)
	for hook, chain := range f.hooks {
		f.Run("nft", "insert", "rule", "inet", "filter", hook, "jump", chain)
	}
}

func without(rules, id string) string {
	return regexp.MustCompile(`(?m)^.* comment "`+id+`"\n?`).ReplaceAllString(rules, "")
}

// flows are what a boot does on the network, from a client behind the relay.
func flows(t *testing.T, h *Host) map[string]func(*testing.T) bool {
	t.Helper()
	reads := func(url string) func(*testing.T) bool {
		return func(*testing.T) bool {
			return h.ns.command("curl", "-sS", "--fail", "--max-time", "4", "-o", "/dev/null", url).Run() == nil
		}
	}
	return map[string]func(*testing.T) bool{
		"tftp": reads("tftp://" + coreAddr + "/nbp/bios/undionly.kpxe"),
		"http": reads("http://" + coreAddr + ":8080/nbp/bios/undionly.kpxe"),
		"dhcp": func(t *testing.T) bool {
			c := h.client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))
			defer c.conn.Close()
			c.xid += uint32(time.Now().UnixNano())
			c.send(dhcp4.Discover, "255.255.255.255", nil)
			all := c.hear(3*time.Second, func(p *dhcp4.Packet) bool { return p.Type() == dhcp4.Offer })
			return len(all) > 0
		},
	}
}
