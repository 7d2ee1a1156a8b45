package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
)

func newCA(g *globals) *cobra.Command {
	var asPEM, asJSON bool
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "show the root certificate of hobnail's own CA, for machines to trust",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 || asPEM && asJSON {
				return usagef(cmd, "ca takes no argument, and one form at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := app.Load(g.config)
			if err != nil {
				return err
			}
			root, err := app.ReadRoot(loaded)
			if errors.Is(err, fs.ErrNotExist) {
				return errors.New("hobnail has no CA here yet; hobnail serve makes it once https is on and no certificate is given")
			}
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), root)
			case asPEM:
				if _, err := io.WriteString(cmd.OutOrStdout(), root.PEM); err != nil {
					return fmt.Errorf("writing the certificate: %v", err)
				}
				return nil
			}
			return printRoot(cmd.OutOrStdout(), root)
		},
	}
	cmd.Flags().BoolVar(&asPEM, "pem", false, "print the certificate itself")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printRoot(w io.Writer, root app.Root) error {
	var text strings.Builder
	printRow(&text, "subject", root.Subject)
	printRow(&text, "sha256", root.SHA256)
	printRow(&text, "ends", root.Ends.Format(time.DateOnly))
	printRow(&text, "file", root.File)
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("writing the certificate: %v", err)
	}
	return nil
}
