package link

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// joined is a frame of three IPv4 datagrams with 8, 8 and 3 octets, as a
// kernel with UDP_SEGMENT leaves them.
func joined() []byte {
	b := make([]byte, headerSize)
	b[0], b[1] = needsCsum, gsoUDP
	binary.NativeEndian.PutUint16(b[2:], 42)
	binary.NativeEndian.PutUint16(b[4:], 8)
	binary.NativeEndian.PutUint16(b[atCsumStart:], 34)
	binary.NativeEndian.PutUint16(b[8:], 6)
	b = append(b, make([]byte, 12)...)
	b = append(b, 0x08, 0x00)
	b = append(b, 0x45, 0, 0, 47, 0, 7, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	b = append(b, 0x12, 0x34, 0, 69, 0, 27, 0, 0)
	return append(b, "aaaaaaaabbbbbbbbccc"...)
}

// TestSplit: joined datagrams become frames of their own, whose lengths and
// checksums a receiver takes.
func TestSplit(t *testing.T) {
	var payloads []string
	split(joined(), func(f []byte) {
		i := len(payloads)
		ip, udp := f[headerSize+etherSize:][:20], f[headerSize+34:]
		payloads = append(payloads, string(udp[8:]))
		if f[0] != needsCsum || f[1] != 0 || binary.NativeEndian.Uint16(f[4:]) != 0 || binary.NativeEndian.Uint16(f[atCsumStart:]) != 34 {
			t.Errorf("datagram %d: virtio header % x", i, f[:headerSize])
		}
		if got := fold(add(0, ip)); got != 0xffff {
			t.Errorf("datagram %d: the IP header adds up to %#x", i, got)
		}
		if got, want := int(binary.BigEndian.Uint16(ip[2:])), 20+len(udp); got != want {
			t.Errorf("datagram %d: IP length %d, want %d", i, got, want)
		}
		if got, want := int(binary.BigEndian.Uint16(ip[4:])), 7+i; got != want {
			t.Errorf("datagram %d: identification %d, want %d", i, got, want)
		}
		if got := int(binary.BigEndian.Uint16(udp[4:])); got != len(udp) {
			t.Errorf("datagram %d: UDP length %d, want %d", i, got, len(udp))
		}
		if got, want := binary.BigEndian.Uint16(udp[6:]), fold(add(0, ip[12:20])+17+uint32(len(udp))); got != want {
			t.Errorf("datagram %d: sum of the pseudo header %#x, want %#x", i, got, want)
		}
	})
	if got := len(payloads); got != 3 || payloads[0]+payloads[1]+payloads[2] != "aaaaaaaabbbbbbbbccc" || payloads[2] != "ccc" {
		t.Errorf("payloads %q", payloads)
	}
}

// TestSplitLeaves: what is not joined, or no frame at all, passes as it is.
func TestSplitLeaves(t *testing.T) {
	single, short := joined(), joined()[:headerSize+20]
	single[1] = 0
	beyond := joined()
	binary.NativeEndian.PutUint16(beyond[atCsumStart:], 60000)
	for name, b := range map[string][]byte{"a single datagram": single, "a frame cut off": short, "a checksum beyond the end": beyond, "nothing": {}} {
		n := 0
		split(b, func(f []byte) {
			n++
			if !bytes.Equal(f, b) {
				t.Errorf("%s: changed", name)
			}
		})
		if n != 1 {
			t.Errorf("%s: %d frames", name, n)
		}
	}
}

// TestTrouble: rates are kept, the same seed does the same, and ARP is spared.
func TestTrouble(t *testing.T) {
	run := func(seed uint64) *half {
		h := &half{faults: Faults{Loss: 0.1, Duplicate: 0.05, Reorder: 0.02, Late: time.Second}, random: rand.New(rand.NewPCG(seed, 1))}
		single := joined()
		single[1] = 0
		arp := bytes.Clone(single)
		arp[headerSize+13] = 0x06
		for range 10000 {
			h.trouble(single, time.Time{})
		}
		for range 100 {
			h.trouble(arp, time.Time{})
		}
		return h
	}
	a, again, other := run(1), run(1), run(2)
	if a.count != again.count {
		t.Errorf("the same seed: %+v and %+v", a.count, again.count)
	}
	if a.count == other.count {
		t.Errorf("two seeds: both %+v", a.count)
	}
	c := a.count
	if c.Lost < 900 || c.Lost > 1100 || c.Doubled < 350 || c.Doubled > 550 || c.Reordered < 130 || c.Reordered > 230 {
		t.Errorf("%+v of 10000 packets", c)
	}
	if kept, want := len(a.turn.packets)+len(a.late.packets), 10000-int(c.Lost)+int(c.Doubled)+100; kept != want {
		t.Errorf("%d packets kept, want %d", kept, want)
	}
}

// TestQueue: packets leave in the order in which they came, however many.
func TestQueue(t *testing.T) {
	var q queue
	in, out := 0, 0
	for range 20000 {
		q.push(packet{frame: []byte{byte(in)}})
		in++
		if in%3 == 0 {
			continue
		}
		p, ok := q.first()
		if !ok || p.frame[0] != byte(out) {
			t.Fatalf("packet %d: %v, %v", out, p, ok)
		}
		q.pop()
		out++
	}
	if len(q.packets)-q.head != in-out {
		t.Errorf("%d left, want %d", len(q.packets)-q.head, in-out)
	}
}
