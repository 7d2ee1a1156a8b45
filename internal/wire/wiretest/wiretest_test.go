package wiretest

import (
	"net/netip"
	"testing"
)

func TestPacketGivesTheUDPPayload(t *testing.T) {
	b := Packet(t, "30-ovmf-x64-pxe-discover")
	if len(b) != 347 || b[0] != 1 || b[346] != 255 {
		t.Errorf("got %d octets, first %#x, last %#x; want 347, 0x1, 0xff", len(b), b[0], b[len(b)-1])
	}
}

func TestCapturesTellWhatTheyAre(t *testing.T) {
	want := map[string]Capture{
		"06-intel-bios-4011-request": {
			What: "Boot-server REQUEST to 4011, ciaddr set, 43 {71}",
			Src:  netip.MustParseAddrPort("192.168.16.12:4011"),
			Dst:  netip.MustParseAddrPort("192.168.16.10:4011"),
		},
		"20-dhcpv6-bootfile-url-1": {
			What: "DHCPv6 message type 1 with/asking option 59 (RFC 5970)",
			Src:  netip.MustParseAddrPort("[fe80::200:1ff:fe01:0]:546"),
			Dst:  netip.MustParseAddrPort("[ff02::1:2]:547"),
		},
		"56-ovmf-tftpv6-rrq": {
			What: "TFTP RRQ over IPv6: blksize 1228",
			Src:  netip.MustParseAddrPort("[2001:db8:99::55]:1077"),
			Dst:  netip.MustParseAddrPort("[2001:db8:99::1]:69"),
		},
	}
	for _, c := range Captures(t) {
		if len(c.Payload) == 0 || c.What == "" {
			t.Errorf("%s: %d octets, described as %q", c.Name, len(c.Payload), c.What)
		}
		w, listed := want[c.Name]
		if !listed {
			continue
		}
		delete(want, c.Name)
		if c.What != w.What || c.Src != w.Src || c.Dst != w.Dst {
			t.Errorf("%s: %q, %v to %v; want %q, %v to %v", c.Name, c.What, c.Src, c.Dst, w.What, w.Src, w.Dst)
		}
	}
	for name := range want {
		t.Errorf("no capture %s", name)
	}
}

func TestCapturesToOnePortHaveIt(t *testing.T) {
	some := CapturesTo(t, 69)
	if len(some) == 0 {
		t.Fatal("no capture went to port 69")
	}
	for _, c := range some {
		if c.Src.Port() != 69 && c.Dst.Port() != 69 {
			t.Errorf("%s went from %v to %v", c.Name, c.Src, c.Dst)
		}
	}
}

func TestCorpusIsComplete(t *testing.T) {
	for folder, want := range map[string]int{"dhcp4": 98, "dhcp6": 25, "tftp": 47} {
		if got := len(Corpus(t, folder)); got != want {
			t.Errorf("%s has %d cases, want %d", folder, got, want)
		}
	}
	if got := len(HostileStrings(t)); got != 29 {
		t.Errorf("%d hostile strings, want 29", got)
	}
	if got := HostilePaths(t); len(got) != 34 || got[0] != "../../../../etc/passwd" {
		t.Errorf("%d hostile paths from %q on, want 34", len(got), got[0])
	}
}
