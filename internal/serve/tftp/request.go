package tftp

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

// maxOpening is how many files are opened at the same time: that may wait for
// a disk or for another server.
const maxOpening = 256

// Why a session may be stopped.
var (
	errStopping  = errors.New("server is stopping")
	errAskedAnew = errors.New("the client asked anew from the same port")
	errFull      = errors.New("too many transfers are open")
	errCrowded   = errors.New("too many others asked before it answered")
)

// request deals with a request: one that is repeated goes to its session, a
// new one gets a session, what is neither is refused or ignored.
func (l *loop) request(now time.Time, id peer, in *Incoming, ses *session) {
	hash := uint32(maphash.Bytes(seed, in.Data))
	if ses != nil {
		if ses.request == hash && l.repeated(now, ses, len(in.Data)) {
			return
		}
		// Another request from the same port, or the same of a machine that
		// was reset: the client has given the earlier one up.
		l.abandon(now, ses, errAskedAnew)
	}
	if !l.caps.request(now, id) {
		l.refused(id, "this address sends too many requests")
		return
	}
	nth := rand.Uint()
	port := l.conn.AnswerPort(in.Port, nth)
	if ses != nil && port == ses.answers {
		// What is under way for the old session must not reach the new one.
		port = l.conn.AnswerPort(in.Port, nth+1)
	}
	req, err := wire.ParseRequest(in.Data)
	switch {
	case errors.Is(err, wire.ErrTruncated):
		l.refused(id, err.Error())
	case err != nil:
		l.answerError(id, port, wire.ErrorIllegal, "malformed request")
		l.refused(id, err.Error())
	case req.Op == wire.OpWrite:
		l.answerError(id, port, wire.ErrorAccess, "read only")
		l.refused(id, "writing is never served", slog.String("name", printable(req.Name)))
	case !req.IsMode(wire.ModeOctet) && !req.IsMode(wire.ModeNetascii):
		l.answerError(id, port, wire.ErrorIllegal, "mode not supported")
		l.refused(id, "mode is neither octet nor netascii",
			slog.String("mode", printable(req.Mode)), slog.String("name", printable(req.Name)))
	case l.pending >= maxOpening:
		// The client gets no ERROR: it asks again, and by then there may be room.
		l.refused(id, "too many files are being opened", slog.String("name", printable(req.Name)))
	default:
		l.begin(now, &session{
			peer: id, answers: port, request: hash, began: at(now), unheard: true,
			ascii: req.IsMode(wire.ModeNetascii), wanted: &wanted{req: req, octets: len(in.Data)},
		})
	}
}

// repeated gives a session its request once more. It reports false if the
// session is one that the client has left behind.
func (l *loop) repeated(now time.Time, ses *session, octets int) bool {
	switch t := ses.read.transfer; {
	case ses.wanted != nil:
		return true
	case ses.queued:
		ses.rejoined = min(ses.rejoined, 254) + 1
		return true
	case t != nil:
		return now.Sub(t.heardAt) < freshAck
	}
	out := l.burst(ses)
	ses.read.repeat(now, octets, out)
	l.stepped(now, ses, out)
	return true
}

// begin has the file opened that a session is for.
func (l *loop) begin(now time.Time, ses *session) {
	l.sessions[ses.id()] = ses
	l.pending++
	ctx, cancel := context.WithCancel(l.ctx)
	ses.wanted.cancel = cancel
	r := bootfile.Request{Name: ses.wanted.req.Name, Client: ses.address(), Local: l.locals.addr(ses.peer), Via: via}
	go func() {
		defer cancel()
		f, err := l.Opener.Open(ctx, r)
		l.tell(message{ses: ses, file: f, err: err})
	}()
}

// opened takes a file that was opened, or the reason why not, and gives the
// client its first answer. A session that ended meanwhile has none: it would
// end the client's next one.
func (l *loop) opened(now time.Time, m message) {
	l.pending--
	ses := m.ses
	if ses.gone {
		closeFile(m.file)
		return
	}
	if m.err != nil {
		l.notOpened(now, ses, m.err)
		return
	}
	ses.file = l.share(m.file)
	l.unheard.add(ses)
	asked := *ses.wanted
	ses.wanted = nil
	var err error
	if ses.read, err = newRead(l.agree(ses, asked.req), asked.octets); err != nil {
		l.finish(now, ses, outcome{code: event.FileFault, attrs: []slog.Attr{slog.String("error", err.Error())}})
		return
	}
	for old := l.unheard.tooMany(); old != nil; old = l.unheard.tooMany() {
		l.abandon(now, old, errCrowded)
	}
	if ses.gone {
		return
	}
	out := l.burst(ses)
	ses.read.start(now, out)
	l.stepped(now, ses, out)
}

// notOpened answers a client whose file could not be opened.
func (l *loop) notOpened(now time.Time, ses *session, err error) {
	name := slog.String("name", ses.name())
	if errors.Is(err, bootfile.ErrNotFound) {
		l.answerError(ses.peer, ses.answers, wire.ErrorNotFound, "file not found")
		l.emit(event.FileMissing, ses.address(), name)
	} else {
		l.answerError(ses.peer, ses.answers, wire.ErrorUndefined, faultText)
		l.emit(event.FileFault, ses.address(), name, slog.String("error", err.Error()))
	}
	l.remove(now, ses)
}

// share gives the open file that others read already, if there is one.
func (l *loop) share(f *bootfile.File) *openFile {
	key := fileKey{f.Name, f.ETag, f.Size}
	if o := l.files[key]; o != nil && key.etag != "" {
		closeFile(f)
		o.users++
		return o
	}
	o := newOpenFile(l, f)
	o.users = 1
	if key.etag != "" {
		l.files[key] = o
	}
	return o
}

// agree settles the options.
func (l *loop) agree(ses *session, req wire.Request) agreement {
	var lim limits
	if len(req.Options) > 0 {
		lim = l.limits(ses)
	}
	if ses.ascii {
		// The size after translation is not known before the end.
		return negotiate(req.Options, -1, lim)
	}
	return negotiate(req.Options, ses.file.Size, lim)
}

// limits gives what a client's path and the settings allow.
func (l *loop) limits(ses *session) limits {
	client := ses.address().Addr()
	headers := 20 + 8 + wire.HeaderSize // IPv4 and UDP
	if client.Is6() {
		headers += 20
	}
	mtu := positive(l.conn.PathMTU(client), defaultMTU)
	return limits{
		blksize: max(wire.MinBlksize, min(mtu-headers, positive(l.MaxBlksize, wire.MaxBlksize), wire.MaxBlksize)),
		window:  min(positive(l.MaxWindow, DefaultWindow), LargestWindow),
	}
}
