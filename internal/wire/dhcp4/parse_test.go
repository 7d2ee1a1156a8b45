package dhcp4

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRefuses(t *testing.T) {
	discover := datagram(53, 1, 1, 255)
	overloaded := func(which byte) []byte { return datagram(53, 1, 1, 52, 1, which, 255) }
	for _, tc := range []struct {
		name   string
		in     []byte
		reason string
		offset int
	}{
		{"nothing", nil, "datagram shorter than header and cookie", 0},
		{"a header without its last octet", discover[:239], "datagram shorter than header and cookie", 239},
		{"a header with nothing after the cookie", discover[:240], "no options area", 240},
		{"another cookie", with(discover, offCookie, 0x63, 0x82, 0x53, 0x62), "no DHCP cookie", 236},
		{"op 0", with(discover, offOp, 0), "op is neither request nor reply", 0},
		{"op 3", with(discover, offOp, 3), "op is neither request nor reply", 0},
		{"hlen 17", with(discover, offHLen, 17), "hlen over 16", 2},
		{"a group address as client", with(discover, offCHAddr, 0x53), "group address as client hardware address", 28},
		{"a code as last octet", datagram(53, 1, 1, 12), "option code without a length", 243},
		{"an option one octet too long", datagram(53, 1, 1, 12, 3, 'a', 'b'), "option runs past its area", 243},
		{"257 options", datagram(repeat(257, 200, 0)...), "too many options", 240 + 2*256},
		{"option 53 of no octets", datagram(53, 0, 255), "bad or repeated option 53", 240},
		{"option 53 of two octets", datagram(53, 2, 1, 1, 255), "bad or repeated option 53", 240},
		{"option 53 twice", datagram(53, 1, 1, 53, 1, 1, 255), "bad or repeated option 53", 240},
		{"option 53 once whole and once empty", datagram(53, 1, 1, 53, 0, 255), "bad or repeated option 53", 240},
		{"option 53 of value 0", datagram(53, 1, 0, 255), "bad or repeated option 53", 240},
		{"a message type that travels over TCP only", datagram(53, 1, 14, 255), "bad or repeated option 53", 240},
		{"an OFFER from a client", datagram(53, 1, 2, 255), "message type from the wrong side", 0},
		{"a DISCOVER from a server", with(discover, offOp, OpReply), "message type from the wrong side", 0},
		{"option 52 of value 0", overloaded(0), "bad or repeated option 52", 240},
		{"option 52 of value 4", overloaded(4), "bad or repeated option 52", 240},
		{"option 52 twice", datagram(52, 1, 1, 52, 1, 1, 255), "bad or repeated option 52", 240},
		{"an option that runs past an overloaded file",
			with(overloaded(1), offFile, append([]byte{12, 127}, repeat(126, 'a')...)...),
			"option runs past its area", offFile},
		{"an option that runs past an overloaded sname",
			with(overloaded(2), offSName, append([]byte{12, 63}, repeat(62, 'a')...)...),
			"option runs past its area", offSName},
		{"a second option 53 in an overloaded field",
			with(overloaded(1), offFile, 53, 1, 3, 255), "bad or repeated option 53", 240},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Parse(tc.in)
			var fault *ParseError
			if !errors.As(err, &fault) {
				t.Fatalf("got %+v, error %v; want a *ParseError", p, err)
			}
			want := &ParseError{Reason: tc.reason, Offset: tc.offset}
			if diff := cmp.Diff(want, fault); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLetsThrough(t *testing.T) {
	discover := Option{OptMessageType, []byte{1}}
	for _, tc := range []struct {
		name    string
		in      []byte
		want    Options
		missing bool
	}{
		{"an options area of padding only", datagram(0, 0, 0), nil, true},
		{"an end at once", datagram(255), nil, false},
		{"no end", datagram(53, 1, 1), Options{discover}, true},
		{"no end after padding", datagram(53, 1, 1, 0, 0), Options{discover}, true},
		{"padding between options", datagram(0, 53, 1, 1, 0, 0, 60, 1, 'x', 255),
			Options{discover, {OptVendorClass, []byte("x")}}, false},
		{"anything after the end", datagram(53, 1, 1, 255, 53, 1, 9, 12), Options{discover}, false},
		{"options of no octets", datagram(53, 1, 1, 12, 0, 60, 0, 93, 0, 255),
			Options{discover, {OptHostName, nil}, {OptVendorClass, nil}, {OptArch, nil}}, false},
		{"an option several times", datagram(43, 1, 'a', 53, 1, 1, 43, 1, 'b', 255),
			Options{{OptVendorSpecific, []byte("a")}, discover, {OptVendorSpecific, []byte("b")}}, false},
		{"256 options", datagram(repeat(256, 200, 0)...), slices.Repeat(Options{{Code: 200}}, 256), true},
		{"an option of 255 octets", datagram(append([]byte{12, 255}, repeat(255, 'a')...)...),
			Options{{OptHostName, repeat(255, 'a')}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustParse(t, tc.in)
			if diff := cmp.Diff(tc.want, p.Options, samePacket); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			if p.MissingEnd != tc.missing {
				t.Errorf("MissingEnd is %v, want %v", p.MissingEnd, tc.missing)
			}
		})
	}
}

func TestParseOverload(t *testing.T) {
	base := with(datagram(43, 1, 'o', 53, 1, 1, 52, 1, 0, 255), offFile, 43, 1, 'f', 255)
	base = with(base, offSName, 43, 1, 's', 255)
	overload := func(which byte) []byte { return with(base, headerLen+8, which) }
	for _, tc := range []struct {
		name        string
		in          []byte
		value       string // of option 43
		sname, file string
		missing     bool
	}{
		{"file", overload(1), "of", "+\x01s\xff", "", false},
		{"sname", overload(2), "os", "", "+\x01f\xff", false},
		{"file before sname", overload(3), "ofs", "", "", false},
		{"file without an end", with(overload(1), offFile, 43, 1, 'f', 0), "of", "+\x01s\xff", "", true},
		{"an option 52 inside, which means nothing", with(overload(1), offFile, 52, 1, 3, 43, 1, 'f', 255), "of", "+\x01s\xff", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustParse(t, tc.in)
			value, _ := p.Options.Get(OptVendorSpecific)
			if string(value) != tc.value {
				t.Errorf("option 43 is %q, want %q", value, tc.value)
			}
			if p.SName != tc.sname || p.File != tc.file {
				t.Errorf("sname %q, file %q; want %q, %q", p.SName, p.File, tc.sname, tc.file)
			}
			if p.MissingEnd != tc.missing {
				t.Errorf("MissingEnd is %v, want %v", p.MissingEnd, tc.missing)
			}
			if p.Options.Has(OptOverload) {
				t.Error("option 52 is among the options")
			}
			if want := tc.in[headerLen+8]; p.Overload != want {
				t.Errorf("Overload is %d, want %d", p.Overload, want)
			}
		})
	}
}

func TestParseHeaderFields(t *testing.T) {
	in := datagram(53, 1, 5, 255)
	for i := range offSName {
		in[i] = byte(2 * i) // each octet tells where it stood; chaddr[0] is even
	}
	in = with(in, offOp, OpReply, 6, 16)
	copy(in[offSName:], repeat(64, 's'))
	copy(in[offFile:], "boot\x00rest")
	want := &Packet{
		Op: OpReply, HType: 6, HLen: 16, Hops: 6,
		Xid: 0x080a0c0e, Secs: 0x1012, Flags: 0x1416,
		CIAddr:  netip.MustParseAddr("24.26.28.30"),
		YIAddr:  netip.MustParseAddr("32.34.36.38"),
		SIAddr:  netip.MustParseAddr("40.42.44.46"),
		GIAddr:  netip.MustParseAddr("48.50.52.54"),
		CHAddr:  [16]byte{56, 58, 60, 62, 64, 66, 68, 70, 72, 74, 76, 78, 80, 82, 84, 86},
		SName:   string(repeat(64, 's')),
		File:    "boot",
		Options: Options{{OptMessageType, []byte{5}}},
	}
	if diff := cmp.Diff(want, mustParse(t, in), samePacket); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
}

func TestParseKeepsNothingOfItsInput(t *testing.T) {
	for _, c := range captures(t) {
		before := dump(mustParse(t, c.Payload))
		p := mustParse(t, c.Payload)
		clear(c.Payload)
		if diff := cmp.Diff(before, dump(p)); diff != "" {
			t.Errorf("%s changed with its input (-before +after):\n%s", c.Name, diff)
		}
	}
}

func TestParseErrorNamesReasonAndOffset(t *testing.T) {
	_, err := Parse(datagram(12))
	if want := "parse DHCP message: option code without a length at octet 240"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHardwareAddrOfEveryLength(t *testing.T) {
	p := &Packet{CHAddr: [16]byte{1, 2, 3, 4, 5, 6, 7}}
	for hlen, want := range map[uint8]int{0: 0, 6: 6, 16: 16, 17: 16, 255: 16} {
		p.HLen = hlen
		if got := len(p.HardwareAddr()); got != want {
			t.Errorf("hlen %d gives %d octets, want %d", hlen, got, want)
		}
	}
}

func TestMessageTypeNames(t *testing.T) {
	for m, want := range map[MessageType]string{
		BOOTP: "BOOTP", Discover: "DISCOVER", Offer: "OFFER", Request: "REQUEST", Decline: "DECLINE",
		Ack: "ACK", Nak: "NAK", Release: "RELEASE", Inform: "INFORM", ForceRenew: "FORCERENEW",
		LeaseQuery: "LEASEQUERY", LeaseUnassigned: "LEASEUNASSIGNED", LeaseUnknown: "LEASEUNKNOWN",
		LeaseActive: "LEASEACTIVE", 200: "type 200",
	} {
		if got := m.String(); got != want {
			t.Errorf("type %d is called %q, want %q", uint8(m), got, want)
		}
	}
}

func TestEveryMessageTypeHasOneSide(t *testing.T) {
	clients := []MessageType{Discover, Request, Decline, Release, Inform, LeaseQuery}
	for m := Discover; m <= LeaseActive; m++ {
		fromClient := slices.Contains(clients, m)
		if m.fits(OpRequest) != fromClient || m.fits(OpReply) == fromClient {
			t.Errorf("%v: request %v, reply %v; from a client: %v", m, m.fits(OpRequest), m.fits(OpReply), fromClient)
		}
	}
	if !BOOTP.fits(OpRequest) || !BOOTP.fits(OpReply) {
		t.Error("BOOTP must fit both ways")
	}
}
