package ramdisk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

const (
	sectorSize  = 512
	clusterSize = 4 * sectorSize
	rootSectors = rootEntries * entrySize / sectorSize
	fatCopies   = 2
	media       = 0xf8 // fixed disk; also the first octet of the FAT

	firstCluster = 2 // FAT entries 0 and 1 stand for no cluster

	// The number of clusters alone says which kind of FAT a volume has: FAT12
	// below 4085. Readers have been off by some at that line, so volumes keep
	// 16 clusters away from it (FAT spec, "FAT Type Determination").
	maxFAT12 = 4085 - 1 - 16
	minFAT16 = 4085 + 16
)

// volume is what the number of clusters determines:
//
//	sector 0       boot sector
//	       1       the FAT, twice
//	       then    root directory, 32 sectors
//	       then    clusters of 4 sectors, numbered from 2
//
// With clusters of 2 KiB, FAT12 reaches to 8 MiB and FAT16 beyond MaxSize.
type volume struct {
	clusters int
	fat16    bool
}

// newVolume has room for so many clusters, at least one: a volume without any
// is refused by some.
func newVolume(used int) volume {
	if used <= maxFAT12 {
		return volume{clusters: max(used, 1)}
	}
	return volume{clusters: max(used, minFAT16), fat16: true}
}

// fatSectors is the length of one FAT; its entries have 12 or 16 bits.
func (v volume) fatSectors() int {
	entries := v.clusters + firstCluster
	size := (entries*3 + 1) / 2
	if v.fat16 {
		size = entries * 2
	}
	return (size + sectorSize - 1) / sectorSize
}

func (v volume) rootSector() int { return 1 + fatCopies*v.fatSectors() }

func (v volume) sectors() int {
	return v.rootSector() + rootSectors + v.clusters*clusterSize/sectorSize
}

func (v volume) size() int64 { return int64(v.sectors()) * sectorSize }

// offset is where a cluster begins, in octets.
func (v volume) offset(cluster uint32) int64 {
	return int64(v.rootSector()+rootSectors)*sectorSize + int64(cluster-firstCluster)*clusterSize
}

// image puts a volume together.
func (v volume) image(label shortName, root *node) *Image {
	fat := make([]byte, v.fatSectors()*sectorSize)
	v.setFAT(fat, 0, 0xff00|media)
	v.setFAT(fat, 1, 0xffff)
	var extents []extent
	add := func(start int64, b []byte, what string) {
		extents = append(extents, extent{start, start + int64(len(b)), bytes.NewReader(b), what})
	}
	// The serial number tells volumes apart: a checksum of all directories.
	serial := crc32.NewIEEE()
	root.walk(func(n *node) {
		for i, count := uint32(0), n.clusters(); i < count; i++ {
			next := n.first + i + 1
			if i == count-1 {
				next = 0xffff
			}
			v.setFAT(fat, n.first+i, next)
		}
		if n.isDir() {
			b := n.directory(label)
			serial.Write(b)
			start := int64(v.rootSector()) * sectorSize
			if n.parent != nil {
				start = v.offset(n.first)
			}
			add(start, b, "directory "+n.path)
		} else if n.file.Size > 0 {
			start := v.offset(n.first)
			extents = append(extents, extent{start, start + n.file.Size, n.file.Content, n.path})
		}
	})
	add(0, v.bootSector(label, serial.Sum32()), "boot sector")
	for i := range fatCopies {
		add(int64(1+i*v.fatSectors())*sectorSize, fat, "FAT")
	}
	return newImage(v.size(), extents)
}

// walk visits n and everything below it, parents first.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, c := range n.children {
		c.walk(visit)
	}
}

// setFAT writes an entry of the FAT: the cluster that follows, or ones at the
// end of a run. FAT12 packs two entries into three octets, low bits first (FAT
// spec, "FAT Data Structure").
func (v volume) setFAT(fat []byte, cluster, value uint32) {
	if v.fat16 {
		binary.LittleEndian.PutUint16(fat[2*cluster:], uint16(value))
		return
	}
	at := fat[cluster*3/2:]
	if cluster%2 == 0 {
		at[0], at[1] = byte(value), at[1]&0xf0|byte(value>>8)&0x0f
	} else {
		at[0], at[1] = at[0]&0x0f|byte(value<<4), byte(value>>4)
	}
}

// bootSector is the first sector (FAT spec, "Boot Sector and BPB"):
//
//	 0 jump, 3 octets           19 sectors, if below 65536   36 drive 0x80
//	 3 name of the maker        21 media                     38 0x29: the next three are there
//	11 octets per sector        22 sectors per FAT           39 serial number
//	13 sectors per cluster      24 sectors per track         43 label
//	14 sectors before the FAT   26 heads                     54 "FAT12   ", "FAT16   "
//	16 FATs                     28 sectors before: 0         510 0x55 0xaa
//	17 root entries             32 sectors otherwise
//
// The name is the one that the section advises. The geometry is of no use, and
// one that divides every size. Octets 446 to 509 are zero, so that nobody
// takes the sector for a partition table. No BIOS starts it: the jump leads to
// itself.
func (v volume) bootSector(label shortName, serial uint32) []byte {
	b := make([]byte, sectorSize)
	le := binary.LittleEndian
	copy(b, "\xeb\xfe\x90MSWIN4.1")
	le.PutUint16(b[11:], sectorSize)
	b[13] = clusterSize / sectorSize
	le.PutUint16(b[14:], 1)
	b[16] = fatCopies
	le.PutUint16(b[17:], rootEntries)
	if n := v.sectors(); n < 1<<16 {
		le.PutUint16(b[19:], uint16(n))
	} else {
		le.PutUint32(b[32:], uint32(n))
	}
	b[21] = media
	le.PutUint16(b[22:], uint16(v.fatSectors()))
	le.PutUint16(b[24:], 1)
	le.PutUint16(b[26:], 1)
	b[36], b[38] = 0x80, 0x29
	le.PutUint32(b[39:], serial)
	if label == blankName() {
		copy(label[:], "NO NAME")
	}
	copy(b[43:], label[:])
	copy(b[54:], "FAT12   ")
	if v.fat16 {
		copy(b[54:], "FAT16   ")
	}
	b[510], b[511] = 0x55, 0xaa
	return b
}
