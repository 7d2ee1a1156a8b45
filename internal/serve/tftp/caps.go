package tftp

import (
	"hash/maphash"
	"slices"
	"time"
)

// What nobody may use up, whoever asks.
const (
	// maxUnheard is how many reads may wait for their client's first ACK. The
	// oldest makes room: a client that exists answers within milliseconds.
	maxUnheard = 32768
	// maxUnheardOctets is what they may have of memory that is for them alone,
	// maxUnheardFiles how many files that nobody else reads.
	maxUnheardOctets = 32 << 20
	maxUnheardFiles  = 256
	// requestRate and requestBurst bound the requests of one address in a
	// second, and at once: a machine looks for some dozens of names, a
	// classroom behind one address for more.
	requestRate  = 200
	requestBurst = 1000
	// requestSlots is how many addresses are told apart for that; the others
	// share with one of them.
	requestSlots = 8192
	// maxStrangers is how many packets of unknown transfers are answered in a
	// second.
	maxStrangers = 8
	// queuePatience is how long a client waits for others to end: its own
	// patience is shorter.
	queuePatience = 30 * time.Second
)

// bucket is a token bucket: what may be used in a second, and how much of it
// is left.
type bucket struct {
	rate, most float64
	left       float64
	at         time.Time
}

func (b *bucket) fill(now time.Time) {
	if b.at.IsZero() {
		b.left = b.most
	} else {
		b.left = min(b.most, b.left+now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
}

// take takes n if there are as many.
func (b *bucket) take(now time.Time, n float64) bool {
	if b.fill(now); b.left < n {
		return false
	}
	b.left -= n
	return true
}

// spend takes n, also what is not there.
func (b *bucket) spend(now time.Time, n float64) {
	b.fill(now)
	b.left -= n
}

// debt is how long until there is something left again.
func (b *bucket) debt(now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	if b.fill(now); b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left/b.rate*float64(time.Second)) + time.Millisecond
}

// caps count what clients use.
type caps struct {
	transfers, perClient int
	rate, clientRate     float64 // octets in a second; zero: any

	open      int // transfers whose client was heard
	clients   map[[16]byte]*usage
	total     bucket
	strangers bucket
	requests  []bucket
	queue     []*session // acknowledged, waiting for a place
}

// usage is what one address uses.
type usage struct {
	open  int
	spent bucket
}

func newCaps(s *Server) caps {
	return caps{
		transfers: positive(s.MaxTransfers, DefaultMaxTransfers), perClient: positive(s.MaxPerClient, DefaultMaxPerClient),
		rate: float64(s.MaxRate), clientRate: float64(s.MaxClientRate),
		clients: make(map[[16]byte]*usage), requests: make([]bucket, requestSlots),
		total:     bucket{rate: float64(s.MaxRate), most: float64(s.MaxRate) / 10},
		strangers: bucket{rate: maxStrangers, most: maxStrangers},
	}
}

// request reports whether an address may send another request.
func (c *caps) request(now time.Time, id peer) bool {
	b := &c.requests[maphash.Bytes(seed, id.client[:])%requestSlots]
	b.rate, b.most = requestRate, requestBurst
	return b.take(now, 1)
}

// room reports whether a client may begin a transfer.
func (c *caps) room(ses *session) bool {
	if c.open >= c.transfers {
		return false
	}
	cl := c.clients[ses.client]
	return cl == nil || cl.open < c.perClient
}

// opened counts a transfer whose client was heard.
func (c *caps) opened(ses *session) {
	c.open++
	cl := c.clients[ses.client]
	if cl == nil {
		cl = &usage{spent: bucket{rate: c.clientRate, most: c.clientRate / 10}}
		c.clients[ses.client] = cl
	}
	cl.open++
}

// closed counts its end.
func (c *caps) closed(ses *session) {
	c.open--
	if cl := c.clients[ses.client]; cl != nil {
		if cl.open--; cl.open <= 0 {
			delete(c.clients, ses.client)
		}
	}
}

// sent counts octets.
func (c *caps) sent(now time.Time, ses *session, octets int) {
	if c.rate > 0 {
		c.total.spend(now, float64(octets))
	}
	if c.clientRate > 0 {
		if cl := c.clients[ses.client]; cl != nil {
			cl.spent.spend(now, float64(octets))
		}
	}
}

// debt is how long a client has to wait for its next blocks.
func (c *caps) debt(now time.Time, ses *session) time.Duration {
	if c.rate == 0 && c.clientRate == 0 {
		return 0
	}
	d := c.total.debt(now)
	if cl := c.clients[ses.client]; cl != nil {
		d = max(d, cl.spent.debt(now))
	}
	return d
}

// best takes out of the queue who goes first of those that may: who has asked
// most often, for its next try may be its last, and then who came first.
func (c *caps) best() *session {
	c.queue = slices.DeleteFunc(c.queue, func(s *session) bool { return s.gone })
	at := -1
	for i, s := range c.queue {
		if c.room(s) && (at < 0 || s.rejoined > c.queue[at].rejoined) {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	ses := c.queue[at]
	c.queue = slices.Delete(c.queue, at, at+1)
	return ses
}

// unheard are the sessions whose client has not been heard, oldest first.
type unheard struct {
	queue  []*session // some were heard meanwhile, or are gone
	count  int
	octets int64
	files  int
}

func (u *unheard) add(ses *session) {
	u.queue = append(u.queue, ses)
	u.count++
	u.octets += ses.file.own
	u.files += ses.file.alone()
}

// heard takes out a session that was heard, or that is gone.
func (u *unheard) heard(ses *session) {
	if ses.file == nil {
		return // it was not added yet
	}
	u.count--
	u.octets -= ses.file.own
	u.files -= ses.file.alone()
	if len(u.queue) > 2*u.count+batchSize {
		u.clean()
	}
}

// clean leaves out those that are not unheard any more, and the room for them.
func (u *unheard) clean() {
	alive := slices.DeleteFunc(u.queue, func(s *session) bool { return s.gone || !s.unheard })
	u.queue = append([]*session(nil), alive...)
}

// tooMany gives the oldest if there are too many, but none that has shown that
// it exists and waits for a place: forged requests must not push it out.
func (u *unheard) tooMany() *session {
	if u.count <= 1 || u.count <= maxUnheard && u.octets <= maxUnheardOctets && u.files <= maxUnheardFiles {
		return nil // the newest stays, however large
	}
	for len(u.queue) > 0 {
		old := u.queue[0]
		u.queue = u.queue[1:]
		if !old.gone && old.unheard && !old.queued {
			return old
		}
	}
	return nil
}

// holds reports whether an ACK is to wait: the transfer may not begin yet, or
// go on.
func (l *loop) holds(now time.Time, ses *session, block uint16) bool {
	if ses.held || ses.queued {
		ses.rejoined = min(ses.rejoined, 254) + 1
		return true
	}
	if ses.unheard {
		if !ses.read.opens(block) || l.caps.room(ses) {
			return false
		}
		ses.queued, ses.heldAck = true, block
		ses.read.due = at(now.Add(queuePatience))
		l.caps.queue = append(l.caps.queue, ses)
		return true
	}
	wait := l.caps.debt(now, ses)
	if wait == 0 {
		return false
	}
	ses.held, ses.heldAck = true, block
	ses.read.transfer.deadline = now.Add(wait)
	ses.armed = 0
	l.timers.arm(ses)
	return true
}

// unhold lets a session go on that had to wait.
func (l *loop) unhold(now time.Time, ses *session) {
	if ses.queued {
		l.abandon(now, ses, errFull)
		return
	}
	ses.held = false
	l.acknowledged(now, ses)
}

// admitQueued begins transfers that waited for a place.
func (l *loop) admitQueued(now time.Time) {
	for len(l.caps.queue) > 0 {
		ses := l.caps.best()
		if ses == nil {
			return
		}
		ses.queued = false
		l.acknowledged(now, ses)
	}
}

// acknowledged gives a session the ACK that was held back.
func (l *loop) acknowledged(now time.Time, ses *session) {
	out := l.burst(ses)
	ses.read.ack(now, ses.heldAck, out)
	l.stepped(now, ses, out)
}
