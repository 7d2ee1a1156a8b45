package dhcp4

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hobnail/internal/wire/wiretest"
)

// samePacket compares packets field by field; nil and empty slices are the
// same on the wire.
var samePacket = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// captures gives the DHCPv4 datagrams among the captures.
func captures(t testing.TB) []wiretest.Capture {
	t.Helper()
	return wiretest.CapturesTo(t, ServerPort, BootPort)
}

// datagram builds a request with Ethernet address 52:54:00:12:34:56 and the
// options area given, all else zero.
func datagram(options ...byte) []byte {
	b := make([]byte, headerLen, headerLen+len(options))
	b[offOp], b[offHType], b[offHLen] = OpRequest, HTypeEthernet, 6
	copy(b[offCHAddr:], []byte{0x52, 0x54, 0x00, 0x12, 0x34, 0x56})
	copy(b[offCookie:], []byte{0x63, 0x82, 0x53, 0x63})
	return append(b, options...)
}

// with returns b with octets written over it at an offset.
func with(b []byte, offset int, octets ...byte) []byte {
	b = slices.Clone(b)
	copy(b[offset:], octets)
	return b
}

// repeat gives n copies of some octets in a row.
func repeat(n int, octets ...byte) []byte { return slices.Repeat(octets, n) }

func mustParse(t testing.TB, b []byte) *Packet {
	t.Helper()
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustAppend(t testing.TB, p *Packet) []byte {
	t.Helper()
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
