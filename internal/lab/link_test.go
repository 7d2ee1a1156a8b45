//go:build lab

package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"hobnail/internal/lab/link"
)

// TestWire: what passes a wire comes late, and as much is lost as is told.
func TestWire(t *testing.T) {
	const pings = 1000
	for _, c := range []struct {
		name   string
		faults link.Faults
		lost   [2]int // of the pings, at least and at most
	}{
		{"delay", link.Faults{Delay: 3 * time.Millisecond}, [2]int{0, 0}},
		{"loss", link.Faults{Delay: time.Millisecond, Loss: 0.1, Seed: 1}, [2]int{130, 250}},
		{"reorder", link.Faults{Reorder: 0.2, Late: 5 * time.Millisecond, Duplicate: 0.1, Seed: 1}, [2]int{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := New(t)
			far := l.Router("far")
			near, wire := l.Wire("near", "10.77.1.2/24", far, "10.77.1.7/24", c.faults, -1)
			out := near.Run("sh", "-c", fmt.Sprintf("ping -q -i 0.002 -W 1 -c %d 10.77.1.7; true", pings))
			counts, err := wire.Close()
			if err != nil {
				t.Fatal(err)
			}
			m := regexp.MustCompile(`(\d+) received`).FindStringSubmatch(out)
			rtt := regexp.MustCompile(`min/avg/max/mdev = ([0-9.]+)/`).FindStringSubmatch(out)
			if m == nil || rtt == nil {
				t.Fatalf("ping printed:\n%s", out)
			}
			received, _ := strconv.Atoi(m[1])
			if lost := pings - received; lost < c.lost[0] || lost > c.lost[1] {
				t.Errorf("%d of %d lost, want %v; %+v", lost, pings, c.lost, counts)
			}
			least, _ := strconv.ParseFloat(rtt[1], 64)
			if want := 2 * c.faults.Delay.Seconds() * 1000; least < want || least > want+2 {
				t.Errorf("round trip %v ms, want little more than %v", least, want)
			}
			if (c.faults.Reorder > 0) != (counts[0].Reordered > 0) || (c.faults.Duplicate > 0) != (counts[0].Doubled > 0) {
				t.Errorf("%+v", counts)
			}
		})
	}
}
