// Package sim answers "what would this machine get, and why" without a
// network: it describes a machine as the packet it would send, and takes that
// packet through the very decision and reply that the server uses. It opens
// no socket and knows no store.
package sim

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Machine describes a machine that asks. Zero fields are not sent, but for
// Arch, which must be given.
type Machine struct {
	Arch        model.Arch
	HTTP        bool           // UEFI HTTP boot instead of PXE
	Stage       classify.Stage // firmware (also when empty), ipxe, or os
	MAC         model.MAC
	UUID        model.UUID
	Relay       netip.Addr
	CircuitID   string
	RemoteID    string
	VendorClass string // instead of the firmware's own
	UserClass   string
}

// AnyMAC is the MAC of a machine that is described without one: from the range
// for documentation, RFC 7042 section 2.1.1.
const AnyMAC = model.MAC("00:00:5e:00:53:01")

// Discover makes the DISCOVER that the machine would broadcast. Options and
// their order are those of EDK2 and iPXE as captured.
func (m Machine) Discover() (*dhcp4.Packet, error) {
	mac := m.MAC
	if mac == "" {
		mac = AnyMAC
	}
	hw, err := hex.DecodeString(mac.Hex())
	if err != nil || len(hw) != 6 {
		return nil, fmt.Errorf("describing a machine: %q is not a MAC address", m.MAC)
	}
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, Xid: 0x686f626e, Flags: dhcp4.FlagBroadcast}
	copy(p.CHAddr[:], hw)
	o := &p.Options
	o.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	o.AddUint16(dhcp4.OptMaxMessageSize, 1472)
	o.Add(dhcp4.OptParameterList, []byte{1, 3, 6, 12, 15, 28, 43, 54, 60, 66, 67, 97, 175})
	if m.Stage != classify.StageOS {
		if err := m.bootOptions(o); err != nil {
			return nil, err
		}
	}
	if m.UserClass != "" {
		o.AddString(dhcp4.OptUserClass, m.UserClass)
	}
	m.relayMarks(p)
	return p, nil
}

func (m Machine) bootOptions(o *dhcp4.Options) error {
	firmware := firmwareOf(m.Arch, m.HTTP)
	code, ok := model.CodeFor(m.Arch, firmware)
	if !ok {
		return fmt.Errorf("describing a machine: no firmware is known that boots %s by %s", m.Arch, firmware)
	}
	class := pxe.PXEClient
	if firmware == model.FirmwareHTTP {
		class = pxe.HTTPClient
	}
	undi := uint32(3000)
	if m.Stage == classify.StageIPXE {
		undi = 3010
		o.Add(dhcp4.OptIPXE, []byte{byte(pxe.FeatureHTTP), 1, 1, byte(pxe.FeatureTFTP), 1, 1})
		if m.UserClass == "" {
			o.AddString(dhcp4.OptUserClass, "iPXE")
		}
	}
	vendor := m.VendorClass
	if vendor == "" {
		vendor = pxe.FormatClass(class, code, undi)
	}
	o.AddString(dhcp4.OptVendorClass, vendor)
	o.AddUint16(dhcp4.OptArch, code)
	if m.UUID != "" {
		wire := m.UUID.Wire()
		o.Add(dhcp4.OptMachineID, append([]byte{0}, wire[:]...))
	}
	return nil
}

func firmwareOf(a model.Arch, http bool) model.Firmware {
	switch {
	case http:
		return model.FirmwareHTTP
	case a == model.ArchBIOS:
		return model.FirmwareBIOS
	case a.UEFI():
		return model.FirmwareUEFI
	}
	return model.FirmwareOther
}

// relayMarks does what a relay agent does: giaddr, a hop, and option 82 last.
func (m Machine) relayMarks(p *dhcp4.Packet) {
	if m.Relay.IsValid() {
		p.GIAddr, p.Hops = m.Relay, 1
	}
	var info []byte
	for code, text := range []string{1: m.CircuitID, 2: m.RemoteID} {
		if text != "" && len(text) < 256 {
			info = append(append(info, byte(code), byte(len(text))), text...)
		}
	}
	if len(info) > 0 {
		p.Options.Add(dhcp4.OptRelayInfo, info)
	}
}

// ParsePacket takes a machine's DHCP request out of what a file holds: raw
// octets of the UDP payload, or hexadecimal text in which lines that begin
// with "#" are remarks. name is for the error.
func ParsePacket(name string, b []byte) (*dhcp4.Packet, error) {
	if raw, ok := unhex(string(b)); ok {
		b = raw
	}
	p, err := dhcp4.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading a packet from %s: not a DHCPv4 message: %v", name, err)
	}
	if p.Op != dhcp4.OpRequest {
		return nil, fmt.Errorf("reading a packet from %s: it is a server's reply; a machine's request is wanted", name)
	}
	return p, nil
}

func unhex(text string) ([]byte, bool) {
	var digits strings.Builder
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.Join(strings.Fields(line), ""))
		}
	}
	raw, err := hex.DecodeString(digits.String())
	return raw, err == nil
}
