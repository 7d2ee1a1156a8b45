package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

func newBoots(g *globals) *cobra.Command {
	var o bootsOptions
	cmd := &cobra.Command{
		Use:   "boots [MAC|NAME|ADDRESS]",
		Short: "list the boots of machines, newest first, each with its verdict",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "name one machine at most; one boot is shown by hobnail boots show ID")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.machine = strings.Join(args, "")
			return listBoots(cmd, g, o)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON; with --follow one object a line")
	cmd.Flags().BoolVar(&o.follow, "follow", false, "go on, with each boot whenever something of it changes")
	cmd.Flags().BoolVar(&o.failed, "failed", false, "only those that did not go well")
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many at most; 0: all")
	cmd.AddCommand(newBootsShow(g), newBootsVerdicts())
	return cmd
}

type bootsOptions struct {
	machine              string
	json, follow, failed bool
	limit                int
}

// wants reports whether a boot is one that a person looks for.
func (o bootsOptions) wants(b *model.Boot) bool {
	if o.failed && (b.Verdict.Outcome == model.OutcomeOK || b.Verdict.Outcome == model.OutcomeRunning) {
		return false
	}
	if o.machine == "" {
		return true
	}
	mac, err := model.ParseMAC(o.machine)
	return err == nil && b.MAC == mac || strings.EqualFold(b.Name, o.machine) || b.Addr.String() == o.machine ||
		strings.EqualFold(string(b.UUID), o.machine)
}

func listBoots(cmd *cobra.Command, g *globals, o bootsOptions) error {
	loaded, err := app.Load(g.config)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	all := []*model.Boot{}
	n := 0
	err = app.ReadBoots(cmd.Context(), loaded, 0, o.follow, func(b *model.Boot) bool {
		if !o.wants(b) {
			return true
		}
		switch {
		case o.json && o.follow:
			if json.NewEncoder(out).Encode(b) != nil {
				return false
			}
		case o.json:
			all = append(all, b)
		default:
			printBootLine(out, b)
		}
		n++
		return o.follow || o.limit == 0 || n < o.limit
	})
	if err != nil {
		return err
	}
	if o.json && !o.follow {
		return printJSON(out, map[string]any{"boots": all})
	}
	if n == 0 && !o.json {
		fmt.Fprintln(cmd.ErrOrStderr(), "no boots")
	}
	return nil
}

func newBootsShow(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "show one boot: verdict, evidence, and all that was heard and sent",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "name one boot: its ID, or a beginning that only one has")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			b, err := app.ShowBoot(loaded, args[0])
			if err != nil {
				return fmt.Errorf("showing boot %s: %w", plain(args[0]), err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), bootInfo(b))
			}
			printBoot(cmd.OutOrStdout(), b)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// event is a step in the shape that programs read: with its words.
type bootEvent struct {
	model.Step
	Words string `json:"words"`
}

// bootJSON is a boot in the shape that programs read; explain has the same.
type bootJSON struct {
	ID      string        `json:"id"`
	MAC     model.MAC     `json:"mac"`
	UUID    model.UUID    `json:"uuid,omitempty"`
	Name    string        `json:"name,omitempty"`
	Place   string        `json:"place,omitempty"`
	Arch    model.Arch    `json:"arch"`
	Address string        `json:"address,omitempty"`
	Start   time.Time     `json:"start"`
	Last    time.Time     `json:"last"`
	Ended   bool          `json:"ended"`
	Verdict model.Verdict `json:"verdict"`
	Events  []bootEvent   `json:"events"`
	Left    int           `json:"left_out,omitempty"`
}

func bootInfo(b *model.Boot) bootJSON {
	info := bootJSON{
		ID: b.ID, MAC: b.MAC, UUID: b.UUID, Name: b.Name, Place: b.Place, Arch: b.Arch, Start: b.Start, Last: b.Last,
		Ended: b.Ended, Verdict: b.Verdict, Events: []bootEvent{}, Left: b.Left,
	}
	if b.Addr.IsValid() {
		info.Address = b.Addr.String()
	}
	for i := range b.Steps {
		info.Events = append(info.Events, bootEvent{b.Steps[i], verdict.Describe(&b.Steps[i])})
	}
	return info
}

func newBootsVerdicts() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verdicts [CODE]",
		Short: "list the verdicts that a boot can end in: what is seen, why, what to do, and who",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "name one code at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			all := verdict.Catalogue()
			if len(args) == 1 {
				e, ok := verdict.Lookup(args[0])
				if !ok {
					return fmt.Errorf("there is no verdict %s; hobnail boots verdicts lists them", plain(args[0]))
				}
				all = []verdict.Entry{e}
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, all)
			}
			for i, e := range all {
				if i > 0 {
					fmt.Fprintln(out)
				}
				fmt.Fprintf(out, "%s: %s\n", e.Code, e.Title)
				printRow(out, "  seen", e.Seen)
				printRow(out, "  cause", e.Cause)
				printRow(out, "  do", e.Remedy)
				printRow(out, "  who", e.Who)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
