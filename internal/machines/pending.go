package machines

import (
	"time"

	"hobnail/internal/model"
)

// Pending is a machine that nobody has named and that waits for somebody to. It
// is data of the machine's own: untrusted, made printable.
type Pending struct {
	// Number is short, shown on the machine's screen, and nobody else's while it
	// waits.
	Number int        `json:"number"`
	MAC    model.MAC  `json:"mac,omitempty"`
	UUID   model.UUID `json:"uuid,omitempty"`
	Serial string     `json:"serial,omitempty"`
	Arch   model.Arch `json:"arch,omitempty"`
	Vendor string     `json:"vendor,omitempty"` // maker and model, as it says
	Place  string     `json:"place,omitempty"`  // the relay, or the interface
	First  time.Time  `json:"first"`
	// Last is when it asked last, to about five minutes: it asks every few
	// seconds, and that is not written each time.
	Last time.Time `json:"last"`
}

// Denied is a machine that a person does not want to be asked about.
type Denied struct {
	MAC    model.MAC  `json:"mac,omitempty"`
	UUID   model.UUID `json:"uuid,omitempty"`
	Serial string     `json:"serial,omitempty"`
	By     string     `json:"by"`
	Time   time.Time  `json:"time"`
	Until  time.Time  `json:"until,omitzero"` // zero: for good
}

const (
	// maxPending bounds the machines that wait, and those that were denied.
	maxPending = 10000
	// dropPending is how many of the longest unseen go when there are too many, so
	// that not every newcomer has to look through all of them.
	dropPending = 100
	// silentFor is how long a machine that asks every five seconds may be silent
	// and still counts as asking.
	silentFor = time.Minute
	// lastEvery is how exact Pending.Last is in the store.
	lastEvery = 5 * time.Minute
)

// waitKey is what a machine that waits is kept under: both, for a dock's MAC
// address is several machines'. "" of a machine that has neither.
func waitKey(mac model.MAC, uuid model.UUID) string {
	uuid = canonical(uuid)
	if mac == "" && uuid == "" {
		return ""
	}
	return string(mac) + "/" + string(uuid)
}

// freeNumber takes the smallest number that is not in use, from 1. used has a
// bit for each number, and is given back with one more.
func freeNumber(used []byte) (int, []byte) {
	for i, b := range used {
		if b == 0xff {
			continue
		}
		for bit := range 8 {
			if b&(1<<bit) == 0 {
				used[i] |= 1 << bit
				return 8*i + bit + 1, used
			}
		}
	}
	return 8*len(used) + 1, append(used, 1)
}

// giveBack clears a number's bit.
func giveBack(used []byte, number int) []byte {
	if n := number - 1; n >= 0 && n/8 < len(used) {
		used[n/8] &^= 1 << (n % 8)
	}
	return used
}

// asks says when machines that wait asked, by waitKey, as long as this process
// lives.
type asks map[string]ask

type ask struct {
	last  time.Time
	again bool // it has asked more than once
}

// of gives when a machine asked last, and whether that was not the only time.
func (a asks) of(key string) (last time.Time, again bool) {
	return a[key].last, a[key].again
}
