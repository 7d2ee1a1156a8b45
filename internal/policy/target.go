package policy

import (
	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// choice is which target a machine gets, and the boot program if the choice
// names one.
type choice struct {
	target string
	loader string
}

// choose walks from the most particular to the most general: the machine's
// own target, then the rules in the order of the file, then [boot] unknown.
func (v View) choose(d *Decision, f *classify.Facts) choice {
	c := choice{}
	m := v.Policy.machine(f)
	d.Machine = m
	if m != nil {
		c.loader = m.Loader
		if m.Boot != "" {
			c.target = m.Boot
			d.because("machine", m.Source, "machine %s boots %s", m.Name, m.Boot)
		} else {
			d.because("machine", m.Source, "machine %s has no target of its own", m.Name)
		}
	}
	v.applyRules(d, &c, f)
	if c.target == "" {
		v.fallback(d, &c)
	}
	if img, ok := v.Policy.Image(c.target); ok && f.Arch != "" && !f.Arch.Runs(img.CPU) {
		d.because("image", img.Source, "image %s is for %s processors and cannot run on %s: the menu instead", img.Name, img.CPU, f.Arch)
		c.target = model.TargetMenu
	} else if !ok && !standing(c.target) {
		d.because("image", "built-in", "image %s is not there: the menu instead", c.target)
		c.target = model.TargetMenu
	}
	d.Target = c.target
	return c
}

// applyRules lets the first matching rule with a target decide. Rules before
// it that only name a boot program add theirs, to machines with a target of
// their own as well; a rule with both gives them together or not at all.
func (v View) applyRules(d *Decision, c *choice, f *classify.Facts) {
	s := subject(f, d.Machine)
	own := c.target != ""
	for i := range v.Policy.Config.Rules {
		r := &v.Policy.Config.Rules[i]
		if !r.Match.Matches(s) || own && r.Boot != "" {
			continue
		}
		name := ruleName(r)
		if r.Loader != "" && c.loader == "" {
			c.loader = r.Loader
			d.because(name, r.At, "matches: boot program %s", r.Loader)
		}
		if r.Boot != "" {
			c.target = r.Boot
			d.because(name, r.At, "matches: boots %s", r.Boot)
			return
		}
	}
}

// ruleName is how reasons name a rule.
func ruleName(r *config.Rule) string {
	if r.Name == "" {
		return "rule"
	}
	return r.Name
}

func (v View) fallback(d *Decision, c *choice) {
	if d.Machine != nil {
		c.target = model.TargetMenu
		d.because("default", "built-in", "a named machine without a target gets the menu")
		return
	}
	b := v.Policy.Config.Boot
	c.target = b.Unknown
	d.because("unknown", b.UnknownAt, "nobody named this machine and no rule matches: %s", b.Unknown)
}

func standing(target string) bool {
	return target == model.TargetMenu || target == model.TargetLocal || target == model.TargetDeny
}

// subject is the part of the facts that rules look at.
func subject(f *classify.Facts, m *model.Machine) config.Subject {
	s := config.Subject{
		MAC: f.MAC, UUID: f.UUID, Firmware: f.Firmware, Relay: f.Relay,
		CircuitID: f.CircuitID, RemoteID: f.RemoteID,
		VendorClass: f.VendorClass, UserClass: f.UserClass,
	}
	s.Place, _ = whereFrom(f)
	if s.Archs = archs(f); len(s.Archs) == 0 && f.Arch != "" {
		s.Archs = []model.Arch{f.Arch} // known from a file name, without a request
	}
	if m != nil {
		s.Machine = m.Name
	}
	return s
}
