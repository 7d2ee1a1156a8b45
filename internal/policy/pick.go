package policy

import (
	"net/netip"
	"time"

	"hobnail/internal/model"
)

// Pick finds an address in ranges that no record keeps and that skip does not
// refuse. Where the search begins is a function of the key, so that a machine
// whose record is lost is led back to the address it had, two machines that
// come at once seldom want the same, and the simulator names the address that
// a server without records would give.
func Pick(leases Leases, ranges []Range, key model.MAC, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	var total int64
	for _, r := range ranges {
		total += r.Size()
	}
	if total == 0 {
		return netip.Addr{}, false
	}
	return leases.Free(ranges, int64(hash(key))%total, now, skip)
}

// hash is FNV-1a: the same in every process and version, as the addresses of
// machines depend on it.
func hash(key model.MAC) uint32 {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return h
}

// FirstFree is the search of a table without records.
func FirstFree(ranges []Range, start int64, skip func(netip.Addr) bool) (netip.Addr, bool) {
	var total int64
	for _, r := range ranges {
		total += r.Size()
	}
	for i := range total {
		if a := nth(ranges, (start+i)%total); !skip(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// nth counts through the ranges from 0.
func nth(ranges []Range, n int64) netip.Addr {
	for _, r := range ranges {
		if n < r.Size() {
			return r.Nth(n)
		}
		n -= r.Size()
	}
	return netip.Addr{}
}
