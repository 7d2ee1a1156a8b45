package httpserve

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// door counts the connections of a server, over all its listeners, and lets in
// only so many at a time. Where all places are taken, the connection that has
// been idle for longest gives its up; where none is idle, new ones wait in the
// kernel's queue. Nobody who is in the middle of a transfer is put out.
//
// One address has a share of the places, of the transfers under way, and of
// the requests in a second. It stands in nobody else's way when it has used
// that up: its idle connections go first, then it is refused.
type door struct {
	lim    *limits
	rates  rates
	mu     sync.Mutex
	change *sync.Cond // of the fields below
	inside int
	idle   *list.List // of *conn, since longest first
	closed bool

	sources map[netip.Addr]*source
	swept   time.Time // when sources was last cleared of those that are gone
}

// source is what one address uses. IPv6 is counted by its /64, of which a
// machine has all addresses that it likes.
type source struct {
	conns int
	busy  int        // requests under way
	idle  *list.List // of *conn, since longest first
	// free is when the next request may come by the rate alone; it lies in
	// the past, by a second at most, where the address has asked for less.
	free    time.Time
	limiter *rate.Limiter // of octets; nil: any
}

func newDoor(lim *limits, r rates) *door {
	d := &door{lim: lim, rates: r, idle: list.New(), sources: map[netip.Addr]*source{}}
	d.change = sync.NewCond(&d.mu)
	return d
}

// gate is a listener behind the door.
type gate struct {
	net.Listener
	door    *door
	refused func(*conn) // is told of connections that their address may not have
	plain   bool        // no TLS follows: a refusal can be said
}

// Accept waits for a place, then for a connection.
func (g *gate) Accept() (net.Conn, error) {
	if !g.door.enter() {
		return nil, net.ErrClosed
	}
	for {
		nc, err := g.Listener.Accept()
		if err != nil {
			g.door.leave()
			return nil, err
		}
		c := newConn(nc, g.door.lim, g.door.count())
		if g.door.admit(c) {
			return c, nil
		}
		g.refused(c)
		if g.plain {
			c.sayBusy()
		}
		nc.Close()
	}
}

// Close lets nobody in any more.
func (g *gate) Close() error {
	g.door.mu.Lock()
	defer g.door.mu.Unlock()
	g.door.closed = true
	g.door.change.Broadcast()
	return g.Listener.Close()
}

// enter takes a place; false if the door was closed.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.inside >= d.lim.connections && !d.closed {
		if e := d.idle.Front(); e != nil {
			d.putOut(e.Value.(*conn))
		}
		d.change.Wait()
	}
	d.inside++
	return !d.closed
}

// leave gives back a place that nobody was admitted to.
func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	d.change.Signal()
}

// count is how many are inside, the one at the door included.
func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inside
}

// putOut closes an idle connection. The server reports its end through track.
func (d *door) putOut(c *conn) {
	d.forget(c)
	c.Conn.Close()
}

// admit counts a connection to its address; false if that has no more.
func (d *door) admit(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.source(c.address())
	if s.conns >= d.lim.sourceConnections {
		e := s.idle.Front()
		if e == nil {
			return false
		}
		d.putOut(e.Value.(*conn))
	}
	s.conns++
	c.source = s
	return true
}

// source finds an address, or adds it.
func (d *door) source(a netip.Addr) *source {
	if a.Is6() {
		a = netip.PrefixFrom(a, 64).Masked().Addr()
	}
	if s := d.sources[a]; s != nil {
		return s
	}
	d.sweep()
	s := &source{idle: list.New(), limiter: newLimiter(d.rates.own)}
	d.sources[a] = s
	return s
}

// sweep forgets the addresses that use nothing, at most once a second.
func (d *door) sweep() {
	now := time.Now()
	if now.Sub(d.swept) < time.Second {
		return
	}
	d.swept = now
	for a, s := range d.sources {
		if s.conns == 0 && s.busy == 0 && s.free.Before(now) && settled(s.limiter, now) {
			delete(d.sources, a)
		}
	}
}

func (d *door) forget(c *conn) {
	if c.place == nil {
		return
	}
	d.idle.Remove(c.place)
	c.source.idle.Remove(c.own)
	c.place, c.own = nil, nil
}

// track is the server's ConnState hook.
func (d *door) track(nc net.Conn, state http.ConnState) {
	c := connOf(nc)
	if c == nil {
		return
	}
	if state == http.StateActive {
		c.begin()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(c)
	switch state {
	case http.StateIdle:
		c.place, c.own = d.idle.PushBack(c), c.source.idle.PushBack(c)
		d.change.Signal()
	case http.StateClosed, http.StateHijacked:
		c.source.conns--
		d.inside--
		d.change.Signal()
	}
}

// begin counts a request of an address. refusal is why it is not to be
// answered now; otherwise it may be after so long, and end is to be called
// when it has been.
func (d *door) begin(a netip.Addr) (wait time.Duration, end func(), refusal string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.source(a)
	if s.busy >= d.lim.sourceTransfers {
		return 0, nil, "too many transfers of one address at a time"
	}
	now := time.Now()
	if earliest := now.Add(-time.Second); s.free.Before(earliest) {
		s.free = earliest
	}
	if wait = max(0, s.free.Sub(now)); wait > d.lim.waitTime {
		return 0, nil, "too many requests of one address in a second"
	}
	s.free = s.free.Add(time.Second / time.Duration(d.lim.sourceRate))
	s.busy++
	return wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		s.busy--
	}, ""
}
