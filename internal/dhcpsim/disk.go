package dhcpsim

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"hobnail/internal/lease"
	"hobnail/internal/model"
)

// disk is a server's disk. What the kernel shows a process and what would
// still be there after a power cut are kept apart: a write is in the first at
// once, and in the second for certain only after a sync. It implements
// lease.Folder; every call may be the one at which the process dies.
type disk struct {
	s *server // whose it is, which dies when the disk says so

	names  map[string]*inode
	stored []map[string]*inode // what the folder may be after a power cut: as last synced, then one for each step since
	synced int                 // counts what made stored content change
	full   bool                // there is no space
	sick   float64             // how likely it is that a write or sync fails
	failed bool                // a fault has been reported since the last start
	slow   time.Duration       // what a sync takes at the most

	read   map[netip.Addr]model.Lease // what a power cut would leave, when synced was readAt
	readAt int
}

// inode is a file's content.
type inode struct {
	seen   []byte  // what the kernel shows
	stored []byte  // what the disk has
	writes []write // what of seen is not stored yet
}

// write is a change of a file that was not synced yet. With data nil it sets
// the file's size.
type write struct {
	at   int64
	data []byte
}

func newDisk(s *server) *disk {
	return &disk{s: s, names: map[string]*inode{}, stored: []map[string]*inode{{}}}
}

// sector is smaller than that of any disk, so that commits of a few leases are
// torn too.
const sector = 64

// cutPower leaves what a disk may have after the power went: names as they
// were synced or some steps further, and of each write that was not synced any
// of its sectors.
func (d *disk) cutPower() {
	rng := d.s.w.rng
	names := d.stored[rng.IntN(len(d.stored))]
	d.names = map[string]*inode{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		content := bytes.Clone(names[name].stored)
		for _, w := range names[name].writes {
			switch rng.IntN(4) {
			case 0: // not begun
			case 1:
				content = w.apply(content, func() bool { return true })
			default:
				content = w.apply(content, func() bool { return rng.IntN(3) > 0 })
			}
		}
		d.names[name] = &inode{seen: content, stored: bytes.Clone(content)}
	}
	d.stored = []map[string]*inode{maps.Clone(d.names)}
	d.synced++
}

// apply does a write, or those of its sectors that arrive.
func (w write) apply(content []byte, arrives func() bool) []byte {
	if w.data == nil {
		if !arrives() {
			return content
		}
		if int64(len(content)) > w.at {
			return content[:w.at]
		}
		return append(content, make([]byte, w.at-int64(len(content)))...)
	}
	for at := 0; at < len(w.data); at += sector {
		part := w.data[at:min(at+sector, len(w.data))]
		end := int(w.at) + at + len(part)
		if !arrives() {
			continue
		}
		if len(content) < end {
			content = append(content, make([]byte, end-len(content))...)
		}
		copy(content[int(w.at)+at:], part)
	}
	return content
}

func always() bool { return true }

// fault is the error of the next operation; nil for none.
func (d *disk) fault(needsSpace bool) error {
	switch {
	case needsSpace && d.full:
		d.failed = true
		d.s.w.stats.Faults++
		return syscall.ENOSPC
	case d.sick > 0 && d.s.w.rng.Float64() < d.sick:
		d.failed = true
		d.s.w.stats.Faults++
		return syscall.EIO
	}
	return nil
}

func (d *disk) note() { d.stored = append(d.stored, maps.Clone(d.names)) }

// Open opens a file that there is.
func (d *disk) Open(name string) (lease.File, error) {
	ino := d.names[name]
	if ino == nil {
		return nil, fs.ErrNotExist
	}
	return &file{d, ino}, nil
}

// Create makes an empty file.
func (d *disk) Create(name string) (lease.File, error) {
	d.s.mayDie()
	if err := d.fault(true); err != nil {
		return nil, err
	}
	ino := &inode{}
	d.names[name] = ino
	d.note()
	return &file{d, ino}, nil
}

// Rename gives a file another's name.
func (d *disk) Rename(from, to string) error {
	d.s.mayDie()
	if err := d.fault(false); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	d.note()
	d.s.mayDie()
	return nil
}

// Remove takes a file away.
func (d *disk) Remove(name string) error {
	d.s.mayDie()
	delete(d.names, name)
	d.note()
	return nil
}

// Sync makes names last.
func (d *disk) Sync() error {
	d.s.mayDie()
	if err := d.fault(false); err != nil {
		return err
	}
	d.stored = []map[string]*inode{maps.Clone(d.names)}
	d.synced++
	d.s.mayDie()
	return nil
}

// file is an open file.
type file struct {
	d   *disk
	ino *inode
}

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	if at >= int64(len(f.ino.seen)) {
		return 0, io.EOF
	}
	n := copy(b, f.ino.seen[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt arrives in part where it fails or the process dies.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.d.s.mayDie()
	grows := at+int64(len(b)) > int64(len(f.ino.seen))
	if err := f.d.fault(grows); err != nil {
		n := f.d.s.w.rng.IntN(len(b) + 1)
		f.write(write{at, bytes.Clone(b[:n])})
		return n, err
	}
	f.write(write{at, bytes.Clone(b)})
	f.d.s.mayDie()
	return len(b), nil
}

func (f *file) write(w write) {
	f.ino.writes = append(f.ino.writes, w)
	f.ino.seen = w.apply(f.ino.seen, always)
}

func (f *file) Truncate(size int64) error {
	f.d.s.mayDie()
	if size == int64(len(f.ino.seen)) {
		return nil
	}
	f.write(write{at: size})
	return nil
}

func (f *file) Size() (int64, error) { return int64(len(f.ino.seen)), nil }

// Sync makes the content last. The disk takes its time, in which others act.
// After a failed sync the kernel takes what was to be written for written: it
// goes on showing it, and will never write it.
func (f *file) Sync() error {
	f.d.s.mayDie()
	n := len(f.ino.writes)
	f.d.s.waitForDisk()
	f.d.s.mayDie()
	if err := f.d.fault(false); err != nil {
		f.ino.writes = nil
		return err
	}
	for _, w := range f.ino.writes[:n] {
		f.ino.stored = w.apply(f.ino.stored, always)
	}
	f.ino.writes = slices.Delete(f.ino.writes, 0, n)
	f.d.synced++
	f.d.s.mayDie()
	return nil
}

func (f *file) Close() error { return nil }

// certain is the disk as the worst power cut leaves it: nothing that was not
// synced. It can be read only.
type certain struct {
	lease.Folder
	d *disk
}

func (c certain) Open(name string) (lease.File, error) {
	ino := c.d.stored[0][name]
	if ino == nil {
		return nil, fs.ErrNotExist
	}
	return &file{c.d, &inode{seen: ino.stored}}, nil
}
