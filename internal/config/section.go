package config

import "strings"

// located is a value and its offset in the file.
type located[T any] struct {
	v  T
	at int
}

// section reads the keys of one table and reports what is not as it should be.
type section struct {
	name   string // as in the file: "server"; "match" inside a rule
	table  *table
	keys   []key
	report *report
	meant  map[string]bool // keys that an unknown one was most likely meant to be
}

// title is the section as its header is written.
func (s section) title() string {
	switch {
	case repeats(s.name):
		return "[[" + s.name + "]]"
	case single(s.name):
		return "[" + s.name + "]"
	}
	return s.name
}

// openSection reports the keys that the section does not have.
func openSection(name string, t *table, r *report) section {
	s := section{name: name, table: t, keys: keysOf(name), report: r, meant: map[string]bool{}}
	known := names(s.keys)
	for _, k := range t.keys {
		if s.example(k) == "" && !r.full() {
			r.add(t.entries[k].at, "%s has no key %s; its keys are %s%s",
				s.title(), quote(k), strings.Join(known, ", "), didYouMean(k, known))
			s.meant[nearest(k, known)] = true
		}
	}
	return s
}

// example shows how a key is written; "" for a key the section does not have.
func (s section) example(name string) string {
	for _, k := range s.keys {
		if k.name == name {
			return k.example
		}
	}
	return ""
}

// has reports whether a key is there, be it misspelled: that is one fault,
// not two.
func (s section) has(name string) bool {
	_, ok := s.table.entries[name]
	return ok || s.meant[name]
}

// require reports a key that is missing.
func (s section) require(name string) {
	if !s.has(name) {
		s.report.add(s.table.at, "%s has no %s; it needs one, such as %s = %s", s.title(), name, name, s.example(name))
	}
}

// wrongKind reports a value of another type than the key's.
func (s section) wrongKind(name string, n *node) {
	shown := string(n.kind)
	switch n.kind {
	case kindText:
		shown = "the text " + quote(n.text)
	case kindNumber, kindBoolean, kindDate:
		shown += " (" + strings.Trim(quote(n.text), `"`) + ")"
	}
	s.report.add(n.at, "%s is %s; write it as %s = %s", name, shown, name, s.example(name))
}

// text gives the text of a key, which must not be empty.
func (s section) text(name string) (located[string], bool) {
	e, ok := s.table.entries[name]
	if !ok {
		return located[string]{}, false
	}
	return s.textOf(name, e.val)
}

func (s section) textOf(name string, n *node) (located[string], bool) {
	if n.kind != kindText {
		s.wrongKind(name, n)
		return located[string]{}, false
	}
	if n.text == "" {
		s.report.add(n.at, `%s is empty; leave it out or write it as %s = %s`, name, name, s.example(name))
		return located[string]{}, false
	}
	return located[string]{v: n.text, at: n.at}, true
}

// texts gives the texts of a key that takes one or a list.
func (s section) texts(name string) []located[string] {
	e, ok := s.table.entries[name]
	if !ok {
		return nil
	}
	items := e.val.items
	if e.val.kind != kindList {
		items = []*node{e.val}
	}
	var all []located[string]
	for _, n := range items {
		if t, ok := s.textOf(name, n); ok {
			all = append(all, t)
		}
	}
	return all
}

// one reads a key that takes one value. ok is false if it is not there or, as
// reported, not as it should be.
func one[T any](s section, name string, parse func(string) (T, error)) (v located[T], ok bool) {
	t, ok := s.text(name)
	if !ok {
		return v, false
	}
	return parsed(s, name, t, parse)
}

// some reads a key that takes one value or a list of one or more.
func some[T any](s section, name string, parse func(string) (T, error)) []located[T] {
	if e, ok := s.table.entries[name]; ok && e.val.kind == kindList && len(e.val.items) == 0 {
		s.report.add(e.val.at, "%s is an empty list; leave it out or write it as %s = %s", name, name, s.example(name))
	}
	return list(s, name, parse)
}

// list reads a key that takes one value or a list, which may be empty.
func list[T any](s section, name string, parse func(string) (T, error)) []located[T] {
	var all []located[T]
	for _, t := range s.texts(name) {
		if v, ok := parsed(s, name, t, parse); ok {
			all = append(all, v)
		}
	}
	return all
}

// parsed applies one of the parsers of values. Their errors continue a sentence
// that begins with the key and the offending text: `lease "5s" is too short; …`.
func parsed[T any](s section, name string, t located[string], parse func(string) (T, error)) (located[T], bool) {
	if s.report.full() {
		return located[T]{}, false
	}
	v, err := parse(t.v)
	if err != nil {
		s.report.add(t.at, "%s %s %v", name, quote(t.v), err)
		return located[T]{}, false
	}
	return located[T]{v: v, at: t.at}, true
}

// values drops the places.
func values[T any](list []located[T]) []T {
	var all []T
	for _, l := range list {
		all = append(all, l.v)
	}
	return all
}
