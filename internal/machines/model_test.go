package machines

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
	"hobnail/internal/store/mem"
)

// The tests of this file play installs by chance: machines that boot, stop and
// boot again at any step, files that are read twice, calls home that come late
// or never, persons who order and cancel, clocks that go on, and servers that
// die before or after any commit. Three servers: two share a store, one has its
// own.

var errDied = errors.New("the server died here")

// dying is a store whose process may die at a commit.
type dying struct {
	store.Store
	before, after bool // of the next commit
}

func (d *dying) Update(ctx context.Context, f func(store.Tx) error) error {
	before, after := d.before, d.after
	d.before, d.after = false, false
	if before {
		return errDied
	}
	if err := d.Store.Update(ctx, f); err != nil || !after {
		return err
	}
	return errDied
}

// box is a machine of flesh and blood.
type box struct {
	seen  Seen
	names []string // whose installs it may get
	token string   // what its script said; "" if it said nothing of an install
	runs  string   // the token of the installer that runs on it
	had   []string // tokens of all installers that ran on it
}

// order is what the person who keeps the books knows of an install.
type order struct {
	machine string
	retries int
	starts  map[string]bool // tokens under which a kernel left
	box     *box            // that got a kernel
	over    bool            // it was done, failed or cancelled, for certain
}

type world struct {
	stores  []*dying
	servers []*Registry
	at      []int // which store a server has
	boxes   []*box
	orders  map[string]*order // by ID
	current []map[string]string
	owner   map[string]string // token → order ID
	now     time.Time
	chance  *rand.Rand
	ids     int
	turn    *box // whose turn it is
	by      int  // and which server it asks
	// counts of what happened, so that the test knows that it tested something
	started, again, died int
}

const sharedMAC = model.MAC("00:e0:4c:68:00:01")

func newWorld(t referee, seed uint64) *world {
	w := &world{chance: rand.New(rand.NewPCG(seed, 0)), now: noon, orders: map[string]*order{}, owner: map[string]string{}, at: []int{0, 0, 1}}
	for range 2 {
		w.stores = append(w.stores, &dying{Store: mem.New()})
		w.current = append(w.current, map[string]string{})
	}
	uuid := func(n int) model.UUID { return model.UUID(fmt.Sprintf("4c4c4544-0043-3010-8052-b4c04f4d350%d", n)) }
	rows := []Row{
		{Record: Record{Name: "plain", MACs: []model.MAC{"52:54:00:00:00:01"}}},
		{Record: Record{Name: "whole", MACs: []model.MAC{"52:54:00:00:00:02"}, UUID: uuid(2)}},
		{Record: Record{Name: "dock-1", MACs: []model.MAC{sharedMAC}, UUID: uuid(3)}},
		{Record: Record{Name: "dock-2", MACs: []model.MAC{sharedMAC}, UUID: uuid(4)}},
	}
	for i := range rows {
		rows[i].Given = []string{fieldName, fieldMAC, fieldUUID}
	}
	for _, s := range w.stores {
		if res, err := Do(context.Background(), s, nil, Order{Import: &Import{Rows: rows}}, noon, w.newID); err != nil || len(res.Faults) > 0 {
			t.Fatal(res, err)
		}
	}
	w.boxes = []*box{
		{seen: Seen{MAC: "52:54:00:00:00:01", UUID: uuid(1)}, names: []string{"plain"}},
		{seen: Seen{MAC: "52:54:00:00:00:01", UUID: uuid(9)}, names: []string{"plain"}}, // whoever comes first
		{seen: Seen{MAC: "52:54:00:00:00:02", UUID: uuid(2)}, names: []string{"whole"}},
		{seen: Seen{MAC: "52:54:00:00:00:02", UUID: uuid(8)}}, // another with its address
		{seen: Seen{MAC: "52:54:00:00:00:02"}},                // and one that does not say
		{seen: Seen{MAC: sharedMAC, UUID: uuid(3)}, names: []string{"dock-1"}},
		{seen: Seen{MAC: sharedMAC, UUID: uuid(4)}, names: []string{"dock-2"}},
		{seen: Seen{MAC: sharedMAC, UUID: uuid(7)}},
		{seen: Seen{MAC: "52:54:00:00:00:99", UUID: uuid(6)}}, // whom nobody has named
	}
	w.turn = w.boxes[0]
	for i := range w.at {
		w.servers = append(w.servers, nil)
		w.restart(t, i)
	}
	return w
}

func (w *world) newID() string { w.ids++; return fmt.Sprintf("%032x", w.ids) }

func (w *world) restart(t referee, server int) {
	r, err := Open(context.Background(), w.stores[w.at[server]], nil)
	if err != nil {
		t.Fatal(err)
	}
	w.servers[server] = r
}

// die arranges that the next commit of a store may be the server's last.
func (w *world) die(t referee, server int) {
	s := w.stores[w.at[server]]
	switch w.chance.IntN(20) {
	case 0:
		s.before = true
	case 1:
		s.after = true
	}
}

// lived reports whether a server lived through what it did, and starts another
// if not.
func (w *world) lived(t referee, server int, err error) bool {
	s := w.stores[w.at[server]]
	s.before, s.after = false, false
	if errors.Is(err, errDied) {
		w.died++
		w.restart(t, server)
		return false
	}
	if err != nil && !errors.As(err, new(*Refused)) {
		t.Fatal(err)
	}
	return true
}

func (w *world) step(t referee) {
	ctx := context.Background()
	w.now = w.now.Add(time.Duration(w.chance.IntN(101)) * time.Second)
	if w.chance.IntN(10) == 0 {
		w.by = w.chance.IntN(len(w.servers))
	}
	server := w.by
	r, place := w.servers[server], w.at[server]
	if w.chance.IntN(10) == 0 {
		w.turn = pick(w, w.boxes)
	}
	b := w.turn
	switch what := pick(w, []string{
		"order", "order", "order", "cancel", "script", "script", "script", "script", "kernel", "kernel", "kernel", "kernel",
		"home", "late", "failed", "off", "restart", "saw", "days", "look",
	}); what {
	case "order":
		name := pick(w, append([]string{"plain", "whole", "dock-1", "dock-2"}, slices.Repeat(b.names, 8)...))
		retries := w.chance.IntN(3)
		w.die(t, server)
		id := ""
		res, err := Do(ctx, w.stores[place], nil, Order{By: "ann", Install: &InstallOrder{Names: []string{name},
			Arming: Arming{Image: "debian-12", Retries: retries, Within: DefaultWithin}}}, w.now, func() string { id = w.newID(); return id })
		died := errors.Is(err, errDied)
		w.lived(t, server, err)
		if err == nil && len(res.Faults) > 0 {
			return
		}
		// Whether it was committed, the person does not know: it counts as ordered if
		// the store has it.
		snap, err := Read(ctx, w.stores[place], nil)
		if err != nil {
			t.Fatal(err)
		}
		if i := snap.installs[name]; i != nil && i.ID == id {
			w.orders[id] = &order{machine: name, retries: retries, starts: map[string]bool{}}
			w.current[place][name] = id
		} else if !died {
			t.Fatalf("the order for %s was taken and is not there", name)
		}
	case "cancel":
		name := pick(w, []string{"plain", "whole", "dock-1", "dock-2"})
		res, err := Do(ctx, w.stores[place], nil, Order{By: "ann", Cancel: []string{name}}, w.now, w.newID)
		if w.lived(t, server, err); len(res.Installs) == 1 {
			w.orders[res.Installs[0].ID].over = true
		}
	case "script":
		b.runs = "" // it has been switched on
		w.die(t, server)
		_, v, err := r.Script(ctx, b.seen, w.now)
		if !w.lived(t, server, err) {
			b.token = ""
			return
		}
		w.given(t, place, b, v)
	case "kernel": // maybe once more, maybe from another server than gave the script
		if b.token == "" {
			return
		}
		w.die(t, server)
		_, err := r.Begin(ctx, b.token, w.now)
		if !w.lived(t, server, err) || err != nil {
			return
		}
		w.starts(t, place, b)
	case "home", "late", "failed":
		token := b.runs
		if what == "late" && len(b.had) > 0 {
			token = pick(w, b.had)
		}
		if token == "" {
			return
		}
		w.die(t, server)
		var err error
		if what == "failed" {
			_, err = r.Failed(ctx, token, "no disk", w.now)
		} else {
			_, err = r.Done(ctx, token, w.now)
		}
		if o := w.orders[w.owner[token]]; w.lived(t, server, err) && err == nil && (what != "failed" || token == b.runs && b.runs == w.newest(b)) {
			o.over = true
		}
	case "off":
		b.runs, b.token = "", ""
	case "restart":
		w.restart(t, server)
	case "saw":
		w.die(t, server)
		_, err := r.Saw(ctx, b.seen, w.now)
		w.lived(t, server, err)
	case "days":
		if w.chance.IntN(10) == 0 {
			w.now = w.now.Add(30 * time.Hour)
		}
	case "look":
		if err := r.refresh(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// newest is the last token under which a kernel left for a machine.
func (w *world) newest(b *box) string {
	if len(b.had) == 0 {
		return ""
	}
	return b.had[len(b.had)-1]
}

// given judges what a machine's script says.
func (w *world) given(t referee, place int, b *box, v Verdict) {
	b.token = v.Token
	if v.Do != ActInstall {
		if v.Token != "" {
			t.Fatalf("a token without an install: %+v", v)
		}
		return
	}
	var id string
	for _, name := range b.names {
		id = w.current[place][name]
	}
	o := w.orders[id]
	switch {
	case o == nil:
		t.Fatalf("%+v is to be installed, and nobody ordered it: %+v", b.seen, v)
	case o.over:
		t.Fatalf("%+v is to be installed once more: %+v", b.seen, v)
	case w.owner[v.Token] != "" && w.owner[v.Token] != id:
		t.Fatalf("a token of two orders: %+v", v)
	case o.box != nil && o.box != b:
		t.Fatalf("two machines for one order: %+v and %+v", o.box.seen, b.seen)
	}
	if v.Code == CodeAgain {
		w.again++
	}
	w.owner[v.Token] = id
	o.box = b
}

// starts judges that a kernel leaves for a machine.
func (w *world) starts(t referee, place int, b *box) {
	id := w.owner[b.token]
	o := w.orders[id]
	switch {
	case o == nil || !slices.Contains(b.names, o.machine) || o.box != b:
		t.Fatalf("a kernel for %+v under a token of %+v", b.seen, o)
	case w.current[place][o.machine] != id:
		t.Fatalf("a kernel for %s by an order that is not the newest of this store", o.machine)
	case o.over:
		t.Fatalf("a kernel for %s after its order was over", o.machine)
	}
	o.starts[b.token] = true
	if len(o.starts) > 1+o.retries {
		t.Fatalf("%s was started %d times, with %d retries", o.machine, len(o.starts), o.retries)
	}
	w.started++
	b.runs = b.token
	if w.newest(b) != b.token {
		b.had = append(b.had, b.token)
	}
}

// seeds is how many histories are played, each of so many steps.
const seeds, steps = 150, 300

// TestOnceAndNoLoop plays histories by chance. One that fails is named by its
// seed.
func TestOnceAndNoLoop(t *testing.T) {
	started, again, died := 0, 0, 0
	for seed := range uint64(seeds) {
		if failure := caught(func(r referee) {
			w := newWorld(r, seed)
			for range steps {
				w.step(r)
			}
			started, again, died = started+w.started, again+w.again, died+w.died
		}); failure != "" {
			t.Fatalf("seed %d: %s", seed, failure)
		}
	}
	t.Logf("%d kernels left, %d attempts followed another, %d servers died", started, again, died)
	if started < 3*seeds || again < seeds/2 || died < 3*seeds {
		t.Error("hardly anything happened")
	}
}

// TestTheGameSeesFaults: an install that counts wrongly, or goes on after a call
// home, is caught.
func TestTheGameSeesFaults(t *testing.T) {
	fails := func(do func(w *world, b *box)) bool {
		return caught(func(rt referee) {
			w := newWorld(rt, 1)
			w.orders["x"] = &order{machine: "plain", retries: 0, starts: map[string]bool{}, box: w.boxes[0]}
			w.current[0]["plain"], w.owner["1"], w.owner["2"] = "x", "x", "x"
			w.boxes[0].token = "1"
			w.starts(rt, 0, w.boxes[0])
			do(w, w.boxes[0])
			w.starts(rt, 0, w.boxes[0])
		}) != ""
	}
	if fails(func(*world, *box) {}) {
		t.Error("a kernel that is read twice is a fault")
	}
	if !fails(func(_ *world, b *box) { b.token = "2" }) {
		t.Error("two attempts without retries are no fault")
	}
	if !fails(func(w *world, _ *box) { w.orders["x"].over = true }) {
		t.Error("an install after the call home is no fault")
	}
	if !fails(func(w *world, b *box) { w.orders["x"].box = w.boxes[1] }) {
		t.Error("another machine's token is no fault")
	}
}

// referee ends a history that broke a rule.
type referee interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// whistle is a referee whose word is a panic.
type whistle struct{}

func (whistle) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (whistle) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// caught plays, and gives what the referee said; "" for nothing.
func caught(game func(referee)) (said string) {
	defer func() {
		if p := recover(); p != nil {
			said = fmt.Sprint(p)
		}
	}()
	game(whistle{})
	return ""
}

func pick[T any](w *world, of []T) T { return of[w.chance.IntN(len(of))] }
