package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// EDK2Class is what EDK2's PXE driver takes a reply for (PxeBcDhcp4.h, "DHCP
// offer types"). The two of WfM 1.1a are left out: they are dropped.
type EDK2Class string

// Classes of offers. The proxy's carry no address.
const (
	DhcpOnly   EDK2Class = "DhcpOnly"   // an address, perhaps a file name, no PXE
	DhcpPxe10  EDK2Class = "DhcpPxe10"  // an address and what to do with PXE
	DhcpBinl   EDK2Class = "DhcpBinl"   // an address, and port 4011 has to be asked
	ProxyPxe10 EDK2Class = "ProxyPxe10" // what to do with PXE
	ProxyBinl  EDK2Class = "ProxyBinl"  // port 4011 has to be asked
	Bootp      EDK2Class = "Bootp"      // no message type
)

// EDK2Offer is a reply as EDK2's PXE driver keeps it.
type EDK2Offer struct {
	Class  EDK2Class
	Packet *dhcp4.Packet
	File   string     // option 67, else `file`; empty: no boot file
	Server netip.Addr // where File is
}

// edk2Largest is the most octets that the PXE driver keeps
// (PXEBC_DHCP4_PACKET_MAX_SIZE).
const edk2Largest = 1472

// ReadEDK2Offer reads the answer to a DISCOVER as EDK2 does, or says why EDK2
// drops it (Dhcp4Io.c DhcpInput and DhcpHandleSelect, Dhcp4Option.c
// DhcpValidateOptions, PxeBcDhcp4.c PxeBcParseDhcp4Packet).
func ReadEDK2Offer(sent *dhcp4.Packet, reply []byte) (EDK2Offer, error) {
	p, err := edk2Parse(sent, reply)
	if err != nil {
		return EDK2Offer{}, err
	}
	o := EDK2Offer{Packet: p, File: edk2File(p), Server: edk2Server(p)}
	class, _ := p.Options.First(dhcp4.OptVendorClass)
	isPXE := strings.HasPrefix(string(class), pxe.PXEClient)
	isProxy := p.YIAddr.As4()[0] == 0
	switch {
	case p.Type() == dhcp4.BOOTP && o.File == "":
		return o, errors.New("a BOOTP reply without a boot file")
	case p.Type() == dhcp4.BOOTP:
		o.Class = Bootp
	case isPXE && steersPXE(p) && isProxy:
		o.Class = ProxyPxe10
	case isPXE && steersPXE(p):
		o.Class = DhcpPxe10
	case isPXE && isProxy:
		o.Class = ProxyBinl
	case isPXE:
		o.Class = DhcpBinl
	case isProxy:
		return o, errors.New("neither an address nor PXE data")
	default:
		o.Class = DhcpOnly
	}
	return o, nil
}

// edk2Parse applies what all of EDK2's DHCP clients demand.
func edk2Parse(sent *dhcp4.Packet, reply []byte) (*dhcp4.Packet, error) {
	if len(reply) > edk2Largest {
		return nil, fmt.Errorf("%d octets, %d at most are taken", len(reply), edk2Largest)
	}
	p, err := dhcp4.Parse(reply)
	switch {
	case err != nil:
		return nil, err
	case p.Op != dhcp4.OpReply:
		return nil, errors.New("not a reply")
	case p.Xid != sent.Xid || string(p.HardwareAddr()) != string(sent.HardwareAddr()):
		return nil, errors.New("not the answer to this request")
	case p.MissingEnd:
		return nil, errors.New("the options do not end with 255")
	}
	for _, o := range p.Options {
		if err := dhcp4.ValidateOption(o.Code, o.Data); err != nil {
			return nil, err
		}
	}
	id, _ := p.Options.Addr(dhcp4.OptServerID)
	if t := p.Type(); t != dhcp4.BOOTP && (t != dhcp4.Offer && t != dhcp4.Ack || !id.IsValid() || id.IsUnspecified()) {
		return nil, fmt.Errorf("%s from server %v is not an offer", t, id)
	}
	return p, nil
}

// steersPXE reports whether option 43 has any of the sub-options 6 to 10, which
// say how to go on.
func steersPXE(p *dhcp4.Packet) bool {
	v, err := edk2Vendor(p)
	return err == nil && (v.Control != nil || v.Multicast.IsValid() || v.Servers != nil || v.Menu != nil || v.Prompt != nil)
}

// edk2Vendor reads option 43, only the first of several.
func edk2Vendor(p *dhcp4.Packet) (pxe.VendorOptions, error) {
	raw, _ := p.Options.First(dhcp4.OptVendorSpecific)
	return pxe.ParseVendorOptions(raw)
}

// bypasses reports whether option 43 says to take the file of this packet.
func bypasses(p *dhcp4.Packet) bool {
	v, err := edk2Vendor(p)
	return err == nil && v.Control != nil && *v.Control&pxe.Bypass != 0
}

// edk2File is the boot file's name: option 67 up to a NUL, else `file`.
func edk2File(p *dhcp4.Packet) string {
	if raw, ok := p.Options.First(dhcp4.OptBootFileName); ok {
		name, _, _ := strings.Cut(string(raw), "\x00")
		return name
	}
	return p.File
}

// edk2Server is where the boot file is: the first server of option 43 where
// that says to take the file of this packet, else siaddr, else option 54.
// Options 66 and 150 are never looked at.
func edk2Server(p *dhcp4.Packet) netip.Addr {
	if v, err := edk2Vendor(p); err == nil && bypasses(p) && len(v.Servers) > 0 && len(v.Servers[0].Addrs) > 0 {
		return v.Servers[0].Addrs[0]
	}
	if !p.SIAddr.IsUnspecified() {
		return p.SIAddr
	}
	id, _ := p.Options.Addr(dhcp4.OptServerID)
	return id
}

// EDK2Choice is what EDK2 does after the offers have come in.
type EDK2Choice struct {
	By       EDK2Class  // of the offer that decided
	DHCP     EDK2Offer  // whose address is requested
	Boot     *EDK2Offer // whose boot file is loaded; nil when port 4011 decides, or would and there is nobody to ask
	AskFirst netip.Addr // asked at port 4011 before anything is loaded; zero value: nobody
}

// ChooseEDK2 picks among the offers of one round in the driver's order
// (PxeBcDhcp4.c PxeBcSelectDhcp4Offer). ok is false if none will do: then no
// REQUEST is sent, and after four rounds the screen shows PXE-E16.
func ChooseEDK2(offers []EDK2Offer) (c EDK2Choice, ok bool) {
	first := func(class EDK2Class, with func(EDK2Offer) bool) *EDK2Offer {
		for i, o := range offers {
			if o.Class == class && with(o) {
				return &offers[i]
			}
		}
		return nil
	}
	anyOf := func(EDK2Offer) bool { return true }
	hasFile := func(o EDK2Offer) bool { return o.File != "" }
	plain := first(DhcpOnly, anyOf)
	if o := first(DhcpPxe10, anyOf); o != nil {
		return follow(*o, o), true
	}
	if o := first(ProxyPxe10, anyOf); o != nil && plain != nil {
		return follow(*plain, o), true
	}
	if o := first(DhcpBinl, anyOf); o != nil {
		return EDK2Choice{By: o.Class, DHCP: *o, AskFirst: o.Server}, true
	}
	if o := first(ProxyBinl, anyOf); o != nil && plain != nil {
		return EDK2Choice{By: o.Class, DHCP: *plain, AskFirst: o.Server}, true
	}
	for _, class := range []EDK2Class{DhcpOnly, Bootp} {
		if o := first(class, hasFile); o != nil {
			return EDK2Choice{By: class, DHCP: *o, Boot: o}, true
		}
	}
	return EDK2Choice{}, false
}

// follow does what an offer with PXE data says: load its file at once, or look
// for a boot server first (PxeBcBoot.c PxeBcDiscoverBootFile).
func follow(dhcp EDK2Offer, steering *EDK2Offer) EDK2Choice {
	if bypasses(steering.Packet) {
		return EDK2Choice{By: steering.Class, DHCP: dhcp, Boot: steering}
	}
	return EDK2Choice{By: steering.Class, DHCP: dhcp, AskFirst: edk2BootServer(steering)}
}

// edk2BootServer is who is asked for the first item of a menu: where only
// listed servers are to be asked, the first that is listed for it; a list
// without one is nobody (PxeBcBoot.c PxeBcDiscoverBootFile).
func edk2BootServer(o *EDK2Offer) netip.Addr {
	v, err := edk2Vendor(o.Packet)
	if err != nil || v.Control == nil || *v.Control&pxe.OnlyListed == 0 || len(v.Menu) == 0 {
		return o.Server
	}
	for _, s := range v.Servers {
		if s.Type == v.Menu[0].Type && len(s.Addrs) > 0 {
			return s.Addrs[0]
		}
	}
	return netip.Addr{}
}
