package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/machines"
	"hobnail/internal/model"
)

// pendingInfo is a machine that waits, in the shape that programs read.
type pendingInfo struct {
	Number int        `json:"number"`
	MAC    model.MAC  `json:"mac"`
	UUID   model.UUID `json:"uuid"`
	Serial string     `json:"serial"`
	Arch   model.Arch `json:"arch"`
	Vendor string     `json:"vendor"`
	Place  string     `json:"place"`
	First  string     `json:"first"`
	Last   string     `json:"last"`
}

func newMachinesPending(g *globals) *cobra.Command {
	var asJSON, denied bool
	cmd := &cobra.Command{
		Use:   "pending",
		Short: "list the machines that wait to be named, by the numbers on their screens",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, snap, err := reading(cmd, g)
			if err != nil {
				return err
			}
			if denied {
				return printDenied(cmd.OutOrStdout(), snap.Denied(time.Now()), asJSON)
			}
			all := []pendingInfo{}
			for _, p := range snap.Pending() {
				all = append(all, pendingInfo{p.Number, p.MAC, p.UUID, p.Serial, p.Arch, p.Vendor, p.Place, stamp(p.First), stamp(p.Last)})
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NUMBER\tMAC\tARCH\tSERIAL\tPLACE\tLAST ASKED\tMODEL")
			for _, p := range all {
				fmt.Fprintln(w, strings.TrimRight(strings.Join([]string{strconv.Itoa(p.Number), string(p.MAC), string(p.Arch), plain(p.Serial), plain(p.Place), p.Last, plain(p.Vendor)}, "\t"), "\t"))
			}
			return flush(w)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&denied, "denied", false, "list those that were denied instead")
	return cmd
}

func flush(w *tabwriter.Writer) error {
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	return nil
}

func printDenied(out io.Writer, all []*machines.Denied, asJSON bool) error {
	if asJSON {
		return printJSON(out, list(all))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MAC\tUUID\tDENIED\tUNTIL\tBY")
	for _, d := range all {
		until := "for good"
		if !d.Until.IsZero() {
			until = stamp(d.Until)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.MAC, d.UUID, stamp(d.Time), until, d.By)
	}
	return flush(w)
}

func newMachinesApprove(g *globals) *cobra.Command {
	var a machines.Approval
	cmd := &cobra.Command{
		Use:   "approve [NUMBER|MAC|UUID][=NAME]…",
		Short: "name machines that wait; they go on by themselves",
		Example: `  hobnail machines approve 3=lab-01 4=lab-02
  hobnail machines approve --all --name lab-{nn} --boot debian-12`,
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != a.All {
				return usagef(cmd, "say which machines, by the numbers on their screens, or --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				who, name, named := strings.Cut(arg, "=")
				if named && name == "" {
					return usagef(cmd, "%q has no name behind the =", arg)
				}
				a.Which = append(a.Which, machines.Pick{Who: who, Name: name})
			}
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			res, err := ordering(cmd.Context(), loaded, "", machines.Order{Approve: &a})
			if err != nil {
				return err
			}
			warnOfTargets(cmd, loaded, []machines.Row{{Record: machines.Record{Boot: a.Boot}}})
			for i, p := range res.Machines {
				fmt.Fprintf(cmd.OutOrStdout(), "number %d, %s, is %s\n", p.Number, who(p), res.Changes[i].Name)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&a.All, "all", false, "all that wait")
	cmd.Flags().StringVar(&a.Name, "name", machines.DefaultName, "`PATTERN` of names for those without one: {n}, {nn} count up, {mac} and {serial} are the machine's")
	cmd.Flags().StringVar(&a.Boot, "boot", "", "`TARGET` that they boot: an image, menu, local or deny; empty: rules decide")
	cmd.Flags().StringSliceVar(&a.Tags, "tag", nil, "`TAG` that they get; may be repeated")
	return cmd
}

// who names a machine that has no name.
func who(p machines.Pending) string {
	if p.MAC != "" {
		return string(p.MAC)
	}
	return string(p.UUID)
}

func newMachinesDeny(g *globals) *cobra.Command {
	var d machines.Denial
	cmd := &cobra.Command{
		Use:   "deny [NUMBER|MAC|UUID]…",
		Short: "turn machines away that wait to be named",
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != d.All {
				return usagef(cmd, "say which machines, by the numbers on their screens, or --all")
			}
			if d.For < 0 {
				return usagef(cmd, "--for is a time to come")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Which = args
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			res, err := ordering(cmd.Context(), loaded, "", machines.Order{Deny: &d})
			if err != nil {
				return err
			}
			for _, p := range res.Machines {
				if d.Lift {
					fmt.Fprintf(cmd.OutOrStdout(), "%s may wait again\n", who(p))
				} else {
					fmt.Fprintf(cmd.OutOrStdout(), "number %d, %s, is denied\n", p.Number, who(p))
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&d.All, "all", false, "all that wait; with --lift all that were denied")
	cmd.Flags().DurationVar(&d.For, "for", 30*24*time.Hour, "for how `LONG`, as in 24h; 0: for good")
	cmd.Flags().BoolVar(&d.Lift, "lift", false, "let machines that were denied wait again")
	return cmd
}

func newMachinesInstall(g *globals) *cobra.Command {
	var o machines.InstallOrder
	var given []string
	cmd := &cobra.Command{
		Use:   "install NAME|PATTERN…",
		Short: "have machines installed at their next network boot, once",
		Example: `  hobnail machines install lab-01 --image debian-12
  hobnail machines install 'lab-*' --image debian-12 --var user=ann --count 40`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && len(o.Tags) == 0 {
				return usagef(cmd, "name machines, or --tag; hobnail machines list names them all")
			}
			if o.Image == "" {
				return usagef(cmd, "say what is installed, by --image; hobnail images list names all images")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Names = args
			var err error
			if o.Vars, err = splitVars(given); err != nil {
				return usagef(cmd, "%v", err)
			}
			if strings.ContainsAny(o.Answer, "./") {
				if o.Answer, err = filepath.Abs(o.Answer); err == nil {
					err = regular(o.Answer)
				}
				if err != nil {
					return fmt.Errorf("ordering an install: answer file %v", err)
				}
			}
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			if err := loaded.CheckInstall(o.Image, o.Edition); err != nil {
				return err
			}
			if w := loaded.InstallWarning(o.Image); w != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: image %s: %s\n", o.Image, w)
			}
			return install(cmd, loaded, o)
		},
	}
	cmd.Flags().StringVar(&o.Image, "image", "", "`IMAGE` that is installed")
	cmd.Flags().StringVar(&o.Edition, "edition", "", "`NAME` or number of an edition, of images that have several")
	cmd.Flags().StringVar(&o.Answer, "answer", "", "`KIND` of answer file, or a file: a template of your own; empty: that of the image")
	cmd.Flags().StringArrayVar(&given, "var", nil, "`NAME=VALUE` that the answer file is filled in with, over the machine's own; may be repeated")
	cmd.Flags().StringSliceVar(&o.Tags, "tag", nil, "machines that have this `TAG`; repeated, all of them")
	cmd.Flags().IntVar(&o.Retries, "retries", machines.DefaultRetries, "how often it starts `AGAIN` by itself where no call home comes, 0 to "+strconv.Itoa(machines.MaxRetries))
	cmd.Flags().DurationVar(&o.Within, "within", machines.DefaultWithin, "how `LONG` the order waits for the machine")
	cmd.Flags().IntVar(&o.Count, "count", 0, "`NUMBER` of machines, needed for more than 25, or than a tenth of all")
	return cmd
}

// regular reports what is no file.
func regular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	return err
}

// install orders installs, and asks a person for the number where that is
// needed.
func install(cmd *cobra.Command, l *app.Loaded, o machines.InstallOrder) error {
	res, err := ordering(cmd.Context(), l, "", machines.Order{Install: &o})
	if err != nil {
		return err
	}
	if res.Need != nil && o.Count == 0 && watched(cmd.ErrOrStderr()) {
		if o.Count, err = askCount(cmd, res.Need, o.Image); err != nil {
			return err
		}
		if res, err = ordering(cmd.Context(), l, "", machines.Order{Install: &o}); err != nil {
			return err
		}
	}
	switch n := res.Need; {
	case n != nil && o.Count != 0:
		return fmt.Errorf("these are %d of %d machines, not %d: nothing was ordered", n.Machines, n.Of, o.Count)
	case n != nil:
		return fmt.Errorf("this installs %s on %d of %d machines, over all that is on them: say so by --count %d", o.Image, n.Machines, n.Of, n.Machines)
	}
	for _, i := range res.Installs {
		fmt.Fprintf(cmd.OutOrStdout(), "%s installs %s at its next network boot, until %s\n", i.Machine, i.Image, stamp(i.Expires))
	}
	return nil
}

// askCount has a person type how many machines are meant.
func askCount(cmd *cobra.Command, n *machines.Need, image string) (int, error) {
	fmt.Fprintf(cmd.ErrOrStderr(), "this installs %s on %d of %d machines, over all that is on them; type their number to go on: ", image, n.Machines, n.Of)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("reading the number: %v", err)
	}
	typed, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || typed <= 0 {
		return 0, errors.New("no number was typed: nothing was ordered")
	}
	return typed, nil
}

func newMachinesCancel(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel NAME|PATTERN…",
		Short: "take the order to install machines back, or forget one that is over",
		Args:  atLeastOne("name machines; hobnail machines installs shows which are to be installed"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			res, err := ordering(cmd.Context(), loaded, "", machines.Order{Cancel: args})
			if err != nil {
				return err
			}
			for _, i := range res.Installs {
				text := fmt.Sprintf("the install of %s is forgotten, it was %s", i.Machine, i.State)
				switch {
				case i.State == model.InstallCancelled && i.Attempts > 0:
					text = fmt.Sprintf("%s is not installed again; an installer that runs goes on", i.Machine)
				case i.State == model.InstallCancelled:
					text = fmt.Sprintf("%s is not installed", i.Machine)
				}
				fmt.Fprintln(cmd.OutOrStdout(), text)
			}
			return nil
		},
	}
}

func newMachinesInstalls(g *globals) *cobra.Command {
	var asJSON bool
	var state string
	cmd := &cobra.Command{
		Use:   "installs",
		Short: "list the installs that were ordered, and how far they are",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, snap, err := reading(cmd, g)
			if err != nil {
				return err
			}
			all := []installInfo{}
			for _, i := range snap.Installs(time.Now()) {
				if state == "" || string(i.State) == state {
					all = append(all, describeInstall(i))
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "MACHINE\tIMAGE\tSTATE\tATTEMPTS\tORDERED\tBY\tLAST STEP OR NOTE")
			for _, i := range all {
				note := i.Note
				if n := len(i.Steps); note == "" && n > 0 {
					note = i.Steps[n-1].Name
				}
				fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s\t%s\t%s\t%d of %d\t%s\t%s\t%s", i.Machine, i.Image, i.State, i.Attempts, 1+i.Retries, i.Armed, i.By, note), "\t"))
			}
			return flush(w)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&state, "state", "", "only those in this `STATE`: armed, running, done, failed, gave-up, cancelled or expired")
	return cmd
}
