package netio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// udpConn is a port on 0.0.0.0. One socket for all interfaces, with the
// interface told by IP_PKTINFO, because a socket bound to an address never
// sees broadcasts.
type udpConn struct {
	conn *net.UDPConn
	sys  syscall.RawConn
	port uint16
	in   *batch // of ReadBatch
	out  *batch // of WriteBatch and Write

	mu  sync.Mutex
	raw int // AF_PACKET socket for frames; -1 where the port needs none, and once closed
}

// Listen binds a UDP port on all addresses, any free one for 0. With frames, it can also send to
// clients that have no address yet, which needs CAP_NET_RAW. A port that is
// taken is a *PortTaken.
func Listen(ctx context.Context, port uint16, frames bool) (Conn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) {
			serr = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
		})
		return errors.Join(err, serr)
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return nil, ListenError("udp", port, err)
	}
	c := &udpConn{conn: pc.(*net.UDPConn), raw: -1, in: newBatch(), out: newBatch()}
	c.port = c.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	if c.sys, err = c.conn.SyscallConn(); err != nil {
		c.Close()
		return nil, fmt.Errorf("listening on UDP port %d: %v", port, err)
	}
	// A storm of machines arrives faster than one goroutine answers; what
	// does not fit is lost without a trace.
	bigger(c.conn, 4<<20)
	if frames {
		// Protocol 0: the socket only sends and never receives a frame.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("opening a packet socket, for answers to machines without an address: %v; it needs CAP_NET_RAW", err)
		}
		c.raw = fd
	}
	return c, nil
}

func (c *udpConn) Port() uint16 { return c.port }

func (c *udpConn) Write(data []byte, out Outgoing) error {
	if out.HW != nil {
		return c.writeFrame(data, out)
	}
	if len(data) == 0 {
		return fmt.Errorf("sending to %s: nothing to send", out.To)
	}
	if failed := c.WriteBatch([]Datagram{{data, out}}); failed != nil {
		return failed[0]
	}
	return nil
}

// writeFrame sends an IPv4 packet of our own making to a hardware address: the
// client would not answer ARP for an address it does not have yet.
func (c *udpConn) writeFrame(data []byte, out Outgoing) error {
	sa := &unix.SockaddrLinklayer{Ifindex: out.IfIndex, Halen: uint8(len(out.HW)), Protocol: htons(unix.ETH_P_IP)}
	switch {
	case out.IfIndex == 0:
		return fmt.Errorf("sending a frame for %s: no interface is named", out.To)
	case len(out.HW) > len(sa.Addr):
		return fmt.Errorf("sending a frame for %s: a hardware address of %d octets", out.To, len(out.HW))
	case !out.From.Is4() || !out.To.Addr().Is4():
		return fmt.Errorf("sending a frame from %s to %s: both have to be IPv4", out.From, out.To)
	}
	copy(sa.Addr[:], out.HW)
	b := udpPacket(netip.AddrPortFrom(out.From, c.port), out.To, data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw < 0 {
		return fmt.Errorf("sending a frame for %s: %w", out.To, net.ErrClosed)
	}
	if err := unix.Sendto(c.raw, b, 0, sa); err != nil {
		return fmt.Errorf("sending a frame for %s: %v", out.To, err)
	}
	return nil
}

// Close may be called while another goroutine reads or writes.
func (c *udpConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw >= 0 {
		unix.Close(c.raw)
		c.raw = -1
	}
	return c.conn.Close()
}

func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
