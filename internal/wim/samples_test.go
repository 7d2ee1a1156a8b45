package wim

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"testing"
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
