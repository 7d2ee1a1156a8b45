package isofs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pack keeps the blocks of an image that are not empty: u16 blocks in all, then
// u16 number and 2,048 octets of each. A UDF volume of a megabyte has ten.
func pack(image []byte) []byte {
	blocks := (len(image) + 2047) / 2048
	p := le16(blocks)
	for i := range blocks {
		b := image[i*2048 : min(len(image), (i+1)*2048)]
		if len(bytes.Trim(b, "\x00")) > 0 {
			p = append(append(p, le16(i)...), b...)
			p = append(p, make([]byte, 2048-len(b))...)
		}
	}
	return p
}

// packed reads such an image.
type packed struct {
	blocks map[int64][]byte
	size   int64
}

func unpack(p []byte) packed {
	image := packed{blocks: map[int64][]byte{}}
	if len(p) < 2 {
		return image
	}
	image.size = int64(binary.LittleEndian.Uint16(p)) * 2048
	for p = p[2:]; len(p) > 2; {
		b := make([]byte, 2048)
		n := copy(b, p[2:])
		image.blocks[int64(binary.LittleEndian.Uint16(p))] = b
		p = p[2+n:]
	}
	return image
}

func (p packed) ReadAt(b []byte, off int64) (int, error) {
	for n := 0; n < len(b); {
		at := off + int64(n)
		if at >= p.size {
			return n, io.EOF
		}
		end := min(len(b), n+int(2048-at%2048))
		if block := p.blocks[at/2048]; block != nil {
			copy(b[n:end], block[at%2048:])
		} else {
			clear(b[n:end])
		}
		n = end
	}
	return len(b), nil
}

// real gives the images of testdata, which other people's tools made.
func real(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d images, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		all[filepath.Base(name)] = b
	}
	return all
}

// FuzzOpen opens anything and walks through all of it: each tree of it, with
// and without checksums.
func FuzzOpen(f *testing.F) {
	for _, image := range real(f) {
		f.Add(pack(image))
	}
	for _, kind := range []string{"plain", "sparable", "virtual", "metadata"} {
		f.Add(pack(udfSample(kind).finish(kind).b))
	}
	f.Add(pack(isoDisc(true,
		isoRec("A.;1", 30, 2048, flagMore, nm(1, "long "), nm(0, "name"), px(0o100640)), isoRec("A.;1", 33, 3, 0),
		isoRec("B.;1", 0, 0, 0, nm(0, "link"), px(0o120777), sl(0, "\x00long", "\x04")),
		isoRec("C.;1", 0, 0, 0, nm(0, "deep"), susp("CL", both32(22)), ce(40, 0, 28)),
	).b))
	f.Fuzz(func(t *testing.T, b []byte) {
		image := unpack(b)
		m := medium{image, image.size}
		start := time.Now()
		for _, sums := range []bool{true, false} {
			trees, err := findTrees(m, sums)
			if err != nil {
				continue
			}
			choose(m, trees)
			for _, tr := range trees {
				explore(t, newVolume(m, tr))
			}
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("%v for an image of %d octets", d, m.size)
		}
	})
}

// explore calls everything that there is to call, and checks what must hold of
// any image.
func explore(t *testing.T, v *Volume) {
	inside := func(what string, x Extent) {
		if x.Size < 0 || x.Offset != Hole && (x.Offset < 0 || x.Offset+x.Size > v.m.size) {
			t.Errorf("%s: extent %+v in an image of %d", what, x, v.m.size)
		}
	}
	boot, _ := v.Boot()
	for _, e := range boot {
		if e.Extent.Size > 0 {
			inside("boot", e.Extent)
		}
	}
	steps, left := 0, int64(4<<20)
	_ = fs.WalkDir(v, ".", func(name string, e fs.DirEntry, err error) error {
		if steps++; steps > 3000 || left < 0 {
			return fs.SkipAll
		}
		if err != nil || e == nil {
			return nil
		}
		if !goodName(e.Name()) && name != "." {
			t.Errorf("name %q", e.Name())
		}
		if got, ok := v.Fold(name); ok && got != name {
			t.Errorf("%q is %q", name, got)
		}
		_, _ = v.ReadLink(name)
		_, _ = v.Lstat(name)
		if !e.Type().IsRegular() {
			_, _ = v.Stat(name)
			return nil
		}
		where, err := v.Extents(name)
		if err != nil {
			return nil
		}
		for _, x := range where {
			inside(name, x)
		}
		i, err := e.Info()
		if err != nil || extents(where).size() != i.Size() {
			t.Errorf("%s: %v, extents of %d octets", name, i, extents(where).size())
		}
		f, err := v.Open(name)
		if err != nil {
			t.Errorf("%s: extents but %v", name, err)
			return nil
		}
		n, err := io.Copy(io.Discard, io.LimitReader(f, 64<<10))
		if err != nil || n != min(64<<10, i.Size()) {
			t.Errorf("%s: read %d of %d octets, %v", name, n, i.Size(), err)
		}
		left -= n + 256
		return f.Close()
	})
}
