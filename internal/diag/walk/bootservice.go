package walk

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"hobnail/internal/diag"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// bootServiceWaits are EDK2's, seen with OVMF: four times, a second longer each
// time.
var bootServiceWaits = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}

// askBootService asks port 4011 of a server for the boot file. We have not the
// machine's address: ciaddr is ours, where the answer comes to.
func (g *walker) askBootService(ctx context.Context, server netip.Addr) *diag.Answer {
	if !g.from.IsValid() {
		g.find(diag.NoAddressHere, diag.Warning, "%s has no IPv4 address: port 4011 of %s was not asked", g.opts.Interface, server)
		return nil
	}
	conn, err := bootServicePort(g.from)
	if err != nil {
		return nil
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	p := g.message(dhcp4.Request)
	p.CIAddr, p.GIAddr, p.Hops, p.Flags = g.from, netip.Addr{}, 0, 0
	if item := g.menuItem(); item != nil {
		if b, err := (pxe.VendorOptions{Item: item}).Encode(); err == nil {
			p.Options.Add(dhcp4.OptVendorSpecific, b)
		}
	}
	b, err := p.Append(nil)
	if err != nil {
		return nil
	}
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(server, dhcp4.BootPort))
	for _, wait := range bootServiceWaits {
		g.opts.Say(fmt.Sprintf("asking port 4011 of %s", server))
		g.w.Asks(time.Now(), p, server)
		if _, err := conn.WriteTo(b, to); err != nil || ctx.Err() != nil {
			break
		}
		if a := g.hearBootService(ctx, conn, wait); a != nil {
			g.w.Hears(*a)
			return a
		}
	}
	return nil
}

// bootServicePort takes the port that EDK2 asks from, else the one that iPXE
// asks from, else any: a server that runs here has the first.
func bootServicePort(from netip.Addr) (conn *net.UDPConn, err error) {
	for _, port := range []uint16{dhcp4.BootPort, dhcp4.ClientPort, 0} {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, port)))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (g *walker) menuItem() *pxe.BootItem {
	for _, a := range g.w.Offers {
		if a.Packet != nil && a.Server() == g.w.Choice.AskFirst {
			if item := diag.MenuItem(a); item != nil {
				return item
			}
		}
	}
	return nil
}

func (g *walker) hearBootService(ctx context.Context, conn *net.UDPConn, wait time.Duration) *diag.Answer {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2048)
	for ctx.Err() == nil {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return nil
		}
		if !g.forUs(buf[:n]) || buf[0] != dhcp4.OpReply {
			continue
		}
		a := diag.Heard(time.Now(), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), append([]byte(nil), buf[:n]...))
		if a.Packet != nil && a.Packet.Type() == dhcp4.Ack {
			return &a
		}
	}
	return nil
}
