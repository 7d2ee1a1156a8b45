package isofs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"
)

// File types of an ICB (ECMA-167 4/14.6.6).
const (
	typeDirectory = 4
	typeBlock     = 6
	typeCharacter = 7
	typeFIFO      = 9
	typeSocket    = 10
	typeSymlink   = 12
)

// Forms of allocation descriptors, the low bits of an ICB's flags (4/14.6.8).
const (
	formShort    = 0
	formLong     = 1
	formExtended = 2
	formEmbedded = 3 // the content itself
)

// strategyWORM has newer versions of an entry behind the older (UDF 2.3.5).
const strategyWORM = 4096

// udfEntry is a file entry (ECMA-167 4/14.9) or an extended one (4/14.17).
//
//	            file  extended
//	ICB tag       16        16   20 strategy, 27 file type, 34 flags
//	permissions   44        44
//	size          56        56
//	modified      84        92
//	length of extended attributes, of allocation descriptors
//	             168       208
//	             172       212
//	then those   176       216
type udfEntry struct {
	at    int64   // in the image
	addr  address // in its partition
	kind  byte    // file type
	form  byte
	flags uint16
	perm  uint32
	size  int64
	time  time.Time
	ads   []byte // valid until the window moves on
	adsAt int64
}

// entry reads the file entry of a node, through indirect entries.
func (t *udfTree) entry(n *node, w *window) (udfEntry, error) {
	a := n.icb
	for range maxIndirect {
		at, err := t.locate(a)
		if err != nil {
			return udfEntry{}, &Fault{n.at, "file entry's address", err}
		}
		b, err := w.bytes(at, int(t.block), "file entry")
		if err != nil {
			return udfEntry{}, err
		}
		id, location, err := t.sums.tag(b)
		if err == nil && bool(t.sums) && location != a.block {
			err = fmt.Errorf("its tag says block %d, it is block %d", location, a.block)
		}
		if err != nil {
			return udfEntry{}, &Fault{at, "file entry", err}
		}
		switch id {
		case tagIndirect:
			a = longAD(b[36:52]).addr
			continue
		case tagFile, tagExtendedFile:
		default:
			return udfEntry{}, fault(at, "file entry", "a descriptor of type %d", id)
		}
		if binary.LittleEndian.Uint16(b[20:]) == strategyWORM {
			if next, ok := t.newer(a); ok {
				a = next
				continue
			}
			if b, err = w.bytes(at, int(t.block), "file entry"); err != nil {
				return udfEntry{}, err
			}
		}
		e, err := parseEntry(b, at, id)
		e.addr = a
		return e, err
	}
	return udfEntry{}, fault(n.at, "file entry", "more than %d indirect entries: a loop", maxIndirect)
}

// newer looks behind an entry of strategy 4096 for an indirect entry that leads
// to a newer version.
func (t *udfTree) newer(a address) (address, bool) {
	at, err := t.locate(address{a.block + 1, a.part})
	if err != nil {
		return a, false
	}
	b := make([]byte, t.block)
	if t.m.read(b, at, "indirect entry") != nil {
		return a, false
	}
	id, _, err := t.sums.tag(b)
	next := longAD(b[36:52])
	return next.addr, err == nil && id == tagIndirect && next.size > 0
}

func parseEntry(b []byte, at int64, id uint16) (udfEntry, error) {
	modified, lengths := 84, 168
	if id == tagExtendedFile {
		modified, lengths = 92, 208
	}
	u32 := binary.LittleEndian.Uint32
	e := udfEntry{at: at, kind: b[27], flags: binary.LittleEndian.Uint16(b[34:]), perm: u32(b[44:]), time: udfTime(b[modified:])}
	e.form = byte(e.flags & 7)
	size := binary.LittleEndian.Uint64(b[56:])
	if size > math.MaxInt64/2 {
		return e, fault(at, "file entry", "a file of %d octets", size)
	}
	e.size = int64(size)
	attributes, ads := int64(u32(b[lengths:])), int64(u32(b[lengths+4:]))
	if attributes+ads > int64(len(b)-lengths-8) {
		return e, fault(at, "file entry", "attributes and descriptors of %d and %d octets in a block", attributes, ads)
	}
	start := int64(lengths) + 8 + attributes
	e.ads, e.adsAt = b[start:][:ads], at+start
	return e, nil
}

// describe fills in a node from its file entry.
func (t *udfTree) describe(n *node, w *window) {
	e, err := t.entry(n, w)
	if err == nil {
		n.mode, n.size, n.time = e.mode(), e.size, e.time
		switch {
		case n.dir():
			n.home = e.at
			err = t.checkDir(e)
		case n.mode.Type() == fs.ModeSymlink:
			n.link, err = t.target(e)
			n.size = int64(len(n.link))
		case n.mode.Type() != 0:
			n.size = 0
		}
	}
	if err != nil {
		n.err = err
	}
}

func (t *udfTree) checkDir(e udfEntry) error {
	if e.size > maxDirSize {
		return fault(e.at, "file entry", "a directory of %d octets", e.size)
	}
	return nil
}

// mode is type and permissions (ECMA-167 4/14.9.5: five bits each for others,
// group and owner: execute, write, read, and two that Unix has not).
func (e udfEntry) mode() fs.FileMode {
	var m fs.FileMode
	for class := range 3 {
		bits := e.perm >> (5 * class)
		for i, flag := range []fs.FileMode{1, 2, 4} {
			if bits>>i&1 != 0 {
				m |= flag << (3 * class)
			}
		}
	}
	for bit, flag := range []fs.FileMode{6: fs.ModeSetuid, 7: fs.ModeSetgid, 8: fs.ModeSticky} {
		if e.flags>>bit&1 != 0 {
			m |= flag
		}
	}
	switch e.kind {
	case typeDirectory:
		m |= fs.ModeDir
	case typeBlock:
		m |= fs.ModeDevice
	case typeCharacter:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case typeFIFO:
		m |= fs.ModeNamedPipe
	case typeSocket:
		m |= fs.ModeSocket
	case typeSymlink:
		m |= fs.ModeSymlink
	}
	return m
}

// extents reads the file entry of a node again: lists of extents would fill the
// cache.
func (t *udfTree) extents(n *node) (extents, error) {
	if n.mode.Type() != 0 {
		return nil, nil
	}
	e, err := t.entry(n, &window{m: t.m})
	if err != nil {
		return nil, err
	}
	return t.allocated(e, false)
}

// allocated gives where the content of a file lies: exactly its size. If own is
// set, all addresses are taken to be in partition 0.
func (t *udfTree) allocated(e udfEntry, own bool) (extents, error) {
	if e.form == formEmbedded {
		if e.size > int64(len(e.ads)) {
			return nil, fault(e.at, "file entry", "a file of %d octets in %d", e.size, len(e.ads))
		}
		var list extents
		list.add(Extent{e.adsAt, e.size})
		return list, nil
	}
	a := allocator{t: t, e: e, own: own}
	if err := a.chain(); err != nil {
		return nil, err
	}
	if a.size < e.size {
		return nil, fault(e.at, "file entry", "a file of %d octets with extents of %d", e.size, a.size)
	}
	return a.list, nil
}

// allocator gathers the extents of a file.
type allocator struct {
	t    *udfTree
	e    udfEntry
	own  bool
	list extents
	size int64
}

// chain reads the allocation descriptors of the entry and of the allocation
// extent descriptors that follow it (ECMA-167 4/14.5): tag, 20 u32 length of
// the descriptors, 24 descriptors.
func (a *allocator) chain() error {
	ads, at := a.e.ads, a.e.adsAt
	for range maxADChain {
		next, more, err := a.descriptors(ads, at)
		if err != nil || !more {
			return err
		}
		where, err := a.t.locate(next.addr)
		if err != nil {
			return &Fault{at, "allocation descriptor", err}
		}
		b := make([]byte, a.t.block)
		if err := a.t.m.read(b, where, "allocation extent descriptor"); err != nil {
			return err
		}
		id, _, err := a.t.sums.tag(b)
		if err == nil && id != tagAllocation {
			err = errors.New("it is something else")
		}
		if err != nil {
			return &Fault{where, "allocation extent descriptor", err}
		}
		n := int64(binary.LittleEndian.Uint32(b[20:]))
		if n > int64(len(b)-24) {
			return fault(where, "allocation extent descriptor", "descriptors of %d octets", n)
		}
		ads, at = b[24:][:n], where+24
	}
	return fault(a.e.at, "file entry", "more than %d allocation extent descriptors: a loop", maxADChain)
}

// descriptors adds extents until the file is complete. more says that the
// extent next holds further descriptors.
func (a *allocator) descriptors(b []byte, at int64) (next allocation, more bool, err error) {
	var step int
	switch a.e.form {
	case formShort:
		step = 8
	case formLong:
		step = 16
	case formExtended:
		step = 20
	default:
		return next, false, fault(a.e.at, "file entry", "allocation descriptors of form %d", a.e.form)
	}
	for ; len(b) >= step && a.size < a.e.size; b, at = b[step:], at+int64(step) {
		ad := a.parse(b)
		switch {
		case ad.size == 0:
			return next, false, nil
		case ad.kind == kindContinued:
			return ad, true, nil
		}
		if err := a.add(ad, at); err != nil {
			return next, false, err
		}
	}
	return next, false, nil
}

// parse reads one descriptor: short_ad has no partition, it is the entry's own;
// ext_ad has the length three times, and the address at 12.
func (a *allocator) parse(b []byte) allocation {
	u32 := binary.LittleEndian.Uint32
	var ad allocation
	switch a.e.form {
	case formShort:
		ad = allocationOf(u32(b), address{u32(b[4:]), a.e.addr.part})
	case formLong:
		ad = longAD(b)
	default:
		ad = allocationOf(u32(b), parseAddress(b[12:]))
	}
	if a.own {
		ad.addr.part = 0
	}
	return ad
}

// add puts one extent into the list, in as many pieces as its partition has it.
func (a *allocator) add(ad allocation, at int64) error {
	left := min(ad.size, a.e.size-a.size)
	a.size += left
	if ad.kind != kindRecorded {
		a.list.add(Extent{Hole, left})
		return a.count(at)
	}
	t := a.t
	for left > 0 {
		where, blocks, err := t.place(ad.addr, (left+t.block-1)/t.block)
		if err != nil {
			return &Fault{at, "allocation descriptor", err}
		}
		n := min(left, blocks*t.block)
		if err := t.m.within(where, n, "file"); err != nil {
			return err
		}
		a.list.add(Extent{where, n})
		if err := a.count(at); err != nil {
			return err
		}
		left -= n
		ad.addr.block += uint32(blocks)
	}
	return nil
}

func (a *allocator) count(at int64) error {
	if len(a.list) > maxExtents {
		return fault(at, "allocation descriptor", "a file in more than %d pieces", maxExtents)
	}
	return nil
}

// target reads a symbolic link: path components (ECMA-167 4/14.16.1) of type,
// length, u16 version and identifier.
func (t *udfTree) target(e udfEntry) (string, error) {
	if e.size > 2*maxTarget {
		return "", fault(e.at, "file entry", "a link of %d octets", e.size)
	}
	list, err := t.allocated(e, false)
	if err != nil {
		return "", err
	}
	b := make([]byte, e.size)
	if _, err := newContent(t.m, list).ReadAt(b, 0); err != nil {
		return "", err
	}
	var parts []string
	for len(b) >= 4 {
		kind, size := b[0], int(b[1])
		if size > len(b)-4 {
			return "", fault(e.at, "symbolic link", "a component of %d octets in %d", size, len(b)-4)
		}
		text, ok := cs0(b[4 : 4+size])
		if kind == 5 && !ok {
			return "", fault(e.at, "symbolic link", "a component in compression %d", b[4])
		}
		b = b[4+size:]
		switch kind {
		case 1, 2: // the root, of the media or as agreed
			parts = []string{""}
		case 3:
			parts = append(parts, "..")
		case 4:
			parts = append(parts, ".")
		case 5:
			parts = append(parts, text)
		}
	}
	link := strings.Join(parts, "/")
	if link == "" && len(parts) > 0 {
		link = "/"
	}
	if len(link) > maxTarget {
		return "", fault(e.at, "symbolic link", "more than %d octets", maxTarget)
	}
	return link, nil
}
