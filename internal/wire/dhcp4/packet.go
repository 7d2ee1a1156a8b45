package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Packet is one DHCPv4 or BOOTP message. Numbers are in host order.
type Packet struct {
	Op     uint8 // OpRequest or OpReply
	HType  uint8
	HLen   uint8 // octets of CHAddr in use, 0 to 16; InfiniBand has 0
	Hops   uint8
	Xid    uint32 // repeats across boots and machines: never a key alone
	Secs   uint16 // iPXE, and OVMF on port 4011, send something else here
	Flags  uint16
	CIAddr netip.Addr // client's own; from Parse always IPv4, 0.0.0.0 if unset
	YIAddr netip.Addr // the address given
	SIAddr netip.Addr // next server: where the boot file is
	GIAddr netip.Addr // relay
	CHAddr [16]byte

	// SName and File are the header fields up to their first NUL: raw,
	// untrusted octets. A field that option 52 overloads is empty here.
	SName string
	File  string

	// Options holds those of the options area, then those of an overloaded
	// file, then sname. Parse leaves out option 52, which says how the
	// datagram was laid out and not what it means.
	Options Options

	// Overload is option 52 as it was received: 1 file, 2 sname, 3 both,
	// 0 neither. Append ignores it and never overloads: iPXE and U-Boot do
	// not read overloaded fields.
	Overload uint8

	// MissingEnd says that an area that holds options had no 255. EDK2 drops
	// such a packet; a server takes it.
	MissingEnd bool
}

// HardwareAddr gives the octets of CHAddr in use: HLen of them, 16 at most.
// The slice is into the packet.
func (p *Packet) HardwareAddr() []byte { return p.CHAddr[:min(p.HLen, maxHLen)] }

// Type gives the message type; BOOTP (0) if there is none or if option 53
// has a length other than 1, which Parse never lets through.
func (p *Packet) Type() MessageType {
	v, _ := p.Options.Uint8(OptMessageType)
	return MessageType(v)
}

// Broadcast reports whether the client wants replies by broadcast.
func (p *Packet) Broadcast() bool { return p.Flags&FlagBroadcast != 0 }

// Append adds the message to dst and returns the longer slice; on an error it
// returns dst as it was. Options go out in their order, those longer than 255
// octets as several with the same code (RFC 3396 section 5), then 255, then
// zeros up to 300 octets in all (RFC 1542 section 2.1). An invalid netip.Addr
// counts as 0.0.0.0.
//
// It refuses what the layout cannot hold: an SName over 63 or a File over 127
// octets (EDK2 runs strlen over both) or with a NUL inside, an IPv6 address,
// HLen over 16, and options 0, 255 and 52. It does not check the length of
// options: see ValidateOption.
func (p *Packet) Append(dst []byte) ([]byte, error) {
	if p.HLen > maxHLen {
		return dst, fmt.Errorf("encode DHCP message: hlen %d is over %d", p.HLen, maxHLen)
	}
	start := len(dst)
	out := append(dst, make([]byte, headerLen)...)
	h := out[start:]
	h[offOp], h[offHType], h[offHLen], h[offHops] = p.Op, p.HType, p.HLen, p.Hops
	binary.BigEndian.PutUint32(h[offXid:], p.Xid)
	binary.BigEndian.PutUint16(h[offSecs:], p.Secs)
	binary.BigEndian.PutUint16(h[offFlags:], p.Flags)
	copy(h[offCHAddr:], p.CHAddr[:])
	binary.BigEndian.PutUint32(h[offCookie:], cookie)
	if err := p.putAddrs(h); err != nil {
		return dst, err
	}
	if err := putText("sname", h[offSName:offFile], p.SName); err != nil {
		return dst, err
	}
	if err := putText("file", h[offFile:offCookie], p.File); err != nil {
		return dst, err
	}
	out, err := p.Options.append(out)
	if err != nil {
		return dst, err
	}
	out = append(out, byte(OptEnd))
	if short := minLen - (len(out) - start); short > 0 {
		out = append(out, make([]byte, short)...)
	}
	return out, nil
}

// putAddrs writes the four addresses into the header h.
func (p *Packet) putAddrs(h []byte) error {
	for _, f := range []struct {
		name string
		off  int
		addr netip.Addr
	}{
		{"ciaddr", offCIAddr, p.CIAddr},
		{"yiaddr", offYIAddr, p.YIAddr},
		{"siaddr", offSIAddr, p.SIAddr},
		{"giaddr", offGIAddr, p.GIAddr},
	} {
		if !f.addr.IsValid() {
			continue
		}
		a := f.addr.Unmap()
		if !a.Is4() {
			return fmt.Errorf("encode DHCP message: %s %v is not IPv4", f.name, f.addr)
		}
		b := a.As4()
		copy(h[f.off:], b[:])
	}
	return nil
}

// putText writes s and at least one NUL into a zeroed header field.
func putText(name string, field []byte, s string) error {
	if len(s) >= len(field) {
		return fmt.Errorf("encode DHCP message: %s has %d octets, %d fit", name, len(s), len(field)-1)
	}
	for i := range len(s) {
		if s[i] == 0 {
			return fmt.Errorf("encode DHCP message: %s has a NUL at octet %d", name, i)
		}
	}
	copy(field, s)
	return nil
}
