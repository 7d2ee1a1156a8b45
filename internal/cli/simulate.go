package cli

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
)

// described is a machine as flags describe it.
type described struct {
	arch, mac, uuid, relay, stage, server string
	circuitID, remoteID                   string
	vendorClass, userClass                string
	packet                                string
	port                                  uint16
	http, asJSON                          bool
}

func newSimulate(g *globals) *cobra.Command {
	var d described
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "say what a machine would get, and why, without a network",
		Long: `simulate describes a machine, or reads a packet that one sent, and takes the
decision that the server would take, by the same code. It needs no root, opens
no socket and changes nothing.`,
		Example: `  hobnail simulate --arch uefi-x64 --mac 52:54:00:12:34:56
  hobnail simulate -c hobnail.toml --arch uefi-arm64 --relay 10.77.2.1 --json
  hobnail simulate --packet discover.hex`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := d.request(cmd)
			if err != nil {
				return err
			}
			at := sim.Place{Port: d.port}
			if d.server != "" {
				if at.Server, err = parseIPv4(d.server); err != nil {
					return usagef(cmd, "--server: %v", err)
				}
			}
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			t, err := sim.Run(policy.View{Policy: loaded.Policy, Leases: sim.NoLeases{}}, req, at, time.Now())
			if err != nil {
				return err
			}
			if d.asJSON {
				return printJSON(cmd.OutOrStdout(), t)
			}
			printTrace(cmd, t)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.arch, "arch", "", "architecture: "+archList())
	f.BoolVar(&d.http, "http", false, "UEFI HTTP boot instead of PXE")
	f.StringVar(&d.stage, "stage", "firmware", "what asks: firmware, ipxe or os")
	f.StringVar(&d.mac, "mac", "", "MAC address (default "+string(sim.AnyMAC)+")")
	f.StringVar(&d.uuid, "uuid", "", "SMBIOS UUID, as dmidecode prints it")
	f.StringVar(&d.relay, "relay", "", "address of the relay (IP helper) that sends the request on")
	f.StringVar(&d.circuitID, "circuit-id", "", "option 82 circuit id that the relay adds")
	f.StringVar(&d.remoteID, "remote-id", "", "option 82 remote id that the relay adds")
	f.StringVar(&d.vendorClass, "vendor-class", "", "option 60 instead of the firmware's own")
	f.StringVar(&d.userClass, "user-class", "", "option 77")
	f.StringVar(&d.packet, "packet", "", "take the request from a file: the UDP payload, raw or in hexadecimal digits")
	f.StringVar(&d.server, "server", "", "our address as the machine reaches it (default [server] address)")
	f.Uint16Var(&d.port, "port", 67, "port that the request comes to: 67, or 4011 for the boot service")
	f.BoolVar(&d.asJSON, "json", false, "print JSON")
	return cmd
}

func archList() string {
	var names []string
	for _, a := range model.Archs() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// request makes the packet that the flags describe.
func (d described) request(cmd *cobra.Command) (*dhcp4.Packet, error) {
	if d.port != 67 && d.port != 4011 {
		return nil, usagef(cmd, "--port %d: DHCP is on port 67 and the boot service on 4011", d.port)
	}
	if d.packet != "" {
		for _, flag := range []string{"arch", "mac", "uuid", "relay", "stage", "http", "circuit-id", "remote-id", "vendor-class", "user-class"} {
			if cmd.Flags().Changed(flag) {
				return nil, usagef(cmd, "--packet says all about the machine; leave --%s away", flag)
			}
		}
		return sim.ReadPacket(d.packet)
	}
	m := sim.Machine{
		HTTP: d.http, CircuitID: d.circuitID, RemoteID: d.remoteID,
		VendorClass: d.vendorClass, UserClass: d.userClass,
	}
	var err error
	if m.Stage = classify.Stage(d.stage); !slices.Contains([]classify.Stage{classify.StageFirmware, classify.StageIPXE, classify.StageOS}, m.Stage) {
		return nil, usagef(cmd, "--stage %q: it is firmware, ipxe or os", d.stage)
	}
	if m.Arch = model.Arch(d.arch); m.Stage != classify.StageOS && !slices.Contains(model.Archs(), m.Arch) {
		return nil, usagef(cmd, "--arch %q: name one of %s", d.arch, archList())
	}
	if d.mac != "" {
		if m.MAC, err = model.ParseMAC(d.mac); err != nil {
			return nil, usagef(cmd, "--mac: %v", err)
		}
	}
	if d.uuid != "" {
		if m.UUID, err = model.ParseUUID(d.uuid); err != nil {
			return nil, usagef(cmd, "--uuid: %v", err)
		}
	}
	if d.relay != "" {
		if m.Relay, err = parseIPv4(d.relay); err != nil {
			return nil, usagef(cmd, "--relay: %v", err)
		}
	}
	return m.Discover()
}

func parseIPv4(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 address", s)
	}
	return a, nil
}

func printTrace(cmd *cobra.Command, t sim.Trace) {
	out := cmd.OutOrStdout()
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-12s %s\n", name, value)
		}
	}
	row("answer", t.Answer)
	row("target", t.Target)
	row("boot file", t.BootFile)
	row("next server", t.NextServer)
	row("address", t.Address)
	row("sent to", t.SendTo)
	row("machine", strings.TrimSpace(t.Machine+" "+t.MAC+" "+t.Arch))
	row("mode", t.Mode)
	fmt.Fprintln(out, "why")
	for _, r := range t.Reasons {
		fmt.Fprintf(out, "  %s (%s)\n", r.Text, r.At)
	}
}
