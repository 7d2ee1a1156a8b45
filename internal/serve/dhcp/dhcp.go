// Package dhcp runs the DHCP service on port 67 and the boot service on port
// 4011: receive, parse, classify, decide, commit, build, send, tell. Each step
// is another package's; this one only joins them.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"hobnail/internal/boots"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
)

// Leases is where changes of addresses are made durable.
type Leases interface {
	policy.Leases
	Apply(policy.LeaseChange) error
}

// Server answers on any number of ports.
type Server struct {
	// View gives the snapshot to decide by; its Leases are those below.
	View   func() policy.View
	Leases Leases
	Boots  *boots.Memory
	Events event.Sink
	Clock  func() time.Time
	// Upstream remembers what is passed on to the site's DHCP servers, for
	// modes merge and auto; nil: nothing is. The View looks into the same.
	Upstream *upstream.Table
	// Interfaces lists those that are served.
	Interfaces func() []netio.Interface
	// Interface finds an interface by its index; ok is false for one that is
	// not ours to serve.
	Interface func(index int) (i netio.Interface, ok bool)

	// deciding covers look-up and commit, so that two requests that come at
	// once are never given one address.
	deciding sync.Mutex
}

// maxRequest is longer than any datagram a client sends: an Ethernet frame
// holds 1472 octets. A longer one is cut, which the parser refuses unless only
// padding was lost.
const maxRequest = 2048

// Serve answers the packets of one port until the context ends or the
// connection is closed, which is no error.
func (s *Server) Serve(ctx context.Context, conn netio.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	buf := make([]byte, maxRequest)
	for {
		p, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving on UDP port %d: %v", conn.Port(), err)
		}
		s.answer(conn, p)
	}
}

// answer takes one packet all the way.
func (s *Server) answer(conn netio.Conn, p netio.Packet) {
	now := s.Clock()
	in, ok := s.ingress(p)
	if !ok {
		return
	}
	req, err := dhcp4.Parse(p.Data)
	if err == nil && req.Op == dhcp4.OpReply && s.siteAnswer(conn, now, p, req) {
		return
	}
	if err != nil || req.Op != dhcp4.OpRequest {
		s.dropped(now, p, err)
		return
	}
	facts := classify.DHCP(req, in)
	decision, err := s.decide(now, &facts)
	if err != nil {
		s.emit(now, event.LeaseFault, &facts, slog.String("error", err.Error()))
		return
	}
	s.Boots.Heard(&facts, decision.Address)
	if s.passOn(conn, now, req, &facts, &decision) {
		return
	}
	if decision.Answer == policy.Ignore {
		s.tell(now, &facts, &decision, nil)
		return
	}
	out, err := reply.Build(req, &facts, &decision)
	s.send(conn, now, &facts, &decision, out, err)
}

// decide looks up, decides and commits in one piece. After an error nothing
// may be answered.
func (s *Server) decide(now time.Time, f *classify.Facts) (policy.Decision, error) {
	s.deciding.Lock()
	defer s.deciding.Unlock()
	d := s.View().Decide(now, f)
	return d, s.Leases.Apply(d.Change)
}

// ingress says where a packet came in. Our address there is the one that it
// was sent to; for a broadcast, the first of the interface.
func (s *Server) ingress(p netio.Packet) (classify.Ingress, bool) {
	i, ok := s.Interface(p.IfIndex)
	if !ok {
		return classify.Ingress{}, false
	}
	local := i.Local(p.Dst)
	return classify.Ingress{
		Interface: i.Name, IfIndex: i.Index, Local: local.Addr(), Prefix: local.Masked(),
		Dst: p.Dst, Src: p.Src, Port: p.Port,
	}, true
}

func (s *Server) dropped(now time.Time, p netio.Packet, err error) {
	why := "a server's packet, not a client's"
	if err != nil {
		why = err.Error()
	}
	s.Events.Emit(event.Event{Time: now, Code: event.DHCPDropped, Client: p.Src,
		Attrs: []slog.Attr{slog.String("why", why), slog.Int("octets", len(p.Data))}})
}

func (s *Server) emit(now time.Time, code event.Code, f *classify.Facts, attrs ...slog.Attr) {
	s.Events.Emit(event.Event{Time: now, Code: code, MAC: f.MAC, Client: f.Ingress.Src, Attrs: attrs})
}

// tell publishes what was decided: one event for the answer, and one more
// where a person has something to do.
func (s *Server) tell(now time.Time, f *classify.Facts, d *policy.Decision, out *reply.Reply) {
	s.emit(now, codeOf(f, d), f, attrsOf(f, d, out)...)
	switch {
	case d.Missing != nil:
		s.emit(now, event.NBPMissing, f, slog.String("arch", string(d.Missing.Arch)), slog.String("missing", d.Missing.String()))
	case d.PoolFull:
		s.emit(now, event.PoolEmpty, f, slog.String("subnet", d.Subnet.CIDR.String()))
	}
}

func codeOf(f *classify.Facts, d *policy.Decision) event.Code {
	switch {
	case d.Change.Kind == policy.PutAside || d.Change.Kind == policy.Free && f.Message == dhcp4.Decline:
		return event.DHCPDeclined
	case d.Change.Kind == policy.Free && f.Message == dhcp4.Release:
		return event.DHCPReleased
	case d.Answer == policy.Offer:
		return event.DHCPOffer
	case d.Answer == policy.Nak:
		return event.DHCPNak
	case d.Answer == policy.Ack && f.Ingress.Port != 67:
		return event.PXEAck
	case d.Answer == policy.Ack:
		return event.DHCPAck
	}
	return event.DHCPIgnored
}

// attrsOf gives the facts that an administrator looks for in a log line, and
// the reasons for whoever wants them.
func attrsOf(f *classify.Facts, d *policy.Decision, out *reply.Reply) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("message", f.Message.String()),
		slog.String("if", f.Ingress.Interface),
		slog.String("xid", fmt.Sprintf("%08x", f.Xid)),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("relay", addrText(f.Relay))
	add("arch", string(f.Arch))
	add("stage", stageText(f))
	add("mode", string(d.Mode))
	add("address", addrText(d.Address))
	add("target", d.Target)
	if d.Boot != nil {
		add("boot", d.Boot.File)
	}
	if out != nil {
		add("to", out.To.Kind()+" "+out.To.Addr.String())
	}
	return append(attrs, slog.Any("reasons", d.Reasons))
}

func stageText(f *classify.Facts) string {
	if !f.Boots() {
		return ""
	}
	return string(f.Stage)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}
