package config

import (
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// node is a value of the file with its place.
type node struct {
	at    int    // offset of its first octet
	kind  kind   // which of the fields below hold
	text  string // kindText: the value; numbers and the like: their spelling
	items []*node
	table *table
}

// kind is a TOML type in the words a person uses.
type kind string

const (
	kindText    kind = "text"
	kindNumber  kind = "a number"
	kindBoolean kind = "a boolean"
	kindDate    kind = "a date or time"
	kindList    kind = "a list"
	kindTable   kind = "a table"
)

// table is a TOML table, however it was spelled: [header], { inline } or
// dotted keys.
type table struct {
	at      int
	keys    []string // in the file's order
	entries map[string]entry
	origin  origin
}

// origin is how a table was written, which decides what may add to it later.
type origin int

const (
	byPath   origin = iota // on the way of a longer header: may still get its own
	byHeader               // [header] or [[header]]
	byDots                 // dotted keys: only more of them may add to it
	inline                 // { … }: complete
)

// entry is a key of a table and its value.
type entry struct {
	at  int
	val *node
}

func newTable(at int, o origin) *table {
	return &table{at: at, origin: o, entries: map[string]entry{}}
}

func (t *table) set(key string, at int, val *node) {
	t.keys = append(t.keys, key)
	t.entries[key] = entry{at: at, val: val}
}

// word is one part of a dotted key.
type word struct {
	text string
	at   int
}

// treeBuilder turns go-toml's stream of expressions into one table. The
// parser checks syntax alone: that a key is given once, and tables are of
// their kind, is checked here.
type treeBuilder struct {
	parser unstable.Parser
	src    *source
	report *report
	root   *table
	cur    *table // what key = value lines add to
}

// buildTree gives nil if the text is not TOML; the report then has the first
// syntax error and nothing else.
func buildTree(src *source, r *report) *table {
	b := &treeBuilder{src: src, report: r, root: newTable(0, byHeader)}
	b.cur = b.root
	b.parser.Reset(src.data)
	for b.parser.NextExpression() {
		e := b.parser.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			b.keyValue(b.cur, e)
		case unstable.Table:
			b.header(e, false)
		case unstable.ArrayTable:
			b.header(e, true)
		}
	}
	if err := b.parser.Error(); err != nil {
		b.syntax(err)
		return nil
	}
	return b.root
}

// syntax reports the parser's error where the parser saw it. Its highlight is
// a subslice of the data, whose capacity gives the offset.
func (b *treeBuilder) syntax(err error) {
	offset := len(b.src.data)
	var perr *unstable.ParserError
	if errors.As(err, &perr) {
		offset = max(0, offset-cap(perr.Highlight))
	}
	advice := ""
	if strings.Contains(err.Error(), "value") || strings.Contains(err.Error(), "keyword") {
		advice = `; text stands in quotes, as in name = "boot1"`
	}
	b.report.found = nil
	b.report.add(offset, "not valid TOML: %s%s", err.Error(), advice)
}

// maxParts bounds a dotted key; "rule.match.arch" has three.
const maxParts = 8

// words gives the parts of a dotted key, at least one; ok is false if there
// are, as reported, too many.
func (b *treeBuilder) words(it unstable.Iterator) (all []word, ok bool) {
	for it.Next() {
		n := it.Node()
		all = append(all, word{text: string(n.Data), at: int(n.Raw.Offset)})
		if len(all) > maxParts {
			b.report.add(all[0].at, "the key has more than %d parts; none here has more than 3", maxParts)
			return all, false
		}
	}
	return all, true
}

// header enters the table that [a.b] or [[a.b]] names. After a fault the
// lines below it go to a table that nobody reads.
func (b *treeBuilder) header(e *unstable.Node, list bool) {
	parts, ok := b.words(e.Key())
	at := b.headerStart(parts[0].at)
	b.cur = newTable(at, byHeader)
	if !ok {
		return
	}
	parent := b.root
	for _, w := range parts[:len(parts)-1] {
		if parent = b.descend(parent, w); parent == nil {
			return
		}
	}
	last := parts[len(parts)-1]
	if len(parts) == 1 {
		list = b.sectionKind(last, list)
	}
	if list {
		b.enterList(parent, last, at)
	} else {
		b.enterTable(parent, last, at)
	}
}

// sectionKind reports [subnet] for [[subnet]] and the reverse, and goes on as
// if it had been written right, so that its keys are checked all the same.
func (b *treeBuilder) sectionKind(w word, list bool) bool {
	switch {
	case repeats(w.text) && !list:
		b.report.add(w.at, "[%s] is written as for one; there can be many: write [[%s]]", w.text, w.text)
		return true
	case single(w.text) && list:
		b.report.add(w.at, "[[%s]] is written as for many; there is one: write [%s]", w.text, w.text)
		return false
	}
	return list
}

// headerStart walks back from the first key of a header to its bracket.
func (b *treeBuilder) headerStart(key int) int {
	for key > 0 && strings.IndexByte("[ \t", b.src.data[key-1]) >= 0 {
		key--
	}
	for b.src.data[key] != '[' {
		key++
	}
	return key
}

func (b *treeBuilder) enterTable(parent *table, w word, at int) {
	old, exists := parent.entries[w.text]
	switch {
	case !exists:
		parent.set(w.text, w.at, &node{at: at, kind: kindTable, table: b.cur})
	case old.val.kind == kindTable && old.val.table.origin == byPath:
		b.cur = old.val.table
		b.cur.origin, b.cur.at, old.val.at = byHeader, at, at
	default:
		b.twice(w, old)
	}
}

func (b *treeBuilder) enterList(parent *table, w word, at int) {
	item := &node{at: at, kind: kindTable, table: b.cur}
	old, exists := parent.entries[w.text]
	switch {
	case !exists:
		parent.set(w.text, w.at, &node{at: at, kind: kindList, items: []*node{item}})
	case old.val.openList():
		old.val.items = append(old.val.items, item)
	default:
		b.twice(w, old)
	}
}

// openList reports whether a list was made by [[headers]], so that another
// may add to it.
func (n *node) openList() bool {
	return n.kind == kindList && len(n.items) > 0 &&
		n.items[0].kind == kindTable && n.items[0].table.origin == byHeader
}

func (b *treeBuilder) twice(w word, old entry) {
	b.report.add(w.at, "%s is given twice, first on line %d; give it once", quote(w.text), b.src.line(old.at))
}

// descend goes into a table on the way of a dotted header, making it if it is
// not there yet; nil after a fault.
func (b *treeBuilder) descend(t *table, w word) *table {
	old, exists := t.entries[w.text]
	switch {
	case !exists:
		sub := newTable(w.at, byPath)
		t.set(w.text, w.at, &node{at: w.at, kind: kindTable, table: sub})
		return sub
	case old.val.kind == kindTable && old.val.table.origin != inline:
		return old.val.table
	case old.val.openList():
		return old.val.items[len(old.val.items)-1].table
	}
	b.report.add(w.at, "%s is already complete on line %d; add to it there", quote(w.text), b.src.line(old.at))
	return nil
}

// keyValue adds one key = value, whose key may be dotted, to a table.
func (b *treeBuilder) keyValue(t *table, e *unstable.Node) {
	parts, ok := b.words(e.Key())
	if !ok {
		return
	}
	for _, w := range parts[:len(parts)-1] {
		if t = b.dotted(t, w); t == nil {
			return
		}
	}
	last := parts[len(parts)-1]
	if old, exists := t.entries[last.text]; exists {
		b.twice(last, old)
		return
	}
	t.set(last.text, last.at, b.value(e.Value(), b.valueStart(last.at)))
}

// dotted goes into the table that a dotted key makes: one of its own kind, to
// which only other dotted keys of the same table may add.
func (b *treeBuilder) dotted(t *table, w word) *table {
	old, exists := t.entries[w.text]
	switch {
	case !exists:
		sub := newTable(w.at, byDots)
		t.set(w.text, w.at, &node{at: w.at, kind: kindTable, table: sub})
		return sub
	case old.val.kind == kindTable && old.val.table.origin == byDots:
		return old.val.table
	}
	b.twice(w, old)
	return nil
}

// valueStart finds the value after a key, as go-toml keeps no place for
// lists. The key may be quoted and hold an "=", so it is skipped first.
func (b *treeBuilder) valueStart(key int) int {
	data := b.src.data
	i := key
	if q := data[i]; q == '"' || q == '\'' {
		for i++; data[i] != q; i++ {
			if q == '"' && data[i] == '\\' {
				i++
			}
		}
	}
	for data[i] != '=' {
		i++
	}
	for i++; data[i] == ' ' || data[i] == '\t'; i++ {
	}
	return i
}

// value copies a value out of the parser's memory, which the next expression
// overwrites. at is its place where the parser keeps none.
func (b *treeBuilder) value(v *unstable.Node, at int) *node {
	n := &node{at: at, text: string(v.Data)}
	if v.Raw.Length > 0 {
		n.at = int(v.Raw.Offset)
	}
	switch v.Kind {
	case unstable.String:
		n.kind = kindText
	case unstable.Integer, unstable.Float:
		n.kind = kindNumber
	case unstable.Bool:
		n.kind = kindBoolean
	case unstable.Array:
		n.kind = kindList
		for it := v.Children(); it.Next(); {
			n.items = append(n.items, b.value(it.Node(), at))
		}
	case unstable.InlineTable:
		n.kind, n.table = kindTable, newTable(n.at, inline)
		for it := v.Children(); it.Next(); {
			b.keyValue(n.table, it.Node())
		}
	default:
		n.kind = kindDate
	}
	return n
}
