package learn

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// play lets machines boot one after the other: "a-" is an attempt of machine a
// that fails with what it gets, "a+" one that goes on, "a=x" one that is given x
// by somebody else's word and fails, "day" a day that goes by. It gives what
// every attempt got, and what changed.
func play(l *ladder, order []string, script string) (got []string) {
	now := noon
	for _, word := range strings.Fields(script) {
		now = now.Add(3 * time.Minute)
		if word == "day" {
			now = now.Add(24 * time.Hour)
			continue
		}
		t := trial{key: word[:1], model: "model", order: order, now: now}
		t.given, _, _ = l.at(t.key, t.model)
		if t.given == "" {
			t.given = order[0]
		}
		if word[1] == '=' {
			t.given = word[2:]
		}
		steps := l.fail
		if word[1] == '+' {
			steps = l.succeed
		}
		line := word + " " + t.given
		for _, s := range steps(t) {
			who := "machine"
			if s.model {
				who = fmt.Sprintf("model of %d", s.machines)
			}
			line += fmt.Sprintf("; %s %s: %s>%s", who, s.what, s.from, s.to)
		}
		got = append(got, line)
	}
	return got
}

func TestLadder(t *testing.T) {
	four := []string{"A", "B", "C", "D"}
	for _, tc := range []struct {
		name   string
		script string
		want   []string
	}{
		{"what works at once is not remembered of a machine", "a+ a+ a-", []string{"a+ A", "a+ A", "a- A; machine next: A>B"}},
		{"each is tried once, in the order", "a- a- a- a- a- a-", []string{
			"a- A; machine next: A>B", "a- B; machine next: B>C", "a- C; machine next: C>D", "a- D; machine exhausted: D>A", "a- A", "a- A"}},
		{"what works is kept", "a- a- a+ a+ a+", []string{
			"a- A; machine next: A>B", "a- B; machine next: B>C", "a+ C; machine works: A>C; model of 1 works: A>C", "a+ C", "a+ C"}},
		{"one failure does not take it away, nor two", "a- a+ a- a- a+ a- a- a+", []string{
			"a- A; machine next: A>B", "a+ B; machine works: A>B; model of 1 works: A>B", "a- B", "a- B", "a+ B", "a- B", "a- B", "a+ B"}},
		{"three in a row do, and the rest is tried", "a- a+ a- a- a- a+", []string{
			"a- A; machine next: A>B", "a+ B; machine works: A>B; model of 1 works: A>B", "a- B", "a- B", "a- B; machine next: B>A",
			"a+ A; machine works: B>A"}},
		{"the first that works for one of a model is what the others get", "a- a+ b+ c+", []string{
			"a- A; machine next: A>B", "a+ B; machine works: A>B; model of 1 works: A>B", "b+ B", "c+ B"}},
		{"not where another has worked", "z+ a- a+ b+", []string{
			"z+ A", "a- A; machine next: A>B", "a+ B; machine works: A>B", "b+ A"}},
		{"three machines move a model from what has worked", "z+ a- a+ b- b+ c- c+ d+", []string{
			"z+ A", "a- A; machine next: A>B", "a+ B; machine works: A>B", "b- A; machine next: A>B", "b+ B; machine works: A>B",
			"c- A; machine next: A>B", "c+ B; machine works: A>B; model of 3 works: A>B", "d+ B"}},
		{"not if it works for another meanwhile", "z+ a- a+ b- b+ y+ c- c+ d+", []string{
			"z+ A", "a- A; machine next: A>B", "a+ B; machine works: A>B", "b- A; machine next: A>B", "b+ B; machine works: A>B",
			"y+ A", "c- A; machine next: A>B", "c+ B; machine works: A>B", "d+ A"}},
		{"one machine three times is not three", "z+ a- a+ a+ a+ d+", []string{
			"z+ A", "a- A; machine next: A>B", "a+ B; machine works: A>B", "a+ B", "a+ B", "d+ A"}},
		{"three failures with nothing that works move a model on", "a- b- c- d-", []string{
			"a- A; machine next: A>B", "b- A; machine next: A>B", "c- A; machine next: A>B; model of 3 next: A>B", "d- B; machine next: B>A"}},
		{"a silent network leaves a model with what has worked", "z+ a- b- c- d- e-", []string{
			"z+ A", "a- A; machine next: A>B", "b- A; machine next: A>B", "c- A; machine next: A>B", "d- A; machine next: A>B", "e- A; machine next: A>B"}},
		{"somebody else's choice", "a=X a=B a-", []string{"a=X X", "a=B B; machine next: B>A", "a- A; machine next: A>C"}},
		{"what is to be tried and is not given is tried once", "a- a=A a=A", []string{"a- A; machine next: A>B", "a=A A", "a=A A"}},
		{"a day later everything may be tried again", "a- a- a- a- a- day a- a+", []string{
			"a- A; machine next: A>B", "a- B; machine next: B>C", "a- C; machine next: C>D", "a- D; machine exhausted: D>A", "a- A",
			"a- A; machine next: A>B", "a+ B; machine works: A>B; model of 1 works: A>B"}},
		{"who has tried everything gets what works for others", "a- a- a- a- b- b+ a+", []string{
			"a- A; machine next: A>B", "a- B; machine next: B>C", "a- C; machine next: C>D", "a- D; machine exhausted: D>A",
			"b- A; machine next: A>B", "b+ B; machine works: A>B; model of 1 works: A>B", "a+ B; machine works: A>B"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := play(newLadder(), four, tc.script); !slices.Equal(got, tc.want) {
				t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

// TestLadderAlwaysEnds: a machine with which nothing works is tried with
// everything once and then left in peace; what is given is always one of those
// that there are.
func TestLadderAlwaysEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := []string{"A", "B", "C", "D", "E"}[:rapid.IntRange(1, 5).Draw(t, "choices")]
		l := newLadder()
		now := noon
		boot := func(key string, ok bool) []step {
			now = now.Add(time.Minute)
			tr := trial{key: key, model: rapid.SampledFrom([]string{"one", "two", ""}).Draw(t, "model"), order: order, now: now}
			tr.given, _, _ = l.at(tr.key, tr.model)
			if tr.given == "" {
				tr.given = order[0]
			}
			if !slices.Contains(order, tr.given) {
				t.Fatalf("%q is none of %v", tr.given, order)
			}
			if ok {
				return l.succeed(tr)
			}
			return l.fail(tr)
		}
		// Whatever was before …
		for range rapid.IntRange(0, 60).Draw(t, "boots before") {
			boot(rapid.SampledFrom([]string{"a", "b", "c", "d", "x"}).Draw(t, "machine"), rapid.Bool().Draw(t, "goes on"))
		}
		// … from now on nothing works for x.
		moves := 0
		for i := range 40 {
			for _, s := range boot("x", false) {
				if !s.model {
					moves++
					if i > firm+len(order)+1 {
						t.Fatalf("attempt %d still moves the machine: %+v", i, s)
					}
				}
			}
		}
		if moves > len(order)+firm {
			t.Fatalf("%d moves with %d choices", moves, len(order))
		}
		if m := l.machines["x"]; m == nil || !m.Out {
			t.Fatalf("it is not over: %+v", m)
		}
	})
}

// TestWhatWorksIsFound: a machine that takes one form alone gets it after as
// many attempts as there are forms, and keeps it.
func TestWhatWorksIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := []string{"A", "B", "C", "D", "E"}
		takes := rapid.SampledFrom(order).Draw(t, "takes")
		l := newLadder()
		for range rapid.IntRange(0, 30).Draw(t, "others") {
			tr := trial{key: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "machine"), model: "m", order: order, now: noon}
			tr.given, _, _ = l.at(tr.key, tr.model)
			if tr.given == "" {
				tr.given = order[0]
			}
			if rapid.Bool().Draw(t, "goes on") {
				l.succeed(tr)
			} else {
				l.fail(tr)
			}
		}
		for i := range 12 {
			tr := trial{key: "x", model: "m", order: order, now: noon.Add(time.Duration(i) * time.Minute)}
			tr.given, _, _ = l.at(tr.key, tr.model)
			if tr.given == "" {
				tr.given = order[0]
			}
			if tr.given == takes {
				l.succeed(tr)
				continue
			}
			if i >= len(order) {
				t.Fatalf("attempt %d gets %s, and the machine takes %s alone", i+1, tr.given, takes)
			}
			l.fail(tr)
		}
	})
}

// TestLadderIsBounded: a flood of invented machines drives out each other, and
// not what works.
func TestLadderIsBounded(t *testing.T) {
	l := newLadder()
	order := []string{"A", "B"}
	l.fail(trial{key: "real", model: "m", given: "A", order: order, now: noon})
	l.succeed(trial{key: "real", model: "m", given: "B", order: order, now: noon})
	for i := range 2*maxMachines + 10 {
		l.fail(trial{key: fmt.Sprint(i), model: fmt.Sprint(i), given: "A", order: order, now: noon.Add(time.Hour)})
	}
	if len(l.machines) > maxMachines || len(l.models) > maxModels {
		t.Errorf("%d machines and %d models are kept", len(l.machines), len(l.models))
	}
	if got, _, _ := l.at("real", "m"); got != "B" {
		t.Errorf("the machine for which B works gets %q", got)
	}
	if got, _, _ := l.at("other", "m"); got != "B" {
		t.Errorf("its model gets %q", got)
	}
}
