package isofs

import (
	"errors"
	"fmt"
	"io"
)

// ErrFormat is what Open gives for octets that are no optical image at all.
var ErrFormat = errors.New("neither an ISO 9660 nor a UDF volume")

// Fault is what is wrong in an image, and where.
type Fault struct {
	Offset int64  // in the image, octets
	What   string // the structure: "directory record", "file entry"
	Cause  error
}

func (f *Fault) Error() string {
	return fmt.Sprintf("reading a %s at octet %d (sector %d): %v", f.What, f.Offset, f.Offset/2048, f.Cause)
}

// Unwrap gives the cause: io.ErrUnexpectedEOF for what lies beyond the end of
// the image, or what the image's reader said.
func (f *Fault) Unwrap() error { return f.Cause }

func fault(at int64, what, format string, args ...any) error {
	return &Fault{at, what, fmt.Errorf(format, args...)}
}

// medium is the image: reads that stay inside.
type medium struct {
	r    io.ReaderAt
	size int64
}

// read fills p from the image, or says why it cannot.
func (m medium) read(p []byte, at int64, what string) error {
	if err := m.within(at, int64(len(p)), what); err != nil {
		return err
	}
	n, err := m.r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &Fault{at, what, err}
}

// within refuses what does not lie inside the image.
func (m medium) within(at, size int64, what string) error {
	if at < 0 || size < 0 || at > m.size || size > m.size-at {
		return &Fault{at, what, fmt.Errorf("%d octets, in an image of %d: %w", size, m.size, io.ErrUnexpectedEOF)}
	}
	return nil
}

// windowSize: small structures that lie near each other are read together.
const windowSize = 16 << 10

// window reads small structures through a buffer. It belongs to one goroutine.
type window struct {
	m     medium
	start int64
	buf   []byte
	space []byte
}

// bytes gives size octets of the image, valid until the next call.
func (w *window) bytes(at int64, size int, what string) ([]byte, error) {
	if err := w.m.within(at, int64(size), what); err != nil {
		return nil, err
	}
	if size > windowSize {
		p := make([]byte, size)
		return p, w.m.read(p, at, what)
	}
	if at < w.start || at+int64(size) > w.start+int64(len(w.buf)) {
		if w.space == nil {
			w.space = make([]byte, windowSize)
		}
		w.buf = nil
		n := min(windowSize, w.m.size-at)
		if err := w.m.read(w.space[:n], at, what); err != nil {
			return nil, err
		}
		w.start, w.buf = at, w.space[:n]
	}
	return w.buf[at-w.start:][:size:size], nil
}
