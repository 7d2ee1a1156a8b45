package tftp

import (
	"container/list"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What is mapped of files.
const (
	regionSize = 1 << 20
	maxMapped  = 32   // regions: 32 MiB
	maxRegions = 4096 // of which it is known how often they were read
	// mapAfter is how often a region is read before it is mapped: that costs
	// as much as reading some dozen blocks.
	mapAfter = 4
	// idleRegion is how long nobody has read a region that makes room for
	// another. Where more than maxMapped are in use, the others are read.
	idleRegion = time.Second
)

// regions are parts of files on this host, mapped into memory: packets are
// sent straight out of the kernel's cache, without a call to read them and
// without a copy in between.
//
// A page that is not in memory would stop the loop, so a goroutine has all
// pages of a region brought in first (MADV_POPULATE_READ, Linux 5.14). Only
// the kernel reads them: of a file that has become shorter it says EFAULT,
// where the program itself would be killed.
type regions struct {
	loop   *loop
	all    map[chunkKey]*mapping
	order  list.List // of *mapping, the one used last in front
	mapped int       // or being mapped
}

// mapping is one region.
type mapping struct {
	chunkKey
	asked  int
	used   time.Time
	making bool
	data   []byte // nil: not mapped
	whole  []byte // data and what is before it in its first page
	place  *list.Element
}

// lend gives that many octets of a file from off on, fewer at its end; nil if
// they are not mapped.
func (r *regions) lend(f *openFile, off int64, octets int) []byte {
	octets = int(min(int64(octets), max(0, f.Size-off)))
	n := off / regionSize
	if octets == 0 || (off+int64(octets)-1)/regionSize != n {
		return nil
	}
	if f.unmapped {
		return nil
	}
	m := r.get(f, n)
	if m.data == nil {
		return nil
	}
	at := int(off - n*regionSize)
	if at > regionSize/2 && (n+1)*regionSize < f.Size {
		if next := r.get(f, n+1); next.data == nil {
			r.make(next)
		}
	}
	lentOctets.Add(int64(octets))
	return m.data[at : at+octets]
}

// lentOctets counts what was lent, for tests.
var lentOctets atomic.Int64

// get gives a region, and has it mapped when it has been read often enough.
func (r *regions) get(f *openFile, n int64) *mapping {
	m := r.all[chunkKey{f, n}]
	if m == nil {
		m = &mapping{chunkKey: chunkKey{f, n}}
		m.place = r.order.PushFront(m)
		r.all[m.chunkKey] = m
		if len(r.all) > maxRegions {
			if old := r.order.Back().Value.(*mapping); !old.making {
				r.forget(old)
			}
		}
	}
	r.order.MoveToFront(m.place)
	m.used = r.loop.now
	if m.asked++; m.asked >= mapAfter && m.data == nil {
		r.make(m)
	}
	return m
}

// make has a region mapped, where there is room.
func (r *regions) make(m *mapping) {
	if m.making || m.file.unmapped || r.mapped >= maxMapped && !r.evict() {
		return
	}
	m.making = true
	r.mapped++
	f, fd := m.file, m.file.fd
	f.users++ // the descriptor has to stay open
	start := f.base + m.n*regionSize
	size := int(min(regionSize, f.Size-m.n*regionSize))
	go func() {
		before := start % int64(os.Getpagesize())
		b, err := unix.Mmap(fd, start-before, int(before)+size, unix.PROT_READ, unix.MAP_SHARED)
		if err == nil {
			if err = unix.Madvise(b, unix.MADV_POPULATE_READ); err != nil {
				_ = unix.Munmap(b)
			}
		}
		if err != nil {
			r.loop.tell(message{mapping: m, err: err})
			return
		}
		r.loop.tell(message{mapping: m, data: b, before: int(before)})
	}()
}

// made takes a region that was mapped, or could not be.
func (r *regions) made(m *mapping, b []byte, before int, err error) {
	m.making = false
	if err != nil {
		m.file.unmapped = true
		r.mapped--
	} else {
		m.whole, m.data = b, b[before:]
		if r.all[m.chunkKey] != m {
			r.unmap(m) // forgotten meanwhile
		}
	}
	r.loop.letGo(m.file)
}

// evict unmaps the region that nobody has read for longest, if for long
// enough.
func (r *regions) evict() bool {
	for e := r.order.Back(); e != nil; e = e.Prev() {
		if m := e.Value.(*mapping); m.data != nil {
			if r.loop.now.Sub(m.used) < idleRegion {
				return false
			}
			r.forget(m)
			return true
		}
	}
	return false
}

// drop forgets all of a file.
func (r *regions) drop(f *openFile) {
	if f.fd < 0 {
		return
	}
	for n := int64(0); n*regionSize < f.Size; n++ {
		if m := r.all[chunkKey{f, n}]; m != nil {
			r.forget(m)
		}
	}
}

func (r *regions) forget(m *mapping) {
	delete(r.all, m.chunkKey)
	r.order.Remove(m.place)
	if m.data != nil {
		r.unmap(m)
	}
}

// unmap gives a region back. What is still to be sent out of it goes first.
func (r *regions) unmap(m *mapping) {
	r.loop.flush()
	unmap(m.whole)
	m.data, m.whole = nil, nil
	r.mapped--
}

// end unmaps everything when the loop is over.
func (r *regions) end() {
	for _, m := range r.all {
		unmap(m.whole)
	}
}

// unmap gives memory back that was mapped; nil is fine.
func unmap(b []byte) {
	if b != nil {
		_ = unix.Munmap(b)
	}
}

// lend is lender's.
func (l local) lend(off int64, octets int) []byte {
	return l.file.loop.regions.lend(l.file, off, octets)
}
