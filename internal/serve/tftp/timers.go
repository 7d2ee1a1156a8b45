package tftp

import (
	"container/heap"
	"slices"
	"time"
)

// timers wake sessions. A session's time moves away with every ACK, and that
// costs nothing: what is in the heap stays, and is put off when it comes up.
type timers []alarm

type alarm struct {
	at  instant
	ses *session
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(alarm)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	a := (*t)[last]
	(*t)[last] = alarm{}
	*t = (*t)[:last]
	return a
}

// arm has the session woken when its read is due, unless it is woken earlier
// anyway.
func (t *timers) arm(ses *session) {
	due := at(ses.read.next())
	if ses.armed == 0 || due < ses.armed {
		ses.armed = due
		heap.Push(t, alarm{due, ses})
	}
}

// expired gives a session whose time has come, or nil.
func (t *timers) expired(now time.Time) *session {
	for len(*t) > 0 && (*t)[0].at <= at(now) {
		a := heap.Pop(t).(alarm)
		if a.ses.gone || a.ses.armed != a.at {
			continue // over, or armed anew for an earlier time
		}
		a.ses.armed = 0
		if now.Before(a.ses.read.next()) {
			t.arm(a.ses)
			continue
		}
		return a.ses
	}
	return nil
}

// clean leaves out the alarms of sessions that are over, and the room for them.
func (t *timers) clean() {
	alive := slices.DeleteFunc(*t, func(a alarm) bool { return a.ses.gone })
	*t = append(timers(nil), alive...)
	heap.Init(t)
}

// next is when the first alarm is, zero without one.
func (t timers) next() time.Time {
	if len(t) == 0 {
		return time.Time{}
	}
	return t[0].at.time()
}
