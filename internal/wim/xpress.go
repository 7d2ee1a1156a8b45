package wim

// xpress decompresses LZ77+Huffman of MS-XCA, sections 2.1.4.1 and 2.2.4, as
// far as a chunk of a WIM needs it: one block of at most 64 KiB.
//
//	0    256  lengths of the codes of 512 symbols, 4 bits each, low half first
//	256       bit stream
//
// Symbols up to 255 are octets. Of the others, the low 4 bits are a match's
// length less 3, the next 4 the number of bits of its offset without the
// highest. A length of 15 goes on in an octet, and if that is 255 in 16 bits.
type xpress struct {
	lens [512]uint8
	code huffman
}

func (x *xpress) decompress(dst, src []byte) error {
	if len(src) < 256 {
		return errTruncated
	}
	for i, b := range src[:256] {
		x.lens[2*i], x.lens[2*i+1] = b&15, b>>4
	}
	if err := x.code.build(x.lens[:]); err != nil {
		return err
	}
	in := bitReader{src: src, pos: 256}
	for at := 0; at < len(dst); {
		symbol, err := x.code.symbol(&in)
		if err != nil {
			return err
		}
		if symbol < 256 {
			dst[at] = byte(symbol)
			at++
			continue
		}
		offset, length, err := xpressMatch(&in, symbol-256)
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

// xpressMatch reads what follows a match's symbol. The octets of the length
// stand where the stream is when 16 bits are ready, even if the bits of the
// offset take some of those (MS-XCA reads them first, from the same place).
func xpressMatch(in *bitReader, symbol int) (offset, length int, err error) {
	in.need(16)
	extra := symbol >> 4
	offset = 1<<extra | in.bits(extra)
	length = symbol & 15
	if length < 15 {
		return offset, length + 3, nil
	}
	more, err := in.octet()
	if err != nil {
		return 0, 0, err
	}
	length += more
	if more == 255 {
		low, err := in.octet()
		if err != nil {
			return 0, 0, err
		}
		high, err := in.octet()
		if err != nil {
			return 0, 0, err
		}
		length = high<<8 | low
	}
	return offset, length + 3, nil
}
