package tftp

import (
	"log/slog"
	"time"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// What may be sent to a client that has not been heard: whoever forges a
// request makes us send this to somebody else.
const (
	triesUnheard = 3 // packets, beyond one for each time the request is repeated
	// amplification is how many octets go out for each one that came in; the
	// first answer to a request always goes. Only one to a request without
	// options is larger: block 1, which RFC 1350 wants at once.
	amplification = 4
	// silentInterval times three is how long such a read is kept: the ACK of
	// block 1 may have been lost, and clients without options are patient.
	silentInterval = 8 * time.Second
)

// maxOAck holds every option that can be granted, with its largest value.
const maxOAck = 72

// opening is a read until the client's first valid ACK: no more than its
// answer and how often that was given. It is a state machine without sockets,
// as transfer is, and small, for it may be nobody's (at most 256 octets with
// its place in the server's tables).
type opening struct {
	due      instant
	in, out  uint16 // octets received and sent, 65535 at most
	sent     uint8  // packets, without those for repeated requests
	silent   uint8  // times that one was due and too much had been sent
	oackSize uint8  // 0: block 1 opens
	oack     [maxOAck]byte
}

// count adds octets to those received or sent.
func count(sum *uint16, octets int) { *sum = uint16(min(int(*sum)+octets, 1<<16-1)) }

// answer gives the OACK.
func (o *opening) answer() []byte { return o.oack[:o.oackSize] }

// interval is how long to wait after the nth packet: a second, and then twice
// as long each time; or, where no more may be sent, long enough for a client
// that has to say something again itself.
func (o *opening) interval(octets int) time.Duration {
	if o.sent < triesUnheard && !o.mayAgain(octets) {
		return silentInterval
	}
	return firstInterval << (o.sent - 1)
}

// over reports whether a client has been silent for too long.
func (o *opening) over() bool { return o.sent+o.silent >= triesUnheard }

// mayAgain reports whether the answer may be sent once more, unasked.
func (o *opening) mayAgain(octets int) bool {
	return o.sent < triesUnheard && int(o.out)+octets <= amplification*int(o.in)
}

// opens reports whether an ACK answers the opening.
func (o *opening) opens(block uint16) bool {
	if o.oackSize > 0 {
		return block == 0
	}
	return block == 1
}

// openingError is how a client's ERROR ends a read that has not begun. An
// ERROR is never acknowledged. Firmware that asks for the size breaks off in
// this way as soon as it has the OACK: EDK2 with code 8 ("User aborted the
// transfer") or 4 ("User aborted download"), Intel's BIOS ROM with 0 ("TFTP
// Aborted"). That is no failure.
func openingError(t terms, code wire.ErrorCode, text string) outcome {
	kind := event.FileAborted
	if t.tsize {
		switch code {
		case wire.ErrorOptions, wire.ErrorUndefined, wire.ErrorIllegal:
			kind = event.FileProbe
		}
	}
	return clientError(kind, code, text)
}

// clientError is an end by the client's ERROR.
func clientError(kind event.Code, code wire.ErrorCode, text string) outcome {
	return outcome{code: kind, attrs: []slog.Attr{
		slog.Int("client_code", int(code)), slog.String("client_text", printable(text)),
	}}
}
