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
	arrived  []Incoming
	awake    bool
	closed   bool
	fails    error // of Receive
	mtu      int
	answered map[uint8]int // packets by port
}

var requestPort = netip.MustParseAddrPort("192.0.2.1:69")

// answerFrom is where the network's server answers from.
func answerFrom(port uint8) netip.AddrPort {
	if port == 0 {
		return requestPort
	}
	return netip.AddrPortFrom(requestPort.Addr(), 2000+uint16(port))
}

func newNetwork() *network {
	n := &network{sockets: make(map[netip.AddrPort]*memSocket), mtu: 1500, answered: make(map[uint8]int)}
	n.wake = sync.NewCond(&n.mu)
	return n
}

func (n *network) socket(at netip.AddrPort) *memSocket {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &memSocket{net: n, at: at}
	n.sockets[at] = s
	return s
}

func (n *network) Receive(in []Incoming, now time.Time, wait time.Duration) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	until := now.Add(wait)
	alarm := time.AfterFunc(wait, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.wake.Broadcast()
	})
	defer alarm.Stop()
	for n.fails == nil && len(n.arrived) == 0 && !n.awake && time.Now().Before(until) {
		n.wake.Wait()
	}
	n.awake = false
	got := min(len(in), len(n.arrived))
	for i, a := range n.arrived[:got] {
		a.Data = in[i].Data[:copy(in[i].Data, a.Data)]
		in[i] = a
	}
	n.arrived = n.arrived[got:]
	return got, n.fails
}

func (n *network) Send(out []Outgoing) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range out {
		for packet := range slices.Chunk(o.Packets, o.Size) {
			n.answered[o.Port]++
			if there := n.sockets[o.To]; there != nil && !there.closed {
				there.queue = append(there.queue, datagram{answerFrom(o.Port), o.To, bytes.Clone(packet)})
			}
		}
	}
	n.wake.Broadcast()
}

func (n *network) AnswerPort(_ uint8, nth uint) uint8 { return uint8(1 + nth%4) }

func (n *network) PathMTU(netip.Addr) int { return n.mtu }

func (n *network) Wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.awake = true
	n.wake.Broadcast()
}

func (n *network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	return nil
}

// memSocket is a machine's socket.
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
	for port := range uint8(5) {
		if to == answerFrom(port) && !s.net.closed {
			s.net.arrived = append(s.net.arrived, Incoming{Data: bytes.Clone(b), From: s.at, Local: to.Addr(), Port: port, Request: port == 0})
		}
	}
	s.net.wake.Broadcast()
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
	if e.Code == event.FileBegun {
		return // has a test of its own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Attrs = slices.Clone(e.Attrs)
	r.events = append(r.events, e)
}

// take gives the events so far as lines and forgets them, without what tests
// of one transfer look at.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.events {
		line := string(e.Code)
		for _, a := range e.Attrs {
			if a.Key != "duration" && a.Key != "via" && a.Key != "blocks" && a.Key != "round_trip" {
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
func serveInMemory(t testing.TB, opener bootfile.Opener, settings Server) *bench {
	b := &bench{t: t, net: newNetwork(), events: new(record), ended: make(chan error, 1)}
	b.server = &settings
	b.server.Opener, b.server.Events = opener, b.events
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
}

// client is a socket of a machine.
func (b *bench) client(at string) *memSocket { return b.net.socket(netip.MustParseAddrPort(at)) }
