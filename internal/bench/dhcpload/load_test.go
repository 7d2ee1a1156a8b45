package dhcpload

import (
	"net/netip"
	"testing"

	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

// TestTake: a REQUEST names the server and the address of its offer.
func TestTake(t *testing.T) {
	server, address := netip.MustParseAddr("10.77.1.2"), netip.MustParseAddr("10.65.0.9")
	offer := &dhcp4.Packet{Op: dhcp4.OpReply, HType: 1, HLen: 6, YIAddr: address}
	offer.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Offer))
	offer.Options.AddUint32(dhcp4.OptLeaseTime, 3600)
	offer.Options.AddAddr(dhcp4.OptServerID, server)
	b, err := offer.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{plan: Plan{Server: server, Relay: netip.MustParseAddr("10.64.0.2")}, out: make([]netio.Datagram, 0, netio.MaxBatch)}
	if err := l.makeTemplates(); err != nil {
		t.Fatal(err)
	}
	l.take(7, b)
	p, err := dhcp4.Parse(l.out[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := p.Options.Addr(dhcp4.OptServerID)
	wish, _ := p.Options.Addr(dhcp4.OptRequestedAddr)
	if p.Type() != dhcp4.Request || p.Xid != 7 || id != server || wish != address || p.GIAddr != l.plan.Relay || p.CHAddr[5] != 7 {
		t.Errorf("%+v", p)
	}
}
