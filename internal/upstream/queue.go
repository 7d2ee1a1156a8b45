package upstream

import "time"

// queue is a map that forgets: what is older than its time, and the oldest
// when it is full. All entries live equally long, so the order of putting is
// the order of going.
type queue[K comparable, V any] struct {
	most  int
	lives time.Duration
	byKey map[K]entry[V]
	order []put[K] // some may have been put again since: their entry is younger
}

type entry[V any] struct {
	value V
	at    time.Time
}

type put[K comparable] struct {
	key K
	at  time.Time
}

func newQueue[K comparable, V any](most int, lives time.Duration) *queue[K, V] {
	return &queue[K, V]{most: most, lives: lives, byKey: map[K]entry[V]{}}
}

func (q *queue[K, V]) put(now time.Time, k K, v V) {
	q.byKey[k] = entry[V]{v, now}
	q.order = append(q.order, put[K]{k, now})
	for len(q.order) > 0 && (len(q.byKey) > q.most || len(q.order) > 2*q.most || now.Sub(q.order[0].at) > q.lives) {
		first := q.order[0]
		q.order = q.order[1:]
		if e, ok := q.byKey[first.key]; ok && e.at.Equal(first.at) {
			delete(q.byKey, first.key)
		}
	}
}

// get gives what was put under a key and is not too old.
func (q *queue[K, V]) get(now time.Time, k K) (v V, ok bool) {
	e, ok := q.byKey[k]
	if !ok || now.Sub(e.at) > q.lives {
		return v, false
	}
	return e.value, true
}

// peek gives what was put under a key, however old.
func (q *queue[K, V]) peek(k K) (V, bool) {
	e, ok := q.byKey[k]
	return e.value, ok
}
