package machines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
)

// Keys in the store. All values are JSON, but for numbersKey.
const (
	recordKey  = "machine/"         // NAME: Record
	sightKey   = "machine-seen/"    // NAME: sight
	installKey = "install/"         // NAME: model.Install
	tokenKey   = "install-token/"   // TOKEN: the machine's name
	pendingKey = "machine-pending/" // MAC/UUID: Pending
	deniedKey  = "machine-denied/"  // MAC/UUID: Denied
	numbersKey = "machine-numbers"  // a bit for each number that a pending machine has
	logKey     = "machine-log/"     // revision, 16 hexadecimal digits: the keys that it changed
	// revisionKey counts updates: who follows the store watches it alone.
	revisionKey = "machine-revision"
)

const (
	// keptRevisions is how far back a snapshot can be brought up to date without
	// reading all machines.
	keptRevisions = 512
	// maxChanged is how many keys a revision names; one that changed more has
	// everything read anew.
	maxChanged = 1000
)

// book reads and writes what is kept, in one transaction.
type book struct {
	tx      store.Tx
	changed []string
}

// update runs f in a transaction that is written down as a revision, if it
// changed anything.
func update(ctx context.Context, s store.Store, f func(*book) error) error {
	return s.Update(ctx, func(tx store.Tx) error {
		b := &book{tx: tx}
		if err := f(b); err != nil {
			return err
		}
		return b.close()
	})
}

func view(ctx context.Context, s store.Store, f func(*book) error) error {
	return s.View(ctx, func(tx store.Tx) error { return f(&book{tx: tx}) })
}

func revisionOf(n uint64) string { return logKey + fmt.Sprintf("%016x", n) }

func (b *book) revision() (uint64, error) {
	v, err := b.tx.Get(revisionKey)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %v", revisionKey, err)
	}
	return n, nil
}

// close writes the revision.
func (b *book) close() error {
	if len(b.changed) == 0 {
		return nil
	}
	n, err := b.revision()
	if err != nil {
		return err
	}
	n++
	if len(b.changed) > maxChanged {
		b.changed = nil // null: everything
	}
	list, err := json.Marshal(b.changed)
	if err != nil {
		return err
	}
	if err := b.tx.Put(revisionOf(n), list); err != nil {
		return err
	}
	if n > keptRevisions {
		if err := b.tx.Delete(revisionOf(n - keptRevisions)); err != nil {
			return err
		}
	}
	return b.tx.Put(revisionKey, strconv.AppendUint(nil, n, 10))
}

// changesSince gives the keys that changed after a revision; all is true if
// that is not known any more, or was too much.
func (b *book) changesSince(from, to uint64) (keys []string, all bool, err error) {
	if from == 0 || to < from || to-from > keptRevisions {
		return nil, true, nil
	}
	for n := from + 1; n <= to; n++ {
		var list []string
		ok, err := b.get(revisionOf(n), &list)
		if err != nil {
			return nil, false, err
		}
		if !ok || list == nil {
			return nil, true, nil
		}
		keys = append(keys, list...)
	}
	return keys, false, nil
}

// get reads a value; false if there is none.
func (b *book) get(key string, into any) (bool, error) {
	v, err := b.tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(v, into); err != nil {
		return false, fmt.Errorf("reading %s: %v", key, err)
	}
	return true, nil
}

// put writes a value unless it is there already.
func (b *book) put(key string, value any) error {
	v, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing %s: %v", key, err)
	}
	old, err := b.tx.Get(key)
	switch {
	case err == nil && bytes.Equal(old, v):
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	b.changed = append(b.changed, key)
	return b.tx.Put(key, v)
}

func (b *book) delete(key string) error {
	b.changed = append(b.changed, key)
	return b.tx.Delete(key)
}

// each reads all values under a prefix.
func each[T any](b *book, prefix string, do func(key string, v *T) error) error {
	var fault error
	err := b.tx.Scan(store.Range{Prefix: prefix}, func(key string, value []byte) bool {
		v := new(T)
		if err := json.Unmarshal(value, v); err != nil {
			fault = fmt.Errorf("reading %s: %v", key, err)
			return false
		}
		fault = do(strings.TrimPrefix(key, prefix), v)
		return fault == nil
	})
	return errors.Join(err, fault)
}

// records reads all machines, by name.
func (b *book) records() (map[string]*Record, error) {
	all := map[string]*Record{}
	err := each(b, recordKey, func(name string, r *Record) error {
		all[name] = r
		return nil
	})
	return all, err
}

// install reads a machine's order; nil if there is none.
func (b *book) install(name string) (*model.Install, error) {
	i := new(model.Install)
	if ok, err := b.get(installKey+name, i); !ok {
		return nil, err
	}
	return i, nil
}

// putInstall writes an order, and whose its newest token is.
func (b *book) putInstall(i model.Install) error {
	if i.Token != "" {
		// Not in the revision: no snapshot finds machines by their tokens.
		switch _, err := b.tx.Get(tokenKey + i.Token); {
		case errors.Is(err, store.ErrNotFound):
			if err := b.tx.Put(tokenKey+i.Token, []byte(i.Machine)); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return b.put(installKey+i.Machine, i)
}

// dropInstall forgets an order with its tokens: nothing comes from them any
// more.
func (b *book) dropInstall(i *model.Install) error {
	if err := b.dropTokens(i); err != nil {
		return err
	}
	return b.delete(installKey + i.Machine)
}

func (b *book) dropTokens(i *model.Install) error {
	for _, t := range i.Begins {
		if err := b.tx.Delete(tokenKey + t.Token); err != nil {
			return err
		}
	}
	if i.Token == "" {
		return nil
	}
	return b.tx.Delete(tokenKey + i.Token)
}

// byToken finds the order that a token is of.
func (b *book) byToken(token string) (*model.Install, error) {
	unknown := refuse(CodeToken, "this token is of no install")
	if !isToken(token) {
		return nil, unknown
	}
	name, err := b.tx.Get(tokenKey + token)
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	i, err := b.install(string(name))
	if err == nil && i == nil {
		err = unknown
	}
	return i, err
}

// isToken reports whether a text has the form of a token.
func isToken(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// numbers lends the bits of the numbers of machines that wait.
func (b *book) numbers(do func([]byte) []byte) error {
	used, err := b.tx.Get(numbersKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return b.tx.Put(numbersKey, do(bytes.Clone(used)))
}

// dropPending forgets a machine that waits.
func (b *book) dropPending(key string, p *Pending) error {
	if err := b.numbers(func(used []byte) []byte { return giveBack(used, p.Number) }); err != nil {
		return err
	}
	return b.delete(pendingKey + key)
}

// makeRoom forgets machines that wait, if there are too many: those first that
// asked once and never again, then those that are silent for longest. One that
// goes on asking keeps its place, however many come; false says that all do.
func (b *book) makeRoom(now time.Time, asks asks) (bool, error) {
	used, err := b.tx.Get(numbersKey)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	n := 0
	for _, octet := range used {
		n += bits.OnesCount8(octet)
	}
	if err != nil || n < maxPending {
		return true, err
	}
	var all []*Pending
	err = each(b, pendingKey, func(key string, p *Pending) error {
		last, again := asks.of(key)
		if last.After(p.Last) {
			p.Last = last
		}
		if !again || now.Sub(p.Last) >= silentFor {
			all = append(all, p)
		}
		return nil
	})
	if err != nil || len(all) == 0 {
		return false, err
	}
	slices.SortFunc(all, func(p, q *Pending) int { return p.Last.Compare(q.Last) })
	for _, p := range all[:min(dropPending, len(all))] {
		if err := b.dropPending(waitKey(p.MAC, p.UUID), p); err != nil {
			return false, err
		}
	}
	return true, nil
}
