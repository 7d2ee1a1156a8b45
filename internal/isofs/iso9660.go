package isofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

const (
	descriptorSize  = 2048      // a volume descriptor, whatever the block size
	descriptorStart = 16 * 2048 // octets before the first (ECMA-119 6.2.1)
)

// Types of volume descriptors (ECMA-119 8.1.1).
const (
	vdBoot          = 0
	vdPrimary       = 1
	vdSupplementary = 2
	vdTerminator    = 255
)

// isoTree is one tree of ISO 9660.
//
//	volume descriptor, ECMA-119 8.4 and 8.5
//	  0  type, "CD001", version
//	 40  volume identifier, 32 octets
//	 88  escape sequences (supplementary)
//	128  u16 logical block size, both orders
//	156  directory record of the root, 34 octets
type isoTree struct {
	m      medium
	name   string // the format
	volume string
	block  int64
	top    *node
	skip   int // octets before Rock Ridge's fields in a system use area (SUSP 5.3)
}

func (t *isoTree) format() string { return t.name }
func (t *isoTree) label() string  { return t.volume }
func (t *isoTree) root() *node    { return t.top }

func (t *isoTree) extents(n *node) (extents, error) {
	for _, x := range n.where {
		if err := t.m.within(x.Offset, x.Size, "file"); err != nil {
			return nil, err
		}
	}
	return n.where, nil
}

// openISO gives the primary tree, as Rock Ridge if it is that, and Joliet's.
func openISO(m medium) ([]tree, error) {
	var primary, joliet *isoTree
	buf := make([]byte, descriptorSize)
	for i := range int64(maxDescriptors) {
		at := descriptorStart + i*descriptorSize
		if err := m.read(buf, at, "volume descriptor"); err != nil {
			if i == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, ErrFormat
			}
			break
		}
		if string(buf[1:6]) != "CD001" {
			if i == 0 {
				return nil, ErrFormat
			}
			break
		}
		if buf[0] == vdTerminator {
			break
		}
		var err error
		switch {
		case buf[0] == vdPrimary && primary == nil:
			primary, err = newISOTree(m, buf, at, formatPlain)
		case buf[0] == vdSupplementary && buf[6] == 1 && joliet == nil && isJoliet(buf[88:120]):
			joliet, err = newISOTree(m, buf, at, formatJoliet)
		}
		if err != nil {
			return nil, err
		}
	}
	if primary == nil {
		return nil, fault(descriptorStart, "volume descriptor", "none is primary")
	}
	if err := primary.findRockRidge(); err != nil {
		return nil, err
	}
	trees := []tree{primary}
	if joliet != nil {
		trees = append(trees, joliet)
	}
	return trees, nil
}

// isJoliet looks for the escape sequences of UCS-2 levels 1 to 3.
func isJoliet(escapes []byte) bool {
	return slices.ContainsFunc([]string{"%/@", "%/C", "%/E"}, func(s string) bool { return bytes.Contains(escapes, []byte(s)) })
}

func newISOTree(m medium, vd []byte, at int64, format string) (*isoTree, error) {
	t := &isoTree{m: m, name: format, block: int64(binary.LittleEndian.Uint16(vd[128:]))}
	if !slices.Contains([]int64{512, 1024, 2048}, t.block) {
		return nil, fault(at, "volume descriptor", "logical blocks of %d octets", t.block)
	}
	if format == formatJoliet {
		t.volume = label(utf16be(vd[40:72]))
	} else {
		t.volume = label(latin1(vd[40:72]))
	}
	rec, err := parseRecord(vd[156:190], at+156)
	if err != nil {
		return nil, err
	}
	if rec.flags&flagDir == 0 {
		return nil, fault(at+156, "directory record", "the root is not a directory")
	}
	t.top = t.node(rec)
	t.top.name = "."
	return t, t.top.err
}

// Flags of a directory record (ECMA-119 9.1.6).
const (
	flagDir        = 0x02
	flagAssociated = 0x04
	flagMore       = 0x80 // another section of the file follows
)

// isoRecord is a directory record (ECMA-119 9.1). Slices point into what was
// parsed.
//
//	 0  length of the record, then of the extended attribute record in blocks
//	 2  u32 extent, both orders      10  u32 data length, both orders
//	18  date and time, 7 octets      25  flags
//	26  file unit size               27  interleave gap
//	32  length of the identifier, the identifier, a pad if that is even
//	    system use
type isoRecord struct {
	at          int64
	block       uint32 // first of the content, behind extended attributes
	size        uint32
	time        time.Time
	flags       byte
	interleaved bool
	id          []byte
	use         []byte
	useAt       int64
}

const recordSize = 34 // the smallest record

func parseRecord(b []byte, at int64) (isoRecord, error) {
	if len(b) < recordSize {
		return isoRecord{}, fault(at, "directory record", "%d octets", len(b))
	}
	idEnd := 33 + int(b[32])
	if idEnd > len(b) || b[32] == 0 {
		return isoRecord{}, fault(at, "directory record", "an identifier of %d octets in %d", b[32], len(b))
	}
	r := isoRecord{
		at: at, size: binary.LittleEndian.Uint32(b[10:]), time: isoTime(b[18:25]), flags: b[25],
		interleaved: b[26] != 0 || b[27] != 0, id: b[33:idEnd],
	}
	block := uint64(binary.LittleEndian.Uint32(b[2:])) + uint64(b[1])
	if block > 1<<32-1 {
		return isoRecord{}, fault(at, "directory record", "block %d", block)
	}
	r.block = uint32(block)
	use := min(idEnd+(1-int(b[32])%2), len(b))
	r.use, r.useAt = b[use:], at+int64(use)
	return r, nil
}

// isoTime reads the 7 octets of a date (ECMA-119 9.1.5): years since 1900,
// month, day, hour, minute, second, quarters of an hour east of Greenwich.
func isoTime(b []byte) time.Time {
	if b[1] == 0 {
		return time.Time{}
	}
	local := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return local.Add(-time.Duration(int8(b[6])) * 15 * time.Minute)
}

// node makes what a record says, apart from the name.
func (t *isoTree) node(r isoRecord) *node {
	n := &node{at: r.at, mode: 0o444, size: int64(r.size), time: r.time}
	start := int64(r.block) * t.block
	n.where.add(Extent{start, n.size})
	if r.interleaved {
		n.err = fault(r.at, "directory record", "an interleaved file, which is not supported")
	}
	if r.flags&flagDir != 0 {
		n.mode = fs.ModeDir | 0o555
		t.settle(n, start, n.size)
	}
	return n
}

// settle says where a directory lies.
func (t *isoTree) settle(n *node, start, size int64) {
	n.home, n.size = start, size
	n.where = extents{{start, size}}
	switch {
	case size > maxDirSize:
		n.err = fault(n.at, "directory record", "a directory of %d octets", size)
	case t.m.within(start, size, "directory") != nil:
		n.err = t.m.within(start, size, "directory")
	}
}

// isSelf tells records of the directory itself and of its parent.
func isSelf(id []byte) bool { return len(id) == 1 && id[0] <= 1 }

func (t *isoTree) decode(id []byte) string {
	if t.name == formatJoliet {
		return jolietName(id)
	}
	return plainName(id)
}

// list reads a directory.
func (t *isoTree) list(dir *node) ([]*node, int, error) {
	if dir.err != nil {
		return nil, 0, dir.err
	}
	l := isoLister{t: t, w: &window{m: t.m}, budget: continuedFloor + continuedFactor*dir.size}
	err := t.records(dir.home, dir.size, l.add)
	if err == nil {
		err = l.finish()
	}
	return l.nodes, l.skipped, err
}

// records calls f for the records of a directory. A record does not cross the
// end of a sector; zeros fill it up (ECMA-119 6.8.1).
func (t *isoTree) records(start, size int64, f func(isoRecord) error) error {
	const chunk = 32 * descriptorSize
	buf := make([]byte, min(chunk, size))
	for done := int64(0); done < size; done += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-done)]
		if err := t.m.read(buf, start+done, "directory"); err != nil {
			return err
		}
		for at := 0; at < len(buf); {
			end := min(at-at%descriptorSize+descriptorSize, len(buf))
			length := int(buf[at])
			if length == 0 {
				at = end
				continue
			}
			if length > end-at {
				return fault(start+done+int64(at), "directory record", "%d octets, %d before the end of the sector", length, end-at)
			}
			r, err := parseRecord(buf[at:][:length:length], start+done+int64(at))
			if err != nil {
				return err
			}
			if err := f(r); err != nil {
				return err
			}
			at += length
		}
	}
	return nil
}

// isoLister makes nodes of the records of one directory.
type isoLister struct {
	t       *isoTree
	w       *window
	budget  int64 // octets of continuation areas that may still be read
	nodes   []*node
	skipped int

	open     *node  // a file whose next section follows
	openID   string // its identifier
	sections int
}

func (l *isoLister) add(r isoRecord) error {
	if isSelf(r.id) || r.flags&flagAssociated != 0 {
		return nil
	}
	if l.open != nil {
		return l.section(r)
	}
	if len(l.nodes)+l.skipped >= maxDirEntries {
		return fault(r.at, "directory", "more than %d entries", maxDirEntries)
	}
	n := l.t.node(r)
	name := l.t.decode(r.id)
	if l.t.name == formatRockRidge {
		e, err := l.rockRidge(r)
		if e.relocated {
			return nil
		}
		if e.name != "" {
			name = e.name
		}
		l.apply(n, e)
		if err != nil {
			n.err = err
		}
	}
	if r.flags&flagMore != 0 && r.flags&flagDir == 0 {
		l.open, l.openID, l.sections = n, string(r.id), 1
	}
	if !goodName(name) {
		l.skipped++
		return nil
	}
	n.name = strings.Clone(name)
	l.nodes = append(l.nodes, n)
	return nil
}

// section adds a further section to a file (ECMA-119 6.5.1): files over 4 GiB
// have several.
func (l *isoLister) section(r isoRecord) error {
	n := l.open
	if string(r.id) != l.openID || r.flags&flagDir != 0 {
		return fault(r.at, "directory record", "it should be the next section of a file and is another's")
	}
	if l.sections++; l.sections > maxSections {
		return fault(r.at, "directory record", "more than %d sections of a file", maxSections)
	}
	n.where.add(Extent{int64(r.block) * l.t.block, int64(r.size)})
	n.size += int64(r.size)
	if r.interleaved && n.err == nil {
		n.err = fault(r.at, "directory record", "an interleaved file, which is not supported")
	}
	if r.flags&flagMore == 0 {
		l.open = nil
	}
	return nil
}

func (l *isoLister) finish() error {
	if l.open != nil {
		return fault(l.open.at, "directory record", "the last section of the file is missing")
	}
	return nil
}
