package link

import "encoding/binary"

// headerSize is that of struct virtio_net_hdr, which precedes each frame
// (VIRTIO 1.2 section 5.1.6):
//
//	0 flags | 1 gso_type | 2 hdr_len | 4 gso_size | 6 csum_start | 8 csum_offset
//
// Offsets count from the frame's beginning; the 16-bit words have the host's
// order.
const (
	headerSize   = 10
	needsCsum    = 1 // flags
	gsoUDP       = 5 // gso_type: gso_size octets of UDP payload to a datagram
	atCsumStart  = 6
	etherSize    = 14
	ipv4, ipv6   = 0x0800, 0x86dd
	udpSize      = 8
	protocolUDP  = 17
	ipv6HdrSize  = 40
	atIPv4Length = 2
	atIPv4ID     = 4
	atIPv4Sum    = 10
)

// isIP reports whether a frame, behind its virtio header, is IPv4 or IPv6.
func isIP(b []byte) bool {
	return len(b) >= headerSize+etherSize && (etherType(b) == ipv4 || etherType(b) == ipv6)
}

func etherType(b []byte) uint16 { return binary.BigEndian.Uint16(b[headerSize+12:]) }

// split gives the datagrams of a frame that the kernel left joined, each as a
// frame with a virtio header that leaves the UDP checksum to the receiver; any
// other frame it gives as it is.
func split(b []byte, each func([]byte)) {
	start := 0
	if len(b) >= headerSize {
		start = int(binary.NativeEndian.Uint16(b[atCsumStart:]))
	}
	size := 0
	if len(b) >= headerSize {
		size = int(binary.NativeEndian.Uint16(b[4:]))
	}
	payload := headerSize + start + udpSize
	if len(b) < headerSize+etherSize || b[1] != gsoUDP || size == 0 || start < etherSize+20 || payload > len(b) || !isIP(b) {
		each(b)
		return
	}
	for i, at := 0, payload; at < len(b); i, at = i+1, at+size {
		part := b[at:min(len(b), at+size)]
		each(one(b[:payload], start, i, part))
	}
}

// one makes the frame of datagram i out of the headers of all of them.
func one(headers []byte, start, i int, part []byte) []byte {
	frame := append(append(make([]byte, 0, len(headers)+len(part)), headers...), part...)
	clear(frame[1:atCsumStart]) // gso_type, hdr_len, gso_size
	frame[0] = needsCsum
	ip, udp := frame[headerSize+etherSize:], frame[headerSize+start:]
	length := udpSize + len(part)
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	var sum uint32
	if etherType(frame) == ipv4 {
		hdr := start - etherSize
		binary.BigEndian.PutUint16(ip[atIPv4Length:], uint16(hdr+length))
		binary.BigEndian.PutUint16(ip[atIPv4ID:], binary.BigEndian.Uint16(ip[atIPv4ID:])+uint16(i))
		binary.BigEndian.PutUint16(ip[atIPv4Sum:], 0)
		binary.BigEndian.PutUint16(ip[atIPv4Sum:], ^fold(add(0, ip[:hdr])))
		sum = add(0, ip[12:20])
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(start-etherSize-ipv6HdrSize+length))
		sum = add(0, ip[8:40])
	}
	// The receiver goes on from the sum of the pseudo header (RFC 768).
	binary.BigEndian.PutUint16(udp[6:], fold(sum+protocolUDP+uint32(length)))
	return frame
}

// add adds octets up in 16-bit words (RFC 1071).
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
