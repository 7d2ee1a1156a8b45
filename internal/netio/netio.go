// Package netio moves datagrams: UDP sockets that know the interface and the
// address a packet came to, and frames to clients that have no address yet. It
// knows no protocol above UDP. MemConn is its twin without a kernel.
package netio

import (
	"net/netip"
)

// Packet is one datagram that arrived.
type Packet struct {
	Data    []byte // valid until the next Read on the same connection
	Src     netip.AddrPort
	Dst     netip.Addr // as addressed: ours, 255.255.255.255 or a link's broadcast address
	IfIndex int        // the interface it came in by
	Port    uint16     // our port
}

// Outgoing says how a datagram leaves.
type Outgoing struct {
	To      netip.AddrPort
	From    netip.Addr // our address; invalid: the kernel chooses
	IfIndex int        // the interface to leave by; 0: by the route
	HW      []byte     // not nil: a frame to this Ethernet address, without ARP; IfIndex is required
}

// Conn is one bound UDP port on all addresses. Its methods may be called from
// different goroutines. Read cuts a datagram that is longer than buf; after
// Close, Read and Write give net.ErrClosed, also a Read that was waiting.
type Conn interface {
	Read(buf []byte) (Packet, error)
	Write(data []byte, out Outgoing) error
	Port() uint16
	Close() error
}

// Interface is a network interface as replies need it.
type Interface struct {
	Name     string
	Index    int
	Prefixes []netip.Prefix // its IPv4 addresses with their networks
	MTU      int
	Loopback bool
}
