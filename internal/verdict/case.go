package verdict

import (
	"net/netip"
	"time"

	"hobnail/internal/model"
)

// Case is a boot with all that was heard around it.
type Case struct {
	Boot *model.Boot
	Now  time.Time
	// Over says that nothing more will be heard: a capture has ended.
	Over bool
	// Neighbours are the DHCP servers heard of lately where the machine is, from
	// whichever machine.
	Neighbours []Neighbour
	// Before are the machine's earlier boots, the newest first.
	Before []Past
	// Usual knows how long steps take where the machine is; may be nil.
	Usual Usual
	// WentOn counts other boots of this model that read the same boot program and
	// went on from it, and those that did not.
	WentOn, Stuck int
	// Proxy says that this server stood beside a DHCP server there when the boot
	// began; only where the record's own offers do not show it.
	Proxy bool
}

// Neighbour is a DHCP server that was heard of.
type Neighbour struct {
	Addr   netip.Addr
	Leases bool // it gives addresses
	Ours   bool
	Last   time.Time
}

// Past is an earlier boot.
type Past struct {
	Code string
	Last time.Time
}

// Usual knows how long a step takes as a rule.
type Usual interface {
	// Of gives the median of a step of boots from a place, and of how many.
	Of(place, step string) (time.Duration, int)
}
