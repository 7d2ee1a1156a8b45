package dhcpsim

import (
	"time"

	"hobnail/internal/lease"
	"hobnail/internal/serve/dhcp"
)

// Bug is a fault that is built into all servers of a run, so that it can be
// shown that the judge would notice. A nil bug is none.
type Bug struct {
	Name string

	wall    bool                                     // the host's clock is taken as it is
	share   string                                   // what every server takes for its share
	disk    func(*server, lease.Folder) lease.Folder // what a server takes for its disk
	leases  func(*server, dhcp.Leases) dhcp.Leases   // what a server takes for its leases
	ingress func(*server, []byte) []byte             // what a server reads instead of what came
}

func (b *Bug) folder(d *disk) lease.Folder {
	if b == nil || b.disk == nil {
		return d
	}
	return b.disk(d.s, d)
}

func (b *Bug) leasesOf(s *server, l dhcp.Leases) dhcp.Leases {
	if b == nil || b.leases == nil {
		return l
	}
	return b.leases(s, l)
}

func (b *Bug) ingressOf(s *server, p []byte) []byte {
	if b == nil || b.ingress == nil {
		return p
	}
	return b.ingress(s, p)
}

// longest is for how long a clock that was set forward stays behind.
func (b *Bug) longest(real func() time.Duration) func() time.Duration {
	if b == nil || !b.wall {
		return real
	}
	return func() time.Duration { return 0 }
}
