package policy_test

import (
	"net/netip"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// TestProxy: beside another DHCP server only boot clients are spoken to, and
// only when they ask everybody.
func TestProxy(t *testing.T) {
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    string
		because string
	}{
		{"a PXE client's DISCOVER gets boot data and no address", asks(lab1, x64), "offer", "snponly.efi works behind another DHCP server, where GRUB does not"},
		{"an HTTP client's DISCOVER gets boot data and no address", asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)), "offer",
			"boot.img is a disk with GRUB, and shim where there is one, for firmware that boots by HTTP"},
		{"iPXE's DISCOVER gets its script", asks(lab1, x64, iPXE), "offer", "iPXE is running: it gets its script by HTTP"},
		{"an operating system gets nothing", asks(lab1), "ignore", "not a network boot client: option 60 is neither PXEClient nor HTTPClient"},
		{"U-Boot gets nothing", asks(lab1, boots(model.ArchARM64, model.FirmwareUBoot)), "ignore", "U-Boot takes no offer without an address: its DHCP server has to name the boot file"},
		{"a REQUEST is the other server's", asks(lab1, x64, message(dhcp4.Request), fromServer("10.77.2.1"), wants("10.77.2.53")), "ignore", "REQUEST on port 67 is for the DHCP server, not for its proxy"},
		{"a REQUEST that names us is not answered either", asks(lab1, x64, message(dhcp4.Request), fromServer("10.77.2.2")), "ignore", "REQUEST on port 67 is for the DHCP server, not for its proxy"},
		{"a renewal is the other server's", asks(lab1, x64, message(dhcp4.Request), unicast("10.77.2.53")), "ignore", "REQUEST on port 67 is for the DHCP server, not for its proxy"},
		{"an INFORM is the other server's", asks(lab1, x64, message(dhcp4.Inform), unicast("10.77.2.53")), "ignore", "INFORM on port 67 is for the DHCP server, not for its proxy"},
		{"a DECLINE is the other server's", asks(lab1, x64, message(dhcp4.Decline), wants("10.77.2.53")), "ignore", "DECLINE on port 67 is for the DHCP server, not for its proxy"},
		{"BOOTP is the other server's", asks(lab1, x64, message(dhcp4.BOOTP)), "ignore", "BOOTP on port 67 is for the DHCP server, not for its proxy"},
		{"a search for a boot server by broadcast is answered", asks(lab1, x64, message(dhcp4.Request), broadcast("10.77.2.53"), chose(0x8000)), "ack", "snponly.efi works behind another DHCP server, where GRUB does not"},
		{"a search that names a server is that server's", asks(lab1, x64, message(dhcp4.Request), fromServer("10.77.2.3"), chose(0x8000)), "ignore", "REQUEST on port 67 is for the DHCP server, not for its proxy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newWorld(t, proxySite).Decide(noon, tc.request)
			if got := outcome(d); got != tc.want || lastReason(d) != tc.because {
				t.Errorf("%s, because %s\nwant %s, because %s", got, lastReason(d), tc.want, tc.because)
			}
			if d.Lease != 0 || d.Change.Kind != policy.NoChange || (d.Boot != nil) != (d.Answer != policy.Ignore) {
				t.Errorf("lease %v, change %+v, boot data %+v", d.Lease, d.Change, d.Boot)
			}
		})
	}
}

// chose says which boot server was picked in the firmware's menu.
func chose(kind uint16) func(*classify.Facts) {
	return func(f *classify.Facts) { f.Item = &pxe.BootItem{Type: kind} }
}

// TestBootService: port 4011 gives boot data to whoever has an address, in
// every mode but off, and never touches a lease.
func TestBootService(t *testing.T) {
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	wds := func(f *classify.Facts) { f.Quirks = []classify.Quirk{{Name: classify.QuirkWDS, Text: "wdsmgfw"}} }
	homeless := func(f *classify.Facts) {
		f.CIAddr, f.Ingress.Src = netip.Addr{}, netip.MustParseAddrPort("0.0.0.0:68")
	}
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    string
		because string
	}{
		{"a REQUEST", asks(lab1, x64, to4011("10.77.2.53")), "ack 10.77.2.53", ""},
		{"a DISCOVER", asks(lab1, x64, to4011("10.77.2.53"), message(dhcp4.Discover)), "ack 10.77.2.53", ""},
		{"an INFORM", asks(lab1, x64, to4011("10.77.2.53"), message(dhcp4.Inform)), "ack 10.77.2.53", ""},
		{"a chosen item", asks(lab1, x64, to4011("10.77.2.53"), chose(0x8000)), "ack 10.77.2.53", ""},
		{"iPXE, which names us", asks(lab1, x64, iPXE, to4011("10.77.2.53"), fromServer("10.77.2.2")), "ack 10.77.2.53", "iPXE is running: it gets its script by HTTP"},
		{"a machine from another network", asks(lab1, x64, to4011("10.99.0.7")), "ack 10.99.0.7", ""},
		{"a request for another server", asks(lab1, x64, to4011("10.77.2.53"), fromServer("10.77.2.3")), "ignore", "the request is for server 10.77.2.3"},
		{"a RELEASE", asks(lab1, x64, to4011("10.77.2.53"), message(dhcp4.Release)), "ignore", "RELEASE is not for port 4011"},
		{"an operating system", asks(lab1, to4011("10.77.2.53")), "ignore", "not a network boot client: option 60 is neither PXEClient nor HTTPClient"},
		{"a Windows boot program", asks(lab1, x64, to4011("10.77.2.53"), wds), "ignore", "a Windows Deployment Services client asks its own server"},
		{"a client without any address", asks(lab1, x64, to4011("10.77.2.53"), homeless), "ignore", "the request says no address to answer to"},
		{"a client that claims a group's address", asks(lab1, x64, to4011("10.77.2.53"), homeless, broadcast("224.0.0.1")), "ignore", "the request says no address to answer to"},
		{"a packet from a group's address", asks(lab1, x64, to4011("232.3.0.0")), "ignore", "the request comes from 232.3.0.0, which is no host's address"},
		{"a client whose packet hides where it comes from", asks(lab1, x64, to4011("10.77.2.53"), homeless, broadcast("10.77.2.53")), "ack 10.77.2.53", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for site, because := range map[string]string{
				proxySite:  "snponly.efi works behind another DHCP server, where GRUB does not",
				serverSite: "shimx64.efi starts with Secure Boot on or off, and DHCP never says which",
			} {
				d := newWorld(t, site).Decide(noon, tc.request)
				if tc.because != "" {
					because = tc.because
				} else if d.Mode == model.ModeProxy {
					because = "snponly.efi works behind another DHCP server, where GRUB does not"
				}
				if got := outcome(d); got != tc.want || lastReason(d) != because {
					t.Errorf("mode %s: %s, because %s\nwant %s, because %s", d.Mode, got, lastReason(d), tc.want, because)
				}
			}
		})
	}
}

// TestOff: where DHCP is off nobody is answered, on either port.
func TestOff(t *testing.T) {
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	for _, f := range []*classify.Facts{asks(lab1), asks(lab1, x64), asks(lab1, x64, to4011("10.77.2.53"))} {
		d := newWorld(t, "[server]\ndhcp = \"off\"\n").Decide(noon, f)
		if d.Answer != policy.Ignore || lastReason(d) != "DHCP is off here: files only" {
			t.Errorf("port %d: %s, because %s", f.Ingress.Port, d.Answer, lastReason(d))
		}
	}
}

// TestPlaces: where a request comes from decides the mode and the pool.
func TestPlaces(t *testing.T) {
	const site = `
[server]
dhcp = "proxy"
[[subnet]]
cidr = "10.77.2.0/24"
dhcp = "server"
pool = "10.77.2.50-10.77.2.59"
[[subnet]]
cidr = "10.77.3.0/24"
dhcp = "server"
pool = "10.77.3.50-10.77.3.59"
[[subnet]]
cidr = "10.77.4.0/24"
dhcp = "off"
`
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		subnet  string // "" for none
		mode    model.Mode
	}{
		{"our own link", asks(lab1), "10.77.2.0/24", model.ModeServer},
		{"behind a relay", asks(lab1, relayedBy("10.77.3.1")), "10.77.3.0/24", model.ModeServer},
		{"behind a relay where we are off", asks(lab1, relayedBy("10.77.4.1")), "10.77.4.0/24", model.ModeOff},
		{"behind a relay that nobody configured", asks(lab1, relayedBy("10.88.0.1")), "", model.ModeProxy},
		{"behind a relay that selects another link", asks(lab1, relayedBy("10.88.0.1"), selects("10.77.3.0")), "10.77.3.0/24", model.ModeServer},
		{"a selected link before a selected subnet", asks(lab1, relayedBy("10.88.0.1"), selectsSubnet("10.77.4.0"), selects("10.77.3.0")), "10.77.3.0/24", model.ModeServer},
		{"a selected subnet before the relay's", asks(lab1, relayedBy("10.77.4.1"), selectsSubnet("10.77.3.0")), "10.77.3.0/24", model.ModeServer},
		{"a selected subnet that nobody configured", asks(lab1, relayedBy("10.77.3.1"), selectsSubnet("10.88.0.0")), "", model.ModeProxy},
		{"a renewal that was routed here", asks(lab1, message(dhcp4.Request), unicast("10.77.3.53")), "10.77.3.0/24", model.ModeServer},
		{"a rebinding that was broadcast here", asks(lab1, message(dhcp4.Request), broadcast("10.77.3.53")), "10.77.2.0/24", model.ModeServer},
		{"an INFORM that was broadcast here", asks(lab1, message(dhcp4.Inform), broadcast("10.77.3.53")), "10.77.3.0/24", model.ModeServer},
		{"a DISCOVER that claims an address", asks(lab1, broadcast("10.77.3.53")), "10.77.2.0/24", model.ModeServer},
		{"a relay before the client's address", asks(lab1, message(dhcp4.Request), unicast("10.77.2.53"), relayedBy("10.77.3.1")), "10.77.3.0/24", model.ModeServer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newWorld(t, site).Decide(noon, tc.request)
			subnet := ""
			if d.Subnet != nil {
				subnet = d.Subnet.CIDR.String()
			}
			if subnet != tc.subnet || d.Mode != tc.mode {
				t.Errorf("subnet %q, mode %s; want %q, %s: %+v", subnet, d.Mode, tc.subnet, tc.mode, d.Reasons())
			}
		})
	}
}

// TestForgedRelays: nothing is sent to an address that cannot be a relay's.
func TestForgedRelays(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "0.0.0.9", "10.77.2.2", "10.77.2.255"} {
		d := newWorld(t, proxySite).Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI), relayedBy(a)))
		want := "the packet says its relay is " + a + ", which cannot be a relay: nothing is sent there"
		if d.Answer != policy.Ignore || lastReason(d) != want {
			t.Errorf("relay %s: %s, because %s", a, d.Answer, lastReason(d))
		}
	}
}

// TestServerID: option 54 is our address, or the relay's if it wants that, and
// the REQUEST that repeats it is ours.
func TestServerID(t *testing.T) {
	override := func(f *classify.Facts) { f.Override = netip.MustParseAddr("10.77.2.1") }
	for _, tc := range []struct {
		name   string
		site   string
		change []func(*classify.Facts)
		id     string
		server string // the boot server
	}{
		{"our address on the link", serverSite, nil, "10.77.2.2", "10.77.2.2"},
		{"the relay's", serverSite, []func(*classify.Facts){relayedBy("10.77.2.1"), override}, "10.77.2.1", "10.77.2.2"},
		{"not the relay's where we give no addresses", proxySite, []func(*classify.Facts){relayedBy("10.77.2.1"), override}, "10.77.2.2", "10.77.2.2"},
		{"not one that names no host", serverSite, []func(*classify.Facts){relayedBy("10.77.2.1"), func(f *classify.Facts) { f.Override = netip.MustParseAddr("224.0.0.1") }}, "10.77.2.2", "10.77.2.2"},
		{"not the wish of who is no relay", serverSite, []func(*classify.Facts){override}, "10.77.2.2", "10.77.2.2"},
		{"ours also where another is the boot server", serverSite + "next_server = \"10.77.1.9\"\n", nil, "10.77.2.2", "10.77.1.9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.site)
			d := w.Decide(noon, asks(lab1, append(tc.change, boots(model.ArchX64, model.FirmwareUEFI))...))
			if d.ServerID.String() != tc.id || d.Server.String() != tc.server {
				t.Errorf("server id %s, boot server %s; want %s and %s", d.ServerID, d.Server, tc.id, tc.server)
			}
			if d.Mode != model.ModeServer {
				return
			}
			f := asks(lab1, append(tc.change, message(dhcp4.Request), fromServer(tc.id), wants(d.Address.String()))...)
			if got := w.Decide(noon, f); got.Answer != policy.Ack {
				t.Errorf("the REQUEST that names %s: %s, because %s", tc.id, got.Answer, lastReason(got))
			}
		})
	}
}

// TestQuirksAreReasons: what was understood differently is said.
func TestQuirksAreReasons(t *testing.T) {
	f := asks(lab1)
	f.Quirks = []classify.Quirk{{Name: "cisco-ztp", Text: "a network device"}}
	if d := newWorld(t, proxySite).Decide(noon, f); !hasReason(d, "cisco-ztp: a network device") {
		t.Errorf("reasons %+v", d.Reasons())
	}
}

// TestOffersHaveEverything: what an OFFER says, the ACK after it says again.
func TestOffersHaveEverything(t *testing.T) {
	for _, f := range []func(...func(*classify.Facts)) *classify.Facts{
		func(more ...func(*classify.Facts)) *classify.Facts {
			return asks(lab1, append([]func(*classify.Facts){boots(model.ArchX64, model.FirmwareUEFI)}, more...)...)
		},
		func(more ...func(*classify.Facts)) *classify.Facts {
			return asks(lab1, append([]func(*classify.Facts){boots(model.ArchBIOS, model.FirmwareBIOS), iPXE}, more...)...)
		},
	} {
		w := newWorld(t, serverSite)
		offer := w.Decide(noon, f())
		if err := w.table.Apply(offer.Change); err != nil {
			t.Fatal(err)
		}
		ack := w.Decide(noon, f(message(dhcp4.Request), fromServer("10.77.2.2"), wants(offer.Address.String())))
		if ack.Answer != policy.Ack || ack.Address != offer.Address || ack.Lease != offer.Lease || ack.Boot == nil || *ack.Boot != *offer.Boot {
			t.Errorf("offer %s with %+v\nack %s with %+v", outcome(offer), offer.Boot, outcome(ack), ack.Boot)
		}
	}
}

// TestAnyOfOurAddressesIsUs: a REQUEST may name any of them (RFC 2131 section
// 4.1).
func TestAnyOfOurAddressesIsUs(t *testing.T) {
	w := newWorld(t, serverSite)
	w.Own = append(w.Own, netip.MustParseAddr("192.0.2.7"))
	for name, want := range map[string]policy.Answer{"10.77.2.2": policy.Ack, "192.0.2.7": policy.Ack, "192.0.2.8": policy.Ignore} {
		if d := w.Decide(noon, asks(lab1, message(dhcp4.Request), fromServer(name), wants("10.77.2.53"))); d.Answer != want {
			t.Errorf("a REQUEST to %s: %s, want %s", name, d.Answer, want)
		}
	}
}
