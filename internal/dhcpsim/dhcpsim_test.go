package dhcpsim

import (
	"bytes"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds = flag.Uint64("seeds", 100, "how many histories to play")
	first = flag.Uint64("first", 1, "the first of them")
	seed  = flag.Uint64("seed", 0, "play this one alone and show it")
)

// search plays seeds until one violates something, on all processors; it gives
// the lowest seed that does, and nil if none does.
func search(from, n uint64, bug *Bug) (found *Violation, total Stats) {
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // runs are short, and leave much behind
	var mu sync.Mutex
	var next atomic.Uint64
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for !stop.Load() {
				i := next.Add(1) - 1
				if i >= n {
					return
				}
				stats, v := Run(from+i, Options{Bug: bug})
				mu.Lock()
				total.add(stats)
				if v != nil {
					stop.Store(true)
					if found == nil || v.Seed < found.Seed {
						found = v
					}
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return found, total
}

func (s *Stats) add(t Stats) {
	s.Packets += t.Packets
	s.Acks += t.Acks
	s.Crashes += t.Crashes
	s.Faults += t.Faults
	s.Declines += t.Declines
	s.Excused += t.Excused
}

// history is what happens in a seed.
func history(seed uint64, bug *Bug) (string, *Violation) {
	var b bytes.Buffer
	_, v := Run(seed, Options{History: &b, Bug: bug})
	return b.String(), v
}

// tail is the end of a history.
func tail(text string, lines int) string {
	all := bytes.Split([]byte(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// TestSeeds plays histories and wants nothing to happen in them that must not.
func TestSeeds(t *testing.T) {
	if *seed != 0 {
		text, v := history(*seed, nil)
		fmt.Print(text)
		if v != nil {
			t.Fatal(v)
		}
		return
	}
	start := time.Now()
	v, total := search(*first, *seeds, nil)
	t.Logf("seeds %d to %d in %v: %+v", *first, *first+*seeds-1, time.Since(start).Round(time.Millisecond), total)
	if v != nil {
		text, _ := history(v.Seed, nil)
		t.Fatalf("%v\n%s\nthe whole of it: go test ./internal/dhcpsim -run TestSeeds -seed %d", v, tail(text, 60), v.Seed)
	}
}

// TestSameSeedSameHistory: a failure can be looked at again.
func TestSameSeedSameHistory(t *testing.T) {
	for seed := range uint64(20) {
		once, _ := history(seed, nil)
		again, _ := history(seed, nil)
		if once != again {
			t.Fatalf("seed %d gives two histories", seed)
		}
	}
}
