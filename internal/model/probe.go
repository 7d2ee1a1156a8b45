package model

import "net/netip"

// ProbeMAC is what the DISCOVER that asks for nothing but an answer says its
// machine is: locally administered, and for one of our addresses always the
// same, so that a server that holds what it has offered holds one address.
func ProbeMAC(local netip.Addr) MAC {
	return MACFromBytes(append([]byte{0x02, 0x68}, local.AsSlice()...))
}
