// Package classify turns a packet and the place where it arrived into facts:
// which machine asks, what firmware and which stage of a boot it is in, and
// over which relay it came. It decides nothing and answers nobody.
package classify

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Ingress says where a packet arrived.
type Ingress struct {
	Interface string       // name, for people
	IfIndex   int          // as the kernel counts interfaces; 0 in simulations
	Local     netip.Addr   // our address on that interface: what replies come from
	Prefix    netip.Prefix // the link's network, of Local
	Dst       netip.Addr   // where the packet was sent: ours, or a broadcast address
	Src       netip.AddrPort
	Port      uint16 // our port: 67 or 4011
}

// Class is the boot protocol a client asked for in option 60.
type Class string

// Classes. A client without one wants an address and nothing else.
const (
	ClassNone Class = ""
	ClassPXE  Class = "PXEClient"
	ClassHTTP Class = "HTTPClient"
	// ClassUBoot is U-Boot's own DHCP client: no PXE class, but an
	// architecture in option 93, and it boots what `file` names.
	ClassUBoot Class = "U-Boot"
)

// Stage is how far a machine has come: which program is asking.
type Stage string

// Stages.
const (
	StageFirmware Stage = "firmware" // the PXE ROM, UEFI or U-Boot
	StageIPXE     Stage = "ipxe"     // iPXE, as a ROM or after it was served
	StageOS       Stage = "os"       // an operating system or an appliance: no boot data
)

// Facts is what one DHCP request says about a machine. Text that the client
// chose (VendorClass, UserClass, Hostname, CircuitID, RemoteID) is untrusted
// and may hold any octet.
type Facts struct {
	Ingress   Ingress
	Message   dhcp4.MessageType // 0: BOOTP without option 53
	Xid       uint32
	Secs      uint16
	Broadcast bool

	MAC      model.MAC  // empty when the hardware is not Ethernet with six octets
	HWType   uint8      // htype, 1 Ethernet
	ClientID string     // option 61 in hexadecimal digits; empty if not sent
	UUID     model.UUID // empty if absent or one that many boards share
	Hostname string

	CIAddr       netip.Addr // the address the client says it has; 0.0.0.0 if none
	Requested    netip.Addr // option 50; zero value if absent
	ServerID     netip.Addr // option 54; zero value if absent
	Relay        netip.Addr // giaddr; zero value if not relayed
	LinkSelect   netip.Addr // option 82.5 (RFC 3527) or 118 (RFC 3011); zero value if absent
	CircuitID    string     // option 82.1
	RemoteID     string     // option 82.2
	BadRelayInfo bool       // option 82 is malformed: echoed, not used
	Override     netip.Addr // option 82.11 (RFC 5107): what the relay wants as server id
	RelayPort    bool       // option 82.19 (RFC 8357): replies go to the request's source port
	DeclineText  string     // option 56 of a DECLINE

	Class       Class
	Stage       Stage
	VendorClass string
	UserClass   string
	Archs       []model.ArchCode // option 93 in the client's order; from option 60 if 93 is absent
	Arch        model.Arch       // the first of Archs that exists
	ArchName    string           // as the registry names it
	Firmware    model.Firmware
	IPXE        pxe.IPXE      // what option 175 says; zero value outside iPXE
	Item        *pxe.BootItem // 43.71, the chosen boot server type; nil if not sent
	Quirks      []Quirk       // what this client is known to do differently
}

// Quirk is a known peculiarity that changed how the request is understood.
type Quirk struct {
	Name string // stable, "raspberry-pi-rom"
	Text string // what it is and how we know
}

// Boots reports whether the request is a network boot client's.
func (f *Facts) Boots() bool { return f.Class != ClassNone }

// Relayed reports whether a relay agent sent the request on.
func (f *Facts) Relayed() bool { return f.Relay.IsValid() }

// Key is what a lease is kept under: one machine keeps one address although
// firmware, iPXE and the operating system send three different client ids, so
// the hardware address counts and option 61 only stands in where there is none
// (InfiniBand, RFC 4390).
func (f *Facts) Key() model.MAC {
	if f.MAC == "" && f.ClientID != "" {
		return model.MAC("id-" + f.ClientID)
	}
	return f.MAC
}

// DHCP reads the facts out of a client's packet.
func DHCP(p *dhcp4.Packet, in Ingress) Facts {
	f := Facts{
		Ingress:   in,
		Message:   p.Type(),
		Xid:       p.Xid,
		Secs:      p.Secs,
		Broadcast: p.Broadcast(),
		HWType:    p.HType,
		CIAddr:    p.CIAddr,
		Stage:     StageOS,
	}
	f.identity(p)
	f.place(p)
	f.Requested = addrOption(p, dhcp4.OptRequestedAddr)
	f.ServerID = addrOption(p, dhcp4.OptServerID)
	f.VendorClass = textOption(p, dhcp4.OptVendorClass)
	f.UserClass = textOption(p, dhcp4.OptUserClass)
	f.Hostname = textOption(p, dhcp4.OptHostName)
	f.DeclineText = textOption(p, dhcp4.OptMessage)
	f.architecture(p)
	f.program(p)
	f.quirks(p)
	return f
}

func (f *Facts) identity(p *dhcp4.Packet) {
	if p.HType == 1 && p.HLen == 6 {
		f.MAC = model.MACFromBytes(p.HardwareAddr())
	}
	if id, ok := p.Options.Get(dhcp4.OptClientID); ok && len(id) > 0 {
		f.ClientID = hex.EncodeToString(id)
	}
	if b, ok := p.Options.First(dhcp4.OptMachineID); ok && len(b) == 17 && b[0] == 0 {
		if u := model.UUIDFromWire([16]byte(b[1:])); !u.Junk() {
			f.UUID = u
		}
	}
}

// place reads the relay's marks. A switch that only snoops adds option 82
// without giaddr (RFC 6925): it still says which port, but does not make the
// packet a relayed one.
func (f *Facts) place(p *dhcp4.Packet) {
	if !p.GIAddr.IsUnspecified() {
		f.Relay = p.GIAddr
	}
	f.LinkSelect = addrOption(p, dhcp4.OptSubnetSelection)
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
	if info.LinkSelection.IsValid() {
		f.LinkSelect = info.LinkSelection
	}
	f.Override, f.RelayPort = info.ServerOverride, info.RelayPort
}

// architecture takes option 93 (RFC 4578 section 2.1) and, only where that is
// absent, the number in option 60: U-Boot's EFI method prints it there in
// hexadecimal, so the text is not to be trusted when there is anything else.
func (f *Facts) architecture(p *dhcp4.Packet) {
	if b, ok := p.Options.First(dhcp4.OptArch); ok && len(b) >= 2 && len(b)%2 == 0 {
		for i := 0; i+1 < len(b); i += 2 {
			row, _ := model.LookupArchCode(uint16(b[i])<<8 | uint16(b[i+1]))
			f.Archs = append(f.Archs, row)
		}
	} else if class, ok := pxe.ParseClass([]byte(f.VendorClass)); ok {
		for _, code := range class.Arch() {
			row, _ := model.LookupArchCode(code)
			f.Archs = append(f.Archs, row)
		}
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

// program says what is asking: option 60 gives the class, 77 or 175 iPXE.
func (f *Facts) program(p *dhcp4.Packet) {
	switch {
	case strings.HasPrefix(f.VendorClass, string(ClassPXE)):
		f.Class, f.Stage = ClassPXE, StageFirmware
		if len(f.Archs) == 0 {
			// PXE 2.1 clients older than RFC 4578, and POWER's SLOF, send
			// no architecture at all; the first kind is BIOS.
			row, _ := model.LookupArchCode(0)
			f.useArch(row)
		}
	case strings.HasPrefix(f.VendorClass, string(ClassHTTP)):
		f.Class, f.Stage, f.Firmware = ClassHTTP, StageFirmware, model.FirmwareHTTP
	case f.Firmware == model.FirmwareUBoot:
		f.Class, f.Stage = ClassUBoot, StageFirmware
	}
	if raw, ok := p.Options.Get(dhcp4.OptIPXE); ok {
		if opts, err := pxe.ParseIPXE(raw); err == nil {
			f.IPXE = opts
			f.stageIPXE()
		}
	}
	if pxe.IsIPXE([]byte(f.UserClass)) {
		f.stageIPXE()
	}
	if raw, ok := p.Options.Get(dhcp4.OptVendorSpecific); ok && f.Class == ClassPXE {
		if opts, err := pxe.ParseVendorOptions(raw); err == nil {
			f.Item = opts.Item
		}
	}
}

func (f *Facts) stageIPXE() {
	if f.Class == ClassPXE || f.Class == ClassHTTP {
		f.Stage = StageIPXE
	}
}

// quirks applies what is known of single kinds of client and cannot be told
// from the options by their own meaning.
func (f *Facts) quirks(p *dhcp4.Packet) {
	switch {
	case f.Class == ClassPXE && f.Arch == model.ArchBIOS && raspberryPi(f.MAC):
		// Every Raspberry Pi ROM and EEPROM says "x86 BIOS", the 64-bit ones
		// included, and would choke on a BIOS program.
		f.Arch, f.Firmware, f.ArchName = model.ArchRPi, model.FirmwareOther, "Raspberry Pi boot ROM"
		f.add("raspberry-pi-rom", "says architecture 0 (x86 BIOS) but its MAC is a Raspberry Pi's")
	case f.Class == ClassPXE && strings.Contains(f.VendorClass, ":PID:"):
		// Cisco's zero-touch provisioning: "PXEClient:Arch:00009:UNDI:003010:PID:NCS-5508".
		f.Class, f.Stage = ClassNone, StageOS
		f.add("cisco-ztp", "a network device's zero-touch provisioning, not a PXE client")
	case f.Class == ClassPXE && f.Ingress.Port == 4011 && p.Options.Has(dhcp4.OptWDS):
		f.add("wds-client", "a Windows Deployment Services boot program asks its own server")
	}
}

func (f *Facts) add(name, text string) { f.Quirks = append(f.Quirks, Quirk{name, text}) }

// HasQuirk reports whether a quirk of that name was seen.
func (f *Facts) HasQuirk(name string) bool {
	for _, q := range f.Quirks {
		if q.Name == name {
			return true
		}
	}
	return false
}

// raspberryPiOUIs are the blocks registered to the Raspberry Pi Foundation and
// Raspberry Pi (Trading) Ltd.
var raspberryPiOUIs = [...]string{"b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67"}

func raspberryPi(m model.MAC) bool {
	for _, oui := range raspberryPiOUIs {
		if strings.HasPrefix(string(m), oui) {
			return true
		}
	}
	return false
}

func addrOption(p *dhcp4.Packet, code dhcp4.OptionCode) netip.Addr {
	b, ok := p.Options.First(code)
	if !ok || len(b) != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

func textOption(p *dhcp4.Packet, code dhcp4.OptionCode) string {
	b, _ := p.Options.Get(code)
	return string(b)
}

// Who names the machine for people: its MAC, or what it has instead.
func (f *Facts) Who() string {
	switch {
	case f.MAC != "":
		return string(f.MAC)
	case f.ClientID != "":
		return "client id " + f.ClientID
	}
	return fmt.Sprintf("hardware type %d without an address", f.HWType)
}
