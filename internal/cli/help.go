package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// usageTemplate is cobra's, in our style: lower case, eighty columns, and a
// command that only holds others shows no form of its own.
const usageTemplate = `usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{if ne .Use .Name}}
  {{.UseLine}}{{end}}{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

commands:{{range .Commands}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

flags of every command:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}
`

// newGroup makes a command that only holds others. By itself it explains
// them; anything else after it is a wrong command line.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use, Short: short,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	group.AddCommand(commands...)
	return group
}

func unknownCommand(group *cobra.Command, name string) error {
	guess := ""
	if near := group.SuggestionsFor(name); len(near) > 0 {
		guess = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(group, "there is no command %q%s", group.CommandPath()+" "+name, guess)
}

// newHelp is cobra's help command, but one that fails when it is asked about
// a command that is not there.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "say how a command is used",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
