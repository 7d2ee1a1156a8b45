package dhcp4

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// offer is a reply with every field set.
func offer() *Packet {
	p := &Packet{
		Op: OpReply, HType: HTypeEthernet, HLen: 6, Xid: 0x01020304, Flags: FlagBroadcast,
		YIAddr: netip.MustParseAddr("10.77.2.50"),
		SIAddr: netip.MustParseAddr("10.77.1.2"),
		GIAddr: netip.MustParseAddr("10.77.2.1"),
		CHAddr: [16]byte{0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
		SName:  "boot1",
		File:   "shimx64.efi",
	}
	p.Options.AddUint8(OptMessageType, uint8(Offer))
	p.Options.AddAddr(OptServerID, netip.MustParseAddr("10.77.1.2"))
	p.Options.AddUint32(OptLeaseTime, 3600)
	p.Options.AddString(OptVendorClass, "PXEClient")
	return p
}

func TestAppendLaysOutTheMessage(t *testing.T) {
	want := make([]byte, minLen)
	copy(want, "\x02\x01\x06\x00\x01\x02\x03\x04\x00\x00\x80\x00")
	copy(want[16:], "\x0a\x4d\x02\x32\x0a\x4d\x01\x02\x0a\x4d\x02\x01\x52\x54\x00\x12\x34\x56")
	copy(want[44:], "boot1")
	copy(want[108:], "shimx64.efi")
	copy(want[236:], "\x63\x82\x53\x63\x35\x01\x02\x36\x04\x0a\x4d\x01\x02\x33\x04\x00\x00\x0e\x10\x3c\x09PXEClient\xff")
	if diff := cmp.Diff(want, mustAppend(t, offer())); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	got, err := offer().Append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("before"), mustAppend(t, offer())...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

// TestAppendOverwritesUsedMemory: a buffer that held another packet must not
// shine through.
func TestAppendOverwritesUsedMemory(t *testing.T) {
	used := repeat(1500, 0xaa)
	got, err := offer().Append(used[:0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mustAppend(t, offer()), got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestAppendSplitsLongOptions(t *testing.T) {
	for _, tc := range []struct {
		name  string
		size  int
		split []byte // lengths of the instances
	}{
		{"no octets", 0, []byte{0}},
		{"255 octets stay whole", 255, []byte{255}},
		{"256 octets make two", 256, []byte{255, 1}},
		{"510 octets make two, with no empty one after them", 510, []byte{255, 255}},
		{"511 octets make three", 511, []byte{255, 255, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := make([]byte, tc.size)
			for i := range data {
				data[i] = byte(i)
			}
			p := offer()
			p.Options.Add(200, data)
			parsed := mustParse(t, mustAppend(t, p))
			var split []byte
			for _, o := range parsed.Options {
				if o.Code == 200 {
					split = append(split, byte(len(o.Data)))
				}
			}
			if diff := cmp.Diff(tc.split, split); diff != "" {
				t.Errorf("lengths (-want +got):\n%s", diff)
			}
			joined, ok := parsed.Options.Get(200)
			if diff := cmp.Diff(data, joined, samePacket); diff != "" || !ok {
				t.Errorf("joined value, present %v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestAppendPadsTo300AndNotFurther(t *testing.T) {
	for _, tc := range []struct {
		name   string
		octets int // of the one option's data
		want   int // of the whole message
	}{
		{"a short message is padded", 0, 300},
		{"one octet is padded", 56, 300},
		{"300 octets stay", 57, 300},
		{"301 octets stay", 58, 301},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &Packet{Op: OpReply, Options: Options{{200, make([]byte, tc.octets)}}}
			if got := len(mustAppend(t, p)); got != tc.want {
				t.Errorf("message has %d octets, want %d", got, tc.want)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		spot func(*Packet)
		want string
	}{
		{"an sname of 64 octets", func(p *Packet) { p.SName = strings.Repeat("s", 64) },
			"encode DHCP message: sname has 64 octets, 63 fit"},
		{"a file of 128 octets", func(p *Packet) { p.File = strings.Repeat("f", 128) },
			"encode DHCP message: file has 128 octets, 127 fit"},
		{"a file with a NUL", func(p *Packet) { p.File = "a\x00b" },
			"encode DHCP message: file has a NUL at octet 1"},
		{"an IPv6 next server", func(p *Packet) { p.SIAddr = netip.MustParseAddr("2001:db8::1") },
			"encode DHCP message: siaddr 2001:db8::1 is not IPv4"},
		{"hlen 17", func(p *Packet) { p.HLen = 17 }, "encode DHCP message: hlen 17 is over 16"},
		{"padding as an option", func(p *Packet) { p.Options.Add(OptPad, nil) },
			"encode DHCP message: option 0 is not content"},
		{"the end as an option", func(p *Packet) { p.Options.Add(OptEnd, nil) },
			"encode DHCP message: option 255 is not content"},
		{"overloading", func(p *Packet) { p.Options.AddUint8(OptOverload, 1) },
			"encode DHCP message: option 52 is not content"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := offer()
			tc.spot(p)
			got, err := p.Append([]byte("before"))
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if string(got) != "before" {
				t.Errorf("gave %d octets, want what was there", len(got))
			}
		})
	}
}

func TestAppendTakesAddressesInEveryForm(t *testing.T) {
	p := &Packet{
		Op:     OpReply,
		YIAddr: netip.MustParseAddr("::ffff:10.77.2.50"),
		SName:  strings.Repeat("s", 63),
		File:   strings.Repeat("f", 127),
	}
	got := mustParse(t, mustAppend(t, p))
	if got.CIAddr != netip.IPv4Unspecified() || got.YIAddr != netip.MustParseAddr("10.77.2.50") {
		t.Errorf("ciaddr %v, yiaddr %v; want 0.0.0.0 and 10.77.2.50", got.CIAddr, got.YIAddr)
	}
	if got.SName != p.SName || got.File != p.File {
		t.Errorf("sname %q, file %q changed", got.SName, got.File)
	}
}
