package policy

import (
	"hash/fnv"
	"net/netip"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Pick finds an address in ranges that no record keeps and that skip does not
// refuse. Where the search begins is a function of the key, so that a machine
// whose record is lost is led back to the address it had, two machines that
// come at once seldom want the same, and the simulator names the address that
// a server without records would give.
func Pick(leases Leases, ranges []config.Range, key model.MAC, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	var total int64
	for _, r := range ranges {
		total += r.Size()
	}
	if total == 0 {
		return netip.Addr{}, false
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	start := int64(h.Sum32()) % total
	for i := range total {
		a := nth(ranges, (start+i)%total)
		if l, known := leases.ByAddr(a); known && Keeps(l, now) {
			continue
		}
		if !skip(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// nth counts through the ranges from 0.
func nth(ranges []config.Range, n int64) netip.Addr {
	for _, r := range ranges {
		if n < r.Size() {
			return r.Nth(n)
		}
		n -= r.Size()
	}
	return netip.Addr{}
}
