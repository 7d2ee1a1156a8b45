package machines

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
)

// Order is what a person wants done, as data: it is carried out in one
// transaction, all of it or nothing, by whoever holds the store.
type Order struct {
	By      string        `json:"by"` // who wants it
	Import  *Import       `json:"import,omitempty"`
	Remove  []string      `json:"remove,omitempty"` // names or patterns
	Approve *Approval     `json:"approve,omitempty"`
	Deny    *Denial       `json:"deny,omitempty"`
	Install *InstallOrder `json:"install,omitempty"`
	Cancel  []string      `json:"cancel,omitempty"` // names or patterns
}

// Import has machines named, or what is known of them changed.
type Import struct {
	Rows   []Row `json:"rows"`
	New    bool  `json:"new,omitempty"`     // none may be there yet
	Old    bool  `json:"old,omitempty"`     // all must be there
	DryRun bool  `json:"dry_run,omitempty"` // say what would change, and change nothing
}

// Approval gives names to machines that wait.
type Approval struct {
	Which []Pick `json:"which,omitempty"`
	All   bool   `json:"all,omitempty"`
	// Name is the pattern of names for those without one: {n} counts up, {nn} with
	// a zero before it, {mac} and {serial} are the machine's.
	Name string   `json:"name,omitempty"`
	Boot string   `json:"boot,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// Pick is a machine that waits, by its number, MAC address or UUID, and the name
// that it gets; "": by the pattern.
type Pick struct {
	Who  string `json:"who"`
	Name string `json:"name,omitempty"`
}

// Denial turns machines away that wait.
type Denial struct {
	Which []string      `json:"which,omitempty"` // by number, MAC address or UUID
	All   bool          `json:"all,omitempty"`
	For   time.Duration `json:"for"`            // nanoseconds in JSON; 0: for good
	Lift  bool          `json:"lift,omitempty"` // let those that were denied, by MAC address or UUID, wait again
}

// InstallOrder arms machines.
type InstallOrder struct {
	Names []string `json:"names,omitempty"` // or patterns
	Tags  []string `json:"tags,omitempty"`  // and those that have all of these
	Arming
	Count int `json:"count,omitempty"` // how many machines the person says it is
}

// Result is what was done. With Faults or Need nothing was.
type Result struct {
	Changes  []Change        `json:"changes,omitempty"`
	Installs []model.Install `json:"installs,omitempty"` // ordered or cancelled
	Machines []Pending       `json:"machines,omitempty"` // that were approved or denied
	Faults   []Fault         `json:"faults,omitempty"`
	Need     *Need           `json:"need,omitempty"`
}

// Need says that an order is so large that its number must be said.
type Need struct {
	Machines int `json:"machines"`
	Of       int `json:"of"` // all there are
}

const (
	// freeCount is how many machines one order may install without saying their
	// number, if they are also no more than a tenth of all. One alone always may.
	freeCount = 25
	tenth     = 10
)

// fenced reports whether an order for n of all machines must say its number.
func fenced(n, of int) bool { return n > freeCount || n > 1 && n*tenth > of }

// faults end a transaction with what is wrong.
type faults []Fault

func (f faults) Error() string { return (&Faults{All: f}).Error() }

func (f *faults) add(line int, format string, args ...any) {
	*f = append(*f, Fault{line, fmt.Sprintf(format, args...)})
}

var errUnchanged = errors.New("nothing is to be written")

// Do carries out an order in a store. newID makes what nobody can guess.
func Do(ctx context.Context, s store.Store, configured []model.Machine, o Order, now time.Time, newID func() string) (Result, error) {
	var res Result
	err := update(ctx, s, func(b *book) error {
		res = Result{}
		w := &work{book: b, by: o.By, now: now.UTC(), newID: newID, configured: configured, res: &res}
		for _, do := range []func(Order) error{w.doImport, w.remove, w.approve, w.deny, w.install, w.cancel} {
			if err := do(o); err != nil {
				return err
			}
		}
		return nil
	})
	var wrong faults
	switch {
	case errors.As(err, &wrong):
		return Result{Faults: SortFaults(wrong)}, nil
	case errors.Is(err, errUnchanged):
		return res, nil
	case err != nil:
		return Result{}, fmt.Errorf("changing the machines: %w", err)
	}
	return res, nil
}

// work is an order that is being carried out.
type work struct {
	*book
	by         string
	now        time.Time
	newID      func() string
	configured []model.Machine
	res        *Result
}

// configuredAt says where the configuration names a machine; "" if it does not.
func (w *work) configuredAt(name string) string {
	for i := range w.configured {
		if w.configured[i].Name == name {
			return w.configured[i].Source
		}
	}
	return ""
}

// owners looks for what two machines have that belongs to one: of the
// configuration, of all records, and last of those that are touched by the
// order, in its order, so that fault is told of these.
func (w *work) owners(records map[string]*Record, touched []string, fault func(name, text string)) {
	own := newOwners(len(records) + len(w.configured))
	for i := range w.configured {
		own.add(w.configured[i])
	}
	last := make(map[string]bool, len(touched))
	for _, name := range touched {
		last[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if !last[name] {
			own.add(records[name].Machine()) // they were looked at when they came
		}
	}
	for _, name := range touched {
		for _, text := range own.add(records[name].Machine()) {
			fault(name, text)
		}
	}
}

func (w *work) doImport(o Order) error {
	if o.Import == nil {
		return nil
	}
	records, err := w.records()
	if err != nil {
		return err
	}
	var wrong faults
	lines := map[string]int{}
	var touched []string
	before := map[string]Record{}
	for _, row := range o.Import.Rows {
		name := row.Record.Name
		if _, twice := lines[name]; twice {
			wrong.add(row.Line, "%s is there twice", name)
			continue
		}
		lines[name] = row.Line
		old := records[name]
		at := w.configuredAt(name)
		switch {
		case at != "":
			wrong.add(row.Line, "%s is named in the configuration, %s: change it there, or take it out there first", name, at)
			continue
		case old != nil && o.Import.New:
			wrong.add(row.Line, "%s is there already; hobnail machines set %s changes it", name, name)
			continue
		case old == nil && o.Import.Old:
			wrong.add(row.Line, "there is no machine %s; hobnail machines add %s names one", name, name)
			continue
		}
		next := Record{By: w.by, Approved: w.now}
		if old != nil {
			next, before[name] = *old, *old
		}
		next = row.over(next)
		if err := next.check(); err != nil {
			for _, text := range strings.Split(err.Error(), "\n") {
				wrong.add(row.Line, "%s", text)
			}
			continue
		}
		records[name] = &next
		touched = append(touched, name)
	}
	w.owners(records, touched, func(name, text string) { wrong.add(lines[name], "%s: %s", name, text) })
	if len(wrong) > 0 {
		return wrong
	}
	for _, name := range touched {
		if err := w.save(records[name], before); err != nil {
			return err
		}
	}
	if o.Import.DryRun {
		return errUnchanged
	}
	return nil
}

// save writes a record, and says what changed.
func (w *work) save(r *Record, before map[string]Record) error {
	change := Change{Name: r.Name, What: ChangeAdded}
	if old, ok := before[r.Name]; ok {
		change.What = ChangeChanged
		if change.Fields = compare(old, *r); len(change.Fields) == 0 {
			change.What = ChangeSame
		}
	}
	w.res.Changes = append(w.res.Changes, change)
	if change.What == ChangeSame {
		return nil
	}
	if slices.Contains(change.Fields, fieldMAC) || slices.Contains(change.Fields, fieldUUID) {
		// What the old ones were seen with says nothing of the new.
		if err := w.delete(sightKey + r.Name); err != nil {
			return err
		}
	}
	return w.put(recordKey+r.Name, r)
}

// choose gives the names that are meant by names and patterns, of those that
// there are; in order, each once.
func choose(words []string, names []string, wrong *faults, what, list string) []string {
	var chosen []string
	for _, word := range words {
		if !strings.ContainsAny(word, "*?[") {
			if !slices.Contains(names, word) {
				wrong.add(0, "there is no %s %s; hobnail machines %s shows them", what, word, list)
			}
			chosen = append(chosen, word)
			continue
		}
		n := len(chosen)
		for _, name := range names {
			ok, err := path.Match(word, name)
			if err != nil {
				wrong.add(0, "%q is no pattern: %v", word, err)
				break
			}
			if ok {
				chosen = append(chosen, name)
			}
		}
		if n == len(chosen) {
			wrong.add(0, "no %s is named like %s; hobnail machines %s shows them", what, word, list)
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}

func (w *work) remove(o Order) error {
	if len(o.Remove) == 0 {
		return nil
	}
	var names []string
	if err := each(w.book, recordKey, func(name string, _ *struct{}) error { names = append(names, name); return nil }); err != nil {
		return err
	}
	var wrong faults
	for _, name := range o.Remove {
		if at := w.configuredAt(name); at != "" {
			wrong.add(0, "%s is named in the configuration, %s: take it out there", name, at)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	for _, name := range choose(o.Remove, names, &wrong, "machine", "list") {
		i, err := w.book.install(name)
		if err != nil {
			return err
		}
		if i != nil {
			if at, _ := Expire(*i, w.now); at.State.Open() {
				wrong.add(0, "%s is %s with %s; hobnail machines cancel %s takes that back first", name, at.State, at.Image, name)
				continue
			}
			if err := w.dropInstall(i); err != nil {
				return err
			}
		}
		for _, key := range []string{recordKey + name, sightKey + name} {
			if err := w.delete(key); err != nil {
				return err
			}
		}
		w.res.Changes = append(w.res.Changes, Change{Name: name, What: ChangeRemoved})
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (w *work) install(o Order) error {
	if o.Install == nil {
		return nil
	}
	records, err := w.records()
	if err != nil {
		return err
	}
	machines := map[string]model.Machine{}
	for name, r := range records {
		machines[name] = r.Machine()
	}
	for i := range w.configured {
		machines[w.configured[i].Name] = w.configured[i]
	}
	names := make([]string, 0, len(machines))
	for name := range machines {
		names = append(names, name)
	}
	slices.Sort(names)
	var wrong faults
	chosen := choose(o.Install.Names, names, &wrong, "machine", "list")
	if len(o.Install.Tags) > 0 {
		n := len(chosen)
		for _, name := range names {
			if hasAll(machines[name].Tags, o.Install.Tags) {
				chosen = append(chosen, name)
			}
		}
		if len(chosen) == n {
			wrong.add(0, "no machine has the tags %s", strings.Join(o.Install.Tags, " "))
		}
		slices.Sort(chosen)
		chosen = slices.Compact(chosen)
	}
	if len(wrong) > 0 {
		return wrong
	}
	if n := len(chosen); o.Install.Count != n && (o.Install.Count != 0 || fenced(n, len(names))) {
		w.res.Need = &Need{n, len(names)}
		return errUnchanged
	}
	for _, name := range chosen {
		if err := w.arm(machines[name], o.Install.Arming, &wrong); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func hasAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// arm orders the install of one machine.
func (w *work) arm(m model.Machine, a Arming, wrong *faults) error {
	k := &known{Machine: m}
	if _, err := w.get(sightKey+m.Name, &k.sight); err != nil {
		return err
	}
	if len(k.sight.Others) > 0 && canonical(m.UUID) == "" {
		wrong.add(0, "the MAC address of %s was seen with UUID %s and with %s: say which machine is meant, by uuid (hobnail machines set %s --uuid UUID)",
			m.Name, k.sight.UUID, k.sight.Others[0].UUID, m.Name)
		return nil
	}
	old, err := w.book.install(m.Name)
	if err != nil {
		return err
	}
	a.By = w.by
	i, err := Arm(old, m.Name, k.uuid(), a, w.newID(), w.now)
	if err != nil {
		wrong.add(0, "%v", err)
		return nil
	}
	if old != nil {
		if err := w.dropTokens(old); err != nil {
			return err
		}
	}
	w.res.Installs = append(w.res.Installs, i)
	return w.putInstall(i)
}

func (w *work) cancel(o Order) error {
	if len(o.Cancel) == 0 {
		return nil
	}
	orders := map[string]*model.Install{}
	var names []string
	err := each(w.book, installKey, func(name string, i *model.Install) error {
		orders[name] = i
		names = append(names, name)
		return nil
	})
	if err != nil {
		return err
	}
	var wrong faults
	chosen := choose(o.Cancel, names, &wrong, "install of", "installs")
	if len(wrong) > 0 {
		return wrong
	}
	for _, name := range chosen {
		next, drop := Cancel(*orders[name], w.by, w.now)
		if drop {
			err = w.dropInstall(&next)
		} else {
			err = w.putInstall(next)
		}
		if err != nil {
			return err
		}
		next.Token, next.Begins = "", nil
		w.res.Installs = append(w.res.Installs, next)
	}
	return nil
}
