package dhcp4

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyPacket draws packets that Parse must accept once they are encoded.
func anyPacket() *rapid.Generator[*Packet] {
	return rapid.Custom(func(t *rapid.T) *Packet {
		addr := func(name string) netip.Addr {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
		}
		text := func(name string, most int) string {
			return string(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, most).Draw(t, name))
		}
		p := &Packet{
			Op:    rapid.SampledFrom([]uint8{OpRequest, OpReply}).Draw(t, "op"),
			HType: rapid.Byte().Draw(t, "htype"), HLen: rapid.ByteRange(0, 16).Draw(t, "hlen"),
			Hops: rapid.Byte().Draw(t, "hops"), Xid: rapid.Uint32().Draw(t, "xid"),
			Secs: rapid.Uint16().Draw(t, "secs"), Flags: rapid.Uint16().Draw(t, "flags"),
			CIAddr: addr("ciaddr"), YIAddr: addr("yiaddr"), SIAddr: addr("siaddr"), GIAddr: addr("giaddr"),
			SName: text("sname", 63), File: text("file", 127),
		}
		copy(p.CHAddr[:], rapid.SliceOfN(rapid.Byte(), 0, int(p.HLen)).Draw(t, "chaddr"))
		p.CHAddr[0] &^= 1
		types := rapid.SampledFrom([]MessageType{Discover, Request, Decline, Release, Inform, LeaseQuery})
		if p.Op == OpReply {
			types = rapid.SampledFrom([]MessageType{Offer, Ack, Nak, ForceRenew, LeaseActive})
		}
		p.Options.AddUint8(OptMessageType, uint8(types.Draw(t, "type")))
		codes := rapid.ByteRange(1, 254).Filter(func(c byte) bool {
			return OptionCode(c) != OptOverload && OptionCode(c) != OptMessageType
		})
		for range rapid.IntRange(0, 20).Draw(t, "options") {
			p.Options.Add(OptionCode(codes.Draw(t, "code")), rapid.SliceOfN(rapid.Byte(), 0, 255).Draw(t, "data"))
		}
		return p
	})
}

func TestEveryPacketSurvivesARoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyPacket().Draw(t, "packet")
		b, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, samePacket); diff != "" {
			t.Errorf("packet (-want +got):\n%s", diff)
		}
	})
}

// TestSplittingLosesNothing: the value of an option is the same before and
// after it went over the wire, however long.
func TestSplittingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "value")
		b, err := (&Packet{Op: OpReply, Options: Options{{OptVendorSpecific, want}}}).Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Options.Get(OptVendorSpecific)
		if diff := cmp.Diff(want, got, samePacket); diff != "" || !ok {
			t.Errorf("value, present %v (-want +got):\n%s", ok, diff)
		}
	})
}

// TestCutAnywhereNeverPanics: a packet that ends early is refused or read,
// never more than that.
func TestCutAnywhereNeverPanics(t *testing.T) {
	for _, c := range captures(t) {
		for n := range c.Payload {
			if p, err := Parse(c.Payload[:n]); err == nil && n <= headerLen {
				t.Errorf("%s cut to %d octets is read as:\n%s", c.Name, n, dump(p))
			}
		}
	}
}
