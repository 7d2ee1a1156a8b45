package tftp

import (
	"errors"
	"fmt"
	"io"
)

// source gives the blocks of one file as a transfer mode wants them.
type source interface {
	// block fills dst, which has the block size, with block n, counted from 1,
	// and gives the number of octets. Fewer than len(dst), none included, mean
	// that it is the last block. A block may be asked for again as long as it
	// is within the window; the first time, blocks are asked for in order.
	block(n int64, dst []byte) (int, error)
}

// octets is a file as it is.
type octets struct {
	content io.ReaderAt
	size    int64 // negative: unknown before the end
}

func (s octets) block(n int64, dst []byte) (int, error) {
	off := (n - 1) * int64(len(dst))
	if s.size < 0 {
		return readAt(s.content, dst, off)
	}
	want := dst[:min(int64(len(dst)), max(0, s.size-off))]
	got, err := readAt(s.content, want, off)
	if err == nil && got < len(want) {
		return 0, fmt.Errorf("reading octets %d to %d: file ends after %d", off, off+int64(len(want)), off+int64(got))
	}
	return got, err
}

// readAt is ReadAt for which the end of the file is no error.
func readAt(r io.ReaderAt, dst []byte, off int64) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	n, err := r.ReadAt(dst, off)
	if err != nil && (n == len(dst) || errors.Is(err, io.EOF)) {
		return n, nil
	}
	return n, err
}

// netascii is a file in NVT ASCII (RFC 764, RFC 1350 section 1): a line feed
// becomes CR LF, a carriage return CR NUL. Blocks are cut after translation,
// so where one begins is known only once those before it were read.
type netascii struct {
	content io.ReaderAt
	starts  []asciiPlace // of block n at n modulo len(starts)
	chunk   []byte
}

// asciiPlace is where a block begins.
type asciiPlace struct {
	off     int64 // of the next octet to read
	pending byte  // second half of a pair whose first ended a block
	cut     bool  // there is such a half
}

// newNetascii keeps the starts of one window's blocks and of the one after.
func newNetascii(content io.ReaderAt, t terms) *netascii {
	return &netascii{
		content: content,
		starts:  make([]asciiPlace, t.window+1),
		chunk:   make([]byte, t.blksize),
	}
}

func (s *netascii) block(n int64, dst []byte) (int, error) {
	at := s.starts[n%int64(len(s.starts))]
	used := 0
	if at.cut {
		dst[0], used, at.cut = at.pending, 1, false
	}
	got, err := readAt(s.content, s.chunk[:len(dst)-used], at.off)
	if err != nil {
		return 0, err
	}
	for _, c := range s.chunk[:got] {
		if used == len(dst) {
			break
		}
		at.off++
		first, second, pair := asciiPair(c)
		dst[used] = first
		used++
		switch {
		case !pair:
		case used < len(dst):
			dst[used] = second
			used++
		default:
			at.pending, at.cut = second, true
		}
	}
	s.starts[(n+1)%int64(len(s.starts))] = at
	return used, nil
}

// asciiPair translates one octet; second counts only if pair is true.
func asciiPair(c byte) (first, second byte, pair bool) {
	switch c {
	case '\n':
		return '\r', '\n', true
	case '\r':
		return '\r', 0, true
	}
	return c, 0, false
}
