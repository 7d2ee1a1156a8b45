package tftp

import (
	"errors"
	"fmt"
	"io"
)

// errNotYet means that content is being fetched; resume is called when it is
// there.
var errNotYet = errors.New("the content is being fetched")

// source gives the blocks of one file as a transfer mode wants them.
type source interface {
	// read fills parts, each of which has the block size, with the blocks from
	// number n on, counted from 1, and gives the number of octets. Fewer than
	// there is room for, none included, mean that the file ends there. A block
	// may be asked for again as long as it is within the window; the first
	// time, blocks are asked for in order.
	read(n int64, parts [][]byte) (int, error)
	// last is the number of the last block and its octets, or 0 where that is
	// known at the end only.
	last(blksize int) (n int64, octets int)
}

// content is where octets come from. Both errors and fewer octets than there
// is room for are as with io.ReaderAt, but for the end of the file, which is
// no error, and errNotYet.
type content interface {
	readParts(off int64, parts [][]byte) (int, error)
}

// octets is a file as it is.
type octets struct {
	content content
	size    int64 // negative: unknown before the end
}

func (s octets) last(blksize int) (int64, int) {
	if s.size < 0 {
		return 0, 0
	}
	return s.size/int64(blksize) + 1, int(s.size % int64(blksize))
}

func (s octets) read(n int64, parts [][]byte) (int, error) {
	blksize := len(parts[0])
	off, want := (n-1)*int64(blksize), len(parts)*blksize
	if s.size < 0 {
		return s.content.readParts(off, parts)
	}
	if rest := max(0, s.size-off); rest < int64(want) {
		want = int(rest)
		parts = cut(parts, want)
	}
	if want == 0 {
		return 0, nil
	}
	got, err := s.content.readParts(off, parts)
	if err == nil && got < want {
		return 0, fmt.Errorf("reading octets %d to %d: file ends after %d", off, off+int64(want), off+int64(got))
	}
	return got, err
}

// cut makes parts hold that many octets. It shortens the last of them in
// place.
func cut(parts [][]byte, octets int) [][]byte {
	size := len(parts[0])
	full, rest := octets/size, octets%size
	if rest > 0 {
		parts[full] = parts[full][:rest]
		full++
	}
	return parts[:full]
}

// direct is content that can be read without waiting: what is in memory.
type direct struct{ io.ReaderAt }

func (d direct) readParts(off int64, parts [][]byte) (n int, err error) {
	for _, p := range parts {
		got, err := readAt(d.ReaderAt, p, off+int64(n))
		n += got
		if err != nil || got < len(p) {
			return n, err
		}
	}
	return n, nil
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
	content content
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
func newNetascii(content content, t terms) *netascii {
	return &netascii{
		content: content,
		starts:  make([]asciiPlace, t.window+1),
		chunk:   make([]byte, t.blksize),
	}
}

// last is not known: the size after translation is.
func (s *netascii) last(int) (int64, int) { return 0, 0 }

func (s *netascii) read(n int64, parts [][]byte) (total int, err error) {
	for i, p := range parts {
		got, err := s.block(n+int64(i), p)
		total += got
		if err != nil || got < len(p) {
			return total, err
		}
	}
	return total, nil
}

// block fills dst with block n.
func (s *netascii) block(n int64, dst []byte) (int, error) {
	at := s.starts[n%int64(len(s.starts))]
	used := 0
	if at.cut {
		dst[0], used, at.cut = at.pending, 1, false
	}
	got := 0
	if chunk := s.chunk[:len(dst)-used]; len(chunk) > 0 {
		var err error
		if got, err = s.content.readParts(at.off, [][]byte{chunk}); err != nil {
			return 0, err
		}
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
