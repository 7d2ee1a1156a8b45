// Package cli is hobnail's command line: it reads flags, calls the room that
// does the work, and prints what comes back for a person or, with --json, for
// a program. What a person reads is lower case, without full stops; results go
// to standard output, everything else to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hobnail/internal/app"
)

// Exit codes, as the manual lists them.
const (
	exitOK      = 0
	exitFailed  = 1 // the command was understood and could not be carried out
	exitUsage   = 2 // the command line is wrong
	exitInvalid = 3 // the configuration has faults
)

// Run carries out one command line and gives the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var invalid *app.InvalidConfig
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &invalid):
		if !errors.Is(err, errShown) {
			fmt.Fprintln(stderr, invalid.Error())
		}
		return exitInvalid
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "hobnail: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "hobnail: %v\n", err)
	return exitFailed
}

// errShown marks an error whose text has been printed already.
var errShown = errors.New("shown")

// usageError is a wrong command line, with a hint where to read on.
type usageError struct {
	text string
	hint string
}

func (e *usageError) Error() string { return e.text + "\nhint: " + e.hint }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...), hint: cmd.CommandPath() + " --help"}
}

type globals struct {
	config string
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := newGroup("hobnail", "network boot server: every machine that presses F12 gets the right boot program",
		newServe(g), newCheck(g), newSimulate(g), newExplain(), newNBP(g), newImages(g), newMachines(g), newLeases(g), newBoots(g), newDoctor(g), newPorts(g), newCA(g), newVersion())
	root.Long = `hobnail answers machines that boot from the network: BIOS and UEFI of every
width and architecture, by PXE or by HTTP, on the same link or behind IP
helpers, beside a DHCP server that nobody may touch or as the DHCP server.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 faults in the configuration.`
	root.SilenceUsage, root.SilenceErrors = true, true
	root.PersistentFlags().StringVarP(&g.config, "config", "c", "",
		"configuration `FILE` (default "+app.DefaultConfig+" if it is there, else built-in defaults)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%v", err) })
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(newHelp(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, c := range root.Commands() {
		refuseArguments(c)
	}
	return root
}

// refuseArguments makes a stray argument an error where none is wanted.
func refuseArguments(c *cobra.Command) {
	if c.Args == nil && c.Runnable() {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "%s takes no argument %q", cmd.CommandPath(), args[0])
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		refuseArguments(sub)
	}
}

// printRow prints a line of a sheet of facts; nothing where there is no value.
func printRow(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%-12s %s\n", name, value)
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the result: %v", err)
	}
	return nil
}
