package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Datagram is one UDP datagram seen on a link.
type Datagram struct {
	Time     time.Time
	SrcMAC   net.HardwareAddr
	DstMAC   net.HardwareAddr
	Src, Dst netip.AddrPort
	Payload  []byte
}

// A classic capture file begins with 24 octets (draft-ietf-opsawg-pcap,
// section 4) and has 16 octets before each packet (section 5):
//
//	 0  magic a1b2c3d4, in the writer's byte order; microseconds
//	 4  version, time zone, accuracy
//	16  longest packet kept
//	20  link type; 1 is Ethernet
//
//	 0  seconds   4  microseconds   8  octets kept   12  octets on the wire
const (
	pcapMagic        = 0xa1b2c3d4
	pcapFileHeader   = 24
	pcapPacketHeader = 16
	linkTypeEthernet = 1
	pcapMaxPacket    = 1 << 20 // longer ones mean that the file is damaged
)

// pcapReader takes UDP datagrams out of a classic capture file of Ethernet
// frames that may still be growing. Everything that is not a whole UDP
// datagram over IPv4 is passed over.
type pcapReader struct {
	order   binary.ByteOrder // nil until the file's header was read
	pending []byte           // beginning of a packet whose end is not there yet
}

// feed takes the next octets of the file and gives the datagrams that they
// complete.
func (r *pcapReader) feed(b []byte) ([]Datagram, error) {
	b = append(r.pending, b...)
	if r.order == nil {
		if len(b) < pcapFileHeader {
			r.pending = b
			return nil, nil
		}
		order, err := pcapOrder(b)
		if err != nil {
			return nil, err
		}
		r.order, b = order, b[pcapFileHeader:]
	}
	var all []Datagram
	for len(b) >= pcapPacketHeader {
		n := r.order.Uint32(b[8:])
		if n > pcapMaxPacket {
			return all, fmt.Errorf("reading capture: packet of %d octets", n)
		}
		end := pcapPacketHeader + int(n)
		if len(b) < end {
			break
		}
		if d, ok := parseFrame(b[pcapPacketHeader:end]); ok {
			d.Time = time.Unix(int64(r.order.Uint32(b)), int64(r.order.Uint32(b[4:]))*1000)
			all = append(all, d)
		}
		b = b[end:]
	}
	r.pending = bytes.Clone(b)
	return all, nil
}

// pcapOrder checks a capture file's header and tells its byte order.
func pcapOrder(b []byte) (binary.ByteOrder, error) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(b) != pcapMagic {
			continue
		}
		if t := order.Uint32(b[20:]); t != linkTypeEthernet {
			return nil, fmt.Errorf("reading capture: link type %d is not Ethernet", t)
		}
		return order, nil
	}
	return nil, errors.New("reading capture: not a classic capture file with microseconds")
}

// parseFrame takes a UDP datagram out of an Ethernet frame (RFC 894, RFC 791,
// RFC 768). Fragments are not datagrams.
func parseFrame(f []byte) (Datagram, bool) {
	const ethernet = 14
	if len(f) < ethernet+20 || f[12] != 0x08 || f[13] != 0x00 {
		return Datagram{}, false
	}
	ip := f[ethernet:]
	header, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // more-fragments flag and offset
	if ip[0]>>4 != 4 || header < 20 || total < header+8 || total > len(ip) || fragment != 0 || ip[9] != 17 {
		return Datagram{}, false
	}
	udp := ip[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < 8 || length > len(udp) {
		return Datagram{}, false
	}
	return Datagram{
		DstMAC:  net.HardwareAddr(bytes.Clone(f[0:6])),
		SrcMAC:  net.HardwareAddr(bytes.Clone(f[6:12])),
		Src:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(udp)),
		Dst:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), binary.BigEndian.Uint16(udp[2:])),
		Payload: bytes.Clone(udp[8:length]),
	}, true
}
