package config

import (
	"hobnail/internal/bootscript"
	"hobnail/internal/model"
)

// imageDraft is an [[image]] with the place of its name.
type imageDraft struct {
	model.Image
	name located[string]
}

func (d *draft) readImage(s section) {
	i := &imageDraft{}
	i.Source = d.src.at(s.table.at)
	i.CPU = model.CPUX64
	d.images = append(d.images, i)

	s.require("name")
	i.name, _ = one(s, "name", parseImageName)
	i.Name = i.name.v
	if v, ok := one(s, "title", parsePrintable); ok {
		i.Title = v.v
	}
	if s.has("arch") {
		v, _ := one(s, "arch", parseCPU)
		i.CPU = v.v
	}
	file := fileOrURL(d.cfg.Server.Data)
	s.require("kernel")
	if v, ok := one(s, "kernel", file); ok {
		i.Kernel = v.v
	}
	i.Initrd = values(list(s, "initrd", file))
	i.Cmdline = d.cmdline(s)
}

// maxCmdline bounds the template, which may be longer than what comes of it.
const maxCmdline = 2 * bootscript.MaxCmdline

// cmdline may be empty, unlike other texts.
func (d *draft) cmdline(s section) string {
	e, ok := s.table.entries["cmdline"]
	if !ok || e.val.kind == kindText && e.val.text == "" {
		return ""
	}
	t, ok := s.text("cmdline")
	switch {
	case !ok:
		return ""
	case !printable(t.v):
		d.report.add(t.at, "cmdline %s has control characters; allowed is one line", quote(t.v))
	case len(t.v) > maxCmdline:
		d.report.add(t.at, "cmdline has %d octets; allowed are %d", len(t.v), maxCmdline)
	default:
		if err := bootscript.CheckTemplate(t.v); err != nil {
			d.report.add(t.at, "cmdline %s cannot be used: %v; allowed is text with fields such as {{.Machine.Name}}",
				quote(t.v), err)
		}
	}
	return t.v
}

func (d *draft) checkImages() {
	names := newUnique[string](d, "name")
	for _, i := range d.images {
		names.add(i.name)
	}
}
