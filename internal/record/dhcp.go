package record

import (
	"fmt"
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
	if !ok || f.MAC == "" {
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
	if !ok || mac == "" {
		return Who{}, model.Step{}, false
	}
	given := func(a netip.Addr) netip.Addr {
		if !a.IsValid() || a.IsUnspecified() {
			return netip.Addr{}
		}
		return a
	}
	d := &model.DHCPStep{Xid: p.Xid, Relay: given(p.GIAddr), Address: given(p.YIAddr), NextServer: given(p.SIAddr), File: bootFile(p)}
	d.Vendor = text(p, dhcp4.OptVendorClass)
	d.Message = text(p, dhcp4.OptMessage)
	if raw, ok := p.Options.Get(dhcp4.OptVendorSpecific); ok {
		if v, err := pxe.ParseVendorOptions(raw); err == nil {
			d.Vendor43 = v.Control != nil || v.Multicast.IsValid() || len(v.Servers)+len(v.Menu) > 0 || v.Prompt != nil
			d.Bypass = v.Control != nil && *v.Control&pxe.Bypass != 0
		}
	}
	d.NoMask = d.Address.IsValid() && kind != model.StepNak && !p.Options.Has(dhcp4.OptSubnetMask)
	d.NoEnd = p.MissingEnd
	for _, o := range p.Options {
		if err := dhcp4.ValidateOption(o.Code, o.Data); err != nil {
			d.BadOption = fmt.Sprintf("option %d: %v", o.Code, err)
			break
		}
	}
	server := from.Addr()
	if id, ok := p.Options.Addr(dhcp4.OptServerID); ok && given(id).IsValid() {
		server = id
	}
	if from.Port() == dhcp4.BootPort && kind == model.StepAck {
		kind = model.StepTold
	}
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
