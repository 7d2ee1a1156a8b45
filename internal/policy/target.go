package policy

import (
	"fmt"

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

// choose walks from the most particular to the most general: an order to
// install, the machine's own target, the rules in the order of the file, then
// [boot] unknown.
func (v View) choose(d *Decision, f *classify.Facts) choice {
	c := choice{}
	m := v.Policy.machine(f)
	known := v.known(f, m)
	if m == nil {
		m = known.Machine
	}
	d.Machine = m
	for _, note := range known.Notes {
		d.because("identity", known.At, "%s", note)
	}
	if v.ordered(d, &c, f, &known) {
		d.Target = c.target
		return c
	}
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
	if img, ok := v.Policy.Image(c.target); ok && misfit(img, f.Arch) != "" {
		d.because("image", img.Source, "%s: the menu instead", misfit(img, f.Arch))
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

// known asks the registry.
func (v View) known(f *classify.Facts, configured *model.Machine) Known {
	if v.Registry == nil {
		return Known{}
	}
	return v.Registry.Known(f, configured)
}

// ordered takes the target that a person's order makes, whatever machine and
// rules say; rules still choose the boot program. An order for an image that is
// gone, or for another processor, installs nothing.
func (v View) ordered(d *Decision, c *choice, f *classify.Facts, known *Known) bool {
	o := &known.Order
	switch {
	case known.Denied:
		c.target = model.TargetDeny
		d.because("denied", known.At, "somebody denied this machine")
		return true
	case o.State == OrderNone:
		return false
	}
	if d.Machine != nil {
		c.loader = d.Machine.Loader
	}
	c.target = model.TargetLocal
	if o.State == OrderInstall {
		img, ok := v.Policy.Image(o.Image)
		switch {
		case !ok:
			d.because("install", known.At, "%s, but image %s is not there: the local disk", o.Why, o.Image)
		case misfit(img, f.Arch) != "":
			d.because("install", known.At, "%s, but %s: the local disk", o.Why, misfit(img, f.Arch))
		default:
			c.target, d.Install = o.Image, true
		}
	}
	d.Over = o.State == OrderOver
	if d.Install || d.Over {
		d.because("install", known.At, "%s", o.Why)
	}
	own := c.target // rules with a target do not apply
	v.applyRules(d, c, f)
	c.target = own
	return true
}

// misfit says why machines of an architecture cannot start an image; empty
// where they can, as far as is known.
func misfit(img model.Image, a model.Arch) string {
	switch _, ok := img.On(a); {
	case ok:
		return ""
	case !a.Runs(img.CPU):
		return fmt.Sprintf("image %s is for %s processors and cannot run on %s", img.Name, img.CPU, a)
	}
	return fmt.Sprintf("image %s starts under %s alone and cannot on %s", img.Name, map[model.Firmware]string{model.FirmwareBIOS: "BIOS", model.FirmwareUEFI: "UEFI"}[img.Firmware], a)
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
	switch target {
	case model.TargetMenu, model.TargetLocal, model.TargetDeny, model.TargetApprove:
		return true
	}
	return false
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
