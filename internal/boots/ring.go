package boots

import "container/list"

// ring is a map of limited size that forgets what was put longest ago.
type ring[K comparable, V any] struct {
	limit int
	items map[K]*list.Element
	order *list.List // of item[K, V], oldest in front
}

type item[K comparable, V any] struct {
	key   K
	value V
}

func newRing[K comparable, V any](limit int) *ring[K, V] {
	return &ring[K, V]{limit: limit, items: map[K]*list.Element{}, order: list.New()}
}

func (r *ring[K, V]) put(k K, v V) {
	if e, ok := r.items[k]; ok {
		e.Value = item[K, V]{k, v}
		r.order.MoveToBack(e)
		return
	}
	r.items[k] = r.order.PushBack(item[K, V]{k, v})
	if r.order.Len() > r.limit {
		oldest := r.order.Remove(r.order.Front()).(item[K, V])
		delete(r.items, oldest.key)
	}
}

func (r *ring[K, V]) get(k K) (v V, ok bool) {
	e, ok := r.items[k]
	if !ok {
		return v, false
	}
	return e.Value.(item[K, V]).value, true
}
