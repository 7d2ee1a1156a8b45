package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// answerPorts is how many ports of an address family transfers are answered
// from. RFC 1350 section 4 wants one for each transfer, chosen by chance, so
// that packets of an earlier one are not taken for this one's, and nobody who
// cannot see our packets can acknowledge them. A client that asks again gets
// another of these. Every port costs a system call more a round.
const answerPorts = 32

// Buffers of the sockets, in octets: a classroom that is switched on asks at
// once, and a request takes about 1 KiB with its overhead; a round may send
// some windows to each of many.
const (
	receiveBuffer = 8 << 20
	sendBuffer    = 8 << 20
	// patience is how long a packet waits for room in the socket; then it is
	// lost.
	patience = 50 * time.Millisecond
)

// Ports say how a server listens.
type Ports struct {
	// Single has transfers answered from the request port: for firewalls and
	// address translation that drop answers from another one.
	Single bool
}

// UDP is a Conn on UDP ports, of IPv4 and IPv6.
type UDP struct {
	sockets  []socket
	requests int // of the sockets: those for requests, first
	single   bool
	epoll    int
	wake     int // eventfd(2)
	events   []unix.EpollEvent
	ready    []uint8 // sockets that have something, those for requests last
	running  int     // rounds of requests since which a transfer has gone on; counts down
	busy     bool    // something came the last time
	alone    lone
	in       *receiving
	out      *sending
	probe4   int // sockets that path MTUs are asked of
	probe6   int
}

// socket is one bound port.
type socket struct {
	fd int
	v6 bool
}

// Listen opens the request port, "0.0.0.0:69" for every address of IPv4,
// ":69" for those of IPv6 too. One socket serves all addresses and interfaces
// of a family. The error wraps the system's: syscall.EADDRINUSE if another
// program has the port, syscall.EACCES if ours lacks CAP_NET_BIND_SERVICE.
func Listen(addr string, how Ports) (*UDP, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listening for TFTP requests: %w", err)
	}
	u := &UDP{single: how.Single, epoll: -1, wake: -1, probe4: -1, probe6: -1}
	networks := []string{"udp4", "udp6"}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		networks = networks[:1]
	} else if err == nil {
		networks = networks[1:]
	}
	if err := u.open(networks, host, port); err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("listening for TFTP requests on UDP %s: %w", addr, err)
	}
	return u, nil
}

// open binds the request ports, then those that answer. A host without IPv6
// is served without.
func (u *UDP) open(networks []string, host, port string) error {
	var families []string
	for _, network := range networks {
		err := u.bind(network, net.JoinHostPort(host, port))
		if network == "udp6" && len(networks) > 1 && errors.Is(err, syscall.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return err
		}
		families = append(families, network)
		if port == "0" { // of both families the same
			port = strconv.Itoa(int(u.Addr().Port()))
		}
	}
	u.requests = len(u.sockets)
	if !u.single {
		for _, network := range families {
			for range answerPorts {
				if err := u.bind(network, net.JoinHostPort(host, "0")); err != nil {
					return err
				}
			}
		}
	}
	return u.watch()
}

// bind opens one port.
func (u *UDP) bind(network, addr string) error {
	v6 := network == "udp6"
	listener := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return prepare(fd, v6) })
	}}
	conn, err := listener.ListenPacket(context.Background(), network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	// A duplicate that Go's poller does not know: it would wake a thread for
	// each packet, and the loop waits for its sockets by itself. UDPConn.File
	// gives one that it knows.
	return control(raw, func(fd int) error {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			u.sockets = append(u.sockets, socket{own, v6})
			err = unix.SetNonblock(own, false)
		}
		return err
	})
}

// prepare sets up a socket before it has its port.
func prepare(fd int, v6 bool) error {
	for _, b := range []struct{ forced, modest, octets int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receiveBuffer}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer},
	} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.forced, b.octets) != nil {
			// Without CAP_NET_ADMIN the kernel's limit is as good as it gets.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.modest, b.octets)
		}
	}
	wait := unix.NsecToTimeval(loneWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return err
	}
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// watch makes what the loop waits with.
func (u *UDP) watch() error {
	var err error
	if u.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if u.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	for i, s := range u.sockets {
		if err := unix.EpollCtl(u.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return err
		}
	}
	if err := unix.EpollCtl(u.epoll, unix.EPOLL_CTL_ADD, u.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}); err != nil {
		return err
	}
	u.events = make([]unix.EpollEvent, len(u.sockets)+1)
	u.in, u.out = newReceiving(), newSending(u.sockets[0].fd)
	u.probe4, _ = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	u.probe6, _ = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return nil
}

// Addr is the address that requests are received on, with its real port.
func (u *UDP) Addr() netip.AddrPort {
	sa, err := unix.Getsockname(u.sockets[0].fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Receive is Conn's.
func (u *UDP) Receive(in []Incoming, now time.Time, wait time.Duration) (int, error) {
	if i, ok := u.alone.socket(now); ok && wait > 0 {
		n := u.in.receive(u.sockets[i], in[:1], 0)
		if u.alone.saw(n); n > 0 {
			return u.from(i, in[:n]), nil
		}
	}
	if len(u.ready) == 0 {
		if err := u.poll(wait); err != nil {
			return 0, err
		}
	}
	if len(u.ready) == 0 {
		return 0, nil
	}
	i := u.ready[0]
	u.ready = append(u.ready[:0], u.ready[1:]...)
	if int(i) < u.requests && u.running > 0 {
		u.running--
		in = in[:min(len(in), requestBatch)]
	} else if int(i) >= u.requests {
		u.running = runningFor
	}
	n := u.in.receive(u.sockets[i], in, unix.MSG_DONTWAIT)
	u.alone.polled(now, i, n == 1 && len(u.ready) == 0 && int(i) >= u.requests)
	return u.from(i, in[:n]), nil
}

// from notes by which socket datagrams came.
func (u *UDP) from(i uint8, in []Incoming) int {
	for k := range in {
		in[k].Port, in[k].Request = i, int(i) < u.requests
	}
	return len(in)
}

// A storm of requests must not stop the transfers that run: as long as there
// are any, few requests are taken at a time.
const (
	requestBatch = 8
	runningFor   = 100 // rounds of requests without a transfer's packet
)

// How one client in lock-step is served: a system call for each ACK instead of
// two. It is a third of what a block costs.
const (
	loneAfter = 8                // ACKs in a row, one at a time, by one socket
	loneFor   = time.Millisecond // until the others are looked at again
	loneWait  = 2 * time.Millisecond
)

// lone tells when one socket has something, again and again, and no other has:
// then it is read without asking for the others each time. That goes on for
// loneFor, and a read waits for loneWait at most, so a request of somebody else
// is late by 3 ms at most.
type lone struct {
	in    uint8 // the socket
	times int   // in a row
	until time.Time
}

// polled notes that all sockets were looked at, and whether one alone had one
// datagram.
func (l *lone) polled(now time.Time, i uint8, alone bool) {
	if !alone || i != l.in {
		l.in, l.times = i, 0
	}
	if l.times++; l.times >= loneAfter {
		l.until = now.Add(loneFor)
	}
}

// socket gives the socket to be read without looking at the others.
func (l *lone) socket(now time.Time) (i uint8, ok bool) {
	return l.in, l.times >= loneAfter && now.Before(l.until)
}

// saw notes what came in that way.
func (l *lone) saw(n int) {
	if n != 1 {
		l.times = 0
	}
}

// poll waits for a socket that has something, or to be woken.
func (u *UDP) poll(wait time.Duration) error {
	ms := int((wait + time.Millisecond - 1) / time.Millisecond)
	var n int
	var err error
	if u.busy {
		n, err = u.holding(min(ms, 2))
	}
	if n == 0 && err == nil && (ms > 2 || !u.busy) {
		n, err = unix.EpollWait(u.epoll, u.events, ms)
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("epoll_wait", err)
	}
	u.busy = n > 0
	for _, e := range u.events[:max(n, 0)] {
		if e.Fd < 0 {
			var b [8]byte
			_, _ = unix.Read(u.wake, b[:])
			continue
		}
		u.ready = append(u.ready, uint8(e.Fd))
	}
	// Who is served already goes before who asks.
	slices.SortFunc(u.ready, func(a, b uint8) int { return int(b) - int(a) })
	return nil
}

// holding waits for up to that many milliseconds without telling Go's
// scheduler. Told, it takes the processor away after 20 µs, which is sooner
// than the next ACK of a client, and giving it back costs more than the
// packet. A stop of the world is not held up: its signal ends the wait.
func (u *UDP) holding(ms int) (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(u.epoll), uintptr(unsafe.Pointer(&u.events[0])),
		uintptr(len(u.events)), uintptr(ms), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Wake is Conn's.
func (u *UDP) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(u.wake, one[:]) // full: it is awake
}

// AnswerPort is Conn's.
func (u *UDP) AnswerPort(request uint8, nth uint) uint8 {
	if u.single {
		return request
	}
	return uint8(u.requests) + request*answerPorts + uint8(nth%answerPorts)
}

// PathMTU is Conn's. The route knows it, and what ICMP has told of routers
// beyond; Linux shows both on a connected socket only, so one is connected for
// the question. Nothing is sent.
func (u *UDP) PathMTU(client netip.Addr) int {
	const discard = 9 // any port will do
	level, option, fd := unix.IPPROTO_IP, unix.IP_MTU, u.probe4
	var to unix.Sockaddr
	if client.Is4() {
		to = &unix.SockaddrInet4{Port: discard, Addr: client.As4()}
	} else {
		level, option, fd = unix.IPPROTO_IPV6, unix.IPV6_MTU, u.probe6
		zone, _ := strconv.ParseUint(client.Zone(), 10, 32)
		to = &unix.SockaddrInet6{Port: discard, Addr: client.As16(), ZoneId: uint32(zone)}
	}
	if fd < 0 || unix.Connect(fd, to) != nil {
		return 0
	}
	mtu, err := unix.GetsockoptInt(fd, level, option)
	if err != nil {
		return 0
	}
	return mtu
}

// Close is Conn's.
func (u *UDP) Close() error {
	for _, s := range u.sockets {
		unix.Close(s.fd)
	}
	for _, fd := range []int{u.epoll, u.wake, u.probe4, u.probe6} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// control runs f on a connection's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// ntohs turns a port between the order of the network and of this processor.
func ntohs(v uint16) uint16 {
	b := *(*[2]byte)(unsafe.Pointer(&v))
	return binary.BigEndian.Uint16(b[:])
}
