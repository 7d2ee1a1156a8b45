package machines

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hobnail/internal/model"
)

// DefaultName is the pattern of names where nobody gives another.
const DefaultName = "pc-{mac}"

// waiting reads the machines that wait, by number.
func (w *work) waiting() ([]*Pending, error) {
	var all []*Pending
	err := each(w.book, pendingKey, func(_ string, p *Pending) error { all = append(all, p); return nil })
	byNumber(all)
	return all, err
}

// is reports whether a word means the machine: its number, MAC address or UUID.
func (p *Pending) is(word string) bool {
	if n, err := strconv.Atoi(word); err == nil && len(word) < 6 {
		return n == p.Number
	}
	return means(word, p.MAC, p.UUID)
}

func means(word string, mac model.MAC, uuid model.UUID) bool {
	if m, err := model.ParseMAC(word); err == nil {
		return m == mac
	}
	u, err := model.ParseUUID(word)
	return err == nil && uuid.Same(u)
}

// picked gives the machine that a word means.
func picked(word string, all []*Pending, wrong *faults) *Pending {
	var found *Pending
	for _, p := range all {
		if !p.is(word) {
			continue
		}
		if found != nil {
			wrong.add(0, "%s is that of numbers %d and %d; name one by its number", word, found.Number, p.Number)
			return nil
		}
		found = p
	}
	if found == nil {
		wrong.add(0, "no machine that waits is %s; hobnail machines pending shows them", word)
	}
	return found
}

func (w *work) approve(o Order) error {
	if o.Approve == nil {
		return nil
	}
	all, err := w.waiting()
	if err != nil {
		return err
	}
	records, err := w.records()
	if err != nil {
		return err
	}
	var wrong faults
	names := map[*Pending]string{}
	if o.Approve.All {
		for _, p := range all {
			names[p] = ""
		}
		if len(all) == 0 {
			wrong.add(0, "no machine waits to be named")
		}
	}
	for _, pick := range o.Approve.Which {
		if p := picked(pick.Who, all, &wrong); p != nil {
			names[p] = pick.Name
		}
	}
	taken := func(name string) bool { return records[name] != nil || w.configuredAt(name) != "" }
	var fresh []string
	count := 0
	for _, p := range all {
		name, ok := names[p]
		if !ok {
			continue
		}
		if name == "" {
			if name, err = nameFor(o.Approve.Name, p, &count, taken); err != nil {
				wrong.add(0, "number %d: %v", p.Number, err)
				continue
			}
		}
		if taken(name) {
			wrong.add(0, "number %d: there is a machine %s already; give another name", p.Number, name)
			continue
		}
		r := &Record{Name: name, UUID: p.UUID, Boot: o.Approve.Boot, Tags: o.Approve.Tags, By: w.by, Approved: w.now}
		if p.MAC != "" {
			r.MACs = []model.MAC{p.MAC}
		}
		if serialKey(p.Serial) != "" {
			r.Serial = p.Serial
		}
		if err := r.check(); err != nil {
			wrong.add(0, "number %d: %v", p.Number, err)
			continue
		}
		records[name], fresh = r, append(fresh, name)
		w.res.Machines = append(w.res.Machines, *p)
		if err := w.dropPending(waitKey(p.MAC, p.UUID), p); err != nil {
			return err
		}
		if err := w.save(r, nil); err != nil {
			return err
		}
	}
	w.owners(records, fresh, func(name, text string) { wrong.add(0, "%s: %s", name, text) })
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// nameFor fills in a pattern. count is the last number that {n} had.
func nameFor(pattern string, p *Pending, count *int, taken func(string) bool) (string, error) {
	if pattern == "" {
		pattern = DefaultName
	}
	serial := strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+digits+"-", r) {
			return r
		}
		return -1
	}, p.Serial)
	if strings.Contains(pattern, "{serial}") && serialKey(p.Serial) == "" {
		return "", fmt.Errorf("it has no serial number for the name %s", pattern)
	}
	if strings.Contains(pattern, "{mac}") && p.MAC == "" {
		return "", fmt.Errorf("it has no MAC address for the name %s", pattern)
	}
	name := strings.NewReplacer("{serial}", serial, "{mac}", p.MAC.Hex()).Replace(pattern)
	before, rest, counts := strings.Cut(name, "{n")
	if !counts {
		return name, nil
	}
	more, after, closed := strings.Cut(rest, "}")
	if !closed || strings.Trim(more, "n") != "" {
		return "", fmt.Errorf("name %q is no pattern; allowed are {n}, {nn}, {nnn}, {mac} and {serial}", pattern)
	}
	for {
		*count++
		if name := fmt.Sprintf("%s%0*d%s", before, 1+len(more), *count, after); !taken(name) {
			return name, nil
		}
	}
}

func (w *work) deny(o Order) error {
	if o.Deny == nil {
		return nil
	}
	if o.Deny.Lift {
		return w.lift(o.Deny)
	}
	all, err := w.waiting()
	if err != nil {
		return err
	}
	var wrong faults
	chosen := map[*Pending]bool{}
	if o.Deny.All {
		for _, p := range all {
			chosen[p] = true
		}
		if len(all) == 0 {
			wrong.add(0, "no machine waits to be named")
		}
	}
	for _, word := range o.Deny.Which {
		if p := picked(word, all, &wrong); p != nil {
			chosen[p] = true
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	if err := w.forgetDenied(len(chosen)); err != nil {
		return err
	}
	for _, p := range slices.SortedFunc(maps.Keys(chosen), func(a, b *Pending) int { return a.Number - b.Number }) {
		d := Denied{MAC: p.MAC, UUID: p.UUID, Serial: p.Serial, By: w.by, Time: w.now}
		if o.Deny.For > 0 {
			d.Until = w.now.Add(o.Deny.For)
		}
		key := waitKey(p.MAC, p.UUID)
		if err := w.put(deniedKey+key, d); err != nil {
			return err
		}
		if err := w.dropPending(key, p); err != nil {
			return err
		}
		w.res.Machines = append(w.res.Machines, *p)
	}
	return nil
}

// forgetDenied drops denials that are over, and the oldest where n more would
// be too many.
func (w *work) forgetDenied(n int) error {
	var left []*Denied
	var over []string
	err := each(w.book, deniedKey, func(key string, d *Denied) error {
		if d.holds(w.now) {
			left = append(left, d)
		} else {
			over = append(over, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(left, func(a, b *Denied) int { return a.Time.Compare(b.Time) })
	for _, d := range left[:min(max(0, len(left)+n-maxPending), len(left))] {
		over = append(over, waitKey(d.MAC, d.UUID))
	}
	for _, key := range over {
		if err := w.delete(deniedKey + key); err != nil {
			return err
		}
	}
	return nil
}

// lift lets machines that were denied wait again.
func (w *work) lift(d *Denial) error {
	found := make([]bool, len(d.Which))
	var keys []string
	err := each(w.book, deniedKey, func(key string, one *Denied) error {
		hit := d.All
		for i, word := range d.Which {
			if means(word, one.MAC, one.UUID) {
				hit, found[i] = true, true
			}
		}
		if hit {
			keys = append(keys, key)
			w.res.Machines = append(w.res.Machines, Pending{MAC: one.MAC, UUID: one.UUID, Serial: one.Serial})
		}
		return nil
	})
	if err != nil {
		return err
	}
	var wrong faults
	for i, word := range d.Which {
		if !found[i] {
			wrong.add(0, "no machine that was denied is %s; hobnail machines pending --denied shows them", word)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	for _, key := range keys {
		if err := w.delete(deniedKey + key); err != nil {
			return err
		}
	}
	return nil
}
