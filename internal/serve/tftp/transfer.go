package tftp

import (
	"iter"
	"log/slog"
	"slices"
	"time"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// How often a flight is sent before the transfer is given up.
const (
	// triesUnheard holds until the client's first valid ACK: the request may
	// be forged, and whoever really has that address gets no more than this.
	triesUnheard = 3
	// tries holds afterwards: 31 s with the doubling interval.
	tries = 6
)

// faultText is all that a client learns of a fault of this server.
const faultText = "server could not read the file"

// burst is what one step sends: packets end to end, all of one size but for
// the last, which may be shorter.
type burst struct {
	buf  []byte
	size int // octets of a packet
}

// reset forgets the packets and keeps the room.
func (b *burst) reset() { b.buf, b.size = b.buf[:0], 0 }

// one makes packet the only packet.
func (b *burst) one(packet []byte) {
	b.buf = append(b.buf[:0], packet...)
	b.size = len(b.buf)
}

// packets gives the packets in order; they alias the burst.
func (b *burst) packets() iter.Seq[[]byte] { return slices.Chunk(b.buf, max(b.size, 1)) }

// outcome is how a transfer ended.
type outcome struct {
	code  event.Code  // empty while it runs
	attrs []slog.Attr // what is particular to this end
}

// counts are what a transfer has done.
type counts struct {
	octets          int64 // acknowledged, or sent if the last ACK never came
	retransmissions int64 // packets sent again, OACK included
}

// transfer is the sending side of one read. It is a state machine without
// sockets: start, packet, repeat and tick are its inputs, each with the time
// and room for what is to be sent in answer; due says when a tick is wanted.
// It is not safe for concurrent use.
//
// A flight is what is unacknowledged: the OACK, or blocks base to next-1.
// Block numbers are counted from 1 without wrapping; on the wire 65535 is
// followed by 0, as all clients do it and no RFC says.
type transfer struct {
	terms   terms
	source  source
	oack    []byte // packet; empty: block 1 opens
	opening bool   // the OACK is the flight

	base, next int64 // first block of the flight, first after it
	sent       int64 // highest block sent so far
	last       int64 // number of the last block; 0 until it was read
	lastSize   int   // its octets

	heard    bool      // a valid ACK came: the client exists
	heardAt  time.Time // when the latest came
	sentAt   time.Time // when something was last sent
	againAt  time.Time // when blocks were last sent again
	clean    bool      // the flight was sent once, and never before
	tried    int       // how often the flight was sent
	hurried  bool      // the deadline was once brought forward for a gap
	deadline time.Time
	timer    timer
	done     outcome
	counts   counts
}

func newTransfer(t terms, s source) (*transfer, error) {
	tr := &transfer{terms: t, source: s, base: 1, next: 1, timer: newTimer(t.timeout)}
	if len(t.oack) == 0 {
		return tr, nil
	}
	oack, err := wire.AppendOAck(nil, t.oack)
	if err != nil {
		return nil, err
	}
	tr.oack, tr.opening = oack, true
	return tr, nil
}

// due is when tick must be called next.
func (t *transfer) due() time.Time { return t.deadline }

// ended gives the outcome; ok is false while the transfer runs.
func (t *transfer) ended() (o outcome, ok bool) { return t.done, t.done.code != "" }

// start sends the first flight: one packet.
func (t *transfer) start(now time.Time, out *burst) {
	t.tried = 0
	t.send(now, t.base, out)
}

// repeat takes the client's request once more. Until something was
// acknowledged our answer may have been lost, and it is given again; the
// clock of retransmission is left alone, so that repeated requests keep
// nothing alive.
func (t *transfer) repeat(now time.Time, out *burst) {
	if _, over := t.ended(); over || t.heard {
		return
	}
	due, tried := t.deadline, t.tried
	t.send(now, t.base, out)
	if _, over := t.ended(); !over {
		t.deadline, t.tried = due, tried
	}
}

// tick sends the flight again when it is overdue, or gives up.
func (t *transfer) tick(now time.Time, out *burst) {
	if _, over := t.ended(); over || now.Before(t.deadline) {
		return
	}
	switch {
	case t.tried < triesUnheard, t.heard && t.tried < tries:
		t.timer.backOff()
		t.send(now, t.base, out)
	case t.heard && t.last > 0 && t.next > t.last:
		// Everything was sent, and nobody answers: it was the last ACK that
		// was lost, and the client is gone (RFC 1123 section 4.2.3.1 leaves
		// the dallying to the client).
		t.counts.octets = t.octetsBefore(t.next)
		t.end(event.FileRead, slog.Bool("last_ack", false))
	default:
		t.end(event.FileStalled, slog.Int("tries", t.tried))
	}
}

// packet takes a datagram from the client. What a reader does not send is
// ignored.
func (t *transfer) packet(now time.Time, b []byte, out *burst) {
	if _, over := t.ended(); over {
		return
	}
	if block, err := wire.ParseAck(b); err == nil {
		t.ack(now, block, out)
	} else if code, text, err := wire.ParseError(b); err == nil {
		t.clientError(code, text)
	}
}

func (t *transfer) ack(now time.Time, block uint16, out *burst) {
	if t.opening {
		if block == 0 {
			t.opening = false
			t.advance(now, 0, out)
		}
		return
	}
	switch ahead := block - uint16(t.base-1); {
	case ahead == 0:
		t.gap(now)
	case int64(ahead) <= t.next-t.base:
		t.advance(now, t.base-1+int64(ahead), out)
	}
}

// advance takes the news that the client has every block up to n, and sends
// what follows it. An ACK from inside the flight means that the rest of it was
// lost, so all of that is sent again (RFC 7440 section 4); but not twice
// within a round trip, when the ACK can only be about blocks that were sent
// before: clients also send such ACKs for blocks that come double or late.
func (t *transfer) advance(now time.Time, n int64, out *burst) {
	if t.clean && n == t.next-1 {
		t.timer.sample(now.Sub(t.sentAt))
	}
	t.heard, t.heardAt = true, now
	t.base = n + 1
	t.counts.octets = t.octetsBefore(t.base)
	if t.last > 0 && n == t.last {
		t.end(event.FileRead)
		return
	}
	t.tried, t.hurried = 0, false
	from := t.base
	if now.Sub(t.againAt) < t.timer.shortest {
		from = t.next
	}
	t.send(now, from, out)
}

// gap takes a second ACK of the block before the flight. With windows it can
// mean that the first block of the flight was lost (RFC 7440 section 4), and
// with or without them that the network doubled an ACK. To answer the latter
// with blocks doubles every packet from then on (the Sorcerer's Apprentice,
// RFC 1123 section 4.2.3.1). So nothing is sent at once: the deadline is
// brought forward, once in a flight, to when the ACK of an intact one must
// have come.
func (t *transfer) gap(now time.Time) {
	if t.terms.window == 1 || t.hurried {
		return
	}
	if soon := now.Add(t.timer.gapWait()); soon.Before(t.deadline) {
		t.deadline, t.hurried = soon, true
	}
}

// send puts the flight into out: the OACK, or the blocks of the window that
// starts at base, without those before from.
func (t *transfer) send(now time.Time, from int64, out *burst) {
	t.clean = t.tried == 0 && from == t.base
	if t.opening {
		out.one(t.oack)
		if !t.sentAt.IsZero() {
			t.counts.retransmissions++
		}
	} else if err := t.blocks(now, from, out); err != nil {
		out.one(wire.AppendError(nil, wire.ErrorUndefined, faultText))
		t.end(event.FileFault, slog.String("error", err.Error()))
		return
	}
	t.tried++
	t.sentAt = now
	t.deadline = now.Add(t.timer.rto)
}

// blocks puts the window's blocks from that number on into out.
func (t *transfer) blocks(now time.Time, from int64, out *burst) error {
	out.reset()
	out.size = wire.HeaderSize + t.terms.blksize
	n := from
	for ; n < t.base+int64(t.terms.window) && (t.last == 0 || n <= t.last); n++ {
		out.buf = wire.AppendDataHeader(out.buf, uint16(n))
		body := len(out.buf)
		out.buf = slices.Grow(out.buf, t.terms.blksize)[:body+t.terms.blksize]
		got, err := t.source.block(n, out.buf[body:])
		if err != nil {
			return err
		}
		out.buf = out.buf[:body+got]
		if got < t.terms.blksize {
			t.last, t.lastSize = n, got
		}
		if n <= t.sent {
			t.counts.retransmissions++
			t.clean, t.againAt = false, now
		}
		t.sent = max(t.sent, n)
	}
	t.next = n
	return nil
}

// octetsBefore is how many octets the blocks before n hold.
func (t *transfer) octetsBefore(n int64) int64 {
	if t.last > 0 && n > t.last {
		return (t.last-1)*int64(t.terms.blksize) + int64(t.lastSize)
	}
	return (n - 1) * int64(t.terms.blksize)
}

// clientError ends the transfer without an answer: an ERROR is never
// acknowledged. Firmware that asks for the size breaks off in this way as
// soon as it has the OACK: EDK2 with code 8 ("User aborted the transfer") or
// 4 ("User aborted download"), Intel's BIOS ROM with 0 ("TFTP Aborted"). That
// is no failure.
func (t *transfer) clientError(code wire.ErrorCode, text string) {
	kind := event.FileAborted
	if t.opening && t.terms.tsize {
		switch code {
		case wire.ErrorOptions, wire.ErrorUndefined, wire.ErrorIllegal:
			kind = event.FileProbe
		}
	}
	t.end(kind, slog.Int("client_code", int(code)), slog.String("client_text", printable(text)))
}

func (t *transfer) end(code event.Code, attrs ...slog.Attr) {
	t.done = outcome{code: code, attrs: attrs}
}
