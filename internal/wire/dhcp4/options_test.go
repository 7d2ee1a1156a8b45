package dhcp4

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGetJoinsInOrder(t *testing.T) {
	options := Options{
		{OptVendorSpecific, []byte("one ")},
		{OptHostName, nil},
		{OptVendorSpecific, nil},
		{OptVendorSpecific, []byte("two")},
	}
	for _, tc := range []struct {
		name  string
		code  OptionCode
		get   string
		first string
		has   bool
	}{
		{"an option in three pieces", OptVendorSpecific, "one two", "one ", true},
		{"an option of no octets", OptHostName, "", "", true},
		{"an option that is not there", OptRouter, "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := options.Get(tc.code)
			if string(got) != tc.get || ok != tc.has {
				t.Errorf("Get gives %q, %v; want %q, %v", got, ok, tc.get, tc.has)
			}
			first, ok := options.First(tc.code)
			if string(first) != tc.first || ok != tc.has {
				t.Errorf("First gives %q, %v; want %q, %v", first, ok, tc.first, tc.has)
			}
			if options.Has(tc.code) != tc.has {
				t.Errorf("Has gives %v", !tc.has)
			}
		})
	}
}

// TestGetLeavesItsNeighbourAlone: the data of parsed options lies in one
// buffer, so joining must not write behind the first piece.
func TestGetLeavesItsNeighbourAlone(t *testing.T) {
	p := mustParse(t, datagram(43, 1, 'a', 53, 1, 1, 43, 1, 'b', 255))
	before := dump(p)
	if v, _ := p.Options.Get(OptVendorSpecific); string(v) != "ab" {
		t.Errorf("option 43 is %q, want \"ab\"", v)
	}
	if diff := cmp.Diff(before, dump(p)); diff != "" {
		t.Errorf("packet changed (-before +after):\n%s", diff)
	}
}

func TestScalarsWantTheirExactLength(t *testing.T) {
	for size := range 6 {
		o := Options{{200, []byte{1, 2, 3, 4, 5}[:size]}}
		if n, ok := o.Uint8(200); ok != (size == 1) || ok && n != 1 {
			t.Errorf("%d octets as Uint8: %d, %v", size, n, ok)
		}
		if n, ok := o.Uint16(200); ok != (size == 2) || ok && n != 0x0102 {
			t.Errorf("%d octets as Uint16: %#x, %v", size, n, ok)
		}
		if n, ok := o.Uint32(200); ok != (size == 4) || ok && n != 0x01020304 {
			t.Errorf("%d octets as Uint32: %#x, %v", size, n, ok)
		}
		if a, ok := o.Addr(200); ok != (size == 4) || ok && a != netip.MustParseAddr("1.2.3.4") {
			t.Errorf("%d octets as Addr: %v, %v", size, a, ok)
		}
	}
}

func TestAddWritesTheWireForm(t *testing.T) {
	var o Options
	o.AddUint8(OptMessageType, 2)
	o.AddUint16(OptMaxMessageSize, 1472)
	o.AddUint32(OptLeaseTime, 3600)
	o.AddAddr(OptDNS, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.2"))
	o.AddString(OptHostName, "pc")
	o.Add(OptVendorSpecific, []byte{6, 1, 8, 255})
	want := Options{
		{OptMessageType, []byte{2}},
		{OptMaxMessageSize, []byte{5, 0xc0}},
		{OptLeaseTime, []byte{0, 0, 14, 16}},
		{OptDNS, []byte{10, 0, 0, 1, 10, 0, 0, 2}},
		{OptHostName, []byte("pc")},
		{OptVendorSpecific, []byte{6, 1, 8, 255}},
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestAddNeverMakesAnOptionThatEDK2Drops(t *testing.T) {
	var o Options
	o.AddString(OptDomainName, "")
	o.AddAddr(OptRouter)
	o.AddAddr(OptRouter, netip.Addr{}, netip.MustParseAddr("2001:db8::1"))
	if len(o) != 0 {
		t.Errorf("got %v, want no option", o)
	}
}

func TestOptionNames(t *testing.T) {
	for code, want := range map[OptionCode]string{
		OptRouter: "router", OptVendorSpecific: "vendor-specific", OptRelayInfo: "relay-info",
		OptIPXE: "ipxe", OptEnd: "end", 200: "option 200",
	} {
		if got := code.String(); got != want {
			t.Errorf("option %d is called %q, want %q", uint8(code), got, want)
		}
	}
}

func TestOptionNamesAreUnique(t *testing.T) {
	seen := map[string]int{}
	for code := range 256 {
		name := OptionCode(code).String()
		if other, dup := seen[name]; dup {
			t.Errorf("options %d and %d are both called %q", other, code, name)
		}
		seen[name] = code
	}
}
