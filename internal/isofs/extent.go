package isofs

import (
	"io"
	"sort"
)

// Hole is the Offset of an extent that is recorded nowhere: zeros.
const Hole = -1

// Extent is a piece of a file: where it lies in the image, in octets, or Hole.
type Extent struct {
	Offset int64
	Size   int64
}

// extents joins pieces in the order of the file. Pieces that touch become one,
// as the sections of a file over 4 GiB do.
type extents []Extent

func (e *extents) add(x Extent) {
	if x.Size == 0 {
		return
	}
	if n := len(*e); n > 0 {
		last := &(*e)[n-1]
		if x.Offset == Hole && last.Offset == Hole || last.Offset != Hole && x.Offset == last.Offset+last.Size {
			last.Size += x.Size
			return
		}
	}
	*e = append(*e, x)
}

func (e extents) size() int64 {
	var n int64
	for _, x := range e {
		n += x.Size
	}
	return n
}

// content reads a file by its extents.
type content struct {
	m    medium
	list extents
	ends []int64 // of each extent, in the file
}

func newContent(m medium, list extents) *content {
	c := &content{m: m, list: list, ends: make([]int64, len(list))}
	var at int64
	for i, x := range list {
		at += x.Size
		c.ends[i] = at
	}
	return c
}

func (c *content) size() int64 {
	if len(c.ends) == 0 {
		return 0
	}
	return c.ends[len(c.ends)-1]
}

// place is where the octet at off of the file lies, for the text of faults.
func (c *content) place(off int64) int64 {
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off })
	if i == len(c.ends) || c.list[i].Offset == Hole {
		return 0
	}
	return c.list[i].Offset + c.list[i].Size - (c.ends[i] - off)
}

// ReadAt is io.ReaderAt; off is not negative.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off })
	for ; n < len(p) && i < len(c.list); i++ {
		x, at := c.list[i], off+int64(n)
		inside := x.Size - (c.ends[i] - at)
		part := p[n:][:min(int64(len(p)-n), x.Size-inside)]
		if x.Offset == Hole {
			clear(part)
		} else if err := c.m.read(part, x.Offset+inside, "file"); err != nil {
			return n, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// together is how many octets from off on lie in one piece.
func (c *content) together(off int64) int64 {
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off })
	if i == len(c.ends) {
		return 0
	}
	return c.ends[i] - off
}
