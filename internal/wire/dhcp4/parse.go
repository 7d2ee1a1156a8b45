package dhcp4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ParseError says why a datagram is not a message. Reason is one of a small,
// fixed set of texts without anything from the datagram, so it can label a
// counter.
type ParseError struct {
	Reason string
	Offset int // octet of the datagram where the fault shows
}

// Error joins reason and offset.
func (e *ParseError) Error() string {
	return fmt.Sprintf("parse DHCP message: %s at octet %d", e.Reason, e.Offset)
}

func fault(offset int, reason string) error { return &ParseError{Reason: reason, Offset: offset} }

// Parse reads one UDP payload. It does not keep b. The error is always a
// *ParseError.
//
// Refused, because no client sends it and reading on would be guessing: a
// short or cookieless datagram, an op other than 1 or 2, hlen over 16, a
// group address as Ethernet client, an options area of no octets, an option
// that runs past its area, more than 256 options, option 52 or 53 twice, of
// wrong length or of unknown value, and a message type from the wrong side.
//
// Let through: a missing 255, zero-length options, unknown codes, repeated
// options, sname and file without a NUL, and any value of any other option.
func Parse(b []byte) (*Packet, error) {
	p := new(Packet)
	if err := p.ParseKeeping(bytes.Clone(b)); err != nil {
		return nil, err
	}
	return p, nil
}

// ParseKeeping is Parse for callers that have many to read: it overwrites a
// packet that nobody needs any more, and uses the memory of its options' list.
// It keeps b, of which the options are slices.
func (p *Packet) ParseKeeping(b []byte) error {
	if len(b) < headerLen {
		return fault(len(b), "datagram shorter than header and cookie")
	}
	if binary.BigEndian.Uint32(b[offCookie:]) != cookie {
		return fault(offCookie, "no DHCP cookie")
	}
	p.parseHeader(b)
	if err := p.checkHeader(); err != nil {
		return err
	}
	if err := p.parseOptions(b); err != nil {
		return err
	}
	if !p.Type().fits(p.Op) {
		return fault(offOp, "message type from the wrong side")
	}
	return nil
}

// parseHeader fills what stands before the cookie; b has at least headerLen
// octets.
func (p *Packet) parseHeader(b []byte) {
	*p = Packet{
		Options: p.Options[:0],
		Op:      b[offOp], HType: b[offHType], HLen: b[offHLen], Hops: b[offHops],
		Xid:    binary.BigEndian.Uint32(b[offXid:]),
		Secs:   binary.BigEndian.Uint16(b[offSecs:]),
		Flags:  binary.BigEndian.Uint16(b[offFlags:]),
		CIAddr: netip.AddrFrom4([4]byte(b[offCIAddr:])),
		YIAddr: netip.AddrFrom4([4]byte(b[offYIAddr:])),
		SIAddr: netip.AddrFrom4([4]byte(b[offSIAddr:])),
		GIAddr: netip.AddrFrom4([4]byte(b[offGIAddr:])),
		SName:  text(b[offSName:offFile]),
		File:   text(b[offFile:offCookie]),
	}
	copy(p.CHAddr[:], b[offCHAddr:])
}

// text is a header field up to its first NUL.
func text(field []byte) string {
	s, _, _ := bytes.Cut(field, []byte{0})
	return string(s)
}

func (p *Packet) checkHeader() error {
	switch {
	case p.Op != OpRequest && p.Op != OpReply:
		return fault(offOp, "op is neither request nor reply")
	case p.HLen > maxHLen:
		return fault(offHLen, "hlen over 16")
	case p.HType == HTypeEthernet && p.HLen == 6 && p.CHAddr[0]&1 != 0:
		return fault(offCHAddr, "group address as client hardware address")
	}
	return nil
}

// parseOptions reads the options area and then the fields that its option 52
// names: file before sname (RFC 2131 section 4.1).
func (p *Packet) parseOptions(b []byte) error {
	if len(b) == headerLen {
		return fault(headerLen, "no options area")
	}
	if p.Options == nil {
		p.Options = make(Options, 0, 16)
	}
	if err := p.parseArea(b, headerLen, len(b)); err != nil {
		return err
	}
	if err := p.takeOverload(); err != nil {
		return err
	}
	if p.Overload&1 != 0 {
		p.File = ""
		if err := p.parseArea(b, offFile, offCookie); err != nil {
			return err
		}
	}
	if p.Overload&2 != 0 {
		p.SName = ""
		if err := p.parseArea(b, offSName, offFile); err != nil {
			return err
		}
	}
	p.Options = p.Options.without(OptOverload) // one inside an overloaded field means nothing
	return p.checkMessageType()
}

// parseArea adds the options of b[at:end], up to a 255.
func (p *Packet) parseArea(b []byte, at, end int) error {
	for at < end {
		code := OptionCode(b[at])
		if code == OptEnd {
			return nil
		}
		if code == OptPad {
			at++
			continue
		}
		if at+1 >= end {
			return fault(at, "option code without a length")
		}
		next := at + 2 + int(b[at+1])
		if next > end {
			return fault(at, "option runs past its area")
		}
		if len(p.Options) == maxOptions {
			return fault(at, "too many options")
		}
		p.Options = append(p.Options, Option{Code: code, Data: b[at+2 : next : next]})
		at = next
	}
	p.MissingEnd = true
	return nil
}

// takeOverload reads option 52 of the options area, the only place where it
// counts.
func (p *Packet) takeOverload() error {
	v, n, ok := p.Options.octet(OptOverload)
	if n == 0 {
		return nil
	}
	if !ok || v < 1 || v > 3 {
		return fault(headerLen, "bad or repeated option 52")
	}
	p.Overload = v
	return nil
}

func (p *Packet) checkMessageType() error {
	v, n, ok := p.Options.octet(OptMessageType)
	if n == 0 {
		return nil // BOOTP
	}
	if !ok || v == 0 || v > uint8(lastUDPType) {
		return fault(headerLen, "bad or repeated option 53")
	}
	return nil
}

// octet gives an option that must occur once with one octet. n counts its
// instances; ok is false for anything but one octet in one instance.
func (o Options) octet(code OptionCode) (v uint8, n int, ok bool) {
	for _, opt := range o {
		if opt.Code != code {
			continue
		}
		n++
		if ok = n == 1 && len(opt.Data) == 1; ok {
			v = opt.Data[0]
		}
	}
	return v, n, ok
}
