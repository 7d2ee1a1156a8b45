// Package store is what hobnail keeps beyond a restart, seen as keys and
// values: one small interface, several engines. It knows nothing of what the
// values mean. Leases are not in it: they have a log of their own.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Store is an ordered table of keys and values with transactions. All methods
// may be called from many goroutines at a time.
type Store interface {
	// View runs f on the state of one moment: what others commit meanwhile f
	// does not see. Views wait neither for each other nor for Update. The error
	// is f's, or the engine's.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f and commits what it wrote, all or nothing: if f returns an
	// error or panics, nothing is written. One Update runs at a time; f sees what
	// it wrote itself. When Update returns nil, a crash of the process or a loss of
	// power does not undo it, in engines that outlive the process.
	// f must not call Update.
	Update(ctx context.Context, f func(Tx) error) error
	// Changes says that something was committed under keys that begin with
	// prefix, by anybody who writes through the engine. Several commits may be one
	// word; whoever hears it looks for himself. It never makes a commit wait.
	// stop ends it; the channel is not closed.
	Changes(prefix string) (changed <-chan struct{}, stop func())
	// Lock runs f while nobody else who uses the store, on this host or another,
	// runs under a lock of the same name. It waits for that until ctx ends. The
	// context that f is given also ends when the lock is lost, as it is when an
	// engine elsewhere is cut off. f must not ask for the same lock.
	Lock(ctx context.Context, name string, f func(context.Context) error) error
	// Close waits for the transactions that run, and releases files. Afterwards
	// all methods return ErrClosed.
	Close() error
}

// Tx is one transaction. It is valid until the function that got it returns,
// and in that function's goroutine alone.
type Tx interface {
	// Get gives the value of a key, ErrNotFound if there is none.
	Get(key string) ([]byte, error)
	// Put sets a value, over an older one. ErrReadOnly in a View.
	Put(key string, value []byte) error
	// Delete removes a key; there need be none. ErrReadOnly in a View.
	Delete(key string) error
	// Scan hands over keys with their values in order of the keys' octets, until
	// each returns false. each may use the transaction; keys that it writes itself
	// may come or not, all others come once.
	Scan(r Range, each func(key string, value []byte) bool) error
}

// Range says which keys a Scan gives. The zero Range is all of them.
type Range struct {
	Prefix string // only keys that begin so
	// From is where to begin: no smaller key comes, or with Back no greater one.
	// "" begins at the first, or with Back at the last.
	From string
	Back bool // the greatest key first
}

// Errors that callers ask for. ErrNotFound alone means that a key is absent.
var (
	ErrNotFound = errors.New("there is no such key")
	ErrReadOnly = errors.New("it is open for reading only")
	ErrClosed   = errors.New("the store is closed")
	// ErrDamaged says that what was read is not what was written.
	ErrDamaged = errors.New("it is damaged")
	// ErrFull says that there is no room on the disk: nothing was written.
	ErrFull = errors.New("the disk is full")
)

// Bounds of keys and values, the same for all engines.
const (
	MaxKey   = 1024     // octets, at least 1
	MaxValue = 16 << 20 // octets
)

// Check reports what no engine takes. Keys and values are of any octets.
func Check(key string, value []byte) error {
	switch {
	case key == "":
		return errors.New("a key is empty")
	case len(key) > MaxKey:
		return fmt.Errorf("key %.40q… has %d octets, at most %d are allowed", key, len(key), MaxKey)
	case len(value) > MaxValue:
		return fmt.Errorf("the value of key %.40q has %d octets, at most %d are allowed", key, len(value), MaxValue)
	}
	return nil
}

// Bounds gives what a range comes to: keys from first on, and less than end.
func (r Range) Bounds() (first, end string) {
	first, end = r.Prefix, after(r.Prefix)
	switch {
	case r.From == "":
	case r.Back:
		end = min(end, r.From+"\x00")
	default:
		first = max(first, r.From)
	}
	return first, end
}

// after gives a string that is greater than all keys with a prefix, and not
// greater than any other key that comes after those.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if c := prefix[i]; c != 0xff {
			return prefix[:i] + string([]byte{c + 1})
		}
	}
	return strings.Repeat("\xff", MaxKey+1)
}
