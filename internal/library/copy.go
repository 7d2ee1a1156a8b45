package library

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyIn makes a part of the folder that has a file's content, and computes
// its sums on the way. Where the file system can, both share their blocks and
// nothing is copied (FICLONE: Btrfs, XFS, bcachefs).
func copyIn(ctx context.Context, from, folder string, d *digest, tell func(Progress)) (p *partial, err error) {
	src, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	p, err = openPartial(folder, rand.Text(), filepath.Base(from))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.drop()
			p = nil
		}
	}()
	stage, w := StageHash, &tee{d: d}
	if unix.IoctlFileClone(int(p.f.Fd()), int(src.Fd())) != nil {
		if err := roomFor(p, info.Size()); err != nil {
			return p, err
		}
		stage, w.f = StageCopy, p.f
	}
	m := newMeter(tell, stage, filepath.Base(from), info.Size())
	if err := readThrough(ctx, src, 0, w, m); err != nil {
		if w.failed != nil {
			err = p.fault(w.failed)
		}
		return p, fmt.Errorf("copying %s: %w", from, err)
	}
	m.end()
	return p, nil
}

// tee writes to a file, if there is one, and to a digest.
type tee struct {
	f      *os.File
	d      *digest
	failed error // of the file
}

func (t *tee) Write(b []byte) (int, error) {
	if t.f != nil {
		if n, err := t.f.Write(b); err != nil {
			t.failed = err
			return n, err
		}
	}
	return t.d.Write(b)
}

// roomFor fails early where there is no room for so many octets more.
func roomFor(p *partial, octets int64) error {
	var fs unix.Statfs_t
	if unix.Fstatfs(int(p.f.Fd()), &fs) != nil || fs.Blocks == 0 {
		return nil // it does not say
	}
	if free := int64(fs.Bavail) * fs.Bsize; octets > free {
		return fmt.Errorf("%w; %d MiB are needed in %s, and %d MiB are free", ErrFull, octets>>20, filepath.Dir(p.path), free>>20)
	}
	return nil
}

// linkIn gives a file a second name in the folder, for now a partial one.
func linkIn(from, folder string) (*partial, error) {
	path := filepath.Join(folder, partialPrefix+rand.Text()+"-"+tail(filepath.Base(from)))
	if err := os.Link(from, path); err != nil {
		why := err
		if link := new(os.LinkError); errors.As(err, &link) {
			why = link.Err
		}
		if errors.Is(err, syscall.EXDEV) {
			return nil, fmt.Errorf("linking %s: it lies on another file system than %s; use --copy", from, folder)
		}
		return nil, fmt.Errorf("linking %s into %s: %v", from, folder, why)
	}
	f, err := os.Open(path)
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	return &partial{f, path}, nil
}
