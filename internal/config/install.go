package config

import (
	"path"
	"strings"
)

// maxVar bounds the value of a variable; a list of SSH keys fits.
const maxVar = 16 << 10

// readInstall reads what answer files are made with.
func (d *draft) readInstall(s section) {
	c := &d.cfg.Install
	c.Answers = path.Join(d.cfg.Server.Data, "answers")
	if v, ok := one(s, "answers", pathUnder(d.cfg.Server.Data)); ok {
		c.Answers = v.v
	}
	e, ok := s.table.entries["vars"]
	switch {
	case !ok:
		return
	case e.val.kind != kindTable:
		s.wrongKind("vars", e.val)
		return
	}
	c.Vars = map[string]string{}
	for _, name := range e.val.table.keys {
		v := e.val.table.entries[name]
		switch {
		case !onlyOf(name, lower+strings.ToUpper(lower)+digits+"_") || len(name) > maxLabel:
			d.report.add(v.at, "variable %s is no name; allowed are letters, digits and _", quote(name))
		case v.val.kind != kindText:
			d.report.add(v.val.at, "variable %s is %s; write it as %s = \"text\"", name, v.val.kind, name)
		case len(v.val.text) > maxVar:
			d.report.add(v.val.at, "variable %s has %d octets; allowed are %d", name, len(v.val.text), maxVar)
		default:
			c.Vars[name] = v.val.text
		}
	}
}
