package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// MaxSize is the most octets a file may have. Thousands of machines fit; what
// is larger is not a configuration.
const MaxSize = 1 << 20

// Parse reads hobnail.toml. file is its name as the user gave it, for faults
// and reasons; nothing is opened. Either the configuration is without faults,
// or it is nil and every fault is listed, in the order of the file. A syntax
// error stands alone, as nothing else can be told with certainty.
func Parse(file string, data []byte) (*Config, []Fault) { return ParseWith(file, data, nil) }

// Library gives the processors of the images that were added to a data folder,
// by their names: targets besides those of [[image]]. nil stands for none.
type Library func(data string) map[string]model.CPU

// ParseWith is Parse where images have been added beside the file. library is
// asked once, when the file has been read.
func ParseWith(file string, data []byte, library Library) (*Config, []Fault) {
	if len(data) > MaxSize {
		return nil, []Fault{{File: file,
			Text: fmt.Sprintf("the file has %d octets; at most %d are read", len(data), MaxSize)}}
	}
	// Windows editors begin UTF-8 with a byte order mark; TOML 1.0 has none.
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	src := newSource(file, data[:len(data):len(data)])
	r := &report{src: src}
	d := &draft{src: src, report: r, cfg: Default(), library: library}
	d.cfg.File = file
	if root := buildTree(src, r); root != nil {
		d.read(root)
		if library != nil {
			d.added = library(d.cfg.Server.Data)
		}
		d.check()
	}
	if faults := r.faults(); len(faults) > 0 {
		return nil, faults
	}
	return d.finish(), nil
}

// draft is a configuration as far as it has been read, with the places of
// what has to be compared once everything is known.
type draft struct {
	src    *source
	report *report
	cfg    *Config

	dhcp     located[model.Mode]   // [server] dhcp
	upstream []located[netip.Addr] // [server] upstream
	subnets  []*subnetDraft
	machines []*machineDraft
	rules    []*ruleDraft
	images   []*imageDraft
	targets  []target
	library  Library
	added    map[string]model.CPU // what library gave
}

// read takes every section in, [server] first: paths and modes of the others
// build on it.
func (d *draft) read(root *table) {
	d.unknownSections(root)
	d.readServer(openSection("server", d.oneTable(root, "server"), d.report))
	d.readBoot(openSection("boot", d.oneTable(root, "boot"), d.report))
	d.readTFTP(openSection("tftp", d.oneTable(root, "tftp"), d.report))
	d.readHTTP(openSection("http", d.oneTable(root, "http"), d.report))
	d.readHistory(openSection("history", d.oneTable(root, "history"), d.report))
	d.readInstall(openSection("install", d.oneTable(root, "install"), d.report))
	for _, t := range d.manyTables(root, "subnet") {
		d.readSubnet(openSection("subnet", t, d.report))
	}
	for _, t := range d.manyTables(root, "machine") {
		d.readMachine(openSection("machine", t, d.report))
	}
	for _, t := range d.manyTables(root, "rule") {
		d.readRule(openSection("rule", t, d.report))
	}
	for _, t := range d.manyTables(root, "image") {
		d.readImage(openSection("image", t, d.report))
	}
}

func (d *draft) unknownSections(root *table) {
	for _, k := range root.keys {
		if single(k) || repeats(k) || d.report.full() {
			continue
		}
		advice := didYouMean(k, sections())
		if homes := sectionsWith(k); len(homes) > 0 {
			advice = "; the key " + k + " belongs under " + strings.Join(homes, ", ")
		}
		d.report.add(root.entries[k].at, "%s is no section; the file holds %s%s", quote(k),
			"[server], [boot], [tftp], [http], [history], [install], [[subnet]], [[machine]], [[rule]] and [[image]]", advice)
	}
}

// sectionsWith lists the sections that have a key.
func sectionsWith(name string) []string {
	var all []string
	for _, s := range sections() {
		if slices.Contains(names(keysOf(s)), name) {
			all = append(all, s)
		}
	}
	return all
}

// oneTable gives a section that stands once; an empty one if it is missing.
func (d *draft) oneTable(root *table, name string) *table {
	e, ok := root.entries[name]
	switch {
	case !ok:
	case e.val.kind == kindTable:
		return e.val.table
	default:
		advice := ""
		if homes := sectionsWith(name); len(homes) > 0 {
			advice = "; the key " + name + " belongs under " + strings.Join(homes, ", ")
		}
		d.report.add(e.at, "%s is %s; write it as a table, [%s]%s", name, e.val.kind, name, advice)
	}
	return newTable(0, byHeader)
}

// manyTables gives a section that can stand many times.
func (d *draft) manyTables(root *table, name string) []*table {
	e, ok := root.entries[name]
	if !ok {
		return nil
	}
	items := e.val.items
	if e.val.kind != kindList {
		items = []*node{{at: e.at, kind: kindText}}
	}
	var all []*table
	for _, n := range items {
		if n.kind == kindTable {
			all = append(all, n.table)
			continue
		}
		d.report.add(n.at, "%s is not a list of tables; write each as [[%s]]", name, name)
	}
	return all
}

// check compares the sections with each other, once all are read.
func (d *draft) check() {
	for _, n := range d.subnets {
		d.checkSubnet(n)
	}
	d.checkOverlap()
	d.checkLinks()
	d.checkServing()
	d.checkUpstream()
	d.checkMachines()
	d.checkImages()
	d.checkTargets()
	d.checkRules()
}

// finish copies what was read, without its places, into the configuration.
func (d *draft) finish() *Config {
	for _, s := range d.subnets {
		d.cfg.Subnets = append(d.cfg.Subnets, s.Subnet)
	}
	for _, m := range d.machines {
		d.cfg.Machines = append(d.cfg.Machines, m.Machine)
	}
	for _, r := range d.rules {
		d.cfg.Rules = append(d.cfg.Rules, r.Rule)
	}
	for _, i := range d.images {
		d.cfg.Images = append(d.cfg.Images, i.Image)
	}
	return d.cfg
}
