// Package dhcpsim plays a site by chance: one or two servers with their disks
// and clocks, relays, and machines that boot, renew, restart and vanish, on a
// network that drops, doubles and delays. The servers are the real ones, from
// octets in to octets out and to the log on the disk; all else is simulated,
// in one thread, by one clock and one source of chance. So a seed is a whole
// history, and the same history every time.
//
// What must hold is judged from outside, by what the machines were told and
// what the disks have; see judge. Nothing but tests imports this package.
package dhcpsim

import (
	"container/heap"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"hobnail/internal/lease"
	"hobnail/internal/model"
)

// Options are what Run may be asked for.
type Options struct {
	History io.Writer // what happened, line by line; nil: nobody reads it
	Bug     *Bug      // a fault to be built into the servers; nil: none
}

// Stats say how much happened in a run.
type Stats struct {
	Packets  int // that servers took
	Acks     int // that machines took
	Crashes  int
	Faults   int // of disks
	Declines int
	Excused  int // double leases that a clock set forward during a stop explains
}

// Violation is something that must not happen.
type Violation struct {
	Seed uint64
	At   time.Duration
	What string
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d, after %v: %s", v.Seed, v.At, v.What)
}

// Run plays the history of a seed, up to the first violation or to the end.
func Run(seed uint64, opts Options) (Stats, *Violation) {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x686f626e61696c)), opts: opts}
	w.judge.w = w
	w.build()
	for w.violation == nil && len(w.tasks) > 0 && w.tasks[0].at <= w.end {
		e := heap.Pop(&w.tasks).(task)
		w.now = e.at
		e.do()
	}
	if w.violation == nil {
		w.judge.end()
	}
	for _, s := range w.servers {
		s.leave()
	}
	return w.stats, w.violation
}

// world is one run.
type world struct {
	seed  uint64
	rng   *rand.Rand
	opts  Options
	stats Stats

	now     time.Duration
	tasks   tasks
	counter int

	site     site
	weather  weather
	calm     bool // nothing is broken any more
	calmAt   time.Duration
	end      time.Duration
	relays   []*relay
	servers  []*server
	machines []*machine
	strays   map[string]bool // addresses that hosts without DHCP use

	judge     judge
	violation *Violation
}

// epoch is when runs begin.
var epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// task is something that will happen.
type task struct {
	at    time.Duration
	order int // among those of one time
	do    func()
}

// after has something happen in a while.
func (w *world) after(d time.Duration, do func()) {
	w.counter++
	heap.Push(&w.tasks, task{w.now + max(d, 0), w.counter, do})
}

type tasks []task

func (e tasks) Len() int { return len(e) }
func (e tasks) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e tasks) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *tasks) Push(x any)   { *e = append(*e, x.(task)) }
func (e *tasks) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = task{}
	*e = old[:len(old)-1]
	return last
}

// says writes a line of history.
func (w *world) says(who, format string, args ...any) {
	if w.opts.History != nil {
		fmt.Fprintf(w.opts.History, "%10.4fs %-8s %s\n", w.now.Seconds(), who, fmt.Sprintf(format, args...))
	}
}

// violates ends the run.
func (w *world) violates(format string, args ...any) {
	if w.violation == nil {
		w.violation = &Violation{w.seed, w.now, fmt.Sprintf(format, args...)}
		w.says("JUDGE", "%s", w.violation.What)
	}
}

// chance is true with this probability.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// between is a time from lo to hi.
func (w *world) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)))
}

// pick is one of several.
func pick[T any](w *world, of ...T) T { return of[w.rng.IntN(len(of))] }

var _ lease.Folder = (*disk)(nil)

func mac(n int) model.MAC { return model.MAC(fmt.Sprintf("52:54:00:00:00:%02x", n)) }
