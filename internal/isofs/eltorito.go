package isofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Platform is for which firmware a boot image is (El Torito 2.1; 0xef by UEFI
// 2.10 section 13.3.2.1).
type Platform byte

const (
	PlatformBIOS    Platform = 0
	PlatformPowerPC Platform = 1
	PlatformMac     Platform = 2
	PlatformUEFI    Platform = 0xef
)

func (p Platform) String() string {
	switch p {
	case PlatformBIOS:
		return "BIOS"
	case PlatformPowerPC:
		return "PowerPC"
	case PlatformMac:
		return "Mac"
	case PlatformUEFI:
		return "UEFI"
	}
	return fmt.Sprintf("platform 0x%02x", byte(p))
}

// Media is what a boot image is shown as (El Torito figure 3).
type Media byte

const (
	MediaNone       Media = 0 // no emulation
	MediaFloppy1200 Media = 1
	MediaFloppy1440 Media = 2
	MediaFloppy2880 Media = 3
	MediaHardDisk   Media = 4
)

func (m Media) String() string {
	switch m {
	case MediaNone:
		return "no emulation"
	case MediaFloppy1200:
		return "1.2 MB floppy"
	case MediaFloppy1440:
		return "1.44 MB floppy"
	case MediaFloppy2880:
		return "2.88 MB floppy"
	case MediaHardDisk:
		return "hard disk"
	}
	return fmt.Sprintf("media %d", byte(m))
}

// BootEntry is an entry of the boot catalogue.
type BootEntry struct {
	Default  bool // the initial entry, which firmware takes without asking
	Bootable bool
	Platform Platform
	Media    Media
	Segment  uint16 // where BIOS loads it; 0 is 0x7c0
	Sectors  uint16 // of 512 octets that firmware loads, as the entry says
	ID       string // of its section
	// Extent is the whole image: of an emulated disk all of it; of UEFI's FAT
	// volume as much as that says, for Sectors is too small a number; else what
	// is loaded. It ends at the end of the disk at the latest.
	Extent Extent
}

const (
	bootRecordAt = 17 * descriptorSize // El Torito 2.0
	elTorito     = "EL TORITO SPECIFICATION"
	bootSector   = 512
	bootEntry    = 32 // octets of an entry of the catalogue
)

// Boot reads the boot catalogue (El Torito 2). It is empty if the image has none.
func (v *Volume) Boot() ([]BootEntry, error) {
	vd := make([]byte, descriptorSize)
	// The specification wants sector 17; some put it elsewhere.
	for i := range int64(maxDescriptors) {
		at := bootRecordAt + (i-1)*descriptorSize
		if v.m.read(vd, at, "volume descriptor") != nil || string(vd[1:6]) != "CD001" || vd[0] == vdTerminator {
			return nil, nil
		}
		if vd[0] == vdBoot && bytes.HasPrefix(vd[7:], []byte(elTorito)) {
			return v.catalog(int64(binary.LittleEndian.Uint32(vd[71:])) * descriptorSize)
		}
	}
	return nil, nil
}

// catalog reads entries of 32 octets: validation, initial, then sections of a
// header and entries, each of which may have extensions.
//
//	validation   0 = 1   1 platform   4 identifier, 24 octets   28 u16 checksum   30 55 aa
//	entry        0 0x88 bootable, 0 not   1 media   2 u16 segment   6 u16 sectors   8 u32 block
//	header       0 0x90, or 0x91 if it is the last   1 platform   2 u16 entries   4 identifier
//	extension    0 0x44   1 bit 5: another follows
func (v *Volume) catalog(at int64) ([]BootEntry, error) {
	b := make([]byte, min(maxCatalog, max(0, v.m.size-at)))
	if err := v.m.read(b, at, "boot catalogue"); err != nil {
		return nil, err
	}
	if len(b) < 2*bootEntry || b[0] != 1 || b[30] != 0x55 || b[31] != 0xaa {
		return nil, fault(at, "boot catalogue", "there is no validation entry")
	}
	var sum uint16
	for i := 0; i < bootEntry; i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	if sum != 0 {
		return nil, fault(at, "boot catalogue", "the checksum of the validation entry is wrong")
	}
	first := v.bootEntry(b[bootEntry:], Platform(b[1]), latin1(b[4:28]))
	first.Default = true
	entries := []BootEntry{first}
	rest := b[2*bootEntry:]
	for len(rest) >= bootEntry && (rest[0] == 0x90 || rest[0] == 0x91) {
		head := rest[:bootEntry]
		rest = rest[bootEntry:]
		for range binary.LittleEndian.Uint16(head[2:]) {
			if len(rest) < bootEntry {
				return entries, fault(at, "boot catalogue", "a section is cut off")
			}
			if len(entries) >= maxBootEntries {
				return entries, fault(at, "boot catalogue", "more than %d entries", maxBootEntries)
			}
			entries = append(entries, v.bootEntry(rest, Platform(head[1]), latin1(head[4:32])))
			rest = rest[bootEntry:]
			for len(rest) >= bootEntry && rest[0] == 0x44 {
				more := rest[1]&0x20 != 0
				rest = rest[bootEntry:]
				if !more {
					break
				}
			}
		}
		if head[0] == 0x91 {
			break
		}
	}
	return entries, nil
}

func (v *Volume) bootEntry(b []byte, p Platform, id string) BootEntry {
	e := BootEntry{
		Bootable: b[0] == 0x88, Platform: p, Media: Media(b[1] & 0xf),
		Segment: binary.LittleEndian.Uint16(b[2:]), Sectors: binary.LittleEndian.Uint16(b[6:]), ID: label(id),
	}
	start := int64(binary.LittleEndian.Uint32(b[8:])) * descriptorSize
	left := max(0, v.m.size-start)
	e.Extent = Extent{start, min(left, v.bootSize(e, start))}
	return e
}

// bootSize is how large a boot image is.
func (v *Volume) bootSize(e BootEntry, start int64) int64 {
	loaded := int64(e.Sectors) * bootSector
	switch e.Media {
	case MediaFloppy1200:
		return 1200 << 10
	case MediaFloppy1440:
		return 1440 << 10
	case MediaFloppy2880:
		return 2880 << 10
	case MediaHardDisk:
		return max(loaded, v.diskSize(start))
	}
	if e.Platform != PlatformUEFI {
		return loaded
	}
	if n := v.fatSize(start); n > 0 {
		return max(loaded, n)
	}
	if e.Sectors <= 1 {
		// UEFI 2.10 section 13.3.2.1: up to the end of the disk.
		return v.m.size
	}
	return loaded
}

// diskSize is where the only partition of an emulated hard disk ends.
func (v *Volume) diskSize(start int64) int64 {
	b := make([]byte, bootSector)
	if v.m.read(b, start, "boot image") != nil || b[510] != 0x55 || b[511] != 0xaa {
		return 0
	}
	part := b[446:462]
	return (int64(binary.LittleEndian.Uint32(part[8:])) + int64(binary.LittleEndian.Uint32(part[12:]))) * bootSector
}

// fatSize is the size that a FAT volume has by its own boot sector.
func (v *Volume) fatSize(start int64) int64 {
	b := make([]byte, bootSector)
	if v.m.read(b, start, "boot image") != nil || b[510] != 0x55 || b[511] != 0xaa || b[0] != 0xeb && b[0] != 0xe9 {
		return 0
	}
	sector := int64(binary.LittleEndian.Uint16(b[11:]))
	if sector < 512 || sector > 4096 || sector&(sector-1) != 0 {
		return 0
	}
	n := int64(binary.LittleEndian.Uint16(b[19:]))
	if n == 0 {
		n = int64(binary.LittleEndian.Uint32(b[32:]))
	}
	return n * sector
}
