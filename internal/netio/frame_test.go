package netio

import (
	"encoding/hex"
	"math/big"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestUDPPacketGolden: RFC 791 and RFC 768, octet by octet.
//
//	45 00 0023        version 4, header of 5 words; 35 octets in all
//	0000 4000         no identification, don't fragment
//	40 11 25d2        64 hops, UDP, checksum
//	0a630001 0a630032 10.99.0.1 to 10.99.0.50
//	0043 0044 000f    port 67 to 68, 15 octets
//	5209              checksum
func TestUDPPacketGolden(t *testing.T) {
	const want = "4500002300004000401125d20a6300010a63003200430044000f5209" + "686f626e61696c"
	got := udpPacket(netip.MustParseAddrPort("10.99.0.1:67"), netip.MustParseAddrPort("10.99.0.50:68"), []byte("hobnail"))
	if diff := cmp.Diff(want, hex.EncodeToString(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// sums reports whether the 16-bit numbers in b, with those that go before, add
// up as RFC 1071 wants it of a packet with its checksum in place: to a
// multiple of 65535. It is another way than checksum's to the same end.
func sums(before int64, b []byte) bool {
	if len(b)%2 == 1 {
		b = append(append([]byte{}, b...), 0)
	}
	// The octets as one number in base 65536 are, modulo 65535, the sum of
	// its digits.
	n := new(big.Int).SetBytes(b)
	n.Add(n, big.NewInt(before))
	return n.Mod(n, big.NewInt(65535)).Sign() == 0
}

func TestUDPPacketChecksums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) netip.AddrPort {
			a := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address"))
			return netip.AddrPortFrom(netip.AddrFrom4(a), rapid.Uint16().Draw(t, "port"))
		})
		payload := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "payload")
		b := udpPacket(addr.Draw(t, "from"), addr.Draw(t, "to"), payload)
		if len(b) != 28+len(payload) || string(b[28:]) != string(payload) {
			t.Fatalf("%d octets around a payload of %d", len(b), len(payload))
		}
		if !sums(0, b[:20]) {
			t.Errorf("the IP header % x does not sum up", b[:20])
		}
		// The pseudo header: both addresses, protocol 17, the length.
		pseudo := append(append([]byte{}, b[12:20]...), b[20:]...)
		if !sums(17+int64(len(b)-20), pseudo) {
			t.Errorf("the UDP packet % x does not sum up", b)
		}
	})
}

// TestUDPChecksumIsNeverZero: 0 would say that there is none (RFC 768). Over
// all values of two octets the sum comes to every number.
func TestUDPChecksumIsNeverZero(t *testing.T) {
	from, to := netip.MustParseAddrPort("10.99.0.1:67"), netip.MustParseAddrPort("10.99.0.50:68")
	full := 0
	for n := range 1 << 16 {
		b := udpPacket(from, to, []byte{byte(n >> 8), byte(n)})
		switch {
		case b[26] == 0 && b[27] == 0:
			t.Fatalf("payload %04x has checksum 0", n)
		case b[26] == 0xff && b[27] == 0xff:
			full++
		}
	}
	if full == 0 {
		t.Error("no payload came to the sum that is written as ffff: nothing has been tested")
	}
}

// TestParseUDP reads what udpPacket writes, and refuses what is cut short, a
// fragment, or something else.
func TestParseUDP(t *testing.T) {
	src, dst := netip.MustParseAddrPort("10.77.2.3:67"), netip.MustParseAddrPort("255.255.255.255:68")
	whole := UDPPacket(src, dst, []byte("offer"))
	gotSrc, gotDst, payload, ok := ParseUDP(append(whole, 0, 0)) // Ethernet pads
	if !ok || gotSrc != src || gotDst != dst || string(payload) != "offer" {
		t.Errorf("read %v, %v, %q, %v", gotSrc, gotDst, payload, ok)
	}
	fragment, tcp := append([]byte(nil), whole...), append([]byte(nil), whole...)
	fragment[6], tcp[9] = 0x20, 6
	for name, b := range map[string][]byte{"nothing": nil, "cut short": whole[:30], "a fragment": fragment, "TCP": tcp} {
		if _, _, _, ok := ParseUDP(b); ok {
			t.Errorf("%s is read as a datagram", name)
		}
	}
}
