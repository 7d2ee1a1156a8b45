package wiretest

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime is what this thread has used of a processor, for bounds on what
// a packet may cost: nothing else that the machine does counts. The goroutine
// has to be locked to its thread.
func ProcessorTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
