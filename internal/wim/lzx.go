package wim

import "errors"

// lzx decompresses LZX as WIMs have it. The format is that of Microsoft's "LZX
// Data Compression" of the CAB SDK, with these differences, as wimlib's and
// Microsoft's files show them: each chunk stands alone, the window is as large
// as a chunk, the length of a block is 1 bit "32,768", or 0 and 16 bits (24
// with windows from 64 KiB on), the lengths of the aligned code come before
// the other trees, and the translation of x86 calls is always on, with
// 12,000,000 as the size of the file.
type lzx struct {
	order   int // log2 of the window
	main    huffman
	length  huffman
	aligned huffman
	pre     huffman

	mainLens   [256 + 8*50]uint8 // kept from block to block of a chunk
	lengthLens [249]uint8
	mainSize   int
	recent     [3]int
	offsets    lzxOffsets
}

// lzxOffsets are the offset slots: where each begins, and how many bits tell
// the offset in it.
type lzxOffsets struct {
	base  [50]int
	extra [50]int
}

func newLZXOffsets() lzxOffsets {
	var o lzxOffsets
	next := 0
	for i := range o.base {
		o.base[i] = next
		if i >= 4 {
			o.extra[i] = min(i/2-1, 17)
		}
		next += 1 << o.extra[i]
	}
	return o
}

// slots counts the offset slots that a window needs.
func (o *lzxOffsets) slots(window int) int {
	n := 0
	for n < len(o.base) && o.base[n] < window {
		n++
	}
	return n
}

// newLZX is for chunks of at most 1<<order octets, order from 15 to 21.
func newLZX(order int) *lzx {
	l := &lzx{order: order, offsets: newLZXOffsets()}
	l.mainSize = 256 + 8*l.offsets.slots(1<<order)
	return l
}

// Kinds of blocks.
const (
	lzxVerbatim     = 1
	lzxAligned      = 2
	lzxUncompressed = 3
)

func (l *lzx) decompress(dst, src []byte) error {
	clear(l.mainLens[:])
	clear(l.lengthLens[:])
	l.recent = [3]int{1, 1, 1}
	in := &bitReader{src: src}
	for at := 0; at < len(dst); {
		kind := in.bits(3)
		size := l.blockSize(in)
		if size == 0 || size > len(dst)-at {
			return errors.New("a block is empty or reaches beyond the chunk")
		}
		var err error
		switch kind {
		case lzxVerbatim, lzxAligned:
			err = l.block(dst[:at+size], at, in, kind == lzxAligned)
		case lzxUncompressed:
			err = l.stored(dst[at:at+size], in)
		default:
			err = errors.New("a block of no known kind")
		}
		if err != nil {
			return err
		}
		at += size
	}
	translateCalls(dst)
	return nil
}

func (l *lzx) blockSize(in *bitReader) int {
	if in.bits(1) == 1 {
		return 32 << 10
	}
	if l.order >= 16 {
		return in.bits(24)
	}
	return in.bits(16)
}

// block decodes a compressed block: dst from at to its end.
func (l *lzx) block(dst []byte, at int, in *bitReader, aligned bool) error {
	if err := l.trees(in, aligned); err != nil {
		return err
	}
	for at < len(dst) {
		symbol, err := l.main.symbol(in)
		if err != nil {
			return err
		}
		if symbol < 256 {
			dst[at] = byte(symbol)
			at++
			continue
		}
		symbol -= 256
		length := symbol & 7
		if length == 7 {
			more, err := l.length.symbol(in)
			if err != nil {
				return err
			}
			length += more
		}
		length += 2
		offset, err := l.offset(in, symbol>>3, aligned)
		if err != nil {
			return err
		}
		if offset > at || length > len(dst)-at {
			return errMatch
		}
		copyMatch(dst, at, offset, length)
		at += length
		if in.overrun() {
			return errTruncated
		}
	}
	if in.overrun() {
		return errTruncated
	}
	return nil
}

// offset reads a match's offset and keeps it among the recent ones.
func (l *lzx) offset(in *bitReader, slot int, aligned bool) (int, error) {
	if slot < 3 {
		l.recent[0], l.recent[slot] = l.recent[slot], l.recent[0]
		return l.recent[0], nil
	}
	offset, extra := l.offsets.base[slot]-2, l.offsets.extra[slot]
	if aligned && extra >= 3 {
		offset += in.bits(extra-3) << 3
		low, err := l.aligned.symbol(in)
		if err != nil {
			return 0, err
		}
		offset += low
	} else {
		offset += in.bits(extra)
	}
	l.recent = [3]int{offset, l.recent[0], l.recent[1]}
	return offset, nil
}

// stored copies an uncompressed block. It begins at the next word, at the one
// after it if the bits end with a word, and ends at an even octet.
func (l *lzx) stored(dst []byte, in *bitReader) error {
	in.pos -= in.have / 16 * 2
	if in.have%16 == 0 {
		in.pos += 2
	}
	in.buffer, in.have = 0, 0
	if in.pos > len(in.src) || len(in.src)-in.pos < 12+len(dst) {
		return errTruncated
	}
	for i := range l.recent {
		offset := u32(in.src[in.pos:])
		if offset == 0 || offset > 1<<21 {
			return errMatch
		}
		l.recent[i] = int(offset)
		in.pos += 4
	}
	in.pos += copy(dst, in.src[in.pos:])
	in.pos += len(dst) & 1
	return nil
}

// trees reads the codes of a block.
func (l *lzx) trees(in *bitReader, aligned bool) error {
	if aligned {
		var lens [8]uint8
		for i := range lens {
			lens[i] = uint8(in.bits(3))
		}
		if err := l.aligned.build(lens[:]); err != nil {
			return err
		}
	}
	for _, part := range [][]uint8{l.mainLens[:256], l.mainLens[256:l.mainSize], l.lengthLens[:]} {
		if err := l.codeLens(in, part); err != nil {
			return err
		}
	}
	if err := l.main.build(l.mainLens[:l.mainSize]); err != nil {
		return err
	}
	return l.length.build(l.lengthLens[:])
}

// codeLens reads lengths of codes, as differences from what is in lens.
func (l *lzx) codeLens(in *bitReader, lens []uint8) error {
	var pre [20]uint8
	for i := range pre {
		pre[i] = uint8(in.bits(4))
	}
	if err := l.pre.build(pre[:]); err != nil {
		return err
	}
	for i := 0; i < len(lens); {
		symbol, err := l.pre.symbol(in)
		if err != nil {
			return err
		}
		run, value := 1, uint8(0)
		switch symbol {
		case 17:
			run = 4 + in.bits(4)
		case 18:
			run = 20 + in.bits(5)
		case 19:
			run = 4 + in.bits(1)
			if symbol, err = l.pre.symbol(in); err != nil {
				return err
			}
			if symbol > 16 {
				return errCode
			}
			fallthrough
		default:
			value = uint8((int(lens[i]) - symbol + 17) % 17)
		}
		if in.overrun() {
			return errTruncated
		}
		if run > len(lens)-i {
			return errCode
		}
		for range run {
			lens[i] = value
			i++
		}
	}
	return nil
}

// translateCalls undoes what the compressor does to x86 code: relative targets
// of calls (E8) were made absolute, so that calls of one function look alike.
func translateCalls(data []byte) {
	const fileSize = 12000000
	for i := 0; i < len(data)-10; i++ {
		if data[i] != 0xe8 {
			continue
		}
		target := int32(u32(data[i+1:]))
		position := int32(i)
		if target >= -position && target < fileSize {
			if target >= 0 {
				target -= position
			} else {
				target += fileSize
			}
			putU32(data[i+1:], uint32(target))
		}
		i += 4
	}
}
