package machines

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
)

// Registry is what a server knows of its machines: a snapshot that follows the
// store, and what machines do to it by booting. Its methods may be called from
// many goroutines at a time.
type Registry struct {
	store   store.Store
	current atomic.Pointer[Snapshot]
	turn    sync.Mutex // over the replacing of current

	mu   sync.Mutex           // over last and asks
	last map[string]time.Time // of machines that wait: when they asked, where the store is behind
	asks asks                 // of machines that wait
}

// Open reads all machines of a store, which stays the caller's to close, beside
// those of the configuration.
func Open(ctx context.Context, s store.Store, configured []model.Machine) (*Registry, error) {
	r := &Registry{store: s, last: map[string]time.Time{}, asks: asks{}}
	return r, r.Configure(ctx, configured)
}

// Read gives what a store has, for who only looks at it.
func Read(ctx context.Context, s store.Store, configured []model.Machine) (*Snapshot, error) {
	var snap *Snapshot
	err := view(ctx, s, func(b *book) (err error) {
		snap, err = readSnapshot(b, configured)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the machines: %w", err)
	}
	return snap, nil
}

// Empty is the snapshot where there is no store yet.
func Empty(configured []model.Machine) *Snapshot {
	snap := &Snapshot{configured: configured, known: map[string]*known{}, byMAC: map[model.MAC][]*known{},
		byUUID: map[model.UUID][]*known{}, bySerial: map[string][]*known{}, byID: map[string][]*known{}}
	for i := range configured {
		snap.add(&known{Machine: configured[i], config: true})
	}
	return snap
}

// Configure takes the machines of another configuration.
func (r *Registry) Configure(ctx context.Context, configured []model.Machine) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	snap, err := Read(ctx, r.store, configured)
	if err == nil {
		r.current.Store(snap)
	}
	return err
}

// Snapshot is what is known now.
func (r *Registry) Snapshot() *Snapshot { return r.current.Load() }

// refresh brings the snapshot up to what is in the store.
func (r *Registry) refresh(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	return view(ctx, r.store, func(b *book) error {
		next, err := r.current.Load().next(b)
		if err == nil {
			r.current.Store(next)
		}
		return err
	})
}

const (
	// followEvery is how long a change that Changes did not tell of may stay
	// unseen.
	followEvery = time.Second
	// flushEvery is how often it is written when machines that wait asked last.
	flushEvery = time.Minute
)

// Follow keeps the snapshot up to date with what others write, and the store
// with when machines asked, until the context ends. fault is told of what goes
// wrong; the snapshot then stays as it is.
func (r *Registry) Follow(ctx context.Context, fault func(error)) {
	changed, stop := r.store.Changes(revisionKey)
	defer stop()
	look, flush := time.NewTicker(followEvery), time.NewTicker(flushEvery)
	defer look.Stop()
	defer flush.Stop()
	err := r.refresh(ctx) // of what came before there was anybody to tell
	for {
		if err != nil && ctx.Err() == nil {
			fault(fmt.Errorf("following the machines: %w", err))
		}
		select {
		case <-ctx.Done():
			// Once more, so that a restart knows who was here.
			if err := r.flush(context.WithoutCancel(ctx)); err != nil {
				fault(err)
			}
			return
		case <-changed:
			err = r.refresh(ctx)
		case <-look.C:
			err = r.refresh(ctx)
		case <-flush.C:
			err = r.flush(ctx)
		}
	}
}

// update writes, and has the snapshot know it.
func (r *Registry) update(ctx context.Context, f func(*book) error) error {
	if err := update(ctx, r.store, f); err != nil {
		return err
	}
	return r.refresh(ctx)
}

// NewToken makes a token that nobody can guess.
func NewToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// Do carries out a person's order and has the snapshot know of it.
func (r *Registry) Do(ctx context.Context, o Order, now time.Time) (Result, error) {
	res, err := Do(ctx, r.store, r.Snapshot().configured, o, now, NewToken)
	if err != nil {
		return res, err
	}
	return res, r.refresh(ctx)
}

// Saw takes what a machine was seen with, and gives what a person should be
// told of it that is new. It writes only where something is.
func (r *Registry) Saw(ctx context.Context, seen Seen, now time.Time) ([]Note, error) {
	snap, isNew := r.Snapshot(), false
	for _, k := range snap.byMAC[seen.MAC] {
		_, n := k.learn(seen, now)
		isNew = isNew || n
	}
	if !isNew {
		return nil, nil
	}
	_, _, notes := snap.Find(seen)
	err := r.update(ctx, func(b *book) error {
		for _, k := range snap.byMAC[seen.MAC] {
			fresh := *k
			fresh.sight = sight{}
			if _, err := b.get(sightKey+k.Name, &fresh.sight); err != nil {
				return err
			}
			if s, n := fresh.learn(seen, now); n {
				if err := b.put(sightKey+k.Name, s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("remembering what %s was seen with: %w", seen.MAC, err)
	}
	return notes, nil
}

// Script says what the machine that asks for its script gets. An answer
// ActInstall is on stable storage.
func (r *Registry) Script(ctx context.Context, seen Seen, now time.Time) (*model.Machine, Verdict, error) {
	snap := r.Snapshot()
	k, how, notes := snap.find(seen)
	if k == nil {
		return nil, Verdict{Code: CodeNobody, Text: "this machine has no name"}, nil
	}
	who := WhoOf(seen, how, notes)
	have := snap.installs[k.Name]
	if have == nil {
		return &k.Machine, Verdict{Code: CodeNobody, Text: "nobody ordered to install " + k.Name}, nil
	}
	if _, v := Script(*have, who, now, ""); v.Do != ActInstall && !v.News {
		return &k.Machine, v, nil
	}
	var v Verdict
	err := r.update(ctx, func(b *book) error {
		i, err := b.install(k.Name)
		if err != nil {
			return err
		}
		if i == nil {
			v = Verdict{Code: CodeNobody, Text: "nobody ordered to install " + k.Name}
			return nil
		}
		if i.UUID == "" {
			var at sight
			if _, err := b.get(sightKey+k.Name, &at); err != nil {
				return err
			}
			i.UUID = (&known{Machine: k.Machine, sight: at}).uuid()
		}
		next, verdict := Script(*i, who, now, NewToken())
		v = verdict
		return b.putInstall(next)
	})
	if err != nil {
		return &k.Machine, Verdict{}, fmt.Errorf("looking for the install of %s: %w", k.Name, err)
	}
	return &k.Machine, v, nil
}

// Token gives the order that a token is of, as it is in the store. The error is
// *Refused where there is none.
func (r *Registry) Token(ctx context.Context, token string) (model.Install, error) {
	var i *model.Install
	err := view(ctx, r.store, func(b *book) (err error) {
		i, err = b.byToken(token)
		return err
	})
	if err != nil {
		return model.Install{}, err
	}
	return *i, nil
}

// Begin takes a token under which a kernel is about to be served. When it
// returns nil the attempt is on stable storage, and the kernel may leave. The
// error is *Refused where it may not.
func (r *Registry) Begin(ctx context.Context, token string, now time.Time) (model.Install, error) {
	return r.byToken(ctx, token, func(i model.Install) (model.Install, error) { return Begin(i, token, now) })
}

// Done takes the call home of an installer that has finished.
func (r *Registry) Done(ctx context.Context, token string, now time.Time) (model.Install, error) {
	return r.byToken(ctx, token, func(i model.Install) (model.Install, error) { return Done(i, token, now) })
}

// Failed takes the word of an installer that it failed.
func (r *Registry) Failed(ctx context.Context, token, why string, now time.Time) (model.Install, error) {
	return r.byToken(ctx, token, func(i model.Install) (model.Install, error) { return Failed(i, token, why, now) })
}

// Step keeps a step that an installer reports.
func (r *Registry) Step(ctx context.Context, token, name string, now time.Time) (model.Install, error) {
	return r.byToken(ctx, token, func(i model.Install) (model.Install, error) { return Step(i, token, name, now) })
}

// byToken changes the order that a token is of.
func (r *Registry) byToken(ctx context.Context, token string, do func(model.Install) (model.Install, error)) (model.Install, error) {
	var after model.Install
	err := r.update(ctx, func(b *book) error {
		i, err := b.byToken(token)
		if err != nil {
			return err
		}
		if after, err = do(*i); err != nil {
			return err
		}
		return b.putInstall(after)
	})
	if err != nil && !errors.As(err, new(*Refused)) {
		err = fmt.Errorf("changing an install: %w", err)
	}
	return after, err
}

// Asking is what a machine that nobody has named says of itself.
type Asking struct {
	Seen
	Arch   model.Arch
	Vendor string
	Place  string
}

// Waiting is what such a machine is shown.
type Waiting struct {
	Number int     // on its screen; 0 if it cannot wait: too many do
	Denied *Denied // a person does not want it
	New    bool    // it has come just now: worth an event
}

// Wait has a machine that nobody has named wait for a person. It may be called
// each time that the machine asks, every few seconds: that is not written each
// time.
func (r *Registry) Wait(ctx context.Context, a Asking, now time.Time) (Waiting, error) {
	key := waitKey(a.MAC, a.UUID)
	if key == "" {
		return Waiting{}, errors.New("a machine with neither MAC address nor UUID cannot wait to be named")
	}
	now = now.UTC()
	snap := r.Snapshot()
	if d := snap.isDenied(a.Seen, now); d != nil {
		return Waiting{Denied: d}, nil
	}
	if p := snap.waits(a.Seen); p != nil && p.Serial == a.serial(p) {
		r.asked(waitKey(p.MAC, p.UUID), p.Last, now)
		return Waiting{Number: p.Number}, nil
	}
	var w Waiting
	asks := r.asking()
	err := r.update(ctx, func(b *book) (err error) {
		w, err = b.wait(a, now, asks)
		return err
	})
	if err != nil {
		return Waiting{}, fmt.Errorf("having %s wait: %w", a.MAC, err)
	}
	if w.Number > 0 {
		r.asked(key, now, now)
	}
	return w, nil
}

// asking gives who asks, as it is now, where there may be too many; nil where
// that is far.
func (r *Registry) asking() asks {
	n := len(r.Snapshot().pending)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.asks) > 2*maxPending {
		waits := r.Snapshot().pending
		maps.DeleteFunc(r.asks, func(key string, _ ask) bool { return waits[key] == nil })
	}
	if n < maxPending-dropPending {
		return nil
	}
	return maps.Clone(r.asks)
}

// serial is what is kept of a serial number: the first that is worth something.
func (a Asking) serial(p *Pending) string {
	if p.Serial != "" || serialKey(a.Serial) == "" {
		return p.Serial
	}
	return printable(a.Serial)
}

// wait puts a machine among those that wait, or finds it there.
func (b *book) wait(a Asking, now time.Time, asks asks) (Waiting, error) {
	key := waitKey(a.MAC, a.UUID)
	var p Pending
	ok, err := b.get(pendingKey+key, &p)
	if err != nil {
		return Waiting{}, err
	}
	if !ok && a.MAC != "" && canonical(a.UUID) != "" {
		// It asked before it sent its UUID.
		bare := waitKey(a.MAC, "")
		if ok, err = b.get(pendingKey+bare, &p); err != nil {
			return Waiting{}, err
		}
		if ok {
			p.UUID = good(a.UUID)
			if err := b.delete(pendingKey + bare); err != nil {
				return Waiting{}, err
			}
		}
	}
	if ok {
		p.Last, p.Serial = now, a.serial(&p)
		return Waiting{Number: p.Number}, b.put(pendingKey+key, p)
	}
	if room, err := b.makeRoom(now, asks); !room || err != nil {
		return Waiting{}, err
	}
	p = Pending{MAC: a.MAC, UUID: good(a.UUID), Arch: a.Arch, Vendor: printable(a.Vendor), Place: printable(a.Place), First: now, Last: now}
	p.Serial = a.serial(&p)
	if err := b.numbers(func(used []byte) []byte { p.Number, used = freeNumber(used); return used }); err != nil {
		return Waiting{}, err
	}
	return Waiting{Number: p.Number, New: true}, b.put(pendingKey+key, p)
}

// asked remembers when a machine that waits asked, and what of that the store is
// to know.
func (r *Registry) asked(key string, stored, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks[key] = ask{now, !r.asks[key].last.IsZero()}
	if now.Sub(stored) >= lastEvery {
		r.last[key] = now
	}
}

// flush writes when machines that wait asked last, all at once.
func (r *Registry) flush(ctx context.Context) error {
	r.mu.Lock()
	last := r.last
	r.last = map[string]time.Time{}
	r.mu.Unlock()
	if len(last) == 0 {
		return nil
	}
	err := r.update(ctx, func(b *book) error {
		for key, at := range last {
			var p Pending
			ok, err := b.get(pendingKey+key, &p)
			if err != nil {
				return err
			}
			if !ok || !at.After(p.Last) {
				continue
			}
			p.Last = at
			if err := b.put(pendingKey+key, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.mu.Lock()
		maps.Copy(last, r.last)
		r.last = last
		r.mu.Unlock()
		return fmt.Errorf("writing when machines asked last: %w", err)
	}
	return nil
}
