package isofs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// bigDisc is a Rock Ridge disk in a file: 100 directories of 99 files each, and
// one file of 256 MiB.
func bigDisc(b *testing.B) (*os.File, int64) {
	b.Helper()
	const dirs, files, big, at = 100, 99, 256 << 20, 1000
	var root []byte
	d := newDisc(at)
	for i := range dirs {
		start := 100 + 8*i
		root = append(root, isoRec(fmt.Sprintf("D%02d", i), start, 8*2048, flagDir, nm(0, fmt.Sprintf("directory-%02d", i)), px(0o40755))...)
		block, used := start, 0
		for j := range files {
			r := isoRec(fmt.Sprintf("F%02d.;1", j), at, 100, 0, nm(0, fmt.Sprintf("package_with_a_name-%02d.deb", j)), px(0o100644))
			if used+len(r) > 2048 {
				block, used = block+1, 0
			}
			copy(d.at(block)[used:], r)
			used += len(r)
		}
	}
	// Records do not cross sectors: the root takes as many as it needs.
	iso := isoDisc(true)
	copy(d.b, iso.b[:20*2048])
	copy(d.at(16)[156:], isoRec("\x00", 20, 80*2048, flagDir))
	copy(d.at(20), isoRec("\x00", 20, 80*2048, flagDir, susp("SP", []byte{0xbe, 0xef, 0})))
	block, used := 21, 0
	for rest := append(root, isoRec("BIG.;1", at, big, 0, nm(0, "big"))...); len(rest) > 0; {
		r := rest[:rest[0]]
		rest = rest[len(r):]
		if used+len(r) > 2048 {
			block, used = block+1, 0
		}
		copy(d.at(block)[used:], r)
		used += len(r)
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "big.iso"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if _, err := f.Write(d.b); err != nil {
		b.Fatal(err)
	}
	if err := f.Truncate(at*2048 + big); err != nil {
		b.Fatal(err)
	}
	return f, at*2048 + big
}

// BenchmarkWalk opens an image and walks over all of its 10,001 entries.
func BenchmarkWalk(b *testing.B) {
	f, size := bigDisc(b)
	b.ReportAllocs()
	for b.Loop() {
		v, err := Open(f, size)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		if err := fs.WalkDir(v, ".", func(string, fs.DirEntry, error) error { n++; return nil }); err != nil || n != 10_002 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkOpenDeep opens one file out of the cache.
func BenchmarkOpenDeep(b *testing.B) {
	f, size := bigDisc(b)
	v, err := Open(f, size)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Open("directory-50/package_with_a_name-50.deb"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads 256 MiB in order: inside an image, and out of a file.
func BenchmarkRead(b *testing.B) {
	f, size := bigDisc(b)
	v, err := Open(f, size)
	if err != nil {
		b.Fatal(err)
	}
	inside, err := v.Open("big")
	if err != nil {
		b.Fatal(err)
	}
	where, err := v.Extents("big")
	if err != nil || len(where) != 1 {
		b.Fatal(where, err)
	}
	// Once, so that neither waits for the disk.
	if _, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, size)); err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]io.ReaderAt{"inside": inside.(io.ReaderAt), "raw": io.NewSectionReader(f, where[0].Offset, where[0].Size)} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 256<<10)
			b.SetBytes(where[0].Size)
			for b.Loop() {
				for off := int64(0); off < where[0].Size; off += int64(len(buf)) {
					if _, err := r.ReadAt(buf, off); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
