package tftp

import (
	"net/netip"
	"time"
)

// Conn is where requests arrive, and what opens the sockets that answer them.
// Listen gives the real one.
type Conn interface {
	// ReadRequest waits for one datagram and puts it into b, cutting off what
	// does not fit: n octets, who sent it, and the address of ours that an
	// answer must come from. After Close it returns net.ErrClosed.
	ReadRequest(b []byte) (n int, from netip.AddrPort, local netip.Addr, err error)
	// Open opens a socket on a new port of local: a transfer identifier.
	Open(local netip.Addr) (Socket, error)
	// PathMTU is the largest IP packet, in octets, that goes from local to
	// client unfragmented, as far as this host knows; 0 if it does not.
	PathMTU(local, client netip.Addr) int
	// Close ends ReadRequest. Sockets stay open.
	Close() error
}

// Socket sends and receives the datagrams of one transfer. All methods may be
// called at the same time.
type Socket interface {
	ReadFrom(b []byte) (n int, from netip.AddrPort, err error)
	WriteTo(b []byte, to netip.AddrPort) error
	// SetReadDeadline makes ReadFrom, also one that is waiting, return
	// os.ErrDeadlineExceeded at t.
	SetReadDeadline(t time.Time) error
	Close() error
}
