package answer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template/parse"
)

// budget is the work that one answer file may take, in units of about a
// nanosecond on a slow machine: a node costs nodeCost, a function what it reads
// and makes by the byte, at slowPrice where it looks at each character. What
// that comes to in time is measured by TestBudgetIsTime.
const (
	budget    = 8 << 20
	nodeCost  = 100
	slowPrice = 12
)

// value is a text, a list, a truth or absent.
type value interface{ kind() string }

// text is a string. It is safe where the template or a quoting function made
// it; all else has to be a plain word to be printed without quoting.
type text struct {
	s    string
	safe bool
}

type list []text

type truth bool

// absent is a variable that nobody set. Only default takes it.
type absent string

func (text) kind() string   { return "a text" }
func (list) kind() string   { return "a list" }
func (truth) kind() string  { return "true or false" }
func (absent) kind() string { return "nothing" }

var (
	errBreak    = errors.New("break outside of range")
	errContinue = errors.New("continue outside of range")
)

// Execute fills a template in. The result has at most MaxOutput bytes, and
// what it takes to make it is bounded. A fault reads "name:line:column: …".
func (t *Template) Execute(d Data) ([]byte, error) {
	if t.raw != nil || t.tree == nil || t.tree.Root == nil {
		return bytes.Clone(t.raw), nil
	}
	r := &run{tree: t.tree, data: &d, left: budget}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %v", t.name, err)
	}
	if err := r.list(t.tree.Root, nil); err != nil {
		return nil, err
	}
	return r.out.Bytes(), nil
}

// check refuses a URL of ours that is more than a URL, as it stands in
// commands, and variables that are too long to be one.
func (d *Data) check() error {
	for _, u := range []struct{ name, url string }{
		{"Server.URL", d.Server.URL}, {"Install.URL", d.Install.URL}, {"Mirror.URL", d.Mirror.URL},
	} {
		if strings.ContainsFunc(u.url, func(r rune) bool { return !isURL(r) }) {
			return fmt.Errorf("%s is %.100q, which is not a plain URL", u.name, u.url)
		}
	}
	for name, s := range d.Vars {
		if len(s) > MaxSource {
			return fmt.Errorf("the variable %s has %d bytes; %d are allowed", name, len(s), MaxSource)
		}
	}
	return nil
}

func isURL(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(":/.-_~%[]@+,=", r)
}

// run is one filling in.
type run struct {
	tree *parse.Tree
	data *Data
	out  bytes.Buffer
	left int
	vars []variable
}

type variable struct {
	name string
	v    value
}

func (r *run) fault(n parse.Node, format string, args ...any) error {
	return faultAt(r.tree, n, fmt.Sprintf(format, args...))
}

// spend takes work from the budget.
func (r *run) spend(n parse.Node, cost int) error {
	if r.left -= cost; r.left < 0 {
		return r.fault(n, "the template takes too long: it does more than %d steps, or as much work on long texts", budget/nodeCost)
	}
	return nil
}

func (r *run) list(l *parse.ListNode, dot value) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := r.spend(n, nodeCost); err != nil {
			return err
		}
		if err := r.statement(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) statement(n parse.Node, dot value) error {
	switch n := n.(type) {
	case *parse.TextNode:
		return r.write(n, string(n.Text))
	case *parse.ActionNode:
		v, err := r.pipe(n.Pipe, dot)
		if err != nil || len(n.Pipe.Decl) > 0 {
			return err
		}
		return r.print(n, v)
	case *parse.IfNode:
		return r.branch(&n.BranchNode, dot, false)
	case *parse.WithNode:
		return r.branch(&n.BranchNode, dot, true)
	case *parse.RangeNode:
		return r.each(n, dot)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	}
	return nil // a comment: Parse refuses all others
}

func (r *run) write(n parse.Node, s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return r.fault(n, "the answer file is longer than %d bytes", MaxOutput)
	}
	r.out.WriteString(s)
	return nil
}

// print writes a value. What came from outside and went through no quoting
// function has to be a plain word, which is itself in every language.
func (r *run) print(n parse.Node, v value) error {
	t, err := asText(v)
	if err != nil {
		return r.fault(n, "%v", err)
	}
	if !t.safe && !isPlain(t.s) {
		return r.fault(n, "%.60q is not a plain word and has to be quoted: %s; or raw, if it is to be read as more than text",
			t.s, quotingNames)
	}
	return r.write(n, t.s)
}

// isPlain reports whether a text is a single word without a meaning of its own
// in any of the languages of answer files: a letter, digit or slash, and
// more of them with . _ : / @ + - between.
func isPlain(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/'
		if !alnum && (i == 0 || i == len(s)-1 || strings.IndexByte("._:@+-", c) < 0) {
			return false
		}
	}
	return true
}

func (r *run) branch(b *parse.BranchNode, dot value, with bool) error {
	defer r.leave(len(r.vars))
	v, err := r.pipe(b.Pipe, dot)
	if err != nil {
		return err
	}
	yes, err := isTrue(v)
	switch {
	case err != nil:
		return r.fault(b.Pipe, "%v", err)
	case !yes:
		return r.list(b.ElseList, dot)
	case with:
		dot = v
	}
	return r.list(b.List, dot)
}

// leave forgets the variables of a block.
func (r *run) leave(n int) { r.vars = r.vars[:n] }

func (r *run) each(n *parse.RangeNode, dot value) error {
	defer r.leave(len(r.vars))
	// The variables of a range get their values below, one element each time.
	v, err := r.commands(n.Pipe, dot)
	if err != nil {
		return err
	}
	l, ok := v.(list)
	if !ok {
		if name, gone := v.(absent); gone {
			return r.fault(n.Pipe, "%v", unset(string(name)))
		}
		return r.fault(n.Pipe, "range goes over a list, as split makes it; this is %s", v.kind())
	}
	if len(l) == 0 {
		return r.list(n.ElseList, dot)
	}
	inner := len(r.vars)
	for i, e := range l {
		r.leave(inner)
		if err := r.spend(n, nodeCost); err != nil {
			return err
		}
		r.element(n.Pipe, i, e)
		switch err := r.list(n.List, e); {
		case errors.Is(err, errBreak):
			return nil
		case err != nil && !errors.Is(err, errContinue):
			return err
		}
	}
	return nil
}

// element sets the variables of a range: the element, or index and element.
func (r *run) element(p *parse.PipeNode, i int, e text) {
	for j, d := range p.Decl {
		var v value = e
		if len(p.Decl) == 2 && j == 0 {
			v = text{strconv.Itoa(i), true}
		}
		r.set(d.Ident[0], v, !p.IsAssign)
	}
}

// set gives a variable its value: a new one, or the last of that name.
func (r *run) set(name string, v value, declare bool) {
	if !declare {
		for i := len(r.vars) - 1; i >= 0; i-- {
			if r.vars[i].name == name {
				r.vars[i].v = v
				return
			}
		}
	}
	r.vars = append(r.vars, variable{name, v})
}

func (r *run) pipe(p *parse.PipeNode, dot value) (value, error) {
	v, err := r.commands(p, dot)
	if err != nil {
		return nil, err
	}
	for _, d := range p.Decl {
		r.set(d.Ident[0], v, !p.IsAssign)
	}
	return v, nil
}

func (r *run) commands(p *parse.PipeNode, dot value) (value, error) {
	var v value
	for i, cmd := range p.Cmds {
		var err error
		if i == 0 {
			v, err = r.command(cmd, dot, nil)
		} else {
			v, err = r.command(cmd, dot, []value{v})
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (r *run) command(cmd *parse.CommandNode, dot value, last []value) (value, error) {
	id, called := cmd.Args[0].(*parse.IdentifierNode)
	if !called {
		return r.operand(cmd.Args[0], dot)
	}
	return r.call(id, cmd.Args[1:], dot, last)
}

func (r *run) call(id *parse.IdentifierNode, operands []parse.Node, dot value, last []value) (value, error) {
	f := functions[id.Ident]
	args := make([]value, 0, len(operands)+len(last))
	cost := nodeCost
	for _, n := range operands {
		v, err := r.operand(n, dot)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	args = append(args, last...)
	price := 1
	if f.slow {
		price = slowPrice
	}
	for _, v := range args {
		cost += price * size(v)
	}
	if err := r.spend(id, cost); err != nil {
		return nil, err
	}
	if !f.absent {
		for _, v := range args {
			if name, ok := v.(absent); ok {
				return nil, r.fault(id, "%v", unset(string(name)))
			}
		}
	}
	v, err := f.call(r.data, args)
	if err != nil {
		return nil, r.fault(id, "%s: %v", id.Ident, err)
	}
	if t, ok := v.(text); ok && len(t.s) > MaxOutput {
		return nil, r.fault(id, "%s: %v", id.Ident, tooLong())
	}
	return v, r.spend(id, price*size(v))
}

// size is what a value costs to read or to make.
func size(v value) int {
	switch v := v.(type) {
	case text:
		return len(v.s)
	case list:
		n := nodeCost * len(v)
		for _, t := range v {
			n += len(t.s)
		}
		return n
	}
	return 0
}

func (r *run) operand(n parse.Node, dot value) (value, error) {
	if err := r.spend(n, nodeCost); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *parse.StringNode:
		return text{n.Text, true}, nil
	case *parse.NumberNode:
		return text{number(n), true}, nil
	case *parse.BoolNode:
		return truth(n.True), nil
	case *parse.DotNode:
		if dot == nil {
			return nil, r.fault(n, ". has no value outside of with and range")
		}
		return dot, nil
	case *parse.FieldNode:
		// Inside with and range too: a text has no fields, so $ is not needed.
		return r.field(n.Ident), nil
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return r.field(n.Ident[1:]), nil
		}
		return r.lookup(n)
	case *parse.IdentifierNode:
		return r.call(n, nil, dot, nil)
	case *parse.PipeNode:
		return r.commands(n, dot)
	}
	return nil, r.fault(n, "%s is not allowed here", n)
}

func (r *run) lookup(n *parse.VariableNode) (value, error) {
	for i := len(r.vars) - 1; i >= 0; i-- {
		if r.vars[i].name == n.Ident[0] {
			return r.vars[i].v, nil
		}
	}
	return nil, r.fault(n, "%s has no value", n)
}

func (r *run) field(ident []string) value {
	if ident[0] == "Vars" {
		if s, ok := r.data.Vars[ident[1]]; ok {
			return text{s: s}
		}
		return absent(ident[1])
	}
	return fields[strings.Join(ident, ".")](r.data)
}

func unset(name string) error {
	return fmt.Errorf("the variable %s is not set; (default \"…\" .Vars.%s) allows that", name, name)
}

func asText(v value) (text, error) {
	switch v := v.(type) {
	case text:
		return v, nil
	case truth:
		return text{strconv.FormatBool(bool(v)), true}, nil
	case absent:
		return text{}, unset(string(v))
	}
	return text{}, fmt.Errorf("a text is needed here, and this is %s", v.kind())
}

// isTrue is what if and with ask: a text or list that is not empty.
func isTrue(v value) (bool, error) {
	switch v := v.(type) {
	case text:
		return v.s != "", nil
	case list:
		return len(v) > 0, nil
	case truth:
		return bool(v), nil
	case absent:
		return false, unset(string(v))
	}
	return false, nil
}
