package dhcp4

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/wiretest"
)

// dump writes everything that Parse found, a field or an option a line.
func dump(p *Packet) string {
	var s strings.Builder
	fmt.Fprintf(&s, "type      %v\n", p.Type())
	fmt.Fprintf(&s, "op        %d\n", p.Op)
	fmt.Fprintf(&s, "hardware  type %d, length %d, address %x\n", p.HType, p.HLen, p.HardwareAddr())
	fmt.Fprintf(&s, "chaddr    %x\n", p.CHAddr)
	fmt.Fprintf(&s, "hops      %d\n", p.Hops)
	fmt.Fprintf(&s, "xid       %08x\n", p.Xid)
	fmt.Fprintf(&s, "secs      %04x\n", p.Secs)
	fmt.Fprintf(&s, "flags     %04x (broadcast %v)\n", p.Flags, p.Broadcast())
	fmt.Fprintf(&s, "ciaddr    %v\n", p.CIAddr)
	fmt.Fprintf(&s, "yiaddr    %v\n", p.YIAddr)
	fmt.Fprintf(&s, "siaddr    %v\n", p.SIAddr)
	fmt.Fprintf(&s, "giaddr    %v\n", p.GIAddr)
	fmt.Fprintf(&s, "sname     %q\n", p.SName)
	fmt.Fprintf(&s, "file      %q\n", p.File)
	fmt.Fprintf(&s, "overload  %d\n", p.Overload)
	fmt.Fprintf(&s, "no end    %v\n", p.MissingEnd)
	for _, o := range p.Options {
		fmt.Fprintf(&s, "%3d %-20v %3d  %x  %q\n", uint8(o.Code), o.Code, len(o.Data), o.Data, o.Data)
	}
	return s.String()
}

func TestCapturesParseAsTheirGoldenText(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			got := dump(mustParse(t, c.Payload))
			want := wiretest.Golden(t, wiretest.PacketFile(t, c.Name+".txt"), got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCapturesSurviveARoundTrip holds every capture to this: what Append
// writes is the capture's own octets up to and with its 255, then zeros, 300
// octets in all or as many as end with the 255. So nothing but trailing
// padding may differ, and padding only in length.
func TestCapturesSurviveARoundTrip(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			message := bytes.TrimRight(c.Payload, "\x00") // ends with 255
			if message[len(message)-1] != byte(OptEnd) {
				t.Fatalf("capture ends with %#x before its padding, not with 255", message[len(message)-1])
			}
			want := append(message, make([]byte, max(0, minLen-len(message)))...)
			got := mustAppend(t, mustParse(t, c.Payload))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}
