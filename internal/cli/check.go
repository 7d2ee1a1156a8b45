package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/config"
)

// checkResult is the outcome of check in the shape that programs read.
type checkResult struct {
	File     string         `json:"file"`
	Valid    bool           `json:"valid"`
	Faults   []config.Fault `json:"faults"`
	Warnings []string       `json:"warnings"`
}

func newCheck(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say what is wrong in a configuration, all of it, with places",
		RunE: func(cmd *cobra.Command, _ []string) error {
			res := checkResult{Faults: []config.Fault{}, Warnings: []string{}}
			loaded, err := app.Load(g.config)
			var invalid *app.InvalidConfig
			switch {
			case errors.As(err, &invalid):
				res.File, res.Faults = invalid.File, invalid.Faults
			case err != nil:
				return err
			default:
				res.File, res.Valid = loaded.Config.File, true
				res.Warnings = append(res.Warnings, loaded.Warnings()...)
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), res); err != nil {
					return err
				}
			} else {
				printCheck(cmd, res)
			}
			if invalid != nil {
				return errors.Join(invalid, errShown)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printCheck(cmd *cobra.Command, res checkResult) {
	out := cmd.OutOrStdout()
	for _, f := range res.Faults {
		fmt.Fprintln(out, f)
	}
	for _, w := range res.Warnings {
		fmt.Fprintln(out, "warning:", w)
	}
	name := res.File
	if name == "" {
		name = "built-in defaults"
	}
	if res.Valid {
		fmt.Fprintf(out, "%s: no faults\n", name)
	} else {
		fmt.Fprintf(out, "%s: %s\n", name, count(len(res.Faults), "fault"))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
