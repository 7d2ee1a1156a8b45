package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
)

func newNBP(g *globals) *cobra.Command {
	return newGroup("nbp", "show the boot programs", newNBPList(g), newNBPLicences())
}

// nbpList is the inventory in the shape that programs read.
type nbpList struct {
	Folder   string        `json:"folder"` // where a user's own programs are looked for
	Programs []nbp.Program `json:"programs"`
	Refused  []nbp.Fault   `json:"refused"`
}

func newNBPList(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list them: architecture, kind, version, signer and SHA-256 of each",
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			list := nbpList{Folder: loaded.Config.Server.NBP, Programs: loaded.Programs.Programs(), Refused: []nbp.Fault{}}
			list.Refused = append(list.Refused, loaded.BadNBP...)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printNBP(cmd, list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printNBP prints a paragraph for each program: a table of all that is known
// of them would be three screens wide.
func printNBP(cmd *cobra.Command, list nbpList) error {
	var text strings.Builder
	arch := model.Arch("")
	for _, p := range list.Programs {
		if p.Arch != arch {
			arch = p.Arch
			fmt.Fprintln(&text, arch)
		}
		fmt.Fprintf(&text, "  %-14s  %s %s, %s\n", p.File, p.Loader, orElse(p.Version, "of unknown version"), p.Machine)
		for _, signer := range signers(p) {
			fmt.Fprintf(&text, "    signer  %s\n", signer)
		}
		fmt.Fprintf(&text, "    sha256  %s\n    from    %s\n", p.SHA256, p.Source)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), text.String()); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	for _, f := range list.Refused {
		fmt.Fprintln(cmd.ErrOrStderr(), "refused:", f)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "your own programs go into %s/ARCH/\n", list.Folder)
	return nil
}

// signers says who signed a program, one signature a line; none where nothing
// can be signed.
func signers(p nbp.Program) []string {
	if p.Signer == "" {
		return nil
	}
	return strings.Split(p.Signer, "; ")
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func newNBPLicences() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "licences",
		Short: "print the licences of the embedded ones, and where their sources are",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := nbp.Licences()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), append([]nbp.Licence{}, all...))
			}
			for _, l := range all {
				fmt.Fprintf(cmd.OutOrStdout(), "==== %s of %s %s; its source is Debian's %s\n\n%s\n", l.Name, l.Package, l.Version, l.Source, l.Text)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
