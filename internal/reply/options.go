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
	maxName     = 254 // option 67 with its NUL: firmware reads no second part of a split option
	defaultSize = 548 // RFC 2131 section 2: 576 less IP and UDP headers
	maxPayload  = 1472
	maxSize     = maxPayload - 28
	fixedSize   = 240 + 1 // header, cookie, and the closing 255
)

// mergePriority is above the 0 of offers that say none (iPXE's
// dhcp_discovery_rx), with room for a site that ranks its own.
const mergePriority = 100

// options lists the options in an order that every ROM takes: 53 and 54
// first, 82 last (RFC 3046 section 2.2). What the client cannot do without
// comes first, and the rest as far as there is room.
func (r *Reply) options(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) {
	o, rest, last := r.Packet.Options[:0], r.rest[:0], r.last[:0]
	r.data = r.data[:0]
	o.Add(dhcp4.OptMessageType, r.octets(byte(messageType(d.Answer))))
	r.addAddr(&o, dhcp4.OptServerID, d.ServerID)
	givesAddress := d.Mode == model.ModeServer && d.Subnet != nil && f.Ingress.Port == dhcp4.ServerPort
	if givesAddress {
		if d.Answer != policy.Nak {
			r.network(&o, d)
		}
		echo(&rest, req, dhcp4.OptClientID) // RFC 6842: a MUST, so it comes before what would be good to have
	}
	if d.Answer != policy.Nak {
		boot(&o, &rest, req, f, d)
	}
	if givesAddress && f.SubnetSelect.IsValid() && !f.LinkSelect.IsValid() {
		echo(&rest, req, dhcp4.OptSubnetSelection) // RFC 3011: where it was heeded
	}
	if givesAddress && d.Answer != policy.Nak {
		wished(&rest, req, d)
	}
	echo(&last, req, dhcp4.OptRelayInfo)
	r.Packet.Options, r.rest, r.last = fit(o, rest, last, sizeLimit(req)), rest, last
}

// fit puts options together: all of first and last, and of the rest in its
// order what there is room for.
//
// A relay's option that leaves no room in a frame for what the client needs is
// left out (RFC 3046 section 2.2).
func fit(first, rest, last dhcp4.Options, limit int) dhcp4.Options {
	if size(first)+size(last) > maxPayload-fixedSize {
		last = nil
	}
	room := limit - fixedSize - size(first) - size(last)
	for _, opt := range rest {
		if n := size(dhcp4.Options{opt}); n <= room {
			first = append(first, opt)
			room -= n
		}
	}
	return append(first, last...)
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
func (r *Reply) network(o *dhcp4.Options, d *policy.Decision) {
	if d.Lease > 0 {
		o.Add(dhcp4.OptLeaseTime, r.seconds(d.Lease))
		o.Add(dhcp4.OptRenewalTime, r.seconds(d.Lease/2))
		o.Add(dhcp4.OptRebindingTime, r.seconds(d.Lease*7/8))
	}
	r.addAddr(o, dhcp4.OptSubnetMask, model.Netmask(d.Subnet.CIDR)) // before the router (RFC 2132 section 3.3)
	for _, code := range [...]dhcp4.OptionCode{dhcp4.OptRouter, dhcp4.OptDNS} {
		if data := configured(d, code); data != nil {
			o.Add(code, data)
		}
	}
}

func configured(d *policy.Decision, code dhcp4.OptionCode) []byte {
	for _, opt := range d.Options {
		if opt.Code == code {
			return opt.Data
		}
	}
	return nil
}

// boot adds what a network boot client needs beside siaddr and `file`.
func boot(o, rest *dhcp4.Options, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) {
	b := d.Boot
	if b == nil {
		return
	}
	switch b.Class {
	case classify.ClassPXE:
		// With the class alone EDK2 and PXE ROMs ask port 4011 first.
		o.AddString(dhcp4.OptVendorClass, pxe.PXEClient)
		if v := vendorOptions(f, d); v != nil {
			o.Add(dhcp4.OptVendorSpecific, v)
		}
	case classify.ClassHTTP:
		o.AddString(dhcp4.OptVendorClass, pxe.HTTPClient)
	}
	if f.Stage == classify.StageIPXE && d.Mode == model.ModeServer {
		o.Add(dhcp4.OptIPXE, pxe.NoPXEDHCP()) // saves iPXE's two seconds of waiting for a proxy
	}
	if f.Stage == classify.StageIPXE && d.Mode == model.ModeMerge {
		// The site's server makes an offer too, without boot data; iPXE
		// takes the last of equals, which may be that one.
		o.Add(dhcp4.OptIPXE, append(pxe.Priority(mergePriority), pxe.NoPXEDHCP()...))
	}
	// The NUL is counted: some firmware reads an unterminated name on into
	// the next option.
	name := dhcp4.Option{Code: dhcp4.OptBootFileName, Data: append([]byte(b.File), 0)}
	switch {
	case !d.NamesFile():
	case b.Class == classify.ClassHTTP, len(b.File) > maxFile:
		*o = append(*o, name) // HTTP boot reads nothing else, and a long name fits nowhere else
	case b.Class != classify.ClassUBoot && requested(req, dhcp4.OptBootFileName):
		*rest = append(*rest, name)
	}
	echo(rest, req, dhcp4.OptMachineID) // PXE 2.1 section 2.4.2
}

// vendorOptions is option 43: take the file in this packet; at port 4011 with
// the item that the client chose, repeated, without the credential bit. An
// offer has what its form wants; nil for none.
func vendorOptions(f *classify.Facts, d *policy.Decision) []byte {
	if d.Answer == policy.Offer {
		switch d.Style {
		case model.StyleMenu:
			return menuOptions(d.Boot.NextServer)
		case model.StyleNo43, model.StyleBINL:
			return nil
		}
	}
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

// The two items of the menu. Types from 0x8000 on are free for vendors (PXE 2.1
// section 2.2.3); EDK2 starts no item of type 0.
const (
	firstItem  = 0x8000
	secondItem = 0x8001
)

// menuOptions is option 43 of an offer that is a menu: only the servers that
// are listed are asked, by unicast, and the first item is taken at once. There
// are two, and both lead here: a machine with a Celeron N4000 starts from menus
// of two items alone (WillChamness/Dnsmasq-PXE#3).
func menuOptions(server netip.Addr) []byte {
	control := pxe.NoBroadcast | pxe.NoMulticast | pxe.OnlyListed
	b, err := pxe.VendorOptions{
		Control: &control,
		Servers: []pxe.BootServer{{Type: firstItem, Addrs: []netip.Addr{server}}, {Type: secondItem, Addrs: []netip.Addr{server}}},
		Menu:    []pxe.MenuItem{{Type: firstItem, Text: "Network boot"}, {Type: secondItem, Text: "Network boot, once more"}},
		Prompt:  &pxe.Prompt{Text: "Network boot"},
	}.Encode()
	if err != nil {
		return nil
	}
	return b
}

// wished adds configured options: those that were given to this machine or its
// kind, then what it asks for (option 55) in its order, or all where it does
// not say what it wants.
func wished(rest *dhcp4.Options, req *dhcp4.Packet, d *policy.Decision) {
	done := [256]bool{dhcp4.OptRouter: true, dhcp4.OptDNS: true} // which network added
	add := func(code dhcp4.OptionCode, data []byte) {
		if !done[code] && len(data) > 0 {
			done[code] = true
			rest.Add(code, data)
		}
	}
	for _, opt := range d.Options {
		if opt.Always {
			add(opt.Code, opt.Data)
		}
	}
	list, _ := req.Options.Get(dhcp4.OptParameterList)
	for _, c := range list {
		code := dhcp4.OptionCode(c)
		add(code, configured(d, code))
		if code == dhcp4.OptHostName && d.Machine != nil {
			add(code, []byte(d.Machine.Name))
		}
	}
	if !req.Options.Has(dhcp4.OptParameterList) {
		for _, opt := range d.Options {
			add(opt.Code, opt.Data)
		}
	}
}

func requested(req *dhcp4.Packet, code dhcp4.OptionCode) bool {
	list, _ := req.Options.Get(dhcp4.OptParameterList)
	return slices.Contains(list, byte(code))
}

// echo repeats what the client sent, unless firmware would drop the whole
// reply for its length.
func echo(o *dhcp4.Options, req *dhcp4.Packet, code dhcp4.OptionCode) {
	if raw, ok := req.Options.Get(code); ok && len(raw) > 0 && dhcp4.ValidateOption(code, raw) == nil {
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

// octets keeps the data of an option in the reply's memory.
func (r *Reply) octets(data ...byte) []byte {
	n := len(r.data)
	r.data = append(r.data, data...)
	return r.data[n:len(r.data):len(r.data)]
}

// addAddr is Options.AddAddr in the reply's memory.
func (r *Reply) addAddr(o *dhcp4.Options, code dhcp4.OptionCode, a netip.Addr) {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		o.Add(code, r.octets(b[:]...))
	}
}

// seconds is the data of an option that is a time.
func (r *Reply) seconds(d time.Duration) []byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(min(d/time.Second, 1<<32-1)))
	return r.octets(b[:]...)
}
