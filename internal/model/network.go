package model

import (
	"encoding/binary"
	"net/netip"
)

// Netmask gives the mask of an IPv4 network as an address, the form that
// option 1 has (RFC 2132 section 3.3); the zero value for anything else.
func Netmask(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || !p.IsValid() {
		return netip.Addr{}
	}
	return addr4(^hostBits(p))
}

// BroadcastAddr gives the broadcast address of an IPv4 network; the zero value
// where there is none, as on links of two or one (RFC 3021).
func BroadcastAddr(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || !p.IsValid() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	return addr4(binary.BigEndian.Uint32(b[:]) | hostBits(p))
}

// hostBits has the bits of an address set that tell hosts apart.
func hostBits(p netip.Prefix) uint32 { return uint32(1<<(32-p.Bits()) - 1) }

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
