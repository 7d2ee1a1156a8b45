package regf

import (
	"encoding/binary"
	"slices"
	"strings"
)

// A hive is a base block and hive bins, which hold cells. Cells point at each
// other by their distance from the first bin.
const (
	block  = 4096 // of the base block, and what a bin's size is a multiple of
	binTop = 32   // header of a bin
	none   = 0xffffffff
)

// Flags of a key (nk) and of a value (vk).
const (
	keyRoot     = 0x04 // the hive's root
	keyNoDelete = 0x08
	keyASCII    = 0x20 // the name is stored as one octet a character
	valueASCII  = 0x01
	inlineData  = 1 << 31 // up to four octets stand where the pointer would
)

var le = binary.LittleEndian

// writer fills bins one after the other; nothing is ever freed.
type writer struct {
	bins []byte // whole bins, but for the last
	free int    // octets that are left in the last bin
	bin  int    // where it begins
	time uint64
	sk   uint32 // the security record, which all keys share
	keys uint32 // how many there are
}

// hive lays out everything.
func (w *writer) hive(root Key) []byte {
	w.sk = w.cell(securityRecord())
	top := w.key(root, none)
	w.closeBin()
	le.PutUint32(w.bins[w.sk+4+12:], w.keys)
	return append(w.baseBlock(top), w.bins...)
}

// baseBlock writes the first 4096 octets:
//
//	 0 "regf"                20 major, minor version    40 octets of all bins
//	 4 sequence number       28 kind: 0, a primary file 44 clustering factor: 1
//	 8 the same: unharmed    32 format: 1               48 file name: empty
//	12 written, FILETIME     36 root key               508 XOR of what is before
func (w *writer) baseBlock(root uint32) []byte {
	b := make([]byte, block)
	copy(b, "regf")
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], 1)
	le.PutUint64(b[12:], w.time)
	le.PutUint32(b[20:], 1)
	le.PutUint32(b[24:], 3)
	le.PutUint32(b[32:], 1)
	le.PutUint32(b[36:], root)
	le.PutUint32(b[40:], uint32(len(w.bins)))
	le.PutUint32(b[44:], 1)
	le.PutUint32(b[508:], checksum(b[:508]))
	return b
}

// checksum is the XOR of 32-bit words, but for the two values that Windows
// keeps for itself.
func checksum(b []byte) uint32 {
	var sum uint32
	for i := 0; i < len(b); i += 4 {
		sum ^= le.Uint32(b[i:])
	}
	switch sum {
	case 0:
		return 1
	case none:
		return none - 1
	}
	return sum
}

// cell stores octets and gives the place they are known by. A cell begins with
// its size, negative while it is in use, and lies on 8 octets.
func (w *writer) cell(content []byte) uint32 {
	size := (4 + len(content) + 7) &^ 7
	if size > w.free {
		w.closeBin()
		w.openBin(size)
	}
	at := len(w.bins)
	w.bins = le.AppendUint32(w.bins, uint32(-size))
	w.bins = append(w.bins, content...)
	w.bins = append(w.bins, make([]byte, size-4-len(content))...)
	w.free -= size
	return uint32(at)
}

// openBin begins a bin that has room for a cell of that size:
//
//	0 "hbin"  4 its place  8 its size  12 0, 0  20 FILETIME  28 0
func (w *writer) openBin(cell int) {
	size := (binTop + cell + block - 1) &^ (block - 1)
	w.bin, w.free = len(w.bins), size-binTop
	b := make([]byte, binTop)
	copy(b, "hbin")
	le.PutUint32(b[4:], uint32(w.bin))
	le.PutUint32(b[8:], uint32(size))
	if w.bin == 0 {
		le.PutUint64(b[20:], w.time)
	}
	w.bins = append(w.bins, b...)
}

// closeBin makes what is left one free cell: its size is positive.
func (w *writer) closeBin() {
	if w.free > 0 {
		rest := make([]byte, w.free)
		le.PutUint32(rest, uint32(w.free))
		w.bins = append(w.bins, rest...)
	}
	w.free = 0
}

// key stores a key and everything below it:
//
//	 0 "nk"              28 list of keys          56 longest class of those
//	 2 flags             32 list of volatile keys 60 longest value name
//	 4 FILETIME          36 number of values      64 most octets of a value
//	12 0                 40 list of values        68 0
//	16 parent            44 security record       72 octets of the name
//	20 number of keys    48 class                 74 octets of the class
//	24 of volatile keys  52 longest name of those 76 name
func (w *writer) key(k Key, parent uint32) uint32 {
	b := make([]byte, 76, 76+len(k.Name))
	copy(b, "nk")
	flags := uint16(keyASCII)
	if parent == none {
		flags |= keyRoot | keyNoDelete
		parent = 0
	}
	le.PutUint16(b[2:], flags)
	le.PutUint64(b[4:], w.time)
	le.PutUint32(b[16:], parent)
	le.PutUint32(b[20:], uint32(len(k.Keys)))
	le.PutUint32(b[28:], none)
	le.PutUint32(b[32:], none)
	le.PutUint32(b[36:], uint32(len(k.Values)))
	le.PutUint32(b[40:], none)
	le.PutUint32(b[44:], w.sk)
	le.PutUint32(b[48:], none)
	for _, c := range k.Keys { // lengths count two octets a character
		le.PutUint32(b[52:], max(le.Uint32(b[52:]), uint32(2*len(c.Name))))
	}
	for _, v := range k.Values {
		le.PutUint32(b[60:], max(le.Uint32(b[60:]), uint32(2*len(v.Name))))
		le.PutUint32(b[64:], max(le.Uint32(b[64:]), uint32(len(v.Data))))
	}
	le.PutUint16(b[72:], uint16(len(k.Name)))
	at := w.cell(append(b, k.Name...))
	w.keys++
	// The lists come after what they name, so that it is known where that is.
	if len(k.Keys) > 0 {
		list := w.subkeys(k.Keys, at)
		le.PutUint32(w.bins[at+4+28:], list)
	}
	if len(k.Values) > 0 {
		list := w.values(k.Values)
		le.PutUint32(w.bins[at+4+40:], list)
	}
	return at
}

// subkeys stores keys and their list: "lf", their number, and of each its
// place and the first four octets of its name. Windows searches the list by
// halves, so it goes by upper-case names.
func (w *writer) subkeys(keys []Key, parent uint32) uint32 {
	sorted := slices.SortedFunc(slices.Values(keys), func(a, b Key) int {
		return strings.Compare(strings.ToUpper(a.Name), strings.ToUpper(b.Name))
	})
	b := append([]byte("lf"), byte(len(keys)), byte(len(keys)>>8))
	for _, k := range sorted {
		b = le.AppendUint32(b, w.key(k, parent))
		var hint [4]byte
		copy(hint[:], k.Name)
		b = append(b, hint[:]...)
	}
	return w.cell(b)
}

// values stores values and the list of their places.
func (w *writer) values(values []Value) uint32 {
	var list []byte
	for _, v := range values {
		list = le.AppendUint32(list, w.value(v))
	}
	return w.cell(list)
}

// value stores a value:
//
//	0 "vk"               4 octets of its data   12 type       18 0
//	2 octets of its name 8 where they are       16 flags      20 name
func (w *writer) value(v Value) uint32 {
	b := make([]byte, 20, 20+len(v.Name))
	copy(b, "vk")
	le.PutUint16(b[2:], uint16(len(v.Name)))
	if len(v.Data) <= 4 {
		le.PutUint32(b[4:], uint32(len(v.Data))|inlineData)
		copy(b[8:12], v.Data)
	} else {
		le.PutUint32(b[4:], uint32(len(v.Data)))
		le.PutUint32(b[8:], w.cell(v.Data))
	}
	le.PutUint32(b[12:], uint32(v.Type))
	if v.Name != "" {
		le.PutUint16(b[16:], valueASCII)
	}
	return w.cell(append(b, v.Name...))
}

// securityRecord is who may do what with a key: the one record of the hive, a
// list of one (it points at itself, at place 32, the first cell there is).
//
//	0 "sk"  2 0  4 next  8 before  12 keys that have it  16 octets  20 descriptor
func securityRecord() []byte {
	d := descriptor()
	b := make([]byte, 20, 20+len(d))
	copy(b, "sk")
	le.PutUint32(b[4:], binTop)
	le.PutUint32(b[8:], binTop)
	le.PutUint32(b[16:], uint32(len(d)))
	return append(b, d...)
}

// descriptor is a self-relative security descriptor (MS-DTYP 2.4.6), in SDDL
// O:BAG:SYD:P(A;CI;KA;;;BA)(A;CI;KA;;;SY): administrators own it, they and the
// system may do everything, and nothing is inherited from above.
func descriptor() []byte {
	administrators := sid(32, 544)
	system := sid(18)
	dacl := acl(administrators, system)
	b := make([]byte, 20)
	b[0] = 1                    // revision
	le.PutUint16(b[2:], 0x9004) // self-relative, protected, has a DACL
	for i, part := range [][]byte{administrators, system, nil, dacl} {
		if part != nil {
			le.PutUint32(b[4+4*i:], uint32(len(b)))
			b = append(b, part...)
		}
	}
	return b
}

// acl lets each of these do everything with a key and the keys below it
// (MS-DTYP 2.4.5, 2.4.4.2).
func acl(sids ...[]byte) []byte {
	b := []byte{2, 0, 0, 0, byte(len(sids)), 0, 0, 0}
	for _, s := range sids {
		b = append(b, 0, 2, byte(8+len(s)), 0) // allowed; containers inherit it
		b = le.AppendUint32(b, 0xf003f)        // KEY_ALL_ACCESS
		b = append(b, s...)
	}
	le.PutUint16(b[2:], uint16(len(b)))
	return b
}

// sid is S-1-5-… (MS-DTYP 2.4.2.2).
func sid(parts ...uint32) []byte {
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, 5}
	for _, p := range parts {
		b = le.AppendUint32(b, p)
	}
	return b
}
