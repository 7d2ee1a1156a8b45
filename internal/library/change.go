package library

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"hobnail/internal/store"
)

// Bounds of what a person may set, in octets.
const (
	maxTitle   = 200
	maxCmdline = 4096
	maxAnswer  = 1024
)

// check reports what cannot be shown, or put on a command line.
func (e Edits) check() error {
	for _, f := range []struct {
		name  string
		value *string
		most  int
	}{{"title", e.Title, maxTitle}, {"cmdline", e.Cmdline, maxCmdline}, {"answer", e.Answer, maxAnswer}} {
		switch {
		case f.value == nil:
		case len(*f.value) > f.most:
			return fmt.Errorf("the %s has %d octets, at most %d are allowed", f.name, len(*f.value), f.most)
		case strings.ContainsFunc(*f.value, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Errorf("the %s has control characters; allowed is one line of text", f.name)
		}
	}
	return nil
}

// Change is what is to change of an image.
type Change struct {
	Name  string `json:"name,omitempty"`  // new name; "": it stays
	Reset bool   `json:"reset,omitempty"` // all edits are forgotten first
	Edits Edits  `json:"edits,omitzero"`
}

// Set changes what people may change of an image.
func (l *Library) Set(ctx context.Context, name string, c Change) (i Image, err error) {
	if c.Name != "" {
		if err := CheckName(c.Name); err != nil {
			return i, err
		}
	}
	if err := c.Edits.check(); err != nil {
		return i, err
	}
	err = l.Store.Update(ctx, func(tx store.Tx) error {
		if i, err = get(tx, name); err != nil {
			return err
		}
		if c.Reset {
			i.Edits = Edits{}
		}
		i.Edits = c.Edits.over(i.Edits)
		if c.Name != "" && c.Name != name {
			if err := l.rename(tx, &i, c.Name); err != nil {
				return err
			}
		}
		return put(tx, i)
	})
	return i, err
}

func (l *Library) rename(tx store.Tx, i *Image, name string) error {
	_, err := get(tx, name)
	if err == nil || l.taken(name) {
		return fmt.Errorf("there is an image %s already", name)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := tx.Delete(imageKey + i.Name); err != nil {
		return err
	}
	i.Name = name
	return nil
}

// Verify hashes an image again and compares it with the record, and with the
// lists beside it. If all is as it was, recognition, which may have learned
// since, is asked anew, and a file that was only touched is fine again.
func (l *Library) Verify(ctx context.Context, name string, tell func(Progress)) (Image, error) {
	i, err := l.Show(ctx, name)
	if err != nil {
		return i, err
	}
	now, err := stat(i.Path)
	if err != nil {
		return i, fmt.Errorf("verifying image %s: %w", name, err)
	}
	base := filepath.Base(i.Path)
	e, err := gather(ctx, folder{filepath.Dir(i.Path)}, base, nil)
	if err != nil {
		return i, err
	}
	e.expected = append([]expected{{sum{"", "sha256", i.SHA256}, recorded}}, e.expected...)
	d := newDigest(e.expected)
	err = hashFile(ctx, i.Path, d, tell, base)
	if err == nil {
		err = e.compare(base, d)
	}
	if err != nil {
		return i, fmt.Errorf("verifying image %s: %w", name, err)
	}
	fresh := i
	fresh.Checks, fresh.Fault, fresh.Found = i.Checks, "", nil
	if err := l.recognise(&fresh, i.Path); err != nil {
		return i, fmt.Errorf("verifying image %s: %w", name, err)
	}
	return l.refresh(ctx, fresh, now)
}

// recorded is where a sum is from that was taken when the image was added.
const recorded = "the library"

// refresh writes down what Verify found, unless the image went meanwhile.
func (l *Library) refresh(ctx context.Context, fresh Image, now Stamp) (i Image, err error) {
	err = l.Store.Update(ctx, func(tx store.Tx) error {
		if i, err = get(tx, fresh.Name); err != nil {
			return err
		}
		if i.Path != fresh.Path || i.SHA256 != fresh.SHA256 {
			return fmt.Errorf("verifying image %s: it was changed meanwhile", i.Name)
		}
		i.File, i.Looked, i.Size = now, time.Now().UTC(), now.Size
		if l.Recognise != nil {
			i.Title, i.Found, i.Fault = fresh.Title, fresh.Found, fresh.Fault
		}
		return put(tx, i)
	})
	return i, err
}

// Fate says what becomes of the file of an image that is removed.
type Fate string

const (
	FateKeep   Fate = "keep" // the folder's watch does not add it again
	FateDelete Fate = "delete"
)

// RemoveOptions say how an image is removed.
type RemoveOptions struct {
	Force bool `json:"force,omitempty"` // though machines read it
	File  Fate `json:"file,omitempty"`  // "": keep
}

// InUse says that machines read an image.
type InUse struct {
	Name    string
	Readers []Reader
}

func (e *InUse) Error() string {
	names := make([]string, len(e.Readers))
	for i, r := range e.Readers {
		names[i] = fmt.Sprintf("%s (since %s)", r.Machine, r.Since.Format(time.TimeOnly))
	}
	return fmt.Sprintf("image %s is being read by %s; --force removes it all the same", e.Name, strings.Join(names, ", "))
}

// Remove takes an image out of the library. A file is deleted only if that is
// asked for and it lies in the library's folder. The error is *InUse while
// machines read it.
func (l *Library) Remove(ctx context.Context, name string, o RemoveOptions) (Image, error) {
	i, err := l.Show(ctx, name)
	if err != nil {
		return i, err
	}
	if l.Readers != nil && !o.Force {
		if readers := l.Readers.Readers(name); len(readers) > 0 {
			return i, &InUse{Name: name, Readers: readers}
		}
	}
	switch o.File {
	case "", FateKeep:
	case FateDelete:
		if err := l.deletable(i); err != nil {
			return i, err
		}
	default:
		return i, fmt.Errorf("%q is nothing that can become of a file; keep and delete are", o.File)
	}
	err = l.Store.Update(ctx, func(tx store.Tx) error {
		if o.File != FateDelete && l.inside(i.Path) {
			if err := ignore(tx, i); err != nil {
				return err
			}
		}
		return tx.Delete(imageKey + name)
	})
	if err == nil && o.File == FateDelete {
		if err = os.Remove(i.Path); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("image %s is out of the library, and its file is still there: %w", name, err)
		}
	}
	return i, err
}

// Inside reports whether an image's file lies in the library's folder.
func (l *Library) Inside(i Image) bool { return l.inside(i.Path) }

// deletable reports why a file is not the library's to delete.
func (l *Library) deletable(i Image) error {
	if !l.inside(i.Path) {
		return fmt.Errorf("%s is not in %s: hobnail deletes nothing elsewhere; remove the image with --file=keep", i.Path, l.Folder)
	}
	if state, err := i.State(); state == StateChanged {
		return fmt.Errorf("%v: it is not what would be deleted; remove the image with --file=keep", err)
	}
	return nil
}

// ignored is a file that the watch leaves alone as long as it is the same.
type ignored struct {
	Path string `json:"path"`
	File Stamp  `json:"file"`
}

func ignoredAt(path string) string {
	sum := sha256.Sum256([]byte(path))
	return ignoredKey + hex.EncodeToString(sum[:])
}

func ignore(tx store.Tx, i Image) error {
	value, err := json.Marshal(ignored{i.Path, i.File})
	if err != nil {
		return err
	}
	return tx.Put(ignoredAt(i.Path), value)
}

// ignores gives all files that are left alone, by path.
func (l *Library) ignores(ctx context.Context) (map[string]Stamp, error) {
	all := map[string]Stamp{}
	err := l.Store.View(ctx, func(tx store.Tx) error {
		return tx.Scan(store.Range{Prefix: ignoredKey}, func(_ string, value []byte) bool {
			var i ignored
			if json.Unmarshal(value, &i) == nil {
				all[i.Path] = i.File
			}
			return true
		})
	})
	return all, err
}
