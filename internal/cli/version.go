package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what version prints for programs.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // the commit, 12 digits; empty if it is not known
	Modified bool   `json:"modified"` // built from files that differ from the commit
	Go       string `json:"go"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "say which build this is",
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := version()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			revision := orElse(v.Revision, "of unknown revision")
			if v.Modified {
				revision += " with changes"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "hobnail %s %s, %s\n", v.Version, revision, v.Go)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// version reads what the Go toolchain wrote into the binary.
func version() versionInfo {
	v := versionInfo{Version: "unreleased", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			v.Revision = s.Value[:12]
		case s.Key == "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
