package tftp

import (
	"hash/maphash"
	"net/netip"
	"time"

	wire "hobnail/internal/wire/tftp"
)

// freshAck is how long after an ACK a repeated request is held for a late
// double of the network. Later it is a machine that was reset: BIOS ROMs begin
// at the same port every time.
const freshAck = time.Second

// peer is a client's address and port, and the address of ours that it asked.
// It is small, and so is session: 256 octets hold all that a client costs
// which may not exist.
type peer struct {
	client [16]byte
	zone   uint32 // of an IPv6 address of one link: the interface
	port   uint16
	local  uint16 // of loop.locals
}

// address is the client's.
func (p *peer) address() netip.AddrPort {
	addr := netip.AddrFrom16(p.client).Unmap()
	if p.zone != 0 {
		addr = addr.WithZone(decimal(uint64(p.zone)))
	}
	return netip.AddrPortFrom(addr, p.port)
}

// peerID is a peer as the loop finds it: a hash that nobody can foresee.
type peerID uint64

func (p *peer) id() peerID { return peerID(maphash.Comparable(seed, *p)) }

// session is one read of one client, from request to event.
type session struct {
	peer
	request  uint32 // hash of the packet
	heldAck  uint16 // of a session that is queued or held back
	answers  uint8  // our port, as Conn counts them
	rejoined uint8  // how often the client asked again while it was queued
	gone     bool
	ascii    bool
	unheard  bool // no valid ACK yet
	queued   bool // acknowledged, and waits for others to end
	held     bool // acknowledged, and waits for its share of the rate
	began    instant
	armed    instant // its earliest alarm; zero: none
	wanted   *wanted // while the file is being opened
	file     *openFile
	read     read
}

// wanted is a request whose file is being opened.
type wanted struct {
	req    wire.Request
	octets int
	cancel func()
}

var seed = maphash.MakeSeed()

// name is the file's for a log.
func (s *session) name() string {
	if s.file != nil {
		return s.file.Name
	}
	return printable(s.wanted.req.Name)
}

// source is sourcer's.
func (s *session) source(t terms) source {
	c := s.file.content(s)
	if s.ascii {
		return newNetascii(c, t)
	}
	return octets{c, s.file.Size}
}
