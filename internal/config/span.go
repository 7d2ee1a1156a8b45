package config

import (
	"encoding/binary"
	"net/netip"
)

// Size counts the addresses of a range.
func (r Range) Size() int64 { return int64(number(r.Last)) - int64(number(r.First)) + 1 }

// Nth gives the address n places after the first.
func (r Range) Nth(n int64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], number(r.First)+uint32(n))
	return netip.AddrFrom4(b)
}

// Contains reports whether an address lies in the range.
func (r Range) Contains(a netip.Addr) bool {
	return a.Is4() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
