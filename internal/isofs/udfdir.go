package isofs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Characteristics of a file identifier descriptor (ECMA-167 4/14.4.3).
const (
	fidDeleted = 0x04
	fidParent  = 0x08
)

const fidSize = 38

// list reads a directory: file identifier descriptors (ECMA-167 4/14.4),
//
//	18  characteristics   19  length of the identifier
//	20  long_ad of the file entry
//	36  u16 length of implementation use, that, the identifier, padded to 4
//
// and the file entry of each, which has the type.
func (t *udfTree) list(dir *node) ([]*node, int, error) {
	if dir.err != nil {
		return nil, 0, dir.err
	}
	w := &window{m: t.m}
	e, err := t.entry(dir, w)
	if err != nil {
		return nil, 0, err
	}
	where, err := t.allocated(e, false)
	if err != nil {
		return nil, 0, err
	}
	l := udfLister{t: t, w: w, c: newContent(t.m, where)}
	err = l.all()
	return l.nodes, l.skipped, err
}

// udfLister makes nodes of the descriptors of one directory.
type udfLister struct {
	t       *udfTree
	w       *window
	c       *content
	nodes   []*node
	skipped int
}

func (l *udfLister) all() error {
	size := l.c.size()
	r := bufio.NewReaderSize(io.NewSectionReader(l.c, 0, size), 32<<10)
	buf := make([]byte, 512)
	for off := int64(0); size-off >= fidSize; {
		if len(l.nodes)+l.skipped >= maxDirEntries {
			return fault(l.c.place(off), "directory", "more than %d entries", maxDirEntries)
		}
		n, err := l.read(r, &buf)
		if err != nil {
			var f *Fault
			if errors.As(err, &f) {
				return err
			}
			return &Fault{l.c.place(off), "file identifier descriptor", err}
		}
		l.add(buf[:n], l.c.place(off))
		off += int64(n)
	}
	return nil
}

// read fills buf with the next descriptor.
func (l *udfLister) read(r *bufio.Reader, buf *[]byte) (int, error) {
	head, err := r.Peek(fidSize)
	if err != nil {
		return 0, err
	}
	n := fidSize + int(head[19]) + int(binary.LittleEndian.Uint16(head[36:]))
	n = (n + 3) &^ 3
	if n > len(*buf) {
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, err
	}
	id, _, err := l.t.sums.tag(b)
	if err == nil && id != tagFileID {
		err = fmt.Errorf("a descriptor of type %d", id)
	}
	return n, err
}

func (l *udfLister) add(b []byte, at int64) {
	if b[18]&(fidDeleted|fidParent) != 0 {
		return
	}
	use := int(binary.LittleEndian.Uint16(b[36:]))
	name, ok := cs0(b[fidSize+use:][:b[19]])
	if !ok || !goodName(name) {
		l.skipped++
		return
	}
	n := &node{name: name, at: at, icb: longAD(b[20:36]).addr}
	l.t.describe(n, l.w)
	l.nodes = append(l.nodes, n)
}
