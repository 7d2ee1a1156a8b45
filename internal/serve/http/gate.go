package httpserve

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// gate is a listener that lets in only so many connections at a time. Where
// all places are taken, the connection that has been idle for longest gives
// its up; where none is idle, new ones wait in the kernel's queue. Nobody who
// is in the middle of a transfer is put out.
//
// The server tells it what its connections do through track.
type gate struct {
	net.Listener
	mu     sync.Mutex
	change *sync.Cond // of the fields below
	places int
	inside int
	idle   []net.Conn // since longest first
	closed bool
}

func newGate(ln net.Listener, places int) *gate {
	g := &gate{Listener: ln, places: places}
	g.change = sync.NewCond(&g.mu)
	return g
}

// Accept waits for a place, then for a connection.
func (g *gate) Accept() (net.Conn, error) {
	if !g.enter() {
		return nil, net.ErrClosed
	}
	c, err := g.Listener.Accept()
	if err != nil {
		g.leave(nil)
	}
	return c, err
}

// enter takes a place; false if the gate was closed.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.inside >= g.places && !g.closed {
		if len(g.idle) > 0 {
			g.idle[0].Close() // the server reports its end through track
			g.idle = g.idle[1:]
		}
		g.change.Wait()
	}
	g.inside++
	return !g.closed
}

func (g *gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.forget(c)
	g.change.Signal()
}

func (g *gate) forget(c net.Conn) {
	g.idle = slices.DeleteFunc(g.idle, func(have net.Conn) bool { return have == c })
}

// track is the server's ConnState hook.
func (g *gate) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateClosed, http.StateHijacked:
		g.leave(c)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(c)
	if state == http.StateIdle {
		g.idle = append(g.idle, c)
		g.change.Signal()
	}
}

// Close lets nobody in any more.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.change.Broadcast()
	return g.Listener.Close()
}
