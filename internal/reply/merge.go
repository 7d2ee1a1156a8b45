package reply

import (
	"fmt"
	"net/netip"

	"hobnail/internal/classify"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// Forward makes the request that goes on to the site's DHCP servers, one copy
// for each: as a relay agent would (RFC 1542 section 4.1.1), but for option 54,
// in which the machine has named us.
func Forward(req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) ([]Reply, error) {
	way := d.Passing
	p := *req
	p.Hops++
	p.GIAddr = way.Relay
	p.Options = nil
	for _, o := range req.Options {
		switch o.Code {
		case dhcp4.OptRelayInfo:
		case dhcp4.OptServerID:
			p.Options.AddAddr(o.Code, way.ServerID)
		default:
			p.Options = append(p.Options, o)
		}
	}
	if info := relayInfo(req, f, way.Link); len(info) > 0 {
		p.Options.Add(dhcp4.OptRelayInfo, info)
	}
	b, err := p.Append(nil)
	if err != nil {
		return nil, fmt.Errorf("passing on the %s of %s: %v", f.Message, f.Who(), err)
	}
	if len(b) > maxPayload {
		return nil, fmt.Errorf("passing on the %s of %s: %d octets, %d fit into a frame", f.Message, f.Who(), len(b), maxPayload)
	}
	from := netip.AddrPortFrom(way.Relay, relayPort)
	var all []Reply
	for _, a := range way.To {
		to := Destination{Addr: netip.AddrPortFrom(a, relayPort), From: from}
		if a == broadcast {
			to.IfIndex = f.Ingress.IfIndex
		}
		all = append(all, Reply{Packet: p, Bytes: b, To: to})
	}
	return all, nil
}

// relayInfo is option 82 on the way to the site's server: what the machine's
// own relay said, as servers sort machines by it, with our link selection (RFC
// 3527) in place of the relay's. What says how to answer that relay (RFC 5107,
// RFC 8357) would be taken as ours and is left out.
func relayInfo(req *dhcp4.Packet, f *classify.Facts, link netip.Addr) []byte {
	raw, _ := req.Options.Get(dhcp4.OptRelayInfo)
	var info []byte
	if !f.BadRelayInfo {
		info = dhcp4.RelayInfoWithout(raw, dhcp4.RelayLinkSelection, dhcp4.RelayServerOverride, dhcp4.RelaySourcePort)
	}
	if link.IsValid() && len(info)+6 <= 255 {
		a := link.As4()
		info = append(append(info, dhcp4.RelayLinkSelection, 4), a[:]...)
	}
	return info
}

// Merge makes the answer to a machine out of what the site's DHCP server
// answered and the boot data of the decision.
func (r *Reply) Merge(site, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) error {
	if d.Boot != nil && len(d.Boot.File) > maxName {
		return fmt.Errorf("completing the %s to %s: the boot file's name has %d octets, %d fit: %q",
			d.Answer, f.Who(), len(d.Boot.File), maxName, d.Boot.File)
	}
	r.header(req, f, d)
	r.Packet.Options = mergedOptions(site, req, f, d)
	return r.encode("completing", req, f, d)
}

// mergedOptions keeps what the site's server says of the address and the
// network, and puts our boot data in the place of its own. What firmware
// cannot do without comes first, the rest as far as there is room.
func mergedOptions(site, req *dhcp4.Packet, f *classify.Facts, d *policy.Decision) dhcp4.Options {
	var o, rest, last dhcp4.Options
	o.AddUint8(dhcp4.OptMessageType, uint8(messageType(d.Answer)))
	o.AddAddr(dhcp4.OptServerID, d.ServerID)
	for i, opt := range site.Options {
		if ofBoot(opt.Code) || site.Options[:i].Has(opt.Code) || d.Answer == policy.Nak && !ofNak(opt.Code) {
			continue
		}
		value, _ := site.Options.Get(opt.Code)
		switch {
		case dhcp4.ValidateOption(opt.Code, value) != nil: // EDK2 would drop the whole packet for it
		case ofAddress(opt.Code) && len(value) <= maxEssential:
			o.Add(opt.Code, value)
		default:
			rest.Add(opt.Code, value)
		}
	}
	var own dhcp4.Options
	if d.Answer != policy.Nak {
		boot(&o, &own, req, f, d)
	}
	echo(&own, req, dhcp4.OptSubnetSelection)
	echo(&last, req, dhcp4.OptRelayInfo) // the machine's relay's, octet for octet
	return fit(o, append(own, rest...), last, sizeLimit(req))
}

// maxEssential bounds what is put into a reply without regard to its size: four
// routers.
const maxEssential = 16

// ofAddress lists what EDK2 needs in an OFFER to use the address.
func ofAddress(code dhcp4.OptionCode) bool {
	return code == dhcp4.OptSubnetMask || code == dhcp4.OptRouter || code == dhcp4.OptLeaseTime
}

// ofNak lists what a NAK may say beside who sent it (RFC 2131 table 3, RFC
// 6842).
func ofNak(code dhcp4.OptionCode) bool {
	return code == dhcp4.OptMessage || code == dhcp4.OptClientID
}

// ofBoot lists the options of the site's server that end with us: its part of
// the exchange with us, and whatever would lead the machine, or the loader that
// we give it, to boot from somewhere else.
func ofBoot(code dhcp4.OptionCode) bool {
	switch code {
	case dhcp4.OptMessageType, dhcp4.OptServerID, dhcp4.OptRelayInfo, dhcp4.OptOverload,
		dhcp4.OptVendorClass, dhcp4.OptVendorSpecific, dhcp4.OptTFTPServerName, dhcp4.OptBootFileName,
		dhcp4.OptSubnetSelection,    // dnsmasq answers our link selection with it
		dhcp4.OptMachineID,          // echoed from the request
		dhcp4.OptBootFileSize,       // EDK2 sizes its buffer by it
		dhcp4.OptRootPath,           // iPXE looks for a disk there first
		dhcp4.OptTFTPServerAddr,     // GRUB and others prefer it to siaddr
		dhcp4.OptIPXE,               // iPXE's settings, the priority of the offer among them
		dhcp4.OptPXELINUXMagic,      // these four tell pxelinux
		dhcp4.OptPXELINUXConfigFile, // where its menu is
		dhcp4.OptPXELINUXPathPrefix,
		dhcp4.OptPXELINUXRebootTime,
		dhcp4.OptWDS, dhcp4.OptBCDPath:
		return true
	}
	return false
}
