package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aio has the kernel sync a file while the goroutine that asked waits like one
// that reads from a socket. A blocking fdatasync(2) keeps a processor of Go's
// scheduler until the scheduler notices; on a machine with one, that is time
// in which no packet is answered (docs/adr/0020).
//
// It is for one caller at a time.
type aio struct {
	context uintptr // aio_context_t
	eventfd int     // eventfd(2), which the kernel counts up at completion
	done    *os.File
	control [1]iocb
	pending [1]*iocb
	event   ioEvent
}

// iocb and ioEvent are those of linux/aio_abi.h.
type iocb struct {
	data       uint64
	key, flags [4]byte // in the order of the processor's octets
	opcode     uint16
	priority   int16
	fd         uint32
	buf        uint64
	nbytes     uint64
	offset     int64
	reserved   uint64
	iocbFlags  uint32
	resfd      uint32
}

type ioEvent struct {
	data, obj uint64
	res, res2 int64
}

const (
	iocbCmdFdsync = 3
	iocbFlagResfd = 1
)

// newAIO fails where the kernel has no such thing, forbids it (seccomp), or has
// given out as many as it may (fs.aio-max-nr).
func newAIO() (*aio, error) {
	a := new(aio)
	if _, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&a.context)), 0); errno != 0 {
		return nil, fmt.Errorf("io_setup: %w", errno)
	}
	var err error
	if a.eventfd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		a.destroy()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	a.done = os.NewFile(uintptr(a.eventfd), "eventfd")
	a.pending[0] = &a.control[0]
	return a, nil
}

func (a *aio) destroy() { syscall.Syscall(unix.SYS_IO_DESTROY, a.context, 0, 0) }

func (a *aio) close() {
	a.done.Close()
	a.destroy()
}

// errNotTaken says that the kernel did not take the request: nothing is synced.
var errNotTaken = errors.New("not taken")

// fdatasync is fdatasync(2), or errNotTaken.
func (a *aio) fdatasync(fd uintptr) error {
	a.control[0] = iocb{opcode: iocbCmdFdsync, fd: uint32(fd), iocbFlags: iocbFlagResfd, resfd: uint32(a.eventfd)}
	if n, _, _ := syscall.Syscall(unix.SYS_IO_SUBMIT, a.context, 1, uintptr(unsafe.Pointer(&a.pending[0]))); n != 1 {
		return errNotTaken
	}
	var count [8]byte
	if _, err := a.done.Read(count[:]); err != nil || binary.NativeEndian.Uint64(count[:]) != 1 {
		return fmt.Errorf("waiting for the sync: %d done, %v", count, err)
	}
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_IO_GETEVENTS, a.context, 1, 1, uintptr(unsafe.Pointer(&a.event)), 0, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case n != 1:
			return fmt.Errorf("io_getevents: %w", errno)
		}
		runtime.KeepAlive(a)
		if a.event.res != 0 {
			return syscall.Errno(-a.event.res)
		}
		return nil
	}
}
