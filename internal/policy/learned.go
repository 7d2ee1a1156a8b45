package policy

import (
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Learned is what decisions need to know of earlier boots. Its answers must not
// change during one call of Decide.
type Learned interface {
	// Offer gives the form of a proxy's offer that is to be tried with a
	// machine, or that it is known to take; ok is false where nothing is known.
	Offer(f *classify.Facts) (l Lesson, ok bool)
	// Loader gives the boot program, by its file's name, that is to be tried
	// with a machine instead of the one that it would get, or in place of it.
	Loader(f *classify.Facts, arch model.Arch) (l Lesson, ok bool)
}

// Lesson is one thing that boots have taught.
type Lesson struct {
	Choice string // a form of offer, or a file's name
	Why    string // ends the sentence "it is chosen because …"
}

// OfferDelay is how long StyleDelayed waits: firmware collects offers for
// three seconds and more.
const OfferDelay = time.Second

// style chooses the form of a proxy's offer to firmware. iPXE takes all of
// them, and UEFI's HTTP boot knows one only.
func (v View) style(d *Decision, f *classify.Facts) {
	if f.Class != classify.ClassPXE || f.Stage != classify.StageFirmware {
		return
	}
	said, at := v.Policy.offerOf(d.Machine, f)
	d.Style = said
	if said == model.StyleAuto {
		d.Style = model.StyleBypass
		d.FreeStyle = v.Policy.learns(d.Machine, f)
		v.taughtStyle(d, f)
	} else {
		d.because("offer", at, "the offer is to have the form %s", said)
	}
	if d.Style == model.StyleDelayed {
		d.Delay = OfferDelay
	}
}

func (v View) taughtStyle(d *Decision, f *classify.Facts) {
	if v.Learned == nil || !d.FreeStyle {
		return
	}
	l, ok := v.Learned.Offer(f)
	s := model.Style(l.Choice)
	if !ok || !s.Known() {
		return
	}
	d.Style = s
	d.because("offer", "learned", "the offer has the form %s: %s", s, l.Why)
}

// taughtProgram gives the boot program that boots have taught in the place of
// one that was chosen by the order of preference. iPXE is replaced by iPXE
// alone: whoever got a program that Secure Boot accepts keeps it.
func (v View) taughtProgram(d *Decision, f *classify.Facts, chosen Program) Program {
	if f.Stage != classify.StageFirmware || !v.Policy.learns(d.Machine, f) {
		return chosen
	}
	d.FreeLoader = true
	if v.Learned == nil || chosen.Loader != LoaderIPXE {
		return chosen
	}
	l, ok := v.Learned.Loader(f, chosen.Arch)
	if !ok || l.Choice == chosen.File {
		return chosen
	}
	other, ok := v.Policy.findProgram(chosen.Arch, l.Choice)
	switch {
	case !ok:
		d.because("boot-program", "learned", "%s is to be tried instead, but is not there: %s", l.Choice, l.Why)
		return chosen
	case other.Loader != LoaderIPXE:
		d.because("boot-program", "learned", "%s is no iPXE and does not take the place of one", l.Choice)
		return chosen
	}
	d.because("boot-program", "learned", "%s instead: %s", other.File, l.Why)
	return other
}

// offerOf gives the form that the configuration wants for a machine, and where
// it says so: the machine's own, then the first rule that matches and names
// one, then [boot].
func (p *Policy) offerOf(m *model.Machine, f *classify.Facts) (s model.Style, at string) {
	if m != nil && m.Offer != "" {
		return m.Offer, m.Source
	}
	if r := p.teaching(m, f, func(r *config.Rule) bool { return r.Offer != "" }); r != nil {
		return r.Offer, r.At
	}
	return p.Config.Boot.Offer, p.Config.Boot.OfferAt
}

// learns reports whether a machine's boots may change what it gets.
func (p *Policy) learns(m *model.Machine, f *classify.Facts) bool {
	if m != nil && m.Learn != "" {
		return m.Learn == "on"
	}
	if r := p.teaching(m, f, func(r *config.Rule) bool { return r.Learn != "" }); r != nil {
		return r.Learn == "on"
	}
	return p.Config.Boot.Learn
}

// teaching finds the first rule that matches and says what is wanted, whichever
// rule decides the machine's target.
func (p *Policy) teaching(m *model.Machine, f *classify.Facts, says func(*config.Rule) bool) *config.Rule {
	if len(p.steering) == 0 {
		return nil
	}
	s := subject(f, m)
	for _, r := range p.steering {
		if says(r) && r.Match.Matches(s) {
			return r
		}
	}
	return nil
}
