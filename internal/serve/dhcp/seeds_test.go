package dhcp_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"hobnail/internal/wire/dhcp4"
)

// cutInPadding is a packet that can be read as far as the socket takes it, and
// cannot be read as a whole.
func cutInPadding(packet []byte) []byte {
	b := bytes.TrimSuffix(packet, []byte{byte(dhcp4.OptEnd)})
	padding := make([]byte, 2*maxPacket-len(b))
	return slices.Concat(b, padding, []byte{byte(dhcp4.OptVendorClass), 200})
}

// claims are requests for the address in use: to renew it, to have it again, and
// to have it at all; of its holder and of another machine.
func claims(t testing.TB) [][]byte {
	t.Helper()
	addr := netip.MustParseAddr(holdersAddr)
	var all [][]byte
	for _, machine := range []byte{0x56, 0x57} {
		p := dhcp4.Packet{Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, machine}}
		p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Request))
		again, first := p, p
		p.CIAddr = addr
		again.Options = slices.Clone(p.Options)
		again.Options.AddAddr(dhcp4.OptRequestedAddr, addr)
		first.Options = slices.Clone(again.Options)
		first.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr("10.99.0.1"))
		for _, c := range []dhcp4.Packet{p, again, first} {
			all = append(all, octets(t, &c))
		}
	}
	return all
}

// splitOption is an OFFER of a site's server with so many DNS servers that the
// option comes in two parts, neither a whole number of addresses.
func splitOption(t testing.TB) []byte {
	t.Helper()
	p := dhcp4.Packet{Op: dhcp4.OpReply, HType: dhcp4.HTypeEthernet, HLen: 6, YIAddr: netip.MustParseAddr("10.99.0.77")}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Offer))
	p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr("10.99.0.3"))
	p.Options.AddAddr(dhcp4.OptDNS, slices.Repeat([]netip.Addr{netip.MustParseAddr("10.99.0.4")}, 75)...)
	return octets(t, &p)
}

func octets(t testing.TB, p *dhcp4.Packet) []byte {
	t.Helper()
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
