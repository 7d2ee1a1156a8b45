package wim

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
)

// blobTable is the table of all octets that a WIM keeps, by their SHA-1: what
// the white paper calls lookup table. An entry:
//
//	0   24  resource
//	24  2   part of a split WIM
//	26  4   references to it
//	30  20  SHA-1
//
// Entries of metadata are those of the images, in order. The octets are kept
// as they are: 50 and 4 for each entry.
type blobTable struct {
	raw    []byte
	byHash []uint32 // entries that are no metadata, by SHA-1
	images []int    // entries that are metadata
}

const (
	blobLen   = 50
	atRefs    = 26
	atBlobSum = 30
)

// sum is a SHA-1; all zeros stands for no octets at all.
type sum [20]byte

func (c *container) readBlobs() (*blobTable, error) {
	raw, err := c.readAll(c.blobs, maxBlobs)
	if err != nil {
		return nil, fmt.Errorf("reading the blob table of a WIM: %v", err)
	}
	if len(raw)%blobLen != 0 {
		return nil, fmt.Errorf("reading the blob table of a WIM: %d octets are not entries of %d", len(raw), blobLen)
	}
	t := &blobTable{raw: raw, byHash: make([]uint32, 0, len(raw)/blobLen)}
	for i := range len(raw) / blobLen {
		if t.resource(i).flags&resourceMetadata != 0 {
			t.images = append(t.images, i)
		} else {
			t.byHash = append(t.byHash, uint32(i))
		}
	}
	// An entry that comes twice is found where it comes first.
	slices.SortStableFunc(t.byHash, func(a, b uint32) int { return bytes.Compare(t.sumOf(int(a)), t.sumOf(int(b))) })
	return t, nil
}

func (t *blobTable) entry(i int) []byte      { return t.raw[i*blobLen : (i+1)*blobLen] }
func (t *blobTable) resource(i int) resource { return parseResource(t.entry(i)) }
func (t *blobTable) part(i int) int          { return int(u16(t.entry(i)[resourceLen:])) }
func (t *blobTable) sumOf(i int) []byte      { return t.entry(i)[atBlobSum:] }

// find gives the entry of a SHA-1.
func (t *blobTable) find(s sum) (int, bool) {
	at, ok := sort.Find(len(t.byHash), func(k int) int { return bytes.Compare(s[:], t.sumOf(int(t.byHash[k]))) })
	if !ok {
		return 0, false
	}
	return int(t.byHash[at]), true
}
