package wiretest

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What one packet may cost, whatever is in it.
const (
	mostTime   = 5 * time.Millisecond // of the processor
	mostMemory = 1 << 20              // octets allocated
)

// Meter finds out what dealing with one packet costs.
type Meter struct {
	clock  func() time.Duration
	time   time.Duration
	memory uint64 // octets allocated, give or take a few kilobytes
}

// Measure does some work and counts what it costs.
func (m *Meter) Measure(work func()) {
	memory, begun := allocated(), m.clock()
	work()
	m.time += m.clock() - begun
	m.memory += allocated() - memory
}

func (m *Meter) within() bool { return m.time <= mostTime && m.memory <= mostMemory }

// Bounded has a packet dealt with, and what of that is measured may take 5 ms of
// the processor and 1 MiB at the most. It measures by the clock on the wall,
// which a program reads without asking the kernel. Only where that has shown too
// much does it look again, by what this thread has used of a processor: nothing
// else that the machine does counts. It does so three times, as the first may
// have to pay for a garbage collection.
func Bounded(t testing.TB, deal func(*Meter)) {
	t.Helper()
	start := time.Now()
	m := Meter{clock: func() time.Duration { return time.Since(start) }}
	if deal(&m); m.within() {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := Meter{time: 1<<63 - 1, memory: 1<<64 - 1}
	for range 3 {
		m := Meter{clock: func() time.Duration { return ProcessorTime(t) }}
		deal(&m)
		least.time, least.memory = min(least.time, m.time), min(least.memory, m.memory)
		if least.within() {
			return
		}
	}
	t.Errorf("took %v and %d octets, may take %v and %d at the most", least.time, least.memory, mostTime, mostMemory)
}

// ProcessorTime is what this thread has used of a processor, for bounds on what
// a packet may cost: nothing else that the machine does counts. The goroutine
// has to be locked to its thread.
func ProcessorTime(t testing.TB) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// allocated counts the octets that all goroutines have allocated so far, without
// stopping them.
func allocated() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}
