package ramdisk

import (
	"encoding/binary"
	"time"
)

const (
	entrySize   = 32
	rootEntries = 512 // FAT spec, "Boot Sector and BPB": BPB_RootEntCnt of FAT16
	maxEntries  = 1 << 16
	longChars   = 13 // in one long-name entry

	attrVolumeID  = 0x08
	attrDirectory = 0x10
	attrArchive   = 0x20
	attrLongName  = 0x0f
	lastLongEntry = 0x40
)

// entries is how many directory entries n has as a directory. Every directory
// but the root begins with "." and ".."; the root, with the label.
func (n *node) entries() int {
	count := 2
	if n.parent == nil {
		count = 1
	}
	for _, c := range n.children {
		count += 1 + c.longEntries()
	}
	return count
}

// longEntries is how many long-name entries come before n's own: none where
// the short name is the very name.
func (n *node) longEntries() int {
	if n.short.String() == n.name {
		return 0
	}
	return (len(n.name) + longChars - 1) / longChars
}

// directory gives the octets of a directory.
func (n *node) directory(label shortName) []byte {
	b := make([]byte, 0, n.entries()*entrySize)
	if n.parent != nil {
		b = appendEntry(b, dotName("."), attrDirectory, n.modified, n.first, 0)
		b = appendEntry(b, dotName(".."), attrDirectory, n.parent.modified, n.parent.first, 0)
	} else if label != blankName() {
		b = appendEntry(b, label, attrVolumeID, n.modified, 0, 0)
	}
	for _, c := range n.children {
		b = c.appendLongName(b)
		if c.isDir() {
			b = appendEntry(b, c.short, attrDirectory, c.modified, c.first, 0)
		} else {
			b = appendEntry(b, c.short, attrArchive, c.modified, c.first, uint32(c.file.Size))
		}
	}
	return b
}

func dotName(dots string) shortName {
	s := blankName()
	copy(s[:], dots)
	return s
}

// appendEntry writes a directory entry (FAT spec, "FAT Directory Structure"):
//
//	 0 name, 11 octets     14 created: time, date     22 written: time, date
//	11 attributes          18 last read: date         26 first cluster, low half
//	12 0, 0                20 cluster, high half: 0   28 size; 0 for directories
func appendEntry(b []byte, name shortName, attr byte, modified time.Time, first, size uint32) []byte {
	date, clock := fatTime(modified)
	var e [entrySize]byte
	copy(e[:], name[:])
	e[11] = attr
	binary.LittleEndian.PutUint16(e[14:], clock)
	binary.LittleEndian.PutUint16(e[16:], date)
	binary.LittleEndian.PutUint16(e[18:], date)
	binary.LittleEndian.PutUint16(e[22:], clock)
	binary.LittleEndian.PutUint16(e[24:], date)
	binary.LittleEndian.PutUint16(e[26:], uint16(first))
	binary.LittleEndian.PutUint32(e[28:], size)
	return append(b, e[:]...)
}

// appendLongName writes the entries that spell a long name, its last piece
// first (FAT spec, "FAT Long Directory Entries"):
//
//	 0 number from 1, 0x40 on the last    13 checksum of the short name
//	 1 characters 1-5, UTF-16             14 characters 6-11
//	11 attributes 0x0f                    26 first cluster: 0
//	12 type: 0                            28 characters 12-13
//
// A name that does not fill its pieces ends with one 0x0000, then 0xffff.
func (n *node) appendLongName(b []byte) []byte {
	for i := n.longEntries(); i > 0; i-- {
		var e [entrySize]byte
		e[0], e[11], e[13] = byte(i), attrLongName, n.short.checksum()
		if i == n.longEntries() {
			e[0] |= lastLongEntry
		}
		for j := range longChars {
			binary.LittleEndian.PutUint16(e[longOffset(j):], longChar(n.name, (i-1)*longChars+j))
		}
		b = append(b, e[:]...)
	}
	return b
}

// longOffset is where character j of a piece stands in its entry.
func longOffset(j int) int {
	switch {
	case j < 5:
		return 1 + 2*j
	case j < 11:
		return 14 + 2*(j-5)
	}
	return 28 + 2*(j-11)
}

func longChar(name string, i int) uint16 {
	switch {
	case i < len(name):
		return uint16(name[i])
	case i == len(name):
		return 0
	}
	return 0xffff
}

// checksum ties long-name entries to the short one after them (FAT spec,
// "Organization and Association of Short & Long Directory Entries").
func (s shortName) checksum() byte {
	var sum byte
	for _, c := range s {
		sum = sum>>1 + sum<<7 + c
	}
	return sum
}

// fatTime gives the two words of a time stamp (FAT spec, "Date and Time
// Formats"), which go from 1980 to 2107 in steps of two seconds; what lies
// outside becomes the nearest.
func fatTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	if t.Year() < 1980 {
		t = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)
	} else if t.Year() > 2107 {
		t = time.Date(2107, time.December, 31, 23, 59, 58, 0, time.UTC)
	}
	date = uint16(t.Year()-1980)<<9 | uint16(t.Month())<<5 | uint16(t.Day())
	clock = uint16(t.Hour())<<11 | uint16(t.Minute())<<5 | uint16(t.Second()/2)
	return date, clock
}
