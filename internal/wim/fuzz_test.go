package wim

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

func addFiles(f *testing.F) {
	for _, kind := range []string{"none", "xpress", "lzx"} {
		b, err := os.ReadFile("testdata/" + kind + ".wim")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

func FuzzReadInfo(f *testing.F) {
	addFiles(f)
	f.Add(withXML(2, windowsXML))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i, image := range info.Images {
			if image.Index != i+1 || image.TotalBytes < 0 || !strings.HasPrefix(image.Name, strings.ToValidUTF8(image.Name, "")) {
				t.Errorf("image %+v at %d", image, i)
			}
		}
	})
}

// FuzzOpen reads all of whatever there is, in bounded depth.
func FuzzOpen(f *testing.F) {
	addFiles(f)
	f.Add(withMetadata(small(), "a", "wpeinit"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Open(bytes.NewReader(b), int64(len(b)), 1)
		if err != nil {
			return
		}
		readSome(t, m, "", 3)
	})
}

// readSome reads the files of a tree that may contain itself.
func readSome(t *testing.T, m *Image, dir string, depth int) {
	entries, err := m.ReadDir(dir)
	if err != nil || depth == 0 {
		return
	}
	for _, e := range entries[:min(len(entries), 20)] {
		name := path.Join(dir, e.Name)
		if e.Dir {
			readSome(t, m, name, depth-1)
			continue
		}
		if b, err := m.ReadFile(name, 1<<20); err == nil && len(b) > 1<<20 {
			t.Errorf("%s has %d octets", name, len(b))
		}
	}
}

// FuzzMetadata has trees whose SHA-1 is right, so that they are looked at.
func FuzzMetadata(f *testing.F) {
	f.Add(small())
	f.Add(tree())
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := withMetadata(raw, "a", "wpeinit")
		m, err := Open(bytes.NewReader(b), int64(len(b)), 0)
		if err != nil {
			return
		}
		readSome(t, m, "", 3)
	})
}

func FuzzXPRESS(f *testing.F) { fuzzDecoder(f, "xpress", func() decoder { return &xpress{} }) }
func FuzzLZX(f *testing.F)    { fuzzDecoder(f, "lzx", func() decoder { return newLZX(15) }) }

// fuzzDecoder: no panic, nothing written beyond the chunk, and the same octets
// from a decoder that was used before.
func fuzzDecoder(f *testing.F, kind string, fresh func() decoder) {
	b, err := os.ReadFile("testdata/" + kind + ".wim")
	if err != nil {
		f.Fatal(err)
	}
	m := openBytes(f, b)
	for name := range golden() {
		r, err := m.Open(name)
		if err != nil {
			f.Fatal(err)
		}
		for i := 0; r.chunks != nil && i < r.chunks.count; i++ {
			k := r.chunks
			at := k.res.offset + int64(len(k.table))
			f.Add(b[at+k.start(i):at+k.start(i+1)], uint16(k.length(i)))
		}
	}
	used := fresh()
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		n := int(size)%(32<<10) + 1
		one, two := make([]byte, n+8), make([]byte, n+8)
		err1 := fresh().decompress(one[:n:n], src)
		err2 := used.decompress(two[:n:n], src)
		if (err1 == nil) != (err2 == nil) || err1 == nil && !bytes.Equal(one, two) {
			t.Errorf("a fresh decoder: %v, a used one: %v, or other octets", err1, err2)
		}
	})
}

// FuzzPatch: whatever the tree, what Patch lays over it is read back, and
// other files are what they were.
func FuzzPatch(f *testing.F) {
	f.Add(small(), `Windows\System32\startnet.cmd`, "wpeinit", `x\y`)
	f.Add(small(), `WINDOWS\EMPTY\x`, "agent", `a.txt`)
	f.Add(tree(), "a/b/c", "", "a/b/d")
	f.Fuzz(func(t *testing.T, raw []byte, name, text, second string) {
		base := withMetadata(raw, "a", "wpeinit")
		m, err := Open(bytes.NewReader(base), int64(len(base)), 0)
		if err != nil {
			return
		}
		p, err := m.Patch([]File{memory(name, text), memory(second, "second")})
		if err != nil {
			return
		}
		b := all(t, p)
		patched := openBytes(t, b)
		for name, want := range map[string]string{name: text, second: "second"} {
			if got, err := patched.ReadFile(name, 1<<20); err != nil || string(got) != want {
				t.Errorf("%q: %q, %v; want %q", name, got, err, want)
			}
		}
		for _, other := range []string{"a.txt", "Windows/System32/winload.efi", "Windows/System32/startnet.cmd"} {
			was, err := m.ReadFile(other, 1<<20)
			if err != nil {
				continue
			}
			got, err := patched.ReadFile(other, 1<<20)
			if !bytes.Equal(got, was) && string(got) != text && string(got) != "second" || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q was %q and is %q, %v", other, was, got, err)
			}
		}
	})
}
