package isofs

import (
	"encoding/binary"
	"fmt"
)

// partition says where the blocks of one partition lie.
type partition interface {
	// place gives the octets of up to n blocks from block on that lie together:
	// where, and how many blocks.
	place(block uint32, n int64) (at, blocks int64, err error)
}

// partition reads a partition map: of type 1 (ECMA-167 3/10.7.2)
//
//	4  u16 partition number
//
// or of type 2 (UDF 2.2.8 to 2.2.10)
//
//	 4 identifier, 32 octets   38 u16 partition number
//	40 sparable: u16 packet length, 42 u8 number of tables, 44 u32 size of each, 48 u32 blocks of the tables
//	40 metadata: u32 block of the file, 44 u32 of its mirror
func (t *udfTree) partition(m []byte, s *sequence) (partition, error) {
	number := m[4:6]
	if m[0] == 2 && len(m) >= 64 {
		number = m[38:40]
	}
	start, ok := s.starts[binary.LittleEndian.Uint16(number)]
	if !ok {
		return nil, fault(s.at, "partition map", "partition %d has no descriptor", binary.LittleEndian.Uint16(number))
	}
	base := plainPartition{start, t.block}
	switch {
	case m[0] == 1:
		return base, nil
	case m[0] != 2 || len(m) < 64:
	case isRegistered(m[4:36], "*UDF Virtual Partition"):
		return t.virtual(base)
	case isRegistered(m[4:36], "*UDF Sparable Partition"):
		return t.sparable(base, m, s.at)
	case isRegistered(m[4:36], "*UDF Metadata Partition"):
		return t.metadata(base, m)
	}
	return nil, fault(s.at, "partition map", "type %d, which is not known", m[0])
}

// locate gives where a block lies in the image.
func (t *udfTree) locate(a address) (int64, error) {
	at, _, err := t.place(a, 1)
	return at, err
}

func (t *udfTree) place(a address, n int64) (at, blocks int64, err error) {
	if int(a.part) >= len(t.parts) {
		return 0, 0, fmt.Errorf("block %d of partition %d: there are %d partitions", a.block, a.part, len(t.parts))
	}
	return t.parts[a.part].place(a.block, n)
}

// plainPartition is a run of blocks.
type plainPartition struct {
	start int64 // octets
	size  int64 // octets of a block
}

func (p plainPartition) place(block uint32, n int64) (int64, int64, error) {
	return p.start + int64(block)*p.size, n, nil
}

// sparablePartition is a run of blocks with packets of it moved elsewhere, for
// media with defects (UDF 2.2.9).
type sparablePartition struct {
	plainPartition
	packet int64            // blocks of a packet
	moved  map[uint32]int64 // first block of a packet → where it lies, octets
}

func (p sparablePartition) place(block uint32, n int64) (int64, int64, error) {
	inside := int64(block) % p.packet
	n = min(n, p.packet-inside)
	if at, ok := p.moved[uint32(int64(block)-inside)]; ok {
		return at + inside*p.size, n, nil
	}
	return p.plainPartition.place(block, n)
}

// sparable reads the sparing table (UDF 2.2.12): tag, identifier of 32 octets,
// 48 u16 number of entries, 56 entries of u32 packet and u32 where it lies.
func (t *udfTree) sparable(base plainPartition, m []byte, at int64) (partition, error) {
	p := sparablePartition{base, int64(binary.LittleEndian.Uint16(m[40:])), map[uint32]int64{}}
	if p.packet == 0 {
		return nil, fault(at, "partition map", "packets of 0 blocks")
	}
	for i := range min(int(m[42]), 4) {
		where := int64(binary.LittleEndian.Uint32(m[48+4*i:])) * t.block
		b := make([]byte, 56)
		if t.m.read(b, where, "sparing table") != nil || !isRegistered(b[16:48], "*UDF Sparing Table") {
			continue
		}
		n := int(binary.LittleEndian.Uint16(b[48:]))
		if n > maxSparing {
			return nil, fault(where, "sparing table", "%d packets", n)
		}
		entries := make([]byte, 8*n)
		if t.m.read(entries, where+56, "sparing table") != nil {
			continue
		}
		for ; len(entries) > 0; entries = entries[8:] {
			// From 0xfffffff0 on: not used, or defective itself.
			if packet := binary.LittleEndian.Uint32(entries); packet < 0xfffffff0 {
				p.moved[packet] = int64(binary.LittleEndian.Uint32(entries[4:])) * t.block
			}
		}
		return p, nil
	}
	return nil, fault(at, "partition map", "no sparing table can be read")
}

// mappedPartition has the blocks of a file: the metadata partition (UDF 2.2.10).
type mappedPartition struct {
	file *content
	size int64 // octets of a block
}

func (p mappedPartition) place(block uint32, n int64) (int64, int64, error) {
	off := int64(block) * p.size
	at := p.file.place(off)
	if off+p.size > p.file.size() || at == 0 {
		return 0, 0, fmt.Errorf("block %d of the metadata partition, whose file has %d octets", block, p.file.size())
	}
	together := p.file.together(off)
	return at, max(1, min(n, together/p.size)), nil
}

// metadata reads the metadata file, or its mirror.
func (t *udfTree) metadata(base plainPartition, m []byte) (partition, error) {
	var first error
	for _, block := range []uint32{binary.LittleEndian.Uint32(m[40:]), binary.LittleEndian.Uint32(m[44:])} {
		c, err := t.bare(base, block)
		if err == nil {
			return mappedPartition{c, t.block}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// bare opens a file of a partition that has no number yet.
func (t *udfTree) bare(base plainPartition, block uint32) (*content, error) {
	lone := &udfTree{m: t.m, sums: t.sums, block: t.block, parts: []partition{base}}
	n := &node{icb: address{block: block}}
	e, err := lone.entry(n, &window{m: t.m})
	if err != nil {
		return nil, err
	}
	// The partition reference numbers in it are the volume's, not ours.
	list, err := lone.allocated(e, true)
	if err != nil {
		return nil, err
	}
	return newContent(t.m, list), nil
}

// virtualPartition is a table of where each block lies, for media that are
// written once (UDF 2.2.8, 2.2.11).
type virtualPartition struct {
	plainPartition
	table   *content
	first   int64 // octets before the first entry
	entries int64
}

func (p virtualPartition) place(block uint32, _ int64) (int64, int64, error) {
	if int64(block) >= p.entries {
		return 0, 0, fmt.Errorf("block %d of the virtual partition, which has %d", block, p.entries)
	}
	var b [4]byte
	if _, err := p.table.ReadAt(b[:], p.first+4*int64(block)); err != nil {
		return 0, 0, err
	}
	if v := binary.LittleEndian.Uint32(b[:]); v != 0xffffffff {
		return p.plainPartition.place(v, 1)
	}
	return 0, 0, fmt.Errorf("block %d of the virtual partition is not used", block)
}

const (
	vatSearch   = 32  // blocks at the end of the image among which the table's entry is
	typeVAT     = 248 // file type of the table since UDF 2.00
	typeVAT150  = 0   // and before
	vat150Trail = 36  // octets behind the entries of UDF 1.50: identifier, previous table
)

// virtual looks for the virtual allocation table: its file entry is the last
// block that was written.
func (t *udfTree) virtual(base plainPartition) (partition, error) {
	last := (t.m.size - base.start) / t.block
	for i := range int64(vatSearch) {
		block := last - 1 - i
		if block < 0 || block > 1<<32-1 {
			break
		}
		lone := &udfTree{m: t.m, sums: t.sums, block: t.block, parts: []partition{base}}
		e, err := lone.entry(&node{icb: address{block: uint32(block)}}, &window{m: t.m})
		if err != nil || e.kind != typeVAT && e.kind != typeVAT150 {
			continue
		}
		list, err := lone.allocated(e, true)
		if err != nil {
			continue
		}
		if p, ok := vatOf(base, newContent(t.m, list), e.kind); ok {
			return p, nil
		}
	}
	return nil, fault(t.m.size-t.block, "virtual allocation table", "not in the last %d blocks", vatSearch)
}

func vatOf(base plainPartition, table *content, kind byte) (virtualPartition, bool) {
	p := virtualPartition{plainPartition: base, table: table}
	if kind == typeVAT {
		var head [2]byte // u16 length of the header
		if _, err := table.ReadAt(head[:], 0); err != nil {
			return p, false
		}
		p.first = int64(binary.LittleEndian.Uint16(head[:]))
		p.entries = (table.size() - p.first) / 4
		return p, p.entries > 0
	}
	trail := make([]byte, vat150Trail)
	if table.size() < vat150Trail {
		return p, false
	}
	if _, err := table.ReadAt(trail, table.size()-vat150Trail); err != nil {
		return p, false
	}
	p.entries = (table.size() - vat150Trail) / 4
	return p, isRegistered(trail, "*UDF Virtual Alloc Tbl")
}
