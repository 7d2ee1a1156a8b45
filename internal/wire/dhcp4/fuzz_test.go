package dhcp4

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/wiretest"
)

// FuzzParse checks, for whatever Parse accepts and Append can lay out, that
// one round trip reaches a form that the next does not change, and that another
// decoder, where it accepts the packet too, reads the same in it; and that
// reading it costs little, whatever it is.
func FuzzParse(f *testing.F) {
	for _, c := range captures(f) {
		f.Add(c.Payload)
	}
	for _, c := range wiretest.Corpus(f, "dhcp4") {
		if len(c.Payload) <= wiretest.MaxSeed {
			f.Add(c.Payload)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > wiretest.MaxSeed {
			return
		}
		var p *Packet
		var err error
		wiretest.Bounded(t, func(m *wiretest.Meter) { m.Measure(func() { p, err = Parse(b) }) })
		if err != nil {
			var fault *ParseError
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(b) {
				t.Fatalf("error %v is no *ParseError within %d octets", err, len(b))
			}
			return
		}
		checkStable(t, p)
		checkReaders(p)
		compare(t, b)
	})
}

// checkStable encodes p, decodes that, and encodes again. Two fields tell how
// the datagram came and are not written: Overload and MissingEnd. Packets
// whose sname or file lack a NUL cannot be written at all.
func checkStable(t *testing.T, p *Packet) {
	first, err := p.Append(nil)
	if err != nil {
		if len(p.SName) > 63 || len(p.File) > 127 {
			return
		}
		t.Fatalf("parsed but not encoded: %v", err)
	}
	again, err := Parse(first)
	if err != nil {
		t.Fatalf("encoded but not parsed: %v\n%x", err, first)
	}
	want := *p
	want.Overload, want.MissingEnd = 0, false
	if !reflect.DeepEqual(&want, again) { // cmp takes a hundred times as long
		if diff := cmp.Diff(&want, again, samePacket); diff != "" {
			t.Fatalf("decoded again (-want +got):\n%s", diff)
		}
	}
	if second, err := again.Append(nil); err != nil || !bytes.Equal(first, second) {
		t.Fatalf("encoded again, error %v:\n%x\n%x", err, first, second)
	}
}

// checkReaders runs every reader of a value over what came in; none may
// panic.
func checkReaders(p *Packet) {
	for _, o := range p.Options {
		value, _ := p.Options.Get(o.Code)
		_ = ValidateOption(o.Code, value)
		_, _ = ParseAddrs(value)
		_, _ = ParseArchs(value)
		_, _ = ParseMachineID(value)
		_, _ = ParseRelayInfo(value)
	}
}
