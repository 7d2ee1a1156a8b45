package tftp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// datagram is one on the network in memory.
type datagram struct {
	from, to netip.AddrPort
	payload  []byte
}

// network is a Conn without a kernel: every datagram arrives, at once.
type network struct {
	mu       sync.Mutex
	wake     *sync.Cond
	sockets  map[netip.AddrPort]*memSocket
	requests *memSocket
	port     uint16
	opened   int // sockets that were opened by the server
	mtu      int
}

var requestPort = netip.MustParseAddrPort("192.0.2.1:69")

func newNetwork() *network {
	n := &network{sockets: make(map[netip.AddrPort]*memSocket), port: 2000, mtu: 1500}
	n.wake = sync.NewCond(&n.mu)
	n.requests = n.socket(requestPort)
	return n
}

func (n *network) socket(at netip.AddrPort) *memSocket {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &memSocket{net: n, at: at}
	n.sockets[at] = s
	return s
}

func (n *network) ReadRequest(b []byte) (int, netip.AddrPort, netip.Addr, error) {
	size, from, err := n.requests.ReadFrom(b)
	return size, from, requestPort.Addr(), err
}

func (n *network) Open(local netip.Addr) (Socket, error) {
	n.mu.Lock()
	n.port++
	n.opened++
	at := netip.AddrPortFrom(local, n.port)
	n.mu.Unlock()
	return n.socket(at), nil
}

func (n *network) PathMTU(netip.Addr, netip.Addr) int { return n.mtu }

func (n *network) Close() error { return n.requests.Close() }

// memSocket is a socket of the network: the server's, or a test's.
type memSocket struct {
	net      *network
	at       netip.AddrPort
	queue    []datagram
	deadline time.Time
	closed   bool
}

func (s *memSocket) ReadFrom(b []byte) (int, netip.AddrPort, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, netip.AddrPort{}, net.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
		case len(s.queue) > 0:
			d := s.queue[0]
			s.queue = s.queue[1:]
			return copy(b, d.payload), d.from, nil
		}
		s.net.wake.Wait()
	}
}

func (s *memSocket) WriteTo(b []byte, to netip.AddrPort) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if there := s.net.sockets[to]; there != nil && !there.closed {
		there.queue = append(there.queue, datagram{s.at, to, bytes.Clone(b)})
		s.net.wake.Broadcast()
	}
	return nil
}

func (s *memSocket) SetReadDeadline(at time.Time) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.deadline = at
	s.net.wake.Broadcast()
	if wait := time.Until(at); wait > 0 {
		time.AfterFunc(wait, s.net.wake.Broadcast)
	}
	return nil
}

func (s *memSocket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.closed = true
	s.net.wake.Broadcast()
	return nil
}

// files is an Opener of what it holds.
type files map[string]*bootfile.File

func (f files) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	file, ok := f[r.Name]
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	return file, nil
}

// contents is a file of these octets.
func contents(name string, b []byte) *bootfile.File {
	return &bootfile.File{Name: name, Size: int64(len(b)), Content: bytes.NewReader(b)}
}

// record is a Sink that keeps what it gets.
type record struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *record) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Attrs = slices.Clone(e.Attrs)
	r.events = append(r.events, e)
}

// take gives the events so far as lines and forgets them. Duration is left
// out: it is the real clock's.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.events {
		line := string(e.Code)
		for _, a := range e.Attrs {
			if a.Key != "duration" && a.Key != "via" {
				line += " " + a.String()
			}
		}
		lines = append(lines, line)
	}
	r.events = nil
	return lines
}

// bench is a server on a network in memory, and what it told.
type bench struct {
	t      testing.TB
	net    *network
	events *record
	server *Server
	stop   context.CancelFunc
	ended  chan error
}

// serveInMemory starts a server; the test must call close.
func serveInMemory(t testing.TB, opener bootfile.Opener) *bench {
	b := &bench{t: t, net: newNetwork(), events: new(record), ended: make(chan error, 1)}
	b.server = &Server{Opener: opener, Events: b.events}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.ended <- b.server.Serve(ctx, b.net) }()
	return b
}

func (b *bench) close() {
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Errorf("Serve: %v", err)
	}
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	if len(b.server.sessions)+len(b.server.perClient)+b.server.open > 0 {
		b.t.Errorf("after the end: sessions %v, clients %v, %d open", b.server.sessions, b.server.perClient, b.server.open)
	}
}

// client is a socket of a machine.
func (b *bench) client(at string) *memSocket { return b.net.socket(netip.MustParseAddrPort(at)) }
