package tftpload

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/wire/tftp"
)

// talk gives packets to a new client and says what it answers: the block it
// acknowledges, "-" for nothing, and at the end how the transfer stands.
func talk(t *testing.T, plan Plan, packets ...[]byte) (string, Result) {
	t.Helper()
	var sum Result
	c := &client{plan: &plan, sum: &sum, all: true}
	now := time.Unix(1000, 0)
	if _, err := c.begin(now); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, p := range packets {
		if !c.take(p) {
			said = append(said, "-")
			continue
		}
		b := c.ack(now)
		n, err := tftp.ParseAck(b[:])
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(rune('0'+n)))
	}
	switch {
	case c.why != "":
		said = append(said, c.why)
	case c.done:
		said = append(said, "done")
	}
	return strings.Join(said, " "), sum
}

func oack(t *testing.T, options ...tftp.Option) []byte {
	t.Helper()
	b, err := tftp.AppendOAck(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestClient: what a client says to what comes.
func TestClient(t *testing.T) {
	const size = 44 // blocks of 8: five and a half
	file := Content(size)
	block := func(n int) []byte { return tftp.AppendData(nil, uint16(n), file[(n-1)*8:min(size, n*8)]) }
	plan := Plan{File: "f", Size: size, Blksize: 8, Window: 2}
	two := oack(t, tftp.Option{Name: "blksize", Value: "8"}, tftp.Option{Name: "windowsize", Value: "2"})
	one := oack(t, tftp.Option{Name: "blksize", Value: "8"})
	wrong := tftp.AppendData(nil, 1, []byte("wrong..."))
	for _, c := range []struct {
		name    string
		packets [][]byte
		want    string
	}{
		{"a window is acknowledged at its end", [][]byte{two, block(1), block(2), block(3), block(4), block(5), block(6)}, "0 - 2 - 4 - 6 done"},
		{"a server without windows is followed", [][]byte{one, block(1), block(2)}, "0 1 2"},
		{"an OACK that comes again is acknowledged again", [][]byte{two, two}, "0 0"},
		{"an OACK behind data is not", [][]byte{two, block(1), two}, "0 - -"},
		{"a gap is told once", [][]byte{two, block(2), block(3)}, "0 0 -"},
		{"and again when the burst comes again without its first", [][]byte{two, block(2), block(3), block(2)}, "0 0 - 0"},
		{"a block that is here is acknowledged again if nothing came since", [][]byte{one, block(1), block(1)}, "0 1 1"},
		{"and not in the middle of a window", [][]byte{two, block(1), block(1), block(2)}, "0 - - 2"},
		{"the last block ends short of the size", [][]byte{two, block(1)[:8]}, "0 - ended at 4 octets"},
		{"other content is seen", [][]byte{two, wrong}, "0 - wrong content"},
		{"an error ends it", [][]byte{tftp.AppendError(nil, tftp.ErrorNotFound, "no such file")}, "- error 1: no such file"},
		{"another size ends it", [][]byte{oack(t, tftp.Option{Name: "tsize", Value: "43"})}, "- tsize 43"},
		{"noise is ignored", [][]byte{nil, {0, 3}, {9, 9, 9, 9}}, "- - -"},
	} {
		if got, _ := talk(t, plan, c.packets...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	_, sum := talk(t, plan, two, block(2), block(3), block(1), block(1), block(1))
	if sum.Gaps != 2 || sum.Duplicates != 2 {
		t.Errorf("counted %d gaps and %d blocks twice, want 2 and 2", sum.Gaps, sum.Duplicates)
	}
}

// TestGivesUp: a client that hears nothing asks RequestTries times and gives
// up, one whose server falls silent sends its ACK again and gives up.
func TestGivesUp(t *testing.T) {
	run := func(answered bool) (string, Result, time.Duration) {
		var sum Result
		c := &client{plan: &Plan{File: "f", Blksize: 8}, sum: &sum}
		start := time.Unix(1000, 0)
		now := start
		if _, err := c.begin(now); err != nil {
			t.Fatal(err)
		}
		if answered && c.take(oack(t, tftp.Option{Name: "blksize", Value: "8"})) {
			c.ack(now)
		}
		for !c.done && now.Sub(start) < time.Hour {
			now = c.deadline
			if _, ack := c.late(now); ack {
				c.ack(now)
			}
		}
		return c.why, sum, now.Sub(start)
	}
	if why, sum, took := run(false); why != "no answer" || sum.Repeated != RequestTries-1 || took != RequestTries*RequestWait {
		t.Errorf("no server: %q after %v and %d requests more", why, took, sum.Repeated)
	}
	if why, sum, took := run(true); why != "stalled" || sum.Timeouts != BlockTries-1 || took != BlockTries*BlockWait {
		t.Errorf("silence: %q after %v and %d ACKs more", why, took, sum.Timeouts)
	}
}

// TestMatches: one wrong octet anywhere, and one block in another's place, are
// seen.
func TestMatches(t *testing.T) {
	const size, blksize = 5000, 1428
	file := Content(size)
	for at := 0; at < size; at += blksize {
		block := file[at:min(size, at+blksize)]
		if !matches(block, int64(at), true) || !matches(block, int64(at), false) {
			t.Errorf("the block at %d is not known", at)
		}
		if matches(block, int64(at)+blksize, false) {
			t.Errorf("the block at %d is taken for the next", at)
		}
	}
	for i := range blksize / wordSize * wordSize {
		block := append([]byte(nil), file[:blksize]...)
		block[i] ^= 1
		if matches(block, 0, true) {
			t.Fatalf("octet %d may be anything", i)
		}
	}
}

// TestSpoof: a spoofed request is an IPv4 datagram that holds a read request.
func TestSpoof(t *testing.T) {
	request, err := (&client{plan: &Plan{File: "1m", Blksize: 1428}}).request()
	if err != nil {
		t.Fatal(err)
	}
	b := spoof(Spoof{Server: netip.MustParseAddrPort("192.0.2.1:69")}, request)
	r, err := tftp.ParseRequest(b[28:])
	if err != nil || r.Name != "1m" {
		t.Errorf("%+v, %v", r, err)
	}
	if int(b[2])<<8|int(b[3]) != len(b) || int(b[24])<<8|int(b[25]) != len(b)-20 || b[19] != 1 || b[23] != 69 {
		t.Errorf("headers % x", b[:28])
	}
}

// TestPlus: addresses go on beyond the last octet.
func TestPlus(t *testing.T) {
	if got := plus(netip.MustParseAddr("10.96.1.254"), 1000).String(); got != "10.96.5.230" {
		t.Errorf("%s", got)
	}
}

// TestSegment: joined datagrams are taken apart, and others left.
func TestSegment(t *testing.T) {
	b := newBatch()
	b.headers[0].n = 10
	b.headers[0].hdr.SetControllen(0)
	copy(b.data, "aaaabbbbcc")
	var got []string
	b.each(0, func(d []byte) { got = append(got, string(d)) })
	copy(b.control[0][:], []byte{20, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 104, 0, 0, 0, 4, 0, 0, 0})
	b.headers[0].hdr.SetControllen(24)
	b.each(0, func(d []byte) { got = append(got, string(d)) })
	if strings.Join(got, " ") != "aaaabbbbcc aaaa bbbb cc" {
		t.Errorf("%q", got)
	}
}
