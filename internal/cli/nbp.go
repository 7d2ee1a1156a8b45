package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
	"hobnail/internal/nbp"
)

func newNBP(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "nbp", Short: "show the boot programs"}
	cmd.AddCommand(newNBPList(g), newNBPLicences())
	return cmd
}

// nbpList is the inventory in the shape that programs read.
type nbpList struct {
	Folder   string        `json:"folder"` // where a user's own programs are looked for
	Programs []nbp.Program `json:"programs"`
	Refused  []string      `json:"refused"`
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
			list := nbpList{Folder: loaded.Config.Server.NBP, Programs: loaded.Programs.Programs(), Refused: []string{}}
			for _, f := range loaded.BadNBP {
				list.Refused = append(list.Refused, f.String())
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printNBP(cmd, list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printNBP(cmd *cobra.Command, list nbpList) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ARCH\tFILE\tKIND\tVERSION\tMACHINE\tSIGNER\tSHA-256\tSOURCE")
	for _, p := range list.Programs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			p.Arch, p.File, p.Loader, orDash(p.Version), p.Machine, orDash(p.Signer), p.SHA256, p.Source)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the list: %v", err)
	}
	for _, r := range list.Refused {
		fmt.Fprintln(cmd.ErrOrStderr(), "refused:", r)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "your own programs go into %s/ARCH/\n", list.Folder)
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
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
				return printJSON(cmd.OutOrStdout(), all)
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
