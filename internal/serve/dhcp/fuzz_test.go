package dhcp_test

import (
	"net/netip"
	"slices"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// An address of the pool that is in use, and by whom.
const (
	holdersAddr = "10.99.0.50"
	holder      = "52:54:00:12:34:56"
)

// FuzzPacketInReplyOut: any packet, on either port and in either mode, with
// addresses in use, is answered by at most one packet that every client can
// take, goes to one host or to the link, and is told about; and costs little.
func FuzzPacketInReplyOut(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, dhcp4.ServerPort, dhcp4.BootPort) {
		f.Add(c.Payload, c.Dst.Port() == dhcp4.BootPort, true)
		f.Add(c.Payload, c.Dst.Port() == dhcp4.BootPort, false)
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload, false, true)
		}
	}
	f.Add(cutInPadding(wiretest.Packet(f, "30-ovmf-x64-pxe-discover")), false, true)
	for _, b := range claims(f) {
		f.Add(b, false, true)
	}
	proxy, giving := newStage(compile(f, ""), taken), newStage(compile(f, serverSite), taken)
	f.Fuzz(func(t *testing.T, b []byte, bootService, server bool) {
		b = b[:min(len(b), maxPacket)]
		stage, port := proxy, uint16(dhcp4.ServerPort)
		if server {
			stage = giving
		}
		if bootService {
			port = dhcp4.BootPort
		}
		wiretest.Bounded(t, func(m *wiretest.Meter) {
			w := stage.set(t)
			p := packetOf(b)
			var sent []netio.Datagram
			m.Measure(func() { sent = w.send(port, p) })
			events := w.events.take()
			if len(events) == 0 || len(sent) > 1 {
				t.Fatalf("%d packets sent and %d events", len(sent), len(events))
			}
			for _, out := range sent {
				checkOut(t, b, out)
				checkGiven(t, b, out, bootService)
			}
			checkHolder(t, w.table)
		})
	})
}

// FuzzSiteAnswerInReplyOut: whatever the site's DHCP server answers to what was
// passed on to it, the machine gets at most one packet, which it can take.
func FuzzSiteAnswerInReplyOut(f *testing.F) {
	for _, c := range wiretest.CapturesTo(f, dhcp4.ClientPort, dhcp4.ServerPort) {
		f.Add(c.Payload, true)
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload, true)
			f.Add(c.Payload, false)
		}
	}
	f.Add(splitOption(f), true)
	site := compile(f, mergeSite)
	discover := wiretest.Packet(f, "30-ovmf-x64-pxe-discover")
	passed := exchangeOf(f, serverOf(site, lease.NewTable()), discover)
	stage := newStage(site, nil)
	f.Fuzz(func(t *testing.T, b []byte, ours bool) {
		if len(b) < 44 {
			return
		}
		b = slices.Clone(b)
		b[0] = dhcp4.OpReply
		if ours {
			copy(b[4:8], discover[4:8]) // xid
			copy(b[24:28], []byte{10, 99, 0, 1})
			copy(b[28:44], discover[28:44]) // chaddr
		}
		wiretest.Bounded(t, func(m *wiretest.Meter) {
			w := stage.set(t)
			w.server.Upstream = upstream.NewTable()
			w.server.Upstream.Ask(noon, passed)
			p := direct("10.99.0.3:67", b)
			var sent []netio.Datagram
			m.Measure(func() { sent = w.send(dhcp4.ServerPort, p) })
			if len(sent) > 1 || len(w.events.take()) == 0 {
				t.Fatalf("%d packets sent", len(sent))
			}
			for _, out := range sent {
				checkOut(t, discover, out)
			}
		})
	})
}

// taken has a machine hold an address of the pool.
func taken(t *testing.T, w *world) {
	t.Helper()
	hold(t, w, holdersAddr, holder)
}

// exchangeOf is a DISCOVER that a server passes on.
func exchangeOf(t testing.TB, s *dhcp.Server, discover []byte) *upstream.Exchange {
	t.Helper()
	req, err := dhcp4.Parse(discover)
	if err != nil {
		t.Fatal(err)
	}
	link := netip.MustParsePrefix("10.99.0.1/24")
	e := &upstream.Exchange{Request: req, Facts: classify.DHCP(req, classify.Ingress{
		Interface: "eth0", IfIndex: eth0, Local: link.Addr(), Prefix: link.Masked(), Port: dhcp4.ServerPort,
		Dst: netip.MustParseAddr("255.255.255.255"), Src: netip.MustParseAddrPort("0.0.0.0:68"),
	})}
	v := s.View()
	v.Upstream = upstream.NewTable()
	v.DecideInto(&e.Decision, noon, &e.Facts)
	if e.Decision.Answer != policy.Forward {
		t.Fatalf("the DISCOVER is not passed on: %+v", e.Decision)
	}
	return e
}

// packetOf is a datagram as it would come in: from the address that it says
// is its sender's.
func packetOf(b []byte) netio.Packet {
	p := broadcast(b)
	if req, err := dhcp4.Parse(b); err == nil && !req.CIAddr.IsUnspecified() {
		p = netio.Packet{Data: b, IfIndex: eth0, Src: netip.AddrPortFrom(req.CIAddr, 4011), Dst: netip.MustParseAddr("10.99.0.1")}
	}
	return p
}

func checkOut(t *testing.T, request []byte, out netio.Datagram) {
	t.Helper()
	req, err := dhcp4.Parse(request)
	if err != nil {
		t.Fatalf("a packet that cannot be read was answered: %v", err)
	}
	p, err := dhcp4.Parse(out.Data)
	if err != nil || p.MissingEnd || p.Op != dhcp4.OpReply || p.Xid != req.Xid || len(out.Data) < 300 || len(out.Data) > 1472 {
		t.Fatalf("the answer has %d octets, is read with error %v: %+v", len(out.Data), err, p)
	}
	for _, o := range p.Options {
		value, _ := p.Options.Get(o.Code)
		if err := dhcp4.ValidateOption(o.Code, value); err != nil {
			t.Errorf("EDK2 would drop the answer: %v", err)
		}
	}
	theirs, _ := req.Options.Get(dhcp4.OptRelayInfo)
	mine, _ := p.Options.Get(dhcp4.OptRelayInfo)
	if string(theirs) != string(mine) {
		t.Errorf("option 82 is % x, the relay sent % x", mine, theirs)
	}
	to, ours := out.To.Addr(), netip.MustParseAddr("10.99.0.1")
	// To ourselves only where the request says that it comes from here: a
	// client on this host asks for options (DHCPINFORM), and may have them.
	if to.IsUnspecified() || to.IsMulticast() && to != netip.MustParseAddr("255.255.255.255") || to == ours && req.CIAddr != ours {
		t.Errorf("the answer goes to %s", out.To)
	}
}

// checkGiven: nobody but its holder is given the address that was in use. The
// boot service gives none: its ACK repeats what the client says is its own.
func checkGiven(t *testing.T, request []byte, out netio.Datagram, bootService bool) {
	t.Helper()
	req, reqErr := dhcp4.Parse(request)
	p, err := dhcp4.Parse(out.Data)
	if reqErr != nil || err != nil {
		t.Fatalf("request read with error %v, answer with error %v", reqErr, err)
	}
	its := p.HType == dhcp4.HTypeEthernet && model.MACFromBytes(p.HardwareAddr()) == model.MAC(holder)
	switch {
	case p.YIAddr.IsUnspecified() || bootService && p.YIAddr == req.CIAddr:
	case bootService:
		t.Errorf("the boot service gives %s to a client with %s", p.YIAddr, req.CIAddr)
	case p.YIAddr == netip.MustParseAddr(holdersAddr) && !its:
		t.Errorf("%x is given the address in use", p.HardwareAddr())
	}
}

// checkHolder: nobody but its holder has the address that was in use.
func checkHolder(t *testing.T, table *lease.Table) {
	t.Helper()
	if l, _ := table.ByAddr(netip.MustParseAddr(holdersAddr)); l.MAC != model.MAC(holder) || l.State == policy.StateOffered {
		t.Errorf("the address in use is %+v", l)
	}
}
