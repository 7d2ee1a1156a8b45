package dhcp

import (
	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

const (
	// queueDepth is how many packets wait at the most, of each sort. At the
	// rate of a busy server it is a tenth of a second.
	queueDepth = 4096
	// maxRequest is longer than any datagram a client sends: an Ethernet frame
	// holds 1472 octets. A longer one is cut, which the parser refuses unless
	// the cut is between two options or in padding.
	maxRequest = 2048
)

// queue holds what was received and not yet decided. When more comes than can
// be done, DISCOVERs wait behind everything else, and the oldest of a sort is
// dropped first: work that was begun is finished, and a machine whose DISCOVER
// is lost asks again.
type queue struct {
	discovers, others ring
	spare             [][]byte // memory of packets that are done with
	incoming          []netio.Packet
	batch             []netio.Packet // what next gave last; its memory is free at the next fill
}

func newQueue(depth int) *queue {
	return &queue{
		discovers: ring{packets: make([]netio.Packet, depth)},
		others:    ring{packets: make([]netio.Packet, depth)},
		incoming:  make([]netio.Packet, netio.MaxBatch),
		batch:     make([]netio.Packet, 0, netio.MaxBatch),
	}
}

// fill takes in all that has arrived, and waits if there is nothing to do. It
// says how many packets had to be dropped.
func (q *queue) fill(conn netio.Conn) (dropped int, err error) {
	for _, p := range q.batch {
		q.spare = append(q.spare, p.Data[:0])
	}
	q.batch = q.batch[:0]
	for range cap(q.others.packets) / netio.MaxBatch {
		for i := range q.incoming {
			if q.incoming[i].Data == nil {
				q.incoming[i].Data = q.memory()
			}
		}
		n, err := conn.ReadBatch(q.incoming, q.discovers.n+q.others.n == 0)
		if err != nil {
			return dropped, err
		}
		for i, p := range q.incoming[:n] {
			if old, full := q.ringFor(p).push(p); full {
				q.spare = append(q.spare, old.Data[:0])
				dropped++
			}
			q.incoming[i].Data = nil
		}
		if n < len(q.incoming) {
			break
		}
	}
	return dropped, nil
}

func (q *queue) ringFor(p netio.Packet) *ring {
	if dhcp4.PeekType(p.Data) == dhcp4.Discover {
		return &q.discovers
	}
	return &q.others
}

// next gives the packets to decide now, valid until the next fill.
func (q *queue) next() []netio.Packet {
	for len(q.batch) < cap(q.batch) {
		p, ok := q.others.pop()
		if !ok {
			p, ok = q.discovers.pop()
		}
		if !ok {
			break
		}
		q.batch = append(q.batch, p)
	}
	return q.batch
}

func (q *queue) memory() []byte {
	if n := len(q.spare); n > 0 {
		b := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return b
	}
	return make([]byte, 0, maxRequest)
}

// ring is a queue of fixed size.
type ring struct {
	packets []netio.Packet
	first   int
	n       int
}

// push adds a packet; a full ring gives up its oldest for it.
func (r *ring) push(p netio.Packet) (old netio.Packet, full bool) {
	if r.n == len(r.packets) {
		old, full = r.pop()
	}
	r.packets[(r.first+r.n)%len(r.packets)] = p
	r.n++
	return old, full
}

func (r *ring) pop() (p netio.Packet, ok bool) {
	if r.n == 0 {
		return p, false
	}
	p = r.packets[r.first]
	r.packets[r.first] = netio.Packet{}
	r.first = (r.first + 1) % len(r.packets)
	r.n--
	return p, true
}
