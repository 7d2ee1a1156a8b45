package pxe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Sub-options of option 43 under class PXEClient (PXE 2.1 section 2.1,
// table 2-1). 1 to 5 are multicast TFTP's and never sent: EDK2 passes over an
// offer that has all of them.
const (
	subControl     = 6
	subMulticast   = 7
	subBootServers = 8
	subMenu        = 9
	subPrompt      = 10
	subBootItem    = 71
)

// Control is the discovery control octet, sub-option 6.
type Control uint8

// Bits of Control.
const (
	NoBroadcast Control = 1 << 0 // don't look for boot servers by broadcast
	NoMulticast Control = 1 << 1 // nor by multicast
	OnlyListed  Control = 1 << 2 // only servers of sub-option 8
	Bypass      Control = 1 << 3 // take the boot file of this packet: no prompt, no menu, no port 4011
)

// VendorOptions is option 43 under class PXEClient. A zero field is a
// sub-option that is absent.
type VendorOptions struct {
	Control   *Control
	Multicast netip.Addr
	Servers   []BootServer
	Menu      []MenuItem
	Prompt    *Prompt
	Item      *BootItem
}

// BootServer lists where boot servers of one type are.
type BootServer struct {
	Type  uint16
	Addrs []netip.Addr // IPv4; may be empty
}

// MenuItem is a line of firmware's own menu. Type says which boot server is
// asked for when it is chosen; 0 is the local disk.
type MenuItem struct {
	Type uint16
	Text string // untrusted when parsed
}

// Prompt is shown before the menu.
type Prompt struct {
	Timeout uint8  // seconds; 0 takes the first item at once, 255 waits for a key
	Text    string // untrusted when parsed
}

// BootItem is what a client asks port 4011 for, and what the answer repeats.
type BootItem struct {
	Type  uint16
	Layer uint16 // 0 is the boot file; the top bit asks for credentials
}

// DiscoveryBypass is option 43 of an offer that says "take the boot file in
// this packet": 06 01 08 ff. Without it EDK2 and PXE ROMs that see PXEClient
// in option 60 go to port 4011.
func DiscoveryBypass() []byte { return []byte{subControl, 1, byte(Bypass), codeEnd} }

// ParseVendorOptions reads the value of an option 43 that came with class
// PXEClient. Unknown sub-options are passed over; of a repeated one the last
// counts. A missing 255 is accepted. An error means that nothing of it may be
// used.
func ParseVendorOptions(data []byte) (VendorOptions, error) {
	var v VendorOptions
	if err := walk("option 43", data, v.set); err != nil {
		return VendorOptions{}, err
	}
	return v, nil
}

func (v *VendorOptions) set(code byte, value []byte) (err error) {
	switch code {
	case subControl:
		if len(value) != 1 {
			return wrongLength(value, "a control octet")
		}
		c := Control(value[0])
		v.Control = &c
	case subMulticast:
		if len(value) != 4 {
			return wrongLength(value, "an address")
		}
		v.Multicast = netip.AddrFrom4([4]byte(value))
	case subBootServers:
		v.Servers, err = parseServers(value)
	case subMenu:
		v.Menu, err = parseMenu(value)
	case subPrompt:
		if len(value) < 1 {
			return wrongLength(value, "a prompt")
		}
		v.Prompt = &Prompt{Timeout: value[0], Text: string(value[1:])}
	case subBootItem:
		if len(value) != 4 {
			return wrongLength(value, "a boot item")
		}
		v.Item = &BootItem{Type: binary.BigEndian.Uint16(value), Layer: binary.BigEndian.Uint16(value[2:])}
	}
	return err
}

func wrongLength(value []byte, what string) error {
	return fmt.Errorf("%d octets are not %s", len(value), what)
}

// parseServers reads {type(2) count(1) address(4)×count}…
func parseServers(b []byte) (servers []BootServer, err error) {
	for len(b) > 0 {
		if len(b) < 3 || len(b) < 3+4*int(b[2]) {
			return nil, errors.New("server list is cut short")
		}
		s := BootServer{Type: binary.BigEndian.Uint16(b)}
		n := int(b[2])
		for b = b[3:]; n > 0; n-- {
			s.Addrs = append(s.Addrs, netip.AddrFrom4([4]byte(b)))
			b = b[4:]
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// parseMenu reads {type(2) length(1) text}…
func parseMenu(b []byte) (items []MenuItem, err error) {
	for len(b) > 0 {
		if len(b) < 3 || len(b) < 3+int(b[2]) {
			return nil, errors.New("menu is cut short")
		}
		end := 3 + int(b[2])
		items = append(items, MenuItem{Type: binary.BigEndian.Uint16(b), Text: string(b[3:end])})
		b = b[end:]
	}
	return items, nil
}

// Encode gives the value of option 43: the sub-options in the order of their
// codes, then 255. Everything must fit in one option, 255 octets: EDK2's PXE
// driver reads only the first of a split one.
func (v VendorOptions) Encode() ([]byte, error) {
	var out []byte
	if v.Control != nil {
		out = append(out, subControl, 1, byte(*v.Control))
	}
	if v.Multicast.IsValid() {
		if !v.Multicast.Is4() {
			return nil, fmt.Errorf("encode option 43: multicast address %v is not IPv4", v.Multicast)
		}
		out = append(out, subMulticast, 4)
		out = append(out, v.Multicast.AsSlice()...)
	}
	servers, err := encodeServers(v.Servers)
	if err != nil {
		return nil, err
	}
	menu, err := encodeMenu(v.Menu)
	if err != nil {
		return nil, err
	}
	var prompt, item []byte
	if v.Prompt != nil {
		prompt = append([]byte{v.Prompt.Timeout}, v.Prompt.Text...)
	}
	if v.Item != nil {
		item = binary.BigEndian.AppendUint16(nil, v.Item.Type)
		item = binary.BigEndian.AppendUint16(item, v.Item.Layer)
	}
	for _, sub := range []struct {
		code  byte
		value []byte
	}{{subBootServers, servers}, {subMenu, menu}, {subPrompt, prompt}, {subBootItem, item}} {
		if len(sub.value) > 0 {
			out = append(out, sub.code, byte(len(sub.value)))
			out = append(out, sub.value...)
		}
	}
	if out = append(out, codeEnd); len(out) > 255 {
		return nil, fmt.Errorf("encode option 43: %d octets, 255 fit", len(out))
	}
	return out, nil
}

func encodeServers(servers []BootServer) (b []byte, err error) {
	for _, s := range servers {
		if len(s.Addrs) > 62 {
			return nil, fmt.Errorf("encode option 43: %d servers of type %d, 62 fit", len(s.Addrs), s.Type)
		}
		b = binary.BigEndian.AppendUint16(b, s.Type)
		b = append(b, byte(len(s.Addrs)))
		for _, a := range s.Addrs {
			if !a.Is4() {
				return nil, fmt.Errorf("encode option 43: boot server %v is not IPv4", a)
			}
			b = append(b, a.AsSlice()...)
		}
	}
	return b, nil
}

func encodeMenu(items []MenuItem) (b []byte, err error) {
	for _, item := range items {
		if len(item.Text) > 255 {
			return nil, fmt.Errorf("encode option 43: menu text of %d octets, 255 fit", len(item.Text))
		}
		b = binary.BigEndian.AppendUint16(b, item.Type)
		b = append(b, byte(len(item.Text)))
		b = append(b, item.Text...)
	}
	return b, nil
}
