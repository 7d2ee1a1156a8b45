package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Names of the options that RFCs define for reading. They are compared
// without regard to case (RFC 2347).
const (
	OptionBlksize    = "blksize"    // octets in a block, 8 to 65464
	OptionTimeout    = "timeout"    // seconds before retransmission, 1 to 255
	OptionTsize      = "tsize"      // octets in the file; 0 in a read request
	OptionWindowsize = "windowsize" // blocks before an ACK, 1 to 65535
)

// Option is one option of a request or an OACK, as spelled on the wire.
type Option struct {
	Name  string
	Value string
}

// Options are options in wire order. A name may occur twice.
type Options []Option

// Get gives the value of the first option of that name, in any case.
func (o Options) Get(name string) (value string, ok bool) {
	for _, opt := range o {
		if strings.EqualFold(opt.Name, name) {
			return opt.Value, true
		}
	}
	return "", false
}

// ParseOAck reads an OACK. It is strict: every option complete, named, and
// nothing after the last.
func ParseOAck(b []byte) (Options, error) {
	if op, ok := PeekOpcode(b); !ok || op != OpOAck {
		return nil, errors.New("parsing OACK: another packet, or none")
	}
	if len(b) > MaxRequest {
		return nil, fmt.Errorf("parsing OACK: %d octets, at most %d are allowed", len(b), MaxRequest)
	}
	opts, rest := parseOptions(string(b[2:]))
	if rest != "" {
		return nil, fmt.Errorf("parsing OACK: option %d is incomplete", len(opts)+1)
	}
	return opts, nil
}

// AppendOAck adds an OACK to b.
func AppendOAck(b []byte, opts Options) ([]byte, error) {
	out := binary.BigEndian.AppendUint16(b, uint16(OpOAck))
	out, err := appendOptions(out, opts)
	if err != nil {
		return b, fmt.Errorf("writing OACK: %v", err)
	}
	return out, nil
}

// parseOptions takes complete options with a name off the front of s and
// gives what follows them.
func parseOptions(s string) (opts Options, rest string) {
	for {
		name, after, ok := strings.Cut(s, "\x00")
		if !ok || name == "" {
			return opts, s
		}
		value, after, ok := strings.Cut(after, "\x00")
		if !ok {
			return opts, s
		}
		opts = append(opts, Option{Name: name, Value: value})
		s = after
	}
}

func appendOptions(b []byte, opts Options) ([]byte, error) {
	for _, o := range opts {
		if o.Name == "" {
			return b, errors.New("an option has no name")
		}
		if strings.Contains(o.Name, "\x00") || strings.Contains(o.Value, "\x00") {
			return b, fmt.Errorf("option %q contains NUL", o.Name)
		}
		b = appendString(b, o.Name)
		b = appendString(b, o.Value)
	}
	return b, nil
}

func appendString(b []byte, s string) []byte { return append(append(b, s...), 0) }
