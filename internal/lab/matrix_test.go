//go:build lab

package lab

import (
	"fmt"
	"testing"
)

// Addresses of the matrix. On the machines' own link hobnail is srv; behind
// the relay it is srv on the link "core".
const (
	machineNet  = "10.77.2.0/24"
	routerAddr  = "10.77.2.1"
	localAddr   = "10.77.2.2" // hobnail, on the machines' link
	otherAddr   = "10.77.2.3" // somebody else's DHCP server, on the machines' link
	coreRouter  = "10.77.1.1"
	coreAddr    = "10.77.1.2" // hobnail, behind the relay
	core2Addr   = "10.77.1.3" // the second server, behind the relay
	machineMAC  = "52:54:00:4c:42:77"
	reservation = "10.77.2.10"
)

// images speak on the serial console. Those called kernel have no initial RAM
// disk: a test that ends at the kernel's first line need not wait for it.
const images = `
[[image]]
name    = "kernel"
kernel  = "` + amd64Dir + `linux"
cmdline = "console=ttyS0"

[[image]]
name    = "installer"
kernel  = "` + amd64Dir + `linux"
initrd  = "` + amd64Dir + `initrd.gz"
cmdline = "console=ttyS0"

[[image]]
name    = "kernel-arm64"
arch    = "arm64"
kernel  = "` + arm64Dir + `linux"
cmdline = "console=ttyAMA0"
`

// gives makes hobnail the DHCP server of the machines' link.
const gives = `
[[subnet]]
cidr   = "` + machineNet + `"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.99"
router = "` + routerAddr + `"
`

// proxied makes hobnail stand beside the site's DHCP server and not ask it.
const proxied = "dhcp = \"proxy\"\n"

// boots lets every machine start an image without a question.
func boots(image string) string { return fmt.Sprintf("\n[boot]\nunknown = %q\n", image) }

// menu shows every machine the menu, which starts an image after a second.
func menu(image string) string {
	return fmt.Sprintf("\n[boot]\nunknown = \"menu\"\ndefault = %q\ntimeout = \"1s\"\n", image)
}

// reserved names the machine of the matrix, gives it an address of its own and
// an image to start.
func reserved(image string) string {
	return fmt.Sprintf("\n[[machine]]\nname = \"box\"\nmac = %q\naddress = %q\nboot = %q\n", machineMAC, reservation, image)
}

// network puts the servers of a row in their places: hobnail, and somebody
// else's DHCP server where the row has one. It returns hobnail and the record
// of the link that hobnail is on.
type network func(l *Lab, lan *Link, conf string) (*Server, *Capture)

// row is one machine that starts. Its console must show each of the patterns,
// in this order.
type row struct {
	name    string
	kind    Kind
	network network
	conf    string // of hobnail, beginning inside [server]
	shows   []string
}

const (
	kernelLine = `Linux version \d`
	grub       = `Welcome to GRUB!`
	ipxe       = `iPXE \S+ -- Open Source Network Boot Firmware`
)

func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"01-bios-relay", BIOS, relayed, menu("kernel") + gives + images,
			[]string{ipxe, kernelLine}},
		{"02-bios-proxy-beside-dnsmasq", BIOS, besideDnsmasq, proxied + boots("installer") + images,
			[]string{ipxe, kernelLine}},
		{"03-uefi-x64-relay-to-installer", UEFIx64, relayed, menu("installer") + gives + images,
			[]string{grub, kernelLine, `Select a language`}},
		{"04-uefi-x64-secure-boot-relay", UEFIx64Secure, relayed, gives + reserved("kernel") + images,
			[]string{grub, kernelLine, `secureboot: Secure boot enabled`}},
		{"05-uefi-x64-proxy-beside-kea-relay", UEFIx64, relayedBesideKea, proxied + menu("installer") + images,
			[]string{ipxe, kernelLine}},
		{"06-uefi-ia32-same-link", UEFIIA32, sameLink, menu("kernel") + gives + images,
			[]string{grub, kernelLine}},
		{"07-uefi-arm64-relay", UEFIARM64, relayed, menu("kernel-arm64") + gives + images,
			[]string{grub, kernelLine}},
		{"08-uefi-x64-http-same-link", UEFIx64HTTP, sameLink, boots("kernel") + gives + images,
			[]string{`Start HTTP Boot over IPv4`, kernelLine}},
		{"09-uboot-arm64-same-link", UBootARM64, sameLink, boots("kernel-arm64") + gives + images,
			[]string{`U-Boot 20`, kernelLine}},
		{"10-bios-pxelinux-same-link", BIOS, sameLink,
			menu("kernel") + gives + "\n[[rule]]\nmatch = { arch = \"bios\" }\nloader = \"pxelinux\"\n" + images,
			[]string{`PXELINUX \d`, kernelLine}},
	} {
		r.run(t, func(t *testing.T, _ *Lab, server *Server, record *Capture) { checkSimulation(t, server, record) })
	}
}

// run switches the row's machine on, as a test of its own. After that went
// well, what went over the wire is for check.
func (r row) run(t *testing.T, check func(*testing.T, *Lab, *Server, *Capture)) {
	t.Run(r.name, func(t *testing.T) {
		t.Parallel()
		Slot(t)
		l := New(t)
		lan := l.Link("lan")
		server, record := r.network(l, lan, r.conf)
		m := l.Machine(r.kind, lan, MachineOpts{MAC: machineMAC})
		for _, pattern := range r.shows {
			m.Expect(pattern)
		}
		m.Stop()
		record.CheckDHCP(server.Host.Addr())
		checkVerdict(t, server)
		check(t, l, server, record)
	})
}

// checkVerdict: the server says of a machine that came to its kernel that it
// went well, or of an installer that has asked its first question on the screen
// for five minutes that it is silent. There is one machine.
func checkVerdict(t *testing.T, server *Server) {
	t.Helper()
	all := server.Boots()
	if len(all) == 0 {
		t.Errorf("%s has no boot", server.Name)
		return
	}
	if v := all[0].Verdict; v.Outcome == "ok" || v.Code == "installer-silent" {
		t.Logf("verdict of %s: %s", server.Name, v)
	} else {
		t.Errorf("%s says of a machine that started: %s, outcome %s%s", server.Name, v, v.Outcome, timeline(server.Boot(all[0].ID)))
	}
}

// sameLink has hobnail on the machines' link.
func sameLink(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	record := l.Capture(lan)
	return l.Host("srv", lan, localAddr+"/24", "").Hobnail(conf), record
}

// besideDnsmasq has both on the machines' link, each on its own host.
func besideDnsmasq(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
	return sameLink(l, lan, conf)
}

// relayed has hobnail behind a router that is the machines' IP helper.
func relayed(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	core := l.Link("core")
	helper(l, lan, core, coreAddr)
	l.Capture(lan)
	record := l.Capture(core)
	return l.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(conf), record
}

// relayedBesideKea has the router's IP helper send to Kea and hobnail both.
func relayedBesideKea(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	core := l.Link("core")
	helper(l, lan, core, core2Addr, coreAddr)
	l.Capture(lan)
	record := l.Capture(core)
	l.Host("dhcp", core, core2Addr+"/24", coreRouter).Kea(plainPlan())
	return l.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail(conf), record
}

// helper puts a router between the links that relays DHCP to the servers and
// marks what it relays with option 82.
func helper(l *Lab, lan, core *Link, servers ...string) {
	rtr := l.Router("rtr", At(core, coreRouter+"/24"), At(lan, routerAddr+"/24"))
	rtr.Relay(lan, true, servers...)
}

func plainPlan() Plan {
	return Plan{Subnet: machineNet, First: "10.77.2.150", Last: "10.77.2.199", Router: routerAddr}
}
