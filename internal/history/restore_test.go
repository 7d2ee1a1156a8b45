package history

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/store/mem"
	"hobnail/internal/verdict"
)

// serve runs a keeper until do returns, as one process of the server does.
func serve(t *testing.T, a Archive, do func(*Keeper)) {
	t.Helper()
	k := New(a, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	do(k)
	stop()
	<-done
}

// play lets machine i do its first n steps, which begin now.
func play(k *Keeper, i, n int) {
	begin := time.Now()
	for _, s := range story(i, begin)[:n] {
		time.Sleep(time.Until(s.step.Time))
		k.Step(s.who, s.step)
	}
}

const wholeStory = 29

// TestAStepIsSavedWithinASecond is what a crash can take: what came in the
// second before it.
func TestAStepIsSavedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewArchive(mem.New(), DefaultLimits())
		serve(t, a, func(k *Keeper) {
			time.Sleep(300 * time.Millisecond)
			for n, s := range story(1, time.Now())[:wholeStory] {
				time.Sleep(time.Until(s.step.Time))
				k.Step(s.who, s.step)
				time.Sleep(pace)
				synctest.Wait()
				got := list(t, a)
				if len(got) != 1 {
					t.Fatalf("a second after step %d: %d boots are saved", n, len(got))
				}
				live, err := k.Show(got[0].ID)
				if err != nil {
					t.Fatal(err)
				}
				saved, err := a.Load(live.ID)
				if err != nil {
					t.Fatal(err)
				}
				live.Verdict, saved.Verdict = model.Verdict{}, model.Verdict{} // it says how long the machine is silent
				if diff(live, saved) != "" {
					t.Fatalf("a second after step %d: error %v (-live +saved)\n%s", n, err, diff(live, saved))
				}
			}
		})
	})
}

// TestRestore: what was learned before a restart is known after it.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(storyBegins))
		a := NewArchive(mem.New(), DefaultLimits())
		var before *Keeper
		serve(t, a, func(k *Keeper) {
			before = k
			for i := range 40 {
				play(k, i%20, wholeStory) // each machine twice
			}
			time.Sleep(2 * record.Idle)
		})
		k := New(a, time.Now)
		got, err := k.Restore(t.Context(), 1000)
		if err != nil || got != (Restored{Boots: 40}) {
			t.Errorf("restored %+v, %v", got, err)
		}
		machine := bootOf(t, 1, time.Now(), 99)
		then, now := before.around.Case(machine, time.Now()), k.around.Case(machine, time.Now())
		if len(now.Before) != 2 || !now.Before[0].Last.Equal(then.Before[0].Last) || now.Before[0].Code != then.Before[0].Code || !now.Before[0].Last.After(now.Before[1].Last) {
			t.Errorf("its past is %v, and was %v", now.Before, then.Before)
		}
		for _, step := range []string{"address", "loader", "kernel", "system"} {
			d, n := k.around.usual.Of(machine.Place, step)
			if wantD, wantN := before.around.usual.Of(machine.Place, step); d != wantD || n != wantN || n != usualOf {
				t.Errorf("step %s takes %v by %d boots, and took %v by %d", step, d, n, wantD, wantN)
			}
		}
		if now.WentOn != 40 || now.WentOn != then.WentOn || now.Stuck != then.Stuck {
			t.Errorf("%d of the model went on, %d did not; it was %d and %d", now.WentOn, now.Stuck, then.WentOn, then.Stuck)
		}
		// The newest first, if not all are wanted.
		k = New(a, time.Now)
		if got, err := k.Restore(t.Context(), 20); err != nil || got.Boots != 20 {
			t.Errorf("restored %+v, %v", got, err)
		}
		if past := k.around.past[machine.MAC]; len(past) != 1 || !past[0].Last.Equal(then.Before[0].Last) {
			t.Errorf("its past is %v, want the newest of %v", past, then.Before)
		}
	})
}

// TestABootGoesOnThroughARestart: one record, before and after.
func TestABootGoesOnThroughARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(storyBegins))
		a := NewArchive(mem.New(), DefaultLimits())
		all := story(1, time.Now())
		serve(t, a, func(k *Keeper) {
			for _, s := range all[:20] {
				time.Sleep(time.Until(s.step.Time))
				k.Step(s.who, s.step)
			}
		})
		told := 0
		serve(t, a, func(k *Keeper) {
			k.Ended = func(*model.Boot) { told++ }
			if got, err := k.Restore(t.Context(), 1000); err != nil || got != (Restored{Boots: 1, Resumed: 1}) {
				t.Errorf("restored %+v, %v", got, err)
			}
			if got, err := k.Restore(t.Context(), 1000); err != nil || got.Resumed != 0 {
				t.Errorf("restored again %+v, %v", got, err)
			}
			if !k.Knows(all[0].who.MAC) {
				t.Error("that the machine boots is not known")
			}
			for _, s := range all[20:] {
				time.Sleep(time.Until(s.step.Time))
				s.who.MAC = "" // what names no machine is known by the address
				if s.step.DHCP != nil {
					s.who.MAC = all[0].who.MAC
				}
				k.Step(s.who, s.step)
			}
			time.Sleep(2 * record.Idle)
		})
		got := list(t, a)
		if len(got) != 1 || got[0].Verdict.Code != verdict.Booted || !got[0].Ended || told != 1 {
			t.Fatalf("%d boots, told %d times: %+v", len(got), told, got)
		}
		b, err := a.Load(got[0].ID)
		if want := bootOf(t, 1, storyBegins, wholeStory); err != nil || len(b.Steps) != len(want.Steps) {
			t.Errorf("%d steps, %v; without a restart %d", len(b.Steps), err, len(want.Steps))
		}
	})
}

// TestABootThatNobodyHeardTheEndOf is not held against anybody.
func TestABootThatNobodyHeardTheEndOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(storyBegins))
		a := NewArchive(mem.New(), DefaultLimits())
		serve(t, a, func(k *Keeper) {
			play(k, 1, 12) // a loader was read a moment ago
		})
		if got := list(t, a); len(got) != 1 || got[0].Ended || got[0].Verdict.Final {
			t.Fatalf("before: %+v", got)
		}
		time.Sleep(24 * time.Hour)
		serve(t, a, func(k *Keeper) {
			if got, err := k.Restore(t.Context(), 1000); err != nil || got != (Restored{Boots: 1, Cut: 1}) {
				t.Errorf("restored %+v, %v", got, err)
			}
			if on, stuck := k.around.models.others(bootOf(t, 1, time.Now(), 12)); on+stuck != 0 {
				t.Errorf("the model learned from it: %d, %d", on, stuck)
			}
			time.Sleep(2 * pace)
		})
		got := list(t, a)
		if len(got) != 1 || !got[0].Ended || !got[0].Verdict.Final || got[0].Verdict.Outcome != model.OutcomeWarning {
			t.Fatalf("after: %+v", got)
		}
		if notes := got[0].Verdict.Notes; notes[len(notes)-1].Code != verdict.CutOff {
			t.Errorf("notes %v", notes)
		}
		if _, ok := verdict.Lookup(verdict.CutOff); !ok {
			t.Error("the note is not in the catalogue")
		}
	})
}

// TestRestoreIsBounded: by its context, and a boot that cannot be read costs
// only itself.
func TestRestoreIsBounded(t *testing.T) {
	a := NewArchive(openStore(t, filepath.Join(t.TempDir(), "history.db")), DefaultLimits())
	var all []*model.Boot
	for i := range 50 {
		all = append(all, bootOf(t, i, storyBegins.Add(time.Duration(i)*time.Minute), 99))
	}
	save(t, a, all...)
	ended, end := context.WithCancel(t.Context())
	end()
	k := New(a, time.Now)
	if got, err := k.Restore(ended, 50); err != nil || got.Boots != 0 {
		t.Errorf("restored %+v, %v", got, err)
	}
	bad := all[30].ID
	if got, err := k.Restore(t.Context(), 50); err != nil || got.Boots != 50 {
		t.Errorf("restored %+v, %v", got, err)
	}
	k = New(failing{a, bad}, time.Now)
	if got, err := k.Restore(t.Context(), 50); err == nil || !strings.Contains(err.Error(), "unreadable") || got.Boots != 49 {
		t.Errorf("restored %+v, %v", got, err)
	}
	if got, err := New(nil, time.Now).Restore(t.Context(), 50); err != nil || got.Boots != 0 {
		t.Errorf("without an archive: %+v, %v", got, err)
	}
}

// failing is an archive with one boot that cannot be read.
type failing struct {
	Archive
	bad string
}

func (f failing) Load(id string) (*model.Boot, error) {
	if id == f.bad {
		return nil, errors.New("unreadable")
	}
	return f.Archive.Load(id)
}
