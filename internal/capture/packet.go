package capture

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// packet is one UDP datagram, TCP segment or ICMP message that counts. Its data is valid until the next
// one is read.
type packet struct {
	frame    int
	at       time.Time
	iface    int
	vlans    [2]uint16 // outer and inner tag; 0: none
	seen     vantage
	src, dst netip.AddrPort
	data     []byte // as far as it was captured
	size     int    // octets on the wire
	ipID     uint32
	kind     kind
	tcp      tcpHeader // of TCP
}

// kind is what a packet is.
type kind uint8

const (
	isUDP kind = iota
	isTCP
	// isRefused is an ICMP message that a port is closed, or that a firewall
	// refuses it; the addresses are those of the packet that it speaks of.
	isRefused
)

// cut reports whether less was captured than was sent.
func (p *packet) cut() bool { return len(p.data) < p.size }

// vantage is where on its way a packet was captured. A capture of several
// interfaces has a packet once for each that it passes, and those copies differ
// in nothing else.
type vantage struct {
	ttl   uint8
	kind  uint8 // of Linux cooked captures: to us, from us, …
	iface uint32
	vlans [2]uint16
	mac   [6]byte // the sender's on that link
}

// view follows one direction of a flow from one vantage point.
type view struct {
	from vantage
	id   uint64 // of the packet before
	at   time.Time
}

const (
	// viewPatience is how long a vantage point may show nothing before another
	// takes its place: a path may change while a file is read.
	viewPatience = time.Second
	// mirrorDelay is what a switch needs, at most, to mirror a packet twice: as
	// it comes in and as it goes out.
	mirrorDelay = time.Millisecond
)

// admits reports whether a packet is to be looked at, and not a copy of one.
// id is what tells it from others of the flow.
func (v *view) admits(p *packet, id uint64) bool {
	since := p.at.Sub(v.at)
	switch {
	case v.at.IsZero(), since > viewPatience:
	case v.from != p.seen:
		return false
	case v.id == id && since < mirrorDelay && since >= 0:
		return false
	}
	v.from, v.id, v.at = p.seen, id, p.at
	return true
}

// tcpHeader is what a follower needs of a segment.
type tcpHeader struct {
	seq, ack uint32
	flags    uint8
}

// Flags of a segment (RFC 9293 section 3.1).
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// decoder turns frames into packets.
type decoder struct {
	ip4  layers.IPv4
	ip6  layers.IPv6
	frag fragments
	p    packet
	// foreign counts the frames of a link type that is not known.
	foreign     int
	foreignType layers.LinkType
}

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// decode gives the packet in a frame; nil for what is neither UDP nor TCP, for
// a fragment that completes nothing, and for what is malformed.
func (d *decoder) decode(f *frame) *packet {
	d.p = packet{frame: f.number, at: f.at, iface: f.iface}
	d.p.seen.iface = uint32(f.iface)
	ether, payload, ok := d.linkLayer(f)
	if !ok {
		return nil
	}
	ether, payload, ok = d.tags(ether, payload)
	if !ok {
		return nil
	}
	d.p.seen.vlans = d.p.vlans
	switch ether {
	case etherIPv4:
		ok = d.v4(payload)
	case etherIPv6:
		ok = d.v6(payload)
	default:
		return nil
	}
	if !ok {
		return nil
	}
	return &d.p
}

// linkLayer takes off the link's header.
func (d *decoder) linkLayer(f *frame) (ether uint16, payload []byte, ok bool) {
	b := f.data
	switch f.link {
	case layers.LinkTypeEthernet:
		if len(b) < 14 {
			return 0, nil, false
		}
		copy(d.p.seen.mac[:], b[6:12])
		return binary.BigEndian.Uint16(b[12:]), b[14:], true
	case layers.LinkTypeLinuxSLL: // tcpdump.org, LINKTYPE_LINUX_SLL
		if len(b) < 16 {
			return 0, nil, false
		}
		d.p.seen.kind = b[1]
		copy(d.p.seen.mac[:], b[6:12])
		return binary.BigEndian.Uint16(b[14:]), b[16:], true
	case layers.LinkTypeLinuxSLL2: // tcpdump.org, LINKTYPE_LINUX_SLL2
		if len(b) < 20 {
			return 0, nil, false
		}
		d.p.seen.iface, d.p.seen.kind = binary.BigEndian.Uint32(b[4:]), b[10]
		copy(d.p.seen.mac[:], b[12:18])
		return binary.BigEndian.Uint16(b), b[20:], true
	case layers.LinkTypeNull, layers.LinkTypeLoop: // BSD loopback: a protocol family, whose number is each system's own
		if len(b) < 5 {
			return 0, nil, false
		}
		b = b[4:]
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, rawBSD, rawOpenBSD:
		if len(b) < 1 {
			return 0, nil, false
		}
	default:
		d.foreign++
		d.foreignType = f.link
		return 0, nil, false
	}
	if b[0]>>4 == 6 {
		return etherIPv6, b, true
	}
	return etherIPv4, b, true
}

// Raw IP as older systems number it.
const (
	rawBSD     layers.LinkType = 12
	rawOpenBSD layers.LinkType = 14
)

// tags takes off VLAN tags: 802.1Q, 802.1ad, and the number that was used
// before the latter. Of more than two the innermost counts as the second.
func (d *decoder) tags(ether uint16, b []byte) (uint16, []byte, bool) {
	for n := 0; ether == 0x8100 || ether == 0x88a8 || ether == 0x9100; n++ {
		if len(b) < 4 {
			return 0, nil, false
		}
		d.p.vlans[min(n, 1)] = binary.BigEndian.Uint16(b) & 0xfff
		ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	return ether, b, true
}

func (d *decoder) v4(b []byte) bool {
	ip := &d.ip4
	if ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return false
	}
	size := int(ip.Length) - int(ip.IHL)*4
	if len(b) > 65535 {
		size = len(ip.Payload) // a segment that the sender's card cuts up later
	}
	if ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments != 0 {
		whole := d.frag.v4(b, len(ip.Payload) >= size, d.p.at)
		if whole == nil {
			return false
		}
		ip, size = whole, len(whole.Payload)
	}
	d.p.seen.ttl, d.p.ipID = ip.TTL, uint32(ip.Id)
	src, _ := netip.AddrFromSlice(ip.SrcIP)
	dst, _ := netip.AddrFromSlice(ip.DstIP)
	return d.transport(ip.Protocol, src, dst, ip.Payload, size)
}

func (d *decoder) v6(b []byte) bool {
	ip := &d.ip6
	if ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return false
	}
	protocol, payload, size := ip.NextHeader, ip.Payload, int(ip.Length)
	if ip.HopByHop != nil {
		protocol = ip.HopByHop.NextHeader
		size -= ip.HopByHop.ActualLength
	}
	if protocol == layers.IPProtocolIPv6Fragment {
		protocol, payload = d.frag.v6(b, len(payload) >= size, d.p.at)
		if payload == nil {
			return false
		}
		size = len(payload)
	}
	d.p.seen.ttl, d.p.ipID = ip.HopLimit, 0
	src, _ := netip.AddrFromSlice(ip.SrcIP)
	dst, _ := netip.AddrFromSlice(ip.DstIP)
	return d.transport(protocol, src, dst, payload, size)
}

// transport takes off the header of UDP or TCP. size is what the network layer
// says of the payload's length; less may have been captured.
func (d *decoder) transport(protocol layers.IPProtocol, src, dst netip.Addr, b []byte, size int) bool {
	if len(b) < 8 {
		return false
	}
	d.p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	d.p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	head := 8
	switch protocol {
	case layers.IPProtocolUDP:
		// Its own length counts: of a datagram in fragments, the first may be
		// all that was captured.
		if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 {
			size = n
		}
	case layers.IPProtocolTCP:
		if len(b) < 20 {
			return false
		}
		d.p.kind = isTCP
		d.p.tcp = tcpHeader{seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]), flags: b[13]}
		head = int(b[12]>>4) * 4
		if head < 20 || head > size {
			return false
		}
	case layers.IPProtocolICMPv4:
		return d.refusal(b)
	default:
		return false
	}
	d.p.size = size - head
	d.p.data = b[min(head, len(b)):min(max(head, size), len(b))]
	return true
}

// refusal takes an ICMP message that says that a port cannot be reached (RFC 792;
// RFC 1812 section 5.2.7.1 for the codes of firewalls), with the head of the
// packet that was refused.
func (d *decoder) refusal(b []byte) bool {
	const unreachable, port, netProhibited, hostProhibited, prohibited = 3, 3, 9, 10, 13
	if code := b[1]; b[0] != unreachable || code != port && code != netProhibited && code != hostProhibited && code != prohibited {
		return false
	}
	b = b[8:]
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	head := int(b[0]&0xf) * 4
	if head < 20 || len(b) < head+4 {
		return false
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	d.p.kind = isRefused
	d.p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b[head:]))
	d.p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[head+2:]))
	return true
}
