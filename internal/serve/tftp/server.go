package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// Port is where TFTP servers are asked (RFC 1350 section 4).
const Port = 69

// Defaults and bounds of Server's settings.
const (
	DefaultWindow       = 16
	LargestWindow       = 64
	DefaultMaxTransfers = 4096
	// DefaultMaxPerClient is what one address may have open at once. A
	// machine needs one or two; a classroom behind one NAT address more.
	DefaultMaxPerClient = 64
)

const (
	via        = "tftp"
	defaultMTU = 1500
	overhead   = 20 + 8 + wire.HeaderSize // IPv4, UDP and DATA headers
	// drainTime is what running transfers have to come to their end when the
	// server stops; killTime what they have to notice that they do not.
	drainTime = 800 * time.Millisecond
	killTime  = 150 * time.Millisecond
)

// Server answers read requests with the files of Opener. Its settings must
// not change once Serve was called; zero means the default.
type Server struct {
	Opener bootfile.Opener
	Events event.Sink       // nil: nothing is told
	Clock  func() time.Time // stamps events; nil: time.Now. Timers follow the real clock.

	MaxBlksize   int // octets; the path's MTU less 32 bounds it anyway
	MaxWindow    int // blocks; at most LargestWindow
	MaxTransfers int // open at once
	MaxPerClient int // open at once for one address

	mu        sync.Mutex
	sessions  map[peer]*session
	perClient map[netip.Addr]int
	open      int       // sessions that were not released, those replaced included
	bursts    sync.Pool // of *burst
}

// Serve answers requests from conn until ctx is cancelled or conn is closed,
// then takes no new ones, gives the running transfers most of a second to end,
// and returns nil; it closes conn. Any other error of conn is returned. Serve
// may run for several conns at the same time.
func (s *Server) Serve(ctx context.Context, conn Conn) error {
	running, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(errStopping)
	closeConn := sync.OnceValue(conn.Close)
	unhook := context.AfterFunc(ctx, func() { _ = closeConn() })
	defer unhook()

	var sessions sync.WaitGroup
	err := s.receive(running, conn, &sessions)
	_ = closeConn()
	drain(&sessions, kill)
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("receiving TFTP requests: %v", err)
}

// receive takes requests until conn fails, as it does when it is closed.
func (s *Server) receive(ctx context.Context, conn Conn, sessions *sync.WaitGroup) error {
	b := make([]byte, wire.MaxRequest+1) // one more octet shows that it is too long
	for {
		n, from, local, err := conn.ReadRequest(b)
		if err != nil {
			return err
		}
		s.request(ctx, conn, b[:n], peer{client: from, local: local}, sessions)
	}
}

// request takes one datagram: a request that is repeated goes to its session,
// a new one gets a session, what is neither is refused or ignored.
func (s *Server) request(ctx context.Context, conn Conn, packet []byte, id peer, sessions *sync.WaitGroup) {
	op, _ := wire.PeekOpcode(packet)
	if op != wire.OpRead && op != wire.OpWrite || id.client.Port() == 0 {
		return
	}
	if s.repeated(id, packet) {
		return
	}
	req, err := wire.ParseRequest(packet)
	switch {
	case errors.Is(err, wire.ErrTruncated):
		s.refused(id.client, err.Error())
	case err != nil:
		s.answerError(conn, id, wire.ErrorIllegal, "malformed request")
		s.refused(id.client, err.Error())
	case req.Op == wire.OpWrite:
		s.answerError(conn, id, wire.ErrorAccess, "read only")
		s.refused(id.client, "writing is never served", slog.String("name", printable(req.Name)))
	case !req.IsMode(wire.ModeOctet) && !req.IsMode(wire.ModeNetascii):
		s.answerError(conn, id, wire.ErrorIllegal, "mode not supported")
		s.refused(id.client, "mode is neither octet nor netascii",
			slog.String("mode", printable(req.Mode)), slog.String("name", printable(req.Name)))
	default:
		s.begin(ctx, conn, id, packet, req, sessions)
	}
}

// begin gives a read request a session, if there is room for one. If not the
// client gets no ERROR: it asks again, and by then there may be.
func (s *Server) begin(ctx context.Context, conn Conn, id peer, packet []byte, req wire.Request, sessions *sync.WaitGroup) {
	ctx, stop := context.WithCancelCause(ctx)
	ses := &session{peer: id, request: string(packet), stop: stop}
	if err := s.admit(ses); err != nil {
		stop(err)
		s.refused(id.client, err.Error(), slog.String("name", printable(req.Name)))
		return
	}
	sessions.Go(func() {
		defer stop(nil)
		defer s.release(ses)
		s.serve(ctx, conn, ses, req)
	})
}

// repeated reports whether a request was dealt with as the repetition of one
// that a session has. Another request from the same port means that the client
// has given the earlier one up.
func (s *Server) repeated(id peer, packet []byte) bool {
	s.mu.Lock()
	ses := s.sessions[id]
	s.mu.Unlock()
	if ses == nil {
		return false
	}
	if ses.request == string(packet) && s.repeat(ses) {
		return true
	}
	ses.stop(errAskedAnew)
	return false
}

// admit gives a session its place, or says why there is none.
func (s *Server) admit(ses *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := ses.client.Addr()
	switch {
	case s.open >= positive(s.MaxTransfers, DefaultMaxTransfers):
		return errors.New("too many transfers are open")
	case s.perClient[client] >= positive(s.MaxPerClient, DefaultMaxPerClient):
		return errors.New("this address has too many transfers open")
	}
	if s.sessions == nil {
		s.sessions = make(map[peer]*session)
		s.perClient = make(map[netip.Addr]int)
	}
	s.sessions[ses.peer] = ses
	s.perClient[client]++
	s.open++
	return nil
}

// release gives a session's place back.
func (s *Server) release(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := ses.client.Addr()
	if s.perClient[client]--; s.perClient[client] == 0 {
		delete(s.perClient, client)
	}
	s.open--
	if s.sessions[ses.peer] == ses {
		delete(s.sessions, ses.peer)
	}
}

// answerError sends one ERROR from a new port, as a transfer would.
func (s *Server) answerError(conn Conn, id peer, code wire.ErrorCode, text string) {
	sock, err := conn.Open(id.local)
	if err != nil {
		return
	}
	defer sock.Close()
	_ = sock.WriteTo(wire.AppendError(nil, code, text), id.client)
}

// limits gives what a client's path and the settings allow.
func (s *Server) limits(conn Conn, id peer) limits {
	mtu := positive(conn.PathMTU(id.local, id.client.Addr()), defaultMTU)
	return limits{
		blksize: max(wire.MinBlksize, min(mtu-overhead, positive(s.MaxBlksize, wire.MaxBlksize), wire.MaxBlksize)),
		window:  min(positive(s.MaxWindow, DefaultWindow), LargestWindow),
	}
}

// drain waits for the sessions to end, at first by themselves.
func drain(sessions *sync.WaitGroup, kill context.CancelCauseFunc) {
	ended := make(chan struct{})
	go func() {
		sessions.Wait()
		close(ended)
	}()
	for _, wait := range []time.Duration{drainTime, killTime} {
		select {
		case <-ended:
			return
		case <-time.After(wait):
			kill(errStopping)
		}
	}
}

// positive gives n, or otherwise if n is not positive.
func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
