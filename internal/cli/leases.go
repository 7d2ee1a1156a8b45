package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/model"
)

func newLeases(g *globals) *cobra.Command {
	return newGroup("leases", "show who has which address, and set addresses free", newLeasesList(g), newLeasesRelease(g))
}

// leaseInfo is a lease in the shape that programs read.
type leaseInfo struct {
	Address  string `json:"address"`
	MAC      string `json:"mac"`
	Machine  string `json:"machine"`
	Hostname string `json:"hostname"`
	ClientID string `json:"client_id"`
	Circuit  string `json:"circuit"`
	State    string `json:"state"`
	Start    string `json:"start"`   // RFC 3339, UTC
	Expires  string `json:"expires"` // likewise
}

// describeLeases names the machines and tells leases that run from those that
// have ended.
func describeLeases(l *app.Loaded, all []model.Lease, now time.Time) []leaseInfo {
	names := map[model.MAC]string{}
	for _, m := range l.Config.Machines {
		for _, mac := range m.MACs {
			names[mac] = m.Name
		}
	}
	list := []leaseInfo{}
	for _, lease := range all {
		info := leaseInfo{
			Address: lease.Address.String(), MAC: string(lease.MAC), Machine: names[lease.MAC], Hostname: lease.Hostname,
			ClientID: lease.ClientID, Circuit: lease.Circuit, State: lease.State,
			Start: lease.Start.UTC().Format(time.RFC3339), Expires: lease.Expires.UTC().Format(time.RFC3339),
		}
		if !lease.Expires.After(now) {
			info.State = "ended"
		}
		list = append(list, info)
	}
	return list
}

// is reports whether a lease is one that a person looks for.
func (i leaseInfo) is(word string) bool {
	if word == "" || i.Address == word {
		return true
	}
	mac, err := model.ParseMAC(word)
	return err == nil && i.MAC == string(mac) || strings.EqualFold(i.Hostname, word) || strings.EqualFold(i.Machine, word)
}

func newLeasesList(g *globals) *cobra.Command {
	var asJSON, asCSV, ended bool
	cmd := &cobra.Command{
		Use:   "list [ADDRESS|MAC|NAME]",
		Short: "list the leases, or those of one machine",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || asJSON && asCSV {
				return usagef(cmd, "name one address, MAC address, host or machine at most, and one form")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			all, err := app.ReadLeases(loaded)
			if err != nil {
				return err
			}
			word := strings.Join(args, "")
			list := slices.DeleteFunc(describeLeases(loaded, all, time.Now()), func(i leaseInfo) bool {
				return !i.is(word) || i.State == "ended" && !ended
			})
			switch {
			case asJSON:
				return printJSON(cmd.OutOrStdout(), list)
			case asCSV:
				return writeCSV(cmd.OutOrStdout(), list)
			}
			return printLeases(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values, with a line of headings")
	cmd.Flags().BoolVar(&ended, "ended", false, "list leases that have ended as well, as long as they are remembered")
	return cmd
}

// row is a lease as text. What machines call themselves may hold anything, and
// is shown as quoted text where it holds more than printable characters.
func (i leaseInfo) row() []string {
	return []string{i.Address, i.MAC, i.State, i.Expires, plain(i.Machine), plain(i.Hostname)}
}

func plain(text string) string {
	if quoted := strconv.QuoteToGraphic(text); quoted != `"`+text+`"` || strings.HasPrefix(text, `"`) {
		return quoted
	}
	return text
}

func printLeases(out io.Writer, list []leaseInfo) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tMAC\tSTATE\tUNTIL\tMACHINE\tHOST NAME")
	for _, i := range list {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(i.row(), "\t"), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	return nil
}

// writeCSV writes what a spreadsheet reads. It takes a cell that begins with
// one of =+-@ for a formula, which nobody who names his host may write.
func writeCSV(out io.Writer, list []leaseInfo) error {
	w := csv.NewWriter(out)
	w.Write([]string{"address", "mac", "state", "until", "machine", "hostname"})
	for _, i := range list {
		row := i.row()
		if name := row[5]; name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
			row[5] = "'" + name
		}
		w.Write(row)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	return nil
}

func newLeasesRelease(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "release ADDRESS|MAC",
		Short: "end the lease of an address, or all leases of a machine",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one address or MAC address; hobnail leases list shows them all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			released, err := app.ReleaseLeases(loaded, args[0])
			if err != nil {
				return err
			}
			if len(released) == 0 {
				return fmt.Errorf("nothing is leased to %s or put aside; hobnail leases list shows what is", args[0])
			}
			for _, l := range released {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is free, it was %s's\n", l.Address, l.MAC)
			}
			return nil
		},
	}
}
