// Package dhcp runs the DHCP service on port 67 and the boot service on port
// 4011: receive, parse, classify, decide, commit, build, send, tell. Each step
// is another package's; this one only joins them.
package dhcp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"hobnail/internal/boots"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
)

// Leases is where changes of addresses are made durable. Stage carries a change
// out. If it gives a ticket, Commit must have succeeded before anybody is told:
// all that was staged from a ticket on is then on disk.
type Leases interface {
	policy.Leases
	Stage(policy.LeaseChange) (ticket uint64, err error)
	Commit(from uint64) error
}

// Recorder is told what is heard and what is answered. Its methods must not
// wait and keep nothing of their arguments.
type Recorder interface {
	// Heard is told of each client's request.
	Heard(now time.Time, f *classify.Facts)
	// Answered is told what was decided, and the octets that went out: none
	// where nothing did.
	Answered(now time.Time, f *classify.Facts, d *policy.Decision, sent []byte)
	// Failed is told of an answer that never left, and why.
	Failed(now time.Time, f *classify.Facts, why string, err error)
}

// Server answers on any number of ports.
type Server struct {
	// View gives the snapshot to decide by; its Leases are those below.
	View   func() policy.View
	Leases Leases
	Boots  *boots.Memory
	Events event.Sink
	Record Recorder // nil: nobody wants to know
	Clock  func() time.Time
	// Upstream remembers what is passed on to the site's DHCP servers, for
	// modes merge and auto; nil: nothing is. The View looks into the same.
	Upstream *upstream.Table
	// Interfaces lists those that are served.
	Interfaces func() []netio.Interface
	// Interface finds an interface by its index; ok is false for one that is
	// not ours to serve.
	Interface func(index int) (i netio.Interface, ok bool)

	// Offered is told of each address that is offered anew; it must not wait.
	// nil: nobody wants to know.
	Offered func(netip.Addr)

	works sync.Pool // of *work

	// deciding covers look-up and staging, so that two requests that come at
	// once are never given one address.
	deciding sync.Mutex

	short shortage

	delayed atomic.Int32 // offers that wait for their time
}

// Serve answers the packets of one port until the context ends or the
// connection is closed, which is no error. Decisions are taken here, batch by
// batch; what must be on disk before it leaves is settled beside it, so that a
// slow disk holds up acknowledgements and nothing else.
func (s *Server) Serve(ctx context.Context, conn netio.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	settler := newSettler(s, conn)
	defer settler.stop()
	q := newQueue(queueDepth)
	for {
		dropped, err := q.fill(conn)
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving on UDP port %d: %v", conn.Port(), err)
		}
		if dropped > 0 {
			s.Events.Emit(event.Event{Time: s.Clock(), Code: event.DHCPOverload, Attrs: []slog.Attr{slog.Int("dropped", dropped)}})
		}
		settler.hold(s.Take(conn, q.next()))
	}
}

// Held is an answer that may leave only when its lease is on disk.
type Held struct{ *work }

// work is one packet on its way: what it says, what was decided, what goes
// out. Its memory is used again for another packet once that has left.
type work struct {
	octets   []byte // of the request
	request  dhcp4.Packet
	facts    classify.Facts
	decision policy.Decision
	reply    reply.Reply
	answers  bool   // there is a reply
	ticket   uint64 // of its change of a lease; 0: it waits for none

	details func() []slog.Attr // of the event that tells of it
}

func (w *work) datagram() netio.Datagram {
	to := w.reply.To
	return netio.Datagram{Data: w.reply.Bytes, Outgoing: netio.Outgoing{
		To: to.Addr, From: to.From.Addr(), IfIndex: to.IfIndex, HW: to.HW,
	}}
}

func (s *Server) work() *work {
	if w, ok := s.works.Get().(*work); ok {
		w.answers, w.ticket = false, 0
		return w
	}
	w := new(work)
	w.details = func() []slog.Attr { return attrsOf(w) }
	return w
}

// Take decides a batch of packets and sends all answers but those that it
// returns, which wait for Settle.
func (s *Server) Take(conn netio.Conn, batch []netio.Packet) (held []Held) {
	now := s.Clock()
	free := make([]*work, 0, len(batch))
	for _, p := range batch {
		w := s.work()
		ok := s.answer(conn, w, now, p)
		switch {
		case !ok:
			s.works.Put(w)
		case w.ticket > 0:
			held = append(held, Held{w})
		case s.delay(conn, w):
		default:
			free = append(free, w)
		}
	}
	s.send(now, conn, free)
	return held
}

// maxDelayed is how many offers may wait for their time; more go out at once.
const maxDelayed = 4096

// delay puts off an offer that is to come later, and reports whether it does.
func (s *Server) delay(conn netio.Conn, w *work) bool {
	if w.decision.Delay == 0 || !w.answers {
		return false
	}
	if s.delayed.Add(1) > maxDelayed {
		s.delayed.Add(-1)
		return false
	}
	time.AfterFunc(w.decision.Delay, func() {
		s.delayed.Add(-1)
		s.send(s.Clock(), conn, []*work{w})
	})
	return true
}

// Settle makes the leases of answers, which are in the order in which they were
// taken, durable and then sends them. If that fails none of them leaves: a
// client may only be told what is on disk.
func (s *Server) Settle(conn netio.Conn, held []Held) {
	if len(held) == 0 {
		return
	}
	err := s.Leases.Commit(held[0].ticket)
	now := s.Clock()
	all := make([]*work, len(held))
	for i, h := range held {
		all[i] = h.work
		if err != nil {
			s.failed(now, event.LeaseFault, &h.facts, err)
		}
	}
	if err == nil {
		s.send(now, conn, all)
	}
}

// send sends answers, and tells of each what became of it.
func (s *Server) send(now time.Time, conn netio.Conn, all []*work) {
	if len(all) == 0 {
		return
	}
	out := make([]netio.Datagram, 0, len(all))
	for _, w := range all {
		if w.answers {
			out = append(out, w.datagram())
		}
	}
	failed := conn.WriteBatch(out)
	sent := 0
	for _, w := range all {
		if w.answers {
			sent++
		}
		if w.answers && failed != nil && failed[sent-1] != nil {
			s.failed(now, event.DHCPSendFail, &w.facts, failed[sent-1])
		} else {
			s.tell(now, w)
		}
		s.works.Put(w)
	}
}

// answer takes one packet from octets to the octets of its answer, and reports
// false where there is nothing more to do. With a ticket the answer waits for
// the disk.
func (s *Server) answer(conn netio.Conn, w *work, now time.Time, p netio.Packet) bool {
	in, ok := s.ingress(p)
	if !ok {
		return false
	}
	req := &w.request
	w.octets = append(w.octets[:0], p.Data...)
	err := req.ParseKeeping(w.octets)
	if err == nil && req.Op == dhcp4.OpReply && s.siteAnswer(conn, now, p, req) {
		return false
	}
	if err != nil || req.Op != dhcp4.OpRequest {
		s.dropped(now, p, err)
		return false
	}
	w.facts = classify.DHCP(req, in)
	if s.Record != nil {
		s.Record.Heard(now, &w.facts)
	}
	if err := s.decide(w, now); err != nil {
		s.failed(now, event.LeaseFault, &w.facts, err)
		return false
	}
	if w.facts.Boots() {
		remembered := w.facts
		s.Boots.Heard(&remembered, w.decision.Address)
	}
	if s.passOn(conn, now, w) {
		return false
	}
	if w.decision.Answer == policy.Ignore {
		return true
	}
	if err := w.reply.Make(req, &w.facts, &w.decision); err != nil {
		s.failed(now, event.DHCPSendFail, &w.facts, err)
		return false
	}
	w.answers = true
	return true
}

// decide looks up, decides and stages in one piece. After an error nothing may
// be answered.
func (s *Server) decide(w *work, now time.Time) (err error) {
	s.deciding.Lock()
	defer s.deciding.Unlock()
	s.View().DecideInto(&w.decision, now, &w.facts)
	if w.decision.Change.Kind == policy.Hold && s.Offered != nil {
		s.Offered(w.decision.Address)
	}
	w.ticket, err = s.Leases.Stage(w.decision.Change)
	return err
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
	const notOurs = "a server's packet, not a client's"
	why, reason := notOurs, notOurs
	if fault := new(dhcp4.ParseError); errors.As(err, &fault) {
		why, reason = err.Error(), fault.Reason
	}
	s.Events.Emit(event.Event{Time: now, Code: event.DHCPDropped, Client: p.Src,
		Attrs: []slog.Attr{slog.String("why", why), slog.String("reason", reason), slog.Int("octets", len(p.Data))}})
}

func (s *Server) emit(now time.Time, code event.Code, f *classify.Facts, attrs ...slog.Attr) {
	s.Events.Emit(event.Event{Time: now, Code: code, MAC: f.MAC, Client: f.Ingress.Src, Attrs: attrs})
}

// failed tells of an answer that never left.
func (s *Server) failed(now time.Time, code event.Code, f *classify.Facts, err error) {
	s.emit(now, code, f, slog.String("error", err.Error()))
	if s.Record != nil {
		s.Record.Failed(now, f, string(code), err)
	}
}

// tell publishes what was decided: one event for the answer, and one more
// where a person has something to do.
func (s *Server) tell(now time.Time, w *work) {
	f, d := &w.facts, &w.decision
	if s.Record != nil {
		var sent []byte
		if w.answers {
			sent = w.reply.Bytes
		}
		s.Record.Answered(now, f, d, sent)
	}
	s.Events.Emit(event.Event{Time: now, Code: codeOf(f, d), MAC: f.MAC, Client: f.Ingress.Src,
		Message: f.Message.String(), More: w.details})
	switch {
	case d.Missing != nil:
		s.emit(now, event.NBPMissing, f, slog.String("arch", string(d.Missing.Arch)), slog.String("missing", d.Missing.String()))
	case d.PoolFull:
		s.emit(now, event.PoolEmpty, f, slog.String("subnet", d.Subnet.CIDR.String()))
	case d.CircuitFull != "":
		s.emit(now, event.CircuitFull, f, slog.String("circuit", d.CircuitFull))
	case d.Change.Kind == policy.Hold || d.Change.Kind == policy.Bind:
		s.shortageOf(now, d.Subnet)
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
func attrsOf(w *work) []slog.Attr {
	f, d := &w.facts, &w.decision
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
	add("circuit", octetsText(f.CircuitID))
	add("arch", string(f.Arch))
	add("stage", stageText(f))
	add("mode", string(d.Mode))
	add("address", addrText(d.Address))
	add("target", d.Target)
	if d.Boot != nil {
		add("boot", d.Boot.File)
	}
	if d.Style != model.StyleBypass {
		add("offer", string(d.Style))
	}
	if w.answers {
		add("to", w.reply.To.Kind()+" "+w.reply.To.Addr.String())
	}
	return append(attrs, slog.Any("reasons", d.Reasons()))
}

func stageText(f *classify.Facts) string {
	if !f.Boots() {
		return ""
	}
	return string(f.Stage)
}

// octetsText shows octets as the configuration writes them.
func octetsText(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return "0x" + hex.EncodeToString([]byte(s))
	}
	return s
}

func addrText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}
