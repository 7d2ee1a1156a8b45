package tftp

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

const (
	// freshAck is how long after an ACK a repeated request is held for a late
	// double of the network. Later it is a machine that was reset: BIOS ROMs
	// begin at the same port every time.
	freshAck = time.Second
	// maxStrangers is how many ERRORs a transfer sends to other ports.
	maxStrangers = 8
)

// Why a session may be stopped. The client is told of the first: to wait any
// longer is of no use to it.
var (
	errStopping  = errors.New("server is stopping")
	errAskedAnew = errors.New("the client asked anew from the same port")
)

// peer names a session: the client's address and port, and the address of
// ours that it asked.
type peer struct {
	client netip.AddrPort
	local  netip.Addr
}

// session is one read, from request to event: a transfer and its socket.
type session struct {
	peer
	request string                  // packet, as it came
	stop    context.CancelCauseFunc // with one of the errors above

	// mu is held while the transfer takes a step, which may read from a disk.
	// Who must not wait for that only tries to take it.
	mu       sync.Mutex
	transfer *transfer // nil until it has started
	sock     Socket    // set before transfer
	sendErr  error     // latest
}

// serve opens the file that was asked for, and sends it. It ends early when ctx
// is cancelled.
func (s *Server) serve(ctx context.Context, conn Conn, ses *session, req wire.Request) {
	began := time.Now()
	file, err := s.Opener.Open(ctx, bootfile.Request{Name: req.Name, Client: ses.client, Local: ses.local, Via: via})
	if err != nil {
		s.notOpened(ctx, conn, ses, req, err)
		return
	}
	if file.Close != nil {
		defer func() { _ = file.Close() }() // it was only read
	}
	transfer, err := newTransfer(s.agree(conn, ses.peer, req, file))
	if err == nil {
		ses.sock, err = conn.Open(ses.local)
	}
	if err != nil {
		s.emit(event.FileFault, ses.client, slog.String("name", file.Name), slog.String("error", err.Error()))
		return
	}
	defer ses.sock.Close()
	done := s.run(ctx, ses, transfer)
	s.finished(ses, file, transfer, done, time.Since(began))
}

// notOpened answers a client whose file could not be opened. One that has
// asked anew meanwhile gets no answer: it would end the new request.
func (s *Server) notOpened(ctx context.Context, conn Conn, ses *session, req wire.Request, err error) {
	name := slog.String("name", printable(req.Name))
	switch {
	case ctx.Err() != nil:
		s.emit(event.FileAborted, ses.client, name, slog.String("reason", context.Cause(ctx).Error()))
	case errors.Is(err, bootfile.ErrNotFound):
		s.answerError(conn, ses.peer, wire.ErrorNotFound, "file not found")
		s.emit(event.FileMissing, ses.client, name)
	default:
		s.answerError(conn, ses.peer, wire.ErrorUndefined, faultText)
		s.emit(event.FileFault, ses.client, name, slog.String("error", err.Error()))
	}
}

// agree settles the options and how the file is read for them.
func (s *Server) agree(conn Conn, id peer, req wire.Request, file *bootfile.File) (terms, source) {
	var lim limits
	if len(req.Options) > 0 {
		lim = s.limits(conn, id)
	}
	if req.IsMode(wire.ModeNetascii) {
		// The size after translation is not known before the end.
		t := negotiate(req.Options, -1, lim)
		return t, newNetascii(file.Content, t)
	}
	return negotiate(req.Options, file.Size, lim), octets{content: file.Content, size: file.Size}
}

// run drives the transfer until it ends.
func (s *Server) run(ctx context.Context, ses *session, transfer *transfer) outcome {
	unhook := context.AfterFunc(ctx, func() { _ = ses.sock.SetReadDeadline(time.Unix(1, 0)) })
	defer unhook()
	if ctx.Err() == nil {
		ses.mu.Lock()
		ses.transfer = transfer
		s.step(ses, transfer.start)
		ses.mu.Unlock()
	}
	b := make([]byte, wire.MaxRequest) // an ACK, or an ERROR
	strangers := 0
	for {
		if done, over := ses.await(ctx, transfer); over {
			return done
		}
		n, from, err := ses.sock.ReadFrom(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			ses.mu.Lock()
			s.step(ses, transfer.tick)
			ses.mu.Unlock()
		case err != nil:
			return outcome{code: event.FileFault, attrs: []slog.Attr{slog.String("error", err.Error())}}
		case from == ses.client:
			ses.mu.Lock()
			s.step(ses, func(now time.Time, out *burst) { transfer.packet(now, b[:n], out) })
			ses.mu.Unlock()
		default:
			strangers++
			if op, _ := wire.PeekOpcode(b[:n]); strangers <= maxStrangers && op != wire.OpError {
				_ = ses.sock.WriteTo(wire.AppendError(nil, wire.ErrorUnknownTransfer, "unknown transfer"), from)
			}
		}
	}
}

// await sets the socket's deadline to when the transfer is due, or gives the
// outcome if there is nothing more to wait for.
func (ses *session) await(ctx context.Context, transfer *transfer) (done outcome, over bool) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if done, over := transfer.ended(); over {
		if ses.sendErr != nil {
			done.attrs = append(done.attrs, slog.String("send_error", ses.sendErr.Error()))
		}
		return done, true
	}
	_ = ses.sock.SetReadDeadline(transfer.due()) // fails only on a closed socket, as ReadFrom will
	// Cancellation moves the deadline into the past. Looked for after ours was
	// set, it cannot be overwritten unseen.
	if ctx.Err() == nil {
		return outcome{}, false
	}
	reason := context.Cause(ctx)
	if errors.Is(reason, errStopping) {
		_ = ses.sock.WriteTo(wire.AppendError(nil, wire.ErrorUndefined, errStopping.Error()), ses.client)
	}
	return outcome{code: event.FileAborted, attrs: []slog.Attr{slog.String("reason", reason.Error())}}, true
}

// step gives the transfer one input and sends what comes out. A packet that
// cannot be sent is one that is lost: the transfer will find out. The session
// is locked.
func (s *Server) step(ses *session, input func(now time.Time, out *burst)) {
	out, ok := s.bursts.Get().(*burst)
	if !ok {
		out = new(burst)
	}
	defer s.bursts.Put(out)
	out.reset()
	input(time.Now(), out)
	for packet := range out.packets() {
		if err := ses.sock.WriteTo(packet, ses.client); err != nil {
			ses.sendErr = err
		}
	}
}

// repeat gives a session its request once more. It reports false if the
// session is one that the client has left behind. It does not wait: a session
// that is busy is alive.
func (s *Server) repeat(ses *session) bool {
	if !ses.mu.TryLock() {
		return true
	}
	defer ses.mu.Unlock()
	if ses.transfer == nil {
		return true // the file is still being opened
	}
	if _, over := ses.transfer.ended(); over {
		return false
	}
	if ses.transfer.heard {
		return time.Since(ses.transfer.heardAt) < freshAck
	}
	s.step(ses, ses.transfer.repeat)
	return true
}

// finished tells how a transfer ended.
func (s *Server) finished(ses *session, file *bootfile.File, t *transfer, done outcome, took time.Duration) {
	ses.mu.Lock()
	attrs := []slog.Attr{
		slog.String("name", file.Name),
		slog.Int64("bytes", t.counts.octets),
		slog.Int("blksize", t.terms.blksize),
		slog.Int("windowsize", t.terms.window),
		slog.Int64("retransmissions", t.counts.retransmissions),
		slog.Duration("duration", took),
	}
	ses.mu.Unlock()
	s.emit(done.code, ses.client, append(attrs, done.attrs...)...)
}
