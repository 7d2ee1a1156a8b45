package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
)

// Keys of the archive. IDs begin with the time, so boots lie in its order.
const (
	// bootKey is where a whole boot is: packed JSON of model.Boot.
	bootKey = "boot/"
	// indexKey is where a boot is without its steps and evidence, JSON: what
	// List and Trim read.
	indexKey = "boot-index/"
)

const (
	// listPage is how many boots are read in one view. A view that is long open
	// keeps the store's log from being used anew, and callers of List may be slow.
	listPage = 256
	// deleteBatch is how many boots are dropped in one update: Save waits for it.
	deleteBatch = 256
	// candidates is how many boots an Ambiguous names.
	candidates = 8
)

// Limits say what Trim keeps.
type Limits struct {
	Good   time.Duration // how long boots that went well are kept
	Failed time.Duration // how long the others are
	Boots  int           // how many in all; the oldest good ones go first
}

// DefaultLimits are two weeks, three months, 20,000 boots.
func DefaultLimits() Limits {
	return Limits{Good: 14 * 24 * time.Hour, Failed: 90 * 24 * time.Hour, Boots: 20000}
}

// StoreArchive keeps boots in a store. It implements Archive; its methods may
// be called from many goroutines. What fails in it, be it a fault of its own,
// comes back as an error: history never stops the service.
type StoreArchive struct {
	store  store.Store
	limits Limits

	mu   sync.Mutex // over pack
	pack packer
}

// NewArchive makes an archive in a store, which stays the caller's to close.
func NewArchive(s store.Store, limits Limits) *StoreArchive {
	return &StoreArchive{store: s, limits: limits}
}

// Ambiguous is the error of Load for a beginning that several boots have.
type Ambiguous struct {
	ID   string
	IDs  []string // the newest of them
	More bool     // there are others
}

func (e *Ambiguous) Error() string {
	more := ""
	if e.More {
		more = " …"
	}
	return fmt.Sprintf("several boots begin with %q: %s%s", e.ID, strings.Join(e.IDs, " "), more)
}

// guard turns a panic into an error.
func guard(doing string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: %v\n%s", doing, p, debug.Stack())
	}
}

// entry is a boot as it is written.
type entry struct {
	id          string
	boot, index []byte // no index: the one that is there stays
}

// Save implements Archive. When it returns nil, the boots are as safe as the
// store makes them.
func (a *StoreArchive) Save(boots []Saved) (err error) {
	defer guard("saving boots", &err)
	all := make([]entry, 0, len(boots))
	for _, b := range boots {
		e, err := a.entryOf(b)
		if err != nil {
			return fmt.Errorf("saving boot %s: %v", idOf(b), err)
		}
		all = append(all, e)
	}
	err = a.store.Update(context.Background(), func(tx store.Tx) error {
		for _, e := range all {
			if err := tx.Put(bootKey+e.id, e.boot); err != nil {
				return err
			}
			if e.index == nil {
				continue
			}
			if err := tx.Put(indexKey+e.id, e.index); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("saving %d boots: %w", len(boots), err)
	}
	return nil
}

func idOf(b Saved) string {
	if b.Boot == nil {
		return "?"
	}
	return b.ID
}

func (a *StoreArchive) entryOf(b Saved) (entry, error) {
	if b.Boot == nil || b.ID == "" {
		return entry{}, errors.New("it has no ID")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	boot, err := a.pack.boot(b.Boot)
	if err != nil {
		return entry{}, err
	}
	if b.Listed {
		return entry{b.ID, boot, nil}, nil
	}
	index, err := a.pack.index(b.Boot)
	return entry{b.ID, boot, index}, err
}

// brief is a boot as lists have it.
func brief(b *model.Boot) *model.Boot {
	c := *b
	c.Steps, c.Verdict.Evidence = nil, nil
	return &c
}

// Load implements Archive: the error is ErrNotFound, or *Ambiguous.
func (a *StoreArchive) Load(id string) (b *model.Boot, err error) {
	defer guard("reading boot "+id, &err)
	if id == "" {
		return nil, ErrNotFound
	}
	err = a.store.View(context.Background(), func(tx store.Tx) error {
		packed, err := tx.Get(bootKey + id)
		if errors.Is(err, store.ErrNotFound) {
			if id, err = complete(tx, id); err == nil {
				packed, err = tx.Get(bootKey + id)
			}
		}
		if err != nil {
			return err
		}
		b, err = unpackBoot(packed)
		return err
	})
	var several *Ambiguous
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, ErrNotFound), errors.As(err, &several):
		return nil, err
	}
	return nil, fmt.Errorf("reading boot %s: %w", id, err)
}

// complete finds the one ID that begins so.
func complete(tx store.Tx, id string) (string, error) {
	var found []string
	err := tx.Scan(store.Range{Prefix: indexKey + id, Back: true}, func(key string, _ []byte) bool {
		found = append(found, strings.TrimPrefix(key, indexKey))
		return len(found) <= candidates
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", ErrNotFound
	case len(found) == 1:
		return found[0], nil
	}
	return "", &Ambiguous{ID: id, IDs: found[:min(len(found), candidates)], More: len(found) > candidates}
}

// List implements Archive. Boots come without steps and evidence. One that
// cannot be read is left out, and the first such is the error when the others
// have come.
func (a *StoreArchive) List(want func(*model.Boot) bool) (err error) {
	defer guard("listing boots", &err)
	var unread error
	err = a.pages(true, func(id string, value []byte) bool {
		b := new(model.Boot)
		if err := json.Unmarshal(value, b); err != nil {
			if unread == nil {
				unread = fmt.Errorf("reading boot %s: %v", id, err)
			}
			return true
		}
		return want(b)
	})
	if err != nil {
		return fmt.Errorf("listing boots: %w", err)
	}
	return unread
}

// pages goes through the index, a page to a view, outside of the view.
func (a *StoreArchive) pages(back bool, each func(id string, value []byte) bool) error {
	type item struct {
		id    string
		value []byte
	}
	last := ""
	for {
		page := make([]item, 0, listPage)
		err := a.store.View(context.Background(), func(tx store.Tx) error {
			r := store.Range{Prefix: indexKey, Back: back}
			if last != "" {
				r.From = indexKey + last
			}
			return tx.Scan(r, func(key string, value []byte) bool {
				if id := strings.TrimPrefix(key, indexKey); id != last {
					page = append(page, item{id, value})
				}
				return len(page) < listPage
			})
		})
		if err != nil {
			return err
		}
		for _, it := range page {
			if !each(it.id, it.value) {
				return nil
			}
		}
		if len(page) < listPage {
			return nil
		}
		last = page[len(page)-1].id
	}
}
