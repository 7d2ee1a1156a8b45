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

// peer names a session: the client's address and port, and the address of
// ours that it asked. It is a small thing to be found by.
type peer struct {
	client, local [16]byte
	zone          uint32 // of an IPv6 address of one link: the interface
	port          uint16
}

func peerOf(in *Incoming) peer {
	p := peer{client: in.From.Addr().As16(), local: in.Local.As16(), port: in.From.Port()}
	if zone := in.From.Addr().Zone(); zone != "" {
		for _, c := range []byte(zone) {
			p.zone = p.zone*10 + uint32(c-'0')
		}
	}
	return p
}

// address is the client's.
func (p *peer) address() netip.AddrPort {
	addr := netip.AddrFrom16(p.client).Unmap()
	if p.zone != 0 {
		addr = addr.WithZone(decimal(uint64(p.zone)))
	}
	return netip.AddrPortFrom(addr, p.port)
}

// ours is the address that the client asked.
func (p *peer) ours() netip.Addr { return netip.AddrFrom16(p.local).Unmap() }

// session is one read of one client, from request to event.
type session struct {
	peer
	port     uint8 // ours, as Conn counts them
	gone     bool
	ascii    bool
	unheard  bool // no valid ACK yet
	queued   bool // acknowledged, and waits for others to end
	rejoined uint8
	heldAck  uint16 // of a session that is queued or held back
	held     bool
	request  uint64 // hash of the packet
	began    time.Time
	armed    time.Time // its earliest alarm; zero: none
	wanted   *wanted   // while the file is being opened
	file     *openFile
	loop     *loop
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
