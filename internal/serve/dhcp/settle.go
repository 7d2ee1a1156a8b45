package dhcp

import (
	"sync"

	"hobnail/internal/netio"
)

// maxHeld is how many answers may wait for the disk before nothing more is
// decided.
const maxHeld = 8192

// settler settles held answers beside the loop that decides: while the disk is
// busy with some, the next ones gather, and go to disk together (group commit).
type settler struct {
	server *Server
	conn   netio.Conn

	mu     sync.Mutex
	change sync.Cond // held or closed has changed
	held   []Held
	closed bool
	done   chan struct{}
}

func newSettler(s *Server, conn netio.Conn) *settler {
	t := &settler{server: s, conn: conn, done: make(chan struct{})}
	t.change.L = &t.mu
	go t.run()
	return t
}

// hold queues answers; it waits where too many are held already.
func (t *settler) hold(held []Held) {
	if len(held) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.held) > maxHeld {
		t.change.Wait()
	}
	t.held = append(t.held, held...)
	t.change.Broadcast()
}

// stop settles what is left and returns when that is done.
func (t *settler) stop() {
	t.mu.Lock()
	t.closed = true
	t.change.Broadcast()
	t.mu.Unlock()
	<-t.done
}

func (t *settler) run() {
	defer close(t.done)
	var spare []Held
	for {
		t.mu.Lock()
		for len(t.held) == 0 && !t.closed {
			t.change.Wait()
		}
		now := t.held
		t.held = spare[:0]
		t.change.Broadcast()
		t.mu.Unlock()
		if len(now) == 0 {
			return
		}
		t.server.Settle(t.conn, now)
		clear(now)
		spare = now
	}
}
