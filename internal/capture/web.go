package capture

import (
	"container/list"
	"net/netip"
	"time"

	"hobnail/internal/model"
)

const (
	// maxConns bounds the connections that are followed at a time.
	maxConns = 1 << 14
	// connIdle is how long a connection is remembered of which nothing is heard:
	// a body may make no progress for so long in hobnail's server, and a later
	// request is found again.
	connIdle = time.Minute
)

// web follows the HTTP connections of a capture. It begins with the first
// request that it sees, and keeps no contents.
type web struct {
	open     map[connID]*conn
	byClient map[netip.Addr]map[*conn]bool
	idle     list.List // of *conn, in the order of their last packet
	// boots names the boot files that DHCP servers tell machines to read by
	// HTTP, by the server's address and port.
	boots   map[netip.AddrPort]bootURL
	servers addrSet
	roles   roles
	tell    func(at time.Time, s model.Step)
}

type connID struct{ client, server netip.AddrPort }

// bootURL is a boot file that is read by HTTP.
type bootURL struct {
	name   string
	secret bool // https
}

func newWeb(tell func(time.Time, model.Step), servers addrSet) web {
	return web{
		open: map[connID]*conn{}, byClient: map[netip.Addr]map[*conn]bool{},
		boots: map[netip.AddrPort]bootURL{}, servers: servers, roles: roles{}, tell: tell,
	}
}

// named notes where a boot file is to be read.
func (w *web) named(a netip.AddrPort, name string, secret bool) {
	if len(w.boots) < maxAddrs {
		w.boots[a] = bootURL{name, secret}
	}
}

// segment takes a TCP segment.
func (w *web) segment(p *packet) {
	if c := w.open[connID{p.src, p.dst}]; c != nil {
		if p.tcp.flags&(flagSYN|flagACK) == flagSYN && c.answered() {
			w.end(c) // the port is used again
		} else {
			w.touch(c, p.at)
			c.fromClient(p)
			w.closed(c)
			return
		}
	} else if c := w.open[connID{p.dst, p.src}]; c != nil {
		w.touch(c, p.at)
		c.fromServer(p)
		w.closed(c)
		return
	}
	switch {
	case p.tcp.flags&(flagSYN|flagACK|flagRST) == flagSYN:
		if boot, ok := w.boots[p.dst]; ok {
			c := w.begin(p)
			c.boot = boot
			c.opening(p)
		}
	case isRequest(p.data):
		c := w.begin(p)
		c.fromClient(p)
	}
}

func (w *web) begin(p *packet) *conn {
	if len(w.open) >= maxConns {
		w.end(w.idle.Front().Value.(*conn))
	}
	c := &conn{web: w, id: connID{p.src, p.dst}, last: p.at}
	w.open[c.id] = c
	c.place = w.idle.PushBack(c)
	of := w.byClient[p.src.Addr()]
	if of == nil {
		of = map[*conn]bool{}
		w.byClient[p.src.Addr()] = of
	}
	of[c] = true
	return c
}

func (w *web) touch(c *conn, at time.Time) {
	c.last = at
	w.idle.MoveToBack(c.place)
}

// closed forgets a connection that is over.
func (w *web) closed(c *conn) {
	if c.over {
		w.forget(c)
	}
}

func (w *web) forget(c *conn) {
	delete(w.open, c.id)
	w.idle.Remove(c.place)
	of := w.byClient[c.id.client.Addr()]
	delete(of, c)
	if len(of) == 0 {
		delete(w.byClient, c.id.client.Addr())
	}
}

// end gives up a connection that is heard no more.
func (w *web) end(c *conn) {
	c.silent(c.last, false)
	w.forget(c)
}

// expire ends connections that nothing is heard of.
func (w *web) expire(now time.Time) {
	for e := w.idle.Front(); e != nil; e = w.idle.Front() {
		c := e.Value.(*conn)
		if now.Sub(c.last) < connIdle {
			return
		}
		w.end(c)
	}
}

// gone ends the connections of a client that has begun anew.
func (w *web) gone(client netip.Addr) {
	for {
		var first *conn
		for c := range w.byClient[client] {
			if first == nil || c.frame() < first.frame() {
				first = c
			}
		}
		if first == nil {
			return
		}
		w.end(first)
	}
}

// endAll ends what is open when the capture ends.
func (w *web) endAll(now time.Time) {
	for e := w.idle.Front(); e != nil; e = w.idle.Front() {
		c := e.Value.(*conn)
		c.silent(now, true)
		w.forget(c)
	}
}
