package isofs

import (
	"cmp"
	"container/list"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// listing is a directory that was read: its entries by name. It does not change.
type listing struct {
	nodes   []*node // sorted by name
	skipped int
	weight  int
}

func (l *listing) find(name string) *node {
	i, ok := slices.BinarySearchFunc(l.nodes, name, func(n *node, s string) int { return cmp.Compare(n.name, s) })
	if !ok {
		return nil
	}
	return l.nodes[i]
}

func (l *listing) fold(name string) *node {
	if n := l.find(name); n != nil {
		return n
	}
	i := slices.IndexFunc(l.nodes, func(n *node) bool { return strings.EqualFold(n.name, name) })
	if i < 0 {
		return nil
	}
	return l.nodes[i]
}

func (l *listing) entries() []fs.DirEntry {
	e := make([]fs.DirEntry, len(l.nodes))
	for i, n := range l.nodes {
		e[i] = info{n, n.name}
	}
	return e
}

// dirs reads directories, keeps the last of them, and sees to it that they form
// a tree.
type dirs struct {
	t     tree
	limit int64 // octets of all directories
	loads chan struct{}

	mu     sync.Mutex
	cached map[int64]*list.Element // by home
	recent *list.List              // of kept, the newest in front
	weight int
	owner  map[int64]record // home of each directory that was met → the entry that it belongs to
	total  int64            // octets of the directories that were met
}

// kept is a directory in the cache.
type kept struct {
	home int64
	*listing
}

// record is an entry of a directory: where that one lies, and where the record.
type record struct{ dir, at int64 }

func newDirs(t tree, size int64) *dirs {
	root := t.root()
	return &dirs{
		t: t, limit: min(maxTreeSize, size), loads: make(chan struct{}, maxLoads),
		cached: map[int64]*list.Element{}, recent: list.New(),
		owner: map[int64]record{root.home: {-1, -1}}, total: root.size,
	}
}

// list gives the entries of a directory, from the cache or from the image.
func (d *dirs) list(dir *node) (*listing, error) {
	if l := d.look(dir.home); l != nil {
		return l, nil
	}
	// Many machines want the same directory at the same time: the first reads
	// it, the others find it in the cache.
	d.loads <- struct{}{}
	defer func() { <-d.loads }()
	if l := d.look(dir.home); l != nil {
		return l, nil
	}
	nodes, skipped, err := d.t.list(dir)
	if err != nil {
		return nil, err
	}
	l := sorted(nodes, skipped)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range l.nodes {
		if n.dir() && n.err == nil {
			n.err = d.adopt(dir, n)
		}
	}
	d.keep(dir.home, l)
	return l, nil
}

func (d *dirs) look(home int64) *listing {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.cached[home]
	if e == nil {
		return nil
	}
	d.recent.MoveToFront(e)
	return e.Value.(kept).listing
}

// sorted orders entries by name; of two with the same name the first stays.
func sorted(nodes []*node, skipped int) *listing {
	slices.SortStableFunc(nodes, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	unique := slices.CompactFunc(nodes, func(a, b *node) bool { return a.name == b.name })
	l := &listing{nodes: unique, skipped: skipped + len(nodes) - len(unique)}
	for _, n := range unique {
		l.weight += n.weight()
	}
	return l
}

// adopt refuses a directory that belongs to another entry already: such images
// have loops, or trees of 2^n paths in n directories. d.mu is held.
func (d *dirs) adopt(parent, n *node) error {
	me := record{parent.home, n.at}
	if owner, ok := d.owner[n.home]; ok {
		if owner != me {
			return fault(n.at, "directory entry", "it leads to the directory at octet %d, which is another entry's: a loop", n.home)
		}
		return nil
	}
	if len(d.owner) >= maxDirs {
		return fault(n.at, "directory entry", "more than %d directories", maxDirs)
	}
	if n.size > d.limit-d.total {
		return fault(n.at, "directory entry", "directories of more than %d octets", d.limit)
	}
	d.owner[n.home] = me
	d.total += n.size
	return nil
}

// keep puts a directory into the cache, unless it would not fit.
// d.mu is held.
func (d *dirs) keep(home int64, l *listing) {
	if l.weight > cacheSize || d.cached[home] != nil {
		return
	}
	d.cached[home] = d.recent.PushFront(kept{home, l})
	d.weight += l.weight
	for d.weight > cacheSize {
		oldest := d.recent.Remove(d.recent.Back()).(kept)
		delete(d.cached, oldest.home)
		d.weight -= oldest.weight
	}
}
