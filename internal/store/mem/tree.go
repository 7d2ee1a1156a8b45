package mem

import "hash/fnv"

// node is a node of a treap: ordered by key, and by weight from the root
// downwards. The weight is a hash of the key, so a tree is as deep as one made
// in a random order. Nodes never change: a change makes new ones along the way
// from the root, and whoever has the old root has the old tree.
type node struct {
	key         string
	value       []byte
	weight      uint64
	left, right *node
}

func weightOf(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	// The last octets of a key hardly reach FNV's high bits.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}

func (n *node) find(key string) *node {
	for n != nil && n.key != key {
		if key < n.key {
			n = n.left
		} else {
			n = n.right
		}
	}
	return n
}

// with is n with other children.
func (n *node) with(left, right *node) *node {
	c := *n
	c.left, c.right = left, right
	return &c
}

// split parts a tree at a key, which is in neither part.
func (n *node) split(key string) (less, greater *node) {
	switch {
	case n == nil:
		return nil, nil
	case n.key == key:
		return n.left, n.right
	case n.key < key:
		less, greater = n.right.split(key)
		return n.with(n.left, less), greater
	}
	less, greater = n.left.split(key)
	return less, n.with(greater, n.right)
}

// join joins two trees, all keys of the first less than those of the second.
func join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.weight > b.weight:
		return a.with(a.left, join(a.right, b))
	}
	return b.with(join(a, b.left), b.right)
}

// put is the tree with one more node, or another of its key.
func (n *node) put(m *node) *node {
	switch {
	case n == nil || n.key != m.key && n.weight < m.weight:
		less, greater := n.split(m.key)
		return m.with(less, greater)
	case n.key == m.key:
		return m.with(n.left, n.right)
	case m.key < n.key:
		return n.with(n.left.put(m), n.right)
	}
	return n.with(n.left, n.right.put(m))
}

// without is the tree without a key.
func (n *node) without(key string) *node {
	switch {
	case n == nil:
		return nil
	case n.key == key:
		return join(n.left, n.right)
	case key < n.key:
		if left := n.left.without(key); left != n.left {
			return n.with(left, n.right)
		}
		return n
	}
	if right := n.right.without(key); right != n.right {
		return n.with(n.left, right)
	}
	return n
}

// walk visits the nodes from first on and before end until visit returns
// false. It returns whether it came so far.
func (n *node) walk(first, end string, back bool, visit func(*node) bool) bool {
	switch {
	case n == nil:
		return true
	case n.key < first:
		return n.right.walk(first, end, back, visit)
	case n.key >= end:
		return n.left.walk(first, end, back, visit)
	}
	before, after := n.left, n.right
	if back {
		before, after = after, before
	}
	return before.walk(first, end, back, visit) && visit(n) && after.walk(first, end, back, visit)
}
