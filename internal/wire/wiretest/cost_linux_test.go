package wiretest

import (
	"testing"
	"time"
)

// TestBoundedFindsWhatCostsTooMuch: time and memory, each alone.
func TestBoundedFindsWhatCostsTooMuch(t *testing.T) {
	var kept []byte
	for _, tc := range []struct {
		name  string
		work  func()
		fails bool
	}{
		{"little", func() { kept = make([]byte, 2048) }, false},
		{"10 ms of the processor", func() { spin(t, 2*mostTime) }, true},
		{"10 ms of waiting", func() { time.Sleep(2 * mostTime) }, false},
		{"2 MiB at once", func() { kept = make([]byte, 2*mostMemory) }, true},
		{"2 MiB in small pieces", func() {
			for range 2 * mostMemory / 64 {
				kept = make([]byte, 64)
			}
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			of := &judge{TB: t}
			Bounded(of, func(m *Meter) { m.Measure(tc.work) })
			if of.failed != tc.fails {
				t.Errorf("failed: %v, want %v", of.failed, tc.fails)
			}
		})
	}
	_ = kept
}

// TestBoundedForgivesTheFirst: what is dear the first time only is no fault.
func TestBoundedForgivesTheFirst(t *testing.T) {
	of, times := &judge{TB: t}, 0
	Bounded(of, func(m *Meter) {
		if times++; times <= 2 {
			m.Measure(func() { spin(t, 2*mostTime) })
		}
	})
	if of.failed || times != 3 {
		t.Errorf("failed: %v, after %d times", of.failed, times)
	}
}

// judge notes that a test would have failed.
type judge struct {
	testing.TB
	failed bool
}

func (j *judge) Errorf(string, ...any) { j.failed = true }

// spin keeps the processor busy; a goroutine that is moved to another thread
// keeps that one busy as well.
func spin(t testing.TB, d time.Duration) {
	for before := ProcessorTime(t); ProcessorTime(t)-before < d; {
	}
}

func BenchmarkBounded(b *testing.B) {
	for b.Loop() {
		Bounded(b, func(m *Meter) { m.Measure(func() {}) })
	}
}
