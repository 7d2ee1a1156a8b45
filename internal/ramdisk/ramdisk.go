// Package ramdisk makes FAT volumes out of files that exist elsewhere. UEFI
// firmware that boots over HTTP takes such a volume as a RAM disk and starts
// the boot program in it, which then finds its neighbours on a disk instead of
// on a network it knows nothing of. A volume is computed as it is read: only
// its tables and directories are in memory. It is read-only, and nothing here
// reads a volume back.
//
// The layout is that of Microsoft's "FAT: General Overview of On-Disk Format",
// version 1.03, cited below by section (headings from memory) as FAT spec. It
// is what UEFI firmware must read on removable media (UEFI 2.10 section 13.3).
package ramdisk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"
)

// MaxSize is the largest volume, in octets, with its tables and directories.
// Firmware holds the whole of it in memory, some for a time twice.
const MaxSize = 64 << 20

// File is one file of a volume.
type File struct {
	// Path names it from the root: "EFI/BOOT/BOOTX64.EFI". Parts are of
	// printable ASCII without \ : * ? " < > | and do not begin or end with a
	// space or end with a dot. Case is kept but tells no files apart.
	Path    string
	Size    int64       // exact, in octets
	Content io.ReaderAt // at least Size octets that do not change; safe for concurrent use; nil only if Size is 0
	ModTime time.Time   // shown in UTC, to two seconds; zero or before 1980: 1980
}

// Image is a FAT12 or FAT16 volume without a partition table. It does not
// change and is safe for concurrent use.
type Image struct {
	size    int64
	extents []extent // in order; what lies between them reads as zeros
}

// extent is a run of octets that comes from one place.
type extent struct {
	start, end int64
	content    io.ReaderAt
	what       string // for errors
}

// New lays out a volume. Label is at most 11 octets of what short names are
// made of and spaces, stored in upper case; it may be empty. The same label
// and files, in any order, give the same octets. Errors name the file at fault.
func New(label string, files []File) (*Image, error) {
	volumeLabel, err := newLabel(label)
	if err != nil {
		return nil, err
	}
	root, err := newTree(files)
	if err != nil {
		return nil, err
	}
	used, err := root.place(firstCluster)
	if err != nil {
		return nil, err
	}
	v := newVolume(int(used) - firstCluster)
	if v.size() > MaxSize {
		return nil, fmt.Errorf("laying out %d files as a RAM disk: it would have %d octets; %d are allowed", len(files), v.size(), MaxSize)
	}
	return v.image(volumeLabel, root), nil
}

// Size is the length in octets, a multiple of 512.
func (m *Image) Size() int64 { return m.size }

// ReadAt is io.ReaderAt. A content that fails, or ends before its file's size,
// is an error that names the file, never io.EOF.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading a RAM disk: negative offset")
	}
	if off >= m.size {
		return 0, io.EOF
	}
	var atEnd error
	if rest := m.size - off; int64(len(p)) > rest {
		p, atEnd = p[:rest], io.EOF
	}
	clear(p)
	end := off + int64(len(p))
	first := sort.Search(len(m.extents), func(i int) bool { return m.extents[i].end > off })
	for _, e := range m.extents[first:] {
		if e.start >= end {
			break
		}
		from, to := max(off, e.start), min(end, e.end)
		n, err := e.content.ReadAt(p[from-off:to-off], from-e.start)
		if int64(n) == to-from {
			continue
		}
		if err == io.EOF {
			err = fmt.Errorf("it ends before its %d octets", e.end-e.start)
		}
		return int(from-off) + n, fmt.Errorf("reading %s at octet %d: %v", e.what, from-e.start+int64(n), err)
	}
	return len(p), atEnd
}

// newImage sorts extents and leaves empty ones out.
func newImage(size int64, extents []extent) *Image {
	extents = slices.DeleteFunc(extents, func(e extent) bool { return e.start == e.end })
	slices.SortFunc(extents, func(a, b extent) int { return int(a.start - b.start) })
	return &Image{size: size, extents: extents}
}
