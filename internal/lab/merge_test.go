//go:build lab

package lab

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
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
	t.Parallel()
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
		{row{"06-uefi-x64-http-beside-dnsmasq", UEFIx64HTTP, besideDnsmasq, merges + boots("kernel") + images,
			[]string{`Start HTTP Boot over IPv4`, kernelLine}}, "dnsmasq-dhcp.leases"},
	} {
		r.run(t, func(t *testing.T, l *Lab, server *Server, record *Capture) {
			hasLease(t, l, r.leases, machineMAC)
			if strings.HasPrefix(r.conf, merges) {
				checkMergedSimulation(t, server, record)
			}
		})
	}
}

// checkMergedSimulation takes every DISCOVER that reached the server to
// "hobnail simulate", which has to name the boot file that the machine was
// offered. It knows neither the address nor what else the site's server gives.
func checkMergedSimulation(t *testing.T, server *Server, record *Capture) {
	t.Helper()
	compared := 0
	us := server.Host.Addr()
	all := slices.DeleteFunc(record.Datagrams(67), func(d Datagram) bool {
		return d.Src.Addr() == us && isDiscover(d.Payload) // passed on
	})
	for i, request := range all {
		if !isDiscover(request.Payload) || !reaches(request.Dst, us) {
			continue
		}
		offer := replyTo(request, all[i+1:], us)
		if offer == nil {
			continue // asked again before the site's server answered
		}
		p, err := dhcp4.Parse(offer)
		if err != nil {
			t.Fatal(err)
		}
		file, next := p.File, p.SIAddr.String()
		if name, ok := p.Options.Get(dhcp4.OptBootFileName); file == "" && ok {
			file, next = strings.TrimRight(string(name), "\x00"), us.String() // HTTP boot: a URL, and no siaddr
		}
		var got struct {
			Answer, Mode, Address, Reply string
			BootFile                     string `json:"boot_file"`
			NextServer                   string `json:"next_server"`
		}
		out := server.Simulate(request.Payload, 67)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("simulate --json: %v: %s", err, out)
		}
		if got.Answer != "offer" || got.Mode != "merge" || got.Address != "" || got.Reply != "" ||
			got.BootFile != file || got.NextServer != next {
			t.Errorf("offered file %q of %s; simulate says %+v", file, next, got)
		}
		compared++
	}
	if compared == 0 {
		t.Errorf("no DISCOVER was answered; recorded in %s", record.Path)
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
	if !leased(t, l, file, mac) {
		t.Errorf("the site's DHCP server has no lease for %s in %s", mac, l.Path(file))
	}
}

func leased(t *testing.T, l *Lab, file, mac string) bool {
	t.Helper()
	b, err := os.ReadFile(l.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), mac)
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
				t.Logf("offered %s, by itself %s, after %v", offer.YIAddr, plain.YIAddr, time.Since(c.sent).Round(time.Millisecond))
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

// TestMergeForEveryClient: what each kind of client gets in the site's answer.
func TestMergeForEveryClient(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	record := l.Capture(lan)
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail(merges)
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, nil)
	feature := dhcp4.Option{Code: dhcp4.OptIPXE, Data: []byte{0x13, 1, 1}}
	for i, tc := range []struct {
		name   string
		opts   dhcp4.Options
		file   string // of the header; "" for none
		name67 string // option 67; "" for none
		class  string // option 60
		ipxe   string // option 175
	}{
		{"a BIOS ROM", firmwareOptions("PXEClient:Arch:00000:UNDI:002001", 0), "m/MAC/bios/undionly.kpxe", "m/MAC/bios/undionly.kpxe\x00", "PXEClient", ""},
		{"ARM64 UEFI", firmwareOptions("PXEClient:Arch:00011:UNDI:003000", 11), "m/MAC/uefi-arm64/shimaa64.efi", "m/MAC/uefi-arm64/shimaa64.efi\x00", "PXEClient", ""},
		{"iPXE", firmwareOptions("PXEClient:Arch:00007:UNDI:003010", 7, dhcp4.Option{Code: dhcp4.OptUserClass, Data: []byte("iPXE")}, feature),
			"http://10.77.2.2:8080/m/MAC/uefi-x64/boot.ipxe", "http://10.77.2.2:8080/m/MAC/uefi-x64/boot.ipxe\x00", "PXEClient", "\x01\x01\x64\xb0\x01\x01"},
		{"UEFI that boots by HTTP", firmwareOptions("HTTPClient:Arch:00016:UNDI:003000", 16), "", "http://10.77.2.2:8080/m/MAC/uefi-x64/boot.img\x00", "HTTPClient", ""},
		{"U-Boot", firmwareOptions("U-Boot.armv8", 22), "m/MAC/uefi-arm64/boot.scr.uimg", "", "", ""},
	} {
		c.mac[5], c.opts = byte(0x10+i), tc.opts
		offer := c.discover(localAddr)[localAddr]
		if offer == nil {
			t.Fatalf("%s got no offer\n%s", tc.name, hobnail.Output())
		}
		ack := c.request(offer)
		if ack == nil {
			t.Fatalf("%s got no ACK\n%s", tc.name, hobnail.Output())
		}
		for _, p := range []*dhcp4.Packet{offer, ack} {
			mac := hexDigits(string(model.MACFromBytes(p.HardwareAddr())))
			want := []string{tc.file, tc.name67, tc.class, tc.ipxe}
			got := []string{strings.ReplaceAll(p.File, mac, "MAC")}
			for _, code := range []dhcp4.OptionCode{dhcp4.OptBootFileName, dhcp4.OptVendorClass, dhcp4.OptIPXE} {
				v, _ := p.Options.Get(code)
				got = append(got, strings.ReplaceAll(string(v), mac, "MAC"))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s to %s (-want +got):\n%s", p.Type(), tc.name, diff)
			}
		}
	}
	record.CheckDHCP(netip.MustParseAddr(localAddr))
}

// TestMergeBesideASlowServer: dnsmasq as it comes listens for three seconds
// whether an address is in use. The complete offer is there before firmware
// stops collecting offers, which EDK2 does after four.
func TestMergeBesideASlowServer(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	site := l.Host("dhcp", lan, otherAddr+"/24", "").Start("dnsmasq-dhcp", "dnsmasq", "--keep-in-foreground",
		"--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--log-facility=-", "--log-dhcp",
		"--dhcp-leasefile="+l.Path("dnsmasq-dhcp.leases"), "--dhcp-range=10.77.2.150,10.77.2.199,255.255.255.0,1h",
		"--dhcp-option=option:router,"+routerAddr)
	site.WaitFor("started, version", startup)
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail("")
	hobnail.WaitFor(`site's DHCP server answers us.*mode=merge`, startup)
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))

	var offer *dhcp4.Packet
	c.ask(func(p *dhcp4.Packet) bool {
		if serverOf(p) == localAddr && p.YIAddr.String() != "0.0.0.0" {
			offer = p
		}
		return offer != nil
	})
	if took := time.Since(c.sent); offer == nil || took > 4*time.Second {
		t.Fatalf("the offer took %v: %+v\n%s", took, offer, hobnail.Output())
	}
	isMerged(t, "OFFER", offer, localAddr)
	if ack := c.request(offer); ack == nil || ack.Type() != dhcp4.Ack {
		t.Fatalf("the REQUEST was answered with %+v\n%s", ack, hobnail.Output())
	}
	hasLease(t, l, "dnsmasq-dhcp.leases", "52:54:00:4c:43:01")
}

// TestMergePassesBack: what a machine says of an address that it has through
// us reaches the server that gave it; a stranger's word does not.
func TestMergePassesBack(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail(merges)
	host := l.Host("client", lan, "10.77.2.7/24", "")
	c := host.client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))
	takes := func() *dhcp4.Packet {
		offer := c.discover(localAddr)[localAddr]
		if offer == nil {
			t.Fatalf("no offer\n%s", hobnail.Output())
		}
		ack := c.request(offer)
		if ack == nil || !leased(t, l, "dnsmasq-dhcp.leases", "52:54:00:4c:43:01") {
			t.Fatalf("the lease is not in the site's file after %+v", ack)
		}
		return ack
	}
	from := func(ack *dhcp4.Packet, decline bool) func(*dhcp4.Packet) {
		return func(p *dhcp4.Packet) {
			p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr(localAddr))
			if decline {
				p.Options.AddAddr(dhcp4.OptRequestedAddr, ack.YIAddr)
			} else {
				p.CIAddr = ack.YIAddr
			}
		}
	}
	ack := takes()
	c.mac[5]++
	c.send(dhcp4.Release, localAddr, from(ack, false))
	hobnail.WaitFor(`no answer given.*4c:43:02.*was not offered to this machine through us`, startup)
	c.mac[5]--
	if !leased(t, l, "dnsmasq-dhcp.leases", "52:54:00:4c:43:01") {
		t.Error("a stranger gave the address back")
	}
	c.send(dhcp4.Release, localAddr, from(ack, false))
	if !poll(5*time.Second, func() bool { return !leased(t, l, "dnsmasq-dhcp.leases", "52:54:00:4c:43:01") }) {
		t.Error("the site's server still has the lease after the RELEASE")
	}
	ack = takes()
	c.send(dhcp4.Decline, "255.255.255.255", from(ack, true))
	if !poll(5*time.Second, func() bool { return !leased(t, l, "dnsmasq-dhcp.leases", "52:54:00:4c:43:01") }) {
		t.Error("the site's server still has the lease after the DECLINE")
	}
}

// TestMergeBesideTwoServers: the REQUEST goes on to the server whose offer it
// takes.
func TestMergeBesideTwoServers(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan := l.Link("lan")
	plan := plainPlan()
	plan.First, plan.Last = "10.77.2.150", "10.77.2.159"
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plan)
	plan.First, plan.Last = "10.77.2.190", "10.77.2.199"
	l.Host("kea", lan, "10.77.2.4/24", "").Kea(plan)
	hobnail := l.Host("srv", lan, localAddr+"/24", "").Hobnail(merges)
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))

	var first, second *dhcp4.Packet // of dnsmasq's pool, and of Kea's
	c.ask(func(p *dhcp4.Packet) bool {
		switch {
		case serverOf(p) != localAddr:
		case p.YIAddr.As4()[3] < 190:
			first = p
		default:
			second = p
		}
		return first != nil && second != nil
	})
	if first == nil || second == nil {
		t.Fatalf("offered %v and %v, want one of each server\n%s", first, second, hobnail.Output())
	}
	for offer, file := range map[*dhcp4.Packet]string{first: "dnsmasq-dhcp.leases", second: "kea-kea/leases.csv"} {
		if ack := c.request(offer); ack == nil || ack.YIAddr != offer.YIAddr {
			t.Fatalf("asked for %s, got %+v\n%s", offer.YIAddr, ack, hobnail.Output())
		}
		hasLease(t, l, file, "52:54:00:4c:43:01")
	}
}

// TestTwoHobnailsBehindARelay: both pass on, neither passes on what the other
// sent, and either finishes.
func TestTwoHobnailsBehindARelay(t *testing.T) {
	t.Parallel()
	const second = "10.77.1.4"
	l := New(t)
	lan, core := l.Link("lan"), l.Link("core")
	helper(l, lan, core, core2Addr, coreAddr, second)
	record := l.Capture(core)
	l.Host("dhcp", core, core2Addr+"/24", coreRouter).Kea(plainPlan())
	l.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail("")
	hobnail := l.Host("srv2", core, second+"/24", coreRouter).Hobnail("")
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))

	offers := c.discover(coreAddr, second, core2Addr)
	offer := offers[second]
	if offer == nil || offers[coreAddr] == nil {
		t.Fatalf("offers of %v, want one of each\n%s", offers, hobnail.Output())
	}
	isMerged(t, "OFFER", offer, second)
	ack := c.request(offer)
	if ack == nil || ack.YIAddr != offer.YIAddr {
		t.Fatalf("the REQUEST was answered with %+v\n%s", ack, hobnail.Output())
	}
	hasLease(t, l, "kea-dhcp/leases.csv", "52:54:00:4c:43:01")
	asked := 0
	for _, d := range record.Datagrams(67) {
		if isDiscover(d.Payload) && [6]byte(d.Payload[28:34]) == c.mac {
			asked++
		}
	}
	// Of each of at most three tries: to three servers by the relay, and by
	// each of ours at most twice.
	if asked > 3*(3+2*2) {
		t.Errorf("one machine's DISCOVER was seen %d times", asked)
	}
	record.CheckDHCP(netip.MustParseAddr(second))
}

// TestMergeWithAServerBeyondARouter: hobnail is on the machines' link, the
// site's server is not. The router's helper takes our broadcast along.
func TestMergeWithAServerBeyondARouter(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan, core := l.Link("lan"), l.Link("core")
	helper(l, lan, core, core2Addr)
	l.Host("dhcp", core, core2Addr+"/24", coreRouter).Kea(plainPlan())
	hobnail := l.Host("srv", lan, localAddr+"/24", routerAddr).Hobnail("")
	hobnail.WaitFor(`site's DHCP server answers us.*server=10\.77\.1\.3 mode=merge`, startup)
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))
	offer := c.discover(localAddr)[localAddr]
	if offer == nil {
		t.Fatalf("no offer\n%s", hobnail.Output())
	}
	isMerged(t, "OFFER", offer, localAddr)
	ack := c.request(offer)
	if ack == nil {
		t.Fatalf("no ACK\n%s", hobnail.Output())
	}
	isMerged(t, "ACK", ack, localAddr)
}

// TestMergeLearnsOfServers: hobnail and the site's server are on different
// links behind the machines' router, so nothing that hobnail broadcasts gets
// there. It learns of the server as a machine takes its offer.
func TestMergeLearnsOfServers(t *testing.T) {
	t.Parallel()
	l := New(t)
	lan, core, far := l.Link("lan"), l.Link("core"), l.Link("far")
	rtr := l.Router("rtr", At(core, coreRouter+"/24"), At(lan, routerAddr+"/24"), At(far, "10.77.3.1/24"))
	rtr.Relay(lan, true, "10.77.3.3", coreAddr)
	l.Host("dhcp", far, "10.77.3.3/24", "10.77.3.1").Kea(plainPlan())
	hobnail := l.Host("srv", core, coreAddr+"/24", coreRouter).Hobnail("")
	c := l.Host("client", lan, "10.77.2.7/24", "").client(t, 1, firmwareOptions("PXEClient:Arch:00007:UNDI:003016", 7))

	offers := c.discover(coreAddr, "10.77.3.3")
	isProxied(t, "before the server is known", offers[coreAddr])
	if c.request(offers["10.77.3.3"]) == nil {
		t.Fatal("the site's server gave no address")
	}
	c.discover(coreAddr)
	hobnail.WaitFor(`site's DHCP server answers us.*place=10\.77\.2\.1/32.*server=10\.77\.3\.3 mode=merge`, startup)
	offer := c.discover(coreAddr)[coreAddr]
	isMerged(t, "OFFER", offer, coreAddr)
}
