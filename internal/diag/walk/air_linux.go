package walk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

// heard is a DHCP datagram that came in.
type heard struct {
	at       time.Time
	src, dst netip.AddrPort
	hw       []byte // who sent the frame; nil where that is not known
	data     []byte
}

// air carries DHCP messages to servers and back.
type air interface {
	// Ask sends a machine's request.
	Ask(payload []byte) error
	// Release sends what a machine with an address sends to a server. last is
	// the frame that brought the address.
	Release(payload []byte, from, server netip.Addr, last heard) error
	// Heard gives what comes in, until Close.
	Heard() <-chan heard
	Close()
}

var (
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	client    = netip.AddrPortFrom(netip.IPv4Unspecified(), dhcp4.ClientPort)
	everybody = netip.AddrPortFrom(broadcast, dhcp4.ServerPort)
	allHosts  = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// link is a network that machines are on. Frames go out and come in past the
// host's own stack, so that neither its DHCP client nor its firewall is in the
// way.
type link struct {
	iface   netio.Interface
	file    *os.File
	raw     syscall.RawConn
	local   net.PacketConn // by the host's stack, so that servers on this host hear it too; nil without
	in      chan heard
	closing chan struct{}
}

// onLink opens an interface. here says that a DHCP server runs on this host:
// what it is to hear has to pass through the host's stack.
func onLink(i netio.Interface, here bool) (*link, error) {
	protocol := htons(unix.ETH_P_IP)
	if here {
		// Only sockets for all protocols are given what this host sends.
		protocol = htons(unix.ETH_P_ALL)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket on %s: %v; it needs root or CAP_NET_RAW", i.Name, err)
	}
	l := &link{iface: i, file: os.NewFile(uintptr(fd), "link"), in: make(chan heard, 64), closing: make(chan struct{})}
	err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: i.Index})
	if err == nil {
		l.raw, err = l.file.SyscallConn()
	}
	if err == nil && here && len(i.Prefixes) > 0 {
		l.local, err = rawUDP(i.Prefixes[0].Addr(), i.Name)
	}
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("opening a packet socket on %s: %v", i.Name, err)
	}
	go l.receive()
	return l, nil
}

// rawUDP opens a socket that sends and hears UDP datagrams of any port, without
// taking one: whoever has port 67 or 68 keeps it. name is the interface that it
// is bound to, empty for none.
func rawUDP(local netip.Addr, name string) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) {
			serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
			if name != "" {
				serr = errors.Join(serr, unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, name))
			}
		})
		return errors.Join(err, serr)
	}}
	return lc.ListenPacket(context.Background(), "ip4:udp", local.String())
}

func (l *link) receive() {
	defer close(l.in)
	for {
		buf := make([]byte, 2048)
		var n int
		var from unix.Sockaddr
		var got error
		err := l.raw.Read(func(fd uintptr) bool {
			n, from, got = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(got, unix.EAGAIN)
		})
		if err != nil {
			return
		}
		if got != nil {
			continue // the interface went down, or came back
		}
		src, dst, payload, ok := netio.ParseUDP(buf[:n])
		if !ok || dst.Port() != dhcp4.ClientPort && dst.Port() != dhcp4.ServerPort {
			continue
		}
		h := heard{at: time.Now(), src: src, dst: dst, data: payload}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if ok && ll.Pkttype == unix.PACKET_OTHERHOST {
			continue // a switch that floods: no machine would take it
		}
		if ok && ll.Halen == 6 {
			h.hw = append([]byte(nil), ll.Addr[:6]...)
		}
		select {
		case l.in <- h:
		case <-l.closing:
			return
		}
	}
}

func (l *link) Heard() <-chan heard { return l.in }

func (l *link) Ask(payload []byte) error {
	if l.local != nil {
		return send(l.local, netip.AddrPortFrom(l.iface.Prefixes[0].Addr(), dhcp4.ClientPort), everybody, payload)
	}
	return l.frame(allHosts, client, everybody, payload)
}

// frame sends a packet to a hardware address, from our own.
func (l *link) frame(hw []byte, src, dst netip.AddrPort, payload []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: l.iface.Index, Protocol: htons(unix.ETH_P_IP), Halen: 6}
	copy(to.Addr[:], hw)
	b := netio.UDPPacket(src, dst, payload)
	var sent error
	err := l.raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), b, 0, to)
		return !errors.Is(sent, unix.EAGAIN)
	})
	if err = errors.Join(err, sent); err != nil {
		return fmt.Errorf("sending on %s: %v", l.iface.Name, err)
	}
	return nil
}

// Release goes back the way that the address came, from the address: by the
// same router, where the server is beyond one.
func (l *link) Release(payload []byte, from, server netip.Addr, last heard) error {
	if l.local != nil {
		// By broadcast, which reaches servers here too; it says which it is for.
		return sendAs(l.iface.Name, netip.AddrPortFrom(from, dhcp4.ClientPort), everybody, payload)
	}
	hw := last.hw
	if hw == nil {
		hw = allHosts
	}
	return l.frame(hw, netip.AddrPortFrom(from, dhcp4.ClientPort), netip.AddrPortFrom(server, dhcp4.ServerPort), payload)
}

func (l *link) Close() {
	close(l.closing)
	l.file.Close()
	if l.local != nil {
		l.local.Close()
	}
}

// send sends a UDP datagram by a raw socket, which adds the header of IP.
func send(conn net.PacketConn, src, dst netip.AddrPort, payload []byte) error {
	const ipHeader = 20
	b := netio.UDPPacket(src, dst, payload)[ipHeader:]
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: dst.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("sending to %s: %v", dst, err)
	}
	return nil
}

// relay is a relay agent: it sends to one server, from port 67.
type relay struct {
	addr, server netip.Addr
	conn         net.PacketConn
	port         net.PacketConn // keeps the kernel from refusing the answers; nil where somebody has the port
	in           chan heard
	closing      chan struct{}
}

func asRelay(addr, server netip.Addr) (*relay, error) {
	conn, err := rawUDP(addr, "")
	if err != nil {
		return nil, fmt.Errorf("opening a raw socket at %s: %v; it needs root or CAP_NET_RAW, and the address must be this host's", addr, err)
	}
	r := &relay{addr: addr, server: server, conn: conn, in: make(chan heard, 64), closing: make(chan struct{})}
	if port, err := net.ListenPacket("udp4", netip.AddrPortFrom(addr, dhcp4.ServerPort).String()); err == nil {
		r.port = port
	}
	go r.receive()
	return r, nil
}

func (r *relay) receive() {
	defer close(r.in)
	for {
		buf := make([]byte, 2048)
		n, from, err := r.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		ip, ok := from.(*net.IPAddr)
		if err != nil || !ok || n < 8 {
			continue
		}
		src, _ := netip.AddrFromSlice(ip.IP.To4())
		h := heard{
			at:   time.Now(),
			src:  netip.AddrPortFrom(src, binary.BigEndian.Uint16(buf)),
			dst:  netip.AddrPortFrom(r.addr, binary.BigEndian.Uint16(buf[2:])),
			data: buf[8:n],
		}
		if h.dst.Port() != dhcp4.ServerPort {
			continue
		}
		select {
		case r.in <- h:
		case <-r.closing:
			return
		}
	}
}

func (r *relay) Heard() <-chan heard { return r.in }

func (r *relay) Ask(payload []byte) error {
	return send(r.conn, netip.AddrPortFrom(r.addr, dhcp4.ServerPort), netip.AddrPortFrom(r.server, dhcp4.ServerPort), payload)
}

// Release goes to the server directly, as a machine's does (RFC 2131 section
// 4.4.6), from the machine's address.
func (r *relay) Release(payload []byte, from, server netip.Addr, _ heard) error {
	return sendAs("", netip.AddrPortFrom(from, dhcp4.ClientPort), netip.AddrPortFrom(server, dhcp4.ServerPort), payload)
}

// sendAs sends a datagram from an address that is not ours, by the host's
// routes, or by an interface where one is named.
func sendAs(iface string, src, dst netip.AddrPort, payload []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("opening a raw socket: %v", err)
	}
	defer unix.Close(fd)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	if iface != "" {
		err = errors.Join(err, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, iface))
	}
	if err == nil {
		err = unix.Sendto(fd, netio.UDPPacket(src, dst, payload), 0, &unix.SockaddrInet4{Addr: dst.Addr().As4()})
	}
	if err != nil {
		return fmt.Errorf("sending to %s: %v", dst, err)
	}
	return nil
}

func (r *relay) Close() {
	close(r.closing)
	r.conn.Close()
	if r.port != nil {
		r.port.Close()
	}
}

func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
