package classify

import (
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
)

// Quirk is a known peculiarity that changed how the request is understood.
type Quirk struct {
	Name string // stable, one of the names below
	Text string // what it is and how we know
}

// Names of the quirks that decisions ask for. Others are for people only.
const (
	QuirkWDS  = "wds-client" // a Windows Deployment Services boot program
	QuirkBSDP = "apple-bsdp" // Apple's NetBoot, a protocol of its own inside DHCP
)

// quirks applies what is known of single kinds of client and cannot be told
// from the options by their own meaning.
func (f *Facts) quirks(p *dhcp4.Packet) {
	switch {
	case f.Class == ClassPXE && f.Arch == model.ArchBIOS && raspberryPi(f):
		// Every Raspberry Pi ROM and EEPROM says "x86 BIOS", the 64-bit ones
		// included, and would choke on a BIOS program.
		row, _ := model.LookupArchCode(41)
		f.Archs = []model.ArchCode{row}
		f.useArch(row)
		f.add("raspberry-pi-rom", "says architecture 0 (x86 BIOS) but its MAC or UUID is a Raspberry Pi's")
	case f.Class == ClassPXE && strings.Contains(f.VendorClass, ":PID:"):
		// Cisco's zero-touch provisioning: "PXEClient:Arch:00009:UNDI:003010:PID:NCS-5508".
		f.Class, f.Stage, f.Item = ClassNone, StageOS, nil
		f.add("cisco-ztp", "a network device's zero-touch provisioning, not a PXE client")
	case f.Class == ClassPXE && f.Ingress.Port == dhcp4.BootPort && p.Options.Has(dhcp4.OptWDS):
		f.add(QuirkWDS, "a Windows Deployment Services boot program asks its own server")
	case strings.HasPrefix(f.VendorClass, "AAPLBSDPC"):
		f.add(QuirkBSDP, "Apple's boot service discovery, which is not PXE")
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

// raspberryPi knows them by their MAC, or by the UUID of the Pi 4's and 5's
// EEPROM, which begins with the board's name: those can be given another MAC.
func raspberryPi(f *Facts) bool {
	for _, oui := range raspberryPiOUIs {
		if strings.HasPrefix(string(f.MAC), oui) {
			return true
		}
	}
	uuid := f.UUID.Wire()
	return string(uuid[:3]) == "RPi"
}
