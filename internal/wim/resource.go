package wim

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// resource is where octets lie in a WIM, and how long they are when they are
// decompressed.
type resource struct {
	offset   int64
	size     int64 // as stored
	original int64
	flags    byte
}

const resourceLen = 24

// Flags of a resource.
const (
	resourceMetadata   = 0x02
	resourceCompressed = 0x04
	resourceSpanned    = 0x08
	resourceSolid      = 0x10
)

// parseResource reads 24 octets. Offsets and lengths from 2^63 on become
// negative, which within refuses.
func parseResource(b []byte) resource {
	word := u64(b)
	return resource{
		size: int64(word & (1<<56 - 1)), flags: byte(word >> 56),
		offset: int64(u64(b[8:])), original: int64(u64(b[16:])),
	}
}

func (r resource) put(b []byte) {
	putU64(b, uint64(r.size)|uint64(r.flags)<<56)
	putU64(b[8:], uint64(r.offset))
	putU64(b[16:], uint64(r.original))
}

// within says what is wrong with a resource in a file of so many octets.
func (r resource) within(size int64) error {
	if r.offset < 0 || r.original < 0 || r.offset > size || r.size > size-r.offset {
		return fmt.Errorf("has %d octets at %d, in a file of %d", uint64(r.size), uint64(r.offset), size)
	}
	return nil
}

// decoder decompresses one chunk: src is all of it, dst exactly as long as
// what comes out.
type decoder interface {
	decompress(dst, src []byte) error
}

// chunks is a resource that can be read from any chunk on. It is not safe for
// concurrent use.
//
// A compressed resource begins with a table: for each chunk but the first,
// where it begins after the table, in 4 octets (8 from 4 GiB on, which is more
// than is read here). A chunk that is as long as what it stands for is not
// compressed.
type chunks struct {
	c     *container
	res   resource
	chunk int // octets of all but the last, decompressed
	count int
	table []byte // nil: not compressed
	dec   decoder
	buf   []byte
}

// tableEntry is how many octets an entry of the table has.
const tableEntry = 4

// openResource refuses what cannot be read, and what is larger than most.
func (c *container) openResource(res resource, most int64) (*chunks, error) {
	if err := res.within(c.size); err != nil {
		return nil, fmt.Errorf("it %v", err)
	}
	if res.original > most {
		return nil, fmt.Errorf("it has %d octets; at most %d are read", res.original, most)
	}
	switch {
	case res.flags&resourceSolid != 0:
		return nil, errors.New("it lies in a solid resource, as in ESD files; " + convert)
	case res.flags&resourceSpanned != 0:
		return nil, errors.New(`it goes on in another part of a split WIM; "wimlib-imagex join WHOLE.wim PARTS" puts them together`)
	case res.flags&resourceCompressed == 0:
		return c.openStored(res)
	}
	return c.openCompressed(res)
}

// convert is the remedy for what is packed as ESD files are.
const convert = `"wimlib-imagex export FILE IMAGE NEW.wim --compress=LZX --boot" makes a WIM that can be read`

// openStored takes steps of 32 KiB through what is not compressed.
func (c *container) openStored(res resource) (*chunks, error) {
	if res.size != res.original {
		return nil, fmt.Errorf("it has %d octets as stored and %d without compression, and is not compressed", res.size, res.original)
	}
	const step = 32 << 10
	return &chunks{c: c, res: res, chunk: step, count: int((res.size + step - 1) / step)}, nil
}

func (c *container) openCompressed(res resource) (*chunks, error) {
	k := &chunks{c: c, res: res, chunk: c.chunk}
	switch c.compression {
	case XPRESS:
		k.dec = &xpress{}
	case LZX:
		k.dec = newLZX(bits.TrailingZeros(uint(c.chunk)))
	case LZMS:
		return nil, errors.New("it is compressed by LZMS, as in ESD files; " + convert)
	default:
		return nil, errors.New("it is compressed, in a WIM that says it has no compression")
	}
	k.count = int((res.original + int64(k.chunk) - 1) / int64(k.chunk))
	table := int64(max(k.count-1, 0)) * tableEntry
	if table > res.size {
		return nil, fmt.Errorf("its %d chunks need a table of %d octets, and it has %d in all", k.count, table, res.size)
	}
	k.table = make([]byte, table)
	k.buf = make([]byte, k.chunk)
	return k, readFull(c.r, k.table, res.offset)
}

// length is how long a chunk is after decompression.
func (k *chunks) length(i int) int {
	return int(min(int64(k.chunk), k.res.original-int64(i)*int64(k.chunk)))
}

// start is where a chunk is stored, counted from the end of the table.
func (k *chunks) start(i int) int64 {
	switch i {
	case 0:
		return 0
	case k.count:
		return k.res.size - int64(len(k.table))
	}
	return int64(u32(k.table[tableEntry*(i-1):]))
}

// read fills dst, which has the length of the chunk.
func (k *chunks) read(i int, dst []byte) error {
	if k.dec == nil {
		return readFull(k.c.r, dst, k.res.offset+int64(i)*int64(k.chunk))
	}
	from, to := k.start(i), k.start(i+1)
	if from > to || to > k.start(k.count) || to-from > int64(len(dst)) {
		return fmt.Errorf("chunk %d of %d lies from %d to %d, in %d octets, and stands for %d", i, k.count, from, to, k.start(k.count), len(dst))
	}
	at := k.res.offset + int64(len(k.table)) + from
	if to-from == int64(len(dst)) {
		return readFull(k.c.r, dst, at)
	}
	src := k.buf[:to-from]
	if err := readFull(k.c.r, src, at); err != nil {
		return err
	}
	if err := k.dec.decompress(dst, src); err != nil {
		return fmt.Errorf("chunk %d of %d, %s at octet %d: %v", i, k.count, k.c.compression, at, err)
	}
	return nil
}

// copyTo writes all of it, chunk by chunk.
func (k *chunks) copyTo(w io.Writer) error {
	buf := make([]byte, min(int64(k.chunk), k.res.original))
	for i := range k.count {
		part := buf[:k.length(i)]
		if err := k.read(i, part); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// readAll gives a whole resource of at most so many octets. What a table of
// chunks does not back is not allocated.
func (c *container) readAll(res resource, most int64) ([]byte, error) {
	k, err := c.openResource(res, most)
	if err != nil {
		return nil, err
	}
	all := make([]byte, res.original)
	for i := range k.count {
		at := i * k.chunk
		if err := k.read(i, all[at:at+k.length(i)]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
