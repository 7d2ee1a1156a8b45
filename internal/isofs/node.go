package isofs

import (
	"io/fs"
	"path"
	"time"
)

// node is a file, directory or link as a directory has it. It does not change
// once its directory was read.
type node struct {
	name string
	mode fs.FileMode
	size int64
	time time.Time
	link string // target of a symbolic link
	err  error  // why it cannot be opened; then the rest may be missing

	at   int64 // where its record lies in the image
	home int64 // of a directory: where it lies; what tells it from all others

	where extents // ISO 9660: of its content
	icb   address // UDF: of its file entry
}

func (n *node) dir() bool { return n.mode.IsDir() }

// weight estimates how much memory a node holds.
func (n *node) weight() int { return 240 + len(n.name) + len(n.link) + 16*len(n.where) }

// info is a node as fs.FileInfo and fs.DirEntry.
type info struct {
	n    *node
	name string
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.n.size }
func (i info) Mode() fs.FileMode          { return i.n.mode }
func (i info) Type() fs.FileMode          { return i.n.mode.Type() }
func (i info) ModTime() time.Time         { return i.n.time }
func (i info) IsDir() bool                { return i.n.dir() }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, i.n.err }
func (i info) String() string             { return fs.FormatFileInfo(i) }

// named is a node by the name under which it was asked for: that of a link for
// what the link points at.
func named(n *node, name string) info { return info{n, path.Base(name)} }
