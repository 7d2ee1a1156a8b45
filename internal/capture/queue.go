package capture

import (
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

const (
	// copyDelay is how long after a DHCP message another of the same xid and
	// kind is taken for a copy of it: one that a relay sent on, or that was
	// captured again on its way. Nobody asks again sooner under the same xid.
	copyDelay = time.Second
	// lag is how long a step waits for its copies, and for what is learned of
	// the servers meanwhile.
	lag = 3 * time.Second
)

// waiting is a step on its way to the joiner.
type waiting struct {
	who   record.Who
	step  model.Step
	relay netip.Addr // of a copy that a relay sent on
	key   copyKey
	at    time.Time
}

// copyKey is what the copies of one DHCP message have in common.
type copyKey struct {
	mac                     model.MAC
	xid                     uint32
	kind                    model.StepKind
	server, chosen, address netip.Addr
	file                    string
}

// queue holds steps for a while, in the order in which they came.
type queue struct {
	all    []*waiting
	copies map[copyKey]*waiting
}

func newQueue() queue { return queue{copies: map[copyKey]*waiting{}} }

// put adds a step.
func (q *queue) put(at time.Time, who record.Who, s model.Step) {
	q.all = append(q.all, &waiting{who: who, step: s, at: at})
}

// isCopy reports whether a step of DHCP is a copy of one that waits, and notes
// the relay that it came through.
func (q *queue) isCopy(at time.Time, who *record.Who, s *model.Step) bool {
	old := q.copies[keyOf(who, s)]
	if old == nil || at.Sub(old.at) >= copyDelay {
		return false
	}
	if d := s.DHCP; !old.step.DHCP.Relay.IsValid() && d.Relay.IsValid() && !old.relay.IsValid() {
		old.relay = d.Relay
	}
	return true
}

// putDHCP adds a step of DHCP that is no copy.
func (q *queue) putDHCP(at time.Time, who record.Who, s model.Step) {
	w := &waiting{who: who, step: s, key: keyOf(&who, &s), at: at}
	q.copies[w.key] = w
	q.all = append(q.all, w)
}

func keyOf(who *record.Who, s *model.Step) copyKey {
	d := s.DHCP
	return copyKey{who.MAC, d.Xid, s.Kind, s.Server, d.Chosen, d.Address, d.File}
}

// take gives the next step that has waited until then; nil if there is none.
func (q *queue) take(until time.Time) *waiting {
	if len(q.all) == 0 || q.all[0].at.After(until) {
		return nil
	}
	w := q.all[0]
	q.all[0] = nil
	q.all = q.all[1:]
	if w.step.DHCP != nil && q.copies[w.key] == w {
		delete(q.copies, w.key)
	}
	return w
}
