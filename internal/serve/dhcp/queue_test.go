package dhcp

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

// burst is a socket in which packets have gathered.
type burst struct {
	netio.Conn
	waiting [][]byte
}

func (b *burst) ReadBatch(p []netio.Packet, wait bool) (int, error) {
	if len(b.waiting) == 0 && wait {
		return 0, net.ErrClosed
	}
	n := 0
	for n < len(p) && len(b.waiting) > 0 {
		p[n].Data = append(p[n].Data[:0], b.waiting[0]...)
		b.waiting = b.waiting[1:]
		n++
	}
	return n, nil
}

// message is as much of a DHCP message as a queue looks at, with a number.
func message(kind dhcp4.MessageType, n int) []byte {
	b := make([]byte, 243, 250)
	b[0], b[1] = byte(n>>8), byte(n)
	b[240], b[241], b[242] = 53, 1, byte(kind)
	return append(b, 255)
}

// order empties a queue and says in which order: D3 is the third DISCOVER.
func order(q *queue) string {
	var all []string
	for {
		batch := q.next()
		if len(batch) == 0 {
			return strings.Join(all, " ")
		}
		for _, p := range batch {
			all = append(all, fmt.Sprintf("%.1s%d", dhcp4.PeekType(p.Data), int(p.Data[0])<<8|int(p.Data[1])))
		}
		q.batch = q.batch[:0]
	}
}

// TestQueue: what was begun goes first, and the oldest is dropped first.
func TestQueue(t *testing.T) {
	const d, r = dhcp4.Discover, dhcp4.Request
	for _, tc := range []struct {
		about   string
		arrive  [][]byte
		dropped int
		order   string
	}{
		{"a few go in their order", [][]byte{message(d, 1), message(d, 2)}, 0, "D1 D2"},
		{"requests go before discovers", [][]byte{message(d, 1), message(r, 1), message(d, 2), message(r, 2)}, 0, "R1 R2 D1 D2"},
		{"what cannot be read waits like a request", [][]byte{message(d, 1), []byte("x")}, 0, "B30720 D1"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			q := newQueue(netio.MaxBatch)
			if len(tc.arrive[len(tc.arrive)-1]) == 1 {
				tc.arrive[len(tc.arrive)-1] = []byte("x\x00")
			}
			dropped, err := q.fill(&burst{waiting: tc.arrive})
			if got := order(q); err != nil || dropped != tc.dropped || got != tc.order {
				t.Errorf("%d dropped, error %v, order %s; want %d dropped, order %s", dropped, err, got, tc.dropped, tc.order)
			}
		})
	}
}

// TestQueueOverflow: a hundred DISCOVERs too many cost the hundred oldest
// DISCOVERs, and no REQUEST.
func TestQueueOverflow(t *testing.T) {
	const depth = 2 * netio.MaxBatch
	q := newQueue(depth)
	conn := &burst{}
	dropped := 0
	for n := range depth + 100 {
		conn.waiting = append(conn.waiting, message(dhcp4.Discover, n))
		if n%10 == 0 {
			conn.waiting = append(conn.waiting, message(dhcp4.Request, n))
		}
	}
	requests := (depth + 109) / 10
	for len(conn.waiting) > 0 {
		n, err := q.fill(conn)
		if err != nil {
			t.Fatal(err)
		}
		dropped += n
	}
	if dropped != 100 {
		t.Errorf("%d packets dropped, want 100", dropped)
	}
	var want []string
	for n := range requests {
		want = append(want, fmt.Sprintf("R%d", 10*n))
	}
	for n := range depth {
		want = append(want, fmt.Sprintf("D%d", 100+n))
	}
	if got := order(q); got != strings.Join(want, " ") {
		t.Errorf("order %s, want %s", got, strings.Join(want, " "))
	}
}

// TestQueueKeepsNoMemory: packets that are done with lend theirs to the next.
func TestQueueKeepsNoMemory(t *testing.T) {
	q := newQueue(netio.MaxBatch)
	conn := &burst{}
	fill := func() {
		conn.waiting = append(conn.waiting[:0], message(dhcp4.Discover, 1), message(dhcp4.Request, 2))
		if _, err := q.fill(conn); err != nil {
			t.Fatal(err)
		}
		q.next()
	}
	fill()
	if n := testing.AllocsPerRun(100, fill); n > 5 { // the messages of the test itself, and a little
		t.Errorf("%v allocations a turn", n)
	}
}
