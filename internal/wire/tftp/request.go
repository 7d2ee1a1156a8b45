package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// ErrTruncated means that a request's file name or mode does not end: nothing
// that a TFTP client sends, so there is nobody to answer.
var ErrTruncated = errors.New("not terminated by NUL")

// Modes of a request, compared without regard to case (RFC 1350 section 5).
// Old boot ROMs write "OCTET".
const (
	ModeOctet    = "octet"
	ModeNetascii = "netascii"
	ModeMail     = "mail"
)

// Request is a read or write request. Its strings are the client's: any
// octets but NUL.
type Request struct {
	Op      Opcode // OpRead or OpWrite
	Name    string // of the file; never empty after parsing
	Mode    string // as spelled; see IsMode
	Options Options
}

// IsMode reports whether the request is in that mode, in any case.
func (r Request) IsMode(mode string) bool { return strings.EqualFold(r.Mode, mode) }

// ParseRequest reads an RRQ or WRQ of at most MaxRequest octets. What follows
// the last complete option is ignored, as is everything from an option without
// a name on: boot ROMs pad their requests. An error wraps ErrTruncated if the
// packet is not worth an answer; any other means a client that errs.
func ParseRequest(b []byte) (Request, error) {
	op, ok := PeekOpcode(b)
	if !ok || op != OpRead && op != OpWrite {
		return Request{}, errors.New("parsing request: neither RRQ nor WRQ")
	}
	if len(b) > MaxRequest {
		return Request{}, fmt.Errorf("parsing %v: more than %d octets", op, MaxRequest)
	}
	name, rest, ok := strings.Cut(string(b[2:]), "\x00")
	if !ok {
		return Request{}, fmt.Errorf("parsing %v: file name %w", op, ErrTruncated)
	}
	mode, rest, ok := strings.Cut(rest, "\x00")
	if !ok {
		return Request{}, fmt.Errorf("parsing %v: mode %w", op, ErrTruncated)
	}
	if name == "" {
		return Request{}, fmt.Errorf("parsing %v: file name is empty", op)
	}
	opts, _ := parseOptions(rest)
	return Request{Op: op, Name: name, Mode: mode, Options: opts}, nil
}

// Append adds the request to b. It refuses what could not be read back: NUL
// inside a string, an empty name, more than MaxRequest octets.
func (r Request) Append(b []byte) ([]byte, error) {
	if r.Op != OpRead && r.Op != OpWrite {
		return b, fmt.Errorf("writing request: %v is not a request", r.Op)
	}
	if r.Name == "" || strings.Contains(r.Name+r.Mode, "\x00") {
		return b, fmt.Errorf("writing %v: file name %q, mode %q: empty, or with NUL", r.Op, r.Name, r.Mode)
	}
	out := binary.BigEndian.AppendUint16(b, uint16(r.Op))
	out = appendString(appendString(out, r.Name), r.Mode)
	out, err := appendOptions(out, r.Options)
	if err != nil {
		return b, fmt.Errorf("writing %v: %v", r.Op, err)
	}
	if n := len(out) - len(b); n > MaxRequest {
		return b, fmt.Errorf("writing %v: %d octets, at most %d are allowed", r.Op, n, MaxRequest)
	}
	return out, nil
}
