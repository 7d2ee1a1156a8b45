package isofs

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// udfTree is a UDF volume.
type udfTree struct {
	m      medium
	sums   sums
	block  int64 // octets of a logical block, and of a sector
	volume string
	parts  []partition // by partition reference number
	top    *node
}

func (t *udfTree) format() string { return formatUDF }
func (t *udfTree) label() string  { return t.volume }
func (t *udfTree) root() *node    { return t.top }

// openUDF looks for a volume recognition sequence with NSR (ECMA-167 2/8.3),
// then for an anchor.
func openUDF(m medium, check bool) (tree, error) {
	if !recognised(m) {
		return nil, ErrFormat
	}
	var first error
	// 2,048 for optical media; mkudffs takes 512 for files.
	for _, block := range []int64{2048, 512, 4096, 1024} {
		t := &udfTree{m: m, sums: sums(check), block: block}
		for _, at := range t.anchors() {
			err := t.mount(at)
			if err == nil {
				return t, nil
			}
			if !errors.Is(err, errNoAnchor) && first == nil {
				first = err
			}
		}
	}
	if first == nil {
		first = fault(256*2048, "anchor volume descriptor pointer", "neither here nor at the end of the image")
	}
	return nil, first
}

// recognised looks for NSR02 or NSR03 among the structures from octet 32,768 on,
// one each 2,048 octets, or each block of 4,096.
func recognised(m medium) bool {
	b := make([]byte, 6)
	for _, step := range []int64{2048, 4096} {
		for i := range int64(maxDescriptors) {
			if m.read(b, descriptorStart+i*step, "volume structure descriptor") != nil {
				break
			}
			switch string(b[1:6]) {
			case "NSR02", "NSR03":
				return true
			case "BEA01", "CD001", "BOOT2", "CDW02":
				continue
			}
			break
		}
	}
	return false
}

// anchors gives where anchors may lie (UDF 2.2.3): blocks 256, N and N - 256;
// 512 on disks that were not closed.
func (t *udfTree) anchors() []int64 {
	last := t.m.size/t.block - 1
	return []int64{256, last, last - 256, 512}
}

var errNoAnchor = errors.New("no anchor")

// mount reads the volume that the anchor in a block names:
//
//	16 extent of the main volume descriptor sequence: u32 octets, u32 block
//	24 that of the reserve
func (t *udfTree) mount(block int64) error {
	b := make([]byte, 512)
	if t.m.read(b, block*t.block, "anchor volume descriptor pointer") != nil {
		return errNoAnchor
	}
	id, location, err := t.sums.tag(b)
	if err != nil || id != tagAnchor || int64(location) != block {
		return errNoAnchor
	}
	err = t.volumeAt(b[16:24])
	if err != nil && t.volumeAt(b[24:32]) == nil {
		return nil
	}
	return err
}

func (t *udfTree) volumeAt(extent []byte) error {
	seq, err := t.sequence(int64(binary.LittleEndian.Uint32(extent[4:])), int64(binary.LittleEndian.Uint32(extent)))
	if err != nil {
		return err
	}
	return t.logicalVolume(seq)
}

// sequence is what a volume descriptor sequence says (ECMA-167 3/8.4).
type sequence struct {
	at      int64  // of the logical volume descriptor
	logical []byte // its content
	starts  map[uint16]int64
	newest  map[uint16]uint32 // sequence number of each partition descriptor
	number  uint32            // that of the logical volume descriptor
}

// sequence reads descriptors until a terminating one. Of several the one with
// the highest sequence number prevails (ECMA-167 3/8.4.3).
func (t *udfTree) sequence(block, size int64) (*sequence, error) {
	s := &sequence{starts: map[uint16]int64{}, newest: map[uint16]uint32{}}
	buf := make([]byte, t.block)
	for i := int64(0); i < maxDescriptors && size >= t.block; i, block, size = i+1, block+1, size-t.block {
		if err := t.m.read(buf, block*t.block, "volume descriptor sequence"); err != nil {
			return nil, err
		}
		id, location, err := t.sums.tag(buf)
		if err != nil || int64(location) != block || id == tagTerminating {
			break
		}
		number := binary.LittleEndian.Uint32(buf[16:])
		switch id {
		case tagLogical:
			if s.logical == nil || number >= s.number {
				s.at, s.logical, s.number = block*t.block, bytes.Clone(buf), number
			}
		case tagPartition:
			part := binary.LittleEndian.Uint16(buf[22:])
			if _, ok := s.starts[part]; !ok && len(s.starts) < maxPartitions || ok && number >= s.newest[part] {
				s.starts[part], s.newest[part] = int64(binary.LittleEndian.Uint32(buf[188:]))*t.block, number
			}
		case tagPointer:
			size, block = int64(binary.LittleEndian.Uint32(buf[20:]))+t.block, int64(binary.LittleEndian.Uint32(buf[24:]))-1
		}
	}
	if s.logical == nil {
		return nil, fault(block*t.block, "volume descriptor sequence", "there is no logical volume descriptor in it")
	}
	return s, nil
}

// logicalVolume reads a logical volume descriptor (ECMA-167 3/10.6):
//
//	 84 identifier, dstring of 128   212 u32 logical block size
//	248 long_ad of the file set      264 u32 size of the maps, 268 u32 their number
//	440 partition maps
func (t *udfTree) logicalVolume(s *sequence) error {
	b := s.logical
	if n := binary.LittleEndian.Uint32(b[212:]); int64(n) != t.block {
		return fault(s.at, "logical volume descriptor", "blocks of %d octets on sectors of %d", n, t.block)
	}
	t.volume = dstring(b[84:212])
	size, count := binary.LittleEndian.Uint32(b[264:]), binary.LittleEndian.Uint32(b[268:])
	if count > maxPartitions || int64(size) > int64(len(b)-440) {
		return fault(s.at, "logical volume descriptor", "%d partition maps of %d octets", count, size)
	}
	t.parts = nil
	maps := b[440:][:size]
	for range count {
		if len(maps) < 2 || maps[1] < 6 || int(maps[1]) > len(maps) {
			return fault(s.at, "logical volume descriptor", "a partition map is cut off")
		}
		m := maps[:maps[1]]
		maps = maps[len(m):]
		p, err := t.partition(m, s)
		if err != nil {
			return err
		}
		t.parts = append(t.parts, p)
	}
	return t.fileSet(longAD(b[248:264]))
}

// fileSet reads a file set descriptor (ECMA-167 4/14.1), whose octets 400 to 415
// say where the root's file entry is.
func (t *udfTree) fileSet(ad allocation) error {
	at, err := t.locate(ad.addr)
	if err != nil {
		return err
	}
	b := make([]byte, t.block)
	if err := t.m.read(b, at, "file set descriptor"); err != nil {
		return err
	}
	id, _, err := t.sums.tag(b)
	if err == nil && id != tagFileSet {
		err = errors.New("it is something else")
	}
	if err != nil {
		return &Fault{at, "file set descriptor", err}
	}
	root := &node{name: ".", at: at, icb: longAD(b[400:416]).addr}
	t.describe(root, &window{m: t.m})
	if root.err != nil {
		return root.err
	}
	if !root.dir() {
		return fault(at, "file set descriptor", "its root is not a directory")
	}
	t.top = root
	return nil
}

// address is a block of a partition (ECMA-167 4/7.1).
type address struct {
	block uint32
	part  uint16
}

func parseAddress(b []byte) address {
	return address{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:])}
}

// isRegistered compares the identifier of an entity (ECMA-167 1/7.4).
func isRegistered(regid []byte, name string) bool {
	return string(bytes.TrimRight(regid[1:24], "\x00")) == name
}

// kinds of allocation, the top bits of an extent's length (ECMA-167 4/14.14.1.1).
const (
	kindRecorded     = 0
	kindAllocated    = 1 // but not recorded: zeros
	kindNotAllocated = 2 // zeros
	kindContinued    = 3 // an allocation extent descriptor
)

// allocation is an allocation descriptor of any form.
type allocation struct {
	kind byte
	size int64
	addr address
}

func allocationOf(length uint32, addr address) allocation {
	return allocation{byte(length >> 30), int64(length & (1<<30 - 1)), addr}
}

func longAD(b []byte) allocation {
	return allocationOf(binary.LittleEndian.Uint32(b), parseAddress(b[4:]))
}
