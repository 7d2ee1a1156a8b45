package machines

import (
	"maps"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
)

// Snapshot is all that is known at one moment. It never changes; finding a
// machine in it is a lookup.
type Snapshot struct {
	revision   uint64
	configured []model.Machine

	known    map[string]*known
	byMAC    map[model.MAC][]*known
	byUUID   map[model.UUID][]*known // canonical
	bySerial map[string][]*known     // serialKey
	byID     map[string][]*known

	sights   map[string]sight
	installs map[string]*model.Install
	pending  map[string]*Pending // by waitKey
	waiting  map[model.MAC][]*Pending
	denied   map[string]*Denied // by waitKey
}

// Machine gives a machine by its name; nil if there is none.
func (s *Snapshot) Machine(name string) *model.Machine {
	if k := s.known[name]; k != nil {
		return &k.Machine
	}
	return nil
}

// Machines lists all, by name: those of the configuration as well.
func (s *Snapshot) Machines() []*model.Machine {
	all := make([]*model.Machine, 0, len(s.known))
	for _, k := range s.known {
		all = append(all, &k.Machine)
	}
	slices.SortFunc(all, func(a, b *model.Machine) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Configured reports whether a machine is in the configuration.
func (s *Snapshot) Configured(name string) bool {
	k := s.known[name]
	return k != nil && k.config
}

// SeenWith gives the UUID that a machine sent first, where nobody wrote down its
// own, and the UUIDs of others that were seen with its MAC addresses.
func (s *Snapshot) SeenWith(name string) (first model.UUID, others []model.UUID) {
	k := s.known[name]
	if k == nil {
		return "", nil
	}
	for _, o := range k.sight.Others {
		if !slices.Contains(others, o.UUID) {
			others = append(others, o.UUID)
		}
	}
	return k.sight.UUID, others
}

// Install gives the order for a machine as it is at a time; nil if there is
// none.
func (s *Snapshot) Install(name string, now time.Time) *model.Install {
	i := s.installs[name]
	if i == nil {
		return nil
	}
	at, _ := Expire(*i, now)
	return &at
}

// Installs lists the orders as they are at a time, by the names of machines.
func (s *Snapshot) Installs(now time.Time) []model.Install {
	all := make([]model.Install, 0, len(s.installs))
	for _, i := range s.installs {
		at, _ := Expire(*i, now)
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b model.Install) int { return strings.Compare(a.Machine, b.Machine) })
	return all
}

// Pending lists the machines that wait, by number.
func (s *Snapshot) Pending() []*Pending {
	all := slices.Collect(maps.Values(s.pending))
	byNumber(all)
	return all
}

func byNumber(all []*Pending) {
	slices.SortFunc(all, func(a, b *Pending) int { return a.Number - b.Number })
}

// Denied lists the machines that were denied and still are at a time.
func (s *Snapshot) Denied(now time.Time) []*Denied {
	var all []*Denied
	for _, d := range s.denied {
		if d.holds(now) {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b *Denied) int { return strings.Compare(waitKey(a.MAC, a.UUID), waitKey(b.MAC, b.UUID)) })
	return all
}

func (d *Denied) holds(now time.Time) bool { return d.Until.IsZero() || now.Before(d.Until) }

// waits finds a machine among those that wait. Not every stage of a boot sends a
// UUID: one without is the one that waits with its MAC address, if only one does.
func (s *Snapshot) waits(seen Seen) *Pending {
	if p := s.pending[waitKey(seen.MAC, seen.UUID)]; p != nil {
		return p
	}
	if seen.MAC == "" || canonical(seen.UUID) != "" || len(s.waiting[seen.MAC]) != 1 {
		return nil
	}
	return s.waiting[seen.MAC][0]
}

// isDenied finds a machine among those that were denied.
func (s *Snapshot) isDenied(seen Seen, now time.Time) *Denied {
	if d := s.denied[waitKey(seen.MAC, seen.UUID)]; d != nil && d.holds(now) {
		return d
	}
	return nil
}

// readSnapshot reads everything.
func readSnapshot(b *book, configured []model.Machine) (*Snapshot, error) {
	revision, err := b.revision()
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		revision: revision, configured: configured, sights: map[string]sight{}, installs: map[string]*model.Install{},
		pending: map[string]*Pending{}, waiting: map[model.MAC][]*Pending{}, denied: map[string]*Denied{},
	}
	records, err := b.records()
	if err != nil {
		return nil, err
	}
	if err := each(b, sightKey, func(name string, v *sight) error { s.sights[name] = *v; return nil }); err != nil {
		return nil, err
	}
	if err := each(b, installKey, func(name string, v *model.Install) error { s.installs[name] = v; return nil }); err != nil {
		return nil, err
	}
	if err := each(b, deniedKey, func(key string, v *Denied) error { s.denied[key] = v; return nil }); err != nil {
		return nil, err
	}
	err = each(b, pendingKey, func(key string, v *Pending) error {
		s.pending[key] = v
		s.waiting[v.MAC] = append(s.waiting[v.MAC], v)
		byNumber(s.waiting[v.MAC])
		return nil
	})
	s.known = make(map[string]*known, len(records)+len(configured))
	s.byMAC, s.byUUID = make(map[model.MAC][]*known, len(records)), make(map[model.UUID][]*known, len(records))
	s.bySerial, s.byID = make(map[string][]*known, len(records)), map[string][]*known{}
	for i := range configured {
		s.add(&known{configured[i], s.sights[configured[i].Name], true})
	}
	for name, r := range records {
		s.add(&known{r.Machine(), s.sights[name], false})
	}
	return s, err
}

// add indexes a machine. The configuration's come first wherever several have
// the same, and of two of one name it has the only.
func (s *Snapshot) add(k *known) {
	if old := s.known[k.Name]; old != nil && old.config {
		return
	}
	s.known[k.Name] = k
	for _, mac := range k.MACs {
		index(s.byMAC, mac, k)
	}
	if u := canonical(k.UUID); u != "" {
		index(s.byUUID, u, k)
	}
	if n := serialKey(k.Serial); n != "" {
		index(s.bySerial, n, k)
	}
	for _, id := range k.ClientIDs {
		index(s.byID, id, k)
	}
}

// index adds a machine to a list, in an order that does not depend on when it
// came: lists of older snapshots stay as they are.
func index[K comparable](m map[K][]*known, key K, k *known) {
	m[key] = slices.SortedFunc(slices.Values(append(slices.Clone(m[key]), k)), func(a, b *known) int {
		switch {
		case a.config && !b.config:
			return -1
		case b.config && !a.config:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// remove takes a machine out of the indexes.
func (s *Snapshot) remove(k *known) {
	delete(s.known, k.Name)
	for _, mac := range k.MACs {
		unindex(s.byMAC, mac, k)
	}
	unindex(s.byUUID, canonical(k.UUID), k)
	unindex(s.bySerial, serialKey(k.Serial), k)
	for _, id := range k.ClientIDs {
		unindex(s.byID, id, k)
	}
}

func unindex[K comparable](m map[K][]*known, key K, k *known) {
	left := slices.DeleteFunc(slices.Clone(m[key]), func(o *known) bool { return o == k })
	if len(left) == 0 {
		delete(m, key)
		return
	}
	m[key] = left
}

// next is the snapshot of a later moment: what changed is read, and only the
// tables that it is in are copied.
func (s *Snapshot) next(b *book) (*Snapshot, error) {
	revision, err := b.revision()
	if err != nil || revision == s.revision {
		return s, err
	}
	keys, all, err := b.changesSince(s.revision, revision)
	if err != nil {
		return nil, err
	}
	if all {
		return readSnapshot(b, s.configured)
	}
	n := *s
	n.revision = revision
	slices.Sort(keys)
	copied := map[string]bool{}
	for _, key := range slices.Compact(keys) {
		if err := n.read(b, key, copied); err != nil {
			return nil, err
		}
	}
	return &n, nil
}

// read reads one key anew. copied says which tables are n's own by now.
func (s *Snapshot) read(b *book, key string, copied map[string]bool) error {
	first := func(table string) bool {
		was := copied[table]
		copied[table] = true
		return !was
	}
	switch kind, rest, _ := strings.Cut(key, "/"); kind + "/" {
	case recordKey, sightKey:
		if first("machines") {
			s.known, s.byMAC, s.byUUID = maps.Clone(s.known), maps.Clone(s.byMAC), maps.Clone(s.byUUID)
			s.bySerial, s.byID, s.sights = maps.Clone(s.bySerial), maps.Clone(s.byID), maps.Clone(s.sights)
		}
		return s.readMachine(b, rest)
	case installKey:
		if first("installs") {
			s.installs = maps.Clone(s.installs)
		}
		return reread(b, key, rest, s.installs)
	case deniedKey:
		if first("denied") {
			s.denied = maps.Clone(s.denied)
		}
		return reread(b, key, rest, s.denied)
	case pendingKey:
		if first("pending") {
			s.pending, s.waiting = maps.Clone(s.pending), maps.Clone(s.waiting)
		}
		old := s.pending[rest]
		if err := reread(b, key, rest, s.pending); err != nil {
			return err
		}
		mac := model.MAC(strings.SplitN(rest, "/", 2)[0])
		list := slices.DeleteFunc(slices.Clone(s.waiting[mac]), func(p *Pending) bool { return p == old })
		if p := s.pending[rest]; p != nil {
			list = append(list, p)
			byNumber(list)
		}
		s.waiting[mac] = list
		if len(list) == 0 {
			delete(s.waiting, mac)
		}
	}
	return nil
}

func reread[T any](b *book, key, name string, table map[string]*T) error {
	v := new(T)
	ok, err := b.get(key, v)
	if ok {
		table[name] = v
	} else {
		delete(table, name)
	}
	return err
}

// readMachine reads a machine anew, with what it was seen with.
func (s *Snapshot) readMachine(b *book, name string) error {
	var at sight
	saw, err := b.get(sightKey+name, &at)
	if err != nil {
		return err
	}
	delete(s.sights, name)
	if saw {
		s.sights[name] = at
	}
	old := s.known[name]
	if old != nil {
		s.remove(old)
	}
	if old != nil && old.config {
		s.add(&known{old.Machine, at, true})
		return nil
	}
	var r Record
	ok, err := b.get(recordKey+name, &r)
	if ok {
		s.add(&known{r.Machine(), at, false})
	}
	return err
}

// Records lists the machines of the store as files have them, by name.
func (s *Snapshot) Records() []Record {
	all := []Record{}
	for _, m := range s.Machines() {
		if !s.Configured(m.Name) {
			all = append(all, Record{m.Name, m.MACs, m.UUID, m.Serial, m.ClientIDs, m.Address, m.Boot, m.Loader, m.Vars, m.Tags, m.Notes, m.By, m.Approved})
		}
	}
	return all
}
