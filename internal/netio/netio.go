// Package netio moves datagrams: UDP sockets that know the interface and the
// address a packet came to, and frames to clients that have no address yet. It
// knows no protocol above UDP. MemConn is its twin without a kernel.
package netio

import (
	"net/netip"
)

// Packet is one datagram that arrived.
type Packet struct {
	Data    []byte
	Src     netip.AddrPort
	Dst     netip.Addr // as addressed: ours, 255.255.255.255 or a link's broadcast address
	IfIndex int        // the interface it came in by
	Port    uint16     // our port
}

// MaxBatch is how many datagrams one call receives or sends at the most.
const MaxBatch = 64

// Outgoing says how a datagram leaves.
type Outgoing struct {
	To      netip.AddrPort
	From    netip.Addr // our address; invalid: the kernel chooses
	IfIndex int        // the interface to leave by; 0: by the route
	HW      []byte     // not nil: a frame to this Ethernet address, without ARP; IfIndex is required
}

// Datagram is one that leaves.
type Datagram struct {
	Data []byte
	Outgoing
}

// Conn is one bound UDP port on all addresses. Its methods may be called from
// different goroutines, ReadBatch from one at a time. After Close all give
// net.ErrClosed, also a ReadBatch that was waiting.
type Conn interface {
	// ReadBatch takes the datagrams that have arrived, len(p) and MaxBatch at
	// the most, into the memory that each p[i].Data has: one that is longer is
	// cut. Where there is none it waits if wait is set, and otherwise gives 0.
	ReadBatch(p []Packet, wait bool) (n int, err error)
	Write(data []byte, out Outgoing) error
	// WriteBatch sends all that can be sent. failed is nil if all were, and
	// otherwise has the error of out[i] at i.
	WriteBatch(out []Datagram) (failed []error)
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

// fails notes the error of datagram i of n.
func fails(failed []error, n, i int, err error) []error {
	if err == nil {
		return failed
	}
	if failed == nil {
		failed = make([]error, n)
	}
	failed[i] = err
	return failed
}
