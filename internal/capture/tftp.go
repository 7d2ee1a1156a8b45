package capture

import (
	"container/list"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	wire "hobnail/internal/wire/tftp"
)

const (
	tftpPort = 69
	// Of a transfer that makes no progress: how long until it counts as
	// stalled, as in hobnail's server, and how long where the capture ends.
	giveUp    = 30 * time.Second
	giveUpEnd = 5 * time.Second
	// freshAck is how long after an ACK a repeated request is taken for a late
	// double; later it is a machine that was reset (BIOS ROMs begin at the same
	// port every time).
	freshAck = time.Second
	// hasty is sooner than any client asks for a file again that gets no answer.
	hasty = time.Second
	// maxTransfers bounds those that are followed at a time.
	maxTransfers = 1 << 16
)

// transfers follows the TFTP transfers of a capture, by address and port of the
// client: whichever port of the server they are sent from.
type transfers struct {
	open map[netip.Addr]map[uint16]*transfer
	idle list.List // of *transfer, in the order of their last progress
	// over has the requests of transfers that ended a moment ago: their copies
	// begin nothing.
	over   map[netip.AddrPort]view
	forget time.Time // over, when that is past
	tell   func(at time.Time, s model.Step)
	// answered is told of servers that sent a file's beginning.
	answered func(netip.Addr)
	roles    roles
	// answers says that the capture has any packets of servers: one of port 69
	// alone has none.
	answers bool
}

// transfer is one read. Blocks are counted from 1 without wrapping.
type transfer struct {
	client, server netip.AddrPort
	up, down       view
	name           string
	frame          int
	began          time.Time
	asked          int       // requests
	askedAt        time.Time // the last
	progress       time.Time
	heardOf        time.Time // the latest packet of either side
	place          *list.Element

	probes          bool       // the size was asked for
	closed          bool       // the server's host refused it
	elsewhere       netip.Addr // who answered instead of the server
	oack, tsize     bool       // an OACK came; the size was in it
	size            int64
	blksize, window int
	sent, acked     int64 // blocks
	last, lastSize  int64 // the last block and its octets; 0: not known yet
	heard           bool  // the client acknowledged something
	again           int64 // packets of the server that were sent again
	repeats         int   // of either side, since the last progress
	file            model.FileStep

	sentAt, ackAt time.Time // of the newest block, and of its ACK
	half          time.Duration
	roundTrip     time.Duration
}

func newTransfers(tell func(time.Time, model.Step), answered func(netip.Addr)) transfers {
	return transfers{open: map[netip.Addr]map[uint16]*transfer{}, over: map[netip.AddrPort]view{}, roles: roles{}, tell: tell, answered: answered}
}

func (f *transfers) at(a netip.AddrPort) *transfer { return f.open[a.Addr()][a.Port()] }

// packet takes a datagram, and reports whether it was TFTP's.
func (f *transfers) packet(p *packet) bool {
	op, ok := wire.PeekOpcode(p.data)
	if !ok {
		return false
	}
	if p.dst.Port() == tftpPort && op == wire.OpRead {
		return f.request(p)
	}
	var id uint64
	if len(p.data) >= 4 {
		id = uint64(p.ipID)<<48 ^ uint64(p.size)<<32 ^ uint64(binary.BigEndian.Uint32(p.data))
	}
	if t := f.at(p.src); t != nil && p.dst.Addr() == t.server.Addr() {
		if t.up.admits(p, id) {
			f.fromClient(t, p, op)
		}
		return true
	}
	t := f.at(p.dst)
	switch {
	case t == nil:
		return false
	case p.src.Addr() != t.server.Addr():
		if op == wire.OpOAck || op == wire.OpData || op == wire.OpError {
			t.elsewhere = p.src.Addr()
		}
	case t.down.admits(p, id):
		f.fromServer(t, p, op)
	}
	return true
}

// refused takes the news that nothing listens where a client asked.
func (f *transfers) refused(p *packet) {
	if t := f.at(p.src); t != nil && p.dst == t.server && t.down.at.IsZero() {
		t.closed = true
		t.heardOf = p.at
	}
}

// request takes an RRQ.
func (f *transfers) request(p *packet) bool {
	req, err := wire.ParseRequest(p.data)
	if err != nil {
		return false
	}
	name := record.Printable(req.Name)
	if before, ok := f.over[p.src]; ok && !before.admits(p, requestID(p)) {
		return true
	}
	if t := f.at(p.src); t != nil {
		if !t.up.admits(p, requestID(p)) {
			return true
		}
		fresh := t.acked == 0 || p.at.Sub(t.progress) < freshAck
		if t.name == name && t.server == p.dst && fresh {
			t.asked++
			t.repeats++
			t.askedAt, t.heardOf = p.at, p.at
			return true
		}
		f.end(t, f.silent(t))
	}
	for _, t := range f.open[p.src.Addr()] {
		switch {
		case t.name == name && !t.heard:
			f.end(t, f.askedAnew(t, p.at))
		case t.down.at.IsZero() && t.asked == 1 && !f.answers:
			f.end(t, model.StepAsked) // answers are not in this capture
		}
	}
	_, probes := req.Options.Get(wire.OptionTsize)
	f.begin(p, name, probes)
	return true
}

// askedAnew says what became of a transfer whose client asks for the same from
// another port. No client loses patience within a second: it had an answer that
// was not captured.
func (f *transfers) askedAnew(t *transfer, at time.Time) model.StepKind {
	switch {
	case !t.down.at.IsZero() || at.Sub(t.askedAt) >= hasty:
		return f.silent(t)
	case t.probes:
		return model.StepProbe
	}
	return model.StepAsked
}

// requestID tells a request from others of its port.
func requestID(p *packet) uint64 { return uint64(p.ipID)<<48 ^ uint64(p.size) }

func (f *transfers) begin(p *packet, name string, probes bool) {
	if f.idle.Len() >= maxTransfers {
		f.end(f.idle.Front().Value.(*transfer), model.StepAsked)
	}
	t := &transfer{
		client: p.src, server: p.dst, name: name, frame: p.frame, began: p.at, asked: 1, askedAt: p.at, progress: p.at, heardOf: p.at,
		probes: probes, blksize: wire.DefaultBlksize, window: 1,
	}
	t.up.admits(p, requestID(p))
	ports := f.open[p.src.Addr()]
	if ports == nil {
		ports = map[uint16]*transfer{}
		f.open[p.src.Addr()] = ports
	}
	ports[p.src.Port()] = t
	t.place = f.idle.PushBack(t)
}

func (f *transfers) fromClient(t *transfer, p *packet, op wire.Opcode) {
	t.heardOf = p.at
	switch op {
	case wire.OpAck:
		if block, err := wire.ParseAck(p.data); err == nil {
			f.ack(t, p.at, block)
		}
	case wire.OpError:
		code, text, err := wire.ParseError(p.data)
		if err != nil {
			return
		}
		kind := model.StepAborted
		if !t.heard && t.tsize && (code == wire.ErrorOptions || code == wire.ErrorUndefined || code == wire.ErrorIllegal) {
			kind = model.StepProbe // as EDK2 and Intel's ROM ask for a size
		}
		t.file.Code = int(code)
		f.endSaying(t, kind, text)
	}
}

func (f *transfers) ack(t *transfer, at time.Time, block uint16) {
	ahead := int64(block - uint16(t.acked))
	if ahead == 0 {
		if !t.heard && block == 0 {
			t.heard = true
			f.moved(t, at)
		} else {
			t.repeats++
		}
		return
	}
	if ahead >= 1<<15 {
		return // of a block before
	}
	t.heard = true
	t.acked += ahead
	if t.acked == t.sent && !t.sentAt.IsZero() {
		t.half, t.ackAt = at.Sub(t.sentAt), at
	}
	t.sent = max(t.sent, t.acked) // the capture may have lost the block
	f.moved(t, at)
	if t.last > 0 && t.acked >= t.last {
		f.end(t, model.StepRead)
	}
}

func (f *transfers) moved(t *transfer, at time.Time) {
	t.progress, t.repeats = at, 0
	f.idle.MoveToBack(t.place)
}

func (f *transfers) fromServer(t *transfer, p *packet, op wire.Opcode) {
	t.heardOf = p.at
	f.answers = true
	switch op {
	case wire.OpOAck:
		f.options(t, p)
	case wire.OpData:
		f.data(t, p)
	case wire.OpError:
		code, text, err := wire.ParseError(p.data)
		if err != nil {
			return
		}
		t.file.Code = int(code)
		f.endSaying(t, serverError(code, text), text)
	}
}

// serverError says what a server's ERROR means: some say in words what there
// is a code for.
func serverError(code wire.ErrorCode, text string) model.StepKind {
	lower := strings.ToLower(text)
	switch {
	case code == wire.ErrorNotFound,
		code == wire.ErrorUndefined && (strings.Contains(lower, "not found") || strings.Contains(lower, "no such file")):
		return model.StepMissing
	case code == wire.ErrorIllegal, code == wire.ErrorOptions, code == wire.ErrorUnknownTransfer:
		return model.StepRefused
	}
	return model.StepFault
}

func (f *transfers) options(t *transfer, p *packet) {
	if t.oack {
		t.again++
		t.repeats++
		return
	}
	opts, err := wire.ParseOAck(p.data)
	if err != nil {
		return
	}
	t.oack = true
	number := func(name string, most int64) (int64, bool) {
		text, ok := opts.Get(name)
		n, err := strconv.ParseInt(text, 10, 64)
		return n, ok && err == nil && n >= 0 && n <= most
	}
	t.size, t.tsize = number(wire.OptionTsize, 1<<60)
	if n, ok := number(wire.OptionBlksize, wire.MaxBlksize); ok && n >= wire.MinBlksize {
		t.blksize = int(n)
	}
	if n, ok := number(wire.OptionWindowsize, 65535); ok && n > 0 {
		t.window = int(n)
	}
	f.answered(t.server.Addr())
	t.progress = p.at
	f.idle.MoveToBack(t.place)
}

func (f *transfers) data(t *transfer, p *packet) {
	block, contents, err := wire.ParseData(p.data)
	if err != nil {
		return
	}
	ahead := int64(int16(block - uint16(t.sent)))
	if ahead <= 0 {
		t.again++
		t.repeats++
		return
	}
	if t.sent == 0 {
		f.answered(t.server.Addr())
		if ahead == 1 && f.roles.of(t.name) == model.RoleLoader {
			lookAt(&t.file, contents[:min(len(contents), programHead)])
		}
	}
	t.sent += ahead
	switch n := p.size - wire.HeaderSize; {
	case n > t.blksize:
		t.blksize = n // the OACK was not captured
	case n < t.blksize:
		t.last, t.lastSize = t.sent, int64(n)
	}
	if t.half > 0 && t.acked == t.sent-1 {
		t.sample(t.half + p.at.Sub(t.ackAt))
	}
	t.sentAt, t.half = p.at, 0
	// What lies beyond a window was sent because the ACK came, be it captured
	// or not.
	if t.sent-int64(t.window) > t.acked {
		t.acked, t.heard = t.sent-int64(t.window), true
		f.moved(t, p.at)
	}
}

// sample smooths the round trip as TCP does (RFC 6298 section 2).
func (t *transfer) sample(d time.Duration) {
	if t.roundTrip == 0 {
		t.roundTrip = d
		return
	}
	t.roundTrip += (d - t.roundTrip) / 8
}

// silent says what became of a transfer that nothing more is heard of.
func (f *transfers) silent(t *transfer) model.StepKind {
	switch {
	case t.last > 0 && t.sent >= t.last && t.acked >= t.last-int64(t.window) && (t.heard || t.again == 0):
		return model.StepRead // some clients never acknowledge the last block
	case t.down.at.IsZero() && (t.heard || t.asked == 1 && !f.answers && !t.closed && !t.elsewhere.IsValid()):
		// The server's side was not captured. Whom nobody answers, asks again.
		return model.StepAsked
	}
	return model.StepStalled
}

// expire ends the transfers that made no progress for long.
func (f *transfers) expire(now time.Time) {
	if now.After(f.forget) || len(f.over) > maxTransfers {
		clear(f.over)
		f.forget = now.Add(10 * time.Second)
	}
	for e := f.idle.Front(); e != nil; e = f.idle.Front() {
		t := e.Value.(*transfer)
		if now.Sub(t.progress) < giveUp {
			return
		}
		f.end(t, f.silent(t))
	}
}

// gone ends the transfers of a client that has begun anew.
func (f *transfers) gone(client netip.Addr) {
	for f.open[client] != nil {
		var first *transfer
		for _, t := range f.open[client] {
			if first == nil || t.frame < first.frame {
				first = t
			}
		}
		f.end(first, f.silent(first))
	}
}

// endAll ends what is open when the capture ends. What went on until then is
// only asked for.
func (f *transfers) endAll(now time.Time) {
	for e := f.idle.Front(); e != nil; e = f.idle.Front() {
		t := e.Value.(*transfer)
		kind := f.silent(t)
		if kind == model.StepStalled && !t.closed && t.repeats < 2 && now.Sub(t.progress) < giveUpEnd {
			kind = model.StepAsked
		}
		f.end(t, kind)
	}
}

func (f *transfers) end(t *transfer, kind model.StepKind) { f.endSaying(t, kind, "") }

// endSaying tells how a transfer ended, with what was said.
func (f *transfers) endSaying(t *transfer, kind model.StepKind, text string) {
	ports := f.open[t.client.Addr()]
	delete(ports, t.client.Port())
	if len(ports) == 0 {
		delete(f.open, t.client.Addr())
	}
	f.idle.Remove(t.place)
	f.over[t.client] = t.up
	f.tell(t.heardOf, t.step(kind, f.roles.of(t.name), text))
}

func (t *transfer) step(kind model.StepKind, role model.FileRole, text string) model.Step {
	d := t.file
	d.Name, d.Via, d.Role = t.name, "tftp", role
	d.Blksize, d.Window = t.blksize, t.window
	d.Blocks, d.Retransmissions, d.Heard, d.RoundTrip = t.acked, t.again, t.heard, t.roundTrip
	if kind == model.StepRead {
		d.Blocks = max(t.acked, t.last)
	}
	d.Octets = d.Blocks * int64(t.blksize)
	if t.last > 0 && d.Blocks >= t.last {
		d.Octets = (t.last-1)*int64(t.blksize) + t.lastSize
	}
	if t.tsize {
		d.Size = t.size
	}
	d.Duration = max(0, t.heardOf.Sub(t.began)).Round(time.Microsecond)
	s := model.Step{
		Time: t.began, Kind: kind, Frame: t.frame, Last: t.heardOf, Text: record.Printable(text),
		Client: t.client.Addr(), Server: t.server.Addr(), File: &d,
	}
	if t.down.at.IsZero() && !t.heard {
		d.Blksize, d.Window = 0, 0
		if t.asked > 1 {
			s.Count = t.asked
		}
		if kind == model.StepStalled {
			s.Why, s.Text = t.unanswered()
		}
	}
	return s
}

// unanswered says in which way a request got no answer that the client takes.
func (t *transfer) unanswered() (why, text string) {
	switch {
	case t.closed:
		return model.StalledClosed, ""
	case t.elsewhere.IsValid():
		return model.StalledElsewhere, t.elsewhere.String()
	}
	return model.StalledUnanswered, ""
}
