package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/model"
)

// twin is a Wire without a kernel: hosts with addresses, some of whom answer
// for others.
type twin struct {
	mu      sync.Mutex // over has, where it changes while a scene is played
	has     map[netip.Addr]model.MAC
	asked   []Question
	when    []time.Time
	answers chan Answer
	late    time.Duration // how long hosts take to answer
	down    bool
}

func (w *twin) Ask(q Question) error {
	w.asked, w.when = append(w.asked, q), append(w.when, time.Now())
	if w.down {
		return errors.New("the network is down")
	}
	w.mu.Lock()
	mac, ok := w.has[q.Addr]
	w.mu.Unlock()
	if ok {
		if q.IfIndex == 0 {
			mac = ""
		}
		time.AfterFunc(w.late, func() { w.answers <- Answer{q.Addr, mac} })
	}
	return nil
}

func (w *twin) Answers() <-chan Answer { return w.answers }

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, byte(n >> 8), byte(n)}) }

func run(from, to int) (all []netip.Addr) {
	for n := from; n <= to; n++ {
		all = append(all, addr(n))
	}
	return all
}

// scene is a prober over a twin.
type scene struct {
	*Prober
	wire    *twin
	taken   map[netip.Addr]bool
	found   []string
	crowded []string
}

func newScene(places ...Place) *scene {
	s := &scene{Prober: New(), wire: &twin{has: map[netip.Addr]model.MAC{}, answers: make(chan Answer)}, taken: map[netip.Addr]bool{}}
	s.Wire = s.wire
	s.Places = func() []Place { return places }
	s.Link = func(a netip.Addr) (int, bool) { return 2, a != addr(9) }
	s.Free = func(a netip.Addr) bool { return !s.taken[a] }
	s.Found = func(a Answer) { s.found = append(s.found, fmt.Sprintf("%s %s", a.Addr, a.MAC)) }
	s.Crowded = func(a Answer) { s.crowded = append(s.crowded, string(a.MAC)) }
	return s
}

// play runs a scene for a while, and then what the test does in it.
func (s *scene) play(t *testing.T, length time.Duration, act func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	synctest.Wait()
	if act != nil {
		act()
	}
	time.Sleep(length)
	stop()
	<-done
}

func TestRoundFindsWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 59)}, Place{0, run(300, 309)})
		s.wire.has[addr(53)], s.wire.has[addr(304)] = "52:54:00:00:00:99", "52:54:00:00:00:98"
		s.wire.has[addr(55)] = "52:54:00:00:00:97"
		s.taken[addr(55)] = true
		s.play(t, time.Minute, nil)
		if want := []string{"10.77.0.53 52:54:00:00:00:99", "10.77.1.48 "}; !slices.Equal(s.found, want) {
			t.Errorf("found %q, want %q", s.found, want)
		}
		if len(s.wire.asked) != 19 {
			t.Errorf("asked %d times for 19 free addresses", len(s.wire.asked))
		}
		for i := 1; i < len(s.wire.when); i++ {
			if d := s.wire.when[i].Sub(s.wire.when[i-1]); d < pace {
				t.Errorf("question %d came %v after the one before", i, d)
			}
		}
	})
}

func TestRoundsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 51)})
		s.play(t, 3*round, func() {
			time.AfterFunc(round+round/2, func() {
				s.wire.mu.Lock()
				defer s.wire.mu.Unlock()
				s.wire.has[addr(51)] = "52:54:00:00:00:99"
			})
		})
		if len(s.found) != 1 || len(s.wire.asked) < 6 {
			t.Errorf("found %q with %d questions in three rounds of two", s.found, len(s.wire.asked))
		}
	})
}

// TestOffersAreAskedAtOnce: and once, however often a machine repeats itself.
func TestOffersAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.wire.has[addr(60)] = "52:54:00:00:00:99"
		s.play(t, time.Second, func() {
			for range 3 {
				s.Offered(addr(60))
			}
			s.Offered(addr(9)) // where nobody is to be asked
			time.Sleep(pace)
			synctest.Wait()
			if len(s.found) != 1 {
				t.Errorf("found %q %v after the offer", s.found, pace)
			}
		})
		if len(s.wire.asked) != 1 {
			t.Errorf("asked %v", s.wire.asked)
		}
	})
}

func TestStormOfOffersNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.play(t, time.Second, func() {
			for n := range 10 * offers {
				s.Offered(addr(n + 10))
			}
		})
		if n := len(s.wire.asked); n > int(time.Second/pace)+10 || n < offers/2 {
			t.Errorf("%d questions in a second", n)
		}
	})
}

// TestWhatIsNotBelieved: answers that nobody asked for or that come late, a
// router that answers for all, a firewall that does.
func TestWhatIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 50)})
		s.play(t, time.Minute, func() { s.wire.answers <- Answer{addr(70), "52:54:00:00:00:99"} })
		if len(s.found) != 0 {
			t.Errorf("found %q, which nobody asked for", s.found)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 50)})
		s.wire.late, s.wire.has[addr(50)] = patience+time.Second, "52:54:00:00:00:99"
		s.play(t, time.Minute, nil)
		if len(s.found) != 0 {
			t.Errorf("found %q after %v", s.found, s.wire.late)
		}
	})
	for _, index := range []int{2, 0} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(Place{index, run(50, 149)})
			for _, a := range run(50, 149) {
				s.wire.has[a] = "52:54:00:00:00:01"
			}
			s.play(t, time.Minute, nil)
			if len(s.found) != crowd-1 || len(s.crowded) != 1 {
				t.Errorf("interface %d: found %d of 100 that one answers for, said it %d times", index, len(s.found), len(s.crowded))
			}
		})
	}
}

// TestManyMachinesAreBelieved: a pool full of other people's machines.
func TestManyMachinesAreBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 149)}, Place{0, run(256, 511)})
		for i, a := range run(50, 149) {
			s.wire.has[a] = model.MACFromBytes([]byte{0x52, 0x54, 0, 0, 0, byte(i)})
		}
		for _, a := range run(400, 450) {
			s.wire.has[a] = "52:54:00:00:00:01"
		}
		s.play(t, time.Minute, nil)
		if len(s.found) != 151 || len(s.crowded) != 0 {
			t.Errorf("found %d of 151, crowded %q", len(s.found), s.crowded)
		}
	})
}

func TestLinkThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Place{2, run(50, 59)})
		s.wire.down = true
		s.play(t, time.Minute, nil)
		if len(s.found) != 0 || len(s.wire.asked) != 10 {
			t.Errorf("found %q with %d questions", s.found, len(s.wire.asked))
		}
	})
}
