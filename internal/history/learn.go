package history

import (
	"errors"
	"slices"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// ErrNotFound says that there is no such boot.
var ErrNotFound = errors.New("there is no such boot")

// usual knows how long the steps of boots take, by place: the median of the
// last that went well.
type usual struct {
	last map[string][]time.Duration // by place and step, newest last
}

const (
	usualOf  = 32   // boots
	maxUsual = 8192 // places times steps
)

func newUsual() *usual { return &usual{last: map[string][]time.Duration{}} }

// learn takes a boot that is newer than all before.
func (u *usual) learn(b *model.Boot) {
	u.each(b, func(all []time.Duration, d time.Duration) []time.Duration {
		if len(all) >= usualOf {
			all = all[1:]
		}
		return append(slices.Clone(all), d)
	})
}

// learnOlder takes a boot that is older than all before.
func (u *usual) learnOlder(b *model.Boot) {
	u.each(b, func(all []time.Duration, d time.Duration) []time.Duration {
		if len(all) >= usualOf {
			return all
		}
		return append([]time.Duration{d}, all...)
	})
}

func (u *usual) each(b *model.Boot, add func(all []time.Duration, d time.Duration) []time.Duration) {
	if b.Verdict.Outcome != model.OutcomeOK {
		return
	}
	for step, d := range verdict.Durations(b) {
		key := b.Place + "\x00" + step
		all := u.last[key]
		if all == nil && len(u.last) >= maxUsual {
			continue
		}
		u.last[key] = add(all, d)
	}
}

// Of is verdict.Usual's.
func (u *usual) Of(place, step string) (time.Duration, int) {
	all := slices.Clone(u.last[place+"\x00"+step])
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], len(all)
}

// models knows how machines of one kind fared with a boot program.
type models struct {
	fared map[string]fared
}

type fared struct{ on, stuck int }

const maxModels = 8192

func newModels() *models { return &models{fared: map[string]fared{}} }

// program is the boot program that a boot came to last; "" for none.
func program(b *model.Boot) string {
	for i := len(b.Steps) - 1; i >= 0; i-- {
		s := &b.Steps[i]
		if s.Kind == model.StepRead && s.File != nil && s.File.Role == model.RoleLoader {
			return baseOf(s.File.Name)
		}
	}
	return ""
}

func baseOf(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' || name[i] == '\\' {
			return name[i+1:]
		}
	}
	return name
}

func (m *models) learn(b *model.Boot) {
	p := program(b)
	if p == "" || b.Model == "" {
		return
	}
	key := b.Model + "\x00" + p
	f, known := m.fared[key]
	if !known && len(m.fared) >= maxModels {
		return
	}
	switch b.Verdict.Code {
	case verdict.LoaderSilent, verdict.SecureBootRefused, verdict.LoaderLoop, verdict.BootFileWrongArch:
		f.stuck++
	default:
		f.on++
	}
	m.fared[key] = f
}

// others says how other boots of this model fared with the boot program that a
// boot came to.
func (m *models) others(b *model.Boot) (on, stuck int) {
	f := m.fared[b.Model+"\x00"+program(b)]
	return f.on, f.stuck
}
