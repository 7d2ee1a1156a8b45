package tftpload

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many datagrams one call takes.
	batchSize = 64
	// hugeSize holds what the kernel can join to one (UDP_GRO).
	hugeSize = 1 << 16
)

// mmsghdr is what recvmmsg(2) and sendmmsg(2) take, one for each datagram.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// batch receives datagrams of one socket at a time. The calls are raw: Go's
// scheduler has nothing else to run here.
type batch struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet4
	control [batchSize][32]byte
	data    []byte
	used    int // messages that the last call filled in
}

func newBatch() *batch {
	b := &batch{data: make([]byte, batchSize*hugeSize), used: batchSize}
	for i := range b.headers {
		b.vectors[i].Base = &b.data[i*hugeSize]
		b.vectors[i].SetLen(hugeSize)
		h := &b.headers[i].hdr
		h.Name, h.Iov = (*byte)(unsafe.Pointer(&b.names[i])), &b.vectors[i]
		h.SetIovlen(1)
		h.Control = &b.control[i][0]
	}
	return b
}

// receive takes what is there, with MSG_DONTWAIT, or at least one
// (MSG_WAITFORONE).
func (b *batch) receive(fd, flags int) (int, syscall.Errno) {
	for i := range b.used {
		h := &b.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrInet4
		h.SetControllen(len(b.control[i]))
	}
	b.used = 0
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), batchSize, uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	b.used = int(n)
	return int(n), 0
}

// each gives the datagrams of message i: one, or those that were joined.
func (b *batch) each(i int, f func([]byte)) {
	data := b.data[i*hugeSize:][:b.headers[i].n]
	size := segment(b.control[i][:b.headers[i].hdr.Controllen])
	for size > 0 && len(data) > size {
		f(data[:size])
		data = data[size:]
	}
	f(data)
}

// from is where message i came from.
func (b *batch) from(i int) netip.AddrPort {
	name := &b.names[i]
	return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), swap(name.Port))
}

// segment reads the length of the joined datagrams out of control messages
// (udp(7), UDP_GRO); 0: none were joined.
func segment(control []byte) int {
	if len(control) < unix.CmsgLen(4) {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_UDP || h.Type != unix.UDP_GRO {
		return 0
	}
	return int(binary.NativeEndian.Uint32(control[unix.CmsgLen(0):]))
}

// swap turns a port between the order of the network and a little-endian
// processor's.
func swap(v uint16) uint16 { return v<<8 | v>>8 }

// sockaddr is the kernel's form of an IPv4 address.
func sockaddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(a.Port()), Addr: a.Addr().As4()}
}

// openUDP makes a socket, bound to an address if there is one.
func openUDP(from netip.AddrPort, joins bool) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("opening a UDP socket: %v", err)
	}
	if joins {
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
			unix.Close(fd)
			return 0, fmt.Errorf("setting UDP_GRO: %v", err)
		}
	}
	if from.IsValid() {
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(from.Port()), Addr: from.Addr().As4()}); err != nil {
			unix.Close(fd)
			return 0, fmt.Errorf("binding %s: %v", from, err)
		}
	}
	return fd, nil
}

// send sends a datagram on a connected socket, or to an address. What cannot
// be sent is lost, as on a network.
func send(fd int, b []byte, to *unix.RawSockaddrInet4) {
	length := 0
	if to != nil {
		length = unix.SizeofSockaddrInet4
	}
	syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(to)), uintptr(length))
}

// connect fixes whom a socket hears and speaks to.
func connect(fd int, to netip.AddrPort) error {
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return fmt.Errorf("connecting to %s: %v", to, err)
	}
	return nil
}
