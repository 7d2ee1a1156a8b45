package capture

import "net/netip"

// maxAddrs bounds what is remembered of addresses; a capture with more of them
// was made by somebody who tries to fill memory.
const maxAddrs = 1 << 16

// addrSet is a bounded set.
type addrSet map[netip.Addr]bool

func (s addrSet) add(a netip.Addr) {
	if a.IsValid() && len(s) < maxAddrs {
		s[a.Unmap()] = true
	}
}
