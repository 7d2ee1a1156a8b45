//go:build interop

package wim

import (
	"fmt"
	"io"
	"runtime"
	"testing"
)

// BenchmarkPatch makes a WIM of 200 MB and 9,200 entries, as Windows PE has,
// and lays what a machine needs over it. "open" is once for each WIM, "patch"
// once for each machine; the agent's 6 MB are shared by all.
func BenchmarkPatch(b *testing.B) {
	tree := map[string][]byte{}
	// The size makes the octets, and octets that come twice are kept once.
	for i := range 3000 {
		tree[fmt.Sprintf("Windows/System32/library%04d.dll", i)] = content("random", 20_000+i)
	}
	for i := range 6000 {
		tree[fmt.Sprintf("Windows/WinSxS/component-%03d/file%04d.manifest", i%200, i)] = content("random", 23_000+i%6000)
	}
	file := capture(b, tree, "--compress=LZX:10", "--boot")
	f, size := openFile(b, file)
	agent := content("random", 6<<20)
	b.Logf("%d octets, %d files", size, len(tree))
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Open(f, size, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	m, err := Open(f, size, 0)
	if err != nil {
		b.Fatal(err)
	}
	files := func(i int) []File {
		shared := memory(`hobnail\agent.exe`, "")
		shared.Size, shared.Content = int64(len(agent)), readerAt(agent)
		return []File{
			shared,
			memory(`Windows\System32\startnet.cmd`, "wpeinit\r\n"),
			memory(`Windows\System32\winpeshl.ini`, "[LaunchApps]\r\n"),
			memory(`hobnail\machine.json`, fmt.Sprintf(`{"machine": %d}`, i)),
		}
	}
	var p *Patched
	b.Run("patch", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if p, err = m.Patch(files(i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(p.Size()-size), "tail-B")
	})
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		kept := make([]*Patched, 100)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for b.Loop() {
			for i := range kept {
				if kept[i], err = m.Patch(files(i)); err != nil {
					b.Fatal(err)
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(kept)), "B/machine")
		runtime.KeepAlive(kept)
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(p.Size())
		for b.Loop() {
			if _, err := io.Copy(io.Discard, io.NewSectionReader(p, 0, p.Size())); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecompress is how fast files are read out of an image.
func BenchmarkDecompress(b *testing.B) {
	for _, kind := range []string{"XPRESS", "LZX"} {
		m := openImage(b, capture(b, map[string][]byte{"code": content("code", 4<<20), "words": content("words", 4<<20)}, "--compress="+kind+":20"), 1)
		for _, name := range []string{"code", "words"} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.SetBytes(4 << 20)
				for b.Loop() {
					if _, err := m.Open(name); err != nil { // reads and checks all of it
						b.Fatal(err)
					}
				}
			})
		}
	}
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
