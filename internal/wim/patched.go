package wim

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Patched is a WIM with files laid over one of its images, computed as it is
// read. It does not change and is safe for concurrent use as far as the
// original and the contents are.
type Patched struct {
	header  [headerLen]byte
	size    int64
	extents []extent // in order; what lies between them reads as zeros
}

// extent is a run of octets that comes from one place.
type extent struct {
	start, end int64
	content    io.ReaderAt
	from       int64 // where start is in content
	what       string
}

func newPatched(base io.ReaderAt, size int64) *Patched {
	p := &Patched{size: size}
	p.extents = []extent{
		{0, headerLen, bytes.NewReader(p.header[:]), 0, "the header"},
		{headerLen, size, base, headerLen, "the original"},
	}
	return p
}

// Size is the length in octets.
func (p *Patched) Size() int64 { return p.size }

// ReadAt is io.ReaderAt. An original or a content that fails or ends too early
// is an error that says which, never io.EOF.
func (p *Patched) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading a patched WIM: negative offset")
	}
	if off >= p.size {
		return 0, io.EOF
	}
	var atEnd error
	if rest := p.size - off; int64(len(b)) > rest {
		b, atEnd = b[:rest], io.EOF
	}
	end := off + int64(len(b))
	first := sort.Search(len(p.extents), func(i int) bool { return p.extents[i].end > off })
	done := off
	for _, e := range p.extents[first:] {
		if e.start >= end {
			break
		}
		from, to := max(off, e.start), min(end, e.end)
		clear(b[done-off : from-off])
		n, err := e.content.ReadAt(b[from-off:to-off], from-e.start+e.from)
		if int64(n) != to-from {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return int(from-off) + n, fmt.Errorf("reading a patched WIM at octet %d, from %s: %v", from+int64(n), e.what, err)
		}
		done = to
	}
	clear(b[done-off:])
	return len(b), atEnd
}

// run is where something lies in a Patched.
type run struct{ offset, size int64 }

// part is some octets, from the start of content on.
type part struct {
	content io.ReaderAt
	size    int64
}

// append puts parts behind each other, from the next multiple of 8 on.
func (p *Patched) append(what string, parts ...part) run {
	offset := align8(p.size)
	p.size = offset
	for _, part := range parts {
		if part.size > 0 {
			p.extents = append(p.extents, extent{p.size, p.size + part.size, part.content, 0, what})
		}
		p.size += part.size
	}
	return run{offset, p.size - offset}
}

// edits are octets that are shared, with places in them that read otherwise,
// and a tail.
type edits struct {
	base []byte
	pad  int // zeros between base and tail
	at   []edit
	tail []byte
}

// edit is what stands in the place of as many octets.
type edit struct {
	offset int
	octets []byte
}

func (e *edits) align() { e.pad = align8(len(e.base)) - len(e.base) }

// end is the offset of what is appended to the tail next.
func (e *edits) end() uint64 { return uint64(len(e.base) + e.pad + len(e.tail)) }

func (e *edits) set(offset int, octets []byte) { e.at = append(e.at, edit{offset, octets}) }

func (e *edits) set32(offset int, v uint32) {
	b := make([]byte, 4)
	putU32(b, v)
	e.set(offset, b)
}

// set64 sets nothing that is so already.
func (e *edits) set64(offset int, v uint64) {
	if u64(e.base[offset:]) == v {
		return
	}
	b := make([]byte, 8)
	putU64(b, v)
	e.set(offset, b)
}

// parts is all of it. Of edits that overlap, as in a damaged tree, the later
// begins where the earlier ends.
func (e *edits) parts() []part {
	slices.SortStableFunc(e.at, func(a, b edit) int { return cmp.Compare(a.offset, b.offset) })
	var all []part
	add := func(b []byte) { all = append(all, part{bytes.NewReader(b), int64(len(b))}) }
	done := 0
	for _, d := range e.at {
		octets := d.octets[min(len(d.octets), max(0, done-d.offset)):]
		if len(octets) == 0 {
			continue
		}
		add(e.base[done:max(done, d.offset)])
		add(octets)
		done = max(done, d.offset) + len(octets)
	}
	add(e.base[done:])
	add(make([]byte, e.pad))
	add(e.tail)
	return all
}
