package lease

import (
	"testing"
	"time"
)

// TestClockThatIsSet: a lease of an hour lasts an hour, whatever becomes of
// the host's clock.
func TestClockThatIsSet(t *testing.T) {
	type step struct{ wall, passed, now, ahead time.Duration } // minutes, but for their unit
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"left alone it is the host's", []step{{1, 1, 1, 0}, {600, 600, 600, 0}}},
		{"set forward it stays behind until old leases have ended", []step{{15, 10, 10, 5}, {60, 55, 55, 5}, {74, 69, 69, 5}, {75, 70, 75, 0}, {80, 75, 80, 0}}},
		{"set forward twice it stays behind by both", []step{{15, 10, 10, 5}, {28, 20, 20, 8}, {87, 79, 79, 8}, {88, 80, 88, 0}}},
		{"set back it follows", []step{{5, 10, 5, 0}, {6, 11, 6, 0}}},
		{"set forward and back again it never moved", []step{{15, 10, 10, 5}, {20, 20, 20, 0}}},
		{"set forward and back by more it follows the rest", []step{{15, 10, 10, 5}, {12, 20, 12, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var host step
			c := NewClock(func() (time.Time, time.Duration) {
				return noon.Add(host.wall * time.Minute), host.passed * time.Minute
			}, func() time.Duration { return time.Hour })
			for _, host = range tc.steps {
				if now, ahead := c.Now(), c.Ahead(); !now.Equal(noon.Add(host.now*time.Minute)) || ahead != host.ahead*time.Minute {
					t.Errorf("host's clock %d, passed %d: now %v, ahead %v; want %d, %d", host.wall, host.passed,
						now.Sub(noon), ahead, host.now, host.ahead)
				}
			}
		})
	}
}

func TestHostTime(t *testing.T) {
	host := HostTime()
	wall, passed := host()
	if since := time.Since(wall); since < 0 || since > time.Minute || passed < 0 || passed > time.Minute {
		t.Errorf("the host's clock says %v, and that %v have passed", wall, passed)
	}
	if wall != wall.Round(0) {
		t.Error("the time of day carries the clock that nobody can set: differences would be of that")
	}
}
