package capture

import (
	"bytes"
	"container/list"
	"net/netip"
	"strconv"
	"time"

	"hobnail/internal/model"
)

// half is one direction of a connection. Octets are counted from the first that
// was captured, without wrapping.
type half struct {
	view  view
	base  uint32 // sequence number of octet 0
	begun bool
	high  int64 // behind the highest octet sent
	acked int64 // what the other side has acknowledged
	acks  bool  // it did so at all
	again int64 // segments that were sent again
	fin   bool
}

// place gives where a segment begins.
func (h *half) place(seq uint32) int64 {
	if !h.begun {
		h.begun, h.base = true, seq
	}
	return h.high + int64(int32(seq-h.base-uint32(h.high)))
}

// ack takes the other side's acknowledgement.
func (h *half) ack(n uint32) {
	if !h.begun {
		return
	}
	at := h.acked + int64(int32(n-h.base-uint32(h.acked)))
	if at > h.acked && at <= h.high+1 { // FIN counts as an octet
		h.acked, h.acks = at, true
	}
}

// has is how far the other side has come, as well as one can know: without its
// acknowledgements, what was sent.
func (h *half) has() int64 {
	if h.acks {
		return min(h.acked, h.high)
	}
	return h.high
}

// conn is one TCP connection that carries HTTP.
type conn struct {
	web      *web
	id       connID
	place    *list.Element
	last     time.Time // packet
	up, down half
	boot     bootURL // that DHCP named for this server and port
	over     bool

	syn     exchange // the opening, while nobody answered it
	request []byte   // the head of a request, as far as it has come
	asked   int64    // where it goes on
	queue   []*exchange

	head     []byte // of the answer to the first of the queue
	headAt   int64  // where it goes on
	inBody   bool
	body     int64 // where the body begins
	end      int64 // behind its last octet; -1: not known
	chunks   chunks
	first    []byte // the body's beginning, of boot programs
	progress time.Time
	repeats  int // segments sent again since
}

const maxQueue = 64 // requests that wait for their answers

// opening takes the first SYN to a server that DHCP named.
func (c *conn) opening(p *packet) {
	c.syn = exchange{name: c.boot.name, frame: p.frame, began: p.at, asked: 1}
	c.up.view.admits(p, segmentID(p))
}

// answered reports whether the server said anything.
func (c *conn) answered() bool { return c.down.begun || c.syn.asked == 0 }

// frame is where the connection's oldest request is.
func (c *conn) frame() int {
	switch {
	case c.syn.asked > 0:
		return c.syn.frame
	case len(c.queue) > 0:
		return c.queue[0].frame
	}
	return 0
}

// segmentID tells a segment from others of its direction.
func segmentID(p *packet) uint64 {
	return uint64(p.ipID)<<48 ^ uint64(p.size)<<32 ^ uint64(p.tcp.seq) ^ uint64(p.tcp.ack)<<16 ^ uint64(p.tcp.flags)<<56
}

func (c *conn) fromClient(p *packet) {
	if !c.up.view.admits(p, segmentID(p)) {
		return
	}
	if p.tcp.flags&flagSYN != 0 {
		if c.syn.asked > 0 {
			c.syn.asked++
		}
		return
	}
	if p.tcp.flags&flagACK != 0 {
		c.clientHas(p)
	}
	if p.size > 0 {
		c.clientSent(p)
	}
	if p.tcp.flags&(flagRST|flagFIN) != 0 {
		c.clientLeft(p)
	}
}

// clientHas takes an acknowledgement of the client's.
func (c *conn) clientHas(p *packet) {
	before := c.down.acked
	c.down.ack(p.tcp.ack)
	if c.down.acked == before {
		return
	}
	c.progress, c.repeats = p.at, 0
	if c.inBody && c.end >= 0 && c.down.acked >= c.end {
		c.finish(p.at)
	}
}

func (c *conn) clientSent(p *packet) {
	at := c.up.place(p.tcp.seq)
	if at+int64(p.size) <= c.up.high {
		c.repeats++ // sent again
		return
	}
	c.up.high = at + int64(p.size)
	if c.boot.secret {
		c.insideTLS(p)
		return
	}
	if at != c.asked || len(c.request) > maxHead {
		c.request = nil // something is missing; the next request is found again
		if !isRequest(p.data) {
			return
		}
	}
	c.asked = at + int64(p.size)
	c.request = append(c.request, p.data...)
	for isRequest(c.request) {
		head, rest, whole := bytes.Cut(c.request, []byte("\r\n\r\n"))
		if !whole && !p.cut() {
			return
		}
		c.ask(head, p)
		c.request = bytes.Clone(rest)
	}
	c.request = nil
}

// insideTLS takes what a client says where nobody can read it: all of the
// connection counts as a read of the file that DHCP named.
func (c *conn) insideTLS(p *packet) {
	if len(c.queue) > 0 {
		return
	}
	c.queue = append(c.queue, &exchange{method: methodGet, name: c.boot.name, frame: p.frame, began: p.at, asked: 1, secret: true, answer: answer{length: -1}})
	c.inBody, c.body, c.end = true, c.down.high, -1
	c.progress = p.at
}

// ask takes a request.
func (c *conn) ask(head []byte, p *packet) {
	method, name, ok := readRequest(head)
	if !ok || len(c.queue) >= maxQueue {
		return
	}
	if c.inBody && (c.end < 0 || c.down.high >= c.end) {
		c.finish(p.at) // who asks again has what he asked for before
	}
	c.queue = append(c.queue, &exchange{method: method, name: name, frame: p.frame, began: p.at, asked: 1})
	c.progress = p.at
	if len(c.queue) == 1 {
		c.headAt, c.head = c.down.high, nil
	}
}

func (c *conn) clientLeft(p *packet) {
	reads := len(c.queue) > 0 && !(c.inBody && c.end >= 0 && c.down.high >= c.end) && !c.queue[0].secret
	if p.tcp.flags&flagRST == 0 && reads {
		return // only its own side is closed
	}
	c.broken(p.at, model.StepAborted)
}

// broken ends the connection. kind is what a request without an answer has come
// to.
func (c *conn) broken(at time.Time, kind model.StepKind) {
	c.over = true
	switch {
	case c.inBody:
		c.finish(at)
	case len(c.queue) > 0:
		c.told(at, c.queue[0], kind, 0)
	}
}

func (c *conn) fromServer(p *packet) {
	if !c.down.view.admits(p, segmentID(p)) {
		return
	}
	switch {
	case p.tcp.flags&flagSYN != 0:
		c.syn = exchange{}
		c.down.place(p.tcp.seq + 1)
		return
	case p.tcp.flags&flagRST != 0 && c.syn.asked > 0:
		c.unanswered(p.at, model.StalledClosed)
		c.over = true
		return
	}
	c.syn = exchange{}
	if p.size > 0 {
		c.serverSent(p)
	}
	switch {
	case p.tcp.flags&flagRST != 0:
		c.broken(p.at, model.StepFault)
	case p.tcp.flags&flagFIN != 0:
		c.down.fin = true
		if !c.inBody || c.end < 0 || c.down.high >= c.end {
			c.broken(p.at, model.StepFault)
		}
	}
}

func (c *conn) serverSent(p *packet) {
	at := c.down.place(p.tcp.seq)
	end := at + int64(p.size)
	if end <= c.down.high {
		if p.size > 1 { // one octet is a keep-alive
			c.down.again++
			c.repeats++
		}
	} else {
		c.down.high = end
	}
	b := p.data
	for len(c.queue) > 0 && end > at {
		if !c.inBody {
			at, b = c.answerHead(p, at, b)
			if !c.inBody {
				return
			}
			continue
		}
		at, b = c.content(p, at, end, b)
	}
}

// answerHead takes what belongs to the head of an answer, and gives what
// follows it.
func (c *conn) answerHead(p *packet, at int64, b []byte) (int64, []byte) {
	if at < c.headAt && at+int64(len(b)) > c.headAt {
		b = b[c.headAt-at:] // sent again in other pieces
		at = c.headAt
	}
	if len(c.head) == 0 && bytes.HasPrefix(b, []byte("HTTP/1.")) {
		c.headAt = at
	}
	if at != c.headAt || len(c.head) > maxHead {
		return at, nil
	}
	c.head = append(c.head, b...)
	c.headAt += int64(len(b))
	head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
	if !whole && !p.cut() {
		return at, nil
	}
	x := c.queue[0]
	a, ok := readAnswer(head, x.method)
	c.head = nil
	if !ok {
		return at, nil
	}
	if a.status < 200 {
		// 100 Continue and its like: the answer follows.
		c.headAt -= int64(len(rest))
		if len(rest) == 0 {
			return c.headAt, nil
		}
		return c.answerHead(p, c.headAt, bytes.Clone(rest))
	}
	x.answer = a
	c.inBody, c.body = true, c.headAt-int64(len(rest))
	c.chunks, c.first = chunks{at: c.body}, nil
	c.end = -1
	if a.length >= 0 {
		c.end = c.body + a.length
	}
	if !whole {
		c.end, c.chunks.lost = -1, true // how long it is was cut off
		if a.length >= 0 {
			c.end = c.body + a.length // about: the head's rest is not counted
		}
	}
	if c.end == c.body {
		c.finish(p.at)
	}
	return c.body, rest
}

// content takes what belongs to a body, and gives what follows it.
func (c *conn) content(p *packet, at, end int64, b []byte) (int64, []byte) {
	if want := c.body + int64(len(c.first)); at == want && len(c.first) < programHead {
		c.first = append(c.first, b[:min(len(b), programHead-len(c.first))]...)
	}
	x := c.queue[0]
	if x.answer.chunked && c.end < 0 {
		if stop, ok := c.chunks.take(at, b, end); ok {
			c.end = stop
		}
	}
	if !c.down.acks {
		c.progress = p.at
	}
	if c.end < 0 || end < c.end {
		return end, nil
	}
	next := c.end
	if !c.down.acks || end > c.end {
		c.finish(p.at) // the server went on to the next
	}
	if next < at || next-at > int64(len(b)) {
		return end, nil
	}
	return next, b[next-at:]
}

// finish tells how the first of the queue ended, by what the client has.
func (c *conn) finish(at time.Time) {
	x := c.queue[0]
	total := c.end
	if total < 0 {
		total = c.down.high
	}
	got := max(0, min(c.down.has(), total)-c.body)
	whole := c.end >= 0 && c.down.high >= c.end && (got >= c.end-c.body || !c.over)
	switch {
	case x.secret:
		whole = got > tlsGreeting
	case c.end < 0:
		// Without a length the end of the connection is the end of the file.
		whole = c.down.fin || !c.over
	}
	if x.answer.chunked {
		got = max(0, got-c.chunks.extra)
	}
	kind, ok := x.answer.kind(x.method)
	if x.secret {
		kind, ok = model.StepRead, true
	}
	if ok && kind == model.StepRead && !whole {
		kind = model.StepAborted
	}
	if ok {
		c.told(at, x, kind, got)
	}
	c.next()
}

// tlsGreeting is more than certificates and alerts take: less than this is no
// file.
const tlsGreeting = 16 << 10

// told hands on a step.
func (c *conn) told(at time.Time, x *exchange, kind model.StepKind, got int64) {
	if kind == model.StepMissing || kind == model.StepRefused || kind == model.StepFault {
		got = 0 // the page that says so is not the file
	}
	s := x.step(kind, c.web.roles.of(x.name), c.id, at, got)
	s.File.Retransmissions = c.down.again
	c.down.again = 0
	switch {
	case x.secret && kind == model.StepRead:
		s.Text = "inside TLS: what was read cannot be seen"
	case x.secret && kind == model.StepAborted:
		s.Text = "the TLS connection ended before a file was read: does the machine trust the certificate?"
	case s.File.Role == model.RoleLoader && kind == model.StepRead:
		lookAt(s.File, c.first)
	}
	if matters(&s, func(a netip.Addr) bool { return c.web.servers[a] || c.boot.name != "" }) {
		c.web.tell(at, s)
	}
}

// next turns to the next of the queue.
func (c *conn) next() {
	c.queue = c.queue[1:]
	c.inBody, c.head, c.first = false, nil, nil
	c.headAt = max(c.end, c.body)
	if c.end < 0 {
		c.headAt = c.down.high
	}
}

// silent tells what became of a connection that nothing more is heard of;
// ending: because the capture ends.
func (c *conn) silent(now time.Time, ending bool) {
	running := ending && now.Sub(later(c.progress, c.began())) < giveUpEnd && c.repeats < 2
	switch {
	case c.syn.asked > 0 && (!running || c.syn.asked > 1):
		c.unanswered(c.last, model.StalledUnanswered)
	case c.syn.asked > 0:
		c.told(c.last, &c.syn, model.StepAsked, 0)
	case c.inBody && (c.end >= 0 && c.down.high >= c.end || c.queue[0].secret || c.end < 0 && c.down.fin):
		c.finish(c.last)
	case len(c.queue) > 0:
		c.unfinished(running)
	}
	c.over = true
}

func (c *conn) began() time.Time {
	switch {
	case c.syn.asked > 0:
		return c.syn.began
	case len(c.queue) > 0:
		return c.queue[0].began
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unfinished tells of a request whose answer did not come to its end.
func (c *conn) unfinished(running bool) {
	x := c.queue[0]
	got := int64(0)
	if c.inBody {
		got = max(0, c.down.has()-c.body)
	}
	switch {
	case running:
		c.told(c.last, x, model.StepAsked, got)
	case c.inBody || c.down.begun:
		c.told(c.last, x, model.StepStalled, got)
	default:
		c.syn = *x
		c.unanswered(c.last, model.StalledUnanswered)
	}
}

// unanswered tells of an opening, or a request, that got no answer.
func (c *conn) unanswered(at time.Time, why string) {
	s := c.syn.step(model.StepStalled, c.web.roles.of(c.syn.name), c.id, at, 0)
	s.Why = why
	if c.syn.asked > 1 {
		s.Count = c.syn.asked
	}
	c.web.tell(at, s)
	c.syn = exchange{}
}

// chunks finds the end of a chunked body (RFC 9112 section 7.1) in what passes.
type chunks struct {
	at    int64  // the next octet of a chunk's head
	line  []byte // of the head, as far as it has come
	extra int64  // octets that are no content
	last  bool   // the chunk of no octets has come
	lost  bool   // a head was not captured: the end cannot be found
}

// take looks at a piece that begins at a place, of which b was captured; ok says
// that stop is behind the body.
func (c *chunks) take(at int64, b []byte, end int64) (stop int64, ok bool) {
	for !c.lost && c.at < end {
		from := c.at - at
		if from < 0 {
			return 0, false // sent again
		}
		if from >= int64(len(b)) {
			c.lost = true // not captured
			return 0, false
		}
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			c.line = append(c.line, b[from:]...)
			c.at = at + int64(len(b))
			c.lost = len(c.line) > 64 || c.at < end
			return 0, false
		}
		line := string(bytes.TrimRight(append(c.line, b[from:from+int64(i)]...), "\r"))
		c.at += int64(i) + 1
		c.line = nil
		if stop, ok := c.head(line); ok {
			return stop, true
		}
	}
	return 0, false
}

// head takes a line: a chunk's size, or of the trailer.
func (c *chunks) head(line string) (stop int64, ok bool) {
	if c.last {
		c.extra += int64(len(line)) + 2
		return c.at, line == ""
	}
	text, _, _ := bytes.Cut([]byte(line), []byte(";"))
	size, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 16, 64)
	if err != nil || size < 0 || size > 1<<50 {
		c.lost = true
		return 0, false
	}
	c.extra += int64(len(line)) + 2
	if size == 0 {
		c.last = true
		return 0, false
	}
	c.at += size + 2
	c.extra += 2
	return 0, false
}
