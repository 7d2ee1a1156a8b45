package tftp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
	"hobnail/internal/wire/wiretest"
)

// script is a line per step: when, what goes in, what comes out. Times count
// from the start in milliseconds.
//
//	0     start           OACK tsize=30 blksize=8
//	1     ACK 0           DATA 1-2
//	1001  tick            DATA 1-2
//	1002  ERROR 0 text    -
//
// "request" is the client's request once more; "-" is nothing.
type script string

// play runs the script against a transfer and fails at the first difference.
func (s script) play(t *testing.T, tr testRead) {
	t.Helper()
	epoch := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	out := burst{from: tr.from}
	for line := range strings.Lines(string(s)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at, rest, _ := strings.Cut(line, " ")
		in, want, _ := strings.Cut(strings.TrimSpace(rest), "  ")
		in, want = strings.TrimSpace(in), strings.TrimSpace(want)
		ms := 0
		if _, err := fmt.Sscan(at, &ms); err != nil || want == "" {
			t.Fatalf("line of the script %q: %v", line, err)
		}
		now := epoch.Add(time.Duration(ms) * time.Millisecond)
		out.reset()
		switch in {
		case "start":
			tr.start(now, &out)
		case "tick":
			tr.tick(now, &out)
		case "request":
			tr.repeat(now, requestSize, &out)
		default:
			tr.packet(now, packetOf(t, in), &out)
		}
		if got := show(t, &out); got != want {
			t.Fatalf("at %q: sent %q, want %q", line, got, want)
		}
	}
}

// packetOf makes a packet of "ACK 1", "ERROR 0 text" or `raw "\x00\x09"`.
func packetOf(t *testing.T, s string) []byte {
	t.Helper()
	var n uint16
	var raw string
	if _, err := fmt.Sscanf(s, "ACK %d", &n); err == nil {
		return wire.AppendAck(nil, n)
	}
	if _, err := fmt.Sscanf(s, "ERROR %d", &n); err == nil {
		_, text, _ := strings.Cut(strings.TrimPrefix(s, "ERROR "), " ")
		return wire.AppendError(nil, wire.ErrorCode(n), text)
	}
	if _, err := fmt.Sscanf(s, "raw %q", &raw); err == nil {
		return []byte(raw)
	}
	t.Fatalf("no packet %q", s)
	return nil
}

// show writes a burst as a script does.
func show(t testing.TB, out *burst) string {
	t.Helper()
	var first, last uint16
	text := "-"
	for p := range out.packets() {
		op, _ := wire.PeekOpcode(p)
		switch op {
		case wire.OpData:
			block, _, err := wire.ParseData(p)
			if err != nil {
				t.Fatal(err)
			}
			if text == "-" {
				first = block
			} else if block != last+1 {
				t.Fatalf("block %d follows %d in a burst", block, last)
			}
			last = block
			text = fmt.Sprintf("DATA %d", first)
			if first != last {
				text += fmt.Sprintf("-%d", last)
			}
		case wire.OpOAck:
			opts, err := wire.ParseOAck(p)
			if err != nil {
				t.Fatal(err)
			}
			text = "OACK"
			for _, o := range opts {
				text += " " + o.Name + "=" + o.Value
			}
		case wire.OpError:
			code, message, err := wire.ParseError(p)
			if err != nil {
				t.Fatal(err)
			}
			text = fmt.Sprintf("ERROR %d %s", code, message)
		default:
			t.Fatalf("sent %v", op)
		}
	}
	return text
}

// transferOf starts from what a client asked for a file of that many octets.
func transferOf(t rapid.TB, asked string, size int) testRead {
	t.Helper()
	file := bytes.Repeat([]byte("hobnail."), size/8+1)[:size]
	return transferFrom(t, asked, int64(size), bytes.NewReader(file))
}

func transferFrom(t rapid.TB, asked string, size int64, content io.ReaderAt) testRead {
	t.Helper()
	tr, err := newRead(negotiate(options(asked), size, limits{blksize: 1468, window: 64}), requestSize)
	if err != nil {
		t.Fatal(err)
	}
	return testRead{&tr, octets{direct{content}, size}}
}

// testRead is a read and its content.
type testRead struct {
	*read
	from sourcer
}

// requestSize is of a usual request, in octets.
const requestSize = 60

// source makes a source one of itself.
func (s octets) source(terms) source { return s }

func TestTransfer(t *testing.T) {
	tests := []struct {
		name   string
		asked  string
		size   int
		script script
		code   event.Code
		attrs  string
	}{
		{"without options block 1 comes at once", "", 600, `
			0  start  DATA 1
			1  ACK 1  DATA 2
			2  ACK 2  -`, event.FileRead, ""},
		{"a file that fills its blocks ends with an empty one", "", 1024, `
			0  start  DATA 1
			1  ACK 1  DATA 2
			2  ACK 2  DATA 3
			3  ACK 3  -`, event.FileRead, ""},
		{"an empty file is one empty block", "", 0, `
			0  start  DATA 1
			1  ACK 1  -`, event.FileRead, ""},
		{"with options the OACK waits for ACK 0", "blksize=8 tsize=0", 10, `
			0  start  OACK blksize=8 tsize=10
			1  ACK 1  -
			2  ACK 0  DATA 1
			3  ACK 1  DATA 2
			4  ACK 2  -`, event.FileRead, ""},
		{"a window goes out at once", "windowsize=4 blksize=8", 50, `
			0  start  OACK windowsize=4 blksize=8
			1  ACK 0  DATA 1-4
			2  ACK 4  DATA 5-7
			3  ACK 7  -`, event.FileRead, ""},
		{"an ACK inside a window resumes after it", "windowsize=4 blksize=8", 100, `
			0  start   OACK windowsize=4 blksize=8
			1  ACK 0   DATA 1-4
			2  ACK 2   DATA 3-6
			3  ACK 6   DATA 7-10
			4  ACK 9   DATA 10-13
			5  ACK 13  -`, event.FileRead, ""},
		{"a doubled ACK sends nothing: the Sorcerer's Apprentice", "", 2000, `
			0    start  DATA 1
			1    ACK 1  DATA 2
			2    ACK 1  -
			3    ACK 1  -
			50   tick   -
			51   ACK 2  DATA 3
			52   ACK 1  -
			53   ACK 2  -`, "", ""},
		{"a doubled ACK of a window sends nothing", "windowsize=4 blksize=8", 100, `
			0  start  OACK windowsize=4 blksize=8
			1  ACK 0  DATA 1-4
			2  ACK 4  DATA 5-8
			2  ACK 4  -
			2  ACK 4  -
			4  tick   -
			4  ACK 8  DATA 9-12`, "", ""},
		{"when the first block of a window is lost it is repaired at once, and once", "windowsize=4 blksize=8", 100, `
			0   start  OACK windowsize=4 blksize=8
			2   ACK 0  DATA 1-4
			4   ACK 4  DATA 5-8
			6   ACK 4  DATA 5-8
			7   ACK 4  -
			8   ACK 8  DATA 9-12`, "", ""},
		{"an ACK that comes too soon to be about the window hurries it", "windowsize=4 blksize=8", 100, `
			0   start  OACK windowsize=4 blksize=8
			2   ACK 0  DATA 1-4
			4   ACK 4  DATA 5-8
			5   ACK 4  -
			18  tick   -
			19  tick   DATA 5-8
			20  ACK 4  -
			38  tick   -
			39  ACK 8  DATA 9-12`, "", ""},
		{"a lost block is sent again after a second, then two, four, eight", "", 10, `
			0      start  DATA 1
			999    tick   -
			1000   tick   DATA 1
			2999   tick   -
			3000   tick   DATA 1
			6999   tick   -
			7000   tick   -`, event.FileStalled, "tries=3"},
		{"the interval is short again as soon as something arrives", "windowsize=2 blksize=8", 100, `
			0    start  OACK windowsize=2 blksize=8
			1    ACK 0  DATA 1-2
			51   tick   DATA 1-2
			151  tick   DATA 1-2
			351  tick   DATA 1-2
			352  ACK 1  DATA 2-3
			401  tick   -
			402  tick   DATA 2-3`, "", ""},
		{"a client that does not acknowledge the last block has ten seconds", "", 600, `
			0      start  DATA 1
			10     ACK 1  DATA 2
			59     tick   -
			60     tick   DATA 2
			160    tick   DATA 2
			360    tick   DATA 2
			760    tick   DATA 2
			1560   tick   DATA 2
			3160   tick   DATA 2
			6360   tick   DATA 2
			12759  tick   -
			12760  tick   -`, event.FileRead, "last_ack=false"},
		{"a client that was heard has half a minute", "", 2000, `
			0      start  DATA 1
			10     ACK 1  DATA 2
			60     tick   DATA 2
			160    tick   DATA 2
			360    tick   DATA 2
			760    tick   DATA 2
			1560   tick   DATA 2
			3160   tick   DATA 2
			6360   tick   DATA 2
			12760  tick   DATA 2
			20760  tick   DATA 2
			28760  tick   DATA 2
			36760  tick   -
			36761  ACK 2  -`, event.FileStalled, "tries=11"},
		{"the whole window is sent again from the first block that was not acknowledged", "windowsize=3 blksize=8", 100, `
			0     start  OACK windowsize=3 blksize=8
			1     ACK 0  DATA 1-3
			2     ACK 2  DATA 3-5
			202   tick   DATA 3-5
			203   ACK 5  DATA 6-8`, "", ""},
		{"a repeated request gets the same OACK and no further ones", "tsize=0", 10, `
			0     start    OACK tsize=10
			500   request  OACK tsize=10
			1000  tick     OACK tsize=10
			2999  request  OACK tsize=10
			3000  tick     OACK tsize=10
			6999  request  OACK tsize=10
			7000  tick     -
			7001  request  -`, event.FileStalled, "tries=3"},
		{"without options a large block 1 goes once for each request, and its ACK has 24 s", "", 600, `
			0      start    DATA 1
			7999   tick     -
			8000   tick     -
			16000  tick     -
			20000  request  DATA 1
			23999  tick     -
			23999  ACK 1    DATA 2`, "", ""},
		{"a repeated request without options gets block 1 again", "", 600, `
			0  start    DATA 1
			1  request  DATA 1
			2  ACK 1    DATA 2
			3  request  -`, "", ""},
		{"a repeated request after ACK 0 is late", "tsize=0", 600, `
			0  start    OACK tsize=600
			2  ACK 0    DATA 1
			3  request  -`, "", ""},
		{"OVMF ends its size probe with ERROR 8", "tsize=0 blksize=1468 windowsize=4", 9000, `
			0  start                              OACK tsize=9000 blksize=1468 windowsize=4
			1  ERROR 8 User aborted the transfer  -
			2  ERROR 8 User aborted the transfer  -`, event.FileProbe, "client_code=8 client_text=User aborted the transfer"},
		{"Intel's boot ROM ends it with ERROR 0", "tsize=0", 9000, `
			0  start                 OACK tsize=9000
			1  ERROR 0 TFTP Aborted  -`, event.FileProbe, "client_code=0 client_text=TFTP Aborted"},
		{"another code is no probe", "tsize=0", 9000, `
			0  start                 OACK tsize=9000
			1  ERROR 3 disk full     -`, event.FileAborted, "client_code=3 client_text=disk full"},
		{"ERROR 8 without tsize is a client that dislikes our options", "blksize=8", 9000, `
			0  start             OACK blksize=8
			1  ERROR 8 no, no    -`, event.FileAborted, "client_code=8 client_text=no, no"},
		{"a client that closes after a block has broken off", "tsize=0 blksize=8", 9000, `
			0  start                         OACK tsize=9000 blksize=8
			1  ACK 0                         DATA 1
			2  ERROR 0 No error, file close  -`, event.FileAborted, "client_code=0 client_text=No error, file close"},
		{"a client's text cannot forge a line of the log", "tsize=0 blksize=8", 9000, `
			0  start                  OACK tsize=9000 blksize=8
			1  ACK 0                  DATA 1
			2  raw "\x00\x05\x00\x00a\nb\x1b\xff\\"  -`, event.FileAborted, `client_code=0 client_text=a\nb\x1b\xff\`},
		{"what a reader does not send is ignored", "", 600, `
			0  start                   DATA 1
			1  raw ""                  -
			2  raw "\x00\x04\x00"      -
			3  raw "\x00\x05\x00"      -
			4  raw "\x00\x03\x00\x01"  -
			5  raw "\x00\x01x\x00octet\x00"  -
			6  raw "\x00\x09\x00\x01"  -
			7  ACK 2                   -
			8  ACK 65535               -
			9  ACK 1                   DATA 2`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := transferOf(t, tt.asked, tt.size)
			tt.script.play(t, tr)
			done, _ := tr.ended()
			var attrs []string
			for _, a := range done.attrs {
				attrs = append(attrs, a.String())
			}
			if got := strings.Join(attrs, " "); done.code != tt.code || got != tt.attrs {
				t.Errorf("outcome %q %s, want %q %s", done.code, got, tt.code, tt.attrs)
			}
		})
	}
}

func TestTransferCounts(t *testing.T) {
	tr := transferOf(t, "windowsize=4 blksize=8", 100)
	script(`
		0     start  OACK windowsize=4 blksize=8
		1000  tick   OACK windowsize=4 blksize=8
		1001  ACK 0  DATA 1-4
		1002  ACK 2  DATA 3-6
		1003  ACK 6  DATA 7-10`).play(t, tr)
	if want := (counts{octets: 48, blocks: 6, retransmissions: 3}); tr.counts() != want {
		t.Errorf("after 6 blocks: %+v, want %+v", tr.counts(), want)
	}
	script(`
		1004  ACK 10  DATA 11-13
		1005  ACK 13  -`).play(t, tr)
	if want := (counts{octets: 100, blocks: 13, retransmissions: 3}); tr.counts() != want {
		t.Errorf("at the end: %+v, want %+v", tr.counts(), want)
	}
}

func TestTransferOfAFileThatFails(t *testing.T) {
	tr := transferFrom(t, "blksize=8", 100, failingReader{errors.New("disk on fire")})
	script(`
		0  start  OACK blksize=8
		1  ACK 0  ERROR 0 server could not read the file
		2  ACK 0  -
		3  tick   -`).play(t, tr)
	done, _ := tr.ended()
	if done.code != event.FileFault || done.attrs[0].String() != "error=disk on fire" {
		t.Errorf("outcome %q %v", done.code, done.attrs)
	}
}

func TestTransferOfUnknownSize(t *testing.T) {
	for _, size := range []int{0, 7, 8, 9, 16} {
		tr := transferFrom(t, "blksize=8 tsize=0", -1, strings.NewReader(strings.Repeat("x", size)))
		got := pump(t, tr)
		if len(got) != size {
			t.Errorf("%d octets arrived, want %d", len(got), size)
		}
	}
}

// pump acknowledges whatever comes until the transfer ends, and gives what a
// client would have then.
func pump(t testing.TB, tr testRead) []byte {
	t.Helper()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	out := burst{from: tr.from}
	var got []byte
	expected := uint16(1)
	tr.start(now, &out)
	for len(out.buf) > 0 {
		ack := uint16(0)
		for p := range out.packets() {
			if op, _ := wire.PeekOpcode(p); op != wire.OpData {
				continue
			}
			block, contents, err := wire.ParseData(p)
			if err != nil || block != expected {
				t.Fatalf("DATA %d, want %d (error %v)", block, expected, err)
			}
			got = append(got, contents...)
			ack = block
			expected++
		}
		now = now.Add(time.Millisecond)
		out.reset()
		tr.packet(now, wire.AppendAck(nil, ack), &out)
	}
	if done, _ := tr.ended(); done.code != event.FileRead || len(done.attrs) > 0 {
		t.Fatalf("outcome %q %v", done.code, done.attrs)
	}
	if tr.counts().octets != int64(len(got)) {
		t.Fatalf("counted %d octets, %d arrived", tr.counts().octets, len(got))
	}
	return got
}

// TestBlockNumbersWrap reads files around the 65,536th block: 65535 is
// followed by 0, in lock-step and in the middle of a window.
func TestBlockNumbersWrap(t *testing.T) {
	const blksize = 8
	for _, window := range []int{1, 3, 16} {
		for _, blocks := range []int{65534, 65535, 65536, 65537} {
			for _, short := range []int{0, 7} {
				file := make([]byte, (blocks-1)*blksize+short)
				for i := range file {
					file[i] = byte(i>>3) ^ byte(i>>11)
				}
				asked := fmt.Sprintf("blksize=%d windowsize=%d", blksize, window)
				got := pump(t, transferFrom(t, asked, int64(len(file)), bytes.NewReader(file)))
				if !bytes.Equal(got, file) {
					t.Errorf("window %d, %d blocks, last of %d octets: contents differ", window, blocks, short)
				}
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{`\Boot\BCD`, `\Boot\BCD`},
		{"pxe/grübx64.efi", "pxe/grübx64.efi"},
		{"a\nlevel=info", `a\nlevel=info`},
		{"name\xff", `name\xff`},
		{"\x1b[2J", `\x1b[2J`},
		{"\u202egnp.exe", `\u202egnp.exe`},
		{"it's", "it's"},
		{"a\uFFFDb", "a\uFFFDb"},
	}
	for _, tt := range tests {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, h := range wiretest.HostileStrings(t) {
		if got := printable(string(h.Text)); strings.ContainsAny(got, "\n\r\x00\x1b\u2028\u202e") {
			t.Errorf("%s (%s): %q still does something", h.Name, h.Why, got)
		}
	}
}

func TestTimer(t *testing.T) {
	tm := newTimer()
	steps := []struct {
		name string
		do   func()
		want time.Duration
	}{
		{"at first", func() {}, time.Second},
		{"after a loss", tm.backOff, 2 * time.Second},
		{"after a round trip of 400 ms", func() { tm.sample(400 * time.Millisecond) }, 1200 * time.Millisecond},
		{"after another", func() { tm.sample(400 * time.Millisecond) }, time.Second},
		{"after many of 1 ms", func() {
			for range 100 {
				tm.sample(time.Millisecond)
			}
		}, minInterval},
		{"after many losses", func() {
			for range 10 {
				tm.backOff()
			}
		}, maxInterval},
	}
	for _, s := range steps {
		s.do()
		if diff := cmp.Diff(s.want, tm.rto); diff != "" {
			t.Errorf("interval %s (-want +got):\n%s", s.name, diff)
		}
	}
}

// FuzzTransfer gives a transfer any packets, times and repetitions: it never
// panics, never sends more than its window or to a client unheard, and ends.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x04\x04\x00\x01\x05"), uint8(4), uint16(100))
	f.Add([]byte("\x02\x02\x02\x02\x02\x02\x02"), uint8(1), uint16(0))
	f.Fuzz(func(t *testing.T, in []byte, window uint8, size uint16) {
		if len(in) > wiretest.MaxSeed {
			return
		}
		tr := transferOf(t, fmt.Sprintf("tsize=0 blksize=8 windowsize=%d", max(window, 1)), int(size))
		now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		out := burst{from: tr.from}
		tr.start(now, &out)
		silent := 1
		for len(in) > 0 {
			out.reset()
			op := in[0]
			in = in[1:]
			switch {
			case op == 1:
				tr.repeat(now, requestSize, &out)
				silent-- // an answer to what it cost the sender
			case op == 2:
				now = now.Add(max(0, tr.next().Sub(now)))
				tr.tick(now, &out)
			default:
				n := min(int(op), len(in))
				tr.packet(now, append([]byte{0, op & 7}, in[:n]...), &out)
				in = in[n:]
			}
			packets := 0
			for p := range out.packets() {
				packets++
				if len(p) > wire.MaxRequest {
					t.Fatalf("sent %d octets", len(p))
				}
			}
			if packets > int(tr.terms.window) {
				t.Fatalf("sent %d packets, the window is %d", packets, tr.terms.window)
			}
			if silent += packets; tr.transfer == nil && silent > triesUnheard {
				t.Fatalf("sent %d packets to a client that was never heard", silent)
			}
		}
		for range 10 {
			out.reset()
			now = now.Add(maxInterval)
			tr.tick(now, &out)
		}
		if _, over := tr.ended(); !over {
			t.Fatal("still running after a minute of silence")
		}
	})
}
