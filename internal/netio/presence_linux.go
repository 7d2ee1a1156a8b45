package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"hobnail/internal/model"
)

// Presence asks whether somebody has an address: by ARP on a link of ours, by
// ICMP echo beyond it. Its methods may be called from different goroutines.
type Presence struct {
	arp  *os.File // AF_PACKET
	raw  syscall.RawConn
	icmp net.PacketConn
	id   uint16 // of our echo requests
}

// Present says that an address is in use.
type Present struct {
	Addr netip.Addr
	MAC  model.MAC // whose it is; empty where an echo request was answered
}

// OpenPresence opens the two sockets, which need CAP_NET_RAW.
func OpenPresence() (*Presence, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ARP)))
	if err != nil {
		return nil, fmt.Errorf("opening a socket for ARP: %v; it needs CAP_NET_RAW", err)
	}
	p := &Presence{arp: os.NewFile(uintptr(fd), "arp"), id: uint16(os.Getpid())}
	if p.raw, err = p.arp.SyscallConn(); err == nil {
		p.icmp, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
	}
	if err != nil {
		p.arp.Close()
		return nil, fmt.Errorf("opening a socket for ICMP: %v; it needs CAP_NET_RAW", err)
	}
	return p, nil
}

// AskLink asks everybody on the link of an interface who has an address. The
// question names no sender (RFC 5227 section 2.1.1): nobody's table of
// neighbours changes for it.
func (p *Presence) AskLink(ifIndex int, a netip.Addr) error {
	i, err := net.InterfaceByIndex(ifIndex)
	if err != nil || len(i.HardwareAddr) != 6 || !a.Is4() {
		return fmt.Errorf("asking who has %s: interface %d has no Ethernet address: %v", a, ifIndex, err)
	}
	to := &unix.SockaddrLinklayer{Ifindex: ifIndex, Protocol: htons(unix.ETH_P_ARP), Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	var sent error
	err = p.raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), arpProbe([6]byte(i.HardwareAddr), a), 0, to)
		return true // a full queue loses the question, which is asked again
	})
	if err = errors.Join(err, sent); err != nil {
		return fmt.Errorf("asking who has %s on %s: %v", a, i.Name, err)
	}
	return nil
}

// AskFar sends an echo request.
func (p *Presence) AskFar(a netip.Addr) error {
	if _, err := p.icmp.WriteTo(echoRequest(p.id), &net.IPAddr{IP: a.AsSlice()}); err != nil {
		return fmt.Errorf("asking whether %s is in use: %v", a, err)
	}
	return nil
}

// HearLink waits for the next ARP packet on any link and gives what it says;
// ok is false for one that says nothing. After Close it gives net.ErrClosed.
func (p *Presence) HearLink() (s Present, ok bool, err error) {
	buf := make([]byte, 64)
	n, err := p.arp.Read(buf)
	if err != nil {
		return s, false, closed(err)
	}
	s, ok = parseARP(buf[:n])
	return s, ok, nil
}

// HearFar is HearLink for answers to echo requests.
func (p *Presence) HearFar() (s Present, ok bool, err error) {
	buf := make([]byte, 64)
	n, from, err := p.icmp.ReadFrom(buf)
	if err != nil {
		return s, false, closed(err)
	}
	ip, isIP := from.(*net.IPAddr)
	if !isIP || !isEchoReply(buf[:n], p.id) {
		return s, false, nil
	}
	a, ok := netip.AddrFromSlice(ip.IP.To4())
	return Present{Addr: a}, ok, nil
}

// Close ends both.
func (p *Presence) Close() error { return errors.Join(p.arp.Close(), p.icmp.Close()) }

func closed(err error) error {
	if errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return fmt.Errorf("hearing who has which address: %v", err)
}

// arpProbe is an ARP request without a sender's address (RFC 826, RFC 5227).
func arpProbe(hw [6]byte, target netip.Addr) []byte {
	b := make([]byte, 28)
	copy(b, []byte{0, 1, 8, 0, 6, 4, 0, 1}) // Ethernet, IPv4, their lengths, request
	copy(b[8:], hw[:])
	a := target.As4()
	copy(b[24:], a[:])
	return b
}

// parseARP gives the sender of an ARP packet, request or reply, that has an
// address.
func parseARP(b []byte) (Present, bool) {
	if len(b) < 28 || binary.BigEndian.Uint64(b)>>16 != 0x000108000604 {
		return Present{}, false
	}
	a := netip.AddrFrom4([4]byte(b[14:]))
	return Present{Addr: a, MAC: model.MACFromBytes(b[8:14])}, !a.IsUnspecified()
}

// echoRequest is an ICMP echo request (RFC 792) without data.
func echoRequest(id uint16) []byte {
	b := make([]byte, 8)
	b[0] = 8
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[2:], checksum(0, b))
	return b
}

func isEchoReply(b []byte, id uint16) bool {
	return len(b) >= 8 && b[0] == 0 && b[1] == 0 && binary.BigEndian.Uint16(b[4:]) == id
}
