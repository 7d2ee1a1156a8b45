package record

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Who is what a step says of the machine that it is about. Empty fields are
// not known.
type Who struct {
	MAC      model.MAC
	UUID     model.UUID
	Addr     netip.Addr // that the machine has, or is given for sure
	Place    string     // the relay's address, or the interface
	Arch     model.Arch
	Firmware model.Firmware
	Name     string // a name that a person gave it, or else its host name
	Vendor   string // option 60
}

// requestKinds maps a client's messages to steps.
var requestKinds = map[dhcp4.MessageType]model.StepKind{
	dhcp4.Discover: model.StepDiscover, dhcp4.Request: model.StepRequest, dhcp4.Decline: model.StepDecline,
	dhcp4.Release: model.StepRelease, dhcp4.Inform: model.StepInform, dhcp4.BOOTP: model.StepDiscover,
}

// Request is the step of a client's DHCP message; ok is false for one that is
// none of a machine with a MAC address.
func Request(t time.Time, f *classify.Facts) (Who, model.Step, bool) {
	kind, ok := requestKinds[f.Message]
	if !ok || f.MAC == "" || f.Relayed() && f.MAC == model.ProbeMAC(f.Relay) { // a hobnail asks: no machine
		return Who{}, model.Step{}, false
	}
	if f.Ingress.Port == dhcp4.BootPort || f.Message == dhcp4.Request && f.Item != nil {
		kind = model.StepAsk
	}
	who := Who{MAC: f.MAC, UUID: f.UUID, Addr: f.CIAddr, Place: Place(f.Relay, f.Ingress.Interface), Name: Printable(f.Hostname)}
	d := &model.DHCPStep{
		Xid: f.Xid, Secs: f.Secs, Relay: f.Relay, Stage: string(f.Stage), Class: string(f.Class),
		Vendor: Printable(f.VendorClass), Hostname: Printable(f.Hostname), Chosen: f.ServerID, Address: f.Requested, Message: Printable(f.DeclineText),
	}
	if f.Boots() {
		who.Arch, who.Firmware, who.Vendor = f.Arch, f.Firmware, d.Vendor
		d.Arch, d.Firmware = f.Arch, f.Firmware
	}
	if !d.Address.IsValid() {
		d.Address = f.CIAddr
	}
	if kind == model.StepDecline || kind == model.StepRelease {
		who.Addr = netip.Addr{} // it gives the address back
	}
	s := model.Step{Time: t, Kind: kind, Client: f.CIAddr, DHCP: d}
	if kind == model.StepAsk && f.Ingress.Dst.IsValid() && f.Ingress.Port == dhcp4.BootPort {
		s.Server = f.Ingress.Dst
	}
	return who, s, true
}

// Place names where a machine is: behind a relay, or on the link of an
// interface.
func Place(relay netip.Addr, iface string) string {
	if relay.IsValid() && !relay.IsUnspecified() {
		return relay.String()
	}
	return iface
}

// replyKinds maps a server's messages to steps.
var replyKinds = map[dhcp4.MessageType]model.StepKind{
	dhcp4.Offer: model.StepOffer, dhcp4.Ack: model.StepAck, dhcp4.Nak: model.StepNak, dhcp4.BOOTP: model.StepOffer,
}

// Reply is the step of a server's DHCP message from an address; port is the
// one it was sent from, 67 or 4011.
func Reply(t time.Time, p *dhcp4.Packet, from netip.AddrPort) (Who, model.Step, bool) {
	kind, ok := replyKinds[p.Type()]
	mac := macOf(p)
	if !ok || mac == "" || p.Op != dhcp4.OpReply {
		return Who{}, model.Step{}, false
	}
	d := &model.DHCPStep{
		Xid: p.Xid, Relay: given(p.GIAddr), Address: given(p.YIAddr), NextServer: given(p.SIAddr),
		File: bootFile(p), Vendor: text(p, dhcp4.OptVendorClass), Message: text(p, dhcp4.OptMessage),
	}
	item := vendorOptions(d, p)
	server := from.Addr()
	if id, ok := p.Options.Addr(dhcp4.OptServerID); ok && given(id).IsValid() {
		server = id
	}
	// The boot service answers from its own port, but a search by broadcast
	// from 67 (PXE 2.1): such an answer repeats the type that was asked for.
	if kind == model.StepAck && (from.Port() == dhcp4.BootPort || item) {
		kind = model.StepTold
	}
	faults(d, p, kind)
	who := Who{MAC: mac}
	if kind == model.StepAck {
		who.Addr = d.Address
	}
	s := model.Step{Time: t, Kind: kind, Server: server, Ours: OwnName(d.File), DHCP: d}
	if kind == model.StepAck || kind == model.StepTold {
		s.Client = d.Address
	}
	return who, s, true
}

// given is an address of a header's field, which has zeros for none.
func given(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// vendorOptions takes what option 43 says of PXE; item is true for an answer of
// the boot service.
func vendorOptions(d *model.DHCPStep, p *dhcp4.Packet) (item bool) {
	raw, ok := p.Options.Get(dhcp4.OptVendorSpecific)
	if !ok {
		return false
	}
	v, err := pxe.ParseVendorOptions(raw)
	if err != nil {
		return false
	}
	d.Vendor43 = v.Control != nil || v.Multicast.IsValid() || len(v.Servers)+len(v.Menu) > 0 || v.Prompt != nil
	d.Bypass = v.Control != nil && *v.Control&pxe.Bypass != 0
	if d.Vendor43 && !d.Bypass && strings.HasPrefix(d.Vendor, pxeClass) {
		d.MenuFault = menuFault(&v)
	}
	return v.Item != nil
}

const pxeClass = "PXEClient"

// menuFault says why firmware comes to nothing by the menu and the discovery of
// option 43, "" where it may: PXE-E74, E76 and E77 of BIOS, PXE-E21 of UEFI
// (EDK2 PxeBcBoot.c PxeBcDiscoverBootFile, PxeBcSelectBootMenu).
func menuFault(v *pxe.VendorOptions) string {
	var c pxe.Control
	if v.Control != nil {
		c = *v.Control
	}
	listed := false
	for _, s := range v.Servers {
		listed = listed || len(s.Addrs) > 0
	}
	switch {
	case v.Prompt != nil && len(v.Menu) == 0:
		return "there is a prompt (43.10) and no menu (43.9)"
	case c&pxe.OnlyListed != 0 && !listed:
		return "only listed boot servers may be asked (43.6), and the list (43.8) is empty"
	case c&pxe.NoMulticast == 0 && !v.Multicast.IsValid() && v.Control != nil:
		return "boot servers are to be looked for by multicast (43.6), and there is no group for it (43.7)"
	case c&pxe.NoMulticast != 0 && c&pxe.NoBroadcast != 0 && !listed:
		return "boot servers may be looked for neither by broadcast nor by multicast (43.6), and the list (43.8) is empty"
	case len(v.Menu) > 0 && v.Menu[0].Type == 0 && v.Prompt != nil && v.Prompt.Timeout == 0:
		return "the first line of the menu (43.9) is the local disk, and it is taken at once"
	}
	return ""
}

// faults takes what firmware stumbles over in an answer.
func faults(d *model.DHCPStep, p *dhcp4.Packet, kind model.StepKind) {
	gives := d.Address.IsValid() && (kind == model.StepOffer || kind == model.StepAck)
	mask, hasMask := p.Options.Addr(dhcp4.OptSubnetMask)
	d.NoMask = gives && !p.Options.Has(dhcp4.OptSubnetMask)
	d.NoEnd = p.MissingEnd
	d.NoServerID = p.Type() != dhcp4.BOOTP && !p.Options.Has(dhcp4.OptServerID)
	if size, ok := p.Options.Get(dhcp4.OptBootFileSize); ok && len(size) == 2 {
		d.FileSize = int(binary.BigEndian.Uint16(size))
	}
	if next := nextOf(d); gives && hasMask && next.Is4() && !p.Options.Has(dhcp4.OptRouter) && !p.Options.Has(dhcp4.OptClasslessRoutes) {
		d.NoRoute = !sameNet(d.Address, next, mask)
	}
	for _, o := range p.Options {
		if err := dhcp4.ValidateOption(o.Code, o.Data); err != nil {
			d.BadOption = Printable(err.Error())
			break
		}
	}
}

// nextOf is where an answer sends the machine for its boot file; not valid
// where it says none.
func nextOf(d *model.DHCPStep) netip.Addr {
	if d.File == "" {
		return netip.Addr{}
	}
	if _, rest, ok := strings.Cut(d.File, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if at, err := netip.ParseAddrPort(host); err == nil {
			return at.Addr()
		}
		a, _ := netip.ParseAddr(host)
		return a
	}
	return d.NextServer
}

// sameNet reports whether two addresses are on one network of a mask.
func sameNet(a, b, mask netip.Addr) bool {
	if !a.Is4() || !b.Is4() || !mask.Is4() {
		return true
	}
	x, y, m := a.As4(), b.As4(), mask.As4()
	for i := range m {
		if (x[i]^y[i])&m[i] != 0 {
			return false
		}
	}
	return true
}

// OwnName reports whether a boot file has the form that hobnail hands out, so
// that a capture shows which server is one.
func OwnName(file string) bool {
	if _, rest, ok := strings.Cut(file, "://"); ok {
		_, file, _ = strings.Cut(rest, "/")
	}
	_, ok := model.ParseBootPath(strings.TrimLeft(file, "/"))
	return ok
}

func macOf(p *dhcp4.Packet) model.MAC {
	hw := p.HardwareAddr()
	if p.HType != dhcp4.HTypeEthernet || len(hw) != 6 {
		return ""
	}
	return model.MACFromBytes(hw)
}

func text(p *dhcp4.Packet, code dhcp4.OptionCode) string {
	b, _ := p.Options.Get(code)
	return Printable(strings.TrimRight(string(b), "\x00"))
}

// bootFile is option 67, or the header's field, as EDK2 reads it
// (PxeBcParseDhcp4Packet).
func bootFile(p *dhcp4.Packet) string {
	if f := text(p, dhcp4.OptBootFileName); f != "" {
		return f
	}
	return Printable(p.File)
}
