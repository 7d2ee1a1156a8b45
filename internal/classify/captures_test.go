package classify_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/classify"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
	"hobnail/internal/wire/wiretest"
)

// TestCaptures: what real clients' packets say. A capture of a DHCPv4 request
// without a row here fails.
func TestCaptures(t *testing.T) {
	const qemu, asrock, laptop, uboot = "52:54:00:12:34:56", "d0:50:99:4e:05:57", "5a:4f:34:b1:af:66", "52:52:52:52:52:52"
	want := map[string]summary{
		"01-intel-bios-discover":      {Message: "DISCOVER", MAC: asrock, Class: "PXEClient", Stage: "firmware", Arch: "bios", Firmware: "bios", Broadcast: true},
		"04-intel-bios-request":       {Message: "REQUEST", MAC: asrock, Class: "PXEClient", Stage: "firmware", Arch: "bios", Firmware: "bios", Broadcast: true, Requested: "192.168.16.12", ServerID: "192.168.16.1"},
		"06-intel-bios-4011-request":  {Message: "REQUEST", MAC: asrock, Class: "PXEClient", Stage: "firmware", Arch: "bios", Firmware: "bios", CIAddr: "192.168.16.12", Item: "type 32768 layer 0"},
		"10-relayed-type1":            {Message: "DISCOVER", MAC: laptop, Stage: "os", Relay: "10.30.1.1"},
		"12-relayed-type3":            {Message: "REQUEST", MAC: laptop, Stage: "os", Relay: "10.30.1.1", Requested: "10.30.4.4", ServerID: "10.40.2.3"},
		"30-ovmf-x64-pxe-discover":    {Message: "DISCOVER", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "uefi", Broadcast: true},
		"31-ovmf-x64-pxe-request":     {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "uefi", Broadcast: true, Requested: "10.99.0.50", ServerID: "10.99.0.1"},
		"35-ovmf-4011-request":        {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "uefi", CIAddr: "10.99.0.50"},
		"36-ovmf-4011-request-retry":  {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "uefi", CIAddr: "10.99.0.50"},
		"37-ovmf-4011-menu-request":   {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "uefi", CIAddr: "10.99.0.50", Item: "type 32768 layer 0"},
		"38-ipxe-uefi-discover":       {Message: "DISCOVER", MAC: qemu, Class: "PXEClient", Stage: "ipxe", Arch: "uefi-x64", Firmware: "uefi", ClientID: "01525400123456", SpeaksHTTP: true},
		"39-ipxe-uefi-request":        {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "ipxe", Arch: "uefi-x64", Firmware: "uefi", ClientID: "01525400123456", SpeaksHTTP: true, Requested: "10.99.0.50", ServerID: "10.99.0.1"},
		"40-ipxe-bios-discover":       {Message: "DISCOVER", MAC: qemu, Class: "PXEClient", Stage: "ipxe", Arch: "bios", Firmware: "bios", ClientID: "01525400123456", SpeaksHTTP: true},
		"41-ipxe-bios-4011-request":   {Message: "REQUEST", MAC: qemu, Class: "PXEClient", Stage: "ipxe", Arch: "bios", Firmware: "bios", ClientID: "01525400123456", SpeaksHTTP: true, Broadcast: true, CIAddr: "10.99.0.50", ServerID: "10.99.0.2"},
		"43-ovmf-http-discover":       {Message: "DISCOVER", MAC: qemu, Class: "HTTPClient", Stage: "firmware", Arch: "uefi-x64", Firmware: "http", Broadcast: true},
		"44-aavmf-arm64-pxe-discover": {Message: "DISCOVER", MAC: qemu, Class: "PXEClient", Stage: "firmware", Arch: "uefi-arm64", Firmware: "uefi", Broadcast: true},
		"45-uboot-arm64-discover":     {Message: "DISCOVER", MAC: uboot, Class: "U-Boot", Stage: "firmware", Arch: "uefi-arm64", Firmware: "uboot"},
		"55-ovmf-dhcp-decline":        {Message: "DECLINE", MAC: qemu, Stage: "os", Broadcast: true, CIAddr: "10.99.0.50", Requested: "10.99.0.50", ServerID: "10.99.0.1"},
	}
	for _, c := range wiretest.CapturesTo(t, dhcp4.ServerPort, dhcp4.BootPort) {
		p, err := dhcp4.Parse(c.Payload)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if p.Op != dhcp4.OpRequest {
			continue // what servers say is not classified
		}
		w, listed := want[c.Name]
		if !listed {
			t.Errorf("%s has no row", c.Name)
			continue
		}
		delete(want, c.Name)
		f := classify.DHCP(p, classify.Ingress{Src: c.Src, Dst: c.Dst.Addr(), Port: c.Dst.Port()})
		if diff := cmp.Diff(w, summarise(f)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.Name, c.What, diff)
		}
		if f.UUID != "" {
			t.Errorf("%s: UUID %s is zeros or the board maker's placeholder, and is taken for the machine's own", c.Name, f.UUID)
		}
	}
	for name := range want {
		t.Errorf("%s has a row and is not there", name)
	}
}

// summary is the part of the facts that packets differ in; fields are empty
// where the facts have their zero values.
type summary struct {
	Message, MAC, ClientID, UUID               string
	Class, Stage, Arch, Firmware, Item, Quirks string
	Relay, CIAddr, Requested, ServerID         string
	Broadcast, SpeaksHTTP                      bool
}

func summarise(f classify.Facts) summary {
	s := summary{
		Message: f.Message.String(), MAC: string(f.MAC), ClientID: f.ClientID, UUID: string(f.UUID),
		Class: string(f.Class), Stage: string(f.Stage), Arch: string(f.Arch), Firmware: string(f.Firmware),
		Relay: addr(f.Relay), CIAddr: addr(f.CIAddr), Requested: addr(f.Requested), ServerID: addr(f.ServerID),
		Broadcast: f.Broadcast, SpeaksHTTP: f.IPXE.Has(pxe.FeatureHTTP),
	}
	if f.Item != nil {
		s.Item = itemText(f)
	}
	var names []string
	for _, q := range f.Quirks {
		names = append(names, q.Name)
	}
	s.Quirks = strings.Join(names, " ")
	return s
}
