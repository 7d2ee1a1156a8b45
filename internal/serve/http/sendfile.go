package httpserve

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxSend is what one call of sendfile is asked for. A call ends when the
	// socket's buffer is full, long before.
	maxSend = 4 << 20
	// What of a connection may wait in the kernel to be sent
	// (TCP_NOTSENT_LOWAT in tcp(7)), lest 5,000 clients that take nothing fill
	// the memory that all sockets share. Each wakes the server for another
	// piece, so the few have more.
	unsentOfAll = 64 << 20
	leastUnsent = 128 << 10
	mostUnsent  = 2 << 20
)

// unsent is what may wait of the nth connection.
func unsent(n int) int { return min(max(unsentOfAll/max(n, 1), leastUnsent), mostUnsent) }

// errCannotSend means that this file, or the kernel, knows no sendfile.
var errCannotSend = errors.New("sendfile cannot send this file")

// backing finds the file that content is, or is a section of, and where in it
// the content begins.
func backing(content io.ReaderAt) (f *os.File, base int64) {
	for range 8 { // sections of sections
		switch c := content.(type) {
		case *os.File:
			return c, base
		case interface {
			Outer() (r io.ReaderAt, off, n int64)
		}:
			outer, off, _ := c.Outer()
			content, base = outer, base+off
		default:
			return nil, 0
		}
	}
	return nil, 0
}

// sendFile sends a region of a file by sendfile(2). It names the offset at
// each call: the file's own is shared by all who read it.
func (c *conn) sendFile(r *region) (n int64, err error) {
	file, err := r.file.SyscallConn()
	if err != nil {
		return 0, errCannotSend
	}
	failed := file.Control(func(fd uintptr) {
		for r.left > 0 && err == nil {
			var sent int
			c.extend()
			sent, err = c.sendSome(int(fd), r.base+r.off, int(min(r.left, maxSend)))
			if sent == 0 && err == nil {
				err = io.ErrUnexpectedEOF // the file has become shorter
			}
			c.took(int64(sent))
			r.advance(sent)
			n += int64(sent)
		}
	})
	if failed != nil {
		err = failed
	}
	var errno syscall.Errno
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errCannotSend):
		return n, err
	case errors.As(err, &errno) && ofFile(errno), err == io.ErrUnexpectedEOF, failed != nil:
		r.fault = &os.PathError{Op: "sendfile", Path: r.file.Name(), Err: err}
	}
	return n, err
}

// sendSome sends what the socket takes, after waiting until it takes any.
func (c *conn) sendSome(fd int, off int64, count int) (sent int, err error) {
	failed := c.raw.Write(func(socket uintptr) bool {
		for {
			at := off
			sent, err = unix.Sendfile(int(socket), fd, &at, count)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	sent = max(0, sent)
	switch {
	case failed != nil: // closed, or nothing taken in time
		return sent, failed
	case err == unix.EINVAL, err == unix.ENOSYS, err == unix.EOPNOTSUPP: // some file systems
		return sent, errCannotSend
	}
	return sent, err
}

// ofFile tells what reading a file says from what a socket says.
func ofFile(e syscall.Errno) bool {
	switch e {
	case unix.EIO, unix.ESTALE, unix.ENXIO, unix.EBADF, unix.EOVERFLOW, unix.EISDIR:
		return true
	}
	return false
}

// boundUnsent bounds what waits to be sent on a connection. It is not set on the listener:
// connections of one that knows Multipath TCP, Go's default, do not inherit it.
// Where it cannot be set, it is done without.
func boundUnsent(raw syscall.RawConn, octets int) {
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, octets)
	})
}
