package tftp

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is what recvmmsg(2) and sendmmsg(2) take, one for each datagram. The
// kernel's struct has the same padding at its end.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// controlSize holds the control messages of one datagram: struct in6_pktinfo
// (40 octets with its header and padding) or in_pktinfo, and UDP_SEGMENT's size
// of packets (24).
const controlSize = 64

// messages is the memory that one call hands to the kernel. It is used again
// for the next one.
type messages struct {
	parts   [batchSize]parts // backwards: the first message's are beside its header
	headers [batchSize]mmsghdr
}

// parts are what a header points to. They lie side by side, since on a virtual
// machine it is felt how much memory is touched after a system call.
type parts struct {
	vector  unix.Iovec
	name    unix.RawSockaddrInet6 // or RawSockaddrInet4, which is smaller
	control [controlSize]byte
}

// of gives the parts of message i.
func (m *messages) of(i int) *parts { return &m.parts[batchSize-1-i] }

func newMessages() *messages {
	m := new(messages)
	for i := range m.headers {
		h, p := &m.headers[i].hdr, m.of(i)
		h.Name = (*byte)(unsafe.Pointer(&p.name))
		h.Iov = &p.vector
		h.SetIovlen(1)
		h.Control = &p.control[0]
	}
	return m
}

// call is recvmmsg or sendmmsg for messages from to below end. Neither waits
// for long, so Go's scheduler is not told (docs/adr/0012).
func (m *messages) call(number uintptr, fd, from, end, flags int) (int, error) {
	n, _, errno := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[from])), uintptr(end-from), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// receiving takes datagrams.
type receiving struct{ *messages }

func newReceiving() *receiving { return &receiving{newMessages()} }

// receive takes what a socket has. A datagram that was not sent to an address
// of ours, but to many, has no Local (RFC 1123 section 4.2.3.5 wants those
// ignored).
func (r *receiving) receive(s socket, in []Incoming, flags int) int {
	for i := range in {
		p := r.of(i)
		p.vector.Base = &in[i].Data[0]
		p.vector.SetLen(len(in[i].Data))
		h := &r.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	n, err := r.call(unix.SYS_RECVMMSG, s.fd, 0, len(in), flags)
	if err != nil {
		return 0
	}
	for i := range in[:n] {
		h, p := &r.headers[i], r.of(i)
		in[i].Data = in[i].Data[:h.n]
		if s.v6 {
			in[i].From = addrPort6(&p.name)
		} else {
			name := (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.name))
			in[i].From = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), ntohs(name.Port))
		}
		in[i].Local = localAddr(p.control[:h.hdr.Controllen])
	}
	runtime.KeepAlive(in)
	return n
}

func addrPort6(name *unix.RawSockaddrInet6) netip.AddrPort {
	addr := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, ntohs(name.Port))
}

// localAddr takes the address of ours out of a packet's control messages:
// IP_PKTINFO has int ipi_ifindex, in_addr ipi_spec_dst (ours), in_addr ipi_addr
// (as sent); IPV6_PKTINFO in6_addr ipi6_addr. It gives the zero Addr where the
// packet was sent to more than us.
func localAddr(control []byte) netip.Addr {
	for len(control) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			if ours := [4]byte(data[4:8]); ours == [4]byte(data[8:12]) {
				return netip.AddrFrom4(ours)
			}
			return netip.Addr{}
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			if addr := netip.AddrFrom16([16]byte(data)); !addr.IsMulticast() {
				return addr
			}
			return netip.Addr{}
		}
		control = rest
	}
	return netip.Addr{}
}

// What UDP_SEGMENT takes in one call (udp(7)): the kernel's UDP_MAX_SEGMENTS
// was 64 before Linux 6.2, and the whole has to fit an IP packet.
const (
	maxSegments    = 64
	maxSegmentsLen = 65535 - 40 - 8
)

// sending sends packets, several of one client in one message where the kernel
// cuts it into packets (UDP_SEGMENT, since Linux 4.18).
type sending struct {
	*messages
	whole    []int // message i is of out[whole[i]]
	segments bool
	try      func(fd, from, end int) (int, error) // sendmmsg; tests have it fail
}

// newSending tries on a socket whether the kernel knows UDP_SEGMENT.
func newSending(fd int) *sending {
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s := &sending{messages: newMessages(), segments: err == nil}
	s.try = func(fd, from, end int) (int, error) {
		return s.call(unix.SYS_SENDMMSG, fd, from, end, unix.MSG_DONTWAIT)
	}
	return s
}

// Send is Conn's.
func (u *UDP) Send(out []Outgoing) {
	for at := 0; at < len(out); {
		end := at + 1
		for end < len(out) && out[end].Port == out[at].Port {
			end++
		}
		u.out.send(u.sockets[out[at].Port], out[at:end])
		at = end
	}
}

// send sends by one socket.
func (s *sending) send(to socket, out []Outgoing) {
	s.whole = s.whole[:0]
	for i := range out {
		perMessage := 1
		if s.segments {
			perMessage = max(1, min(maxSegments, maxSegmentsLen/out[i].Size))
		}
		for part := range slices.Chunk(out[i].Packets, perMessage*out[i].Size) {
			if len(s.whole) == batchSize {
				s.transmit(to, out)
				s.whole = s.whole[:0]
			}
			s.fill(len(s.whole), to, &out[i], part)
			s.whole = append(s.whole, i)
		}
	}
	s.transmit(to, out)
	runtime.KeepAlive(out)
}

// fill fills in message i: what, to whom, from where.
func (s *sending) fill(i int, by socket, o *Outgoing, part []byte) {
	p := s.of(i)
	p.vector.Base = &part[0]
	p.vector.SetLen(len(part))
	h := &s.headers[i].hdr
	control := p.control[:]
	clear(control)
	c := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	var used int
	if by.v6 {
		h.Namelen = unix.SizeofSockaddrInet6
		zone, _ := strconv.ParseUint(o.To.Addr().Zone(), 10, 32)
		p.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: ntohs(o.To.Port()), Addr: o.To.Addr().As16(), Scope_id: uint32(zone)}
		c.Level, c.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		c.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		from := o.From.As16()
		copy(control[unix.CmsgLen(0):], from[:])
		used = unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	} else {
		h.Namelen = unix.SizeofSockaddrInet4
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&p.name)) = unix.RawSockaddrInet4{
			Family: unix.AF_INET, Port: ntohs(o.To.Port()), Addr: o.To.Addr().As4(),
		}
		c.Level, c.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		c.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
		from := o.From.As4()
		copy(control[unix.CmsgLen(0)+4:], from[:])
		used = unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	}
	if len(part) > o.Size {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&control[used]))
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		*(*uint16)(unsafe.Pointer(&control[used+unix.CmsgLen(0)])) = uint16(o.Size)
		used += unix.CmsgSpace(2)
	}
	h.SetControllen(used)
}

// transmit sends what was filled in. The kernel stops at the first message
// that it cannot send; the others are tried behind it.
func (s *sending) transmit(to socket, out []Outgoing) {
	for at := 0; at < len(s.whole); {
		n, err := s.try(to.fd, at, len(s.whole))
		o := &out[s.whole[at]]
		switch {
		case err == nil:
			at += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if !writable(to.fd) {
				o.Err = err
				at++
			}
		case s.of(at).vector.Len > uint64(o.Size):
			s.piecemeal(at, to, o, err)
			at++
		default:
			o.Err = err
			at++
		}
	}
}

// piecemeal sends a message packet by packet that the kernel would not cut:
// the device cannot (EIO), or the path has become narrower than a packet
// (EMSGSIZE, EINVAL), which then travels in fragments.
func (s *sending) piecemeal(i int, to socket, o *Outgoing, err error) {
	if errors.Is(err, unix.EIO) {
		s.segments = false
	}
	part := unsafe.Slice(s.of(i).vector.Base, s.of(i).vector.Len)
	for packet := range slices.Chunk(part, o.Size) {
		s.fill(i, to, o, packet)
		for {
			_, err := s.try(to.fd, i, i+1)
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && writable(to.fd) {
				continue
			}
			if err != nil {
				o.Err = err
			}
			break
		}
	}
}

// writable waits until a socket has room again. That all wait for one is
// right: what they wait for is the same wire.
func writable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, int(patience/time.Millisecond))
	return n > 0 || errors.Is(err, unix.EINTR)
}
