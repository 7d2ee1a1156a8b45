package wim

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
)

// Overlay lays files over an image of a WIM, 0 for the one to boot: Open and
// Patch in one.
func Overlay(base io.ReaderAt, size int64, image int, files []File) (*Patched, error) {
	m, err := Open(base, size, image)
	if err != nil {
		return nil, err
	}
	return m.Patch(files)
}

// Patch lays files over the image. What comes out is the WIM as it was, with
// another header and a tail: the new files without compression, the metadata
// of the image, the blob table. It reads each file once, and holds a copy of
// the directories that change and of the table's new entries; all else is
// shared with the Image and with the files' contents.
//
// The same WIM and files, in any order, give the same octets. GUID and XML
// stay as they are; an integrity table is left out, as it would be wrong.
func (m *Image) Patch(files []File) (*Patched, error) {
	if m.c.parts > 1 {
		return nil, fmt.Errorf(`patching a WIM: it is part %d of %d; "wimlib-imagex join WHOLE.wim PARTS" puts them together`, m.c.part, m.c.parts)
	}
	root, err := newChanges(files)
	if err != nil {
		return nil, err
	}
	p := &patch{
		image: m,
		meta:  edits{base: m.meta.raw}, table: edits{base: m.blobs.raw},
		refs: map[int]int{}, added: map[sum]int{}, moved: map[int]uint64{},
		out: newPatched(m.c.r, m.c.size),
	}
	p.meta.align()
	if err := p.run(root); err != nil {
		return nil, fmt.Errorf("patching image %d of a WIM: %v", m.index, err)
	}
	return p.out, nil
}

// patch is the work of one Patch.
type patch struct {
	image *Image
	meta  edits
	table edits
	refs  map[int]int    // entries of the blob table: references more, or fewer
	added map[sum]int    // new octets: their entry among those of table.tail
	moved map[int]uint64 // entries that stay, by where they start: where theirs are
	out   *Patched
}

func (p *patch) run(root *change) error {
	old := p.image.meta.root
	sub, err := p.dir(old.subdir, root)
	if err != nil {
		return err
	}
	if err := p.move(old, sub); err != nil {
		return err
	}
	meta := p.out.append("the image's metadata", p.meta.parts()...)
	res := resource{offset: meta.offset, size: meta.size, original: meta.size, flags: resourceMetadata}
	p.countRefs()
	p.setMetadata(res)
	table := p.out.append("the blob table", p.table.parts()...)
	p.finish(res, table)
	return nil
}

// dir applies changes to the directory whose entries are at an offset, and
// gives the offset where they are afterwards. Entries that only lead to a
// changed directory stay in their place; a directory that gets entries is
// written anew, at the end.
func (p *patch) dir(at uint64, c *change) (uint64, error) {
	steps := make([]step, 0, len(c.children))
	anew := false
	for _, child := range c.children {
		s, err := p.child(at, child)
		if err != nil {
			return 0, fmt.Errorf("%s: %v", child.name.text, err)
		}
		anew = anew || s.entry != nil
		steps = append(steps, s)
	}
	if anew {
		return p.rewrite(at, steps)
	}
	for _, s := range steps {
		if err := p.move(s.old, s.sub); err != nil {
			return 0, fmt.Errorf("%s: %v", s.name.text, err)
		}
	}
	return at, nil
}

// move has a directory's entry, in its place, tell where its entries are.
func (p *patch) move(e entry, sub uint64) error {
	if earlier, ok := p.moved[e.start]; ok && earlier != sub {
		return errors.New("the image is damaged: this directory is in itself")
	}
	p.moved[e.start] = sub
	p.meta.set64(e.start+atSubdir, sub)
	return nil
}

// step is what becomes of one name in a directory.
type step struct {
	name  component
	old   entry  // valid if found
	found bool   //
	entry []byte // takes its place; nil: it stays
	sub   uint64 // and its entries are here
}

func (p *patch) child(at uint64, c *change) (step, error) {
	old, found, err := p.image.meta.find(at, c.name)
	if err != nil {
		return step{}, err
	}
	s := step{name: c.name, old: old, found: found}
	if c.file != nil {
		if found && old.dir() {
			return s, errors.New("it is a directory")
		}
		s.entry, err = p.newFile(c)
		return s, err
	}
	switch {
	case found && old.attributes&attributeReparse != 0:
		return s, errReparse
	case found && !old.dir():
		return s, errors.New("it is a file, not a directory")
	}
	if s.sub, err = p.dir(old.subdir, c); err != nil {
		return s, err
	}
	if !found {
		s.entry, err = p.newEntry(c.name, attributeDirectory, sum{}, nil)
		putU64(s.entry[atSubdir:], s.sub)
	}
	return s, err
}

// rewrite writes a directory anew: its entries in their order, and new ones
// before the first that Windows would sort after them. All files that a new
// file's name would be taken for are left out.
func (p *patch) rewrite(at uint64, steps []step) (uint64, error) {
	offset := p.meta.end()
	pending := steps
	flush := func(before *entry) {
		for len(pending) > 0 && (before == nil || pending[0].name.before(before.name)) {
			p.meta.tail = append(p.meta.tail, pending[0].entry...) // nil for what stays
			pending = pending[1:]
		}
	}
	err := p.image.meta.list(at, func(e entry) bool {
		flush(&e)
		for _, s := range steps {
			if s.entry != nil && !e.dir() && s.name.folds(e.name) {
				p.forget(e)
				return true
			}
		}
		start := len(p.meta.tail)
		p.meta.tail = append(p.meta.tail, p.image.meta.raw[e.start:e.end]...)
		for _, s := range steps {
			if s.found && s.entry == nil && s.old.start == e.start {
				putU64(p.meta.tail[start+atSubdir:], s.sub)
			}
		}
		for len(p.meta.tail)%8 != 0 {
			p.meta.tail = append(p.meta.tail, 0)
		}
		return true
	})
	flush(nil)
	p.meta.tail = append(p.meta.tail, make([]byte, 8)...)
	return offset, err
}

// forget counts a reference less for each stream of an entry.
func (p *patch) forget(e entry) {
	raw := p.image.meta.raw[e.start:e.end]
	p.unref(sum(raw[atSum:]))
	at := align8(int(u64(raw)))
	for range u16(raw[atStreams:]) {
		p.unref(sum(raw[at+16:]))
		at += align8(int(u64(raw[at:])))
	}
}

func (p *patch) unref(s sum) {
	if i, ok := p.image.blobs.find(s); ok && s != (sum{}) {
		p.refs[i]--
	}
}

// newEntry makes an entry without streams, and without a security descriptor,
// as wimboot does, whose images Windows PE has started from since 2014.
func (p *patch) newEntry(name component, attributes uint32, s sum, f *File) ([]byte, error) {
	written, err := p.time(f)
	if err != nil {
		return nil, err
	}
	b := make([]byte, align8(entryLen+2*len(name.units)+2))
	putU64(b, uint64(len(b)))
	putU32(b[atAttributes:], attributes)
	putU32(b[atSecurity:], 1<<32-1)
	for i := range 3 {
		putU64(b[atCreated+8*i:], written)
	}
	copy(b[atSum:], s[:])
	b[atNameLen], b[atNameLen+1] = byte(2*len(name.units)), byte(2*len(name.units)>>8)
	copy(b[entryLen:], name.octets())
	return b, nil
}

// time is never 0, which Windows does not take for a time (wimboot says so).
func (p *patch) time(f *File) (uint64, error) {
	if f != nil && !f.ModTime.IsZero() {
		t, err := toFiletime(f.ModTime)
		return max(t, 1), err
	}
	if t := p.image.meta.root.written; t != 0 && t>>63 == 0 {
		return t, nil
	}
	return filetimeEpoch, nil
}

// newFile places a file's octets, unless the WIM has them already.
func (p *patch) newFile(c *change) ([]byte, error) {
	s, err := sumFile(c.file)
	if err != nil {
		return nil, err
	}
	if s != (sum{}) {
		p.place(s, c.file)
	}
	return p.newEntry(c.name, attributeNormal, s, c.file)
}

func sumFile(f *File) (sum, error) {
	if f.Size == 0 {
		return sum{}, nil
	}
	h := sha1.New()
	n, err := io.Copy(h, io.NewSectionReader(f.Content, 0, f.Size))
	if err == nil && n < f.Size {
		err = fmt.Errorf("it ends at octet %d, before its %d", n, f.Size)
	}
	return sum(h.Sum(nil)), err
}

func (p *patch) place(s sum, f *File) {
	if i, ok := p.image.blobs.find(s); ok {
		p.refs[i]++
		return
	}
	if at, ok := p.added[s]; ok {
		refs := p.table.tail[at+atRefs:]
		putU32(refs, u32(refs)+1)
		return
	}
	run := p.out.append(show(f.Path), part{f.Content, f.Size})
	b := make([]byte, blobLen)
	resource{offset: run.offset, size: run.size, original: run.size}.put(b)
	b[resourceLen] = 1 // part
	putU32(b[atRefs:], 1)
	copy(b[atBlobSum:], s[:])
	p.added[s] = len(p.table.tail)
	p.table.tail = append(p.table.tail, b...)
}

// countRefs writes down how often octets of the original are referred to now.
// What nothing refers to keeps 1: there are WIMs whose numbers are too low,
// and then another image still needs it.
func (p *patch) countRefs() {
	for i, more := range p.refs {
		refs := int64(u32(p.image.blobs.entry(i)[atRefs:])) + int64(more)
		p.table.set32(i*blobLen+atRefs, uint32(min(max(refs, 1), 1<<32-1)))
	}
}

// setMetadata points the image's entry, which keeps its place, to the new
// metadata.
func (p *patch) setMetadata(res resource) {
	h := sha1.New()
	for _, part := range p.meta.parts() {
		io.Copy(h, io.NewSectionReader(part.content, 0, part.size)) // memory; nothing fails
	}
	at := p.image.blobs.images[p.image.index-1]
	b := bytes.Clone(p.image.blobs.entry(at))
	res.put(b)
	copy(b[atBlobSum:], h.Sum(nil))
	p.table.set(at*blobLen, b)
}

// finish writes the header.
func (p *patch) finish(meta resource, table run) {
	h := p.out.header[:]
	copy(h, p.image.c.header[:])
	resource{offset: table.offset, size: table.size, original: table.size}.put(h[atBlobs:])
	if p.image.c.boot == p.image.index {
		meta.put(h[atBootMeta:])
	}
	resource{}.put(h[atIntegrity:])
}
