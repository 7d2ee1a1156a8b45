package link

import "time"

// packet is a frame on its way, with its virtio header.
type packet struct {
	frame []byte
	due   time.Time
}

// queue keeps packets in the order in which they came, which is that of their
// times.
type queue struct {
	packets []packet
	head    int
}

func (q *queue) push(p packet) {
	if q.head == len(q.packets) {
		q.packets, q.head = q.packets[:0], 0
	}
	q.packets = append(q.packets, p)
}

func (q *queue) first() (packet, bool) {
	if q.head == len(q.packets) {
		return packet{}, false
	}
	return q.packets[q.head], true
}

func (q *queue) pop() {
	q.packets[q.head] = packet{}
	q.head++
	// A queue that is never empty would grow for ever.
	if q.head > 1024 && q.head > len(q.packets)/2 {
		q.packets, q.head = append(q.packets[:0], q.packets[q.head:]...), 0
	}
}
