package reply_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hobnail/internal/wire/dhcp4"
)

// optionSite has options of every size, for two kinds of machine.
const optionSite = networks + `
[server.options]
domain-search           = ["lab.example", "example"]
mtu-interface           = 1400
classless-static-routes = [` + `"10.0.0.0/30 via 10.99.0.254", "10.0.0.4/30 via 10.99.0.254", "10.0.0.8/30 via 10.99.0.254", "10.0.0.12/30 via 10.99.0.254",
"10.0.0.16/30 via 10.99.0.254", "10.0.0.20/30 via 10.99.0.254", "10.0.0.24/30 via 10.99.0.254", "10.0.0.28/30 via 10.99.0.254",
"10.0.0.32/30 via 10.99.0.254", "10.0.0.36/30 via 10.99.0.254", "10.0.0.40/30 via 10.99.0.254", "10.0.0.44/30 via 10.99.0.254",
"10.0.0.48/30 via 10.99.0.254", "10.0.0.52/30 via 10.99.0.254", "10.0.0.56/30 via 10.99.0.254", "10.0.0.60/30 via 10.99.0.254",
"10.0.0.64/30 via 10.99.0.254", "10.0.0.68/30 via 10.99.0.254", "10.0.0.72/30 via 10.99.0.254", "10.0.0.76/30 via 10.99.0.254",
"10.0.0.80/30 via 10.99.0.254", "10.0.0.84/30 via 10.99.0.254", "10.0.0.88/30 via 10.99.0.254", "10.0.0.92/30 via 10.99.0.254",
"10.0.0.96/30 via 10.99.0.254", "10.0.0.100/30 via 10.99.0.254", "10.0.0.104/30 via 10.99.0.254", "10.0.0.108/30 via 10.99.0.254",
"10.0.0.112/30 via 10.99.0.254", "10.0.0.116/30 via 10.99.0.254"]
[[rule]]
match   = { vendor_class = "phone" }
options = { tftp-server-address = "10.99.0.9", domain-name-servers = "10.99.0.9" }
[[machine]]
name    = "lab-01"
mac     = "52:54:00:12:34:56"
`

// TestConfiguredOptions: which options a reply has, in which order. Those
// before 1 are the same in all.
func TestConfiguredOptions(t *testing.T) {
	list := func(codes ...byte) dhcp4.Option { return dhcp4.Option{Code: 55, Data: codes} }
	big := dhcp4.Option{Code: 57, Data: []byte{0x05, 0xc0}}
	phone := dhcp4.Option{Code: 60, Data: []byte("phone")}
	for _, tc := range []struct {
		name string
		sent []dhcp4.Option
		want string
	}{
		{"what is asked for comes in the order of asking", []dhcp4.Option{list(119, 1, 42, 15, 3, 26)}, "53 54 51 58 59 1 3 6 119 42 15 26"},
		{"in another order", []dhcp4.Option{list(26, 15, 42, 119)}, "53 54 51 58 59 1 3 6 26 15 42 119"},
		{"once, however often it is asked for", []dhcp4.Option{list(42, 42, 6, 6, 42)}, "53 54 51 58 59 1 3 6 42"},
		{"what is not there is left out", []dhcp4.Option{list(44, 200, 42)}, "53 54 51 58 59 1 3 6 42"},
		{"a named machine's name", []dhcp4.Option{list(12)}, "53 54 51 58 59 1 3 6 12"},
		{"all that fits to who asks for nothing", nil, "53 54 51 58 59 1 3 6 119 26 15 28 42"},
		{"all to who asks for nothing and takes long messages", []dhcp4.Option{big}, "53 54 51 58 59 1 3 6 119 26 121 15 28 42"},
		{"what a rule gives unasked, before what is asked for", []dhcp4.Option{phone, list(15)}, "53 54 51 58 59 1 3 6 150 15"},
		{"a long option where there is room", []dhcp4.Option{list(121, 42), big}, "53 54 51 58 59 1 3 6 121 42"},
		{"and not where there is none, but what comes after it", []dhcp4.Option{list(121, 42)}, "53 54 51 58 59 1 3 6 42"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56},
				CIAddr: netip.IPv4Unspecified(), GIAddr: netip.IPv4Unspecified()}
			p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
			p.Options = append(p.Options, tc.sent...)
			r := answer(t, newView(t, optionSite), p, arrival(netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67")))
			var got []string
			for _, o := range r.Packet.Options {
				got = append(got, fmt.Sprint(uint8(o.Code)))
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("options %s, want %s", text, tc.want)
			}
			checkSplit(t, r.Bytes, r.Packet.Options)
		})
	}
}

// checkSplit: an option of more than 255 octets stands in parts of one code
// (RFC 3396), which join to what was meant.
func checkSplit(t *testing.T, b []byte, meant dhcp4.Options) {
	t.Helper()
	back, err := dhcp4.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range meant {
		parts := 0
		for _, have := range back.Options {
			if have.Code == o.Code {
				parts++
			}
		}
		joined, _ := back.Options.Get(o.Code)
		if want := max(1, (len(o.Data)+254)/255); parts != want || string(joined) != string(o.Data) {
			t.Errorf("%v has %d parts that join to % x; want %d and % x", o.Code, parts, joined, want, o.Data)
		}
	}
}

// TestRulesReplaceAddresses: a rule's name servers stand where the subnet's
// would.
func TestRulesReplaceAddresses(t *testing.T) {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56},
		CIAddr: netip.IPv4Unspecified(), GIAddr: netip.IPv4Unspecified()}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	p.Options.AddString(dhcp4.OptVendorClass, "phone")
	r := answer(t, newView(t, optionSite), p, arrival(netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67")))
	if dns, _ := r.Packet.Options.Addr(dhcp4.OptDNS); dns.String() != "10.99.0.9" {
		t.Errorf("the name server is %v, want the rule's", dns)
	}
}
