package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// scale is a boot's steps drawn to scale: a lane for each protocol. Places are
// in percent of the whole, so that the browser fits them to its window.
type scale struct {
	Lanes []lane
	Ticks []tick
	Words string // the drawing for those who do not see it
}

type lane struct {
	Name  string
	Marks []mark
}

// mark is one step: where it begins and how wide it is.
type mark struct{ X, Width, Class string }

type tick struct{ X, Anchor, Words string }

// span turns moments of a boot into places.
type span struct {
	start time.Time
	total time.Duration
}

func spanOf(b *model.Boot) span {
	s := span{b.Start, b.Last.Sub(b.Start)}
	for i := range b.Steps {
		s.total = max(s.total, b.Steps[i].End().Sub(b.Start))
	}
	s.total = max(s.total, time.Millisecond)
	return s
}

func (s span) percent(t time.Time) float64 {
	p := 100 * float64(t.Sub(s.start)) / float64(s.total)
	return min(max(p, 0), 100)
}

func (s span) mark(st *model.Step) mark {
	from, to := s.percent(st.Time), s.percent(st.End())
	// What has no width at all is not drawn, not even its edge.
	return mark{percent(from), percent(max(to-from, 0.01)), stepClass(st)}
}

func percent(p float64) string { return fmt.Sprintf("%.3f%%", p) }

// laneOf is the protocol of a step.
func laneOf(st *model.Step) string {
	switch {
	case st.Kind == model.StepHome:
		return "system"
	case st.Kind == model.StepAsk || st.Kind == model.StepTold:
		return "port 4011"
	case st.File != nil && st.File.Via == "http":
		return "HTTP"
	case st.File != nil:
		return "TFTP"
	}
	return "DHCP"
}

// stepClass tells trouble from the rest.
func stepClass(st *model.Step) string {
	switch st.Kind {
	case model.StepNak, model.StepDecline, model.StepSilent, model.StepAborted, model.StepStalled, model.StepRefused, model.StepFault:
		return "bad"
	case model.StepMissing:
		if st.File == nil {
			return "bad"
		}
		if _, harmless := record.HarmlessSearch(st.File.Name); !harmless && st.Why == "" {
			return "bad"
		}
		return "plain"
	case model.StepHome:
		return "home"
	}
	if st.Ours && st.DHCP != nil {
		return "ours"
	}
	return "plain"
}

func scaleOf(b *model.Boot, s span) scale {
	var sc scale
	var words []string
	for _, name := range []string{"DHCP", "port 4011", "TFTP", "HTTP", "system"} {
		l := lane{Name: name}
		first, last := time.Duration(math.MaxInt64), time.Duration(0)
		for i := range b.Steps {
			st := &b.Steps[i]
			if laneOf(st) != name {
				continue
			}
			l.Marks = append(l.Marks, s.mark(st))
			first, last = min(first, st.Time.Sub(s.start)), max(last, st.End().Sub(s.start))
		}
		if len(l.Marks) == 0 {
			continue
		}
		sc.Lanes = append(sc.Lanes, l)
		words = append(words, fmt.Sprintf("%s from %s to %s", name, lasting(first), lasting(last)))
	}
	sc.Ticks = s.ticks()
	sc.Words = fmt.Sprintf("Timeline of %s: %s. The list below has every step.", lasting(s.total), strings.Join(words, ", "))
	return sc
}

// ticks are at most five round moments.
func (s span) ticks() []tick {
	step := roundUp(s.total / 4)
	var all []tick
	for d := time.Duration(0); d <= s.total; d += step {
		p := s.percent(s.start.Add(d))
		t := tick{percent(p), "middle", lasting(d)}
		switch {
		case d == 0:
			t.Anchor, t.Words = "start", "0"
		case p > 92:
			t.Anchor = "end"
		}
		all = append(all, t)
	}
	return all
}

// roundUp gives the next longer time that people count in.
func roundUp(d time.Duration) time.Duration {
	for unit := time.Millisecond; unit < 10*time.Second; unit *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if n*unit >= d && n*unit <= 10*time.Second {
				return n * unit
			}
		}
	}
	for _, r := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute} {
		if r >= d {
			return r
		}
	}
	return time.Hour * max(1, (d+time.Hour-1)/time.Hour)
}
