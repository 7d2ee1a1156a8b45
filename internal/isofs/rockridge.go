package isofs

import (
	"encoding/binary"
	"io/fs"
	"time"
)

// Continuation areas of a whole directory may be so much larger than itself:
// nobody keeps more than some long names and targets in them.
const (
	continuedFloor  = 64 << 10
	continuedFactor = 16
)

// rrEntry is what the fields of a system use area say (RRIP 1.12).
type rrEntry struct {
	name      string    // NM
	mode      uint32    // PX, st_mode; 0 if there is none
	time      time.Time // TF, of the last modification
	link      string    // SL
	child     uint32    // CL: first block of the directory that belongs here
	hasChild  bool
	relocated bool // RE: a directory that belongs somewhere else
	packed    bool // ZF: zisofs
}

// findRockRidge looks for SP in the first record of the root (SUSP 5.3), and
// takes the tree for Rock Ridge's if it is there.
func (t *isoTree) findRockRidge() error {
	if t.top.size < recordSize {
		return nil
	}
	first, err := t.first(t.top.home, t.top.at)
	if err != nil {
		return err
	}
	use := first.use
	for _, skip := range []int{0, xaSize} {
		if len(use) < skip+7 {
			break
		}
		if u := use[skip:]; u[0] == 'S' && u[1] == 'P' && u[2] >= 7 && u[4] == 0xbe && u[5] == 0xef {
			t.name, t.skip = formatRockRidge, int(u[6])
			l := isoLister{t: t, w: &window{m: t.m}, budget: continuedFloor}
			if own, err := l.rockRidge(first); err == nil {
				setPosix(t.top, own)
			}
			return nil
		}
	}
	return nil
}

// xaSize is what CD-ROM XA puts before SP.
const xaSize = 14

// first reads the first record of a directory, which is that of the directory
// itself.
func (t *isoTree) first(start, from int64) (isoRecord, error) {
	buf := make([]byte, 256)
	buf = buf[:min(int64(len(buf)), max(0, t.m.size-start))]
	if err := t.m.read(buf, start, "directory"); err != nil {
		return isoRecord{}, err
	}
	if len(buf) == 0 || int(buf[0]) > len(buf) {
		return isoRecord{}, fault(start, "directory record", "the first of the directory that octet %d names is cut off", from)
	}
	r, err := parseRecord(buf[:buf[0]], start)
	if err == nil && (!isSelf(r.id) || r.flags&flagDir == 0) {
		err = fault(start, "directory record", "the first of the directory that octet %d names is not its own", from)
	}
	return r, err
}

// rockRidge reads the fields of a record and of its continuation areas.
func (l *isoLister) rockRidge(r isoRecord) (rrEntry, error) {
	p := rrParser{at: r.at}
	if len(r.use) < l.t.skip {
		return p.e, nil
	}
	area, at := r.use[l.t.skip:], r.useAt+int64(l.t.skip)
	for areas := 0; ; areas++ {
		next, err := p.area(area, at)
		if err != nil || next == nil {
			return p.done(), err
		}
		if areas >= maxContinued {
			return p.e, fault(r.at, "Rock Ridge field", "more than %d continuation areas: a loop", maxContinued)
		}
		start := int64(next.block)*l.t.block + int64(next.offset)
		if next.size > descriptorSize {
			return p.e, fault(at, "Rock Ridge field", "a continuation area of %d octets", next.size)
		}
		if l.budget -= int64(next.size); l.budget < 0 {
			return p.e, fault(r.at, "Rock Ridge field", "continuation areas far larger than the directory")
		}
		b, err := l.w.bytes(start, int(next.size), "Rock Ridge continuation area")
		if err != nil {
			return p.e, err
		}
		area, at = b, start
	}
}

// continuation is CE (SUSP 5.1).
type continuation struct{ block, offset, size uint32 }

// rrParser gathers the fields of one record.
type rrParser struct {
	at       int64 // of the record
	e        rrEntry
	name     []byte
	link     []byte
	nameDone bool
	linkDone bool
	joined   bool // the next part of the link goes on with the same component
}

func (p *rrParser) done() rrEntry {
	p.e.name = posixName(p.name)
	p.e.link = posixName(p.link)
	return p.e
}

// area reads one system use area. It gives the place of the next, or nil.
func (p *rrParser) area(b []byte, at int64) (*continuation, error) {
	var next *continuation
	for off := 0; len(b)-off >= 4; {
		size := int(b[off+2])
		sig := string(b[off : off+2])
		if b[off] == 0 || sig == "ST" {
			break
		}
		if size < 4 || size > len(b)-off {
			return nil, fault(at+int64(off), "Rock Ridge field", "%d octets, %d before the end of the area", size, len(b)-off)
		}
		field := b[off+4 : off+size]
		if sig == "CE" && len(field) >= 24 {
			u32 := binary.LittleEndian.Uint32
			next = &continuation{u32(field), u32(field[8:]), u32(field[16:])}
		} else if err := p.field(sig, field, at+int64(off)); err != nil {
			return nil, err
		}
		off += size
	}
	return next, nil
}

func (p *rrParser) field(sig string, b []byte, at int64) error {
	switch {
	case sig == "NM" && len(b) >= 1:
		return p.nm(b[0], b[1:], at)
	case sig == "SL" && len(b) >= 1:
		return p.sl(b[0], b[1:], at)
	case sig == "PX" && len(b) >= 4:
		p.e.mode = binary.LittleEndian.Uint32(b)
	case sig == "TF" && len(b) >= 1:
		p.tf(b[0], b[1:])
	case sig == "CL" && len(b) >= 4:
		p.e.child, p.e.hasChild = binary.LittleEndian.Uint32(b), true
	case sig == "RE":
		p.e.relocated = true
	case sig == "ZF":
		p.e.packed = true
	}
	return nil
}

// nm adds to the name (RRIP 4.1.4). Flags: 1 goes on in the next field, 2 and 4
// stand for "." and "..".
func (p *rrParser) nm(flags byte, b []byte, at int64) error {
	if p.nameDone {
		return nil
	}
	if flags&6 != 0 {
		b = []byte(".")
	}
	if len(p.name)+len(b) > maxName {
		p.name, p.nameDone = nil, true
		return fault(at, "Rock Ridge field", "a name of more than %d octets", maxName)
	}
	p.name = append(p.name, b...)
	p.nameDone = flags&1 == 0
	return nil
}

// sl adds to the target of a link (RRIP 4.1.3): component records of flags,
// length, content. Flags: 1 goes on in the next record, 2 ".", 4 "..", 8 root.
func (p *rrParser) sl(flags byte, b []byte, at int64) error {
	if p.linkDone {
		return nil
	}
	for len(b) >= 2 {
		kind, size := b[0], int(b[1])
		if size > len(b)-2 {
			return fault(at, "Rock Ridge field", "a component of %d octets in %d", size, len(b)-2)
		}
		text := b[2 : 2+size]
		b = b[2+size:]
		switch {
		case kind&2 != 0:
			text = []byte(".")
		case kind&4 != 0:
			text = []byte("..")
		case kind&8 != 0:
			p.link, p.joined = append(p.link[:0], '/'), true
			continue
		}
		if len(p.link) > 0 && !p.joined {
			p.link = append(p.link, '/')
		}
		if len(p.link)+len(text) > maxTarget {
			return fault(at, "Rock Ridge field", "a link of more than %d octets", maxTarget)
		}
		p.link = append(p.link, text...)
		p.joined = kind&1 != 0
	}
	p.linkDone = flags&1 == 0
	return nil
}

// tf reads time stamps (RRIP 4.1.6): of creation, modification, …, those whose
// flags are set, 7 octets each, or 17 if bit 7 is.
func (p *rrParser) tf(flags byte, b []byte) {
	const creation, modify, long = 1, 2, 0x80
	if flags&modify == 0 {
		return
	}
	size := 7
	if flags&long != 0 {
		size = 17
	}
	if flags&creation != 0 {
		if len(b) < size {
			return
		}
		b = b[size:]
	}
	switch {
	case len(b) < size:
	case flags&long != 0:
		p.e.time = longTime(b[:17])
	default:
		p.e.time = isoTime(b[:7])
	}
}

// longTime reads a date in digits (ECMA-119 8.4.26.1): yyyymmddhhmmsscc, then
// quarters of an hour east of Greenwich.
func longTime(b []byte) time.Time {
	t, err := time.Parse("20060102150405", string(b[:14]))
	if err != nil {
		return time.Time{}
	}
	return t.Add(-time.Duration(int8(b[16])) * 15 * time.Minute)
}

// apply puts onto a node what Rock Ridge says of it.
func (l *isoLister) apply(n *node, e rrEntry) {
	t := l.t
	if e.hasChild {
		t.relocate(l, n, e)
	} else {
		setPosix(n, e)
	}
	if e.packed && !n.dir() && n.err == nil {
		n.err = fault(n.at, "Rock Ridge field", "a file that is compressed by zisofs, which is not supported")
	}
}

// relocate makes a node the directory that CL names: its own first record says
// how large it is.
func (t *isoTree) relocate(l *isoLister, n *node, e rrEntry) {
	n.mode, n.err = fs.ModeDir|0o555, nil
	start := int64(e.child) * t.block
	self, err := t.first(start, n.at)
	if err != nil {
		n.home, n.err = start, err
		return
	}
	n.time = self.time
	t.settle(n, start, int64(self.size))
	own, err := l.rockRidge(self)
	if err != nil {
		n.err = err
		return
	}
	setPosix(n, own)
}

// setPosix sets mode, time and link. A directory stays one, whatever PX says.
func setPosix(n *node, e rrEntry) {
	if !e.time.IsZero() {
		n.time = e.time
	}
	if e.mode == 0 {
		return
	}
	n.mode = n.mode.Type() | posixPerm(e.mode)
	if n.dir() {
		return
	}
	n.mode |= posixType(e.mode)
	if n.mode.Type() == fs.ModeSymlink {
		n.link, n.size, n.where = e.link, int64(len(e.link)), nil
	} else if n.mode.Type() != 0 {
		n.size, n.where = 0, nil
	}
}

func posixPerm(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// posixType reads the type out of st_mode; a directory is none of PX's affair.
func posixType(mode uint32) fs.FileMode {
	switch mode & 0o170000 {
	case 0o120000:
		return fs.ModeSymlink
	case 0o020000:
		return fs.ModeDevice | fs.ModeCharDevice
	case 0o060000:
		return fs.ModeDevice
	case 0o010000:
		return fs.ModeNamedPipe
	case 0o140000:
		return fs.ModeSocket
	}
	return 0
}
