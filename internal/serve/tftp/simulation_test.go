package tftp

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// link is what happens to packets between a transfer and a reader.
type link struct {
	delay  time.Duration // each way
	jitter time.Duration // at most, on top; it reorders
	loss   float64       // share of packets that never arrive
	double float64       // share of blocks that arrive twice
	echo   float64       // share of ACKs that arrive twice
}

// reader is a model of the clients: it takes blocks in order only.
type reader struct {
	asked    string
	eager    bool          // answers every packet out of order, as EDK2 does; else the first
	patience time.Duration // before it repeats itself

	blksize, window int
	agreed          bool  // the OACK came
	expected        int64 // next block
	unacked         int   // blocks since its last ACK
	gap             bool  // it has answered the present gap
	got             []byte
	done            bool
	blocks          int // DATA packets that arrived
}

// receive takes a packet and gives the answer, if there is one.
func (r *reader) receive(t rapid.TB, b []byte) []byte {
	if opts, err := wire.ParseOAck(b); err == nil {
		r.agree(opts)
		if r.expected > 1 {
			return nil
		}
		return wire.AppendAck(nil, 0)
	}
	block, contents, err := wire.ParseData(b)
	if err != nil {
		t.Fatalf("the reader was sent % x: %v", b[:min(len(b), 40)], err)
	}
	r.blocks++
	if block != uint16(r.expected) || r.done {
		if r.gap && !r.eager {
			return nil
		}
		r.gap, r.unacked = true, 0
		return r.ack()
	}
	r.got = append(r.got, contents...)
	r.expected++
	r.unacked++
	r.gap = false
	r.done = len(contents) < r.blksize
	if r.done || r.unacked == r.window {
		r.unacked = 0
		return r.ack()
	}
	return nil
}

func (r *reader) agree(opts wire.Options) {
	if r.agreed {
		return
	}
	r.agreed = true
	if v, ok := opts.Get("blksize"); ok {
		fmt.Sscan(v, &r.blksize)
	}
	if v, ok := opts.Get("windowsize"); ok {
		fmt.Sscan(v, &r.window)
	}
}

func (r *reader) ack() []byte { return wire.AppendAck(nil, uint16(r.expected-1)) }

// flying is a packet on the link, or a reader's clock.
type flying struct {
	at       time.Duration
	order    int
	packet   []byte // nil: the reader's clock
	toServer bool
}

type sky []flying

func (s sky) Len() int      { return len(s) }
func (s sky) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s sky) Less(i, j int) bool {
	return s[i].at < s[j].at || s[i].at == s[j].at && s[i].order < s[j].order
}
func (s *sky) Push(x any) { *s = append(*s, x.(flying)) }
func (s *sky) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// world runs one transfer against one reader in time of its own.
type world struct {
	t     rapid.TB
	rng   *rand.Rand
	link  link
	sky   sky
	order int
	now   time.Duration
	sent  int // packets that the transfer sent
}

func (w *world) launch(packet []byte, toServer bool) {
	copies, twice := 1, w.link.double
	if toServer {
		twice = w.link.echo
	}
	if w.rng.Float64() < twice {
		copies = 2
	}
	for range copies {
		if w.rng.Float64() < w.link.loss {
			continue
		}
		at := w.now + w.link.delay
		if w.link.jitter > 0 {
			at += time.Duration(w.rng.Int64N(int64(w.link.jitter)))
		}
		w.order++
		heap.Push(&w.sky, flying{at, w.order, bytes.Clone(packet), toServer})
	}
}

// run drives both until the transfer ends, and gives how long it took.
func (w *world) run(tr testRead, r *reader) time.Duration {
	epoch := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	out := burst{from: tr.from}
	input := func(f func(time.Time, *burst)) {
		out.reset()
		f(epoch.Add(w.now), &out)
		for p := range out.packets() {
			w.sent++
			w.launch(p, false)
		}
	}
	heard := w.now // by the reader
	clock := func() { heap.Push(&w.sky, flying{at: w.now + r.patience/4}) }
	clock()
	input(tr.start)
	for {
		if _, over := tr.ended(); over {
			return w.now
		}
		if w.now > 10*time.Minute {
			w.t.Fatalf("still running after 10 minutes: %+v, reader at block %d", w.link, r.expected)
		}
		if due := tr.next().Sub(epoch); due <= w.sky[0].at {
			w.now = max(w.now, due)
			input(tr.tick)
			continue
		}
		f := heap.Pop(&w.sky).(flying)
		w.now = f.at
		switch {
		case f.packet == nil:
			if w.now-heard >= r.patience && !r.done {
				heard = w.now
				if r.expected == 1 && !r.agreed {
					input(func(now time.Time, out *burst) { tr.repeat(now, requestSize, out) })
				} else {
					r.unacked = 0
					w.launch(r.ack(), true)
				}
			}
			clock()
		case f.toServer:
			input(func(now time.Time, out *burst) { tr.packet(now, f.packet, out) })
		default:
			heard = w.now
			if answer := r.receive(w.t, f.packet); answer != nil {
				w.launch(answer, true)
			}
		}
	}
}

// fetch reads a file of that many octets over a link, and checks it.
func fetch(t rapid.TB, seed uint64, l link, r *reader, size int) (w *world, tr testRead, took time.Duration) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	file := make([]byte, size)
	for i := range file {
		file[i] = byte(rng.Uint32())
	}
	r.blksize, r.window, r.expected = wire.DefaultBlksize, 1, 1
	tr = transferFrom(t, r.asked, int64(size), bytes.NewReader(file))
	w = &world{t: t, rng: rng, link: l}
	took = w.run(tr, r)
	done, _ := tr.ended()
	if done.code != event.FileRead {
		t.Fatalf("outcome %q %v after %v over %+v", done.code, done.attrs, took, l)
	}
	if !r.done || !bytes.Equal(r.got, file) {
		t.Fatalf("the reader has %d octets (complete: %v), want these %d", len(r.got), r.done, size)
	}
	return w, tr, took
}

// TestEverySize reads files of 0 to 5 blocks and an octet more or less, with
// the options that clients ask for, over a link that works.
func TestEverySize(t *testing.T) {
	lan := link{delay: 100 * time.Microsecond}
	for _, asked := range []string{
		"", "tsize=0", "blksize=8", "blksize=1468 tsize=0", "blksize=1024 windowsize=4",
		"tsize=0 blksize=1468 windowsize=4", "windowsize=64 blksize=8", "timeout=5 blksize=1468",
	} {
		blksize := int(negotiate(options(asked), 1, limits{blksize: 1468, window: 64}).blksize)
		for blocks := range 6 {
			for size := max(0, blocks*blksize-1); size <= blocks*blksize+1; size++ {
				r := &reader{asked: asked, patience: time.Second}
				w, tr, _ := fetch(t, uint64(size), lan, r, size)
				want := size/blksize + 1
				if asked != "" {
					want++ // the OACK
				}
				if w.sent != want || tr.counts().retransmissions != 0 {
					t.Errorf("%q, %d octets: %d packets, %d of them again, want %d and none",
						asked, size, w.sent, tr.counts().retransmissions, want)
				}
			}
		}
	}
}

// TestLossyLinks reads files over links that lose, double and reorder, as
// every kind of client.
func TestLossyLinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blksize := rapid.SampledFrom([]int{8, 512, 1468}).Draw(t, "blksize")
		r := &reader{
			asked: fmt.Sprintf("blksize=%d windowsize=%d tsize=0", blksize,
				rapid.SampledFrom([]int{1, 2, 4, 16, 64}).Draw(t, "windowsize")),
			eager:    rapid.Bool().Draw(t, "eager"),
			patience: rapid.SampledFrom([]time.Duration{250 * time.Millisecond, time.Second, 4 * time.Second}).Draw(t, "patience"),
		}
		l := link{
			delay:  rapid.SampledFrom([]time.Duration{0, 100 * time.Microsecond, 5 * time.Millisecond}).Draw(t, "delay"),
			jitter: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20 * time.Millisecond}).Draw(t, "jitter"),
			loss:   rapid.SampledFrom([]float64{0, 0.01, 0.05}).Draw(t, "loss"),
			double: rapid.SampledFrom([]float64{0, 0.05, 1}).Draw(t, "double"),
			echo:   rapid.SampledFrom([]float64{0, 0.05, 1}).Draw(t, "echo"),
		}
		size := rapid.IntRange(0, 200*blksize).Draw(t, "size")
		fetch(t, rapid.Uint64().Draw(t, "seed"), l, r, size)
	})
}

// TestSorcerersApprentice doubles every packet. Answering each doubled ACK
// would double the blocks from then on; they must be sent once. Where blocks
// come double inside a window, clients answer the second of each with an ACK
// that looks like a loss: then each may be sent once more, not many times.
func TestSorcerersApprentice(t *testing.T) {
	const blocks = 501
	for _, tt := range []struct {
		asked string
		link  link
		most  int64
	}{
		{"blksize=8", link{double: 1, echo: 1}, 0},
		{"blksize=8 windowsize=4", link{echo: 1}, 0},
		{"blksize=8 windowsize=16", link{echo: 1}, 0},
		{"blksize=8 windowsize=4", link{double: 1, echo: 1}, blocks},
		{"blksize=8 windowsize=16", link{double: 1, echo: 1}, blocks},
	} {
		for _, eager := range []bool{false, true} {
			tt.link.delay = time.Millisecond
			r := &reader{asked: tt.asked, eager: eager, patience: time.Second}
			_, tr, _ := fetch(t, 1, tt.link, r, 8*(blocks-1))
			if tr.counts().retransmissions > tt.most {
				t.Errorf("%q, eager %v, %+v: %d packets were sent again, want at most %d",
					tt.asked, eager, tt.link, tr.counts().retransmissions, tt.most)
			}
		}
	}
}

// TestLossCosts bounds what loss may cost: 1 MiB at 1 ms round trip and 1 %
// loss each way, in lock-step and with a window.
func TestLossCosts(t *testing.T) {
	l := link{delay: 500 * time.Microsecond, loss: 0.01}
	for _, tt := range []struct {
		asked string
		most  time.Duration
	}{
		{"blksize=1468", 8 * time.Second},
		{"blksize=1468 windowsize=4", 2 * time.Second},
		{"blksize=1468 windowsize=16", 2 * time.Second},
	} {
		for seed := range uint64(10) {
			r := &reader{asked: tt.asked, eager: true, patience: 4 * time.Second}
			if _, _, took := fetch(t, seed, l, r, 1<<20); took > tt.most {
				t.Errorf("%q, seed %d: took %v, want at most %v", tt.asked, seed, took, tt.most)
			}
		}
	}
}
