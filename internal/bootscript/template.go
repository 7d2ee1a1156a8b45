package bootscript

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// fields lists what a template may name.
func fields() []string {
	return []string{
		"Machine.Name", "Machine.MAC", "Machine.UUID", "Machine.Arch", "Machine.Address",
		"Server.Name", "Server.Address", "Server.URL", "Image.Name", "Install.URL",
	}
}

// builtins lists which functions of text/template are allowed: those whose
// work and result are bounded by the template's own length. printf with a
// width is not, nor is a range over a number.
func builtins() []string { return []string{"and", "or", "not", "eq", "ne"} }

func functions() template.FuncMap {
	return template.FuncMap{
		"lower":   strings.ToLower,
		"upper":   strings.ToUpper,
		"replace": replace,
		"default": func(fallback, text string) string { return orElse(text, fallback) },
	}
}

// replace puts new for every old in text. Nested calls could grow without
// bound, so each result has the size of a command line at most.
func replace(old, new, text string) (string, error) {
	if old == "" {
		return "", errors.New("replace needs a text to look for")
	}
	out := strings.ReplaceAll(text, old, new)
	if len(out) > MaxCmdline {
		return "", fmt.Errorf("replace makes more than %d bytes", MaxCmdline)
	}
	return out, nil
}

// parseTemplate parses a command line's template and refuses everything in
// the template language beyond what ExpandCmdline documents.
func parseTemplate(text string) (*template.Template, error) {
	t, err := template.New("cmdline").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("command line template: %s", strings.TrimPrefix(err.Error(), "template: cmdline:"))
	}
	for _, named := range t.Templates() {
		if named.Name() != t.Name() {
			return nil, fmt.Errorf("command line template: %q is defined; allowed are fields, if and functions", named.Name())
		}
	}
	if t.Tree == nil { // an empty text
		return t, nil
	}
	if err := checkNode(t.Root); err != nil {
		return nil, fmt.Errorf("command line template: %v", err)
	}
	return t, nil
}

// checkNode walks a template's tree. It lists the kinds of node that fields,
// if and function calls are made of; any other is refused with its text.
func checkNode(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		return checkList(n)
	case *parse.ActionNode:
		return checkPipe(n.Pipe)
	case *parse.IfNode:
		if err := checkPipe(n.Pipe); err != nil {
			return err
		}
		if err := checkList(n.List); err != nil {
			return err
		}
		return checkList(n.ElseList)
	case *parse.PipeNode:
		return checkPipe(n)
	case *parse.FieldNode:
		return checkField(n)
	case *parse.IdentifierNode:
		return checkFunction(n)
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.BoolNode:
		return nil
	}
	return fmt.Errorf("%s is not allowed; allowed are fields, if and functions", n)
}

func checkList(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := checkNode(n); err != nil {
			return err
		}
	}
	return nil
}

func checkPipe(pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return fmt.Errorf("the variable %s is not allowed; allowed are fields, if and functions", pipe.Decl[0])
	}
	for _, cmd := range pipe.Cmds {
		for _, arg := range cmd.Args {
			if err := checkNode(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkField(n *parse.FieldNode) error {
	if name := strings.Join(n.Ident, "."); !slices.Contains(fields(), name) {
		return fmt.Errorf("there is no .%s; there are .%s", name, strings.Join(fields(), ", ."))
	}
	return nil
}

func checkFunction(n *parse.IdentifierNode) error {
	if _, ours := functions()[n.Ident]; ours || slices.Contains(builtins(), n.Ident) {
		return nil
	}
	return fmt.Errorf("the function %s is not allowed; allowed are %s, default, lower, replace, upper",
		n.Ident, strings.Join(builtins(), ", "))
}
