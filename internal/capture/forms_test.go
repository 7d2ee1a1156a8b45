package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket/layers"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

var exactly = cmp.Options{cmpopts.EquateComparable(netip.Addr{})}

// healthy is a boot with everything in it.
func healthy(t testing.TB) *tape {
	c := newTape(t)
	stories[0].play(newMachine(c))
	return c
}

// classic writes a capture by hand, for the forms that no library writes.
func classic(c *tape, order binary.AppendByteOrder, nano bool) []byte {
	magic, unit := uint32(magicMicro), time.Microsecond
	if nano {
		magic, unit = magicNano, time.Nanosecond
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 1<<18)
	b = order.AppendUint32(b, uint32(layers.LinkTypeEthernet))
	for _, p := range c.all {
		data := link(layers.LinkTypeEthernet, nil, p.ip)
		b = order.AppendUint32(b, uint32(p.at.Unix()))
		b = order.AppendUint32(b, uint32(time.Duration(p.at.Nanosecond())/unit))
		b = order.AppendUint32(b, uint32(len(data)))
		b = order.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
	}
	return b
}

func gzipped(t testing.TB, b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// TestForms: whatever form of file and of link, the boot is the same, step by
// step.
func TestForms(t *testing.T) {
	c := healthy(t)
	want, _, err := explained(t, c.pcap(layers.LinkTypeEthernet))
	if err != nil || len(want) != 1 || want[0].Verdict.Code != verdict.Booted {
		t.Fatalf("%v%s", err, listed(want))
	}
	for _, form := range []struct {
		name, place string
		file        []byte
	}{
		{"microseconds, little-endian", "", classic(c, binary.LittleEndian, false)},
		{"microseconds, big-endian", "", classic(c, binary.BigEndian, false)},
		{"nanoseconds, little-endian", "", classic(c, binary.LittleEndian, true)},
		{"nanoseconds, big-endian", "", classic(c, binary.BigEndian, true)},
		{"pcapng", "eth0", c.pcapng(layers.LinkTypeEthernet)},
		{"pcap, gzip'd", "", gzipped(t, c.pcap(layers.LinkTypeEthernet))},
		{"pcapng, gzip'd", "eth0", gzipped(t, c.pcapng(layers.LinkTypeEthernet))},
		{"Linux cooked", "", c.pcap(layers.LinkTypeLinuxSLL)},
		{"Linux cooked, version 2", "", c.pcap(layers.LinkTypeLinuxSLL2)},
		{"raw IP", "", c.pcap(layers.LinkTypeRaw)},
		{"a VLAN", "vlan 20", c.pcap(layers.LinkTypeEthernet, 20)},
		{"QinQ", "vlan 7 vlan 20", c.pcap(layers.LinkTypeEthernet, 7, 20)},
		{"pcapng of a VLAN", "eth0 vlan 20", c.pcapng(layers.LinkTypeEthernet, 20)},
	} {
		t.Run(form.name, func(t *testing.T) {
			got, sum, err := explained(t, form.file)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Place != form.place {
				t.Fatalf("place %q, want %q%s", got[0].Place, form.place, listed(got))
			}
			got[0].Place = ""
			if diff := cmp.Diff(want[0], got[0], exactly); diff != "" {
				t.Errorf("another boot (-pcap +this):\n%s", diff)
			}
			if sum.Packets != len(c.all) || !sum.Last.Equal(c.all[len(c.all)-1].at) {
				t.Errorf("%d packets until %v, want %d", sum.Packets, sum.Last, len(c.all))
			}
		})
	}
}

// TestCutPackets: a capture of the first octets of each packet still counts
// what was sent.
func TestCutPackets(t *testing.T) {
	c := healthy(t)
	want, _, _ := explained(t, c.pcap(layers.LinkTypeEthernet))
	got, sum, err := explained(t, c.snap(600, layers.LinkTypeEthernet))
	if err != nil || sum.Cut > 0 {
		t.Fatalf("error %v, %d cut", err, sum.Cut)
	}
	if diff := cmp.Diff(want, got, exactly); diff != "" {
		t.Errorf("(-whole +cut):\n%s", diff)
	}
	_, sum, err = explained(t, c.snap(100, layers.LinkTypeEthernet))
	if err != nil || sum.Cut == 0 || sum.Malformed > 0 {
		t.Errorf("error %v, %d cut, %d malformed; want cut ones", err, sum.Cut, sum.Malformed)
	}
}

// TestDamage: the packet at which a file breaks is named, and what came before
// is explained.
func TestDamage(t *testing.T) {
	whole := healthy(t)
	c := *whole
	c.all = whole.all[:12]
	_, before, _ := explained(t, c.pcap(layers.LinkTypeEthernet))
	for _, form := range []struct {
		name       string
		file, head []byte
	}{
		{"pcap", whole.pcap(layers.LinkTypeEthernet), c.pcap(layers.LinkTypeEthernet)},
		{"pcapng", whole.pcapng(layers.LinkTypeEthernet), c.pcapng(layers.LinkTypeEthernet)},
	} {
		t.Run(form.name, func(t *testing.T) {
			all, sum, err := explained(t, form.file[:len(form.head)+20])
			var fault *Error
			if !errors.As(err, &fault) || fault.Frame != 13 || !strings.Contains(err.Error(), "packet 13: ") {
				t.Errorf("error %v, want one at packet 13", err)
			}
			if sum.Packets != 12 || sum.Boots != before.Boots || len(all) != 1 {
				t.Errorf("%+v, want what %+v has", sum, before)
			}
			bad := bytes.Clone(form.file)
			for i := len(form.head); i < len(form.head)+16; i++ {
				bad[i] = 0xee
			}
			if _, sum, err = explained(t, bad); err == nil || sum.Packets != 12 {
				t.Errorf("error %v after %d packets, want one after 12", err, sum.Packets)
			}
		})
	}
	cutGzip := gzipped(t, whole.pcap(layers.LinkTypeEthernet))
	if _, _, err := explained(t, cutGzip[:len(cutGzip)/2]); err == nil {
		t.Error("half a gzip'd file is taken for a whole one")
	}
	for _, b := range []string{"", "x", "no capture at all", "\x1f\x8b\x08", "\xd4\xc3\xb2\xa1\x02"} {
		if _, _, err := explained(t, []byte(b)); err == nil || errors.Is(err, io.EOF) && err.Error() == "EOF" {
			t.Errorf("%q: error %v, want one that says what is wrong", b, err)
		}
	}
}

// TestHostileStrings: no text of the network reaches a step as it is.
func TestHostileStrings(t *testing.T) {
	for _, h := range hostile(t) {
		c := newTape(t)
		m := newMachine(c)
		m.discoverAs(h)
		m.hears(said{kind: 2, server: dhcpd, address: client, file: short(h, 100), text: short(h, 200)})
		m.system()
		if name := short(h, 400); name != "" {
			m.misses(name)
		}
		w := m.dials(hobnail + ":80")
		w.asks("GET /" + h + " HTTP/1.1\r\n\r\n")
		w.says([]byte("HTTP/1.1 404 " + h + "\r\n\r\n"))
		for _, b := range c.boots() {
			eachText(b, func(text string) {
				for _, r := range text {
					if r < ' ' || r == 0x7f || r == 0xfeff || r >= 0x202a && r <= 0x202e {
						t.Errorf("%q: a step has %q", h, text)
					}
				}
			})
		}
	}
}

// eachText visits the texts of a boot that come from the network.
func eachText(b *model.Boot, visit func(string)) {
	visit(b.Name)
	visit(b.Place)
	visit(b.Verdict.Text)
	for i := range b.Steps {
		s := &b.Steps[i]
		visit(s.Text)
		if s.DHCP != nil {
			visit(s.DHCP.Vendor)
			visit(s.DHCP.Hostname)
			visit(s.DHCP.File)
			visit(s.DHCP.Message)
		}
		if s.File != nil {
			visit(s.File.Name)
		}
		visit(verdict.Describe(s))
	}
}
