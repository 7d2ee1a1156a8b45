package store

import (
	"context"
	"fmt"
	"sync"
)

// Locks are locks by name within one process, for engines that one process
// writes. The zero value has none held.
type Locks struct {
	mu   sync.Mutex
	held map[string]*slot
}

// slot is a lock that somebody holds or waits for.
type slot struct {
	taken chan struct{} // full while it is held
	users int
}

// slot gives the lock of a name until leave.
func (l *Locks) slot(name string) *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*slot{}
	}
	s := l.held[name]
	if s == nil {
		s = &slot{taken: make(chan struct{}, 1)}
		l.held[name] = s
	}
	s.users++
	return s
}

func (l *Locks) leave(name string, s *slot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(l.held, name)
	}
}

// Run is Store.Lock.
func (l *Locks) Run(ctx context.Context, name string, f func(context.Context) error) error {
	s := l.slot(name)
	defer l.leave(name, s)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("waiting for lock %q: %w", name, err)
	}
	select {
	case s.taken <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for lock %q: %w", name, ctx.Err())
	}
	defer func() { <-s.taken }()
	return f(ctx)
}
