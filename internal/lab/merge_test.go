//go:build lab

package lab

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/dhcp4"
)

// merges makes hobnail complete the answers of the site's DHCP server.
const merges = "dhcp = \"merge\"\n"

// mergeRow is a machine that starts beside a DHCP server that nobody has
// touched; the lease is that server's, in its own file.
type mergeRow struct {
	row
	leases string // in the lab's directory, where the site's server keeps them
}

// TestMerge switches on machines in mode merge. What they show can only be
// reached with an ACK that has our boot data: GRUB takes its server from the
// ACK, and Secure Boot accepts nothing else on UEFI.
func TestMerge(t *testing.T) {
	for _, r := range []mergeRow{
		{row{"01-uefi-x64-secure-boot-beside-dnsmasq", UEFIx64Secure, besideDnsmasq, merges + menu("kernel") + images,
			[]string{grub, kernelLine, `secureboot: Secure boot enabled`}}, "dnsmasq-dhcp.leases"},
		{row{"02-uefi-x64-secure-boot-beside-dnsmasq-that-says-pxeclient", UEFIx64Secure, besideDnsmasqPXE, merges + boots("kernel") + images,
			[]string{grub, kernelLine, `secureboot: Secure boot enabled`}}, "dnsmasq-dhcp.leases"},
		{row{"03-uefi-x64-beside-kea-relay", UEFIx64, relayedBesideKea, merges + menu("kernel") + images,
			[]string{grub, kernelLine}}, "kea-dhcp/leases.csv"},
		{row{"04-bios-beside-dhcpd", BIOS, besideISCDHCPD, merges + menu("kernel") + images,
			[]string{ipxe, kernelLine}}, "dhcpd-dhcp.leases"},
		{row{"05-uefi-x64-two-hobnails-beside-dnsmasq", UEFIx64, twoBesideDnsmasq, menu("kernel") + images,
			[]string{grub, kernelLine}}, "dnsmasq-dhcp.leases"},
	} {
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
			hasLease(t, l, r.leases, machineMAC)
		})
	}
}

// besideDnsmasqPXE has a DHCP server on the link that says PXEClient itself, as
// Windows does: no proxy's offer counts beside it.
func besideDnsmasqPXE(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	p := plainPlan()
	l.Host("dhcp", lan, otherAddr+"/24", "").Dnsmasq(
		"--dhcp-range="+p.First+","+p.Last+",255.255.255.0,1h", "--dhcp-option-force=60,PXEClient")
	return sameLink(l, lan, conf)
}

func besideISCDHCPD(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	l.Host("dhcp", lan, otherAddr+"/24", "").ISCDHCPD(plainPlan())
	return sameLink(l, lan, conf)
}

// twoBesideDnsmasq has two hobnails, in mode auto, which both find that the
// site's server answers them.
func twoBesideDnsmasq(l *Lab, lan *Link, conf string) (*Server, *Capture) {
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
	second := l.Host("srv2", lan, "10.77.2.4/24", "").Hobnail(conf)
	second.WaitFor(`site's DHCP server answers us.*server=`+otherAddr+`.*mode=merge`, startup)
	return sameLink(l, lan, conf)
}

// hasLease reads the site's server's own file.
func hasLease(t *testing.T, l *Lab, file, mac string) {
	t.Helper()
	b, err := os.ReadFile(l.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), mac) {
		t.Errorf("the site's DHCP server has no lease for %s:\n%s", mac, b)
	}
}

// siteServer is somebody else's DHCP server, and where it keeps its leases.
type siteServer struct {
	name   string
	start  func(*Host) *Proc
	leases string
}

// siteServers are those that were tried. Each gives 10.77.2.150 to .199.
func siteServers() []siteServer {
	plan := plainPlan()
	return []siteServer{
		{"dnsmasq", func(h *Host) *Proc { return h.DnsmasqPlain(plan) }, "dnsmasq-dhcp.leases"},
		{"dnsmasq that says PXEClient and names files", func(h *Host) *Proc {
			return h.Dnsmasq("--dhcp-range=10.77.2.150,10.77.2.199,255.255.255.0,1h", "--dhcp-option=option:router,"+routerAddr,
				"--dhcp-option-force=60,PXEClient", "--dhcp-boot=other.efi,other,10.77.2.9", "--dhcp-option-force=66,10.77.2.9")
		}, "dnsmasq-dhcp.leases"},
		{"ISC dhcpd", func(h *Host) *Proc { return h.ISCDHCPD(plan) }, "dhcpd-dhcp.leases"},
		{"Kea", func(h *Host) *Proc { return h.Kea(plan) }, "kea-dhcp/leases.csv"},
	}
}

// TestMergeBesideServers plays clients beside every kind of DHCP server, on
// their own link and behind a relay.
func TestMergeBesideServers(t *testing.T) {
	pxe := firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7)
	for _, server := range siteServers() {
		for _, place := range []string{"same link", "relay"} {
			t.Run(server.name+", "+place, func(t *testing.T) {
				t.Parallel()
				l := New(t)
				lan := l.Link("lan")
				link, addr, other, gateway := lan, localAddr, otherAddr, ""
				if place == "relay" {
					link, addr, other, gateway = l.Link("core"), coreAddr, core2Addr, coreRouter
					helper(l, lan, link, core2Addr, coreAddr)
				}
				record := l.Capture(link)
				server.start(l.Host("dhcp", link, other+"/24", gateway))
				hobnail := l.Host("srv", link, addr+"/24", gateway).Hobnail(merges)
				c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, pxe)

				offers := c.discover(addr, other)
				offer, plain := offers[addr], offers[other]
				if offer == nil || plain == nil {
					t.Fatalf("offers of %v, want one of the site's server and one of hobnail\n%s", offers, hobnail.Output())
				}
				t.Logf("offered %s, by itself %s", offer.YIAddr, plain.YIAddr)
				isMerged(t, "OFFER", offer, addr)
				ack := c.request(offer)
				if ack == nil || ack.Type() != dhcp4.Ack || ack.YIAddr != offer.YIAddr {
					t.Fatalf("the REQUEST was answered with %+v\n%s", ack, hobnail.Output())
				}
				isMerged(t, "ACK", ack, addr)
				record.CheckDHCP(netip.MustParseAddr(addr))
				hasLease(t, l, server.leases, "52:54:00:4c:43:01")
			})
		}
	}
}

// isMerged checks that a message is complete: the address and the network of
// the site's server, and our boot data.
func isMerged(t *testing.T, what string, p *dhcp4.Packet, hobnail string) {
	t.Helper()
	got := map[string]string{"siaddr": p.SIAddr.String(), "file": p.File, "server": serverOf(p)}
	for name, code := range map[string]dhcp4.OptionCode{
		"class": 60, "43": 43, "66": 66, "67": 67, "mask": 1, "router": 3,
	} {
		if v, ok := p.Options.Get(code); ok {
			got[name] = string(v)
		}
	}
	const file = "m/5254004c4301/uefi-x64/shimx64.efi"
	want := map[string]string{
		"siaddr": hobnail, "file": file, "server": hobnail, "class": "PXEClient", "43": "\x06\x01\x08\xff",
		"67": file + "\x00", "mask": "\xff\xff\xff\x00", "router": "\x0a\x4d\x02\x01",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	if !netip.MustParsePrefix("10.77.2.128/25").Contains(p.YIAddr) {
		t.Errorf("%s gives %s, which is not of the site's pool", what, p.YIAddr)
	}
}

// TestAuto: hobnail without a configuration says which way it goes, and goes
// the other when the site changes.
func TestAuto(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	record := l.Capture(lan)
	dhcp := l.Host("dhcp", lan, otherAddr+"/24", "")
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail("")
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))

	hobnail.WaitFor(`no DHCP server answers us.*place=10\.77\.2\.0/24 if=eth0 mode=proxy`, startup)
	isProxied(t, "with nobody there", c.discover(localAddr)[localAddr])

	site := dhcp.DnsmasqPlain(plainPlan())
	offer := c.discover(localAddr, otherAddr)[localAddr]
	hobnail.WaitFor(`site's DHCP server answers us.*server=10\.77\.2\.3 mode=merge`, startup)
	if offer == nil {
		t.Fatal("no offer once there is a DHCP server")
	}
	offer = c.discover(localAddr, otherAddr)[localAddr]
	isMerged(t, "OFFER", offer, localAddr)

	site.Stop()
	for range 3 {
		isProxied(t, "with the DHCP server gone", c.discover(localAddr)[localAddr])
	}
	hobnail.WaitFor(`site's DHCP server no longer answers us.*mode=proxy`, startup)
	record.CheckDHCP(netip.MustParseAddr(localAddr))
}

// TestAutoBesideAServerThatAnswersNoRelay: machines hear it, we do not.
func TestAutoBesideAServerThatAnswersNoRelay(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	dhcp := l.Host("dhcp", lan, otherAddr+"/24", "")
	dhcp.Run("ip", "route", "add", "blackhole", localAddr+"/32")
	dhcp.DnsmasqPlain(plainPlan())
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail("")
	hobnail.WaitFor(`no DHCP server answers us.*mode=proxy`, startup)
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))
	offers := c.discover(localAddr, otherAddr)
	isProxied(t, "beside a server that answers no relay", offers[localAddr])
	if offers[otherAddr] == nil {
		t.Error("the site's server made no offer")
	}
}

// isProxied checks that an offer has boot data and no address.
func isProxied(t *testing.T, when string, p *dhcp4.Packet) {
	t.Helper()
	if p == nil {
		t.Fatalf("%s: no offer", when)
	}
	if p.YIAddr.String() != "0.0.0.0" || p.File != "m/5254004c4301/uefi-x64/snponly.efi" {
		t.Errorf("%s: an offer of %s with file %q, want a proxy's", when, p.YIAddr, p.File)
	}
}
