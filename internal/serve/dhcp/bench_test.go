package dhcp_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"hobnail/internal/boots"
	"hobnail/internal/event"
	"hobnail/internal/lease"
	"hobnail/internal/netio"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

const largeSite = `
[[subnet]]
cidr   = "10.64.0.0/12"
dhcp   = "server"
pool   = "10.65.0.0-10.74.255.255"
router = "10.64.0.1"
`

// BenchmarkExchange is DISCOVER, OFFER, REQUEST, ACK of a machine that was
// never here before, through a relay, without kernel and disk.
func BenchmarkExchange(b *testing.B) {
	table := lease.NewTable()
	s := newServer(b, largeSite, table)
	s.Events, s.Boots = event.Discard{}, boots.NewMemory()
	conn := &pipe{}
	discover := relayedDiscover(b)
	b.ReportAllocs()
	for i := range b.N {
		binary.BigEndian.PutUint32(discover[30:], uint32(i)) // chaddr
		binary.BigEndian.PutUint32(discover[4:], uint32(i))  // xid
		offer := conn.ask(s, discover)
		if i == 0 && dhcp4.MessageType(offer[242]) != dhcp4.Offer {
			b.Fatalf("answered with % x", offer[240:])
		}
		ack := conn.ask(s, requestFor(discover, offer))
		if i == 0 && dhcp4.MessageType(ack[242]) != dhcp4.Ack {
			b.Fatalf("answered with % x", ack[240:])
		}
	}
}

// BenchmarkProxyOffer is DISCOVER and OFFER of a boot client beside another
// DHCP server.
func BenchmarkProxyOffer(b *testing.B) {
	s := newServer(b, "", lease.NewTable())
	s.Events, s.Boots = event.Discard{}, boots.NewMemory()
	conn := &pipe{}
	discover := wiretest.Packet(b, "30-ovmf-x64-pxe-discover")
	b.ReportAllocs()
	for i := range b.N {
		binary.BigEndian.PutUint32(discover[30:], uint32(i))
		if len(conn.ask(s, discover)) == 0 {
			b.Fatal("no offer")
		}
	}
}

// relayedDiscover is what perfdhcp sends: a plain client behind a relay.
func relayedDiscover(t testing.TB) []byte {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Hops: 1,
		GIAddr: netip.MustParseAddr("10.64.0.2"), CHAddr: [16]byte{0x00, 0x0c}}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	p.Options.Add(dhcp4.OptParameterList, []byte{1, 28, 2, 3, 15, 6, 12})
	out, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// requestFor takes an offer, as a client does.
func requestFor(discover, offer []byte) []byte {
	r := append([]byte(nil), discover[:240]...)
	r = append(r, 53, 1, 3, 54, 4)
	r = append(r, offer[245:249]...)
	r = append(r, 50, 4)
	r = append(r, offer[16:20]...)
	return append(r, 55, 7, 1, 28, 2, 3, 15, 6, 12, 255)
}

// pipe keeps the last packet that was sent.
type pipe struct {
	netio.Conn
	sent []byte
}

func (p *pipe) Port() uint16 { return dhcp4.ServerPort }

func (p *pipe) WriteBatch(out []netio.Datagram) []error {
	if len(out) > 0 {
		p.sent = out[0].Data
	}
	return nil
}

func (p *pipe) ask(s *dhcp.Server, request []byte) []byte {
	p.sent = nil
	s.Settle(p, s.Take(p, []netio.Packet{{Data: request, IfIndex: eth0, Port: dhcp4.ServerPort,
		Src: netip.MustParseAddrPort("10.64.0.2:67"), Dst: netip.MustParseAddr("10.99.0.1")}}))
	return p.sent
}
