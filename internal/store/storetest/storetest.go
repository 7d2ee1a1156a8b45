// Package storetest says what every engine of the store does, as tests that
// each of them passes. Only tests import it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"hobnail/internal/store"
)

// Run runs the suite. open gives an empty store, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"what is put is got", putGet},
		{"keys and values are of any octets", anyOctets},
		{"what no engine takes is refused", refused},
		{"a value belongs to whoever got it", values},
		{"an update that fails writes nothing", rollback},
		{"an update that panics writes nothing", panics},
		{"an update sees what it wrote", ownWrites},
		{"a view writes nothing", viewReadsOnly},
		{"a view sees one moment", oneMoment},
		{"a transaction ends with its function", over},
		{"a scan gives its range, in order", ranges},
		{"a scan of ten thousand keys", tenThousand},
		{"a scan while its transaction writes", scanWhileWriting},
		{"scans side by side and one in another", nestedScans},
		{"against a map, by chance", model},
		{"readers beside a writer", readersBesideWriter},
		{"writers wait for each other", writers},
		{"a context that ended", contexts},
		{"changes are told", changes},
		{"a lock has one holder", locks},
		{"after Close", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			c.test(t, s)
		})
	}
}

func update(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s store.Store, pairs ...string) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Put(pairs[i], []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
}

// all is what the store has, as key=value.
func all(t *testing.T, s store.Store, r store.Range) []string {
	t.Helper()
	got := []string{}
	view(t, s, func(tx store.Tx) error {
		return tx.Scan(r, func(key string, value []byte) bool {
			got = append(got, key+"="+string(value))
			return true
		})
	})
	return got
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func putGet(t *testing.T, s store.Store) {
	put(t, s, "a", "1", "b", "2")
	put(t, s, "a", "3")
	view(t, s, func(tx store.Tx) error {
		for key, value := range map[string]string{"a": "3", "b": "2"} {
			if got, err := tx.Get(key); err != nil || string(got) != value {
				t.Errorf("%s: %q, %v; want %q", key, got, err, value)
			}
		}
		if _, err := tx.Get("c"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a key that is not there: %v", err)
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.Delete("a"), tx.Delete("nothing")) })
	want(t, all(t, s, store.Range{}), "b=2")
}

func anyOctets(t *testing.T, s store.Store) {
	keys := []string{
		"\x00", "\x00\x00", "\x00a", "a\x00", "a\x00b", "'; DROP TABLE kv; --", "%_?*", "\xff", "\xff\xff", "\xff\x00",
		"é", "\xc3", "<script>", strings.Repeat("\xff", store.MaxKey), strings.Repeat("k", store.MaxKey),
	}
	for c := range 256 {
		keys = append(keys, "octet"+string([]byte{byte(c)}))
	}
	value := func(key string) []byte {
		all := make([]byte, 0, 600)
		for c := range 256 {
			all = append(all, byte(c))
		}
		return append(all, key...)
	}
	update(t, s, func(tx store.Tx) error {
		for _, key := range keys {
			if err := tx.Put(key, value(key)); err != nil {
				return err
			}
		}
		return errors.Join(tx.Put("empty", []byte{}), tx.Put("nil", nil))
	})
	view(t, s, func(tx store.Tx) error {
		for _, key := range keys {
			if got, err := tx.Get(key); err != nil || !bytes.Equal(got, value(key)) {
				t.Errorf("%q: %q, %v", key, got, err)
			}
		}
		for _, key := range []string{"empty", "nil"} {
			if got, err := tx.Get(key); err != nil || len(got) != 0 {
				t.Errorf("%s: %q, %v", key, got, err)
			}
		}
		return nil
	})
	keys = append(keys, "empty", "nil")
	slices.Sort(keys)
	var got []string
	view(t, s, func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(key string, _ []byte) bool { got = append(got, key); return true })
	})
	want(t, got, keys...)
}

func refused(t *testing.T, s store.Store) {
	put(t, s, "big", strings.Repeat("v", 3<<20))
	update(t, s, func(tx store.Tx) error {
		if got, err := tx.Get("big"); err != nil || len(got) != 3<<20 {
			t.Errorf("a big value: %d octets, %v", len(got), err)
		}
		for _, c := range []struct {
			what, key string
			size      int
		}{
			{"no key", "", 1}, {"a long key", strings.Repeat("k", store.MaxKey+1), 1}, {"a long value", "k", store.MaxValue + 1},
		} {
			if err := tx.Put(c.key, make([]byte, c.size)); err == nil {
				t.Errorf("%s was taken", c.what)
			}
		}
		return tx.Put("small", nil) // what was refused harms nothing
	})
	want(t, all(t, s, store.Range{From: "c"}), "small=")
}

func values(t *testing.T, s store.Store) {
	mine := []byte("mine")
	update(t, s, func(tx store.Tx) error {
		err := tx.Put("k", mine)
		copy(mine, "XXXX")
		return err
	})
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Get("k")
		copy(got, "YYYY")
		return errors.Join(err, tx.Scan(store.Range{}, func(_ string, value []byte) bool {
			copy(value, "ZZZZ")
			return true
		}))
	})
	want(t, all(t, s, store.Range{}), "k=mine")
}

func rollback(t *testing.T, s store.Store) {
	put(t, s, "kept", "1", "changed", "2", "deleted", "3")
	no := errors.New("no")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(tx.Put("changed", []byte("9")), tx.Delete("deleted"), tx.Put("new", nil), no)
	})
	if !errors.Is(err, no) {
		t.Fatalf("the error is %v", err)
	}
	want(t, all(t, s, store.Range{}), "changed=2", "deleted=3", "kept=1")
	put(t, s, "new", "4") // and the next is not held up
}

func panics(t *testing.T, s store.Store) {
	put(t, s, "kept", "1")
	for _, run := range []func(context.Context, func(store.Tx) error) error{s.Update, s.View} {
		func() {
			defer func() {
				if p := recover(); p != "no" {
					t.Errorf("the panic became %v", p)
				}
			}()
			_ = run(context.Background(), func(tx store.Tx) error {
				_ = tx.Put("new", nil)
				panic("no")
			})
		}()
	}
	want(t, all(t, s, store.Range{}), "kept=1")
	put(t, s, "new", "2")
}

func ownWrites(t *testing.T, s store.Store) {
	put(t, s, "a", "1", "b", "2")
	update(t, s, func(tx store.Tx) error {
		if err := errors.Join(tx.Put("a", []byte("9")), tx.Delete("b"), tx.Put("c", []byte("3"))); err != nil {
			return err
		}
		var got []string
		err := tx.Scan(store.Range{}, func(key string, value []byte) bool {
			got = append(got, key+"="+string(value))
			return true
		})
		want(t, got, "a=9", "c=3")
		if _, e := tx.Get("b"); !errors.Is(e, store.ErrNotFound) {
			t.Errorf("a key that it deleted: %v", e)
		}
		return err
	})
}

func viewReadsOnly(t *testing.T, s store.Store) {
	put(t, s, "a", "1")
	view(t, s, func(tx store.Tx) error {
		if err := tx.Put("b", nil); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("Put in a View: %v", err)
		}
		if err := tx.Delete("a"); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("Delete in a View: %v", err)
		}
		return nil
	})
	want(t, all(t, s, store.Range{}), "a=1")
}

func oneMoment(t *testing.T, s store.Store) {
	put(t, s, "a", "1", "b", "1")
	view(t, s, func(tx store.Tx) error {
		if got, err := tx.Get("a"); err != nil || string(got) != "1" {
			t.Errorf("a: %q, %v", got, err)
		}
		// A writer does not wait for this view, nor the view for it.
		put(t, s, "a", "2", "b", "2", "c", "2")
		want(t, all(t, s, store.Range{}), "a=2", "b=2", "c=2")
		var got []string
		err := tx.Scan(store.Range{}, func(key string, value []byte) bool {
			got = append(got, key+"="+string(value))
			return true
		})
		want(t, got, "a=1", "b=1")
		return err
	})
}

func over(t *testing.T, s store.Store) {
	var kept store.Tx
	keep := func(tx store.Tx) error { kept = tx; return nil }
	for _, run := range []func(context.Context, func(store.Tx) error) error{s.Update, s.View} {
		if err := run(context.Background(), keep); err != nil {
			t.Fatal(err)
		}
		_, err := kept.Get("a")
		for _, err := range []error{err, kept.Scan(store.Range{}, nil), kept.Put("a", nil), kept.Delete("a")} {
			if err == nil {
				t.Error("a transaction that is over still works")
			}
		}
	}
	want(t, all(t, s, store.Range{}))
}

func ranges(t *testing.T, s store.Store) {
	put(t, s, "a", "", "b/1", "", "b/2", "", "b/3", "", "b0", "", "c", "", "\xff", "", "\xff\xff", "", "\xff\xffx", "")
	for _, c := range []struct {
		r    store.Range
		want string
	}{
		{store.Range{}, "a b/1 b/2 b/3 b0 c \xff \xff\xff \xff\xffx"},
		{store.Range{Back: true}, "\xff\xffx \xff\xff \xff c b0 b/3 b/2 b/1 a"},
		{store.Range{Prefix: "b/"}, "b/1 b/2 b/3"},
		{store.Range{Prefix: "b/", Back: true}, "b/3 b/2 b/1"},
		{store.Range{Prefix: "b/", From: "b/2"}, "b/2 b/3"},
		{store.Range{Prefix: "b/", From: "b/2", Back: true}, "b/2 b/1"},
		{store.Range{Prefix: "b/", From: "b/25"}, "b/3"},
		{store.Range{Prefix: "b/", From: "b/25", Back: true}, "b/2 b/1"},
		{store.Range{Prefix: "b/", From: "a"}, "b/1 b/2 b/3"},
		{store.Range{Prefix: "b/", From: "a", Back: true}, ""},
		{store.Range{Prefix: "b/", From: "z"}, ""},
		{store.Range{Prefix: "b/", From: "z", Back: true}, "b/3 b/2 b/1"},
		{store.Range{Prefix: "b/2"}, "b/2"},
		{store.Range{Prefix: "b/2x"}, ""},
		{store.Range{From: "b0"}, "b0 c \xff \xff\xff \xff\xffx"},
		{store.Range{From: "b0", Back: true}, "b0 b/3 b/2 b/1 a"},
		{store.Range{Prefix: "\xff"}, "\xff \xff\xff \xff\xffx"},
		{store.Range{Prefix: "\xff\xff", Back: true}, "\xff\xffx \xff\xff"},
	} {
		got := []string{}
		view(t, s, func(tx store.Tx) error {
			return tx.Scan(c.r, func(key string, _ []byte) bool { got = append(got, key); return true })
		})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
	var got []string
	view(t, s, func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(key string, _ []byte) bool { got = append(got, key); return len(got) < 2 })
	})
	want(t, got, "a", "b/1")
}

func number(i int) string { return fmt.Sprintf("key/%06d", i) }

func tenThousand(t *testing.T, s store.Store) {
	const n = 10000
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for i := 0; i < n; i += 1000 {
		update(t, s, func(tx store.Tx) error {
			for _, k := range order[i : i+1000] {
				if err := tx.Put(number(k), []byte(number(k)+"'s value")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, back := range []bool{false, true} {
		i := 0
		view(t, s, func(tx store.Tx) error {
			return tx.Scan(store.Range{Prefix: "key/", Back: back}, func(key string, value []byte) bool {
				k := i
				if back {
					k = n - 1 - i
				}
				if key != number(k) || string(value) != key+"'s value" {
					t.Fatalf("number %d is %q=%q", k, key, value)
				}
				i++
				return true
			})
		})
		if i != n {
			t.Errorf("%d keys, want %d", i, n)
		}
	}
}

func scanWhileWriting(t *testing.T, s store.Store) {
	const n = 2000
	update(t, s, func(tx store.Tx) error {
		for i := range n {
			if err := tx.Put(number(i), []byte("old")); err != nil {
				return err
			}
		}
		return nil
	})
	// Even ones are deleted or changed, and new ones put between, before and
	// behind; the odd ones come all the same, each once and in order.
	var odd []string
	update(t, s, func(tx store.Tx) error {
		i := 0
		err := tx.Scan(store.Range{Prefix: "key/"}, func(key string, value []byte) bool {
			if i++; len(key) > len(number(0)) {
				return i < 10*n // one that was put here
			}
			if key[len(key)-1]%2 == 1 {
				odd = append(odd, key)
			}
			err := errors.Join(tx.Delete(number((i*7)%n&^1)), tx.Put(number((i*13)%n&^1), []byte("new")), tx.Put(key+"x", nil), tx.Put("a"+key, nil))
			if err != nil {
				t.Fatal(err)
			}
			return true
		})
		return err
	})
	if len(odd) != n/2 || !slices.IsSorted(odd) || len(slices.Compact(slices.Clone(odd))) != n/2 {
		t.Errorf("%d keys that were not written came, want %d, each once and in order", len(odd), n/2)
	}
}

func nestedScans(t *testing.T, s store.Store) {
	put(t, s, "a", "", "b", "", "c", "")
	var got []string
	view(t, s, func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(x string, _ []byte) bool {
			err := tx.Scan(store.Range{Back: true}, func(y string, _ []byte) bool {
				got = append(got, x+y)
				return true
			})
			if err != nil {
				t.Error(err)
			}
			return true
		})
	})
	want(t, got, "ac", "ab", "aa", "bc", "bb", "ba", "cc", "cb", "ca")
}

// model does by chance what can be done, and compares with a map.
func model(t *testing.T, s store.Store) {
	r := rand.New(rand.NewPCG(3, 4))
	is := map[string]string{}
	key := func() string {
		k := make([]byte, 1+r.IntN(3))
		for i := range k {
			k[i] = "\x00ab\xff"[r.IntN(4)]
		}
		return string(k)
	}
	no := errors.New("no")
	for range 150 {
		next := map[string]string{}
		for k, v := range is {
			next[k] = v
		}
		commit := r.IntN(4) > 0
		err := s.Update(context.Background(), func(tx store.Tx) error {
			for range r.IntN(12) {
				k, v := key(), fmt.Sprint(r.IntN(1000))
				var err error
				if r.IntN(3) == 0 {
					err = tx.Delete(k)
					delete(next, k)
				} else {
					err = tx.Put(k, []byte(v))
					next[k] = v
				}
				if err != nil {
					return err
				}
			}
			if !commit {
				return no
			}
			return nil
		})
		if commit {
			is = next
		}
		if commit != (err == nil) {
			t.Fatal(err)
		}
		q := store.Range{Back: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			q.Prefix = key()[:1]
		}
		if r.IntN(2) == 0 {
			q.From = key()
		}
		want(t, all(t, s, q), ofMap(is, q)...)
	}
}

// ofMap is Scan by the words of Range.
func ofMap(m map[string]string, r store.Range) []string {
	keys := []string{}
	for k := range m {
		if strings.HasPrefix(k, r.Prefix) && (r.From == "" || !r.Back && k >= r.From || r.Back && k <= r.From) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if r.Back {
		slices.Reverse(keys)
	}
	for i, k := range keys {
		keys[i] = k + "=" + m[k]
	}
	return keys
}

// readersBesideWriter: a writer keeps ten keys equal; no reader ever sees two
// that differ, nor time go backwards.
func readersBesideWriter(t *testing.T, s store.Store) {
	const rounds = 60
	set := func(n int) {
		update(t, s, func(tx store.Tx) error {
			for k := range 10 {
				if err := tx.Put(number(k), fmt.Appendf(nil, "%04d", n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	set(0)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 6 {
		readers.Go(func() {
			last := ""
			for {
				seen := map[string]bool{}
				err := s.View(context.Background(), func(tx store.Tx) error {
					return tx.Scan(store.Range{}, func(_ string, value []byte) bool { seen[string(value)] = true; return true })
				})
				if err != nil || len(seen) != 1 {
					t.Errorf("a view saw %v, %v", seen, err)
					return
				}
				for v := range seen {
					if v < last {
						t.Errorf("%s came after %s", v, last)
					}
					last = v
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range rounds {
		set(n)
	}
	close(done)
	readers.Wait()
}

func writers(t *testing.T, s store.Store) {
	const each, by = 15, 6
	var done sync.WaitGroup
	for range by {
		done.Go(func() {
			for range each {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					value, err := tx.Get("n")
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return err
					}
					return tx.Put("n", append(value, 'x'))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	want(t, all(t, s, store.Range{}), "n="+strings.Repeat("x", each*by))
}

func contexts(t *testing.T, s store.Store) {
	put(t, s, "a", "1", "b", "2", "c", "3")
	ended, end := context.WithCancel(context.Background())
	end()
	touched := func(store.Tx) error { t.Error("it ran"); return nil }
	locked := func(context.Context) error { t.Error("it ran"); return nil }
	for _, err := range []error{s.View(ended, touched), s.Update(ended, touched), s.Lock(ended, "l", locked)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	}
	// One that ends while an update writes.
	ctx, cancel := context.WithCancel(context.Background())
	err := s.Update(ctx, func(tx store.Tx) error {
		if err := tx.Put("a", []byte("9")); err != nil {
			return err
		}
		cancel()
		return tx.Put("b", []byte("9"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	want(t, all(t, s, store.Range{}), "a=1", "b=2", "c=3")
	// One that ends while another update is waited for, and while a scan goes on.
	ctx, cancel = context.WithCancel(context.Background())
	update(t, s, func(store.Tx) error {
		waits := make(chan error)
		go func() { waits <- s.Update(ctx, touched) }()
		cancel()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		return nil
	})
	ctx, cancel = context.WithCancel(context.Background())
	n := 0
	err = s.View(ctx, func(tx store.Tx) error {
		return tx.Scan(store.Range{}, func(string, []byte) bool { n++; cancel(); return true })
	})
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d keys, error %v", n, err)
	}
}

func told(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func changes(t *testing.T, s store.Store) {
	every, stopEvery := s.Changes("")
	defer stopEvery()
	boots, stop := s.Changes("boot/")
	defer stop()
	put(t, s, "boot/1", "", "boot/2", "")
	put(t, s, "boot/3", "")
	if !told(boots) || told(boots) || !told(every) {
		t.Error("two commits under boot/: want one word of it, to both")
	}
	put(t, s, "lease/1", "")
	if told(boots) || !told(every) {
		t.Error("a commit elsewhere: want no word but to who watches all")
	}
	update(t, s, func(tx store.Tx) error { return tx.Delete("boot/1") })
	if !told(boots) {
		t.Error("a deletion was not told")
	}
	told(every)
	if err := s.Update(context.Background(), func(tx store.Tx) error { return errors.Join(tx.Put("boot/9", nil), errors.New("no")) }); err == nil {
		t.Error("it was committed")
	}
	update(t, s, func(store.Tx) error { return nil })
	view(t, s, func(store.Tx) error { return nil })
	if told(boots) || told(every) {
		t.Error("what was not committed was told")
	}
	stop()
	put(t, s, "boot/4", "")
	if told(boots) {
		t.Error("it was told after stop")
	}
}

func locks(t *testing.T, s store.Store) {
	var done sync.WaitGroup
	inside, most := 0, 0
	var mu sync.Mutex
	count := func(by int) {
		mu.Lock()
		inside += by
		most = max(most, inside)
		mu.Unlock()
	}
	for range 8 {
		done.Go(func() {
			for range 20 {
				err := s.Lock(context.Background(), "one", func(context.Context) error {
					count(1)
					defer count(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	if most != 1 {
		t.Errorf("%d held it at a time", most)
	}
	no := errors.New("no")
	err := s.Lock(context.Background(), "one", func(ctx context.Context) error {
		if ctx.Err() != nil {
			t.Error("the lock was lost")
		}
		put(t, s, "a", "1") // a lock stops no transaction
		ended, end := context.WithCancel(context.Background())
		waits := make(chan error)
		go func() {
			waits <- s.Lock(ended, "one", func(context.Context) error { t.Error("two hold it"); return nil })
		}()
		end()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		return s.Lock(context.Background(), "other", func(context.Context) error { return no })
	})
	if !errors.Is(err, no) {
		t.Errorf("the error is %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Lock(context.Background(), "one", func(context.Context) error { panic("no") })
	}()
	if err := s.Lock(context.Background(), "one", func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

func closed(t *testing.T, s store.Store) {
	put(t, s, "a", "1")
	// Close waits for what runs.
	began, read := make(chan struct{}), make(chan error)
	go func() {
		read <- s.View(context.Background(), func(tx store.Tx) error {
			close(began)
			_, err := tx.Get("a")
			return err
		})
	}()
	<-began
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil {
		t.Errorf("a view that ran when it was closed: %v", err)
	}
	touched := func(store.Tx) error { t.Error("it ran"); return nil }
	locked := func(context.Context) error { t.Error("it ran"); return nil }
	ctx := context.Background()
	for _, err := range []error{s.View(ctx, touched), s.Update(ctx, touched), s.Lock(ctx, "l", locked)} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("the error is %v", err)
		}
	}
	_, stop := s.Changes("")
	stop()
}
