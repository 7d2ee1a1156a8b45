package cli

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
)

// maxOption is how many octets a DHCP option or sub-option holds.
const maxOption = 255

// described is a machine as flags describe it.
type described struct {
	arch, mac, uuid, relay, stage, server string
	circuitID, remoteID                   string
	vendorClass, userClass                string
	packet, offer                         string
	port                                  uint16
	http, merge, asJSON                   bool
}

func (d *described) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.arch, "arch", "", "`ARCH`, the machine's architecture: "+archList())
	f.BoolVar(&d.http, "http", false, "UEFI HTTP boot instead of PXE")
	f.StringVar(&d.stage, "stage", "firmware", "`STAGE`, which program asks: firmware, ipxe or os")
	f.StringVar(&d.mac, "mac", "", "`MAC` address (default "+string(sim.AnyMAC)+")")
	f.StringVar(&d.uuid, "uuid", "", "SMBIOS `UUID`, as dmidecode prints it")
	f.StringVar(&d.relay, "relay", "", "`ADDRESS` of the relay (IP helper) that sends the request on")
	f.StringVar(&d.circuitID, "circuit-id", "", "`TEXT` of the circuit id that the relay adds (option 82.1)")
	f.StringVar(&d.remoteID, "remote-id", "", "`TEXT` of the remote id that the relay adds (option 82.2)")
	f.StringVar(&d.vendorClass, "vendor-class", "", "`TEXT` of option 60, instead of the firmware's own")
	f.StringVar(&d.userClass, "user-class", "", "`TEXT` of option 77")
	f.StringVar(&d.packet, "packet", "", "take the request from a `FILE`: the UDP payload, raw or in hexadecimal digits")
	f.StringVar(&d.server, "server", "", "our `ADDRESS` as the machine reaches it (default [server] address)")
	f.Uint16Var(&d.port, "port", 67, "`PORT` that the request comes to: 67, or 4011 for the boot service")
	f.StringVar(&d.offer, "offer", "", "`FORM` of a proxy's offer that earlier boots have taught: "+styleList())
	f.BoolVar(&d.merge, "merge", false, "in mode auto, the site's DHCP server answers hobnail")
	f.BoolVar(&d.asJSON, "json", false, "print JSON")
}

func archList() string {
	var names []string
	for _, a := range model.Archs() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func styleList() string {
	var names []string
	for _, s := range model.Styles() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// taught is what earlier boots are taken to have taught; nil for nothing.
func (d described) taught(cmd *cobra.Command) (policy.Learned, error) {
	switch {
	case d.offer == "":
		return nil, nil
	case !model.Style(d.offer).Known():
		return nil, usagef(cmd, "--offer %q: it is one of %s", d.offer, styleList())
	}
	return sim.Taught{Style: model.Style(d.offer)}, nil
}

// place says where the request arrives.
func (d described) place(cmd *cobra.Command) (at sim.Place, err error) {
	if d.port != 67 && d.port != 4011 {
		return at, usagef(cmd, "--port %d: DHCP is on port 67 and the boot service on 4011", d.port)
	}
	at.Port = d.port
	if d.server != "" {
		if at.Server, err = parseIPv4(d.server); err != nil {
			return at, usagef(cmd, "--server: %v", err)
		}
	}
	return at, nil
}

// request makes the packet that the flags describe, or reads it.
func (d described) request(cmd *cobra.Command) (*dhcp4.Packet, error) {
	if d.packet != "" {
		for _, flag := range []string{"arch", "mac", "uuid", "relay", "stage", "http", "circuit-id", "remote-id", "vendor-class", "user-class"} {
			if cmd.Flags().Changed(flag) {
				return nil, usagef(cmd, "--packet says all about the machine; leave --%s away", flag)
			}
		}
		b, err := os.ReadFile(d.packet)
		if err != nil {
			return nil, fmt.Errorf("reading a packet: %v", err)
		}
		return sim.ParsePacket(d.packet, b)
	}
	m := sim.Machine{
		Arch: model.Arch(d.arch), HTTP: d.http, Stage: classify.Stage(d.stage),
		CircuitID: d.circuitID, RemoteID: d.remoteID, VendorClass: d.vendorClass, UserClass: d.userClass,
	}
	if err := d.checkWords(cmd); err != nil {
		return nil, err
	}
	if err := d.identify(cmd, &m); err != nil {
		return nil, err
	}
	return m.Discover()
}

// checkWords refuses words that are not among those allowed, and texts that
// no packet holds.
func (d described) checkWords(cmd *cobra.Command) error {
	switch stage := classify.Stage(d.stage); {
	case !slices.Contains([]classify.Stage{classify.StageFirmware, classify.StageIPXE, classify.StageOS}, stage):
		return usagef(cmd, "--stage %q: it is firmware, ipxe or os", d.stage)
	case d.arch == "" && stage != classify.StageOS:
		return usagef(cmd, "describe a machine by --arch, or name a --packet; --arch is one of %s", archList())
	case d.arch != "" && !slices.Contains(model.Archs(), model.Arch(d.arch)):
		return usagef(cmd, "--arch %q: it is one of %s", d.arch, archList())
	}
	for _, option := range []struct{ flag, text string }{
		{"circuit-id", d.circuitID}, {"remote-id", d.remoteID}, {"vendor-class", d.vendorClass}, {"user-class", d.userClass},
	} {
		if n := len(option.text); n > maxOption {
			return usagef(cmd, "--%s has %d octets; an option holds %d", option.flag, n, maxOption)
		}
	}
	return nil
}

// identify reads the flags that say which machine it is and where.
func (d described) identify(cmd *cobra.Command, m *sim.Machine) (err error) {
	if d.mac != "" {
		if m.MAC, err = model.ParseMAC(d.mac); err != nil {
			return usagef(cmd, "--mac: %v", err)
		}
	}
	if d.uuid != "" {
		if m.UUID, err = model.ParseUUID(d.uuid); err != nil {
			return usagef(cmd, "--uuid: %v", err)
		}
	}
	if d.relay != "" {
		if m.Relay, err = parseIPv4(d.relay); err != nil {
			return usagef(cmd, "--relay: %v", err)
		}
	}
	return nil
}

func parseIPv4(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 address", s)
	}
	return a, nil
}
