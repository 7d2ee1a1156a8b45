package reply_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"hobnail/internal/wire/dhcp4"
)

// TestEchoes: what a client or relay sent comes back octet for octet in OFFER,
// ACK and NAK: the client id (RFC 6842), the relay's option, last (RFC 3046),
// the subnet where it was heeded (RFC 3011), and from a boot client the
// machine's id (PXE 2.1).
func TestEchoes(t *testing.T) {
	relay := func(octets string) dhcp4.Option { return dhcp4.Option{Code: 82, Data: []byte(octets)} }
	id := dhcp4.Option{Code: 61, Data: []byte("\xff\x00\x00\x00\x01\x00\x02abc")}
	subnet := dhcp4.Option{Code: 118, Data: []byte{10, 99, 0, 0}}
	uuid := dhcp4.Option{Code: 97, Data: []byte("\x00DELLC\x00\x100\x80R\xb4\xc0OM52")}
	full := relay("\x01\x03ge1\x02\x02r7\x05\x04\x0a\x63\x00\x00\x0b\x04\x0a\x63\x00\xfe\x0a\x01\x80\x13\x00")
	for _, tc := range []struct {
		name string
		sent []dhcp4.Option
		back []dhcp4.Option // in the order of the reply
	}{
		{"a client id", []dhcp4.Option{id}, []dhcp4.Option{id}},
		{"a client id of one octet, for which EDK2 drops the reply", []dhcp4.Option{{Code: 61, Data: []byte{1}}}, nil},
		{"an empty client id", []dhcp4.Option{{Code: 61}}, nil},
		{"a relay's option", []dhcp4.Option{full}, []dhcp4.Option{full}},
		{"a relay's option that cannot be read", []dhcp4.Option{relay("\x01\x09x")}, []dhcp4.Option{relay("\x01\x09x")}},
		{"a relay's option in two parts", []dhcp4.Option{relay("\x01\xfe" + strings.Repeat("a", 253)), relay("a\x02\x02r7")},
			[]dhcp4.Option{relay("\x01\xfe" + strings.Repeat("a", 254) + "\x02\x02r7")}},
		{"all at once, the relay's last", []dhcp4.Option{relay("\x01\x03ge1"), subnet, id}, []dhcp4.Option{id, subnet, relay("\x01\x03ge1")}},
		{"a subnet that a selected link overrides", []dhcp4.Option{subnet, full}, []dhcp4.Option{full}},
		{"the id of a machine that boots nothing", []dhcp4.Option{uuid}, nil},
		{"nothing", nil, nil},
	} {
		for _, kind := range []struct {
			name  string
			typ   dhcp4.MessageType
			wants string
			gets  dhcp4.MessageType
		}{
			{"OFFER", dhcp4.Discover, "", dhcp4.Offer},
			{"ACK", dhcp4.Request, "10.99.0.50", dhcp4.Ack},
			{"NAK", dhcp4.Request, "10.99.0.99", dhcp4.Nak},
		} {
			t.Run(kind.name+" to "+tc.name, func(t *testing.T) {
				p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56},
					CIAddr: netip.IPv4Unspecified(), GIAddr: netip.MustParseAddr("10.99.0.254"), Hops: 3, Secs: 9}
				p.Options.AddUint8(dhcp4.OptMessageType, uint8(kind.typ))
				in := arrival(netip.MustParseAddrPort("10.99.0.254:67"), netip.MustParseAddrPort("10.99.0.1:67"))
				if kind.wants != "" {
					p.Options.AddAddr(dhcp4.OptServerID, in.Local)
					p.Options.AddAddr(dhcp4.OptRequestedAddr, netip.MustParseAddr(kind.wants))
				}
				p.Options = append(p.Options, tc.sent...)
				r := answer(t, newView(t, networks), p, in)
				if r.Packet.Type() != kind.gets {
					t.Fatalf("the answer is %v", r.Packet.Type())
				}
				back, err := dhcp4.Parse(r.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				checkEchoes(t, back.Options, tc.back)
			})
		}
	}
}

// checkEchoes compares those options of a reply that are echoes.
func checkEchoes(t *testing.T, got dhcp4.Options, want []dhcp4.Option) {
	t.Helper()
	var codes []dhcp4.OptionCode
	for _, o := range got {
		switch o.Code {
		case 61, 82, 97, 118:
			if len(codes) == 0 || codes[len(codes)-1] != o.Code {
				codes = append(codes, o.Code) // the parts of a split option are one
			}
		}
	}
	if len(codes) != len(want) {
		t.Fatalf("echoes options %v, want %v", codes, want)
	}
	for i, o := range want {
		if have, _ := got.Get(o.Code); codes[i] != o.Code || !bytes.Equal(have, o.Data) {
			t.Errorf("echo %d is %v % x, want % x", i+1, codes[i], have, o.Data)
		}
	}
}
