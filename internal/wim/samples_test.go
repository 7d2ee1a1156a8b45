package wim

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"testing"
	"unicode/utf16"
)

// kinds are contents that take decompressors different ways.
var kinds = map[string]func(r *rand.Rand, b []byte){
	"zeros":  func(_ *rand.Rand, b []byte) {},
	"random": func(r *rand.Rand, b []byte) { fillRandom(r, b) },
	"words": func(r *rand.Rand, b []byte) {
		words := []string{"machine ", "relay ", "boot ", "the ", "of ", "answers\n", "0123456789 "}
		for n := 0; n < len(b); {
			n += copy(b[n:], words[r.IntN(len(words))])
		}
	},
	// far repeats what is far behind: large offsets, long matches.
	"far": func(r *rand.Rand, b []byte) {
		fillRandom(r, b)
		for n := 5000; n+4000 < len(b); n += 6000 {
			copy(b[n:n+2000+r.IntN(2000)], b[r.IntN(n-4000):])
		}
	},
	// code calls the same functions from many places, as x86 code does.
	"code": func(r *rand.Rand, b []byte) {
		for n := 0; n < len(b); n += 5 + r.IntN(12) {
			fillRandom(r, b[n:min(n+3, len(b))])
			if n+5 <= len(b) {
				b[n] = 0xe8
				putU32(b[n+1:], uint32(r.IntN(1<<15)-n))
			}
		}
	},
	// edges has calls at every place near the end, and targets near the limits.
	"edges": func(r *rand.Rand, b []byte) {
		for n := 0; n+5 <= len(b); n += 5 {
			b[n] = 0xe8
			putU32(b[n+1:], []uint32{0, 1, uint32(-n), uint32(-n - 1), 11999999, 12000000, 12000001, 1 << 31}[r.IntN(8)])
		}
		for n := max(0, len(b)-40); n < len(b); n++ {
			b[n] = 0xe8
		}
	},
	"skewed": func(r *rand.Rand, b []byte) {
		for i := range b {
			b[i] = byte(min(255, int(r.ExpFloat64()*3)))
		}
	},
}

func fillRandom(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// content gives the same octets for the same kind and size.
func content(kind string, size int) []byte {
	b := make([]byte, size)
	kinds[kind](rand.New(rand.NewPCG(uint64(size), uint64(len(kind)))), b)
	return b
}

// sampleTree is files around the borders of chunks, in directories.
func sampleTree(chunk int, large bool) map[string][]byte {
	tree := map[string][]byte{"empty": {}, "Deep/er/and/deeper/still.txt": []byte("x")}
	sizes := []int{1, 10, 11, 100, chunk - 1, chunk, chunk + 1, 2*chunk + 777}
	if large {
		sizes = append(sizes, 3<<20+5)
	}
	for kind := range kinds {
		if chunk > 128<<10 && kind != "far" && kind != "code" {
			continue // wimlib takes long
		}
		for _, size := range sizes {
			tree[fmt.Sprintf("%s/%s-%d.bin", kind, kind, size)] = content(kind, size)
		}
	}
	return tree
}

// writeTree makes the files of a tree in a directory.
func writeTree(t testing.TB, dir string, tree map[string][]byte) {
	t.Helper()
	for name, data := range tree {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readTree reads all files below a directory of this host.
func readTree(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	tree := map[string][]byte{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, file)
		tree[name], err = os.ReadFile(file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// imageTree reads all files of an image.
func imageTree(t testing.TB, m *Image) map[string][]byte {
	t.Helper()
	tree := map[string][]byte{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := m.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			if e.Dir {
				walk(name)
				continue
			}
			data, err := m.ReadFile(name, MaxFile)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(data)) != e.Size {
				t.Errorf("%s: %d octets, listed with %d", name, len(data), e.Size)
			}
			tree[name] = data
		}
	}
	walk("")
	return tree
}

func sameTree(t testing.TB, got, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		have, ok := got[name]
		switch {
		case !ok:
			t.Errorf("%s is missing", name)
		case !bytes.Equal(have, data):
			t.Errorf("%s has other octets: %d, want %d", name, len(have), len(data))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there and should not be", name)
		}
	}
}

func memory(path string, data string) File {
	return File{Path: path, Size: int64(len(data)), Content: bytes.NewReader([]byte(data))}
}

// header is that of an uncompressed WIM, to be completed.
func header(images, boot int) []byte {
	h := make([]byte, headerLen)
	copy(h, "MSWIM\x00\x00\x00")
	putU32(h[8:], headerLen)
	putU32(h[12:], version)
	copy(h[atGUID:], "0123456789abcdef")
	h[atPart], h[atParts] = 1, 1
	putU32(h[atImages:], uint32(images))
	putU32(h[atBoot:], uint32(boot))
	return h
}

// withXML is a WIM that has nothing but XML.
func withXML(images int, text string) []byte {
	raw := toUTF16("\ufeff" + text)
	h := header(images, 0)
	resource{offset: headerLen, size: int64(len(raw)), original: int64(len(raw))}.put(h[atXML:])
	return append(h, raw...)
}

func toUTF16(text string) []byte {
	return component{units: utf16.Encode([]rune(text))}.octets()
}

// withMetadata is a WIM of one image with this metadata, and files.
func withMetadata(raw []byte, files ...string) []byte {
	w := header(1, 1)
	var table []byte
	add := func(b []byte, flags byte) {
		e := make([]byte, blobLen)
		resource{offset: int64(len(w)), size: int64(len(b)), original: int64(len(b)), flags: flags}.put(e)
		e[resourceLen], e[atRefs] = 1, 1
		s := sha1.Sum(b)
		copy(e[atBlobSum:], s[:])
		table = append(table, e...)
		w = append(w, b...)
	}
	for _, f := range files {
		add([]byte(f), 0)
	}
	add(raw, resourceMetadata)
	copy(w[atBootMeta:], table[len(table)-blobLen:][:resourceLen])
	resource{offset: int64(len(w)), size: int64(len(table)), original: int64(len(table))}.put(w[atBlobs:])
	return append(w, table...)
}

// node is an entry of a tree for tree to write.
type node struct {
	name     string
	text     string // a file's octets
	children []node // a directory's; nil: a file
	attr     uint32
	streams  []node // a file's, by name; text is then among them, without a name
}

// tree writes metadata, without security descriptors.
func tree(root ...node) []byte {
	b := make([]byte, 8)
	putU32(b, 8)
	at := len(b)
	b = append(b, testEntry(node{children: root})...)
	b = append(b, make([]byte, 8)...)
	return writeNodes(b, at, root)
}

func writeNodes(b []byte, parent int, nodes []node) []byte {
	putU64(b[parent+atSubdir:], uint64(len(b)))
	at := make([]int, len(nodes))
	for i, n := range nodes {
		at[i] = len(b)
		b = append(b, testEntry(n)...)
	}
	b = append(b, make([]byte, 8)...)
	for i, n := range nodes {
		if n.children != nil {
			b = writeNodes(b, at[i], n.children)
		}
	}
	return b
}

func testEntry(n node) []byte {
	name := toUTF16(n.name)
	b := make([]byte, align8(entryLen+len(name)+2))
	putU64(b, uint64(len(b)))
	putU32(b[atAttributes:], n.attr|attributeNormal)
	if n.children != nil {
		putU32(b[atAttributes:], n.attr|attributeDirectory)
	}
	putU32(b[atSecurity:], 1<<32-1)
	putU64(b[atWritten:], filetimeEpoch)
	if n.text != "" {
		s := sha1.Sum([]byte(n.text))
		copy(b[atSum:], s[:])
	}
	b[atNameLen] = byte(len(name))
	copy(b[entryLen:], name)
	for _, s := range n.streams {
		b[atStreams]++
		b = append(b, testStream(s)...)
	}
	return b
}

func testStream(n node) []byte {
	name := toUTF16(n.name)
	b := make([]byte, align8(streamLen+len(name)+2))
	putU64(b, uint64(len(b)))
	s := sha1.Sum([]byte(n.text))
	copy(b[16:], s[:])
	b[36] = byte(len(name))
	copy(b[streamLen:], name)
	return b
}

// small is a tree of everything that Patch tells apart.
func small() []byte {
	return tree(
		node{name: "a.txt", text: "a"},
		node{name: "link", attr: attributeReparse, children: []node{}},
		node{name: "secret", attr: attributeEncrypted, text: "a"},
		node{name: "Windows", children: []node{
			{name: "empty", children: []node{}},
			{name: "gone", text: "not in the table"},
			{name: "System32", children: []node{{name: "startnet.cmd", text: "wpeinit"}, {name: "winload.efi"}}},
		}},
	)
}

func openBytes(t testing.TB, b []byte) *Image {
	t.Helper()
	m, err := Open(bytes.NewReader(b), int64(len(b)), 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
