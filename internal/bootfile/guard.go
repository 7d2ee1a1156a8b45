package bootfile

import (
	"os"
	"runtime"
)

// guardThreads is how many files can be opened at the same time. Opening takes
// microseconds; it takes longer only where a disk or a file server hangs.
const guardThreads = 4

// guard opens files on threads that the kernel lets read some folders and
// nothing else. What is open can be read by everybody: Landlock asks when a
// file is opened, not afterwards.
//
// The rest of the program is not restricted: it reads a new configuration, and
// the leases and keys that lie in the same data folder, which must be out of
// reach of whoever asks for a boot file. A domain can never be made wider; a
// reload makes new guards.
//
// The zero value opens on the caller's own thread.
type guard struct{ work chan<- opening }

type opening struct {
	open func() (*os.File, error)
	done chan<- opened
}

type opened struct {
	file *os.File
	err  error
}

// newGuard makes a guard for folders and files that are open. Its threads end
// when nobody refers to it any more, as an open os.Root is closed then: a
// request that is under way while a reload replaces everything keeps what it
// needs.
func newGuard(readable []*os.File) (*guard, error) {
	rules, err := newRuleset()
	if err != nil {
		return nil, err
	}
	defer rules.close()
	for _, f := range readable {
		if err := rules.allow(f); err != nil {
			return nil, err
		}
	}
	work := make(chan opening)
	ready := make(chan error)
	for range guardThreads {
		go watch(rules, work, ready)
	}
	for range guardThreads {
		if e := <-ready; e != nil {
			err = e
		}
	}
	if err != nil {
		close(work)
		return nil, err
	}
	g := &guard{work: work}
	runtime.AddCleanup(g, func(work chan<- opening) { close(work) }, g.work)
	return g, nil
}

// watch is one thread of a guard. The goroutine never gives its thread back:
// when it ends, Go ends the thread.
func watch(rules ruleset, work <-chan opening, ready chan<- error) {
	runtime.LockOSThread()
	err := rules.restrictThread()
	ready <- err
	if err != nil {
		return
	}
	for w := range work {
		f, err := w.open()
		w.done <- opened{f, err}
	}
}

// do runs what opens a file where it belongs.
func (g *guard) do(open func() (*os.File, error)) (*os.File, error) {
	if g.work == nil {
		return open()
	}
	done := make(chan opened, 1)
	g.work <- opening{open, done}
	r := <-done
	runtime.KeepAlive(g) // it must not close the channel while we send
	return r.file, r.err
}
