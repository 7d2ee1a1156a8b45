package tftp

import (
	"errors"
	"iter"
	"log/slog"
	"slices"
	"time"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// How long a client may be silent. Firmware says something again after 4 s
// (EDK2) or 5 s (U-Boot), some times over.
const (
	giveUp = 30 * time.Second
	// giveUpLast holds when all was sent: some clients never acknowledge the
	// last block.
	giveUpLast = 10 * time.Second
)

// contentPatience is how long content may take to come from a slow disk.
const contentPatience = 30 * time.Second

// faultText is all that a client learns of a fault of this server.
const faultText = "server could not read the file"

// errContentLate ends a read whose content did not come in time.
var errContentLate = errors.New("the file's content did not come within 30 s")

// burst is what one step sends: packets end to end, all of one size but for
// the last, which may be shorter.
type burst struct {
	buf   []byte
	size  int      // octets of a packet
	parts [][]byte // of buf, for blocks to be read into
	from  sourcer  // what a read that takes a step has its content from
}

// reset forgets the packets and keeps the room.
func (b *burst) reset() { b.buf, b.size = b.buf[:0], 0 }

// one makes packet the only packet.
func (b *burst) one(packet []byte) {
	b.buf = append(b.buf[:0], packet...)
	b.size = len(b.buf)
}

// room makes that many packets with the blocks' headers from number n on, and
// gives where their contents belong.
func (b *burst) room(n int64, count, blksize int) [][]byte {
	b.size = wire.HeaderSize + blksize
	b.buf = slices.Grow(b.buf[:0], count*b.size)[:count*b.size]
	b.parts = b.parts[:0]
	for i := range count {
		packet := b.buf[i*b.size : (i+1)*b.size]
		wire.AppendDataHeader(packet[:0], uint16(n+int64(i)))
		b.parts = append(b.parts, packet[wire.HeaderSize:])
	}
	return b.parts
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
	blocks          int64 // the same in blocks
	retransmissions int64 // packets sent again, OACK included
}

// transfer is the sending side of a read whose client was heard. A flight is
// what is unacknowledged: blocks base to next-1. Block numbers are counted
// from 1 without wrapping; on the wire 65535 is followed by 0, as all clients
// do it and no RFC says.
type transfer struct {
	blksize, window int
	source          source

	base, next int64 // first block of the flight, first after it
	sent       int64 // highest block sent so far
	last       int64 // number of the last block; 0 until it is known
	lastSize   int   // its octets

	sentAt   time.Time // when something was last sent
	heardAt  time.Time // when the latest valid ACK came
	sendErr  error     // the latest
	againAt  time.Time // when blocks were last sent again
	clean    bool      // the flight was sent once, and never before
	tried    int       // how often the flight was sent
	hurried  bool      // a gap in the flight was seen
	waits    bool      // for content
	waitFrom int64     // the block that content is wanted from
	deadline time.Time
	timer    timer
	done     outcome
	counts   counts
}

func newTransfer(t terms, s source) *transfer {
	tr := &transfer{blksize: int(t.blksize), window: int(t.window), source: s, base: 1, next: 1, timer: newTimer()}
	tr.last, tr.lastSize = s.last(tr.blksize)
	return tr
}

// due is when tick must be called next.
func (t *transfer) due() time.Time { return t.deadline }

// ended gives the outcome; ok is false while the transfer runs.
func (t *transfer) ended() (o outcome, ok bool) { return t.done, t.done.code != "" }

// tick sends the flight again when it is overdue, or gives up.
func (t *transfer) tick(now time.Time, out *burst) {
	if _, over := t.ended(); over || now.Before(t.deadline) {
		return
	}
	switch {
	case t.waits:
		t.fault(errContentLate, out)
	case t.tried < triesUnheard, now.Sub(t.heardAt) < t.patience():
		t.timer.backOff()
		t.send(now, t.base, out)
	case t.allSent():
		// Everything was sent, and nobody answers: it was the last ACK that
		// was lost, and the client is gone (RFC 1123 section 4.2.3.1 leaves
		// the dallying to the client).
		t.count(t.next)
		t.end(event.FileRead, slog.Bool("last_ack", false))
	default:
		t.end(event.FileStalled, slog.Int("tries", t.tried))
	}
}

func (t *transfer) allSent() bool { return t.last > 0 && t.next > t.last }

func (t *transfer) patience() time.Duration {
	if t.allSent() {
		return giveUpLast
	}
	return giveUp
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
		t.done = clientError(event.FileAborted, code, text)
	}
}

func (t *transfer) ack(now time.Time, block uint16, out *burst) {
	switch ahead := block - uint16(t.base-1); {
	case ahead == 0:
		t.gap(now, out)
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
	t.timer.relax()
	t.heardAt = now
	t.base = n + 1
	t.count(t.base)
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
// RFC 1123 section 4.2.3.1). The two are told apart by time: an ACK that
// answers the flight cannot come sooner than a round trip after it. One that
// comes sooner brings the deadline forward, to when the ACK of an intact
// flight must have come. Either happens once in a flight.
func (t *transfer) gap(now time.Time, out *burst) {
	if t.window == 1 || t.hurried || t.waits {
		return
	}
	t.hurried = true
	if t.timer.shortest > 0 && now.Sub(t.sentAt) >= t.timer.shortest && t.clean {
		t.send(now, t.base, out)
		return
	}
	if soon := now.Add(t.timer.gapWait()); soon.Before(t.deadline) {
		t.deadline = soon
	}
}

// resume goes on where content was missing.
func (t *transfer) resume(now time.Time, out *burst) {
	if _, over := t.ended(); over || !t.waits {
		return
	}
	t.send(now, t.waitFrom, out)
}

// send puts the flight into out: the blocks of the window that starts at base,
// without those before from.
func (t *transfer) send(now time.Time, from int64, out *burst) {
	t.clean = t.tried == 0 && from == t.base
	t.waits = false
	err := t.blocks(now, from, out)
	switch {
	case errors.Is(err, errNotYet):
		t.waits, t.waitFrom = true, from
		t.deadline = now.Add(contentPatience)
	case err != nil:
		t.fault(err, out)
	default:
		t.tried++
		t.sentAt = now
		t.deadline = now.Add(t.timer.rto)
	}
}

// blocks puts the window's blocks from that number on into out.
func (t *transfer) blocks(now time.Time, from int64, out *burst) error {
	end := t.base + int64(t.window)
	if t.last > 0 {
		end = min(end, t.last+1)
	}
	out.reset()
	if from >= end {
		t.next = max(t.next, end)
		return nil
	}
	got, err := t.source.read(from, out.room(from, int(end-from), t.blksize))
	if err != nil {
		out.reset()
		return err
	}
	if full := got / t.blksize; full < int(end-from) {
		t.last, t.lastSize = from+int64(full), got%t.blksize
		end = t.last + 1
		out.buf = out.buf[:full*out.size+wire.HeaderSize+t.lastSize]
	}
	if from <= t.sent {
		t.counts.retransmissions += min(t.sent+1, end) - from
		t.clean, t.againAt = false, now
	}
	t.sent = max(t.sent, end-1)
	t.next = end
	return nil
}

// count notes that the client has the blocks before n.
func (t *transfer) count(n int64) {
	t.counts.blocks = n - 1
	t.counts.octets = (n - 1) * int64(t.blksize)
	if t.last > 0 && n > t.last {
		t.counts.octets = (t.last-1)*int64(t.blksize) + int64(t.lastSize)
	}
}

func (t *transfer) fault(err error, out *burst) {
	out.one(wire.AppendError(nil, wire.ErrorUndefined, faultText))
	t.end(event.FileFault, slog.String("error", err.Error()))
}

func (t *transfer) end(code event.Code, attrs ...slog.Attr) {
	t.done = outcome{code: code, attrs: attrs}
}
