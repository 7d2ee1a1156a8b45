package learn

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// version of what Marshal writes.
const version = 1

// saved is what is kept of a table.
type saved struct {
	Version int         `json:"version"`
	Offers  savedLadder `json:"offers"`
	Loaders savedLadder `json:"loaders"`
}

type savedLadder struct {
	Machines map[string]*machine `json:"machines,omitempty"`
	Models   map[string]*group   `json:"models,omitempty"`
}

// Changes counts what has changed since the table was made: who keeps it saves
// it anew when the count is another.
func (t *Table) Changes() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.changes
}

// Marshal gives all that is known, as JSON.
func (t *Table) Marshal() ([]byte, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	b, err := json.Marshal(saved{version, savedLadder{t.offers.machines, t.offers.models}, savedLadder{t.loaders.machines, t.loaders.models}})
	if err != nil {
		return nil, fmt.Errorf("writing down what boots have taught: %v", err)
	}
	return b, nil
}

// Unmarshal takes what Marshal gave, in the place of what is known. What makes
// no sense in it is passed over: the worst that it costs is one more attempt of
// a machine.
func (t *Table) Unmarshal(b []byte) error {
	var s saved
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("reading what boots have taught: %v", err)
	}
	if s.Version != version {
		return fmt.Errorf("reading what boots have taught: version %d is not known, %d is", s.Version, version)
	}
	style := func(c string) bool { return model.Style(c).Known() }
	file := func(c string) bool {
		return c != "" && len(c) <= 64 && !strings.ContainsAny(c, "/\\") && strings.IndexFunc(c, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	}
	offers, loaders := s.Offers.ladder(style), s.Loaders.ladder(file)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offers, t.loaders = offers, loaders
	t.changes++
	t.teach()
	return nil
}

// ladder makes one of what was saved, within its bounds.
func (s savedLadder) ladder(sound func(string) bool) *ladder {
	l := newLadder()
	for key, m := range s.Machines {
		if m != nil && sound(m.At) && !slices.ContainsFunc(m.Failed, func(c string) bool { return !sound(c) }) &&
			len(l.machines) < maxMachines && (len(m.Failed) > 0 || m.Works) {
			l.machines[key] = m
		}
	}
	for key, g := range s.Models {
		if g != nil && sound(g.At) && sound(g.Base) && !slices.ContainsFunc(g.Tried, func(c string) bool { return !sound(c) }) &&
			len(g.Failed) <= enough && len(l.models) < maxModels {
			l.models[key] = g
		}
	}
	return l
}

// Known is one line of what has been learned, for people and programs.
type Known struct {
	About  string   `json:"about"` // offer or loader
	Of     string   `json:"of"`    // a MAC address, with the architecture for boot programs, or a model
	Model  bool     `json:"model"` // Of is a model
	Choice string   `json:"choice"`
	Works  bool     `json:"works"`            // it has worked; else it is tried next
	Failed []string `json:"failed,omitempty"` // what was tried before
	Stuck  bool     `json:"stuck,omitempty"`  // nothing is left to try
}

// List gives all that differs from what everybody gets, in order.
func (t *Table) List() []Known {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []Known
	for _, l := range []struct {
		about string
		*ladder
	}{{Offers, t.offers}, {Loaders, t.loaders}} {
		for _, key := range slices.Sorted(maps.Keys(l.machines)) {
			m := l.machines[key]
			all = append(all, Known{l.about, key, false, m.At, m.Works, slices.Clone(m.Failed), m.Out})
		}
		for _, key := range slices.Sorted(maps.Keys(l.models)) {
			if g := l.models[key]; g.At != g.Base {
				all = append(all, Known{l.about, key, true, g.At, g.Works, slices.Clone(g.Tried), false})
			}
		}
	}
	return all
}

// Forget drops what is known of a machine, by its MAC address, or of a model;
// "" drops everything. It reports whether there was anything.
func (t *Table) Forget(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := false
	for _, l := range []*ladder{t.offers, t.loaders} {
		for key := range l.machines {
			if who == "" || key == who || strings.HasPrefix(key, who+" ") {
				delete(l.machines, key)
				found = true
			}
		}
		for key := range l.models {
			if who == "" || key == who {
				delete(l.models, key)
				found = true
			}
		}
	}
	if found {
		t.changes++
		t.teach()
	}
	return found
}

// Stuck reports whether nothing is left to try with a machine: about Offers or
// Loaders.
func (t *Table) Stuck(about string, mac model.MAC, arch model.Arch) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	l, key := t.offers, offerKey(mac)
	if about == Loaders {
		l, key = t.loaders, loaderKey(mac, arch)
	}
	m := l.machines[key]
	return m != nil && m.Out
}
