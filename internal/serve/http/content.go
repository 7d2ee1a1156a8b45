package httpserve

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"sync"

	"hobnail/internal/bootfile"
)

// content reads a boot file from an offset on, and remembers the fault that
// ended its reading.
type content struct {
	io.ReaderAt
	size int64    // what there is at most
	off  int64    // where the next octet is read
	file *os.File // that it is in; nil if in none
	base int64    // where in that file it begins
	err  error
}

func newContent(f *bootfile.File) *content {
	c := &content{ReaderAt: f.Content, size: f.Size}
	if f.Size < 0 {
		c.size = math.MaxInt64
	}
	c.file, c.base = backing(f.Content)
	return c
}

// Read is io.Reader's.
func (c *content) Read(p []byte) (int, error) {
	if c.off >= c.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.size-c.off)]
	n, err := c.ReadAt(p, c.off)
	c.off += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Seek is io.Seeker's.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.off
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("seeking before the beginning")
	}
	c.off = offset
	return offset, nil
}

// region is so many octets of a content, from where it stands.
type region struct {
	*content
	left int64
	// fault is what ended the sending of a file, where that was the file's.
	fault error
}

// Read is io.Reader's, for connections that cannot send a file by themselves.
func (r *region) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n, err := r.content.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

func (r *region) advance(n int) {
	r.off += int64(n)
	r.left -= int64(n)
}

// writer counts what goes out, and slows it down where rates are bounded.
type writer struct {
	http.ResponseWriter
	pace   *pace // of a boot file; nil: as fast as the client takes it
	status int
	n      int64
	err    error // of the first write that failed
}

// WriteHeader is http.ResponseWriter's.
func (w *writer) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write is io.Writer's.
func (w *writer) Write(b []byte) (int, error) {
	sent := 0
	for {
		n := 0
		piece, err := w.pace.next(int64(len(b) - sent))
		if err == nil {
			n, err = w.ResponseWriter.Write(b[sent:][:piece])
		}
		w.count(int64(n), err)
		sent += n
		if err != nil || sent == len(b) {
			return sent, err
		}
	}
}

func (w *writer) count(n int64, err error) {
	w.n += n
	if err != nil && w.err == nil && err != http.ErrBodyNotAllowed {
		w.err = err
	}
}

// smallFile is what is quicker to copy than to send: the header of the answer
// goes in the same packet.
const smallFile = 32 << 10

// ReadFrom is what io.Copy hands a body to: a file is sent by the kernel.
func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return w.copy(src)
	}
	c, ok := limited.R.(*content)
	if !ok || c.file == nil || limited.N <= smallFile {
		return w.copy(src)
	}
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return w.copy(src)
	}
	n, err := w.sendPieces(to, &region{content: c}, limited.N)
	limited.N -= n
	w.count(n, err)
	return n, err
}

// sendPieces sends so many octets of a region, or as many as there are.
func (w *writer) sendPieces(to io.ReaderFrom, r *region, octets int64) (sent int64, err error) {
	for sent < octets && err == nil {
		var piece, n int64
		if piece, err = w.pace.next(octets - sent); err != nil {
			break
		}
		r.left = piece
		n, err = to.ReadFrom(r)
		sent += n
		if n < piece {
			break
		}
	}
	if r.fault != nil {
		r.content.err = r.fault
	}
	return sent, err
}

// copies are the buffers of copy, of smallFile octets.
var copies = sync.Pool{New: func() any { return new([smallFile]byte) }}

func (w *writer) copy(src io.Reader) (int64, error) {
	buf := copies.Get().(*[smallFile]byte)
	defer copies.Put(buf)
	return io.CopyBuffer(writeOnly{w}, src, buf[:])
}
