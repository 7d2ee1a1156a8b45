package reply_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hobnail/internal/wire/dhcp4"
)

// The tests here hold single sentences of RFC 2131, 2132 and 3046 that no
// other test does; docs/conformance.md names them.

// asking is a request of one kind, by a relay if one is named.
func asking(kind dhcp4.MessageType, relay string, more ...dhcp4.Option) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56},
		CIAddr: netip.IPv4Unspecified(), GIAddr: netip.IPv4Unspecified()}
	if relay != "" {
		p.GIAddr = netip.MustParseAddr(relay)
	}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(kind))
	p.Options = append(p.Options, more...)
	return p
}

func fromLink() netip.AddrPort { return netip.MustParseAddrPort("0.0.0.0:68") }

func toAll() netip.AddrPort { return netip.MustParseAddrPort("255.255.255.255:67") }

func addrOpt(code dhcp4.OptionCode, a string) dhcp4.Option {
	var o dhcp4.Options
	o.AddAddr(code, netip.MustParseAddr(a))
	return o[0]
}

func codes(o dhcp4.Options) []uint8 {
	var all []uint8
	for _, opt := range o {
		all = append(all, uint8(opt.Code))
	}
	return all
}

// TestNAKCarriesNothingElse: RFC 2131 table 3 lets a NAK have a server id, and
// the echoes of RFC 3046 and 6842. Through a relay it asks to be broadcast.
func TestNAKCarriesNothingElse(t *testing.T) {
	for _, relay := range []string{"", "10.99.0.254"} {
		p := asking(dhcp4.Request, relay, addrOpt(54, "10.99.0.1"), addrOpt(50, "10.99.0.99"),
			dhcp4.Option{Code: 55, Data: []byte{1, 3, 6, 12, 15, 42, 51}}, dhcp4.Option{Code: 61, Data: []byte("\x01abcdef")})
		r := answer(t, newView(t, optionSite), p, arrival(fromLink(), toAll()))
		if got := codes(r.Packet.Options); r.Packet.Type() != dhcp4.Nak || !slices.Equal(got, []uint8{53, 54, 61}) {
			t.Errorf("%v with options %v, want a NAK with 53, 54 and 61", r.Packet.Type(), got)
		}
		if r.Packet.Broadcast() != (relay != "") {
			t.Errorf("relay %q: the broadcast flag is %v", relay, r.Packet.Broadcast())
		}
	}
}

// TestINFORMGetsNoTimes: RFC 2131 section 4.3.5.
func TestINFORMGetsNoTimes(t *testing.T) {
	p := asking(dhcp4.Inform, "", dhcp4.Option{Code: 55, Data: []byte{1, 3, 15, 51, 58, 59}})
	p.CIAddr = netip.MustParseAddr("10.99.0.77")
	r := answer(t, newView(t, networks), p, arrival(netip.MustParseAddrPort("10.99.0.77:68"), netip.MustParseAddrPort("10.99.0.1:67")))
	if got := codes(r.Packet.Options); !slices.Equal(got, []uint8{53, 54, 1, 3, 6, 15}) || r.Packet.YIAddr != netip.IPv4Unspecified() {
		t.Errorf("options %v, yiaddr %v", got, r.Packet.YIAddr)
	}
}

// TestReservedFlags: bits of the flags that mean nothing change nothing (RFC
// 2131 section 2).
func TestReservedFlags(t *testing.T) {
	p := asking(dhcp4.Discover, "")
	p.Flags = 0x7fff
	r := answer(t, newView(t, networks), p, arrival(fromLink(), toAll()))
	if r.To.HW == nil || r.Packet.Flags != p.Flags {
		t.Errorf("flags %04x are answered with %04x to %v", p.Flags, r.Packet.Flags, r.To)
	}
}

// TestNoRoomForTheNameTwice: where room is short the client identifier, a MUST,
// is there, and option 67, which repeats `file`, is not.
func TestNoRoomForTheNameTwice(t *testing.T) {
	id := []byte("\x01sixteen octets!")
	r := answer(t, newView(t, networks), asking(dhcp4.Discover, "10.99.0.254",
		dhcp4.Option{Code: dhcp4.OptVendorClass, Data: []byte("PXEClient:Arch:00007:UNDI:003016")},
		dhcp4.Option{Code: dhcp4.OptArch, Data: []byte{0, 7}},
		dhcp4.Option{Code: dhcp4.OptParameterList, Data: []byte{byte(dhcp4.OptBootFileName)}},
		dhcp4.Option{Code: dhcp4.OptClientID, Data: id},
		dhcp4.Option{Code: 82, Data: []byte("\x01\xc6" + strings.Repeat("a", 198))},
	), arrival(netip.MustParseAddrPort("10.99.0.254:67"), netip.MustParseAddrPort("10.99.0.1:67")))
	got, _ := r.Packet.Options.Get(dhcp4.OptClientID)
	if string(got) != string(id) || r.Packet.Options.Has(dhcp4.OptBootFileName) || r.Packet.File == "" {
		t.Errorf("client id %q, file %q, options %+v", got, r.Packet.File, r.Packet.Options)
	}
}

// TestRelayInfoThatDoesNotFit: the client gets its answer without it (RFC 3046
// section 2.2), and with it as long as a frame holds both.
func TestRelayInfoThatDoesNotFit(t *testing.T) {
	part := dhcp4.Option{Code: 82, Data: []byte("\x01\xfd" + strings.Repeat("a", 253))}
	for parts, want := range map[int]bool{1: true, 4: true, 5: false} {
		r := answer(t, newView(t, networks), asking(dhcp4.Discover, "10.99.0.254", slices.Repeat([]dhcp4.Option{part}, parts)...),
			arrival(netip.MustParseAddrPort("10.99.0.254:67"), netip.MustParseAddrPort("10.99.0.1:67")))
		if got := r.Packet.Options.Has(82); got != want {
			t.Errorf("option 82 of %d octets is echoed: %v, want %v", 255*parts, got, want)
		}
	}
}
