package history

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/store"
	"hobnail/internal/store/mem"
	"hobnail/internal/store/sqlite"
	"hobnail/internal/verdict"
)

// bootOf makes the record of what machine i did, as far as its first n steps.
func bootOf(t testing.TB, i int, begin time.Time, n int) *model.Boot {
	t.Helper()
	j := record.NewJoiner()
	var b *model.Boot
	all := story(i, begin)
	for _, s := range all[:min(n, len(all))] {
		b = j.Add(s.who, s.step)
	}
	b.Ended = n >= len(all)
	b.Verdict = verdict.Judge(verdict.Case{Boot: b, Now: b.Last.Add(time.Second)})
	return b
}

// eachStore runs a test on an archive in each engine.
func eachStore(t *testing.T, test func(*testing.T, *StoreArchive)) {
	t.Run("mem", func(t *testing.T) { test(t, NewArchive(mem.New(), DefaultLimits())) })
	t.Run("sqlite", func(t *testing.T) {
		s := openStore(t, filepath.Join(t.TempDir(), "history.db"))
		test(t, NewArchive(s, DefaultLimits()))
	})
}

func openStore(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func save(t testing.TB, a *StoreArchive, boots ...*model.Boot) {
	t.Helper()
	if err := a.Save(asSaved(boots...)); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, a *StoreArchive) (all []*model.Boot) {
	t.Helper()
	if err := a.List(func(b *model.Boot) bool { all = append(all, b); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func ids(boots []*model.Boot) (all []string) {
	for _, b := range boots {
		all = append(all, b.ID)
	}
	return all
}

func diff(a, b *model.Boot) string {
	return cmp.Diff(a, b, cmpopts.EquateComparable(server), cmpopts.EquateEmpty())
}

func TestABootComesBackWhole(t *testing.T) {
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		half, whole := bootOf(t, 1, storyBegins, 8), bootOf(t, 1, storyBegins, 99)
		if half.ID != whole.ID || len(whole.Steps) != 27 {
			t.Fatalf("%s has %d steps, and %s is the same", whole.ID, len(whole.Steps), half.ID)
		}
		for _, b := range []*model.Boot{half, whole} {
			save(t, a, b)
			got, err := a.Load(b.ID)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(b, got); d != "" {
				t.Errorf("(-saved +loaded)\n%s", d)
			}
			inList := list(t, a)
			if d := diff(brief(b), inList[0]); len(inList) != 1 || d != "" {
				t.Errorf("%d boots in the list (-saved +listed)\n%s", len(inList), d)
			}
		}
	})
}

// TestWhatClientsSaidComesBack: records carry what anybody on the network sent.
func TestWhatClientsSaidComesBack(t *testing.T) {
	b := bootOf(t, 1, storyBegins, 99)
	b.Name = "</script><script>alert(1)</script>\u2028\x00\x7f\"'"
	b.Steps[0].DHCP.Vendor = strings.Repeat("\u202e\\", 4000)
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		save(t, a, b)
		got, err := a.Load(b.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(b, got); d != "" {
			t.Errorf("(-saved +loaded)\n%s", d)
		}
	})
}

func TestLoadByABeginning(t *testing.T) {
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		var all []*model.Boot
		for i := range 20 {
			all = append(all, bootOf(t, i, storyBegins.Add(time.Duration(i)*time.Hour), 3))
		}
		longer := *all[0]
		longer.ID += "-"
		save(t, a, append(all, &longer)...)
		for _, c := range []struct{ id, want string }{
			{all[7].ID, all[7].ID},
			{all[0].ID, all[0].ID}, // and not the one that it is a beginning of
			{longer.ID, longer.ID},
			{"20261125T15", all[7].ID}, // its DISCOVER comes some seconds after the hour
			{"20261125T15000", all[7].ID},
		} {
			b, err := a.Load(c.id)
			if err != nil || b.ID != c.want {
				t.Errorf("%s: %v, %v, want %s", c.id, b, err, c.want)
			}
		}
		for _, id := range []string{"", "2025", "20261125T15000999", all[7].ID + "0", "x"} {
			if b, err := a.Load(id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v, %v, want %v", id, b, err, ErrNotFound)
			}
		}
		var several *Ambiguous
		if _, err := a.Load("20261126T0"); !errors.As(err, &several) || several.More || len(several.IDs) != 4 {
			t.Errorf("error %v", err)
		} else if want := ids([]*model.Boot{all[19], all[18], all[17], all[16]}); !slices.Equal(several.IDs, want) {
			t.Errorf("candidates %q, want %q", several.IDs, want)
		}
		_, err := a.Load("2026")
		if !errors.As(err, &several) || !several.More || len(several.IDs) != candidates || !strings.HasPrefix(err.Error(), `several boots begin with "2026": `+all[19].ID) {
			t.Errorf("error %v", err)
		}
	})
}

func TestListIsNewestFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		if got := list(t, a); len(got) != 0 {
			t.Errorf("an empty archive lists %d boots", len(got))
		}
		const n = 2*listPage + 3
		var all []*model.Boot
		for i := range n {
			all = append(all, bootOf(t, i, storyBegins.Add(time.Duration(i)*time.Second), 3))
		}
		save(t, a, all...)
		slices.Reverse(all)
		if got := ids(list(t, a)); !slices.Equal(got, ids(all)) {
			t.Errorf("got %d boots, not as they were saved", len(got))
		}
		for _, stop := range []int{1, listPage - 1, listPage, listPage + 1} {
			seen := 0
			err := a.List(func(*model.Boot) bool {
				seen++
				if seen == 1 { // what comes meanwhile harms nothing
					save(t, a, bootOf(t, n+stop, storyBegins.Add(time.Hour), 3))
				}
				return seen < stop
			})
			if err != nil || seen != stop {
				t.Errorf("stopped after %d boots, error %v; want %d", seen, err, stop)
			}
		}
	})
}

func TestSurplus(t *testing.T) {
	now := storyBegins
	day := 24 * time.Hour
	// g: went well; f: failed; w: warning; r: went on. The number is its age in days.
	boot := func(s string) kept {
		k := kept{ID: s}
		var n int
		fmt.Sscanf(s[1:], "%d", &n)
		k.Last = now.Add(-time.Duration(n) * day)
		k.Verdict.Outcome = map[byte]model.Outcome{'g': model.OutcomeOK, 'f': model.OutcomeFailed, 'w': model.OutcomeWarning, 'r': model.OutcomeRunning}[s[0]]
		return k
	}
	for _, c := range []struct {
		name, all string
		boots     int
		want      string
	}{
		{"nothing there", "", 5, ""},
		{"good ones go after two weeks, the others stay", "f20 g20 w16 g15 f14 g14 g1", 99, "g20 g15"},
		{"all go after three months", "f91 w91 r91 g91 f90 w89", 99, "f91 w91 r91 g91"},
		{"too many: the oldest good ones go", "f9 g8 g7 f6 g5 g4", 4, "g8 g7"},
		{"too many, and no good ones left: the oldest others", "f9 g8 w7 f6 f5", 2, "g8 f9 w7"},
		{"age first, then number", "g30 f9 g8 g7", 2, "g30 g8"},
		{"the clock was set back", "f-400 g-400 g1", 99, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []kept
			for _, s := range strings.Fields(c.all) {
				all = append(all, boot(s))
			}
			l := DefaultLimits()
			l.Boots = c.boots
			if got := strings.Join(surplus(all, l, now), " "); got != c.want {
				t.Errorf("%q goes, want %q", got, c.want)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	for _, engine := range []store.Store{mem.New(), openStore(t, filepath.Join(t.TempDir(), "history.db"))} {
		a := NewArchive(engine, Limits{Good: 14 * 24 * time.Hour, Failed: 90 * 24 * time.Hour, Boots: 400})
		const n = 1000
		var all []*model.Boot
		for i := range n {
			b := bootOf(t, i, storyBegins.Add(time.Duration(i)*time.Second), 99)
			if i%10 == 0 {
				b.Verdict.Outcome = model.OutcomeFailed
			}
			all = append(all, b)
		}
		save(t, a, all...)
		if err := a.Trim(storyBegins.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		got := ids(list(t, a))
		if len(got) != 400 || !slices.Contains(got, all[0].ID) || slices.Contains(got, all[1].ID) || got[0] != all[n-1].ID {
			t.Errorf("%d boots are left, from %s to %s", len(got), got[len(got)-1], got[0])
		}
		if _, err := a.Load(all[1].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("a boot that is in no list any more: error %v", err)
		}
		left := 0
		if err := engine.View(context.Background(), func(tx store.Tx) error {
			return tx.Scan(store.Range{}, func(string, []byte) bool { left++; return true })
		}); err != nil || left != 2*400 {
			t.Errorf("%d keys are left, %v", left, err)
		}
		if err := a.Trim(storyBegins.Add(20 * 24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := len(list(t, a)); got != n/10 {
			t.Errorf("%d boots are left after three weeks, want the %d that failed", got, n/10)
		}
	}
}

// TestSavedAllOrNone: a batch with one that cannot be saved saves none.
func TestSavedAllOrNone(t *testing.T) {
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		good, bad := bootOf(t, 1, storyBegins, 3), bootOf(t, 2, storyBegins, 3)
		for _, id := range []string{"", strings.Repeat("x", 2*store.MaxKey)} {
			bad.ID = id
			if err := a.Save(asSaved(good, bad)); err == nil {
				t.Errorf("a boot with the ID %.10q was saved", id)
			}
		}
		if got := list(t, a); len(got) != 0 {
			t.Errorf("%d boots were saved", len(got))
		}
	})
}

// TestWhatCannotBeReadIsNamed: and stands in nobody's way.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	eachStore(t, func(t *testing.T, a *StoreArchive) {
		var all []*model.Boot
		for i := range 3 {
			all = append(all, bootOf(t, i, storyBegins.Add(time.Duration(i)*time.Minute), 3))
		}
		save(t, a, all...)
		bad := all[1].ID
		write := func(boot, index string) {
			t.Helper()
			err := a.store.Update(context.Background(), func(tx store.Tx) error {
				return errors.Join(tx.Put(bootKey+bad, []byte(boot)), tx.Put(indexKey+bad, []byte(index)))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, packed := range []string{"", "\x00", "\x02abc", "\x01", "\x01\xff\xff\xff", "\x00{]"} {
			write(packed, "{]")
			if _, err := a.Load(bad); err == nil || errors.Is(err, ErrNotFound) || !strings.HasPrefix(err.Error(), "reading boot "+bad+": ") {
				t.Errorf("%q: error %v", packed, err)
			}
		}
		var got []*model.Boot
		err := a.List(func(b *model.Boot) bool { got = append(got, b); return true })
		if want := []string{all[2].ID, all[0].ID}; err == nil || !strings.Contains(err.Error(), bad) || !slices.Equal(ids(got), want) {
			t.Errorf("listed %q, error %v", ids(got), err)
		}
	})
}

// broken is a store whose engine panics.
type broken struct{ store.Store }

func (broken) View(context.Context, func(store.Tx) error) error   { panic("the engine") }
func (broken) Update(context.Context, func(store.Tx) error) error { panic("the engine") }

// TestACrashOfTheArchiveIsAnError: it never ends the service.
func TestACrashOfTheArchiveIsAnError(t *testing.T) {
	a := NewArchive(broken{}, DefaultLimits())
	_, loaded := a.Load("20261125T080000.000-525400000001")
	for what, err := range map[string]error{
		"Save": a.Save(asSaved(bootOf(t, 1, storyBegins, 3))),
		"List": a.List(func(*model.Boot) bool { return true }),
		"Trim": a.Trim(storyBegins),
		"Load": loaded,
	} {
		if err == nil || !strings.Contains(err.Error(), "the engine") {
			t.Errorf("%s: error %v", what, err)
		}
	}
	for what, err := range map[string]error{"a boot": a.Save(asSaved(nil))} {
		if err == nil {
			t.Errorf("%s that is none was saved", what)
		}
	}
}

func asSaved(boots ...*model.Boot) []Saved {
	all := make([]Saved, len(boots))
	for i, b := range boots {
		all[i].Boot = b
	}
	return all
}

// TestTheListIsWrittenWhenTheVerdictChanges: a boot that goes on is stored each
// second, its row of the list only when that says something else.
func TestTheListIsWrittenWhenTheVerdictChanges(t *testing.T) {
	a := NewArchive(mem.New(), DefaultLimits())
	b := bootOf(t, 1, storyBegins, 3)
	listed := func() string {
		var code string
		if err := a.List(func(b *model.Boot) bool { code = b.Verdict.Code; return true }); err != nil {
			t.Fatal(err)
		}
		return code
	}
	for _, tc := range []struct {
		code   string
		listed bool
		want   string
	}{{"one", false, "one"}, {"two", true, "one"}, {"three", false, "three"}} {
		b.Verdict.Code = tc.code
		if err := a.Save([]Saved{{Boot: b, Listed: tc.listed}}); err != nil {
			t.Fatal(err)
		}
		whole, err := a.Load(b.ID)
		if err != nil || whole.Verdict.Code != tc.code || listed() != tc.want {
			t.Errorf("saved %s: the boot has %v (%v), the list %s, want %s", tc.code, whole, err, listed(), tc.want)
		}
	}
}
