package ramdisk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// node is a file or directory on its way into a volume.
type node struct {
	path     string // "" for the root
	name     string
	short    shortName
	file     *File   // nil: a directory
	parent   *node   // nil: the root
	children []*node // of a directory, sorted by name
	modified time.Time
	first    uint32 // first cluster; 0 for the root and for empty files
}

func (n *node) isDir() bool { return n.file == nil }

// newTree sorts files into directories and gives everything its short name.
func newTree(files []File) (*node, error) {
	sorted := slices.Clone(files)
	slices.SortStableFunc(sorted, func(a, b File) int {
		return cmp.Or(strings.Compare(fold(a.Path), fold(b.Path)), strings.Compare(a.Path, b.Path))
	})
	t := tree{root: &node{}, known: map[string]*node{}}
	for i := range sorted {
		if err := t.add(&sorted[i]); err != nil {
			return nil, fmt.Errorf("putting %q on a RAM disk: %v", sorted[i].Path, err)
		}
	}
	t.root.nameChildren()
	return t.root, nil
}

// tree finds nodes by their folded path.
type tree struct {
	root  *node
	known map[string]*node
}

func (t *tree) add(f *File) error {
	parts, err := splitPath(f.Path)
	if err != nil {
		return err
	}
	switch {
	case f.Size < 0 || f.Size > MaxSize:
		return fmt.Errorf("its size is %d octets; 0 to %d are allowed", f.Size, MaxSize)
	case f.Size > 0 && f.Content == nil:
		return fmt.Errorf("it has no content for its %d octets", f.Size)
	}
	dir := t.root
	for i := range parts[:len(parts)-1] {
		if dir, err = t.directory(dir, strings.Join(parts[:i+1], "/"), parts[i]); err != nil {
			return err
		}
	}
	if other := t.known[fold(f.Path)]; other != nil {
		return fmt.Errorf("%q is there already; case tells no names apart", other.path)
	}
	n := &node{path: f.Path, name: parts[len(parts)-1], file: f, modified: f.ModTime}
	t.insert(dir, n)
	for ; dir != nil; dir = dir.parent {
		if dir.modified.Before(f.ModTime) {
			dir.modified = f.ModTime
		}
	}
	return nil
}

// directory finds or makes a directory below parent.
func (t *tree) directory(parent *node, path, name string) (*node, error) {
	n := t.known[fold(path)]
	if n == nil {
		n = &node{path: path, name: name}
		t.insert(parent, n)
	}
	if !n.isDir() {
		return nil, fmt.Errorf("%q is a file already and cannot be a directory too", n.path)
	}
	return n, nil
}

func (t *tree) insert(parent, n *node) {
	n.parent = parent
	parent.children = append(parent.children, n)
	t.known[fold(n.path)] = n
}

// nameChildren gives everything below n its short name. Names that are short
// ones already come first, so that none of them is taken by invention.
func (n *node) nameChildren() {
	names := newShortNames()
	for _, c := range n.children {
		if s, ok := exactShort(c.name); ok {
			c.short, names.taken[s] = s, true
		}
	}
	for _, c := range n.children {
		if c.short == (shortName{}) {
			c.short = names.invent(c.name)
		}
		c.nameChildren()
	}
}

// place gives n and everything below it its clusters, each in one run, from
// next on; it returns the cluster after the last. Directories come before
// what is in them.
func (n *node) place(next uint32) (uint32, error) {
	if n.isDir() {
		if err := n.checkEntries(); err != nil {
			return 0, err
		}
	}
	if count := n.clusters(); count > 0 {
		n.first = next
		next += count
	}
	// Far below where adding up would wrap around, for no file is larger.
	if int64(next-firstCluster)*clusterSize > MaxSize {
		return 0, fmt.Errorf("putting %q on a RAM disk: it and what comes before it need more than %d octets", n.path, MaxSize)
	}
	for _, c := range n.children {
		var err error
		if next, err = c.place(next); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// clusters is how many clusters hold n itself; the root is not in a cluster.
func (n *node) clusters() uint32 {
	size := int64(n.entries() * entrySize)
	switch {
	case n.parent == nil:
		return 0
	case !n.isDir():
		size = n.file.Size
	}
	return uint32((size + clusterSize - 1) / clusterSize)
}

// checkEntries holds a directory to what FAT allows: the root's fixed size,
// and two octets to count the entries of another ("FAT Directory Structure").
func (n *node) checkEntries() error {
	limit, which := maxEntries, fmt.Sprintf("the directory %q", n.path)
	if n.parent == nil {
		limit, which = rootEntries, "the root directory"
	}
	if have := n.entries(); have > limit {
		return fmt.Errorf("laying out %s of a RAM disk: its names need %d entries; %d are allowed", which, have, limit)
	}
	return nil
}
