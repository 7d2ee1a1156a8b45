// Package mem is a store in memory: for tests, and for what need not outlive
// the process. It never fails but for what its callers do.
package mem

import (
	"bytes"
	"context"
	"sync"

	"hobnail/internal/store"
)

// Store implements store.Store.
type Store struct {
	watchers store.Watchers
	locks    store.Locks
	writer   chan struct{} // full while an Update runs

	mu     sync.Mutex // over what follows
	root   *node      // of the last commit
	closed bool
	busy   sync.WaitGroup // transactions
}

// New makes an empty store.
func New() *Store { return &Store{writer: make(chan struct{}, 1)} }

// begin counts a transaction in, and gives what is committed.
func (s *Store) begin() (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	s.busy.Add(1)
	return s.root, nil
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := s.begin()
	if err != nil {
		return err
	}
	defer s.busy.Done()
	t := &tx{ctx: ctx, root: root}
	defer func() { t.over = true }()
	return f(t)
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writer }()
	root, err := s.begin()
	if err != nil {
		return err
	}
	defer s.busy.Done()
	t := &tx{ctx: ctx, root: root, wrote: map[string]bool{}}
	defer func() { t.over = true }()
	if err := f(t); err != nil {
		return err
	}
	s.mu.Lock()
	s.root = t.root
	s.mu.Unlock()
	s.watchers.Tell(t.wrote)
	return nil
}

// Changes implements store.Store.
func (s *Store) Changes(prefix string) (changed <-chan struct{}, stop func()) {
	return s.watchers.Watch(prefix)
}

// Lock implements store.Store.
func (s *Store) Lock(ctx context.Context, name string, f func(context.Context) error) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	return s.locks.Run(ctx, name, f)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.busy.Wait()
	return nil
}

// tx is a root of its own: what it puts makes new nodes, and nobody else sees
// them before the commit.
type tx struct {
	ctx   context.Context
	root  *node
	wrote map[string]bool // nil in a View
	over  bool
}

func (t *tx) usable() error {
	if t.over {
		return store.ErrClosed
	}
	return t.ctx.Err()
}

func (t *tx) Get(key string) ([]byte, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	n := t.root.find(key)
	if n == nil {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(n.value), nil
}

func (t *tx) Put(key string, value []byte) error {
	if err := t.writable(key, value); err != nil {
		return err
	}
	t.root = t.root.put(&node{key: key, value: append([]byte{}, value...), weight: weightOf(key)})
	t.wrote[key] = true
	return nil
}

func (t *tx) Delete(key string) error {
	if err := t.writable(key, nil); err != nil {
		return err
	}
	t.root = t.root.without(key)
	t.wrote[key] = true
	return nil
}

func (t *tx) writable(key string, value []byte) error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.wrote == nil {
		return store.ErrReadOnly
	}
	return store.Check(key, value)
}

func (t *tx) Scan(r store.Range, each func(key string, value []byte) bool) error {
	if err := t.usable(); err != nil {
		return err
	}
	first, end := r.Bounds()
	t.root.walk(first, end, r.Back, func(n *node) bool {
		return t.ctx.Err() == nil && each(n.key, bytes.Clone(n.value))
	})
	return t.ctx.Err()
}
