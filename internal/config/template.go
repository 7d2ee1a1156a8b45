package config

import (
	"errors"
	"strings"
	"text/template/parse"
)

// checkTemplate reports a command line that is not a template, or uses a
// function that command lines do not have.
func checkTemplate(text string) error {
	functions := map[string]any{}
	for _, name := range []string{"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"} {
		functions[name] = true
	}
	if _, err := parse.Parse("cmdline", text, "", "", functions); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "template: cmdline:1: "))
	}
	return nil
}
