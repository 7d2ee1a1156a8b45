package tftp

import (
	"net/netip"
	"time"
)

// Conn is every port of one server: those where requests arrive, and those
// that transfers are answered from. Listen gives the real one. All methods but
// Wake and Close are for one goroutine.
type Conn interface {
	// Receive takes what has arrived, len(in) datagrams at most, into the
	// memory that each in[i].Data has; one that is longer is cut. Only the
	// first n of in are changed. Where there is none it waits for that long,
	// about. It gives 0 when the time is up or Wake was called. now is the
	// caller's, of when the last ones came: to ask for it again costs as much as
	// a step of a transfer.
	Receive(in []Incoming, now time.Time, wait time.Duration) (n int, err error)
	// Send sends all that it can, and puts the error of what it could not
	// send into Err.
	Send(out []Outgoing)
	// AnswerPort is the port from which the nth transfer of a client is
	// answered whose request came to that port.
	AnswerPort(request uint8, nth uint) uint8
	// PathMTU is the largest IP packet, in octets, that goes to client
	// unfragmented, as far as this host knows; 0 if it does not.
	PathMTU(client netip.Addr) int
	// Wake makes a Receive that waits, or else the next one, return.
	Wake()
	Close() error
}

// Incoming is one datagram that arrived.
type Incoming struct {
	Data    []byte
	From    netip.AddrPort
	Local   netip.Addr // ours that it was sent to; zero: to others as well
	Port    uint8      // ours, as Conn counts them
	Request bool       // the port is one for requests
}

// Outgoing are packets for one client, end to end, all of one size but for the
// last, which may be shorter.
type Outgoing struct {
	Packets []byte
	Size    int // octets of a packet
	To      netip.AddrPort
	From    netip.Addr // ours
	Port    uint8      // ours, as Conn counts them
	Err     error
}
