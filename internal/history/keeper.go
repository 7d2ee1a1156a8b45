// Package history keeps the boots of this server: it joins what the services
// hear and send to records, judges them, hands them to whoever watches, and
// puts them into the store. What is slow happens beside the services: Step
// never waits.
package history

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

const (
	// queueDepth is how many steps may wait. More are counted and left out:
	// history must not slow a boot.
	queueDepth = 32768
	// gather is how long the first of several steps waits for the others: to
	// wake up for each cost a service more than to tell it.
	gather = 10 * time.Millisecond
	// pace is how often boots are judged and stored.
	pace = time.Second
	// trimAfter is how many boots that ended are stored before the archive drops
	// what is too much, though its time has not come: a flood fills no disk.
	trimAfter = 5000
	// neighbourAge is how long a DHCP server counts after it was heard of.
	neighbourAge = time.Hour
	// keepPast is how many earlier boots of a machine are looked at.
	keepPast = 8
	// maxPast bounds the machines whose past is remembered.
	maxPast = 16384
)

// Archive is where boots are kept. Its methods are called from one goroutine,
// but for Load and List.
type Archive interface {
	// Save writes boots, over what it has of the same ID, all or none. They are
	// the caller's: nothing of them is kept or changed.
	Save(boots []Saved) error
	// Load gives a boot by its ID, or by a beginning that only one has.
	Load(id string) (*model.Boot, error)
	// List gives the newest boots first, without steps and evidence, until the
	// function returns false.
	List(func(*model.Boot) bool) error
	// Trim drops what is too old or too much.
	Trim(now time.Time) error
}

// Saved is a boot to be written.
type Saved struct {
	*model.Boot
	// Listed is false where the archive lists this boot already as it is but for
	// its times: its verdict has not changed.
	Listed bool
}

// Keeper keeps the boots. Boots that go on are changed by the goroutine of Run
// alone, with mu held; so that goroutine reads them without, and others with.
type Keeper struct {
	archive Archive
	clock   func() time.Time
	began   time.Time // boots that began before are another process's
	// Ended is told of each verdict when it becomes final, for the log and the
	// metrics; Fault of an archive that fails. Both may be nil.
	Ended func(*model.Boot)
	Fault func(error)

	in   chan item
	lost atomic.Int64
	// going has the MACs of open boots, and with false those that a step in the
	// queue may begin; it is read for each packet of machines that do not boot.
	going sync.Map

	mu      sync.Mutex // all below
	joiner  *record.Joiner
	state   map[*model.Boot]*state
	around  *Around
	closed  []*model.Boot    // ended since boots were last stored; they do not change
	stored  int              // of those, since the archive dropped what is too much
	final   []*model.Boot    // whose verdict became final since Ended was last told
	unsaved map[string]Saved // what the archive did not take
	retry   time.Time        // when the archive is offered that again; Run's own, as unsaved is
	subs    map[chan *model.Boot]bool
	early   early
}

type item struct {
	who  record.Who
	step model.Step
}

// state is what is known of an open boot beyond its record.
type state struct {
	dirty bool      // changed since it was judged
	due   time.Time // when to judge it again though nothing came
	told  bool      // its final verdict was told
	// listed is the verdict that the archive's list has.
	listed listed
}

// listed is what a list says of a boot.
type listed struct {
	code  string
	final bool
}

// New makes a keeper; archive may be nil: boots are then kept while they go on.
func New(archive Archive, clock func() time.Time) *Keeper {
	k := &Keeper{
		archive: archive, clock: clock, began: clock(), in: make(chan item, queueDepth), joiner: record.NewJoiner(),
		state: map[*model.Boot]*state{}, around: NewAround(), subs: map[chan *model.Boot]bool{}, unsaved: map[string]Saved{},
		early: early{asked: map[model.MAC]uint32{}},
	}
	k.joiner.Closed = k.close
	return k
}

// Step takes one step of a boot. It never waits; where too many come at once
// some are left out.
func (k *Keeper) Step(who record.Who, s model.Step) {
	known := true
	if who.MAC != "" && asks(&s) && s.DHCP.Class != "" {
		_, known = k.going.LoadOrStore(who.MAC, false)
	}
	select {
	case k.in <- item{who, s}:
	default:
		k.lost.Add(1)
		if !known {
			k.going.CompareAndDelete(who.MAC, false)
		}
	}
}

// Knows reports whether a boot of a machine goes on, or went on a moment ago:
// what its system does then belongs to it.
func (k *Keeper) Knows(mac model.MAC) bool {
	_, ok := k.going.Load(mac)
	return ok
}

// Lost is how many steps were left out so far.
func (k *Keeper) Lost() int64 { return k.lost.Load() }

// Run joins, judges and stores until the context ends; then it stores what it
// has.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	trim := time.NewTicker(10 * time.Minute)
	defer trim.Stop()
	for {
		select {
		case it := <-k.in:
			time.Sleep(gather)
			k.mu.Lock()
			k.add(it)
			for range min(len(k.in), 1024) {
				k.add(<-k.in)
			}
			k.mu.Unlock()
		case <-tick.C:
			k.judge(k.clock())
			if k.stored >= trimAfter {
				k.trim()
			}
		case <-trim.C:
			k.trim()
		case <-ctx.Done():
			k.finish()
			return
		}
	}
}

func (k *Keeper) finish() {
	k.mu.Lock()
	for len(k.in) > 0 {
		k.add(<-k.in)
	}
	k.mu.Unlock()
	k.retry = time.Time{} // there is no later
	k.judge(k.clock())
}

func (k *Keeper) add(it item) {
	k.around.Hear(it.who, &it.step)
	if k.early.hold(&it) || !k.join(it) {
		return
	}
	for _, w := range k.early.heard(&it) {
		k.join(w)
	}
}

// join adds a step to its boot, and reports whether it has one.
func (k *Keeper) join(it item) bool {
	b := k.joiner.Add(it.who, it.step)
	if b == nil {
		k.going.CompareAndDelete(it.who.MAC, false)
		return false
	}
	st := k.state[b]
	if st == nil {
		st = &state{}
		k.state[b] = st
		k.going.Store(b.MAC, true)
	}
	st.dirty = true
	return true
}

// judge looks at the boots that changed or whose time has come, and stores
// what is new of them.
func (k *Keeper) judge(now time.Time) {
	k.mu.Lock()
	for _, w := range k.early.expired(now) {
		k.join(w)
	}
	k.joiner.Expire(now)
	var save []Saved
	for b, st := range k.state {
		if !st.dirty && (st.due.IsZero() || now.Before(st.due)) {
			continue
		}
		before := b.Verdict
		b.Verdict = verdict.Judge(k.around.Case(b, now))
		st.due = time.Time{}
		if !b.Verdict.Final {
			st.due = now.Add(again(now.Sub(b.Last)))
		}
		if st.dirty || b.Verdict.Final && !before.Final || b.Verdict.Code != before.Code {
			l := listed{b.Verdict.Code, b.Verdict.Final}
			save = append(save, Saved{Boot: b, Listed: st.listed == l})
			st.listed = l
		}
		st.dirty = false
		k.tell(b, st)
	}
	for _, b := range k.closed {
		save = append(save, Saved{Boot: b})
	}
	final := k.final
	k.stored += len(k.closed)
	k.closed, k.final = nil, nil
	watchers := k.watchers()
	k.mu.Unlock()
	for _, b := range final {
		if k.Ended != nil {
			k.Ended(b)
		}
	}
	show(save, watchers)
	k.store(save, now)
}

// again is when to judge a boot anew from which nothing came for that long: its
// verdict is late by an eighth of what it waited for.
func again(quiet time.Duration) time.Duration {
	return min(max(quiet/8, 2*pace), 15*pace)
}

// show hands boots to those who watch.
func show(boots []Saved, watchers []chan *model.Boot) {
	if len(watchers) == 0 {
		return
	}
	for _, b := range boots {
		c := copyOf(b.Boot)
		for _, w := range watchers {
			select {
			case w <- c:
			default: // slow: it misses one, and the next says all
			}
		}
	}
}

const (
	// maxUnsaved bounds what is kept for an archive that takes nothing.
	maxUnsaved = 20000
	// retryPace is how often such an archive is offered it again.
	retryPace = 5 * time.Second
)

// store puts boots into the archive. What it does not take is offered again.
func (k *Keeper) store(save []Saved, now time.Time) {
	if k.archive == nil || len(save)+len(k.unsaved) == 0 {
		return
	}
	if len(k.unsaved) > 0 {
		for _, b := range save {
			k.keepUnsaved(b)
		}
		if now.Before(k.retry) {
			return
		}
		save = save[:0]
		for _, b := range k.unsaved {
			save = append(save, b)
		}
	}
	err := k.archive.Save(save)
	if err == nil {
		clear(k.unsaved)
		return
	}
	k.retry = now.Add(retryPace)
	for _, b := range save {
		k.keepUnsaved(b)
	}
	if k.Fault != nil {
		k.Fault(err)
	}
}

// keepUnsaved remembers a boot for later: its list is to be written, for what
// is there is not known.
func (k *Keeper) keepUnsaved(b Saved) {
	if _, ok := k.unsaved[b.ID]; ok || len(k.unsaved) < maxUnsaved {
		k.unsaved[b.ID] = Saved{Boot: b.Boot}
	}
}

// tell says a final verdict once.
func (k *Keeper) tell(b *model.Boot, st *state) {
	if !b.Verdict.Final || st.told {
		return
	}
	st.told = true
	k.around.settled(b)
	k.final = append(k.final, copyOf(b))
}

// close takes a boot to which nothing more will be added.
func (k *Keeper) close(b *model.Boot) {
	st := k.state[b]
	delete(k.state, b)
	k.going.Delete(b.MAC)
	delete(k.early.asked, b.MAC)
	b.Verdict = verdict.Judge(k.around.Case(b, k.clock()))
	if st == nil {
		st = &state{}
	}
	k.tell(b, st)
	k.around.ended(b)
	k.closed = append(k.closed, b)
}

// copyOf copies a boot as far as the joiner changes it.
func copyOf(b *model.Boot) *model.Boot {
	c := *b
	c.Steps = slices.Clone(b.Steps)
	for i := range c.Steps {
		// Joined steps add up in place.
		if d := c.Steps[i].DHCP; d != nil {
			copied := *d
			c.Steps[i].DHCP = &copied
		}
		if f := c.Steps[i].File; f != nil {
			copied := *f
			c.Steps[i].File = &copied
		}
	}
	return &c
}

func (k *Keeper) trim() {
	k.stored = 0
	if k.archive == nil {
		return
	}
	if err := k.archive.Trim(k.clock()); err != nil && k.Fault != nil {
		k.Fault(err)
	}
}

func (k *Keeper) watchers() []chan *model.Boot {
	all := make([]chan *model.Boot, 0, len(k.subs))
	for c := range k.subs {
		all = append(all, c)
	}
	return all
}

// Watch gives each boot whenever something of it changes, at most once a
// second, until stop is called. Who is slow misses some.
func (k *Keeper) Watch() (boots <-chan *model.Boot, stop func()) {
	c := make(chan *model.Boot, 256)
	k.mu.Lock()
	k.subs[c] = true
	k.mu.Unlock()
	return c, func() {
		k.mu.Lock()
		delete(k.subs, c)
		k.mu.Unlock()
	}
}

// Show gives one boot, by its ID or a beginning of it that only one has.
func (k *Keeper) Show(id string) (*model.Boot, error) {
	k.mu.Lock()
	for b := range k.state {
		if b.ID == id {
			c := copyOf(b)
			c.Verdict = verdict.Judge(k.around.Case(b, k.clock()))
			k.mu.Unlock()
			return c, nil
		}
	}
	k.mu.Unlock()
	if k.archive == nil {
		return nil, ErrNotFound
	}
	return k.archive.Load(id)
}

// List gives the newest boots first, without steps and evidence, as long as
// want returns true. Those that go on have the verdict of this moment.
func (k *Keeper) List(want func(*model.Boot) bool) error {
	k.mu.Lock()
	now := k.clock()
	open := make([]*model.Boot, 0, len(k.state))
	for b := range k.state {
		c := *b
		c.Verdict = verdict.Judge(k.around.Case(b, now))
		open = append(open, brief(&c))
	}
	k.mu.Unlock()
	slices.SortFunc(open, func(a, b *model.Boot) int { return compareIDs(b.ID, a.ID) })
	seen := map[string]bool{}
	for _, b := range open {
		seen[b.ID] = true
	}
	if k.archive == nil {
		for _, b := range open {
			if !want(b) {
				break
			}
		}
		return nil
	}
	stopped := false
	err := k.archive.List(func(b *model.Boot) bool {
		for len(open) > 0 && compareIDs(open[0].ID, b.ID) >= 0 && !stopped {
			stopped = !want(open[0])
			open = open[1:]
		}
		if !stopped && !seen[b.ID] {
			stopped = !want(b)
		}
		return !stopped
	})
	for _, b := range open {
		if stopped {
			break
		}
		stopped = !want(b)
	}
	return err
}

// compareIDs orders boots by their beginning: IDs begin with the time.
func compareIDs(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
