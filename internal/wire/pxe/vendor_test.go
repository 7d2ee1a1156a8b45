package pxe

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

var sameOptions = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func control(c Control) *Control { return &c }

// TestVendorOptionsOfCaptures decodes what real clients and servers sent and
// writes it back octet for octet.
func TestVendorOptionsOfCaptures(t *testing.T) {
	proxy := netip.MustParseAddr("192.168.16.10")
	for _, tc := range []struct {
		capture string
		want    VendorOptions
	}{
		{"02-pixiecore-proxy-offer", VendorOptions{
			Control: control(NoBroadcast | NoMulticast),
			Servers: []BootServer{{0x8000, []netip.Addr{proxy}}},
			Menu:    []MenuItem{{0x8000, "Pixiecore"}},
			Prompt:  &Prompt{0, "Pixiecore"},
		}},
		{"06-intel-bios-4011-request", VendorOptions{Item: &BootItem{0x8000, 0}}},
		{"07-pixiecore-4011-ack", VendorOptions{Item: &BootItem{0x8000, 0}}},
		{"37-ovmf-4011-menu-request", VendorOptions{Item: &BootItem{0x8000, 0}}},
	} {
		t.Run(tc.capture, func(t *testing.T) {
			p, err := dhcp4.Parse(wiretest.Packet(t, tc.capture))
			if err != nil {
				t.Fatal(err)
			}
			value, _ := p.Options.Get(dhcp4.OptVendorSpecific)
			got, err := ParseVendorOptions(value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, sameOptions); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			again, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(value, again); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiscoveryBypassIsWhatFirmwareWants(t *testing.T) {
	if diff := cmp.Diff([]byte{6, 1, 8, 255}, DiscoveryBypass()); diff != "" {
		t.Errorf("octets (-want +got):\n%s", diff)
	}
	built, err := VendorOptions{Control: control(Bypass)}.Encode()
	if diff := cmp.Diff(DiscoveryBypass(), built); diff != "" || err != nil {
		t.Errorf("built, error %v (-want +got):\n%s", err, diff)
	}
}

func TestParseVendorOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want VendorOptions
		err  string
	}{
		{"nothing", "", VendorOptions{}, ""},
		{"an end at once", "\xff", VendorOptions{}, ""},
		{"no end", "\x06\x01\x08", VendorOptions{Control: control(Bypass)}, ""},
		{"anything after the end", "\xff\x06\x01", VendorOptions{}, ""},
		{"padding", "\x00\x06\x01\x08\x00\xff", VendorOptions{Control: control(Bypass)}, ""},
		{"a sub-option twice", "\x06\x01\x03\x06\x01\x08\xff", VendorOptions{Control: control(Bypass)}, ""},
		{"multicast TFTP, which is passed over", "\x01\x04\x00\x00\x00\x00\x06\x01\x08\xff", VendorOptions{Control: control(Bypass)}, ""},
		{"a multicast address", "\x07\x04\xe0\x00\x01\x02\xff", VendorOptions{Multicast: netip.MustParseAddr("224.0.1.2")}, ""},
		{"a server type without servers", "\x08\x03\x00\x01\x00\xff", VendorOptions{Servers: []BootServer{{Type: 1}}}, ""},
		{"two menu lines", "\x09\x0a\x00\x00\x01a\x80\x01\x03bcd\xff",
			VendorOptions{Menu: []MenuItem{{0, "a"}, {0x8001, "bcd"}}}, ""},
		{"a prompt without text", "\x0a\x01\xff\xff", VendorOptions{Prompt: &Prompt{Timeout: 255}}, ""},
		{"a length past the end", "\x06\xff\x08", VendorOptions{}, "read option 43: sub-option 6 runs past the end"},
		{"a code as last octet", "\x06\x01\x08\x47", VendorOptions{}, "read option 43: sub-option 71 has no length"},
		{"control of two octets", "\x06\x02\x08\x00", VendorOptions{}, "read option 43: sub-option 6: 2 octets are not a control octet"},
		{"an address of three octets", "\x07\x03\x01\x02\x03", VendorOptions{}, "read option 43: sub-option 7: 3 octets are not an address"},
		{"a server list cut in its head", "\x08\x02\x80\x00", VendorOptions{}, "read option 43: sub-option 8: server list is cut short"},
		{"a server list cut in its addresses", "\x08\x06\x80\x00\x01\x0a\x00\x00", VendorOptions{}, "read option 43: sub-option 8: server list is cut short"},
		{"a menu cut in its text", "\x09\x04\x00\x00\x02a", VendorOptions{}, "read option 43: sub-option 9: menu is cut short"},
		{"a prompt of no octets", "\x0a\x00", VendorOptions{}, "read option 43: sub-option 10: 0 octets are not a prompt"},
		{"a boot item without layer", "\x47\x02\x80\x00", VendorOptions{}, "read option 43: sub-option 71: 2 octets are not a boot item"},
		{"a good sub-option before a bad one", "\x06\x01\x08\x47\x00", VendorOptions{}, "read option 43: sub-option 71: 0 octets are not a boot item"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseVendorOptions([]byte(tc.in))
			if diff := cmp.Diff(tc.want, got, sameOptions); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if errText(err) != tc.err {
				t.Errorf("error %q, want %q", errText(err), tc.err)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1")
	for _, tc := range []struct {
		name string
		in   VendorOptions
		want string
	}{
		{"an IPv6 group", VendorOptions{Multicast: v6}, "encode option 43: multicast address 2001:db8::1 is not IPv4"},
		{"an IPv6 server", VendorOptions{Servers: []BootServer{{1, []netip.Addr{v6}}}}, "encode option 43: boot server 2001:db8::1 is not IPv4"},
		{"63 servers", VendorOptions{Servers: []BootServer{{1, make([]netip.Addr, 63)}}}, "encode option 43: 63 servers of type 1, 62 fit"},
		{"a menu line of 256 octets", VendorOptions{Menu: []MenuItem{{1, strings.Repeat("x", 256)}}}, "encode option 43: menu text of 256 octets, 255 fit"},
		{"a prompt that leaves no room for the end", VendorOptions{Prompt: &Prompt{0, strings.Repeat("x", 252)}}, "encode option 43: 256 octets, 255 fit"},
		{"three long menu lines", VendorOptions{Menu: []MenuItem{
			{1, strings.Repeat("x", 100)}, {2, strings.Repeat("y", 100)}, {3, strings.Repeat("z", 100)}}},
			"encode option 43: 312 octets, 255 fit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.in.Encode()
			if errText(err) != tc.want || got != nil {
				t.Errorf("%d octets, error %q; want %q", len(got), errText(err), tc.want)
			}
		})
	}
}

func TestEncodeFillsTheOption(t *testing.T) {
	got, err := VendorOptions{Prompt: &Prompt{0, strings.Repeat("x", 251)}}.Encode()
	if len(got) != 255 || err != nil {
		t.Errorf("%d octets, error %v; want 255", len(got), err)
	}
}

// TestRaspberryPiMenu: the boot ROM of a Raspberry Pi 3 looks for this text,
// three spaces included.
func TestRaspberryPiMenu(t *testing.T) {
	got, err := VendorOptions{
		Menu:   []MenuItem{{0, "Raspberry Pi Boot   "}},
		Prompt: &Prompt{0, "PXE"},
	}.Encode()
	want := []byte("\x09\x17\x00\x00\x14Raspberry Pi Boot   \x0a\x04\x00PXE\xff")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestCorpusFaultsAreFound(t *testing.T) {
	vendor := func(b []byte) error { _, err := ParseVendorOptions(b); return err }
	ipxe := func(b []byte) error { _, err := ParseIPXE(b); return err }
	for _, tc := range []struct {
		file string
		code dhcp4.OptionCode
		read func([]byte) error
		want string
	}{
		{"dhcp4/opt43_tlv_overflow.bin", dhcp4.OptVendorSpecific, vendor, "read option 43: sub-option 6 runs past the end"},
		{"dhcp4/opt43_no_end.bin", dhcp4.OptVendorSpecific, vendor, ""},
		{"dhcp4/opt175_overflow.bin", dhcp4.OptIPXE, ipxe, "read option 175: sub-option 177 runs past the end"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			if got := errText(tc.read(corpusOption(t, tc.file, tc.code))); got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCorpusClasses(t *testing.T) {
	if c, ok := ParseClass(string(corpusOption(t, "dhcp4/opt60_short.bin", dhcp4.OptVendorClass))); ok {
		t.Errorf("a piece of PXEClient is read as %+v", c)
	}
	c, ok := ParseClass(string(corpusOption(t, "dhcp4/opt60_arch_overflow.bin", dhcp4.OptVendorClass)))
	if !ok || c.Arch() != nil || c.UNDI != 0 {
		t.Errorf("overlong numbers are read as %+v, architecture %v, ok %v", c, c.Arch(), ok)
	}
}

// corpusOption gives one option of one case of the corpus.
func corpusOption(t *testing.T, path string, code dhcp4.OptionCode) []byte {
	t.Helper()
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		if c.Path != path {
			continue
		}
		p, err := dhcp4.Parse(c.Payload)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := p.Options.Get(code)
		if !ok {
			t.Fatalf("%s has no %v", path, code)
		}
		return value
	}
	t.Fatalf("the corpus has no %s", path)
	return nil
}
