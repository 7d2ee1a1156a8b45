package peagent

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Disk is a drive that Windows PE sees.
type Disk struct {
	Number    int // as diskpart counts: N of \\.\PhysicalDriveN
	Size      int64
	Model     string
	Serial    string
	Removable bool // its medium can be taken out, or it hangs on USB
}

// String is a disk as people read it.
func (d Disk) String() string {
	s := fmt.Sprintf("disk %d: %.1f GB, %s", d.Number, float64(d.Size)/1e9, or(d.Model, "no model name"))
	if d.Serial != "" {
		s += ", serial " + d.Serial
	}
	if d.Removable {
		s += ", removable"
	}
	return s
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Choose gives the disk of a rule. A removable one is never the first, and not
// taken by its number, which changes with what is plugged in; only its serial
// says that it is meant. need is how many octets it must have.
func (r DiskRule) Choose(disks []Disk, need int64) (Disk, error) {
	var fit []Disk
	for _, d := range disks {
		switch {
		case r.By == "first" && !d.Removable && len(fit) == 0,
			r.By == "number" && d.Number == r.Number,
			r.By == "serial" && strings.EqualFold(strings.TrimSpace(d.Serial), strings.TrimSpace(r.Serial)):
			fit = append(fit, d)
		}
	}
	switch {
	case len(fit) == 0:
		return Disk{}, fmt.Errorf("no disk is %s; there are: %s", r, list(disks))
	case len(fit) > 1:
		return Disk{}, fmt.Errorf("%d disks are %s: %s", len(fit), r, list(fit))
	case r.By == "number" && fit[0].Removable:
		return Disk{}, fmt.Errorf("%v: a removable disk is taken only by its serial", fit[0])
	case fit[0].Size < need:
		return Disk{}, fmt.Errorf("%v: too small, %.1f GB are needed", fit[0], float64(need)/1e9)
	}
	return fit[0], nil
}

// String is a rule as people read it.
func (r DiskRule) String() string {
	switch r.By {
	case "number":
		return fmt.Sprintf("number %d", r.Number)
	case "serial":
		return "the one with serial " + r.Serial
	}
	return "the first that is not removable"
}

func list(disks []Disk) string {
	var all []string
	for _, d := range disks {
		all = append(all, d.String())
	}
	return or(strings.Join(all, "; "), "none")
}

// The letters that the partitions get. Windows PE itself is X:.
const (
	systemDrive  = `S:\` // the boot files
	windowsDrive = `W:\`
	sourceDrive  = `V:\` // install.wim for Setup
)

// Sizes of partitions, in MiB: as Microsoft's guides to partitions have them,
// but for the system's, which is 300 so that disks with sectors of 4 KiB can
// have a FAT32 on it.
const (
	systemSize   = 300
	reservedSize = 16
	slackSize    = 1024 // beside install.wim on Setup's partition
)

// script is what diskpart is told: it wipes the disk and divides it.
func script(d Disk, f Firmware, in Instructions) string {
	lines := []string{fmt.Sprintf("select disk %d", d.Number), "clean"}
	if f == UEFI {
		lines = append(lines,
			"convert gpt",
			fmt.Sprintf("create partition efi size=%d", systemSize),
			`format quick fs=fat32 label="System"`,
			"assign letter=S",
			fmt.Sprintf("create partition msr size=%d", reservedSize))
	} else {
		lines = append(lines,
			"convert mbr",
			fmt.Sprintf("create partition primary size=%d", systemSize),
			`format quick fs=ntfs label="System"`,
			"assign letter=S",
			"active")
	}
	windows := "create partition primary"
	if in.Way == WaySetup { // leaves room behind it
		windows += fmt.Sprintf(" size=%d", (d.Size-in.WIM.Size)>>20-systemSize-reservedSize-slackSize)
	}
	lines = append(lines, windows,
		`format quick fs=ntfs label="Windows"`,
		"assign letter=W")
	if in.Way == WaySetup {
		lines = append(lines,
			"create partition primary",
			`format quick fs=ntfs label="Hobnail"`,
			"assign letter=V")
	}
	return strings.Join(append(lines, "exit"), "\r\n") + "\r\n"
}

// need is how large a disk must be: the image, its files, and what there is
// beside them.
func (in Instructions) need() int64 {
	return in.WIM.Size + in.WIM.Unpacked + (systemSize+reservedSize+slackSize)<<20
}

// ParseDescriptor reads Windows' STORAGE_DEVICE_DESCRIPTOR, what
// IOCTL_STORAGE_QUERY_PROPERTY answers:
//
//	0 version    8 type, modifier    16 place of the product's name
//	4 size      10 removable medium  24 place of the serial
//	            12 of the vendor's   28 bus
//
// Texts are ASCII and end with a NUL; a place of 0 is none.
func ParseDescriptor(b []byte) Disk {
	if len(b) < 32 {
		return Disk{}
	}
	text := func(at uint32) string {
		if at == 0 || int64(at) >= int64(len(b)) {
			return ""
		}
		s, _, _ := strings.Cut(string(b[at:]), "\x00")
		return plain(strings.TrimSpace(s))
	}
	le := binary.LittleEndian
	const busUSB = 7 // STORAGE_BUS_TYPE
	return Disk{
		Model:     strings.TrimSpace(text(le.Uint32(b[12:])) + " " + text(le.Uint32(b[16:]))),
		Serial:    text(le.Uint32(b[24:])),
		Removable: b[10] != 0 || le.Uint32(b[28:]) == busUSB,
	}
}

// plain is a text without anything that a screen might take for an order.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}
