package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Overheard is a datagram that a DHCP or boot server sent, to whomever.
type Overheard struct {
	IfIndex  int
	Src, Dst netip.AddrPort
	Payload  []byte // until the next one
}

// Ear hears what DHCP servers send on the links of this host: broadcasts, and
// what else arrives here. It takes nothing from anybody.
type Ear struct {
	f      *os.File // AF_PACKET
	closed atomic.Bool
}

// replies lets pass what is UDP over IPv4, no later fragment, sent from port 67
// or 4011, and a BOOTREPLY (RFC 951: op is 2): a relay asks from port 67 too.
// The packet begins with its IP header.
func replies() []unix.SockFilter {
	const accept, reject = 1 << 16, 0
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jf: 9},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 6},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x1fff, Jt: 7},
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 67, Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 4011, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 8},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 2, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: accept},
		{Code: unix.BPF_RET | unix.BPF_K, K: reject},
	}
}

// OpenEar opens the socket, which needs CAP_NET_RAW.
func OpenEar() (*Ear, error) {
	// With protocol 0 nothing arrives before the filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a socket to hear other DHCP servers: %v; it needs CAP_NET_RAW", err)
	}
	filter := replies()
	// Older kernels than 4.20 have every packet of ours pass the filter too.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("opening a socket to hear other DHCP servers: %v", err)
	}
	return &Ear{f: os.NewFile(uintptr(fd), "ear")}, nil
}

// Listen gives each datagram to hear until Close, which is no error.
func (e *Ear) Listen(hear func(Overheard)) error {
	raw, err := e.f.SyscallConn()
	if err != nil {
		return fmt.Errorf("hearing other DHCP servers: %v", err)
	}
	buf := make([]byte, 1<<16)
	for {
		var n int
		var from unix.Sockaddr
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			n, from, rerr = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(rerr, syscall.EAGAIN)
		})
		switch {
		case e.closed.Load():
			return nil
		case errors.Is(rerr, syscall.ENETDOWN) || errors.Is(rerr, syscall.EINTR):
			continue // an interface went away
		case err != nil || rerr != nil:
			return fmt.Errorf("hearing other DHCP servers: %v", errors.Join(err, rerr))
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if h, ok := overheard(buf[:n]); ok {
			h.IfIndex = link.Ifindex
			hear(h)
		}
	}
}

// Close ends Listen.
func (e *Ear) Close() error {
	if e.closed.Swap(true) {
		return net.ErrClosed
	}
	return e.f.Close()
}

// overheard takes a UDP datagram out of an IPv4 packet that passed the filter
// (RFC 791, RFC 768); ok is false for one that is cut off or comes in pieces.
func overheard(ip []byte) (h Overheard, ok bool) {
	if len(ip) < 20 || ip[0]>>4 != 4 {
		return h, false
	}
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if header < 20 || total < header+8 || total > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return h, false
	}
	udp := ip[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < 8 || length > len(udp) {
		return h, false
	}
	h.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(udp))
	h.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), binary.BigEndian.Uint16(udp[2:]))
	h.Payload = udp[8:length]
	return h, true
}
