package dhcp

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/event"
)

// shortage says that a pool runs short while there is still time: once when it
// has reached a mark, and again only after it has been well below.
type shortage struct {
	mu    sync.Mutex
	pools map[netip.Prefix]*poolMark
}

// poolMark is what was last said of a pool.
type poolMark struct {
	percent int64 // the highest mark that was told and still holds; 0 for none
	next    time.Time
}

// Marks, in per cent used, and how far below one a pool has to fall before it
// is told again.
const (
	shortMark = 80
	fullMark  = 95
	slack     = 5
)

// lookEvery bounds how often a pool is counted: that is work of microseconds.
const lookEvery = time.Second

// shortageOf looks at a pool from which an address was just given.
func (s *Server) shortageOf(now time.Time, subnet *config.Subnet) {
	s.short.mu.Lock()
	defer s.short.mu.Unlock()
	m := s.short.of(subnet.CIDR)
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(lookEvery)
	used, size := s.View().PoolUse(subnet, now)
	if !m.reaches(used, size) {
		return
	}
	s.Events.Emit(event.Event{Time: now, Code: event.PoolShort, Attrs: []slog.Attr{
		slog.String("subnet", subnet.CIDR.String()), slog.String("used", fmt.Sprintf("%d of %d", used, size))}})
}

func (s *shortage) of(subnet netip.Prefix) *poolMark {
	if s.pools == nil {
		s.pools = map[netip.Prefix]*poolMark{}
	}
	if s.pools[subnet] == nil {
		s.pools[subnet] = &poolMark{}
	}
	return s.pools[subnet]
}

// reaches notes how full a pool is and reports whether it has reached a mark.
func (m *poolMark) reaches(used, size int64) bool {
	at := func(percent int64) bool { return size > 0 && used*100 >= percent*size }
	for _, mark := range [...]int64{fullMark, shortMark} {
		if m.percent < mark && at(mark) {
			m.percent = mark
			return true
		}
	}
	if m.percent == fullMark && !at(fullMark-slack) {
		m.percent = shortMark
	}
	if !at(shortMark - slack) {
		m.percent = 0
	}
	return false
}
