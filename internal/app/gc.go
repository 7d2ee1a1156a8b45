package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// headroom is how much may be thrown away between two garbage collections.
	// Go allows as much as there is alive, which is little here: a server that
	// answers 20,000 machines a second would collect 20 times a second.
	headroom   = 32 << 20
	maxPercent = 1000
	paceEvery  = time.Second
)

// sharedProcessor has Go run two things at a time where there is one processor.
// The loop of TFTP waits for its sockets without telling Go (docs/adr/0020), so
// nothing else would run as long as it is busy; the system shares one processor
// among two threads as it should.
func sharedProcessor() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

// paceGC lets the heap grow by the headroom between collections, whatever is
// alive, until the context ends. Whoever sets GOGC knows better.
func paceGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	current := 0
	for {
		metrics.Read(live)
		if want := gcPercent(live[0].Value.Uint64()); want != current {
			debug.SetGCPercent(want)
			current = want
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gcPercent is GOGC for so many octets alive, in steps of 50: each change
// stops the server for a moment.
func gcPercent(live uint64) int {
	const step, least = 50, 100
	return min(max(int(headroom*100/max(live, 1))/step*step, least), maxPercent)
}
