package tftp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// requestBuffer is the receive buffer of the request port, in octets: a
// classroom that is switched on asks at once, and a request takes about 1 KiB
// with its overhead.
const requestBuffer = 4 << 20

// UDP is a Conn on an IPv4 UDP port.
type UDP struct {
	conn *net.UDPConn
	oob  []byte
}

// Listen opens the request port, "0.0.0.0:69" or ":69" for every address. One
// socket serves all addresses and interfaces. The error wraps the system's:
// syscall.EADDRINUSE if another program has the port, syscall.EACCES if ours
// lacks CAP_NET_BIND_SERVICE.
func Listen(addr string) (*UDP, error) {
	listener := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, prepare)
	}}
	conn, err := listener.ListenPacket(context.Background(), "udp4", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for TFTP requests on UDP %s: %w", addr, err)
	}
	return &UDP{conn: conn.(*net.UDPConn), oob: make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))}, nil
}

// prepare sets up the request socket before it has its port.
func prepare(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, requestBuffer) != nil {
		// Without CAP_NET_ADMIN the kernel's limit is as good as it gets.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, requestBuffer)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// Addr is the address that requests are received on, with its real port.
func (u *UDP) Addr() netip.AddrPort {
	return u.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// ReadRequest is Conn's. It must not be called by two at the same time.
func (u *UDP) ReadRequest(b []byte) (int, netip.AddrPort, netip.Addr, error) {
	for {
		n, oobn, _, from, err := u.conn.ReadMsgUDPAddrPort(b, u.oob)
		if err != nil {
			return 0, netip.AddrPort{}, netip.Addr{}, err
		}
		if local, ok := localAddr(u.oob[:oobn]); ok {
			return n, from, local, nil
		}
	}
}

// localAddr takes the address of ours out of a packet's IP_PKTINFO: int
// ipi_ifindex, in_addr ipi_spec_dst, in_addr ipi_addr. ipi_spec_dst is where
// the request was sent to, or for a broadcast the address of the interface
// that it came in by.
func localAddr(oob []byte) (addr netip.Addr, ok bool) {
	for len(oob) >= unix.CmsgLen(0) {
		header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return netip.Addr{}, false
		}
		if header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
			return netip.AddrFrom4([4]byte(data[4:8])), true
		}
		oob = rest
	}
	return netip.Addr{}, false
}

// Open is Conn's.
func (u *UDP) Open(local netip.Addr) (Socket, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return nil, fmt.Errorf("opening a port of %v: %v", local, err)
	}
	return udpSocket{conn}, nil
}

// PathMTU is Conn's. The route knows it, and what ICMP has told of routers
// beyond; Linux shows both on a connected socket only, so one is made for the
// question. Nothing is sent.
func (u *UDP) PathMTU(local, client netip.Addr) int {
	const discard = 9 // any port will do
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)),
		net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, discard)))
	if err != nil {
		return 0
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	mtu := 0
	err = control(raw, func(fd int) error {
		var err error
		mtu, err = unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU)
		return err
	})
	if err != nil {
		return 0
	}
	return mtu
}

// Close is Conn's.
func (u *UDP) Close() error { return u.conn.Close() }

// control runs f on a connection's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// udpSocket is a Socket.
type udpSocket struct{ conn *net.UDPConn }

func (s udpSocket) ReadFrom(b []byte) (int, netip.AddrPort, error) {
	return s.conn.ReadFromUDPAddrPort(b)
}

func (s udpSocket) WriteTo(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

func (s udpSocket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

func (s udpSocket) Close() error { return s.conn.Close() }
