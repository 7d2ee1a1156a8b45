package tftp

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
	wire "hobnail/internal/wire/tftp"
)

const (
	batchSize = 64
	// longestWait is how long the loop sleeps without a reason to wake.
	longestWait = 5 * time.Second
	// drainTime is what running transfers have to come to their end when the
	// server stops.
	drainTime = 800 * time.Millisecond
)

// loop serves the ports of one Conn. All but its inbox belongs to one
// goroutine: sessions have no lock, no goroutine, and no memory for packets.
type loop struct {
	*Server
	conn     Conn
	ctx      context.Context
	sessions map[peerID]*session
	locals   locals
	timers   timers
	unheard  unheard
	caps     caps
	files    map[fileKey]*openFile
	chunks   chunks
	vectors  vectors
	ahead    ahead
	pending  int // files being opened
	stopAt   time.Time
	peak     int // most sessions since the tables were made

	bursts []*burst
	out    []Outgoing
	asked  []*session // out[i] is of asked[i]; nil: of none

	stopping atomic.Bool
	mu       sync.Mutex
	inbox    []message
	ended    bool
}

// message is what a goroutine tells the loop: a file that was opened or could
// not be, or a chunk.
type message struct {
	ses   *session
	file  *bootfile.File
	chunk *chunk
	data  []byte
	err   error
}

func newLoop(ctx context.Context, s *Server, conn Conn) *loop {
	l := &loop{
		Server: s, conn: conn, ctx: ctx, sessions: make(map[peerID]*session), files: make(map[fileKey]*openFile),
		caps: newCaps(s),
	}
	l.chunks = chunks{loop: l, all: make(map[chunkKey]*chunk), slots: make(chan struct{}, maxFetches)}
	return l
}

// run serves until the Conn fails, or the server was stopped and the transfers
// have had their time.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.end()
	in := make([]Incoming, batchSize)
	const size = wire.MaxRequest + 1 // one more octet shows that it is too long
	memory := make([]byte, batchSize*size)
	now := time.Now()
	for n := batchSize; ; {
		for i := range in[:n] {
			in[i].Data = memory[i*size : (i+1)*size]
		}
		var err error
		if n, err = l.conn.Receive(in, now, l.wait(now)); err != nil {
			return err
		}
		now = time.Now()
		l.takeInbox(now)
		for i := range in[:n] {
			l.datagram(now, &in[i])
		}
		l.expire(now)
		l.flush()
		l.shrink()
		if l.stopping.Load() && l.stopped(now) {
			return nil
		}
	}
}

// shrink gives memory back after a flood: Go's maps and slices keep what they
// had at their largest, and its heap keeps it for minutes.
func (l *loop) shrink() {
	const large = 4096
	l.peak = max(l.peak, len(l.sessions))
	if l.peak < large || len(l.sessions) > l.peak/8 {
		return
	}
	l.peak = len(l.sessions)
	sessions := make(map[peerID]*session, len(l.sessions))
	maps.Copy(sessions, l.sessions)
	l.sessions = sessions
	l.timers.clean()
	l.unheard.clean()
	l.bursts = nil
	go debug.FreeOSMemory()
}

// wait is how long there is nothing to do unless something arrives.
func (l *loop) wait(now time.Time) time.Duration {
	wait := longestWait
	if at := l.timers.next(); !at.IsZero() {
		wait = min(wait, at.Sub(now))
	}
	if !l.stopAt.IsZero() {
		wait = min(wait, l.stopAt.Sub(now))
	}
	return max(wait, 0)
}

// tell puts a message into the inbox. After the end of the loop nobody takes
// it: a file is closed.
func (l *loop) tell(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		closeFile(m.file)
		return
	}
	if l.inbox = append(l.inbox, m); len(l.inbox) == 1 {
		l.conn.Wake()
	}
}

// stop has the loop end.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping.Store(true)
	if !l.ended {
		l.conn.Wake()
	}
}

func closeFile(f *bootfile.File) {
	if f != nil && f.Close != nil {
		_ = f.Close() // it was only read
	}
}

func (l *loop) takeInbox(now time.Time) {
	l.mu.Lock()
	inbox := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, m := range inbox {
		if m.chunk == nil {
			l.opened(now, m)
			continue
		}
		for _, ses := range l.chunks.arrived(m.chunk, m.data, m.err) {
			if !ses.gone {
				out := l.burst(ses)
				ses.read.resume(now, out)
				l.stepped(now, ses, out)
			}
		}
	}
}

// datagram deals with one that arrived.
func (l *loop) datagram(now time.Time, in *Incoming) {
	if in.From.Port() == 0 || !in.Local.IsValid() {
		return
	}
	id, ok := l.peerOf(in)
	if !ok {
		return
	}
	ses := l.sessions[id.id()]
	op, _ := wire.PeekOpcode(in.Data)
	if in.Request && (op == wire.OpRead || op == wire.OpWrite) {
		if !l.stopping.Load() {
			l.request(now, id, in, ses)
		}
		return
	}
	switch {
	case ses != nil && ses.answers == in.Port:
		l.packet(now, ses, in.Data)
	case ses == nil && !in.Request && op != wire.OpError && l.caps.strangers.take(now, 1):
		// Not so where the client has a session on another port: what it
		// sends here is late.
		l.answerError(id, in.Port, wire.ErrorUnknownTransfer, "unknown transfer")
	}
}

// peerOf tells whom a datagram is from.
func (l *loop) peerOf(in *Incoming) (p peer, ok bool) {
	p = peer{client: in.From.Addr().As16(), port: in.From.Port()}
	for _, c := range []byte(in.From.Addr().Zone()) {
		p.zone = p.zone*10 + uint32(c-'0')
	}
	p.local, ok = l.locals.number(in.Local)
	return p, ok
}

// locals are the addresses of ours that clients have asked.
type locals struct {
	all     []netip.Addr
	numbers map[netip.Addr]uint16
}

// number gives an address's place in the list; ok is false if that is full.
func (l *locals) number(a netip.Addr) (n uint16, ok bool) {
	if len(l.all) > 0 && l.all[0] == a {
		return 0, true
	}
	if n, ok := l.numbers[a]; ok {
		return n, true
	}
	if len(l.all) == 1<<16 {
		return 0, false
	}
	if l.numbers == nil {
		l.numbers = make(map[netip.Addr]uint16)
	}
	n = uint16(len(l.all))
	l.all, l.numbers[a] = append(l.all, a), n
	return n, true
}

func (l *locals) addr(p peer) netip.Addr { return l.all[p.local] }

// packet gives a session a datagram of its client, unless the session has to
// wait for others.
func (l *loop) packet(now time.Time, ses *session, b []byte) {
	if ses.wanted != nil {
		return // the file is still being opened
	}
	if block, err := wire.ParseAck(b); err == nil && l.holds(now, ses, block) {
		return
	}
	out := l.burst(ses)
	ses.read.packet(now, b, out)
	l.stepped(now, ses, out)
}

// stepped sends what a step of a session gave, and looks where that leaves it.
func (l *loop) stepped(now time.Time, ses *session, out *burst) {
	if len(out.buf) > 0 {
		l.caps.sent(now, ses, len(out.buf))
		l.send(ses, Outgoing{Packets: out.buf, Size: out.size, To: ses.address(), From: l.locals.addr(ses.peer), Port: ses.answers})
	}
	if ses.unheard && ses.read.transfer != nil {
		ses.unheard = false
		l.unheard.heard(ses)
		l.caps.opened(ses)
		if ses.file.Size < 0 || ses.file.Size >= toldAtOnce {
			l.emit(event.FileBegun, ses.address(), slog.String("name", ses.name()))
		}
	}
	if done, over := ses.read.ended(); over {
		l.finish(now, ses, done)
		return
	}
	l.timers.arm(ses)
}

// expire wakes the sessions whose time has come.
func (l *loop) expire(now time.Time) {
	for {
		ses := l.timers.expired(now)
		if ses == nil {
			return
		}
		if ses.held || ses.queued {
			l.unhold(now, ses)
			continue
		}
		out := l.burst(ses)
		ses.read.tick(now, out)
		l.stepped(now, ses, out)
	}
}

// burst gives room for one step's packets. It is the step's until the next
// call.
func (l *loop) burst(ses *session) *burst {
	if len(l.out) == batchSize {
		l.flush()
	}
	for len(l.bursts) <= len(l.out) {
		l.bursts = append(l.bursts, new(burst))
	}
	b := l.bursts[len(l.out)]
	b.reset()
	b.from = ses
	return b
}

// send has a step's packets sent with the others of this round.
func (l *loop) send(ses *session, o Outgoing) {
	l.out = append(l.out, o)
	l.asked = append(l.asked, ses)
}

func (l *loop) flush() {
	if len(l.out) == 0 {
		return
	}
	l.conn.Send(l.out)
	for i := range l.out {
		if err := l.out[i].Err; err != nil && l.asked[i] != nil && l.asked[i].read.transfer != nil {
			// A packet that cannot be sent is one that is lost: the transfer
			// will find out.
			l.asked[i].read.transfer.sendErr = err
		}
	}
	clear(l.out)
	clear(l.asked)
	l.out, l.asked = l.out[:0], l.asked[:0]
}

// answerError sends one ERROR.
func (l *loop) answerError(id peer, port uint8, code wire.ErrorCode, text string) {
	out := l.burst(nil)
	out.one(wire.AppendError(nil, code, text))
	l.send(nil, Outgoing{Packets: out.buf, Size: out.size, To: id.address(), From: l.locals.addr(id), Port: port})
}

// toldAtOnce is the size from which on it is told that a file is being read:
// a smaller one has come to its end by then.
const toldAtOnce = 1 << 20

// finish ends a session and tells how it went.
func (l *loop) finish(now time.Time, ses *session, done outcome) {
	c := ses.read.counts()
	attrs := []slog.Attr{
		slog.String("name", ses.name()),
		slog.Int64("bytes", c.octets),
		slog.Int64("blocks", c.blocks),
		slog.Int("blksize", int(ses.read.terms.blksize)),
		slog.Int("windowsize", int(ses.read.terms.window)),
		slog.Int64("retransmissions", c.retransmissions),
	}
	if ses.read.transfer == nil && done.code == event.FileStalled {
		attrs = append(attrs, slog.Bool("heard", false))
	}
	if t := ses.read.transfer; t != nil && t.timer.srtt > 0 {
		attrs = append(attrs, slog.Duration("round_trip", t.timer.srtt))
	}
	attrs = append(attrs, slog.Duration("duration", now.Sub(ses.began.time())))
	if t := ses.read.transfer; t != nil && t.sendErr != nil {
		done.attrs = append(slices.Clip(done.attrs), slog.String("send_error", t.sendErr.Error()))
	}
	l.emit(done.code, ses.address(), append(attrs, done.attrs...)...)
	l.remove(now, ses)
}

// remove gives back all that a session has.
func (l *loop) remove(now time.Time, ses *session) {
	ses.gone = true
	if id := ses.id(); l.sessions[id] == ses {
		delete(l.sessions, id)
	}
	if ses.unheard {
		l.unheard.heard(ses)
	} else if ses.wanted == nil {
		l.caps.closed(ses)
	}
	if ses.file != nil {
		l.letGo(ses.file)
	}
	l.admitQueued(now)
}

// letGo closes a file that nobody else reads.
func (l *loop) letGo(f *openFile) {
	if !f.release() {
		return
	}
	if l.files[f.key] == f {
		delete(l.files, f.key)
	}
	l.chunks.drop(f)
}

// abandon ends a session whose client is not to blame.
func (l *loop) abandon(now time.Time, ses *session, reason error) {
	done := outcome{code: event.FileAborted, attrs: []slog.Attr{slog.String("reason", reason.Error())}}
	if ses.read.transfer == nil {
		done.attrs = append(done.attrs, slog.Bool("heard", false))
	}
	if ses.wanted == nil {
		l.finish(now, ses, done)
		return
	}
	ses.wanted.cancel()
	l.emit(done.code, ses.address(), append([]slog.Attr{slog.String("name", ses.name())}, done.attrs...)...)
	l.remove(now, ses)
}

// stopped reports whether all is over after the server was told to stop. The
// clients of what is not are told: to wait any longer is of no use to them.
func (l *loop) stopped(now time.Time) bool {
	if l.stopAt.IsZero() {
		l.stopAt = now.Add(drainTime)
	}
	if len(l.sessions) > 0 && now.Before(l.stopAt) {
		return false
	}
	for _, ses := range l.sessions {
		if ses.wanted == nil {
			l.answerError(ses.peer, ses.answers, wire.ErrorUndefined, errStopping.Error())
		}
		l.abandon(now, ses, errStopping)
	}
	l.flush()
	return true
}

// end closes what is left when the loop ends, and has later messages refused.
func (l *loop) end() {
	for _, ses := range l.sessions {
		l.abandon(time.Now(), ses, errStopping)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, m := range l.inbox {
		closeFile(m.file)
	}
}
