package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is what recvmmsg(2) and sendmmsg(2) take, one for each datagram. The
// kernel's struct has the same padding at its end.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// controlLen holds one IP_PKTINFO message (ip(7)): int ipi_ifindex, in_addr
// ipi_spec_dst, in_addr ipi_addr.
var controlLen = unix.CmsgSpace(unix.SizeofInet4Pktinfo)

// batch is the memory that one call hands to the kernel. It is used again for
// the next one.
type batch struct {
	mu      sync.Mutex
	headers [MaxBatch]mmsghdr
	vectors [MaxBatch]unix.Iovec
	names   [MaxBatch]unix.RawSockaddrInet4
	control [MaxBatch][]byte
}

func newBatch() *batch {
	b := new(batch)
	for i := range b.headers {
		b.control[i] = make([]byte, controlLen)
		h := &b.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = &b.control[i][0]
	}
	return b
}

// point makes message i use data, which must have an octet at least.
func (b *batch) point(i int, data []byte) {
	b.vectors[i].Base = &data[0]
	b.vectors[i].SetLen(len(data))
	h := &b.headers[i].hdr
	h.Namelen = unix.SizeofSockaddrInet4
	h.SetControllen(controlLen)
}

// mmsg calls recvmmsg or sendmmsg for messages from to below end. Neither
// waits, so Go's scheduler is not told: it takes a batch, which can be 0.2 ms,
// for a call that waits, and from then on looks every 20 us whether it still
// does (docs/adr/0012).
func (b *batch) mmsg(call uintptr, fd uintptr, from, end int) (int, error) {
	n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b.headers[from])), uintptr(end-from), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ReadBatch is Conn's.
func (c *udpConn) ReadBatch(p []Packet, wait bool) (int, error) {
	b := c.in
	want := min(len(p), MaxBatch)
	for i := range want {
		b.point(i, p[i].Data[:cap(p[i].Data)])
	}
	var n int
	var failed error
	err := c.sys.Read(func(fd uintptr) bool {
		n, failed = b.mmsg(unix.SYS_RECVMMSG, fd, 0, want)
		return !wait || !errors.Is(failed, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(failed, unix.EAGAIN), errors.Is(failed, unix.EINTR):
		return 0, nil
	case failed != nil:
		return 0, failed
	}
	for i := range n {
		c.received(&p[i], i)
	}
	runtime.KeepAlive(p)
	return n, nil
}

// received takes message i out of the batch.
func (c *udpConn) received(p *Packet, i int) {
	b := c.in
	h := &b.headers[i]
	p.Data = p.Data[:h.n]
	name := &b.names[i]
	p.Src = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), ntohs(name.Port))
	p.Port, p.IfIndex, p.Dst = c.port, 0, netip.Addr{}
	if info, ok := pktinfo(b.control[i][:h.hdr.Controllen]); ok {
		p.IfIndex = int(binary.NativeEndian.Uint32(info))
		p.Dst = netip.AddrFrom4([4]byte(info[8:12]))
	}
}

// pktinfo finds the struct in_pktinfo among control messages.
func pktinfo(control []byte) ([]byte, bool) {
	for len(control) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return nil, false
		}
		if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
			return data, true
		}
		control = rest
	}
	return nil, false
}

// WriteBatch is Conn's. Frames go one by one: sendmmsg speaks to one socket.
func (c *udpConn) WriteBatch(out []Datagram) (failed []error) {
	b := c.out
	b.mu.Lock()
	defer b.mu.Unlock()
	for at := 0; at < len(out); {
		n := 0
		for at+n < len(out) && n < MaxBatch && out[at+n].HW == nil && len(out[at+n].Data) > 0 {
			b.address(n, out[at+n])
			n++
		}
		if n == 0 {
			failed = fails(failed, len(out), at, c.writeFrame(out[at].Data, out[at].Outgoing))
			at++
			continue
		}
		c.send(out[at:at+n], func(i int, err error) { failed = fails(failed, len(out), at+i, err) })
		at += n
	}
	return failed
}

// address fills in message i: what, to whom, from where.
func (b *batch) address(i int, d Datagram) {
	b.point(i, d.Data)
	b.names[i] = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: ntohs(d.To.Port()), Addr: d.To.Addr().Unmap().As4()}
	control := b.control[i]
	clear(control)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	info := control[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(info, uint32(d.IfIndex))
	if d.From.Is4() {
		from := d.From.As4()
		copy(info[4:], from[:])
	}
}

// send sends what was filled in. The kernel stops at the first message it
// cannot send; the others are tried behind it.
func (c *udpConn) send(out []Datagram, fail func(i int, err error)) {
	for at := 0; at < len(out); {
		var n int
		var failed error
		err := c.sys.Write(func(fd uintptr) bool {
			n, failed = c.out.mmsg(unix.SYS_SENDMMSG, fd, at, len(out))
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil: // closed
			fail(at, fmt.Errorf("sending to %s: %w", out[at].To, err))
			at++
		case errors.Is(failed, unix.EINTR):
		case failed != nil:
			fail(at, fmt.Errorf("sending to %s: %w", out[at].To, failed))
			at++
		default:
			at += n
		}
	}
	runtime.KeepAlive(out)
}

// ntohs turns a port between the order of the network and of this processor,
// either way.
func ntohs(v uint16) uint16 { return htons(v) }

// bigger asks for a receive buffer that holds a storm; without CAP_NET_ADMIN
// the kernel's limit is as good as it gets.
func bigger(conn *net.UDPConn, octets int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, octets) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, octets)
		}
	})
}
