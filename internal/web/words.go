package web

import (
	"fmt"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// escape makes any text fit to be shown: what does not print, or turns the
// direction of what follows, becomes visible.
func escape(s string) string { return record.Line(s) }

// sign is how an outcome is told at a glance: by a mark and a word, and by a
// colour for those who see it.
type sign struct{ Class, Mark, Word string }

func signOf(o model.Outcome) sign {
	switch o {
	case model.OutcomeOK:
		return sign{"ok", "✓", "went well"}
	case model.OutcomeWarning:
		return sign{"warning", "!", "with a warning"}
	case model.OutcomeFailed:
		return sign{"failed", "✕", "failed"}
	}
	return sign{"running", "…", "under way"}
}

// stages are the steps that a verdict names, in the order of a boot.
var stages = [...]struct{ step, words string }{
	{"discover", "asking"},
	{"offer", "offer"},
	{"address", "address"},
	{"boot-file", "boot file"},
	{"loader", "loader"},
	{"script", "script"},
	{"kernel", "kernel"},
	{"system", "system"},
}

// reached is how far a boot came.
type reached struct {
	Words string
	Nth   int // from 1; 0 where it is not known
	Of    int
	Done  []bool // for each stage whether it was reached
}

func reachedOf(step string) reached {
	r := reached{Words: escape(step), Of: len(stages), Done: make([]bool, len(stages))}
	for i, s := range stages {
		if s.step == step {
			r.Words, r.Nth = s.words, i+1
		}
	}
	for i := range r.Nth {
		r.Done[i] = true
	}
	return r
}

// machineOf is what a person calls a machine.
func machineOf(b *model.Boot) string {
	switch {
	case b.Name != "":
		return escape(b.Name)
	case b.MAC != "":
		return escape(string(b.MAC))
	case b.Addr.IsValid():
		return b.Addr.String()
	}
	return "unknown machine"
}

// titleOf is a verdict in few words.
func titleOf(v *model.Verdict) string {
	if v.Outcome == model.OutcomeRunning {
		return "under way"
	}
	title := escape(v.Code)
	if e, ok := verdict.Lookup(v.Code); ok {
		title = e.Title
	}
	if !v.Final {
		title += ", so far"
	}
	return title
}

// whoOf is who has to do something.
func whoOf(who string) string {
	switch who {
	case verdict.You:
		return "you"
	case verdict.Network:
		return "the network team"
	case verdict.Vendor:
		return "the vendor"
	}
	return escape(who)
}

// lasting is a length of time for people.
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
}

// stamp is a moment: for people, and for their programs.
type stamp struct{ Words, Machine string }

// stampOf leaves out the year of those that are not old.
func stampOf(t, now time.Time) stamp {
	t = t.In(now.Location())
	layout := "2 Jan 15:04:05"
	if now.Sub(t) > 180*24*time.Hour {
		layout = "2 Jan 2006 15:04"
	}
	return stamp{t.Format(layout), t.Format(time.RFC3339)}
}
