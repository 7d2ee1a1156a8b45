package answer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// Template is an answer file's template, checked. It is safe for concurrent
// use.
type Template struct {
	name string
	raw  []byte // of a file that is no template: itself
	tree *parse.Tree
	vars []string
}

// Name is the name that Parse was given.
func (t *Template) Name() string { return t.name }

// Vars lists the variables that the template asks for, sorted.
func (t *Template) Vars() []string { return slices.Clone(t.vars) }

// Verbatim is a file that is handed out as it stands.
func Verbatim(name string, file []byte) (*Template, error) {
	if len(file) > MaxOutput {
		return nil, fmt.Errorf("%s: it has %d bytes; %d are allowed", name, len(file), MaxOutput)
	}
	return &Template{name: name, raw: slices.Clone(file)}, nil
}

// Parse checks a template. A fault reads "name:line: what is wrong", or
// "name:line:column: …" where the column is known; it finds everything that
// does not depend on the machine.
func Parse(name string, source []byte) (*Template, error) {
	if len(source) > MaxSource {
		return nil, fmt.Errorf("%s: the template has %d bytes; %d are allowed", name, len(source), MaxSource)
	}
	if !utf8.Valid(source) {
		return nil, fmt.Errorf("%s:%d: the template is not UTF-8", name, invalidLine(source))
	}
	if err := shallow(name, string(source)); err != nil {
		return nil, err
	}
	known := map[string]any{}
	for f := range functions {
		known[f] = true
	}
	trees, err := parse.Parse(name, string(source), "", "", known)
	if err != nil {
		return nil, grammar(name, err)
	}
	tree := trees[name]
	for other := range trees {
		if other != name {
			return nil, fmt.Errorf("%s: %q is defined; a template cannot be called here", name, other)
		}
	}
	c := checker{tree: tree, vars: map[string]bool{}}
	if tree != nil && tree.Root != nil {
		c.list(tree.Root, 0)
	}
	if c.err != nil {
		return nil, c.err
	}
	return &Template{name: name, tree: tree, vars: slices.Sorted(maps.Keys(c.vars))}, nil
}

// invalidLine is the line of the first octet that is not UTF-8.
func invalidLine(source []byte) int {
	line := 1
	for len(source) > 0 {
		r, n := utf8.DecodeRune(source)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		source = source[n:]
	}
	return line
}

// shallow refuses what would nest the parser's own calls too deeply: it calls
// itself for each block, and counts only parentheses.
func shallow(name, source string) error {
	if n := strings.Count(source, "{{"); n > maxActions {
		return fmt.Errorf("%s: the template has %d actions; %d are allowed", name, n, maxActions)
	}
	return nil
}

// maxActions bounds the blocks that stand inside each other before the parser
// is asked.
const maxActions = 5_000

// grammar puts the parser's faults in our form.
func grammar(name string, err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "template: "))
}

// checker walks a template once and keeps its first fault. Nodes that it does
// not name are refused, so that the interpreter meets no others.
type checker struct {
	tree *parse.Tree
	vars map[string]bool
	err  error
}

func (c *checker) fault(n parse.Node, format string, args ...any) {
	if c.err == nil {
		c.err = faultAt(c.tree, n, fmt.Sprintf(format, args...))
	}
}

// faultAt is a fault with the place of a node: name:line:column.
func faultAt(tree *parse.Tree, n parse.Node, what string) error {
	where, _ := tree.ErrorContext(n)
	return fmt.Errorf("%s: %s", where, what)
}

func (c *checker) list(l *parse.ListNode, depth int) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		if c.err != nil {
			return
		}
		c.statement(n, depth)
	}
}

func (c *checker) statement(n parse.Node, depth int) {
	if depth > MaxDepth {
		c.fault(n, "more than %d blocks inside each other", MaxDepth)
		return
	}
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
	case *parse.ActionNode:
		c.pipe(n.Pipe, depth)
	case *parse.IfNode:
		c.branch(&n.BranchNode, depth)
	case *parse.WithNode:
		c.branch(&n.BranchNode, depth)
	case *parse.RangeNode:
		c.branch(&n.BranchNode, depth)
	case *parse.TemplateNode:
		c.fault(n, "a template cannot be called here")
	default:
		c.fault(n, "%s is not allowed; allowed are if, with, range, break, continue, variables and functions", n)
	}
}

func (c *checker) branch(b *parse.BranchNode, depth int) {
	c.pipe(b.Pipe, depth)
	c.list(b.List, depth+1)
	c.list(b.ElseList, depth+1)
}

func (c *checker) pipe(p *parse.PipeNode, depth int) {
	if depth > MaxDepth {
		c.fault(p, "more than %d parentheses inside each other", MaxDepth)
		return
	}
	for i, cmd := range p.Cmds {
		if c.err != nil {
			return
		}
		c.command(cmd, i > 0, depth)
	}
}

// command checks one command of a pipe: a value, or a function with its
// arguments, of which the last may be the result before it.
func (c *checker) command(cmd *parse.CommandNode, piped bool, depth int) {
	id, called := cmd.Args[0].(*parse.IdentifierNode)
	if !called {
		if len(cmd.Args) > 1 || piped {
			c.fault(cmd.Args[0], "%s is no function", cmd.Args[0])
			return
		}
		c.operand(cmd.Args[0], depth)
		return
	}
	f := functions[id.Ident]
	n := len(cmd.Args) - 1
	if piped {
		n++
	}
	if n < f.least || f.most >= 0 && n > f.most {
		c.fault(id, "%s takes %s; here are %d arguments", id.Ident, f.usage, n)
		return
	}
	for _, arg := range cmd.Args[1:] {
		c.operand(arg, depth)
	}
}

func (c *checker) operand(n parse.Node, depth int) {
	switch n := n.(type) {
	case *parse.StringNode, *parse.BoolNode, *parse.DotNode:
	case *parse.NumberNode:
		if !n.IsInt {
			c.fault(n, "%s is not a whole number", n)
		}
	case *parse.FieldNode:
		c.field(n, n.Ident)
	case *parse.VariableNode:
		switch {
		case n.Ident[0] == "$" && len(n.Ident) > 1:
			c.field(n, n.Ident[1:])
		case n.Ident[0] == "$":
			c.fault(n, "$ alone has no value; name a field, as $.Machine.Name")
		case len(n.Ident) > 1:
			c.fault(n, "%s is a text or a list and has no fields", n.Ident[0])
		}
	case *parse.IdentifierNode:
		if f := functions[n.Ident]; f.least > 0 {
			c.fault(n, "%s takes %s; here are 0 arguments", n.Ident, f.usage)
		}
	case *parse.PipeNode:
		if len(n.Decl) > 0 {
			c.fault(n, "a variable cannot be set inside parentheses")
			return
		}
		c.pipe(n, depth+1)
	default:
		c.fault(n, "%s is not allowed here", n)
	}
}

func (c *checker) field(n parse.Node, ident []string) {
	name := strings.Join(ident, ".")
	if ident[0] == "Vars" && len(ident) == 2 {
		c.vars[ident[1]] = true
		return
	}
	if _, ok := fields[name]; !ok {
		c.fault(n, "there is no .%s; there are .%s and .Vars.NAME", name, strings.Join(slices.Sorted(maps.Keys(fields)), " ."))
	}
}

// number is a whole number's text, as functions take it.
func number(n *parse.NumberNode) string { return strconv.FormatInt(n.Int64, 10) }
