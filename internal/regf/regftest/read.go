// Package regftest reads hives for tests, and believes nothing: every pointer
// must point at a cell in use, every cell in use must be pointed at once, and
// every count and length that a hive tells must be true.
package regftest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"hobnail/internal/regf"
)

const (
	none   = 0xffffffff
	inline = 1 << 31
)

// Hive is what a hive holds, and what it says of itself.
type Hive struct {
	Root     regf.Key // values in their order, keys in theirs
	Written  uint64   // FILETIME
	Bins     int
	Security []byte // descriptor of every key
}

// reader holds the cells of a hive: content by place, struck off when read.
type reader struct {
	cells   map[uint32][]byte
	sk      uint32
	keys    uint32
	written uint64
}

// Read takes a hive apart.
func Read(b []byte) (Hive, error) {
	le := binary.LittleEndian
	if len(b) < 8192 || len(b)%4096 != 0 || string(b[:4]) != "regf" {
		return Hive{}, fmt.Errorf("%d octets are no hive", len(b))
	}
	var sum uint32
	for i := 0; i < 508; i += 4 {
		sum ^= le.Uint32(b[i:])
	}
	switch {
	case sum != le.Uint32(b[508:]):
		return Hive{}, errors.New("the checksum is wrong")
	case le.Uint32(b[4:]) != le.Uint32(b[8:]):
		return Hive{}, errors.New("the sequence numbers differ")
	case le.Uint32(b[20:]) != 1 || le.Uint32(b[24:]) != 3 || le.Uint32(b[28:]) != 0 || le.Uint32(b[32:]) != 1 || le.Uint32(b[44:]) != 1:
		return Hive{}, fmt.Errorf("version, kind, format or clustering: % x", b[20:48])
	case int(le.Uint32(b[40:])) != len(b)-4096:
		return Hive{}, fmt.Errorf("bins of %d octets are told, %d are there", le.Uint32(b[40:]), len(b)-4096)
	}
	r := reader{cells: map[uint32][]byte{}, written: le.Uint64(b[12:])}
	bins, err := r.readBins(b[4096:])
	if err != nil {
		return Hive{}, err
	}
	root, err := r.key(le.Uint32(b[36:]), 0, true)
	if err != nil {
		return Hive{}, err
	}
	security, err := r.security()
	if err != nil {
		return Hive{}, err
	}
	if len(r.cells) > 0 {
		return Hive{}, fmt.Errorf("%d cells are in use that nothing points at", len(r.cells))
	}
	return Hive{root, r.written, bins, security}, nil
}

func (r *reader) readBins(b []byte) (count int, err error) {
	le := binary.LittleEndian
	for at := 0; at < len(b); count++ {
		size := int(le.Uint32(b[at+8:]))
		if string(b[at:at+4]) != "hbin" || int(le.Uint32(b[at+4:])) != at || size%4096 != 0 || size == 0 || at+size > len(b) {
			return 0, fmt.Errorf("at %#x is no bin: % x", at, b[at:at+32])
		}
		for cell := at + 32; cell < at+size; {
			n := int32(le.Uint32(b[cell:]))
			length := int(max(n, -n))
			if length < 8 || length%8 != 0 || cell+length > at+size {
				return 0, fmt.Errorf("the cell at %#x has %d octets", cell, n)
			}
			if n < 0 {
				r.cells[uint32(cell)] = b[cell+4 : cell+length]
			}
			cell += length
		}
		at += size
	}
	return count, nil
}

// take gives a cell, once.
func (r *reader) take(at uint32, size int, magic string) ([]byte, error) {
	b, ok := r.cells[at]
	if !ok || len(b) < size || !strings.HasPrefix(string(b), magic) {
		return nil, fmt.Errorf("at %#x is no cell %q of %d octets that was not read yet", at, magic, size)
	}
	delete(r.cells, at)
	return b, nil
}

func (r *reader) key(at, parent uint32, root bool) (regf.Key, error) {
	le := binary.LittleEndian
	b, err := r.take(at, 76, "nk")
	if err != nil {
		return regf.Key{}, err
	}
	n := int(le.Uint16(b[72:]))
	if len(b) < 76+n {
		return regf.Key{}, fmt.Errorf("the key at %#x has a name of %d octets", at, n)
	}
	k := regf.Key{Name: string(b[76 : 76+n])}
	flags := uint16(0x20)
	if root {
		flags = 0x2c
	}
	r.keys++
	if r.keys == 1 {
		r.sk = le.Uint32(b[44:])
	}
	switch {
	case le.Uint16(b[2:]) != flags:
		return k, fmt.Errorf("key %q has flags %#x", k.Name, le.Uint16(b[2:]))
	case le.Uint64(b[4:]) != r.written:
		return k, fmt.Errorf("key %q is of another time than the hive", k.Name)
	case le.Uint32(b[16:]) != parent:
		return k, fmt.Errorf("key %q has parent %#x", k.Name, le.Uint32(b[16:]))
	case le.Uint32(b[44:]) != r.sk || le.Uint32(b[24:]) != 0 || le.Uint32(b[32:]) != none || le.Uint32(b[48:]) != none:
		return k, fmt.Errorf("key %q has another security record, volatile keys, or a class", k.Name)
	}
	if k.Values, err = r.values(b); err != nil {
		return k, fmt.Errorf("key %q: %v", k.Name, err)
	}
	if k.Keys, err = r.subkeys(b, at); err != nil {
		return k, fmt.Errorf("key %q: %v", k.Name, err)
	}
	return k, nil
}

func (r *reader) values(nk []byte) ([]regf.Value, error) {
	le := binary.LittleEndian
	count, list := le.Uint32(nk[36:]), le.Uint32(nk[40:])
	if count == 0 && list == none {
		return nil, nil
	}
	b, err := r.take(list, int(4*count), "")
	if err != nil {
		return nil, err
	}
	var all []regf.Value
	longest, most := 0, 0
	for i := range count {
		v, err := r.value(le.Uint32(b[4*i:]))
		if err != nil {
			return nil, err
		}
		longest, most = max(longest, 2*len(v.Name)), max(most, len(v.Data))
		all = append(all, v)
	}
	if int(le.Uint32(nk[60:])) != longest || int(le.Uint32(nk[64:])) != most {
		return nil, fmt.Errorf("longest value name and data are told as %d and %d, and are %d and %d",
			le.Uint32(nk[60:]), le.Uint32(nk[64:]), longest, most)
	}
	return all, nil
}

func (r *reader) value(at uint32) (regf.Value, error) {
	le := binary.LittleEndian
	b, err := r.take(at, 20, "vk")
	if err != nil {
		return regf.Value{}, err
	}
	n, size := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	if len(b) < 20+n {
		return regf.Value{}, fmt.Errorf("the value at %#x has a name of %d octets", at, n)
	}
	v := regf.Value{Name: string(b[20 : 20+n]), Type: regf.Type(le.Uint32(b[12:]))}
	if (n > 0) != (b[16] == 1) {
		return v, fmt.Errorf("value %q has flags %#x", v.Name, b[16])
	}
	if size&inline != 0 {
		if size &^= inline; size > 4 {
			return v, fmt.Errorf("value %q has %d octets in place of a pointer", v.Name, size)
		}
		v.Data = append([]byte{}, b[8:8+size]...)
		return v, nil
	}
	data, err := r.take(le.Uint32(b[8:]), int(size), "")
	if err != nil {
		return v, fmt.Errorf("value %q: %v", v.Name, err)
	}
	v.Data = append([]byte{}, data[:size]...)
	return v, nil
}

func (r *reader) subkeys(nk []byte, at uint32) ([]regf.Key, error) {
	le := binary.LittleEndian
	count, list := le.Uint32(nk[20:]), le.Uint32(nk[28:])
	if count == 0 && list == none {
		return nil, nil
	}
	b, err := r.take(list, int(4+8*count), "lf")
	if err != nil {
		return nil, err
	}
	if uint32(le.Uint16(b[2:])) != count {
		return nil, fmt.Errorf("its list has %d keys, it has %d", le.Uint16(b[2:]), count)
	}
	var all []regf.Key
	longest, last := 0, ""
	for i := range count {
		entry := b[4+8*i:]
		k, err := r.key(le.Uint32(entry), at, false)
		if err != nil {
			return nil, err
		}
		var hint [4]byte
		copy(hint[:], k.Name)
		if [4]byte(entry[4:8]) != hint {
			return nil, fmt.Errorf("key %q has the hint % x", k.Name, entry[4:8])
		}
		if upper := strings.ToUpper(k.Name); upper <= last {
			return nil, fmt.Errorf("key %q comes after %q", upper, last)
		} else {
			last = upper
		}
		longest = max(longest, 2*len(k.Name))
		all = append(all, k)
	}
	if int(le.Uint32(nk[52:])) != longest {
		return nil, fmt.Errorf("its longest name is told as %d and is %d", le.Uint32(nk[52:]), longest)
	}
	return all, nil
}

func (r *reader) security() ([]byte, error) {
	le := binary.LittleEndian
	b, err := r.take(r.sk, 20, "sk")
	if err != nil {
		return nil, err
	}
	size := int(le.Uint32(b[16:]))
	if le.Uint32(b[4:]) != r.sk || le.Uint32(b[8:]) != r.sk || le.Uint32(b[12:]) != r.keys || len(b) < 20+size {
		return nil, fmt.Errorf("the security record is % x; there are %d keys", b[:20], r.keys)
	}
	return b[20 : 20+size], nil
}
