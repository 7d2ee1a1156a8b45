package lease

import (
	"sync"
	"time"
)

// Clock tells the time by which leases are counted. It is the host's, but for
// when that is set forward: then it stays behind for as long as leases run that
// were given before, so that they last as long as their machines were told.
// Set back, the host's clock only makes leases last longer.
type Clock struct {
	host    func() (wall time.Time, passed time.Duration)
	longest func() time.Duration

	mu     sync.Mutex // over what follows
	wall   time.Time  // when the host was last looked at
	passed time.Duration
	ahead  time.Duration // how far the host's clock is ahead of this one
	until  time.Duration // passed, when that ends
}

// clockStep is by how much a clock must jump to count as set: less is within
// the margin that leases have.
const clockStep = time.Second

// NewClock makes a clock out of two of the host: one that tells the time of
// day, and one that nobody can set, which tells how much time has passed since
// some moment. longest is the longest time that a lease may have to run.
func NewClock(host func() (wall time.Time, passed time.Duration), longest func() time.Duration) *Clock {
	c := &Clock{host: host, longest: longest}
	c.wall, c.passed = host()
	return c
}

// Now is the time by which leases are counted.
func (c *Clock) Now() time.Time {
	now, _ := c.read()
	return now
}

// Ahead is how far the host's clock is ahead of Now. What outlives the process
// has to count by the host's clock: nothing else is left after a restart.
func (c *Clock) Ahead() time.Duration {
	_, ahead := c.read()
	return ahead
}

func (c *Clock) read() (now time.Time, ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, passed := c.host()
	step := wall.Sub(c.wall) - (passed - c.passed)
	c.wall, c.passed = wall, passed
	switch {
	case step >= clockStep:
		c.ahead += step
		c.until = passed + c.longest()
	case step <= -clockStep:
		c.ahead = max(0, c.ahead+step)
	}
	if passed >= c.until {
		c.ahead = 0
	}
	return wall.Add(-c.ahead), c.ahead
}

// HostTime is what NewClock needs of the host that this runs on.
func HostTime() func() (wall time.Time, passed time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start) // Round takes off the clock that nobody can set
	}
}
