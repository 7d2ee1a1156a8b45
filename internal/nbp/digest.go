package nbp

import (
	"cmp"
	"errors"
	"hash"
	"slices"
)

// digest writes what Authenticode signs of a PE image into h: all of the file
// but the checksum, the certificate table and the directory entry that names
// it ("Windows Authenticode Portable Executable Signature Format", Calculating
// the PE Image Hash; UEFI specification 2.10, section 32.5.1).
//
// The order is firmware's, which is not quite that of the file: headers, then
// the sections by their offset, then what is left, counted from the number of
// octets hashed so far. Where sections leave gaps the two differ, and firmware
// decides what boots.
func (p *peImage) digest(b []byte, h hash.Hash) error {
	l, size := p.Layout, uint64(len(b))
	directory := l.Directory
	switch {
	case l.Headers > size || l.Checksum+4 > l.Headers:
		return errors.New("the size of its headers is wrong")
	case directory != 0 && directory+8 > l.Headers:
		return errors.New("the certificate table's entry lies outside the headers")
	}
	h.Write(b[:l.Checksum])
	if directory == 0 {
		h.Write(b[l.Checksum+4 : l.Headers])
	} else {
		h.Write(b[l.Checksum+4 : directory])
		h.Write(b[directory+8 : l.Headers])
	}
	done := l.Headers
	sections := slices.SortedStableFunc(slices.Values(l.Sections), func(a, b peExtent) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, s := range sections {
		// More than the file has means that sections overlap: no linker does
		// that, and hashing 96 times 32 MiB would take a while.
		if done += s.Size; done > size {
			return errors.New("its sections overlap")
		}
		h.Write(b[s.Offset : s.Offset+s.Size])
	}
	if rest := done + l.Certificate; rest < size {
		h.Write(b[done : size-l.Certificate])
	}
	return nil
}
