package learn

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// Table is what has been learned. It is safe for concurrent use, and its memory
// is bounded.
type Table struct {
	mu      sync.RWMutex
	offers  *ladder
	loaders *ladder
	taught  bool // a machine or model gets something else than the default
	changes uint64
}

var _ policy.Learned = (*Table)(nil)

// New makes a table that knows nothing.
func New() *Table { return &Table{offers: newLadder(), loaders: newLadder()} }

// Offer is policy.Learned's.
func (t *Table) Offer(f *classify.Facts) (policy.Lesson, bool) {
	return t.lesson(func() *ladder { return t.offers }, offerKey(f.MAC), f, "did not take")
}

// Loader is policy.Learned's.
func (t *Table) Loader(f *classify.Facts, arch model.Arch) (policy.Lesson, bool) {
	return t.lesson(func() *ladder { return t.loaders }, loaderKey(f.MAC, arch), f, "did not go on from")
}

func (t *Table) lesson(of func() *ladder, key string, f *classify.Facts, failed string) (policy.Lesson, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if !t.taught || f.MAC == "" {
		return policy.Lesson{}, false
	}
	choice, m, g := of().at(key, record.ModelOf(f.MAC, record.Printable(f.VendorClass), f.Arch))
	if choice == "" {
		return policy.Lesson{}, false
	}
	return policy.Lesson{Choice: choice, Why: why(m, g, failed)}, true
}

// why says where a lesson is from.
func why(m *machine, g *group, failed string) string {
	switch {
	case m != nil && m.Works:
		return "it has worked for this machine"
	case m != nil && m.Out:
		return fmt.Sprintf("this machine %s any of %s, and this was the first", failed, strings.Join(m.Failed, ", "))
	case m != nil:
		return fmt.Sprintf("this machine %s %s", failed, strings.Join(m.Failed, ", "))
	case g.Works:
		return fmt.Sprintf("it has worked for machines of this model, and %s has not", g.Base)
	}
	return fmt.Sprintf("machines of this model %s %s", failed, strings.Join(g.Tried, ", "))
}

func offerKey(mac model.MAC) string { return string(mac) }

func loaderKey(mac model.MAC, arch model.Arch) string { return string(mac) + " " + string(arch) }

// Boot takes a boot whose verdict is final, once, and says what it has changed.
func (t *Table) Boot(b *model.Boot, now time.Time) []Change {
	if b.MAC == "" || b.Arch == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(t.offer(b, now), t.loader(b, now)...)
}

// teach notes whether anybody gets something else than the default: as long as
// nobody does, nothing need be looked up.
func (t *Table) teach() {
	t.taught = false
	for _, l := range []*ladder{t.offers, t.loaders} {
		for _, g := range l.models {
			t.taught = t.taught || g.At != g.Base
		}
		t.taught = t.taught || len(l.machines) > 0
	}
}

func (t *Table) offer(b *model.Boot, now time.Time) []Change {
	s := lastOffer(b)
	if s == nil {
		return nil
	}
	tr := trial{key: offerKey(b.MAC), model: b.Model, given: s.DHCP.Style, now: now}
	for _, style := range model.Styles() {
		tr.order = append(tr.order, string(style))
	}
	return changes(Offers, b, t.take(t.offers, tr, offerOutcome(b)), "")
}

// take gives a ladder what a boot says.
func (t *Table) take(l *ladder, tr trial, o outcome) (steps []step) {
	switch o {
	case unclear:
		return nil
	case good:
		steps = l.succeed(tr)
	case bad:
		steps = l.fail(tr)
	}
	t.changes++
	if o == bad || len(steps) > 0 {
		t.teach()
	}
	return steps
}

func (t *Table) loader(b *model.Boot, now time.Time) []Change {
	s := lastProgram(b)
	if s == nil {
		return nil
	}
	file := path.Base(s.DHCP.File)
	tr := trial{key: loaderKey(b.MAC, b.Arch), model: b.Model, given: file, order: []string{file}, now: now}
	if s.DHCP.Loader == policy.LoaderIPXE {
		tr.order = loaders(b.Arch, file)
	}
	return changes(Loaders, b, t.take(t.loaders, tr, loaderOutcome(b)), s.DHCP.Loader)
}

// outcome is what a boot says about one choice.
type outcome int

const (
	unclear outcome = iota // it ended before the choice mattered, or for another reason
	good
	bad
)

// lastOffer is the last proxy's offer of ours whose form nobody has chosen.
func lastOffer(b *model.Boot) *model.Step {
	return last(b, func(s *model.Step) bool {
		return s.Kind == model.StepOffer && s.DHCP.FreeStyle && !s.DHCP.Address.IsValid()
	})
}

// lastProgram is the last answer of ours that named a boot program to firmware,
// and that nobody has chosen.
func lastProgram(b *model.Boot) *model.Step {
	return last(b, func(s *model.Step) bool {
		return s.DHCP.FreeLoader && s.DHCP.File != "" && s.DHCP.Loader != "" && s.DHCP.Loader != policy.LoaderScript
	})
}

func last(b *model.Boot, is func(*model.Step) bool) *model.Step {
	for i := len(b.Steps) - 1; i >= 0; i-- {
		if s := &b.Steps[i]; s.Ours && s.DHCP != nil && is(s) {
			return s
		}
	}
	return nil
}

// offerOutcome says whether a machine took the form of our offer: it did if it
// asked for a file, or port 4011, and was told. Where another DHCP server says
// PXEClient itself no form can win, and where none gave an address, none was
// refused.
func offerOutcome(b *model.Boot) outcome {
	switch b.Verdict.Step {
	case "boot-file", "loader", "script", "kernel", "system":
		return good
	}
	told := last(b, func(s *model.Step) bool { return s.Kind == model.StepTold }) != nil
	switch v := b.Verdict; {
	case told:
		return unclear
	case v.Code == verdict.OfferNotTaken && v.Detail == "split-offer":
		return bad
	case v.Code == verdict.BootFileNotAsked && (v.Detail == "split-offer" || v.Detail == "boot-service"):
		return bad // it took an address, and no notice of us
	}
	return unclear
}

// loaderOutcome says whether a machine went on from its boot program.
func loaderOutcome(b *model.Boot) outcome {
	switch b.Verdict.Step {
	case "script", "kernel", "system":
		return good
	}
	switch v := b.Verdict; {
	case v.Code == verdict.LoaderSilent, v.Code == verdict.SecureBootRefused:
		return bad
	case v.Code == verdict.LoaderLoop && v.Detail == "restarts":
		return bad
	}
	return unclear
}
