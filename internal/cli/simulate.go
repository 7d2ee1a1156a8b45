package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/policy"
	"hobnail/internal/sim"
)

func newSimulate(g *globals) *cobra.Command {
	var d described
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "say what a machine would get, and why, without a network",
		Long: `simulate describes a machine, or reads a packet that one sent, and takes the
decision that the server would take, by the same code, with the machines and
orders that are in its store. It needs no root where that may be read, opens no
socket and changes nothing.`,
		Example: `  hobnail simulate --arch uefi-x64 --mac 52:54:00:12:34:56
  hobnail simulate -c hobnail.toml --arch uefi-arm64 --relay 10.77.2.1 --json
  hobnail simulate --packet discover.hex`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := d.request(cmd)
			if err != nil {
				return err
			}
			at, err := d.place(cmd)
			if err != nil {
				return err
			}
			taught, err := d.taught(cmd)
			if err != nil {
				return err
			}
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			now := time.Now()
			registry, unknown := app.ReadRegistry(cmd.Context(), loaded, now)
			view := policy.View{Policy: loaded.Policy, Leases: sim.NoLeases{}, Learned: taught, Registry: registry}
			if d.merge {
				view.Upstream = sim.Answering{}
			}
			t, err := sim.Run(view, req, at, now)
			if err != nil {
				return err
			}
			t.Reasons = append(unknown, t.Reasons...)
			if d.asJSON {
				return printJSON(cmd.OutOrStdout(), listed(t))
			}
			printTrace(cmd.OutOrStdout(), t)
			return nil
		},
	}
	d.addFlags(cmd)
	return cmd
}

// listed makes every list of a trace one that programs can count on: empty,
// never null.
func listed(t sim.Trace) sim.Trace {
	if t.Missing != nil && t.Missing.Files == nil {
		t.Missing.Files = []string{}
	}
	return t
}

func printTrace(out io.Writer, t sim.Trace) {
	for _, row := range []struct{ name, value string }{
		{"answer", t.Answer},
		{"target", t.Target},
		{"boot file", t.BootFile},
		{"loader", t.Loader},
		{"offer", t.Offer},
		{"next server", t.NextServer},
		{"address", t.Address},
		{"sent to", t.SendTo},
		{"machine", strings.Join(strings.Fields(t.Machine+" "+t.MAC+" "+t.Arch), " ")},
		{"stage", t.Stage},
		{"mode", t.Mode},
		{"subnet", t.Subnet},
	} {
		printRow(out, row.name, row.value)
	}
	fmt.Fprintln(out, "why")
	for _, r := range t.Reasons {
		fmt.Fprintf(out, "  %s (%s)\n", r.Text, r.At)
	}
}
