package tftpload

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"hobnail/internal/wire/tftp"
)

// maxJoined is how many octets and datagrams one call may send (UDP_SEGMENT).
const (
	maxJoined   = 65507
	maxSegments = 64
)

// Bare answers read requests on port 69, one transfer after the other, and
// does nothing but send: windows of blocks out of one piece of memory, in as
// few calls as the kernel takes (UDP_SEGMENT), each upon an ACK, of which it
// reads the number and nothing else. No file, no timer, no second client. It
// is what a server on this machine can come near to. It returns on errors
// only.
func Bare() error {
	runtime.LockOSThread()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a UDP socket: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: 69}); err != nil {
		return fmt.Errorf("binding port 69: %v", err)
	}
	b := make([]byte, tftp.MaxRequest)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			continue
		}
		r, err := tftp.ParseRequest(b[:n])
		if err != nil {
			continue
		}
		if to, ok := from.(*unix.SockaddrInet4); ok {
			if err := blast(to, r); err != nil {
				return err
			}
		}
	}
}

// blast sends one file, of as many octets as its name says.
func blast(to *unix.SockaddrInet4, r tftp.Request) error {
	size, err := strconv.ParseInt(r.Name, 10, 64)
	if err != nil {
		return fmt.Errorf("reading the size of what is asked for: %v", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a UDP socket: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil {
		return fmt.Errorf("connecting: %v", err)
	}
	// A client that has gone must not hold up the next.
	second := unix.Timeval{Sec: 1}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second)
	blksize, window := tftp.DefaultBlksize, 1
	var granted tftp.Options
	for _, o := range r.Options {
		switch n, _ := strconv.Atoi(o.Value); o.Name {
		case "blksize":
			blksize = n
		case "windowsize":
			window = n
		case "tsize":
			o.Value = strconv.FormatInt(size, 10)
		default:
			continue
		}
		granted = append(granted, o)
	}
	segment := tftp.HeaderSize + blksize
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, segment); err != nil {
		return fmt.Errorf("setting UDP_SEGMENT: %v", err)
	}
	if len(granted) > 0 {
		oack, err := tftp.AppendOAck(nil, granted)
		if err != nil {
			return fmt.Errorf("making an OACK: %v", err)
		}
		send(fd, oack, nil)
		if _, ok := ack(fd); !ok {
			return nil
		}
	}
	blastBlocks(fd, size, blksize, window)
	return nil
}

// blastBlocks sends the windows.
func blastBlocks(fd int, size int64, blksize, window int) {
	segment := tftp.HeaderSize + blksize
	memory := make([]byte, window*segment)
	atOnce := min(maxJoined/segment, maxSegments)
	blocks := int(size/int64(blksize)) + 1
	for base := 0; base < blocks; {
		n := min(window, blocks-base)
		length := n * segment
		for i := range n {
			binary.BigEndian.PutUint32(memory[i*segment:], uint32(tftp.OpData)<<16|uint32(uint16(base+i+1)))
		}
		if base+n == blocks {
			length -= blksize - int(size%int64(blksize))
		}
		for at := 0; at < length; at += atOnce * segment {
			send(fd, memory[at:min(length, at+atOnce*segment)], nil)
		}
		got, ok := ack(fd)
		if !ok {
			return
		}
		base += int(uint16(got - uint16(base)))
	}
}

// ack waits for an ACK.
func ack(fd int) (uint16, bool) {
	var b [16]byte
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n < tftp.HeaderSize || tftp.Opcode(b[1]) != tftp.OpAck {
			return 0, false
		}
		return binary.BigEndian.Uint16(b[2:]), true
	}
}
