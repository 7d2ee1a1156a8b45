package wim

import "errors"

var (
	errTruncated = errors.New("the compressed octets end too early")
	errCode      = errors.New("octets that are no code of their Huffman code")
	errMatch     = errors.New("a match reaches beyond the chunk")
)

// bitReader reads the bit streams of XPRESS and LZX: 16-bit little-endian
// words, from the highest bit on, with whole octets between words.
//
// Past the end there are zeros, since both formats let a decoder look ahead;
// pos counts on, and overrun tells whether that went too far.
type bitReader struct {
	src    []byte
	pos    int    // of the next word
	buffer uint64 // the next bits, at the top
	have   int    // how many
}

// need has at least n bits ready, n <= 48, and reads no word more than that
// takes: where the octets between words begin depends on it.
func (b *bitReader) need(n int) {
	for b.have < n {
		b.word()
	}
}

// word has 16 bits more ready.
func (b *bitReader) word() {
	if b.pos+2 <= len(b.src) {
		b.buffer |= uint64(u16(b.src[b.pos:])) << (48 - b.have)
	}
	b.pos += 2
	b.have += 16
}

func (b *bitReader) drop(n int) {
	b.buffer <<= n
	b.have -= n
}

// bits takes n bits, n <= 32.
func (b *bitReader) bits(n int) int {
	if n == 0 {
		return 0
	}
	b.need(n)
	v := int(b.buffer >> (64 - n))
	b.drop(n)
	return v
}

// octet takes the next octet between words.
func (b *bitReader) octet() (int, error) {
	if b.pos >= len(b.src) {
		return 0, errTruncated
	}
	v := b.src[b.pos]
	b.pos++
	return int(v), nil
}

// overrun reports whether bits were used that are not there.
func (b *bitReader) overrun() bool { return 8*b.pos-b.have > 8*len(b.src) }

// tableBits is how long the codes are that one look finds. Longer ones are
// rare by their nature.
const tableBits = 10

const maxCodeLen = 16

// huffman decodes a canonical Huffman code: codes of one length are numbered
// in the order of their symbols, shorter ones first.
type huffman struct {
	table  [1 << tableBits]uint16 // symbol<<4 | length; 0: a longer code
	first  [maxCodeLen + 2]uint32 // first code of a length, at the top of maxCodeLen bits
	index  [maxCodeLen + 2]uint16 // and its place in sorted
	sorted []uint16               // symbols by length, then number
	empty  bool
}

// build takes the length of each symbol's code, 0 for none, at most
// maxCodeLen. A code that is neither complete nor empty is refused.
func (h *huffman) build(lens []uint8) error {
	var count [maxCodeLen + 1]int
	for _, n := range lens {
		count[n]++
	}
	h.empty = count[0] == len(lens)
	if h.empty {
		clear(h.table[:])
		return nil
	}
	code, place := uint32(0), 0
	for n := 1; n <= maxCodeLen; n++ {
		h.first[n], h.index[n] = code, uint16(place)
		code += uint32(count[n]) << (maxCodeLen - n)
		place += count[n]
	}
	if code != 1<<maxCodeLen {
		return errors.New("a Huffman code is not complete")
	}
	h.first[maxCodeLen+1] = code
	if cap(h.sorted) < place {
		h.sorted = make([]uint16, len(lens))
	}
	h.sorted = h.sorted[:place]
	next := h.index
	for symbol, n := range lens {
		if n > 0 {
			h.sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	h.fill(count[:])
	return nil
}

// fill writes the table of short codes.
func (h *huffman) fill(count []int) {
	at, place := 0, 0
	for n := 1; n <= tableBits; n++ {
		span := 1 << (tableBits - n)
		for range count[n] {
			entry := h.sorted[place]<<4 | uint16(n)
			slots := h.table[at : at+span]
			for i := range slots {
				slots[i] = entry
			}
			at, place = at+span, place+1
		}
	}
	clear(h.table[at:])
}

// symbol takes one code. It is written to be inlined.
func (h *huffman) symbol(b *bitReader) (int, error) {
	if b.have < maxCodeLen {
		b.word()
	}
	e := h.table[b.buffer>>(64-tableBits)]
	if e == 0 {
		return h.long(b)
	}
	b.drop(int(e & 15))
	return int(e >> 4), nil
}

// long takes a code that is too long for the table, or none.
func (h *huffman) long(b *bitReader) (int, error) {
	code := uint32(b.buffer >> (64 - maxCodeLen))
	for n := tableBits + 1; n <= maxCodeLen && !h.empty; n++ {
		if code < h.first[n+1] {
			b.drop(n)
			return int(h.sorted[int(h.index[n])+int((code-h.first[n])>>(maxCodeLen-n))]), nil
		}
	}
	return 0, errCode
}

// copyMatch repeats length octets from offset before at. All are within dst.
func copyMatch(dst []byte, at, offset, length int) {
	if offset >= length {
		copy(dst[at:at+length], dst[at-offset:])
		return
	}
	for n := at + length; at < n; {
		at += copy(dst[at:n], dst[at-offset:at])
		offset = min(offset<<1, at) // what was copied is a repetition, too
	}
}
