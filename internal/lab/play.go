package lab

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// ErrFailed is what Play returns when the scene called Fatalf; the reason was
// written where the scene's log goes.
var ErrFailed = errors.New("lab scene failed")

// Play runs a scene in a lab outside of any test: log lines go to w, Fatalf
// ends the scene, and clean-ups run at its end.
func Play(name string, w io.Writer, scene func(TB)) error {
	p := &player{name: name, w: w}
	done := make(chan struct{})
	go func() { // Fatalf ends this goroutine, as in a test
		defer close(done)
		defer p.cleanUp()
		scene(p)
	}()
	<-done
	if p.Failed() {
		return ErrFailed
	}
	return nil
}

// player is a TB that is not a test.
type player struct {
	name string
	w    io.Writer

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

func (p *player) Helper()      {}
func (p *player) Name() string { return p.name }

func (p *player) Logf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *player) Fatalf(format string, args ...any) {
	p.Logf(format, args...)
	p.mu.Lock()
	p.failed = true
	p.mu.Unlock()
	runtime.Goexit()
}

func (p *player) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

func (p *player) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *player) cleanUp() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
}
