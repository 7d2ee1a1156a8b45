package tftp

import (
	"errors"
	"log/slog"
	"time"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// read is one read from the first packet to the last: an opening, and from
// the client's first valid ACK on a transfer. It is a state machine without
// sockets: start, packet, repeat, resume and tick are its inputs, each with
// the time and room for what is to be sent in answer; due says when a tick is
// wanted. It is not safe for concurrent use.
type read struct {
	opening
	waits    bool  // for the content of block 1
	again    uint8 // how often the request was repeated and answered
	terms    terms
	transfer *transfer // nil until the client was heard
	done     *outcome
}

// sourcer makes the source of a transfer.
type sourcer interface {
	source(t terms) source
}

// newRead starts from what was agreed and from a request of that many octets.
func newRead(a agreement, octets int) (read, error) {
	r := read{terms: a.terms}
	count(&r.in, octets)
	if len(a.oack) == 0 {
		return r, nil
	}
	b, err := wire.AppendOAck(r.oack[:0], a.oack)
	r.oackSize = uint8(len(b))
	if err == nil && len(b) > maxOAck {
		err = errors.New("the OACK is too long")
	}
	return r, err
}

// start sends the first packet.
func (r *read) start(now time.Time, out *burst) {
	r.first(now, out)
	if r.done == nil && !r.waits {
		r.sent = 1
		r.due = at(now.Add(r.interval(len(out.buf))))
	}
}

// answered is how many octets an answer has, about: what was sent, over how
// often.
func (r *read) answered() int {
	return max(int(r.oackSize), int(r.out)/max(1, int(r.sent)+int(r.again)))
}

// first puts the answer to the request into out.
func (r *read) first(now time.Time, out *burst) {
	out.reset()
	if r.oackSize > 0 {
		out.one(r.answer())
	} else {
		t := newTransfer(r.terms, out.from.source(r.terms))
		err := t.blocks(now, 1, out)
		if r.waits = errors.Is(err, errNotYet); r.waits {
			r.due = at(now.Add(contentPatience))
		} else if err != nil {
			r.fault(err, out)
			return
		}
	}
	count(&r.out, len(out.buf))
}

// repeat takes the client's request once more. Until something was
// acknowledged our answer may have been lost, and it is given again; the clock
// of retransmission is left alone, so that repeated requests keep nothing
// alive.
func (r *read) repeat(now time.Time, octets int, out *burst) {
	if r.done != nil || r.transfer != nil || r.waits {
		return
	}
	count(&r.in, octets)
	r.again += min(1, 255-r.again)
	due := r.due
	if r.first(now, out); !r.waits {
		r.due = due
	}
}

// resume is called when content that was waited for is there.
func (r *read) resume(now time.Time, out *burst) {
	switch {
	case r.done != nil:
	case r.transfer != nil:
		r.transfer.resume(now, out)
		r.look()
	case r.waits:
		r.waits = false
		r.start(now, out)
	}
}

// tick sends again what is overdue, or gives up.
func (r *read) tick(now time.Time, out *burst) {
	switch {
	case r.done != nil:
	case r.transfer != nil:
		r.transfer.tick(now, out)
		r.look()
	case now.Before(r.due.time()):
	case r.waits:
		r.fault(errContentLate, out)
	case !r.over() && r.mayAgain(r.answered()):
		if r.first(now, out); !r.waits && r.done == nil {
			r.sent++
			r.due = at(now.Add(r.interval(r.answered())))
		}
	case !r.over():
		r.silent++
		r.due = at(now.Add(silentInterval))
	default:
		r.done = &outcome{code: event.FileStalled, attrs: []slog.Attr{slog.Int("tries", int(r.sent))}}
	}
}

// packet takes a datagram from the client. What a reader does not send is
// ignored.
func (r *read) packet(now time.Time, b []byte, out *burst) {
	if r.done != nil {
		return
	}
	if r.transfer != nil {
		r.transfer.packet(now, b, out)
		r.look()
		return
	}
	if block, err := wire.ParseAck(b); err == nil {
		r.ack(now, block, out)
	} else if code, text, err := wire.ParseError(b); err == nil {
		done := openingError(r.terms, code, text)
		r.done = &done
	}
}

// ack takes an ACK.
func (r *read) ack(now time.Time, block uint16, out *burst) {
	switch {
	case r.done != nil:
	case r.transfer != nil:
		r.transfer.ack(now, block, out)
		r.look()
	case r.opens(block) && r.sent > 0:
		r.begin(now, int64(block), out)
	}
}

// begin makes the transfer: the client exists.
func (r *read) begin(now time.Time, block int64, out *burst) {
	t := newTransfer(r.terms, out.from.source(r.terms))
	t.counts = r.counts()
	if block == 1 {
		// The source has to have seen block 1, which was read for the opening.
		if err := t.blocks(now, 1, out); errors.Is(err, errNotYet) {
			return // the client will acknowledge again
		} else if err != nil {
			r.fault(err, out)
			return
		}
		out.reset()
	}
	if r.sent == 1 && r.silent == 0 && r.again == 0 {
		t.timer.sample(now.Sub(r.due.time().Add(-r.interval(r.answered()))))
	}
	r.transfer = t
	t.advance(now, block, out)
	r.look()
}

// look takes over the transfer's outcome.
func (r *read) look() {
	if _, over := r.transfer.ended(); over {
		done := r.transfer.done // not the above, which would be allocated each time
		r.done = &done
	}
}

// fault ends a read that cannot go on.
func (r *read) fault(err error, out *burst) {
	out.one(wire.AppendError(nil, wire.ErrorUndefined, faultText))
	r.done = &outcome{code: event.FileFault, attrs: []slog.Attr{slog.String("error", err.Error())}}
}

// next is when tick must be called next.
func (r *read) next() time.Time {
	if r.transfer != nil {
		return r.transfer.due()
	}
	return r.due.time()
}

// ended gives the outcome; ok is false while the read runs.
func (r *read) ended() (o outcome, ok bool) {
	if r.done == nil {
		return outcome{}, false
	}
	return *r.done, true
}

// counts are what the read has done.
func (r *read) counts() counts {
	if r.transfer != nil {
		return r.transfer.counts
	}
	return counts{retransmissions: max(0, int64(r.sent)-1) + int64(r.again)}
}
