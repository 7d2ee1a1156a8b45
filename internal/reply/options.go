package reply

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Sizes of a reply, in octets of UDP payload.
const (
	maxFile     = 127 // `file` holds 128 and EDK2 runs strlen over it
	defaultSize = 548 // RFC 2131 section 2: 576 less IP and UDP headers
	maxSize     = 1472 - 28
	fixedSize   = 240 + 1 // header, cookie, and the closing 255
)

// options adds the options, in an order that every ROM takes: 53 and 54
// first, 82 last (RFC 3046 section 2.2).
func options(p, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) {
	o := &p.Options
	o.AddUint8(dhcp4.OptMessageType, uint8(messageType(d.Answer)))
	o.AddAddr(dhcp4.OptServerID, d.ServerID)
	if d.Answer != policy.Nak {
		network(o, d)
		boot(o, req, f, d)
	}
	if d.Mode == model.ModeServer {
		echo(o, req, dhcp4.OptClientID) // RFC 6842
	}
	tail := dhcp4.Options{}
	echo(&tail, req, dhcp4.OptRelayInfo)
	if d.Answer != policy.Nak && d.Mode == model.ModeServer {
		room := sizeLimit(req) - fixedSize - size(*o) - size(tail)
		wished(o, req, d, room)
	}
	*o = append(*o, tail...)
}

func messageType(a policy.Answer) dhcp4.MessageType {
	switch a {
	case policy.Offer:
		return dhcp4.Offer
	case policy.Nak:
		return dhcp4.Nak
	}
	return dhcp4.Ack
}

// network adds what makes an address usable. EDK2 takes mask, router and lease
// from the OFFER and declines the address when the mask is missing, so both
// messages carry them whether they were asked for or not.
func network(o *dhcp4.Options, d *policy.Decision) {
	if d.Mode != model.ModeServer || d.Subnet == nil {
		return
	}
	if d.Lease > 0 {
		o.AddUint32(dhcp4.OptLeaseTime, seconds(d.Lease))
		o.AddUint32(dhcp4.OptRenewalTime, seconds(d.Lease/2))
		o.AddUint32(dhcp4.OptRebindingTime, seconds(d.Lease*7/8))
	}
	o.AddAddr(dhcp4.OptSubnetMask, mask(d.Subnet.CIDR))
	if d.Subnet.Router.IsValid() {
		o.AddAddr(dhcp4.OptRouter, d.Subnet.Router)
	}
	if len(d.Subnet.DNS) > 0 {
		o.AddAddr(dhcp4.OptDNS, d.Subnet.DNS...)
	}
}

// boot adds what a network boot client needs beside siaddr and `file`.
func boot(o *dhcp4.Options, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) {
	b := d.Boot
	if b == nil {
		return
	}
	switch b.Class {
	case classify.ClassPXE:
		// Class and bypass go together: with the class alone EDK2 and PXE
		// ROMs would ask port 4011 first.
		o.AddString(dhcp4.OptVendorClass, pxe.PXEClient)
		o.Add(dhcp4.OptVendorSpecific, vendorOptions(f))
	case classify.ClassHTTP:
		o.AddString(dhcp4.OptVendorClass, pxe.HTTPClient)
	}
	echo(o, req, dhcp4.OptMachineID) // PXE 2.1 section 2.4.2
	if wantsNameOption(req, b) {
		// The NUL is counted: some firmware reads an unterminated name on
		// into the next option.
		o.Add(dhcp4.OptBootFileName, append([]byte(b.File), 0))
	}
	if f.Stage == classify.StageIPXE && d.Mode == model.ModeServer {
		o.Add(dhcp4.OptIPXE, pxe.NoPXEDHCP()) // saves iPXE's two seconds of waiting for a proxy
	}
}

// vendorOptions is option 43: take the file in this packet; and at port 4011
// the item that the client chose, repeated, without the credential bit.
func vendorOptions(f *classify.Facts) []byte {
	if f.Item == nil {
		return pxe.DiscoveryBypass()
	}
	bypass := pxe.Bypass
	item := pxe.BootItem{Type: f.Item.Type, Layer: f.Item.Layer & 0x7fff}
	b, err := pxe.VendorOptions{Control: &bypass, Item: &item}.Encode()
	if err != nil {
		return pxe.DiscoveryBypass()
	}
	return b
}

// wantsNameOption reports whether option 67 is needed: HTTP boot reads nothing
// else, long names fit nowhere else, and some clients ask for it.
func wantsNameOption(req *dhcp4.Packet, b *policy.Boot) bool {
	switch {
	case b.Class == classify.ClassHTTP, len(b.File) > maxFile:
		return true
	case b.Class == classify.ClassUBoot:
		return false
	}
	return requested(req, dhcp4.OptBootFileName)
}

// wished adds options that are only sent when asked for (option 55), as far as
// there is room.
func wished(o *dhcp4.Options, req *dhcp4.Packet, d *policy.Decision, room int) {
	var w dhcp4.Options
	s := d.Subnet
	for _, code := range parameterList(req) {
		switch code {
		case dhcp4.OptHostName:
			if d.Machine != nil {
				w.AddString(code, d.Machine.Name)
			}
		case dhcp4.OptDomainName:
			w.AddString(code, s.Domain)
		case dhcp4.OptBroadcastAddr:
			w.AddAddr(code, lastAddr(s.CIDR))
		case dhcp4.OptNTP:
			if len(s.NTP) > 0 {
				w.AddAddr(code, s.NTP...)
			}
		}
	}
	for _, opt := range w {
		if n := size(dhcp4.Options{opt}); n <= room {
			*o = append(*o, opt)
			room -= n
		}
	}
}

// parameterList is option 55, each code once.
func parameterList(req *dhcp4.Packet) []dhcp4.OptionCode {
	raw, _ := req.Options.Get(dhcp4.OptParameterList)
	var codes []dhcp4.OptionCode
	for _, c := range raw {
		if code := dhcp4.OptionCode(c); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

func requested(req *dhcp4.Packet, code dhcp4.OptionCode) bool {
	return slices.Contains(parameterList(req), code)
}

func echo(o *dhcp4.Options, req *dhcp4.Packet, code dhcp4.OptionCode) {
	if raw, ok := req.Options.Get(code); ok && len(raw) > 0 {
		o.Add(code, raw)
	}
}

// sizeLimit is how large a reply may be. Option 57 is read as the size of the
// IP packet, as the cautious do, and never believed beyond an Ethernet frame:
// EDK2 says 65,280.
func sizeLimit(req *dhcp4.Packet) int {
	raw, ok := req.Options.First(dhcp4.OptMaxMessageSize)
	if !ok || len(raw) != 2 {
		return defaultSize
	}
	n := int(binary.BigEndian.Uint16(raw)) - 28
	return min(max(n, defaultSize), maxSize)
}

// size is how many octets options take on the wire, RFC 3396 splits included.
func size(opts dhcp4.Options) int {
	n := 0
	for _, o := range opts {
		n += len(o.Data) + 2*max(1, (len(o.Data)+254)/255)
	}
	return n
}

func seconds(d time.Duration) uint32 {
	return uint32(min(d/time.Second, 1<<32-1))
}

func mask(p netip.Prefix) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-p.Bits()))
	return netip.AddrFrom4(b)
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | ^uint32(0)>>p.Bits()
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
