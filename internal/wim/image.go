package wim

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"
)

// Image is one image of a WIM: its tree and the table of all octets in the
// WIM. It holds both as they are stored, some 200 and 54 octets for each
// entry: 2 MiB for Windows PE. It does not change and is safe for concurrent
// use as far as its file is.
type Image struct {
	c     *container
	index int
	blobs *blobTable
	meta  metadata
}

// Open reads the tree of an image, counted from 1; 0 is the one to boot.
// It is what Patch needs, too: once for each WIM is enough.
func Open(r io.ReaderAt, size int64, image int) (*Image, error) {
	c, err := readContainer(r, size)
	if err != nil {
		return nil, err
	}
	switch {
	case image == 0 && c.boot == 0:
		return nil, errors.New("opening the image to boot of a WIM: its header names none")
	case image == 0:
		image = c.boot
	case image < 0 || image > c.images:
		return nil, fmt.Errorf("opening image %d of a WIM: it has %d", image, c.images)
	}
	m := &Image{c: c, index: image}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("opening image %d of a WIM: %v", image, err)
	}
	return m, nil
}

func (m *Image) load() error {
	var err error
	if m.blobs, err = m.c.readBlobs(); err != nil {
		return err
	}
	if len(m.blobs.images) < m.index {
		if m.c.part > 1 {
			return fmt.Errorf("this is part %d of %d of a split WIM; directories are in part 1", m.c.part, m.c.parts)
		}
		return fmt.Errorf("the blob table has metadata of %d images, the header %d images", len(m.blobs.images), m.c.images)
	}
	at := m.blobs.images[m.index-1]
	raw, err := m.c.readAll(m.blobs.resource(at), maxMetadata)
	if err != nil {
		return fmt.Errorf("reading its metadata: %v", err)
	}
	// Without a SHA-1 there is nothing to check against.
	if got, want := sum(sha1.Sum(raw)), sum(m.blobs.sumOf(at)); want != (sum{}) && got != want {
		return fmt.Errorf("reading its metadata: SHA-1 is %x, not %x: the file is damaged", got, want)
	}
	if m.meta, err = newMetadata(raw); err != nil {
		return fmt.Errorf("reading its metadata: %v", err)
	}
	return nil
}

// Index is the number of the image, from 1.
func (m *Image) Index() int { return m.index }

// Entry is one entry of a directory.
type Entry struct {
	Name    string
	Dir     bool
	Size    int64     // octets of a file; 0 also if the WIM does not have it
	ModTime time.Time // UTC; may be zero
}

// ReadDir lists a directory, named as for Open: "" is the root. A directory
// of a damaged image may contain itself.
func (m *Image) ReadDir(name string) ([]Entry, error) {
	e, err := m.lookup(name)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", show(name), err)
	}
	if !e.dir() {
		return nil, fmt.Errorf("listing %s: it is no directory", show(name))
	}
	if e.attributes&attributeReparse != 0 {
		return nil, fmt.Errorf("listing %s: %v", show(name), errReparse)
	}
	var all []Entry
	err = m.meta.list(e.subdir, func(e entry) bool {
		all = append(all, m.describe(e))
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %v", show(name), err)
	}
	return all, nil
}

func (m *Image) describe(e entry) Entry {
	d := Entry{Name: e.text(), Dir: e.dir(), ModTime: fromFiletime(e.written)}
	if at, ok := m.blobs.find(e.sum); ok && !d.Dir && e.sum != (sum{}) {
		d.Size = m.blobs.resource(at).original
	}
	return d
}

// Open opens a file: `\Windows\Boot\EFI\bootmgfw.efi`. Parts are separated by
// \ or /, and found in any case. All of the file is read once, and its SHA-1
// checked, before anything is given out. An error wraps fs.ErrNotExist if
// there is no such name, and only then.
func (m *Image) Open(name string) (*Reader, error) {
	r, err := m.open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s in image %d of a WIM: %w", show(name), m.index, err)
	}
	return r, nil
}

func (m *Image) open(name string) (*Reader, error) {
	e, err := m.lookup(name)
	if err != nil {
		return nil, err
	}
	switch {
	case e.dir():
		return nil, errors.New("it is a directory")
	case e.attributes&attributeReparse != 0:
		return nil, errReparse
	case e.attributes&attributeEncrypted != 0:
		return nil, errors.New("it is encrypted by Windows (EFS)")
	case e.sum == sum{}:
		return &Reader{}, nil
	}
	at, ok := m.blobs.find(e.sum)
	if !ok {
		return nil, fmt.Errorf("the blob table has no octets with its SHA-1, %x; of a split WIM, the table of one part has only that part's", e.sum)
	}
	if part := m.blobs.part(at); part != m.c.part {
		return nil, fmt.Errorf(`it is in part %d of a split WIM, this is part %d; "wimlib-imagex join WHOLE.wim PARTS" puts them together`, part, m.c.part)
	}
	k, err := m.c.openResource(m.blobs.resource(at), MaxFile)
	if err != nil {
		return nil, err
	}
	h := sha1.New()
	if err := k.copyTo(h); err != nil {
		return nil, err
	}
	if got := sum(h.Sum(nil)); got != e.sum {
		return nil, fmt.Errorf("SHA-1 is %x, not %x: the file is damaged", got, e.sum)
	}
	return &Reader{size: k.res.original, chunks: k}, nil
}

// ReadFile gives a file of at most so many octets.
func (m *Image) ReadFile(name string, most int64) ([]byte, error) {
	r, err := m.Open(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > most {
		return nil, fmt.Errorf("reading %s in image %d of a WIM: it has %d octets; at most %d are wanted", show(name), m.index, r.Size(), most)
	}
	b := bytes.NewBuffer(make([]byte, 0, r.Size()))
	if _, err := b.ReadFrom(io.NewSectionReader(r, 0, r.Size())); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// lookup follows a path from the root.
func (m *Image) lookup(name string) (entry, error) {
	parts, err := splitPath(name)
	if err != nil {
		return entry{}, err
	}
	e := m.meta.root
	for i, part := range parts {
		if i > 0 && e.attributes&attributeReparse != 0 {
			return entry{}, fmt.Errorf("%s: %v", parts[i-1].text, errReparse)
		}
		if !e.dir() {
			return entry{}, fs.ErrNotExist
		}
		next, ok, err := m.meta.find(e.subdir, part)
		if err != nil {
			return entry{}, err
		}
		if !ok {
			return entry{}, fs.ErrNotExist
		}
		e = next
	}
	return e, nil
}

// show is how a path stands in errors.
func show(name string) string {
	return fmt.Sprintf("%q", `\`+strings.TrimLeft(strings.ReplaceAll(name, "/", `\`), `\`))
}

// Reader is a file of an image, decompressed as it is read. It keeps a few
// chunks, together at most 1 MiB or one chunk; readers that follow each other
// through a file share them. It is safe for concurrent use.
type Reader struct {
	size int64

	mu     sync.Mutex
	chunks *chunks // nil: empty
	cache  []cached
}

// cached is a chunk that was read, the latest last.
type cached struct {
	index int
	data  []byte
}

const maxCache = 1 << 20

// Size is the length of the file in octets.
func (r *Reader) Size() int64 { return r.size }

// ReadAt is io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("reading a file of a WIM: negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(p) && off+int64(n) < r.size {
		at := off + int64(n)
		data, err := r.chunk(int(at / int64(r.chunks.chunk)))
		if err != nil {
			return n, fmt.Errorf("reading a file of a WIM at octet %d: %v", at, err)
		}
		n += copy(p[n:], data[at%int64(r.chunks.chunk):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// chunk gives a chunk out of the cache, or reads it into the oldest's place.
func (r *Reader) chunk(i int) ([]byte, error) {
	for at, c := range r.cache {
		if c.index == i {
			copy(r.cache[at:], r.cache[at+1:])
			r.cache[len(r.cache)-1] = c
			return c.data, nil
		}
	}
	var data []byte
	if len(r.cache) < max(1, maxCache/r.chunks.chunk) {
		data = make([]byte, r.chunks.chunk)
	} else {
		data = r.cache[0].data[:r.chunks.chunk]
		r.cache = append(r.cache[:0], r.cache[1:]...)
	}
	data = data[:r.chunks.length(i)]
	if err := r.chunks.read(i, data); err != nil {
		return nil, err
	}
	r.cache = append(r.cache, cached{i, data})
	return data, nil
}
