package policy

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"

	"hobnail/internal/config"
)

// Block is a run of addresses of one pool that one server owns. Servers divide
// pools by blocks: an address is given by the owner of its block and by nobody
// else, whatever the others know or don't.
type Block struct {
	Range
	Number, Of int // counted through the pool from 0, and how many the pool has
}

// Owner says whether a block is this server's. No two servers may own a block
// at a time. Today the configuration says it (ByShare).
type Owner func(Block) bool

// ByShare owns every server's part of each pool: one stretch of neighbouring
// blocks, so that a person can tell from an address which server gave it.
func ByShare(s config.Share) Owner {
	return func(b Block) bool {
		if s.Of <= 1 {
			return true
		}
		return b.Number >= b.Of*(s.Index-1)/s.Of && b.Number < b.Of*s.Index/s.Of
	}
}

// Blocks cuts a pool. Its blocks have a power of two of addresses and begin at
// multiples of it, but for what is cut off at the ends of ranges. The smaller
// the pool the smaller they are, down to one address, so that there are 256 or
// more of them wherever the pool has as many addresses, and never many more. A
// pool that grows keeps its blocks, or has each halved or doubled.
func Blocks(pool []Range) iter.Seq[Block] {
	var total int64
	for _, r := range pool {
		total += r.Size()
	}
	size := uint64(1)
	if total >= 512 {
		size = 1 << (bits.Len64(uint64(total)/256) - 1)
	}
	of := 0
	for _, r := range pool {
		of += int(number(r.Last)/size-number(r.First)/size) + 1
	}
	return func(yield func(Block) bool) {
		n := 0
		for _, r := range pool {
			for a, last := number(r.First), number(r.Last); a <= last; {
				end := min(a/size*size+size-1, last)
				if !yield(Block{Range: Range{First: address(a), Last: address(end)}, Number: n, Of: of}) {
					return
				}
				a = end + 1
				n++
			}
		}
	}
}

// owned joins the blocks of one owner, in the order of the pool.
func owned(pool []Range, owns Owner) []Range {
	var all []Range
	for b := range Blocks(pool) {
		if !owns(b) {
			continue
		}
		if last := len(all) - 1; last >= 0 && all[last].Last.Next() == b.First {
			all[last].Last = b.Last
			continue
		}
		all = append(all, b.Range)
	}
	return all
}

func number(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

func address(n uint64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b)
}
