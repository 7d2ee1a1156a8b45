package learn

import (
	"slices"
	"time"

	"hobnail/internal/model"
)

const (
	// maxMachines and maxModels bound what is remembered. Of machines only
	// those are that failed once.
	maxMachines = 16384
	maxModels   = 4096
	// firm is how many attempts in a row have to fail with what has worked for
	// a machine before something else is tried.
	firm = 3
	// enough is how many machines of a model move the model.
	enough = 3
	// again is when a machine with which everything was tried may begin anew:
	// what was wrong may have been the network.
	again = 24 * time.Hour
)

// ladder is what is known of one kind of choice: forms of offers, or boot
// programs.
type ladder struct {
	machines map[string]*machine // by MAC address, of boot programs with the architecture
	models   map[string]*group   // see record.ModelOf
}

// machine is what one machine has shown. There is none for a machine that has
// never failed.
type machine struct {
	At     string   `json:"at"`               // what it gets next
	Works  bool     `json:"works,omitempty"`  // At has worked
	Misses int      `json:"misses,omitempty"` // attempts in a row that failed though it works
	Failed []string `json:"failed,omitempty"` // what failed since, in the order of trial
	Out    bool     `json:"out,omitempty"`    // everything has failed; At is what was tried first
	Model  string   `json:"model,omitempty"`
	Last   int64    `json:"last"` // seconds since 1970
}

// group is what the machines of one model have shown.
type group struct {
	At     string   `json:"at"`               // what a machine gets that is not known itself
	Base   string   `json:"base"`             // what was given before anything was learned
	Works  bool     `json:"works,omitempty"`  // At has worked for one of them
	Tried  []string `json:"tried,omitempty"`  // what the model was moved away from without success
	Failed []string `json:"failed,omitempty"` // machines that failed with At since it last worked
	// Other has the machines that failed with At and went on with something
	// else, since At last worked.
	Other map[string][]string `json:"other,omitempty"`
	Last  int64               `json:"last"`
}

// trial is one boot as a ladder sees it.
type trial struct {
	key   string // of the machine
	model string // "" where none is known
	given string
	order []string // what there is to try, the first choice first
	now   time.Time
}

// step is one change.
type step struct {
	what     stepKind
	from, to string
	model    bool // of the model, not of the machine
	machines int  // of a model: how many moved it
}

type stepKind string

const (
	tries stepKind = "next"      // the next attempt gets another
	works stepKind = "works"     // another one has worked
	out   stepKind = "exhausted" // all have failed
)

func newLadder() *ladder {
	return &ladder{machines: map[string]*machine{}, models: map[string]*group{}}
}

// at is what a machine is to get; "" where nothing is known. of is the machine
// or model that has taught it.
func (l *ladder) at(key, model string) (choice string, m *machine, g *group) {
	g = l.models[model]
	if m = l.machines[key]; m != nil && !(m.Out && g != nil && g.Works) {
		return m.At, m, nil
	}
	if g != nil && g.At != g.Base {
		return g.At, nil, g
	}
	return "", nil, nil
}

// fail takes an attempt that failed with what was given.
func (l *ladder) fail(t trial) (steps []step) {
	if !slices.Contains(t.order, t.given) {
		return nil
	}
	if s := l.failMachine(t); s != nil {
		steps = append(steps, *s)
	}
	if s := l.failModel(t); s != nil {
		steps = append(steps, *s)
	}
	return steps
}

func (l *ladder) failMachine(t trial) *step {
	m := l.machines[t.key]
	if m == nil {
		m = &machine{At: t.given}
		l.room()
		l.machines[t.key] = m
	}
	rested := m.Out && t.now.Unix()-m.Last >= int64(again/time.Second)
	m.Model = t.model
	switch {
	case m.Works && m.At != t.given:
		return nil // given by somebody else's word
	case m.Works && m.Misses+1 < firm:
		m.Misses, m.Last = m.Misses+1, t.now.Unix()
		return nil
	case m.Works, rested:
		*m = machine{At: t.given, Model: t.model}
	case m.Out:
		return nil // Last stays: the day counts from then
	}
	m.Last = t.now.Unix()
	if slices.Contains(m.Failed, t.given) {
		return nil // what was to be tried was not given: it is not there
	}
	m.Failed = append(m.Failed, t.given)
	if m.At != t.given {
		return nil
	}
	for _, next := range t.order {
		if !slices.Contains(m.Failed, next) {
			m.At = next
			return &step{what: tries, from: t.given, to: next}
		}
	}
	m.Out, m.At = true, m.Failed[0]
	return &step{what: out, from: t.given, to: m.At}
}

// failModel moves a model of which enough machines have failed, as long as what
// they get has worked for none.
func (l *ladder) failModel(t trial) *step {
	g := l.group(t)
	if g == nil || g.At != t.given {
		return nil
	}
	g.Last = t.now.Unix()
	if !slices.Contains(g.Failed, t.key) && len(g.Failed) < enough {
		g.Failed = append(g.Failed, t.key)
	}
	if g.Works || len(g.Failed) < enough {
		return nil
	}
	for _, next := range t.order {
		if next != g.At && !slices.Contains(g.Tried, next) {
			s := &step{what: tries, from: g.At, to: next, model: true, machines: len(g.Failed)}
			g.Tried = append(g.Tried, g.At)
			g.At, g.Failed, g.Other = next, nil, nil
			return s
		}
	}
	if g.At == g.Base {
		return nil // all were tried before
	}
	s := &step{what: out, from: g.At, to: g.Base, model: true, machines: len(g.Failed)}
	g.Tried = append(g.Tried, g.At)
	g.At, g.Failed, g.Other = g.Base, nil, nil
	return s
}

// succeed takes an attempt that went on with what was given.
func (l *ladder) succeed(t trial) (steps []step) {
	if !slices.Contains(t.order, t.given) {
		return nil
	}
	m := l.machines[t.key]
	if m != nil {
		if m.At != t.given || !m.Works {
			steps = append(steps, step{what: works, from: first(m.Failed, t.given), to: t.given})
		}
		*m = machine{At: t.given, Works: true, Model: t.model, Last: t.now.Unix()}
	}
	if s := l.succeedModel(t); s != nil {
		steps = append(steps, *s)
	}
	return steps
}

// succeedModel moves a model to what has worked: at once where nothing else
// has, and after enough machines where something did.
func (l *ladder) succeedModel(t trial) *step {
	g := l.group(t)
	if g == nil {
		return nil
	}
	g.Last = t.now.Unix()
	if g.At == t.given {
		g.Works, g.Failed, g.Other, g.Tried = true, nil, nil, nil
		return nil
	}
	if g.Works {
		if l.machines[t.key] == nil {
			return nil // it has never failed with what the others get
		}
		if g.Other == nil {
			g.Other = map[string][]string{}
		}
		who := g.Other[t.given]
		if !slices.Contains(who, t.key) {
			who = append(who, t.key)
			g.Other[t.given] = who
		}
		if len(who) < enough {
			return nil
		}
	}
	s := &step{what: works, from: g.At, to: t.given, model: true, machines: max(1, len(g.Other[t.given]))}
	g.At, g.Works, g.Failed, g.Other, g.Tried = t.given, true, nil, nil, nil
	return s
}

// group finds or begins what is known of a model; nil where it has no name.
func (l *ladder) group(t trial) *group {
	if t.model == "" {
		return nil
	}
	g := l.models[t.model]
	if g == nil {
		if len(l.models) >= maxModels {
			evict(l.models, func(g *group) (bool, int64) { return g.At != g.Base, g.Last })
		}
		g = &group{At: t.order[0], Base: t.order[0]}
		l.models[t.model] = g
	}
	return g
}

// room makes room for a machine.
func (l *ladder) room() {
	if len(l.machines) >= maxMachines {
		evict(l.machines, func(m *machine) (bool, int64) { return m.Works, m.Last })
	}
}

// evict drops a sixteenth of what is known: first what has taught nothing that
// works, as a flood of invented machines does, then the oldest.
func evict[T any](all map[string]T, worth func(T) (bool, int64)) {
	type entry struct {
		key  string
		good bool
		last int64
	}
	list := make([]entry, 0, len(all))
	for key, v := range all {
		good, last := worth(v)
		list = append(list, entry{key, good, last})
	}
	slices.SortFunc(list, func(a, b entry) int {
		switch {
		case a.good != b.good && a.good:
			return 1
		case a.good != b.good:
			return -1
		case a.last != b.last:
			return int(min(max(a.last-b.last, -1), 1))
		case a.key < b.key:
			return -1
		}
		return 1
	})
	for _, e := range list[:max(1, len(list)/16)] {
		delete(all, e.key)
	}
}

func first(all []string, otherwise string) string {
	if len(all) == 0 {
		return otherwise
	}
	return all[0]
}

// partners are boot programs that do the same with another driver: the
// firmware's own, or one of iPXE's.
var partners = map[bool][2]string{
	true:  {"snponly.efi", "ipxe.efi"},
	false: {"undionly.kpxe", "ipxe.pxe"},
}

// loaders lists what there is to try for an architecture, beginning with what
// was given. Nothing but iPXE has a partner.
func loaders(arch model.Arch, given string) []string {
	pair := partners[arch.UEFI()]
	switch {
	case arch != model.ArchBIOS && !arch.UEFI():
	case given == pair[0]:
		return []string{pair[0], pair[1]}
	case given == pair[1]:
		return []string{pair[1], pair[0]}
	}
	return []string{given}
}
