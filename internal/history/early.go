package history

import (
	"slices"
	"time"

	"hobnail/internal/model"
)

const (
	// earlyAge is how long a server's answer waits for what it answers.
	earlyAge = 2 * time.Second
	// maxEarly bounds how many wait.
	maxEarly = 1024
)

// early holds answers of other servers that were heard before what they
// answer: requests and answers come by sockets of their own, in no order, and a
// quick server is heard before the machine. Joined at once, its offer would
// belong to no boot, or to the machine's one before.
type early struct {
	asked   map[model.MAC]uint32 // xid of the newest request of an open boot
	waiting []item
}

// answers reports whether a step is a DHCP server's message, and asks whether it
// is a machine's.
func answers(s *model.Step) bool {
	return s.DHCP != nil && (s.Kind == model.StepOffer || s.Kind == model.StepAck || s.Kind == model.StepNak)
}

func asks(s *model.Step) bool {
	return s.DHCP != nil && (s.Kind == model.StepDiscover || s.Kind == model.StepRequest)
}

// hold keeps an answer to what was not heard yet, and reports whether it did.
func (e *early) hold(it *item) bool {
	if !answers(&it.step) || it.who.MAC == "" || len(e.waiting) >= maxEarly {
		return false
	}
	if xid, ok := e.asked[it.who.MAC]; ok && xid == it.step.DHCP.Xid {
		return false
	}
	e.waiting = append(e.waiting, *it)
	return true
}

// heard notes a machine's request and gives the answers to it that wait. They
// happened after it.
func (e *early) heard(it *item) (now []item) {
	if !asks(&it.step) || it.who.MAC == "" {
		return nil
	}
	e.asked[it.who.MAC] = it.step.DHCP.Xid
	if len(e.waiting) == 0 {
		return nil
	}
	e.waiting = slices.DeleteFunc(e.waiting, func(w item) bool {
		if w.who.MAC != it.who.MAC || w.step.DHCP.Xid != it.step.DHCP.Xid {
			return false
		}
		if w.step.Time.Before(it.step.Time) {
			w.step.Time = it.step.Time
		}
		now = append(now, w)
		return true
	})
	return now
}

// expired gives the answers that have waited for long enough.
func (e *early) expired(now time.Time) (old []item) {
	e.waiting = slices.DeleteFunc(e.waiting, func(w item) bool {
		if now.Sub(w.step.Time) < earlyAge {
			return false
		}
		old = append(old, w)
		return true
	})
	return old
}
