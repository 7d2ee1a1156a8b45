package cli

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/handover"
)

func newPorts(g *globals) *cobra.Command {
	var w where
	var format, at string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ports [flags]",
		Short: "write down for others what must pass, what is served, and what DHCP servers must say",
		Long: `ports lists what has to pass between machines and this server, by its
configuration: ports and directions, both ways. It writes them for firewalls
too. Its commands list the files that are served, and the settings of routers
and DHCP servers.`,
		Example: `  hobnail ports
  hobnail ports --format nftables --at router
  hobnail ports dhcp --for kea`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				format = "json"
			}
			if err := checkFormat(cmd, format, handover.Place(at)); err != nil {
				return err
			}
			_, site, err := w.survey(cmd, g)
			if err != nil {
				return err
			}
			return writePorts(cmd, site, format, handover.Place(at))
		},
	}
	w.addFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: "+strings.Join(portFormats(), ", "))
	cmd.Flags().StringVar(&at, "at", "", "`PLACE` that sees it: host (the server's), router (between machines and server), relay (a router that is the IP helper)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(newPortsFiles(g), newPortsDHCP(g))
	return cmd
}

func portFormats() []string {
	return []string{"text", "nftables", "windows", "cisco", "juniper", "json", "csv"}
}

func checkFormat(cmd *cobra.Command, format string, at handover.Place) error {
	places := []handover.Place{"", handover.AtHost, handover.AtRouter, handover.AtRelay}
	switch {
	case !slices.Contains(portFormats(), format):
		return usagef(cmd, "--format %q: it is one of %s", format, strings.Join(portFormats(), ", "))
	case !slices.Contains(places, at):
		return usagef(cmd, "--at %q: it is host, router or relay", at)
	case format == "windows" && at != "" && at != handover.AtHost:
		return usagef(cmd, "--format windows is for the server's host; leave --at away")
	case (format == "cisco" || format == "juniper") && at == handover.AtHost:
		return usagef(cmd, "--format %s is for routers; leave --at away", format)
	}
	return nil
}

func writePorts(cmd *cobra.Command, site *handover.Site, format string, at handover.Place) error {
	list := site.Listing()
	if at != "" {
		list.Rules = slices.DeleteFunc(list.Rules, func(r handover.RuleInfo) bool { return !slices.Contains(r.At, string(at)) })
	}
	text := ""
	switch format {
	case "json":
		return printJSON(cmd.OutOrStdout(), list)
	case "csv":
		text = list.CSV()
	case "nftables":
		if at == "" {
			at = handover.AtHost
		}
		text = site.NFTables(at)
	case "windows":
		text = site.WindowsFirewall()
	case "cisco":
		text = site.CiscoACL()
	case "juniper":
		text = site.JuniperFilter()
	default:
		text = list.Text()
	}
	return writeText(cmd, text)
}

func writeText(cmd *cobra.Command, text string) error {
	if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
		return fmt.Errorf("writing the result: %v", err)
	}
	return nil
}

// where says what flags say of places.
type where struct {
	address  string
	networks []string
}

func (w *where) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.address, "address", "", "`ADDRESS` that machines reach this server at (default [server] address, or this host's where there is no doubt)")
	cmd.Flags().StringSliceVar(&w.networks, "network", nil, "`CIDR` of machines: these networks only (default every [[subnet]], or this host's networks); may be repeated")
}

// survey loads the configuration and finds out where everybody is.
func (w where) survey(cmd *cobra.Command, g *globals) (*app.Loaded, *handover.Site, error) {
	var address netip.Addr
	var err error
	if w.address != "" {
		if address, err = parseIPv4(w.address); err != nil {
			return nil, nil, usagef(cmd, "--address: %v", err)
		}
	}
	var networks []netip.Prefix
	for _, text := range w.networks {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is4() || p != p.Masked() {
			return nil, nil, usagef(cmd, "--network: %q is not an IPv4 network, as 10.77.2.0/24", text)
		}
		networks = append(networks, p)
	}
	loaded, err := app.Load(g.config)
	if err != nil {
		return nil, nil, err
	}
	facts, err := app.HandoverFacts(loaded)
	if err != nil {
		return nil, nil, err
	}
	facts.Address, facts.Networks = address, networks
	site, err := handover.Survey(loaded.Config, facts)
	return loaded, site, err
}

func newPortsFiles(g *globals) *cobra.Command {
	var w where
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "files",
		Short: "list the files that are served, with SHA-256 and signer, for allow-lists",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && asCSV {
				return usagef(cmd, "choose --json or --csv")
			}
			loaded, site, err := w.survey(cmd, g)
			if err != nil {
				return err
			}
			shown := newHashing(cmd.ErrOrStderr())
			all, err := app.ServedFiles(loaded, site.Addresses(), shown.file)
			shown.end()
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), append([]handover.File{}, all...))
			case asCSV:
				return writeText(cmd, handover.FilesCSV(all))
			}
			return writeText(cmd, handover.FilesText(all))
		},
	}
	w.addFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values, with a line of headings")
	return cmd
}

// hashing tells a person which file is being read, once that takes longer than
// a second.
type hashing struct {
	out   io.Writer // nil: nobody watches
	began time.Time
	told  bool
}

func newHashing(out io.Writer) *hashing {
	h := &hashing{began: time.Now()}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			h.out = out
		}
	}
	return h
}

func (h *hashing) file(name string) {
	if h.out != nil && time.Since(h.began) > time.Second {
		h.told = true
		fmt.Fprintf(h.out, "\r\033[Kreading %s", name)
	}
}

func (h *hashing) end() {
	if h.told {
		fmt.Fprint(h.out, "\r\033[K")
	}
}

// dhcpHandover is what DHCP servers and IP helpers are to be told, in the shape
// that programs read.
type dhcpHandover struct {
	Helpers  []handover.HelperInfo `json:"helpers"`
	Boot     []handover.BootInfo   `json:"boot"`
	Snippets []handover.Snippet    `json:"snippets"`
}

func newPortsDHCP(g *globals) *cobra.Command {
	var w where
	var system string
	var asJSON bool
	systems := append(handover.Systems(), "all")
	cmd := &cobra.Command{
		Use:   "dhcp",
		Short: "write settings for routers and DHCP servers of others",
		Long: `dhcp writes what others have to set: IP helpers for routers; and boot data by
architecture for a DHCP server of the site's that is to carry it itself. There
hobnail needs dhcp = "off", and serves files alone.`,
		Example: `  hobnail ports dhcp --for cisco
  hobnail ports dhcp --for isc >/etc/dhcp/hobnail.conf`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(systems, system) {
				return usagef(cmd, "--for %q: it is one of %s", system, strings.Join(systems, ", "))
			}
			_, site, err := w.survey(cmd, g)
			if err != nil {
				return err
			}
			snippets, err := site.Snippets(system)
			if err != nil {
				return err
			}
			if !asJSON {
				return writeSnippets(cmd, snippets)
			}
			boot, err := site.BootInfos()
			if err != nil {
				boot = []handover.BootInfo{} // nothing of it was asked for, or Snippets would have failed
			}
			return printJSON(cmd.OutOrStdout(), dhcpHandover{Helpers: site.HelperInfos(), Boot: boot, Snippets: snippets})
		},
	}
	w.addFlags(cmd)
	cmd.Flags().StringVar(&system, "for", "all", "`SYSTEM`: "+strings.Join(systems, ", "))
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeSnippets prints one as it stands, ready for a file, and several behind
// headings.
func writeSnippets(cmd *cobra.Command, all []handover.Snippet) error {
	var b strings.Builder
	for i, s := range all {
		if len(all) > 1 {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "==== %s, %s\n", s.For, s.Part)
		}
		b.WriteString(s.Text)
	}
	return writeText(cmd, b.String())
}
