// Package classify turns a packet and the place where it arrived into facts:
// which machine asks, what firmware and which stage of a boot it is in, and
// over which relay it came. It decides nothing and answers nobody.
package classify

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// DHCP reads the facts out of a client's packet.
func DHCP(p *dhcp4.Packet, in Ingress) Facts {
	f := Facts{
		Ingress:   in,
		Message:   p.Type(),
		Xid:       p.Xid,
		Secs:      p.Secs,
		Broadcast: p.Broadcast(),
		HWType:    p.HType,
		CIAddr:    given(p.CIAddr),
		Stage:     StageOS,
	}
	f.identity(p)
	f.place(p)
	f.Requested = addrOption(p, dhcp4.OptRequestedAddr)
	wish, _ := p.Options.Uint32(dhcp4.OptLeaseTime)
	f.LeaseWish = time.Duration(wish) * time.Second
	f.ServerID = addrOption(p, dhcp4.OptServerID)
	f.VendorClass = textOption(p, dhcp4.OptVendorClass)
	f.UserClass = textOption(p, dhcp4.OptUserClass)
	f.Hostname = textOption(p, dhcp4.OptHostName)
	f.DeclineText = textOption(p, dhcp4.OptMessage)
	class, boots := pxe.ParseClass(f.VendorClass)
	f.architecture(p, class, boots)
	f.class(class, boots)
	f.loader(p)
	f.item(p)
	f.quirks(p)
	return f
}

func (f *Facts) identity(p *dhcp4.Packet) {
	hw := p.HardwareAddr()
	switch {
	case bytes.Count(hw, []byte{0}) == len(hw): // InfiniBand's is empty, and zeros name nobody
	case p.HType == dhcp4.HTypeEthernet && len(hw) == 6:
		f.MAC = model.MACFromBytes(hw)
	case p.HType == dhcp4.HTypeEthernet, p.HType == 0: // no such address, no such hardware
	default:
		f.HWAddr = hex.EncodeToString(hw)
	}
	if id, ok := p.Options.Get(dhcp4.OptClientID); ok && len(id) > 0 {
		f.ClientID = hex.EncodeToString(id)
	}
	raw, ok := p.Options.First(dhcp4.OptMachineID)
	if !ok {
		return
	}
	if id, err := dhcp4.ParseMachineID(raw); err == nil {
		if u := model.UUIDFromWire(id); !u.Junk() {
			f.UUID = u
		}
	}
}

// place reads the relay's marks. A switch that only snoops adds option 82
// without giaddr (RFC 6925): it still says which port, but does not make the
// packet a relayed one, and what only a relay may ask for is not taken from
// it: a client can send option 82 itself.
func (f *Facts) place(p *dhcp4.Packet) {
	f.Relay = given(p.GIAddr)
	if f.Relayed() {
		// RFC 3011 section 2 wants giaddr of who sends it: it is for gateways
		// that ask on behalf of others, and no client of our own link draws
		// from another's pool.
		f.SubnetSelect = given(addrOption(p, dhcp4.OptSubnetSelection))
	}
	raw, ok := p.Options.Get(dhcp4.OptRelayInfo)
	if !ok {
		return
	}
	info, err := dhcp4.ParseRelayInfo(raw)
	if err != nil {
		f.BadRelayInfo = true
		return
	}
	f.CircuitID, f.RemoteID = string(info.CircuitID), string(info.RemoteID)
	if f.Relayed() {
		f.LinkSelect, f.Override = given(info.LinkSelection), given(info.ServerOverride)
		f.RelayPort = info.RelayPort
	}
}

// given is an address, or the zero value where a field says 0.0.0.0.
func given(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// architecture takes option 93 (RFC 4578 section 2.1). Where that is absent or
// malformed the number in option 60 stands in, and only there: U-Boot's EFI
// method prints it in hexadecimal digits, which can be mistaken for decimal
// ones.
func (f *Facts) architecture(p *dhcp4.Packet, class pxe.Class, boots bool) {
	raw, sent := p.Options.Get(dhcp4.OptArch)
	if !sent && f.VendorClass == "" {
		return
	}
	codes, err := dhcp4.ParseArchs(raw)
	switch {
	case err == nil:
	case len(class.Arch()) > 0:
		codes = class.Arch()[:1] // decimal where it can be
	case boots && class.Name == pxe.PXEClient && !sent && class.ArchText == "":
		// PXE 2.1 clients older than RFC 4578, and POWER's SLOF, name no
		// architecture at all; the first kind is BIOS. One that names
		// something unreadable is not taken for BIOS.
		codes = []uint16{0}
	}
	for _, code := range codes {
		row, _ := model.LookupArchCode(code)
		f.Archs = append(f.Archs, row)
	}
	for _, row := range f.Archs {
		if row.Arch != "" {
			f.useArch(row)
			return
		}
	}
	if len(f.Archs) > 0 {
		f.ArchName = f.Archs[0].Name
	}
}

func (f *Facts) useArch(row model.ArchCode) {
	f.Arch, f.Firmware, f.ArchName = row.Arch, row.Firmware, row.Name
}

// class says in which form the client takes its answer. Option 60 decides, not
// the architecture code: one reply cannot be for PXE and for HTTP boot.
func (f *Facts) class(class pxe.Class, boots bool) {
	switch {
	case boots && class.Name == pxe.HTTPClient:
		f.Class, f.Firmware = ClassHTTP, model.FirmwareHTTP
	case boots:
		f.Class = ClassPXE
		if f.Firmware == model.FirmwareHTTP {
			f.Firmware = model.FirmwareUEFI
			if f.Arch == model.ArchBIOS {
				f.Firmware = model.FirmwareBIOS
			}
		}
	case f.Firmware == model.FirmwareUBoot:
		f.Class = ClassUBoot
	}
	if f.Boots() {
		f.Stage = StageFirmware
	}
}

// loader finds iPXE, by option 77 or by option 175 in whatever condition: an
// iPXE that is taken for firmware is handed itself, again and again.
func (f *Facts) loader(p *dhcp4.Packet) {
	raw, has175 := p.Options.Get(dhcp4.OptIPXE)
	switch {
	case f.Class != ClassPXE && f.Class != ClassHTTP:
	case pxe.IsGPXE([]byte(f.UserClass)):
		f.add("gpxe", "gPXE, iPXE's ancestor: it sends option 175 too, but cannot run iPXE's scripts")
	case has175 || pxe.IsIPXE([]byte(f.UserClass)):
		f.Stage = StageIPXE
		if opts, err := pxe.ParseIPXE(raw); err == nil {
			f.IPXE = opts
		}
	}
}

// item reads which boot server was chosen in the firmware's own menu.
func (f *Facts) item(p *dhcp4.Packet) {
	raw, ok := p.Options.Get(dhcp4.OptVendorSpecific)
	if !ok || f.Class != ClassPXE {
		return
	}
	if opts, err := pxe.ParseVendorOptions(raw); err == nil {
		f.Item = opts.Item
	}
}

// addrOption takes the first instance: firmware reads no other, and two are
// not one value.
func addrOption(p *dhcp4.Packet, code dhcp4.OptionCode) netip.Addr {
	b, ok := p.Options.First(code)
	if !ok || len(b) != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

// textOption is a text without the NULs that some clients end it with (RFC 2132
// section 2).
func textOption(p *dhcp4.Packet, code dhcp4.OptionCode) string {
	b, _ := p.Options.Get(code)
	return string(bytes.TrimRight(b, "\x00"))
}
