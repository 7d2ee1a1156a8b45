package netio

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipHeader  = 20
	udpHeader = 8
)

// udpPacket builds the IPv4 and UDP headers around a payload (RFC 791, RFC
// 768). The identification is 0 and fragments are forbidden: the payload must
// fit the link.
func udpPacket(src, dst netip.AddrPort, payload []byte) []byte {
	b := make([]byte, ipHeader+udpHeader+len(payload))
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], 0x4000) // don't fragment
	b[8] = 64
	b[9] = 17
	from, to := src.Addr().As4(), dst.Addr().As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[10:], checksum(0, b[:ipHeader]))

	u := b[ipHeader:]
	binary.BigEndian.PutUint16(u[0:], src.Port())
	binary.BigEndian.PutUint16(u[2:], dst.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	copy(u[udpHeader:], payload)
	pseudo := uint32(17) + uint32(len(u))
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum := checksum(pseudo, u)
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 would mean "no checksum"
	}
	binary.BigEndian.PutUint16(u[6:], sum)
	return b
}

// checksum is RFC 1071's, begun with a partial sum.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// UDPPacket is a whole IPv4 packet around a payload, for a socket that takes
// one.
func UDPPacket(src, dst netip.AddrPort, payload []byte) []byte { return udpPacket(src, dst, payload) }

// ParseUDP reads an IPv4 packet; ok is false if it is none of UDP, a fragment,
// or cut short. The checksum is not looked at: cards fill it in later. payload
// is into b.
func ParseUDP(b []byte) (src, dst netip.AddrPort, payload []byte, ok bool) {
	if len(b) < ipHeader || b[0]>>4 != 4 || b[9] != 17 {
		return src, dst, nil, false
	}
	head := int(b[0]&15) * 4
	if head < ipHeader || len(b) < head+udpHeader || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return src, dst, nil, false
	}
	u := b[head:]
	n := int(binary.BigEndian.Uint16(u[4:]))
	if n < udpHeader || n > len(u) {
		return src, dst, nil, false
	}
	from, to := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	src = netip.AddrPortFrom(from, binary.BigEndian.Uint16(u))
	dst = netip.AddrPortFrom(to, binary.BigEndian.Uint16(u[2:]))
	return src, dst, u[udpHeader:n], true
}
