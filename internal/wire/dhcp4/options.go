package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Option is one code with its data, at most 255 octets where it comes from
// Parse.
type Option struct {
	Code OptionCode
	Data []byte
}

// Options are the options of a message in the order of the wire, without the
// padding (0) and the end (255). A code may occur several times.
type Options []Option

// Get gives the value of an option: the data of all its instances joined in
// order (RFC 3396 section 7). ok is false if there is none; an option of
// length zero is there. The value may share memory with the options: don't
// write to it.
func (o Options) Get(code OptionCode) (value []byte, ok bool) {
	for _, opt := range o {
		switch {
		case opt.Code != code:
		case !ok:
			value, ok = opt.Data[:len(opt.Data):len(opt.Data)], true
		default:
			value = append(value, opt.Data...)
		}
	}
	return value, ok
}

// First gives the data of the first instance of an option: what EDK2's PXE
// driver reads.
func (o Options) First(code OptionCode) (data []byte, ok bool) {
	for _, opt := range o {
		if opt.Code == code {
			return opt.Data, true
		}
	}
	return nil, false
}

// Has reports whether there is an option of this code.
func (o Options) Has(code OptionCode) bool {
	_, ok := o.First(code)
	return ok
}

// Addr gives an option that is one IPv4 address; ok is false for any length
// but 4.
func (o Options) Addr(code OptionCode) (a netip.Addr, ok bool) {
	v, _ := o.Get(code)
	if len(v) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v)), true
}

// Uint8 gives an option that is one octet; ok is false for any other length.
func (o Options) Uint8(code OptionCode) (n uint8, ok bool) {
	v, _ := o.Get(code)
	if len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// Uint16 gives an option that is a number of two octets; ok is false for any
// other length.
func (o Options) Uint16(code OptionCode) (n uint16, ok bool) {
	v, _ := o.Get(code)
	if len(v) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(v), true
}

// Uint32 gives an option that is a number of four octets; ok is false for any
// other length.
func (o Options) Uint32(code OptionCode) (n uint32, ok bool) {
	v, _ := o.Get(code)
	if len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// Add puts an option at the end. It keeps data.
func (o *Options) Add(code OptionCode, data []byte) {
	*o = append(*o, Option{Code: code, Data: data})
}

// AddUint8 adds an option of one octet.
func (o *Options) AddUint8(code OptionCode, n uint8) { o.Add(code, []byte{n}) }

// AddUint16 adds an option of two octets, big-endian.
func (o *Options) AddUint16(code OptionCode, n uint16) {
	o.Add(code, binary.BigEndian.AppendUint16(nil, n))
}

// AddUint32 adds an option of four octets, big-endian; times are in seconds.
func (o *Options) AddUint32(code OptionCode, n uint32) {
	o.Add(code, binary.BigEndian.AppendUint32(nil, n))
}

// AddAddr adds an option that is a list of IPv4 addresses. Addresses that are
// not IPv4 are left out; of an empty list nothing is added, since EDK2 drops
// the packet for it.
func (o *Options) AddAddr(code OptionCode, addrs ...netip.Addr) {
	var data []byte
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			b := a.As4()
			data = append(data, b[:]...)
		}
	}
	if len(data) > 0 {
		o.Add(code, data)
	}
}

// AddString adds a text without a NUL. The empty string adds nothing: EDK2
// drops a packet that has a text option of length zero.
func (o *Options) AddString(code OptionCode, s string) {
	if s != "" {
		o.Add(code, []byte(s))
	}
}

// without gives the options but those of one code, in the same memory.
func (o Options) without(code OptionCode) Options {
	kept := o[:0]
	for _, opt := range o {
		if opt.Code != code {
			kept = append(kept, opt)
		}
	}
	return kept
}

// append writes the options after dst.
func (o Options) append(dst []byte) ([]byte, error) {
	for _, opt := range o {
		switch opt.Code {
		case OptPad, OptEnd, OptOverload:
			return dst, fmt.Errorf("encode DHCP message: option %d is not content", uint8(opt.Code))
		}
		rest := opt.Data
		for len(rest) > 255 {
			dst = append(dst, byte(opt.Code), 255)
			dst = append(dst, rest[:255]...)
			rest = rest[255:]
		}
		dst = append(dst, byte(opt.Code), byte(len(rest)))
		dst = append(dst, rest...)
	}
	return dst, nil
}
