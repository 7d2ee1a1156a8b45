package machines

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
	"hobnail/internal/store"
	"hobnail/internal/store/mem"
)

// counted counts the updates of a store.
type counted struct {
	store.Store
	updates int
}

func (c *counted) Update(ctx context.Context, f func(store.Tx) error) error {
	c.updates++
	return c.Store.Update(ctx, f)
}

func waits(t *testing.T, r *Registry, seen Seen, at time.Time) Waiting {
	t.Helper()
	w, err := r.Wait(context.Background(), Asking{Seen: seen, Arch: "uefi-x64", Place: "eth0"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mac(n int) model.MAC {
	return model.MAC(fmt.Sprintf("52:54:00:%02x:%02x:%02x", n>>16, n>>8&255, n&255))
}

func TestWaiting(t *testing.T) {
	ctx := context.Background()
	s := &counted{Store: mem.New()}
	r := named(t, s, nil, "taken-1 mac=52:54:00:ff:ff:ff")
	for n := 1; n <= 12; n++ {
		if w := waits(t, r, Seen{MAC: mac(n)}, noon); w.Number != n || !w.New {
			t.Fatalf("machine %d is shown %+v", n, w)
		}
	}
	// One that asks every five seconds for an hour is written a few times.
	before := s.updates
	for sec := 0; sec < 3600; sec += 5 {
		now := noon.Add(time.Duration(sec) * time.Second)
		if w := waits(t, r, Seen{MAC: mac(3)}, now); w.Number != 3 || w.New {
			t.Fatalf("it is shown %+v", w)
		}
		if sec%60 == 0 {
			if err := r.flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := s.updates - before; n == 0 || n > 12 {
		t.Errorf("it was written %d times in an hour", n)
	}
	if p := r.Snapshot().waits(Seen{MAC: mac(3)}); noon.Add(time.Hour).Sub(p.Last) > lastEvery+time.Minute {
		t.Errorf("it asked last at %v", p.Last)
	}
	// Another stage of its boot sends a UUID, the next none.
	if w := waits(t, r, Seen{MAC: mac(4), UUID: uuidA}, noon); w.Number != 4 || w.New {
		t.Errorf("with a UUID it is shown %+v", w)
	}
	if w := waits(t, r, Seen{MAC: mac(4)}, noon); w.Number != 4 {
		t.Errorf("without, %+v", w)
	}
	// Two machines on one dock are two.
	if w := waits(t, r, Seen{MAC: mac(4), UUID: uuidB}, noon); w.Number != 13 || !w.New {
		t.Errorf("the other machine on the dock is shown %+v", w)
	}

	res := must(t, r, Order{By: "ann", Approve: &Approval{Which: []Pick{{Who: "1", Name: "lab-01"}, {Who: string(mac(2))}, {Who: "5"}, {Who: "6"}}, Name: "taken-{n}", Boot: "local"}})
	if len(res.Changes) != 4 || res.Changes[0].Name != "lab-01" || res.Changes[1].Name != "taken-2" || res.Changes[3].Name != "taken-4" {
		t.Errorf("approved: %+v", res.Changes)
	}
	if m, _, _ := r.Snapshot().Find(Seen{MAC: mac(1)}); m == nil || m.Name != "lab-01" || m.Boot != "local" || m.By != "ann" || !m.Approved.Equal(noon) {
		t.Errorf("number 1 is %+v", m)
	}
	if w := waits(t, r, Seen{MAC: mac(20)}, noon); w.Number != 1 {
		t.Errorf("a number that is free is not given: %+v", w)
	}
	// Denied, for a time.
	must(t, r, Order{By: "ann", Deny: &Denial{Which: []string{"7", string(uuidB)}, For: time.Hour}})
	if w := waits(t, r, Seen{MAC: mac(7)}, at(59)); w.Denied == nil || w.Denied.By != "ann" || w.Number != 0 {
		t.Errorf("one that was denied is shown %+v", w)
	}
	if w := waits(t, r, Seen{MAC: mac(4), UUID: uuidA}, at(1)); w.Denied != nil || w.Number != 4 {
		t.Errorf("its neighbour on the dock is shown %+v", w)
	}
	if w := waits(t, r, Seen{MAC: mac(7)}, at(60)); w.Denied != nil || !w.New {
		t.Errorf("after its time it is shown %+v", w)
	}
	must(t, r, Order{By: "ann", Deny: &Denial{Which: []string{"8"}}})
	must(t, r, Order{Deny: &Denial{Which: []string{string(mac(8))}, Lift: true}})
	if w := waits(t, r, Seen{MAC: mac(8)}, at(1000)); w.Denied != nil {
		t.Errorf("after it was lifted it is shown %+v", w)
	}
	// All or none.
	bad, err := r.Do(ctx, Order{Approve: &Approval{Which: []Pick{{Who: "9", Name: "x-9"}, {Who: "10", Name: "lab-01"}, {Who: "99"}, {Who: "11", Name: "a b"}}}}, noon)
	if err != nil || len(bad.Faults) != 3 || r.Snapshot().Machine("x-9") != nil {
		t.Errorf("%+v, %v", bad, err)
	}
	must(t, r, Order{By: "ann", Approve: &Approval{All: true, Name: "room-{nnn}"}})
	if left := r.Snapshot().Pending(); len(left) != 0 {
		t.Errorf("%d still wait", len(left))
	}
	if r.Snapshot().Machine("room-001") == nil {
		t.Error("there is no room-001")
	}
	if _, err := r.Wait(ctx, Asking{}, noon); err == nil {
		t.Error("a machine that nothing is known of waits")
	}
}

// TestWaitingIsBound: of too many those go that have not asked for the longest
// time.
func TestWaitingIsBound(t *testing.T) {
	s := mem.New()
	r, err := Open(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = update(context.Background(), s, func(b *book) error {
		for n := range maxPending {
			if _, err := b.wait(Asking{Seen: Seen{MAC: mac(n + 1)}}, noon.Add(time.Duration(n)*time.Second), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := waits(t, r, Seen{MAC: mac(99999)}, at(1000)); w.Number != 1 {
		t.Errorf("the newcomer is shown %+v, want the number of the longest unseen", w)
	}
	if n := len(r.Snapshot().Pending()); n != maxPending-dropPending+1 {
		t.Errorf("%d wait", n)
	}
	if r.Snapshot().waits(Seen{MAC: mac(dropPending)}) != nil || r.Snapshot().waits(Seen{MAC: mac(dropPending + 1)}) == nil {
		t.Error("others than the longest unseen went")
	}
}

// fill has so many machines wait, as if they had asked at a time.
func fill(t *testing.T, s store.Store, r *Registry, n int, at time.Time) {
	t.Helper()
	err := update(context.Background(), s, func(b *book) error {
		for i := range n {
			if _, err := b.wait(Asking{Seen: Seen{MAC: mac(i)}}, at, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || r.refresh(context.Background()) != nil {
		t.Fatal(err)
	}
}

// TestAFloodDoesNotPushOutWhoAsks: invented machines ask once each, more of them
// than may wait; the one that goes on asking, every five seconds, keeps its
// number, and no more wait than may.
func TestAFloodDoesNotPushOutWhoAsks(t *testing.T) {
	s := mem.New()
	r := named(t, s, nil)
	real := Seen{MAC: "52:54:00:ff:00:01", UUID: uuidA}
	now := noon
	waits(t, r, real, now)
	waits(t, r, real, now.Add(5*time.Second))
	fill(t, s, r, maxPending-dropPending, now.Add(6*time.Second))
	for n := maxPending; n < maxPending+4*dropPending; n++ {
		if n%50 == 0 {
			now = now.Add(5 * time.Second)
			if w := waits(t, r, real, now); w.Number != 1 || w.New {
				t.Fatalf("after %d others it is shown %+v", n, w)
			}
		}
		if w := waits(t, r, Seen{MAC: mac(n)}, now); w.Number < 2 || w.Number > maxPending {
			t.Fatalf("invented machine %d is shown %+v", n, w)
		}
	}
	if n := len(r.Snapshot().Pending()); n > maxPending {
		t.Errorf("%d wait", n)
	}
	if len(r.asks) > 2*maxPending+1 {
		t.Errorf("%d are remembered", len(r.asks))
	}
}

// TestNobodyIsPushedOutWhereAllAsk: a newcomer has no number then, and gets one
// when one falls silent.
func TestNobodyIsPushedOutWhereAllAsk(t *testing.T) {
	s := mem.New()
	r := named(t, s, nil)
	fill(t, s, r, maxPending, noon)
	for _, second := range []int{10, 20} {
		for n := range maxPending {
			waits(t, r, Seen{MAC: mac(n)}, noon.Add(time.Duration(second)*time.Second))
		}
	}
	late := Seen{MAC: "52:54:00:ff:00:01"}
	if w := waits(t, r, late, noon.Add(25*time.Second)); w.Number != 0 || w.New || len(r.Snapshot().Pending()) != maxPending {
		t.Errorf("where all ask the newcomer is shown %+v, and %d wait", w, len(r.Snapshot().Pending()))
	}
	if w := waits(t, r, late, noon.Add(3*time.Minute)); w.Number == 0 || !w.New {
		t.Errorf("when others are silent it is shown %+v", w)
	}
}

// TestFollows: what another process writes is known within a second.
func TestFollows(t *testing.T) {
	s := mem.New()
	r := named(t, s, nil, "lab-01 mac=52:54:00:00:00:01")
	ctx, stop := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() { r.Follow(ctx, func(err error) { t.Error(err) }) })
	defer over.Wait()
	defer stop()
	other := named(t, s, nil, "lab-02 mac=52:54:00:00:00:02")
	must(t, other, Order{By: "ann", Install: &InstallOrder{Names: []string{"lab-01"}, Arming: Arming{Image: "debian-12", Within: time.Hour}}})
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		snap := r.Snapshot()
		if snap.Machine("lab-02") != nil && snap.Install("lab-01", noon) != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it is not seen")
		}
	}
}

// TestSnapshotsAreTheStore: a snapshot that was brought up to date is that which
// is read anew, and the one before it has not changed.
func TestSnapshotsAreTheStore(t *testing.T) {
	s := mem.New()
	configured := []model.Machine{{Name: "fixed", MACs: []model.MAC{mac(1)}}}
	r := named(t, s, configured)
	chance := rand.New(rand.NewPCG(1, 2))
	ctx := context.Background()
	open := cmp.Exporter(func(reflect.Type) bool { return true })
	for n := range 300 {
		before := r.Snapshot()
		copied, err := Read(ctx, s, configured)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("m%d", chance.IntN(8))
		var o Order
		switch chance.IntN(7) {
		case 0, 1, 2:
			row := Row{}
			row.Set("name", name)
			row.Set("mac", string(mac(2+chance.IntN(9))))
			if chance.IntN(2) == 0 {
				row.Set("uuid", fmt.Sprintf("4c4c4544-0043-3010-8052-b4c04f4d35%02d", chance.IntN(10)))
			}
			row.Set("serial", []string{"", "SN" + name}[chance.IntN(2)])
			o.Import = &Import{Rows: []Row{row}}
		case 3:
			o.Remove = []string{name}
		case 4:
			o.Install = &InstallOrder{Names: []string{name}, Arming: Arming{Image: "i", Within: time.Hour}}
		case 5:
			o.Approve = &Approval{All: true}
		case 6:
			o.Cancel = []string{"*"}
		}
		if _, err := r.Do(ctx, o, noon); err != nil {
			t.Fatal(err)
		}
		seen := Seen{MAC: mac(1 + chance.IntN(10)), UUID: model.UUID(fmt.Sprintf("4c4c4544-0043-3010-8052-b4c04f4d35%02d", chance.IntN(10)))}
		if _, err := r.Saw(ctx, seen, noon); err != nil {
			t.Fatal(err)
		}
		if m, _, _ := r.Snapshot().Find(seen); m == nil && chance.IntN(3) == 0 {
			waits(t, r, seen, noon)
		}
		fresh, err := Read(ctx, s, configured)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fresh, r.Snapshot()) {
			t.Fatalf("step %d: (-read anew +brought up to date)\n%s", n, cmp.Diff(fresh, r.Snapshot(), open))
		}
		if !reflect.DeepEqual(copied, before) {
			t.Fatalf("step %d: the snapshot before has changed", n)
		}
	}
}

// Test500ArmedAtOnce: each gets a token of its own, and none another's, while
// all of them boot at once.
func Test500ArmedAtOnce(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	var texts []string
	for n := range 500 {
		texts = append(texts, fmt.Sprintf("lab-%03d mac=%s var.number=%d", n, mac(n), n))
	}
	r := named(t, s, nil, texts...)
	o := Order{By: "ann", Install: &InstallOrder{Names: []string{"lab-*"}, Arming: Arming{Image: "debian-12", Within: time.Hour, Retries: 1}}}
	if res := must(t, r, o); res.Need == nil || res.Need.Machines != 500 || len(r.Snapshot().Installs(noon)) != 0 {
		t.Fatalf("500 are armed without their number: %+v", res.Need)
	}
	o.Install.Count = 500
	must(t, r, o)
	var over sync.WaitGroup
	var mu sync.Mutex
	tokens := map[string]string{}
	for n := range 500 {
		over.Go(func() {
			name := fmt.Sprintf("lab-%03d", n)
			m, v, err := r.Script(ctx, Seen{MAC: mac(n)}, at(1))
			if err != nil || v.Do != ActInstall || m.Name != name || m.Vars["number"] != fmt.Sprint(n) {
				t.Errorf("%s: %v, %+v, %v", name, m, v, err)
				return
			}
			i, err := r.Begin(ctx, v.Token, at(2))
			if err != nil || i.Machine != name {
				t.Errorf("%s: %+v, %v", name, i, err)
			}
			mu.Lock()
			if tokens[v.Token] != "" {
				t.Errorf("%s and %s have one token", name, tokens[v.Token])
			}
			tokens[v.Token] = name
			mu.Unlock()
			if _, err := r.Done(ctx, v.Token, at(3)); err != nil {
				t.Error(err)
			}
			if _, v, err := r.Script(ctx, Seen{MAC: mac(n)}, at(4)); err != nil || v.Do != ActLocal || v.Code != CodeDone {
				t.Errorf("%s is installed again: %+v, %v", name, v, err)
			}
		})
	}
	over.Wait()
	if len(tokens) != 500 {
		t.Errorf("%d tokens", len(tokens))
	}
}

func TestFence(t *testing.T) {
	for _, tc := range []struct {
		n, of int
		want  bool
	}{{1, 1, false}, {1, 5, false}, {2, 5, true}, {2, 20, false}, {3, 20, true}, {25, 250, false}, {25, 249, true}, {26, 10000, true}} {
		if fenced(tc.n, tc.of) != tc.want {
			t.Errorf("%d of %d: %v, want %v", tc.n, tc.of, !tc.want, tc.want)
		}
	}
}
