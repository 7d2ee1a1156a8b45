package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"hobnail/internal/bootfile"
)

// silence is a Conn of requests whose senders never say anything more.
type silence struct {
	*network
	packets, octets int
}

func (s *silence) Send(out []Outgoing) {
	for _, o := range out {
		s.packets += (len(o.Packets) + o.Size - 1) / o.Size
		s.octets += len(o.Packets)
	}
}

// flood has a loop take n requests from as many addresses.
func flood(t testing.TB, l *loop, n int, packet []byte, each func(i int, now time.Time)) {
	t.Helper()
	now := time.Now()
	for i := range n {
		var addr [4]byte
		binary.BigEndian.PutUint32(addr[:], 0xc6120000+uint32(i)) // 198.18.0.0/15, of benchmarks
		l.datagram(now, &Incoming{
			Data: packet, From: netip.AddrPortFrom(netip.AddrFrom4(addr), 2070), Local: requestPort.Addr(), Request: true,
		})
		for l.pending > 0 {
			runtime.Gosched()
			l.takeInbox(now)
		}
		if each != nil {
			each(i, now)
		}
		l.flush()
	}
}

func newQuietLoop(opener bootfile.Opener) (*loop, *silence) {
	conn := &silence{network: newNetwork()}
	return newLoop(context.Background(), &Server{Opener: opener}, conn), conn
}

// TestStateOfARequest bounds what a request costs whose sender may not exist:
// 256 octets of memory, three packets, four times its octets. A million forged
// ones in a minute are 120,000 at a time.
func TestStateOfARequest(t *testing.T) {
	const n = 20000
	file := contents("nbp", bytes.Repeat([]byte("x"), 1<<20))
	file.ETag = `"1"`
	for _, asked := range []string{"tsize=0 blksize=1468 windowsize=4", "tsize=0"} {
		l, conn := newQuietLoop(files{"nbp": file})
		packet := rrq(t, "nbp", asked)
		flood(t, l, 100, packet, nil) // what grows once
		before := heapInUse()
		flood(t, l, n, packet, nil)
		each := (heapInUse() - before) / n
		t.Logf("%q: %d octets a request, of which the session has %d", asked, each, unsafe.Sizeof(session{}))
		if each > 256 {
			t.Errorf("%q: a request takes %d octets, at most 256 are allowed", asked, each)
		}
		for now := time.Now(); len(l.sessions) > 0; now = now.Add(100 * time.Millisecond) {
			l.expire(now)
			l.flush()
		}
		if most := (n + 100) * triesUnheard; conn.packets > most || conn.octets > (n+100)*amplification*len(packet) {
			t.Errorf("%q: %d packets, %d octets for %d requests of %d octets", asked, conn.packets, conn.octets, n, len(packet))
		}
		runtime.KeepAlive(l)
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestUnheardMakeRoom: the oldest goes when there are too many, and whoever
// answers at once is served.
func TestUnheardMakeRoom(t *testing.T) {
	file := contents("nbp", bytes.Repeat([]byte("x"), 1<<20))
	file.ETag = `"1"`
	l, _ := newQuietLoop(files{"nbp": file})
	served := 0
	flood(t, l, maxUnheard+5000, rrq(t, "nbp", "tsize=0"), func(i int, now time.Time) {
		if i%1000 != 999 {
			return
		}
		ses := l.unheard.queue[len(l.unheard.queue)-1]
		l.datagram(now, &Incoming{Data: []byte{0, 4, 0, 0}, From: ses.address(), Local: requestPort.Addr(), Port: ses.answers})
		if !ses.unheard {
			served++
		}
	})
	if want := (maxUnheard + 5000) / 1000; served != want {
		t.Errorf("%d of those who answered were served, want %d", served, want)
	}
	if l.unheard.count > maxUnheard || len(l.sessions) > maxUnheard+served {
		t.Errorf("%d sessions, %d unheard", len(l.sessions), l.unheard.count)
	}
	if l.files[fileKey{"nbp", `"1"`, 1 << 20}].users != len(l.sessions) {
		t.Error("users of the file and sessions differ")
	}
}

// TestFloodDoesNotPushOutWhoWaits: a client that has acknowledged its OACK and
// waits for a place keeps its turn, however many forged requests come.
func TestFloodDoesNotPushOutWhoWaits(t *testing.T) {
	file := contents("nbp", bytes.Repeat([]byte("x"), 1<<20))
	file.ETag = `"1"`
	l, _ := newQuietLoop(files{"nbp": file})
	l.caps.transfers = 0
	var waits *session
	flood(t, l, maxUnheard+5000, rrq(t, "nbp", "tsize=0"), func(i int, now time.Time) {
		if i == 0 {
			waits = l.unheard.queue[0]
			l.datagram(now, &Incoming{Data: []byte{0, 4, 0, 0}, From: waits.address(), Local: requestPort.Addr(), Port: waits.answers})
		}
	})
	if !waits.queued || waits.gone {
		t.Errorf("queued %v, gone %v", waits.queued, waits.gone)
	}
	l.caps.transfers = 1
	l.admitQueued(time.Now())
	if waits.unheard || waits.read.transfer == nil {
		t.Error("it was not begun when there was a place")
	}
}

// TestUnheardContentIsBounded: what is made for one client alone takes room
// until that client answers.
func TestUnheardContentIsBounded(t *testing.T) {
	l, _ := newQuietLoop(anyName{make([]byte, 100<<10)})
	flood(t, l, 1000, rrq(t, "script", "tsize=0"), nil)
	if l.unheard.octets > maxUnheardOctets || l.unheard.count < maxUnheardOctets/(100<<10) {
		t.Errorf("%d octets of %d sessions", l.unheard.octets, l.unheard.count)
	}
	for _, ses := range l.sessions {
		l.abandon(time.Now(), ses, errStopping)
	}
	if u := l.unheard; u.octets != 0 || u.count != 0 || len(l.files) != 0 {
		t.Errorf("after the end: %d octets, %d sessions, %d files", u.octets, u.count, len(l.files))
	}
}

// TestLargeContentOfOne is served although it is more than all may have.
func TestLargeContentOfOne(t *testing.T) {
	l, conn := newQuietLoop(anyName{make([]byte, maxUnheardOctets+1)})
	flood(t, l, 1, rrq(t, "image", "tsize=0"), nil)
	if conn.packets != 1 || len(l.sessions) != 1 {
		t.Errorf("%d packets, %d sessions", conn.packets, len(l.sessions))
	}
}

// TestOneAddressAsksTooOften: its requests are dropped, another's are not.
func TestOneAddressAsksTooOften(t *testing.T) {
	l, conn := newQuietLoop(files{})
	now := time.Now()
	ask := func(from string) {
		l.datagram(now, &Incoming{Data: rrq(t, "x", ""), From: netip.MustParseAddrPort(from), Local: requestPort.Addr(), Request: true})
		for l.pending > 0 {
			runtime.Gosched()
			l.takeInbox(now)
		}
		l.flush()
	}
	for i := range 3 * requestBurst {
		ask(fmt.Sprintf("198.51.100.7:%d", 1000+i))
	}
	if conn.packets != requestBurst {
		t.Errorf("%d requests at once were answered, want %d", conn.packets, requestBurst)
	}
	ask("198.51.100.8:1000")
	now = now.Add(time.Second)
	ask("198.51.100.7:1000")
	if conn.packets != requestBurst+2 {
		t.Errorf("%d answers, want %d", conn.packets, requestBurst+2)
	}
}
