package lease

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// endsAtOnce bounds how many leases that have run out one search deals with,
// so that it does not stand still when a whole site's leases end together.
const endsAtOnce = 256

// Free gives the first address, counted from start through the ranges and on
// from their beginning, that no record keeps and that skip does not refuse.
// One that never was anybody's goes first: who comes back finds its old
// address free for longer. skip must not ask the table.
func (t *Table) Free(ranges []policy.Range, start int64, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := search{rows: t.rows, ranges: ranges, start: start, now: nanos(now), skip: skip}
	for {
		more := t.rows.end(s.now, endsAtOnce)
		if a, ok := s.find(func(b *span) *set { return &b.known }); ok {
			return a, true
		}
		if a, ok := s.find(func(b *span) *set { return &b.kept }); ok {
			return a, true
		}
		if !more {
			return netip.Addr{}, false
		}
	}
}

// Kept counts the addresses of the ranges that records keep.
func (t *Table) Kept(ranges []policy.Range, now time.Time) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows.end(nanos(now), 16*endsAtOnce)
	var kept int64
	for _, r := range ranges {
		for lo, last := uint64(number(r.First)), uint64(number(r.Last)); lo <= last; lo = lo>>8<<8 + 256 {
			kept += t.rows.keptIn(lo, min(last, lo|255))
		}
	}
	return kept
}

// HeldBy counts the addresses that are kept for machines of a circuit.
func (t *Table) HeldBy(circuit string, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows.end(nanos(now), endsAtOnce)
	return int(t.rows.kept[maphash.String(t.rows.seed, circuit)])
}

// DeclinedBy counts the addresses that a machine's declining keeps from all.
func (t *Table) DeclinedBy(key model.MAC, now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := 0
	for n := t.rows.byKey[maphash.String(t.rows.seed, string(key))]; n != 0; n = t.rows.at(n).older {
		w := t.rows.at(n)
		if w.state == declined && w.keeps(nanos(now)) && w.text[:w.key] == string(key) {
			count++
		}
	}
	return count
}

// keptIn counts inside one span.
func (r *rows) keptIn(lo, hi uint64) int64 {
	s := r.spans[uint32(lo>>8)]
	if s == nil {
		return 0
	}
	if hi-lo == 255 {
		return int64(s.kept.size)
	}
	n := 0
	for w := lo >> 6; w <= hi>>6; w++ {
		n += bits.OnesCount64(s.kept.bits[w&3] & between(max(lo, w<<6), min(hi, w<<6|63)))
	}
	return int64(n)
}

// between has the bits of addresses lo to hi, both of one word.
func between(lo, hi uint64) uint64 {
	return ^uint64(0) << (lo & 63) & (^uint64(0) >> (63 - hi&63))
}

// search is one look for a free address.
type search struct {
	rows   *rows
	ranges []policy.Range
	start  int64
	now    int64
	skip   func(netip.Addr) bool
}

// find goes through the ranges, from start and round, for an address whose bit
// is not in used.
func (s *search) find(used func(*span) *set) (netip.Addr, bool) {
	at := s.start
	for i, r := range s.ranges {
		if size := r.Size(); at >= size {
			at -= size
			continue
		}
		first, last := uint64(number(r.First)), uint64(number(r.Last))
		if a, ok := s.among(first+uint64(at), last, used); ok {
			return a, true
		}
		for n := range len(s.ranges) - 1 {
			next := s.ranges[(i+1+n)%len(s.ranges)]
			if a, ok := s.among(uint64(number(next.First)), uint64(number(next.Last)), used); ok {
				return a, true
			}
		}
		if at == 0 {
			break
		}
		return s.among(first, first+uint64(at)-1, used)
	}
	return netip.Addr{}, false
}

// among looks at addresses lo to hi, a span at a time.
func (s *search) among(lo, hi uint64, used func(*span) *set) (netip.Addr, bool) {
	for lo <= hi {
		last := min(hi, lo|255)
		b := s.rows.spans[uint32(lo>>8)]
		if b == nil {
			b = s.rows.blank
		}
		if u := used(b); u.size < 256 {
			if a, ok := s.inSpan(b, u, lo, last); ok {
				return a, true
			}
		}
		lo = last + 1
	}
	return netip.Addr{}, false
}

func (s *search) inSpan(b *span, used *set, lo, hi uint64) (netip.Addr, bool) {
	for w := lo >> 6; w <= hi>>6; w++ {
		free := between(max(lo, w<<6), min(hi, w<<6|63)) &^ used.bits[w&3]
		for ; free != 0; free &= free - 1 {
			a := uint32(w<<6) + uint32(bits.TrailingZeros64(free))
			// The clock may have been set back since the lease ended.
			if n := b.row[a&255]; n != 0 && s.rows.at(n).keeps(s.now) {
				continue
			}
			if !s.skip(address(a)) {
				return address(a), true
			}
		}
	}
	return netip.Addr{}, false
}

// end sets addresses free whose leases have run out, limit of them at most; it
// says whether there are more.
func (r *rows) end(now int64, limit int) (more bool) {
	for range limit {
		if len(r.ends) == 0 || r.ends[0].at > now {
			return false
		}
		e := r.ends.pop()
		w := r.at(e.row)
		switch {
		case w.due != e.at: // an earlier end has dealt with it, or the row is another's
			continue
		case w.state != released && w.expires > now: // renewed meanwhile
			w.due = w.expires
			r.ends.push(end{w.due, e.row})
		default:
			w.due = never
			if w.addr != 0 {
				r.keep(r.spans[w.addr>>8], e.row, false)
			}
		}
	}
	return len(r.ends) > 0 && r.ends[0].at <= now
}

// watch sees to it that a row is looked at when its lease ends. A renewal
// costs nothing: the look that is due anyway finds the later end.
func (r *rows) watch(n uint32) {
	if w := r.at(n); w.expires < w.due {
		w.due = w.expires
		r.ends.push(end{w.due, n})
	}
}

// queue holds the ends of leases, the soonest first: a binary heap, without
// the interface of container/heap, which would allocate for each.
type queue []end

type end struct {
	at  int64
	row uint32
}

func (q *queue) push(e end) {
	h := append(*q, e)
	*q = h
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

func (q *queue) pop() end {
	h := *q
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*q = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && h[child+1].at < h[child].at {
			child++
		}
		if h[i].at <= h[child].at {
			return top
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
