// Package link is a cable with a length and with faults: a process joins the
// interfaces of two network namespaces and delays, drops, doubles and reorders
// what passes. It is for kernels without netem, and does the same with the
// same seed and packets. It has no rate of its own: what is sent in one call
// arrives at one time.
package link

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Faults is what happens to packets in either direction. The rates are shares
// of one. ARP is delayed, and spared the rest: a resolution that is lost costs
// a second and says nothing about what is tested.
type Faults struct {
	Delay     time.Duration // one way
	Loss      float64
	Duplicate float64
	Reorder   float64 // arrives Late after its turn
	Late      time.Duration
	Seed      uint64
}

func (f Faults) any() bool { return f.Loss > 0 || f.Duplicate > 0 || f.Reorder > 0 }

// End is an interface that Join makes: its name, and the namespace as ip netns
// knows it.
type End struct {
	Netns string
	Name  string
}

// Count is what passed in one direction. A datagram that the kernel sends as
// one with others counts by itself where there are faults, and as one with
// them where there are none.
type Count struct {
	Passed, Lost, Doubled, Reordered uint64
}

// Link is a cable. Close takes it away, and its interfaces.
type Link struct {
	halves [2]*half
	wake   [2]int // a pipe that ends run
	done   chan struct{}
	err    error // of run; valid after done
	once   sync.Once
}

// half is one direction: in at an interface, out at the other.
type half struct {
	in, out int
	faults  Faults
	random  *rand.Rand
	turn    queue // in order
	late    queue
	free    [][]byte
	count   Count
}

// Join makes the two interfaces and what is between them. They are down, and
// have the MTU of Ethernet. cpu is the processor that the link works on, and
// has for itself while packets pass: it does not sleep then, for to be woken
// takes a virtual machine a good part of a short delay. Below zero it works on
// any, sleeps between packets, and is late by that.
func Join(a, b End, f Faults, cpu int) (*Link, error) {
	fdA, err := openTap(a)
	if err != nil {
		return nil, err
	}
	fdB, err := openTap(b)
	if err != nil {
		unix.Close(fdA)
		return nil, err
	}
	l := &Link{done: make(chan struct{})}
	l.halves = [2]*half{newHalf(fdA, fdB, f, 1), newHalf(fdB, fdA, f, 2)}
	if err := unix.Pipe2(l.wake[:], unix.O_CLOEXEC); err != nil {
		unix.Close(fdA)
		unix.Close(fdB)
		return nil, fmt.Errorf("making a pipe: %v", err)
	}
	go func() {
		l.err = l.run(cpu)
		close(l.done)
	}()
	return l, nil
}

func newHalf(in, out int, f Faults, direction uint64) *half {
	return &half{in: in, out: out, faults: f, random: rand.New(rand.NewPCG(f.Seed, direction))}
}

// Close ends the link and gives what passed from a to b and from b to a. It
// may be called again.
func (l *Link) Close() ([2]Count, error) {
	l.once.Do(func() {
		unix.Write(l.wake[1], []byte{0})
		<-l.done
		for _, fd := range []int{l.halves[0].in, l.halves[1].in, l.wake[0], l.wake[1]} {
			unix.Close(fd)
		}
	})
	return [2]Count{l.halves[0].count, l.halves[1].count}, l.err
}

// awake is how long a link with a processor for itself stays awake after a
// packet.
const awake = 20 * time.Millisecond

// run carries packets until the link is closed.
func (l *Link) run(cpu int) error {
	runtime.LockOSThread() // and never unlocked: its settings go with it
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	if cpu >= 0 {
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("choosing a processor: %v", err)
		}
	}
	buf := make([]byte, headerSize+1<<16)
	var last time.Time // a packet came
	for {
		now := time.Now()
		next := time.Duration(-1)
		for _, h := range l.halves {
			some, err := h.read(buf, now)
			if err != nil {
				return err
			}
			if some {
				last = now
			}
			due, ok := h.write(time.Now())
			if ok && (next < 0 || due < next) {
				next = due
			}
		}
		if cpu >= 0 && now.Sub(last) < awake {
			continue
		}
		if over, err := l.sleep(next); over || err != nil {
			return err
		}
	}
}

// sleep waits until there is something to read, or a time has passed (below
// zero: for ever); over: the link is closed.
func (l *Link) sleep(d time.Duration) (over bool, err error) {
	fds := []unix.PollFd{
		{Fd: int32(l.halves[0].in), Events: unix.POLLIN},
		{Fd: int32(l.halves[1].in), Events: unix.POLLIN},
		{Fd: int32(l.wake[0]), Events: unix.POLLIN},
	}
	var timeout *unix.Timespec
	if d >= 0 {
		t := unix.NsecToTimespec(d.Nanoseconds())
		timeout = &t
	}
	if _, err := unix.Ppoll(fds, timeout, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("waiting for packets: %v", err)
	}
	return fds[2].Revents != 0, nil
}

// readAtOnce bounds what is read before what is due is written.
const readAtOnce = 64

// read takes what has come in at an end, and says whether there was something.
func (h *half) read(buf []byte, now time.Time) (some bool, err error) {
	for range readAtOnce {
		n, err := unix.Read(h.in, buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return some, nil
		case err != nil:
			return some, fmt.Errorf("reading from the interface: %v", err)
		}
		some = true
		if !h.faults.any() {
			h.keep(&h.turn, buf[:n], now.Add(h.faults.Delay))
			continue
		}
		split(buf[:n], func(frame []byte) { h.trouble(frame, now) })
	}
	return some, nil
}

// trouble decides on one packet. The same number of draws is made for each, so
// that a rate that is changed leaves the others' choices alone.
func (h *half) trouble(frame []byte, now time.Time) {
	due := now.Add(h.faults.Delay)
	if !isIP(frame) {
		h.keep(&h.turn, frame, due)
		return
	}
	lost := h.random.Float64() < h.faults.Loss
	doubled := h.random.Float64() < h.faults.Duplicate
	reordered := h.random.Float64() < h.faults.Reorder
	switch {
	case lost:
		h.count.Lost++
		return
	case reordered:
		h.count.Reordered++
		h.keep(&h.late, frame, due.Add(h.faults.Late))
	default:
		h.keep(&h.turn, frame, due)
	}
	if doubled {
		h.count.Doubled++
		h.keep(&h.turn, frame, due)
	}
}

// keep puts a copy of a frame into a queue.
func (h *half) keep(q *queue, frame []byte, due time.Time) {
	var b []byte
	if n := len(h.free); n > 0 {
		b, h.free = h.free[n-1], h.free[:n-1]
	}
	q.push(packet{append(b[:0], frame...), due})
}

// write sends what is due. It says how long it is until the next, if there is
// one. What the other end cannot take is lost.
func (h *half) write(now time.Time) (next time.Duration, ok bool) {
	for {
		q := &h.turn
		if p, some := h.late.first(); some {
			if first, other := h.turn.first(); !other || p.due.Before(first.due) {
				q = &h.late
			}
		}
		p, some := q.first()
		if !some {
			return 0, false
		}
		if wait := p.due.Sub(now); wait > 0 {
			return wait, true
		}
		q.pop()
		if _, err := unix.Write(h.out, p.frame); err == nil {
			h.count.Passed++
		}
		h.free = append(h.free, p.frame)
	}
}
