package library

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// readSize is how much is read at a time: large enough that disks stream,
	// small enough that a buffer stays in a processor's cache.
	readSize = 1 << 20
	// readAhead is how many such reads may wait for the hash.
	readAhead = 4
)

// digest is what is computed of a file while it is read once.
type digest struct {
	sha256 hash.Hash
	sha512 hash.Hash // nil where no list wants it
	taps   []io.Writer
}

// newDigest computes what expected sums want, and SHA-256 in any case.
func newDigest(expected []expected) *digest {
	d := &digest{sha256: sha256.New()}
	for _, e := range expected {
		if e.Algorithm == "sha512" {
			d.sha512 = sha512.New()
		}
	}
	return d
}

func (d *digest) Write(p []byte) (int, error) {
	d.sha256.Write(p)
	if d.sha512 != nil {
		d.sha512.Write(p)
	}
	for _, w := range d.taps {
		w.Write(p) // a tap that has had enough is no fault of the file
	}
	return len(p), nil
}

// reset begins anew. Taps cannot.
func (d *digest) reset() {
	d.sha256.Reset()
	if d.sha512 != nil {
		d.sha512.Reset()
	}
}

// hex gives the sum by an algorithm, "" for one that was not computed.
func (d *digest) hex(algorithm string) string {
	switch {
	case algorithm == "sha256":
		return hex.EncodeToString(d.sha256.Sum(nil))
	case algorithm == "sha512" && d.sha512 != nil:
		return hex.EncodeToString(d.sha512.Sum(nil))
	}
	return ""
}

// block is one read, or the error that ended reading.
type block struct {
	octets []byte
	err    error
}

// errAltered says that a file was written to while it was read.
var errAltered = errors.New("it is being written to")

// readThrough hands a file's octets from an offset on to a writer. Reading and
// writing go on side by side. It ends early, with errAltered, when the file
// changes meanwhile.
func readThrough(ctx context.Context, f *os.File, from int64, w io.Writer, m *meter) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	before := stampOf(info)
	ctx, stop := context.WithCancel(ctx)
	full, free := make(chan block, readAhead), make(chan []byte, readAhead)
	for range readAhead {
		free <- make([]byte, readSize)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(full)
		fill(ctx, f, from, full, free)
	}()
	// Nobody reads from the file when this returns: the caller may close it.
	defer func() { stop(); <-read }()
	for b := range full {
		if b.err != nil {
			return b.err
		}
		if _, err := w.Write(b.octets); err != nil {
			return err
		}
		m.add(len(b.octets))
		free <- b.octets[:readSize]
		if m.p.Done%(64<<20) < readSize && altered(f, before) {
			return errAltered
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if altered(f, before) {
		return errAltered
	}
	return nil
}

func altered(f *os.File, before Stamp) bool {
	info, err := f.Stat()
	return err != nil || !stampOf(info).same(before)
}

// fill reads a file until it ends or the context does.
func fill(ctx context.Context, f *os.File, from int64, full chan<- block, free <-chan []byte) {
	in := newUncached(f, from)
	defer in.done()
	for {
		var buf []byte
		select {
		case <-ctx.Done():
			return
		case buf = <-free:
		}
		n, err := in.read(buf)
		b := block{octets: buf[:n]}
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return
			}
			b.err = err
		}
		select {
		case <-ctx.Done():
			return
		case full <- b:
		}
	}
}

// uncached reads a file once without leaving it in the page cache, where it
// would push out what machines boot from. What is in the cache already stays.
type uncached struct {
	f     *os.File
	at    int64
	plain bool // the file system or the kernel has no RWF_DONTCACHE (Linux 6.14)
}

func newUncached(f *os.File, from int64) *uncached {
	// Advice only: the readahead window is doubled.
	_ = unix.Fadvise(int(f.Fd()), from, 0, unix.FADV_SEQUENTIAL)
	return &uncached{f: f, at: from}
}

func (u *uncached) read(p []byte) (n int, err error) {
	if !u.plain {
		for {
			n, err = unix.Preadv2(int(u.f.Fd()), [][]byte{p}, u.at, unix.RWF_DONTCACHE)
			if err != unix.EINTR {
				break
			}
		}
		switch err {
		case nil:
		case unix.EOPNOTSUPP, unix.EINVAL, unix.ENOSYS:
			u.plain = true
		default:
			return 0, fmt.Errorf("reading %s: %v", u.f.Name(), err)
		}
	}
	if u.plain {
		n, err = u.f.ReadAt(p, u.at)
		if n == 0 && err != nil {
			return 0, err
		}
		// A kernel that cannot read beside the cache is told not to keep what
		// was read once (from Linux 6.3 on it listens).
		if u.at == 0 {
			_ = unix.Fadvise(int(u.f.Fd()), 0, 0, unix.FADV_NOREUSE)
		}
	}
	u.at += int64(n)
	return n, nil
}

func (u *uncached) done() { _ = unix.Fadvise(int(u.f.Fd()), 0, 0, unix.FADV_NORMAL) }

// hashFile reads a file once.
func hashFile(ctx context.Context, path string, d *digest, tell func(Progress), label string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m := newMeter(tell, StageHash, label, info.Size())
	if err := readThrough(ctx, f, 0, d, m); err != nil {
		return fmt.Errorf("hashing %s: %w", path, err)
	}
	m.end()
	return nil
}
