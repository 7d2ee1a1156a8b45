package tftp

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// local is a file on a disk of this host, or a part of one. Its blocks are
// read straight from the kernel's cache into the packets, which all who read
// the file share; RWF_NOWAIT (preadv2(2)) makes a read fail that would wait
// for the disk, and then it is fetched.
type local struct{ fetched }

// vectors are what preadv2 fills.
type vectors []unix.Iovec

func (l local) readParts(off int64, parts [][]byte) (int, error) {
	f, want := l.file, 0
	v := l.file.loop.vectors[:0]
	for _, p := range parts {
		want += len(p)
		v = append(v, unix.Iovec{Base: &p[0]})
		v[len(v)-1].SetLen(len(p))
	}
	a := &f.loop.ahead
	if len(parts) == 1 {
		if a.take(f, off, parts[0]) {
			return want, nil
		}
		if room := a.wanted(f, off); room != nil {
			v = append(v, unix.Iovec{Base: &room[0]})
			v[1].SetLen(len(room))
		}
	}
	f.loop.vectors = v
	flags := 0
	if f.slow {
		flags = unix.RWF_NOWAIT
	}
	got, err := preadv2(f.fd, v, f.base+off, flags)
	runtime.KeepAlive(parts)
	switch {
	case err == nil && (got >= want || !f.slow):
		if len(parts) == 1 {
			a.read(f, off+int64(min(got, want)), max(0, got-want))
		}
		return min(got, want), nil
	case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		return l.fetched.readParts(off, parts)
	}
	return 0, err
}

// preadv2 reads into vectors. It does not wait, so Go's scheduler is not told
// (docs/adr/0012). The offset goes as two words, of which a 64-bit kernel
// ignores the second.
func preadv2(fd int, v vectors, off int64, flags int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&v[0])), uintptr(len(v)),
			uintptr(off), uintptr(off>>32), uintptr(flags))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// inMemory reports whether a descriptor's file system keeps its files in
// memory: reading never waits, and RWF_NOWAIT is unknown to it.
func inMemory(fd int) bool {
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}
