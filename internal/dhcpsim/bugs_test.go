package dhcpsim

import (
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
)

// within is how many seeds a planted bug may take: fewer than are played of
// the real server, so that one of its kind would be found there.
const within = 3000

// bugs are mistakes that servers make, or have made.
var bugs = []*Bug{
	{Name: "ACK before the sync", leases: func(s *server, l dhcp.Leases) dhcp.Leases { return &eager{Leases: l} }},
	{Name: "a failed commit is ignored", leases: func(s *server, l dhcp.Leases) dhcp.Leases { return careless{l} }},
	{Name: "a failed sync is tried again", disk: func(s *server, d lease.Folder) lease.Folder { return stubborn{d} }},
	{Name: "offers are forgotten, and a lease is seen when it is on the disk", leases: func(s *server, l dhcp.Leases) dhcp.Leases {
		return &slowToSee{Leases: l}
	}},
	{Name: "a lease ends one second early", leases: func(s *server, l dhcp.Leases) dhcp.Leases {
		return hasty{l, policy.Margin + time.Second}
	}},
	{Name: "the record says less than the ACK", leases: func(s *server, l dhcp.Leases) dhcp.Leases {
		return edited{l, func(l *model.Lease) { l.Expires = l.Start.Add(s.w.site.lease / 2) }}
	}},
	{Name: "the record has no end", leases: func(s *server, l dhcp.Leases) dhcp.Leases {
		return edited{l, func(l *model.Lease) { l.Expires = time.Time{} }}
	}},
	{Name: "anybody may release", ingress: asHolder(dhcp4.Release, func(p *dhcp4.Packet) netip.Addr { return p.CIAddr })},
	{Name: "anybody may decline", ingress: asHolder(dhcp4.Decline, requested)},
	{Name: "a DECLINE is ignored", ingress: func(s *server, b []byte) []byte {
		if dhcp4.PeekType(b) == dhcp4.Decline {
			return nil
		}
		return b
	}},
	{Name: "the share is ignored", share: "1/1"},
	{Name: "another server's client is refused", ingress: forUs},
	{Name: "what a full disk left of a record stays in the log", disk: func(s *server, d lease.Folder) lease.Folder { return appending{d} }},
	{Name: "a clock that is set is believed at once", wall: true},
	{Name: "a machine's record is not looked for", leases: func(s *server, l dhcp.Leases) dhcp.Leases { return forgetful{l} }},
	{Name: "a restart forgets", disk: func(s *server, d lease.Folder) lease.Folder { return blank{d} }},
	{Name: "the oldest record counts after a restart", leases: func(s *server, l dhcp.Leases) dhcp.Leases {
		return oldest{l, s.disk.firstRecords()}
	}},
}

// TestPlantedBugs: each is found, by as many seeds as the log says.
func TestPlantedBugs(t *testing.T) {
	for _, bug := range bugs {
		t.Run(bug.Name, func(t *testing.T) {
			v, _ := search(1, within, bug)
			if v == nil {
				t.Fatalf("not found by %d seeds", within)
			}
			t.Logf("found by seed %d, after %v: %s", v.Seed, v.At.Round(time.Millisecond), v.What)
		})
	}
}

// eager says that a commit is done, and does it when it has time.
type eager struct {
	dhcp.Leases
	late uint64 // the ticket from which on nothing is committed yet; 0: nothing waits
}

func (e *eager) Stage(c policy.LeaseChange) (uint64, error) {
	if from := e.late; from > 0 {
		e.late = 0
		if err := e.Leases.Commit(from); err != nil {
			return from, err
		}
	}
	return e.Leases.Stage(c)
}

func (e *eager) Commit(from uint64) error {
	if e.late == 0 {
		e.late = from
	}
	return nil
}

type careless struct{ dhcp.Leases }

func (c careless) Commit(from uint64) error {
	c.Leases.Commit(from)
	return nil
}

// slowToSee keeps no offers, and stages a lease when it is to be committed.
type slowToSee struct {
	dhcp.Leases
	decided []policy.LeaseChange
}

func (l *slowToSee) Stage(c policy.LeaseChange) (uint64, error) {
	switch c.Kind {
	case policy.Hold:
		return 0, nil
	case policy.Bind:
		l.decided = append(l.decided, c)
		return 1, nil
	}
	l.decided = append(l.decided, c)
	return 1, nil // any ticket: it is taken when the lease is staged
}

func (l *slowToSee) Commit(uint64) error {
	var first uint64
	for _, c := range l.decided {
		ticket, err := l.Leases.Stage(c)
		if err != nil {
			return err
		}
		if first == 0 {
			first = ticket
		}
	}
	l.decided = nil
	if first == 0 {
		return nil
	}
	return l.Leases.Commit(first)
}

// hasty takes leases for ended early.
type hasty struct {
	dhcp.Leases
	by time.Duration
}

func (h hasty) ByAddr(a netip.Addr) (model.Lease, bool) {
	l, ok := h.Leases.ByAddr(a)
	l.Expires = l.Expires.Add(-h.by)
	return l, ok
}

func (h hasty) ByKey(n netip.Prefix, key model.MAC) (model.Lease, bool) {
	l, ok := h.Leases.ByKey(n, key)
	l.Expires = l.Expires.Add(-h.by)
	return l, ok
}

func (h hasty) Free(r []policy.Range, start int64, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	return h.Leases.Free(r, start, now.Add(h.by), skip)
}

// edited stores something else than was decided.
type edited struct {
	dhcp.Leases
	edit func(*model.Lease)
}

func (e edited) Stage(c policy.LeaseChange) (uint64, error) {
	if c.Kind == policy.Bind {
		e.edit(&c.Lease)
	}
	return e.Leases.Stage(c)
}

// forgetful knows addresses, but not machines.
type forgetful struct{ dhcp.Leases }

func (forgetful) ByKey(netip.Prefix, model.MAC) (model.Lease, bool) { return model.Lease{}, false }

// oldest believes the first record of an address until it writes one itself.
type oldest struct {
	dhcp.Leases
	records map[netip.Addr]model.Lease
}

func (d *disk) firstRecords() map[netip.Addr]model.Lease {
	all := map[netip.Addr]model.Lease{}
	lease.ReadIn(d, logName, func(l model.Lease) {
		if _, known := all[l.Address]; !known {
			all[l.Address] = l
		}
	})
	return all
}

func (o oldest) ByAddr(a netip.Addr) (model.Lease, bool) {
	if l, ok := o.records[a]; ok {
		return l, true
	}
	return o.Leases.ByAddr(a)
}

func (o oldest) Stage(c policy.LeaseChange) (uint64, error) {
	delete(o.records, c.Lease.Address)
	return o.Leases.Stage(c)
}

// blank is a disk on which nothing is found.
type blank struct{ lease.Folder }

func (blank) Open(string) (lease.File, error) { return nil, fs.ErrNotExist }

// stubborn is a disk whose syncs are repeated until they succeed.
type stubborn struct{ lease.Folder }

func (d stubborn) Create(name string) (lease.File, error) {
	f, err := d.Folder.Create(name)
	return stubbornFile{f}, err
}

type stubbornFile struct{ lease.File }

func (f stubbornFile) Sync() error {
	for f.File.Sync() != nil {
	}
	return nil
}

// appending is a disk whose files can only grow.
type appending struct{ lease.Folder }

func (d appending) Create(name string) (lease.File, error) {
	f, err := d.Folder.Create(name)
	return appendingFile{f}, err
}

type appendingFile struct{ lease.File }

func (f appendingFile) Truncate(int64) error { return nil }

func (f appendingFile) WriteAt(b []byte, _ int64) (int, error) {
	end, err := f.Size()
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, end)
}

// asHolder has a server take a message for the holder's of the address in it.
func asHolder(kind dhcp4.MessageType, address func(*dhcp4.Packet) netip.Addr) func(*server, []byte) []byte {
	return func(s *server, b []byte) []byte {
		p, err := dhcp4.Parse(b)
		if err != nil || p.Type() != kind {
			return b
		}
		for _, m := range s.w.machines {
			if l, ok := s.table.ByAddr(address(p)); ok && l.MAC == m.key() {
				p.CHAddr = m.mac
			}
		}
		return encode(p)
	}
}

func requested(p *dhcp4.Packet) netip.Addr {
	a, _ := p.Options.Addr(dhcp4.OptRequestedAddr)
	return a
}

// forUs has a server take every REQUEST for its own.
func forUs(s *server, b []byte) []byte {
	p, err := dhcp4.Parse(b)
	if err != nil || p.Type() != dhcp4.Request {
		return b
	}
	for i, o := range p.Options {
		if o.Code == dhcp4.OptServerID {
			a := s.addr.As4()
			p.Options[i].Data = a[:]
		}
	}
	return encode(p)
}
