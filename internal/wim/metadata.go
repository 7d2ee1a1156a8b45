package wim

import (
	"errors"
	"fmt"
	"unicode/utf16"
)

// metadata is the tree of one image, as it is stored. It begins with security
// descriptors:
//
//	0  4  length of all of it
//	4  4  descriptors
//	8     their lengths, 8 octets each, and then they themselves
//
// Then come entries, each at a multiple of 8, the root first. Those of one
// directory follow each other up to a length of 0 (DIRENTRY):
//
//	0    8   length, without streams
//	8    4   attributes
//	12   4   security descriptor, -1: none
//	16   8   where the entries of this directory are; 0: nowhere
//	40   24  times: created, accessed, written
//	64   20  SHA-1 of the unnamed stream
//	88   8   reparse tag, or group of hard links
//	96   2   streams that follow
//	98   2   octets of the short name
//	100  2   octets of the name
//	102      name, a 16-bit zero, short name, a 16-bit zero
//
// And a stream (STREAMENTRY); one without a name is the unnamed stream:
//
//	0   8   length
//	16  20  SHA-1
//	36  2   octets of the name
//	38      name
type metadata struct {
	raw  []byte
	root entry
}

const (
	entryLen  = 102
	streamLen = 38

	atAttributes = 8
	atSecurity   = 12
	atSubdir     = 16
	atCreated    = 40
	atWritten    = 56
	atSum        = 64
	atStreams    = 96
	atShortLen   = 98
	atNameLen    = 100
)

// File attributes, as in winnt.h.
const (
	attributeDirectory = 0x10
	attributeNormal    = 0x80
	attributeReparse   = 0x400
	attributeEncrypted = 0x4000
)

// entry is one entry of a directory, with the streams that follow it.
type entry struct {
	start, end int // in raw
	attributes uint32
	subdir     uint64
	name       []byte // UTF-16LE
	sum        sum    // of the unnamed stream
	written    uint64 // FILETIME
}

func (e *entry) dir() bool { return e.attributes&attributeDirectory != 0 }

func (e *entry) text() string { return decodeName(e.name) }

func decodeName(raw []byte) string {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = u16(raw[2*i:])
	}
	return string(utf16.Decode(units))
}

// newMetadata checks what stands before the root, and the root.
func newMetadata(raw []byte) (metadata, error) {
	m := metadata{raw: raw}
	if len(raw) < 8 {
		return m, fmt.Errorf("%d octets hold no directory", len(raw))
	}
	security := max(int(u32(raw)), 8)
	if security > len(raw) {
		return m, fmt.Errorf("security descriptors of %d octets, in %d", security, len(raw))
	}
	root, ok, err := m.entry(uint64(align8(security)))
	if err != nil {
		return m, err
	}
	if !ok || !root.dir() {
		return m, fmt.Errorf("no directory at octet %d, where the root should be", align8(security))
	}
	m.root = root
	return m, nil
}

// entry reads one entry; ok is false at the end of a directory.
func (m metadata) entry(at uint64) (e entry, ok bool, err error) {
	if at > uint64(len(m.raw)) || uint64(len(m.raw))-at < 8 {
		return e, false, fmt.Errorf("an entry at octet %d, of %d", at, len(m.raw))
	}
	b := m.raw[at:]
	length := u64(b)
	if length <= 8 {
		return e, false, nil
	}
	if length < entryLen || length > uint64(len(b)) {
		return e, false, fmt.Errorf("the entry at octet %d has a length of %d", at, length)
	}
	name, short := int(u16(b[atNameLen:])), int(u16(b[atShortLen:]))
	if name%2 != 0 || entryLen+name > int(length) || short > int(length)-entryLen-name {
		return e, false, fmt.Errorf("the names of the entry at octet %d have %d and %d octets, the entry %d", at, name, short, length)
	}
	e = entry{
		start: int(at), end: int(at) + align8(int(length)),
		attributes: u32(b[atAttributes:]), subdir: u64(b[atSubdir:]),
		name: b[entryLen : entryLen+name], sum: sum(b[atSum:]), written: u64(b[atWritten:]),
	}
	return e, true, m.streams(&e, int(u16(b[atStreams:])))
}

// streams goes over the streams that follow an entry.
func (m metadata) streams(e *entry, count int) error {
	for range count {
		if e.end > len(m.raw)-streamLen {
			return fmt.Errorf("a stream of the entry at octet %d lies at %d, of %d", e.start, e.end, len(m.raw))
		}
		b := m.raw[e.end:]
		length, name := u64(b), u16(b[36:])
		if length < streamLen || length > uint64(len(b)) {
			return fmt.Errorf("the stream at octet %d has a length of %d", e.end, length)
		}
		if name == 0 && e.sum == (sum{}) {
			e.sum = sum(b[16:])
		}
		e.end += align8(int(length))
	}
	if e.end > len(m.raw) {
		return fmt.Errorf("the entry at octet %d ends at %d, of %d", e.start, e.end, len(m.raw))
	}
	return nil
}

// list calls f for each entry of the directory at an offset, 0 for an empty
// one, until f returns false.
func (m metadata) list(at uint64, f func(entry) bool) error {
	for at != 0 {
		e, ok, err := m.entry(at)
		if err != nil {
			return err
		}
		if !ok || !f(e) {
			return nil
		}
		at = uint64(e.end)
	}
	return nil
}

// find looks for a name in a directory: as it is written, or else in any case.
func (m metadata) find(at uint64, name component) (found entry, ok bool, err error) {
	exact := false
	err = m.list(at, func(e entry) bool {
		if !name.folds(e.name) {
			return true
		}
		exact = name.is(e.name)
		if exact || !ok {
			found, ok = e, true
		}
		return !exact
	})
	return found, ok, err
}

var errReparse = errors.New("it is a link, which is not followed")
