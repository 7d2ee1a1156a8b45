package store

import (
	"strings"
	"sync"
)

// Watchers are those who asked for Changes, for engines to use. The zero value
// has none.
type Watchers struct {
	mu  sync.Mutex
	all map[*watcher]bool
}

type watcher struct {
	prefix string
	told   chan struct{}
}

// Watch is Store.Changes.
func (w *Watchers) Watch(prefix string) (changed <-chan struct{}, stop func()) {
	me := &watcher{prefix, make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]bool{}
	}
	w.all[me] = true
	return me.told, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, me)
	}
}

// Tell wakes those whom the keys of a commit concern.
func (w *Watchers) Tell(keys map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for me := range w.all {
		for key := range keys {
			if strings.HasPrefix(key, me.prefix) {
				select {
				case me.told <- struct{}{}:
				default: // it has not looked since the last one
				}
				break
			}
		}
	}
}
