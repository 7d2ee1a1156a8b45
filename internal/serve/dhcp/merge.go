package dhcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
)

// askAgain says how long after the first a DISCOVER is passed on once more. ISC
// dhcpd drops a second DISCOVER of a machine while it listens, for a second or
// a little longer, whether the address is in use; the first was the machine's
// own broadcast, which it answers without us. The last is in time for EDK2,
// which collects offers for four seconds.
func askAgain() []time.Duration {
	return []time.Duration{1200 * time.Millisecond, 2500 * time.Millisecond}
}

const (
	// probeEvery is how often the site's servers are asked where none is
	// known to answer.
	probeEvery = time.Minute
)

// passOn deals with a decision that is not answered by us alone, and reports
// whether it was one.
func (s *Server) passOn(conn netio.Conn, now time.Time, w *work) bool {
	f, d := &w.facts, &w.decision
	if s.Upstream == nil {
		return false
	}
	if d.Taken.IsValid() {
		s.Upstream.Heard(d.Place, d.Taken)
	}
	if d.Answer != policy.Forward {
		return false
	}
	e := &upstream.Exchange{Request: clone(&w.request), Facts: *f, Decision: d.Clone()}
	s.Upstream.Ask(now, e)
	if !s.forward(conn, now, e) {
		return true
	}
	s.emit(now, event.DHCPForwarded, f, attrsOf(w)...)
	if f.Message != dhcp4.Discover {
		return true
	}
	if d.Passing.Patience == 0 {
		s.insteadOf(conn, now, e)
	}
	s.waitFor(conn, e)
	return true
}

// forward sends a request to the site's servers. Where there is no way to one
// of them, the others may do.
func (s *Server) forward(conn netio.Conn, now time.Time, e *upstream.Exchange) bool {
	all, err := reply.Forward(e.Request, &e.Facts, &e.Decision)
	sent := false
	for _, out := range all {
		if werr := s.write(conn, &out); werr != nil {
			err = werr
			continue
		}
		sent = true
	}
	if !sent && err != nil && !errors.Is(err, net.ErrClosed) { // closed: asked again while the server stops
		s.failed(now, event.DHCPSendFail, &e.Facts, err)
	}
	return sent
}

// waitFor asks again while nobody answers, and after policy.Patience says so and
// makes the machine a proxy's offer.
func (s *Server) waitFor(conn netio.Conn, e *upstream.Exchange) {
	for _, after := range askAgain() {
		time.AfterFunc(after, func() {
			if s.Upstream.Waits(e) {
				s.forward(conn, s.Clock(), e)
			}
		})
	}
	time.AfterFunc(policy.Patience, func() {
		now := s.Clock()
		switch before, after := s.Upstream.Missed(e); {
		case before == after:
		case before == policy.SiteAnswers:
			s.tellSite(now, event.UpstreamLost, e, netip.Addr{})
		default:
			s.tellSite(now, event.UpstreamSilent, e, netip.Addr{})
		}
		if s.Upstream.Waits(e) && !e.Probe && e.Decision.Passing.Patience > 0 {
			s.insteadOf(conn, now, e)
		}
	})
}

// insteadOf makes a proxy's offer in the place of the site's server's.
func (s *Server) insteadOf(conn netio.Conn, now time.Time, e *upstream.Exchange) {
	w := s.work()
	w.facts, w.decision = e.Facts, s.View().Unanswered(&e.Facts)
	var err error
	if w.decision.Answer != policy.Ignore {
		err = w.reply.Make(e.Request, &w.facts, &w.decision)
	}
	s.hand(conn, now, w, err)
}

// siteAnswer takes what a DHCP server of the site has sent to us as to a relay
// agent, completes it, and hands it to the machine. It reports false for a
// packet that answers nothing.
func (s *Server) siteAnswer(conn netio.Conn, now time.Time, p netio.Packet, m *dhcp4.Packet) bool {
	if s.Upstream == nil || p.Port != dhcp4.ServerPort || p.Dst != m.GIAddr {
		return false
	}
	e, found := s.Upstream.Answer(now, m, p.Src.Addr())
	if e == nil {
		return false
	}
	if found {
		s.tellSite(now, event.UpstreamFound, e, p.Src.Addr())
	}
	if e.Probe {
		return true
	}
	w := s.work()
	w.facts, w.decision = e.Facts, policy.Merged(e.Decision, m)
	remembered := w.facts
	s.Boots.Heard(&remembered, w.decision.Address)
	var err error
	if w.decision.Answer != policy.Ignore {
		err = w.reply.Merge(m, e.Request, &w.facts, &w.decision)
	}
	s.hand(conn, now, w, err)
	return true
}

// hand sends one answer and tells of it, or of what made it impossible.
func (s *Server) hand(conn netio.Conn, now time.Time, w *work, err error) {
	if err != nil {
		s.failed(now, event.DHCPSendFail, &w.facts, err)
		return
	}
	w.answers = w.decision.Answer != policy.Ignore
	if !s.delay(conn, w) {
		s.send(now, conn, []*work{w})
	}
}

func (s *Server) write(conn netio.Conn, out *reply.Reply) error {
	return conn.Write(out.Bytes, netio.Outgoing{
		To: out.To.Addr, From: out.To.From.Addr(), IfIndex: out.To.IfIndex, HW: out.To.HW,
	})
}

// tellSite says what a place's machines get from now on.
func (s *Server) tellSite(now time.Time, code event.Code, e *upstream.Exchange, server netip.Addr) {
	attrs := []slog.Attr{slog.String("place", e.Decision.Place.String()), slog.String("if", e.Facts.Ingress.Interface)}
	mode := "proxy"
	if server.IsValid() {
		mode = "merge"
		attrs = append(attrs, slog.String("server", server.String()))
	}
	s.Events.Emit(event.Event{Time: now, Code: code, Attrs: append(attrs, slog.String("mode", mode))})
}

// Probe asks the site's DHCP servers, now and from time to time, whether they
// answer what is passed on to them, wherever that is not known. It returns
// when the context ends.
func (s *Server) Probe(ctx context.Context, conn netio.Conn) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		for _, in := range s.probePlaces() {
			s.probe(conn, s.Clock(), in)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// probePlaces lists where a machine's request could come from: every network
// of every interface.
func (s *Server) probePlaces() []classify.Ingress {
	var all []classify.Ingress
	for _, i := range s.Interfaces() {
		for _, p := range i.Prefixes {
			all = append(all, classify.Ingress{
				Interface: i.Name, IfIndex: i.Index, Local: p.Addr(), Prefix: p.Masked(),
				Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}),
				Src: netip.AddrPortFrom(netip.IPv4Unspecified(), dhcp4.ClientPort), Port: dhcp4.ServerPort,
			})
		}
	}
	return all
}

func (s *Server) probe(conn netio.Conn, now time.Time, in classify.Ingress) {
	req := probePacket(now, in.Local)
	f := classify.DHCP(req, in)
	d := s.View().Probe(&f)
	if d.Answer != policy.Forward || s.Upstream.State(d.Place) == policy.SiteAnswers {
		return
	}
	e := &upstream.Exchange{Request: req, Facts: f, Decision: d, Probe: true}
	s.Upstream.Ask(now, e)
	if s.forward(conn, now, e) {
		s.waitFor(conn, e)
	}
}

// probePacket is a DISCOVER of a machine that does not exist and never takes
// what it is offered. It says that it boots, for servers that answer no others.
func probePacket(now time.Time, local netip.Addr) *dhcp4.Packet {
	a := local.As4()
	zero := netip.IPv4Unspecified()
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Xid: binary.BigEndian.Uint32(a[:]) ^ uint32(now.UnixNano()),
		Flags: dhcp4.FlagBroadcast, CIAddr: zero, YIAddr: zero, SIAddr: zero, GIAddr: zero,
	}
	copy(p.CHAddr[:], model.ProbeMAC(local).Bytes())
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	p.Options.Add(dhcp4.OptParameterList, []byte{byte(dhcp4.OptSubnetMask), byte(dhcp4.OptRouter), byte(dhcp4.OptDNS)})
	p.Options.AddUint16(dhcp4.OptMaxMessageSize, 1472)
	p.Options.AddString(dhcp4.OptVendorClass, "PXEClient:Arch:00007:UNDI:003016")
	p.Options.AddUint16(dhcp4.OptArch, 7)
	return p
}

// clone copies a packet out of the buffer that it was received in.
func clone(p *dhcp4.Packet) *dhcp4.Packet {
	c := *p
	c.Options = slices.Clone(p.Options)
	for i := range c.Options {
		c.Options[i].Data = bytes.Clone(c.Options[i].Data)
	}
	return &c
}
