package config

import (
	"slices"
	"strings"

	"hobnail/internal/model"
)

// ruleDraft is a [[rule]] with the places that checks need.
type ruleDraft struct {
	Rule
	boot    located[string]
	arch    []located[model.Arch]
	machine []located[string]
}

func (d *draft) readRule(s section) {
	r := &ruleDraft{}
	r.At = d.src.at(s.table.at)
	d.rules = append(d.rules, r)

	if v, ok := one(s, "name", parsePrintable); ok {
		r.Name = v.v
	}
	if e, ok := s.table.entries["match"]; ok {
		if e.val.kind == kindTable {
			d.readMatch(r, openSection("match", e.val.table, d.report))
		} else {
			s.wrongKind("match", e.val)
		}
	}
	if v, ok := d.target(s, "boot", model.TargetMenu, model.TargetLocal, model.TargetDeny); ok {
		r.Boot, r.boot = v.v, v
	}
	if v, ok := one(s, "loader", parseLoader); ok {
		r.Loader = v.v
	}
	if v, ok := one(s, "local", parseLocalWay); ok {
		r.Local = v.v
	}
	r.Offer, r.Learn = readLearning(s)
	r.Options = d.readOptions(s)
	if !slices.ContainsFunc([]string{"boot", "loader", "local", "offer", "learn", "options"}, s.has) {
		d.report.add(s.table.at, "[[rule]] decides nothing; give it boot, loader, local, offer, learn or options")
	}
}

// readLearning reads what a section says of the form of offers and of learning
// from boots; empty where it says nothing.
func readLearning(s section) (offer model.Style, learn string) {
	if v, ok := one(s, "offer", parseStyle); ok {
		offer = v.v
	}
	if v, ok := one(s, "learn", parseSwitch); ok {
		learn = "off"
		if v.v {
			learn = "on"
		}
	}
	return offer, learn
}

func (d *draft) readMatch(r *ruleDraft, s section) {
	r.arch = some(s, "arch", parseArch)
	r.machine = some(s, "machine", parseName)
	r.Match = Match{
		MAC:         values(some(s, "mac", parseMACPattern)),
		UUID:        values(some(s, "uuid", parseUUID)),
		Arch:        values(r.arch),
		Firmware:    values(some(s, "firmware", parseFirmware)),
		Subnet:      values(some(s, "subnet", parsePrefix)),
		Relay:       values(some(s, "relay", parseAddr)),
		CircuitID:   values(some(s, "circuit_id", parseOctets)),
		RemoteID:    values(some(s, "remote_id", parseOctets)),
		VendorClass: values(some(s, "vendor_class", parseOctets)),
		UserClass:   values(some(s, "user_class", parseOctets)),
		Machine:     values(r.machine),
	}
}

// checkRules reports machines that do not exist, and images that a machine
// the rule speaks of cannot run.
func (d *draft) checkRules() {
	machines := d.machineNames()
	known := map[string]bool{}
	for _, name := range machines {
		known[name] = true
	}
	index := d.imageIndex()
	for _, r := range d.rules {
		for _, m := range r.machine {
			if !known[m.v] && !d.report.full() {
				d.report.add(m.at, "machine %s is not in the file; allowed are the names of [[machine]]%s",
					quote(m.v), didYouMean(m.v, machines))
			}
		}
		cpu, isImage := index.find(r.boot.v)
		for _, a := range r.arch {
			if isImage && cpu != "" && !a.v.Runs(cpu) {
				d.report.add(r.boot.at, "boot %s is built for %s, which %s does not run; allowed there are %s",
					quote(r.boot.v), cpu, a.v, runnable(a.v))
			}
		}
	}
}

func (d *draft) machineNames() []string {
	var all []string
	for _, m := range d.machines {
		if m.Name != "" {
			all = append(all, m.Name)
		}
	}
	return all
}

// runnable says what a rule for an architecture may boot.
func runnable(a model.Arch) string {
	var kinds []string
	for _, c := range a.CPUs() {
		kinds = append(kinds, "images for "+string(c))
	}
	return strings.Join(append(kinds, "menu", "local", "deny"), ", ")
}
