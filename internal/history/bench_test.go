package history

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/model"
)

// cpu is the time of the processor that this process has used.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStorm saves what 5,000 machines do that are switched on within a
// minute, as the keeper does: every second the boots that changed, each of
// them four times until it ends, in a file whose commits are synced.
func BenchmarkStorm(b *testing.B) {
	const boots, seconds = 5000, 60
	stages := []int{7, 14, 21, 99} // steps, 20 s apart
	var used time.Duration
	var size int64
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "history.db")
		a := NewArchive(openStore(b, path), DefaultLimits())
		for at := range seconds + 60 {
			var batch []*model.Boot
			for k, steps := range stages {
				if begun := at - 20*k; begun >= 0 && begun < seconds {
					for i := begun * boots / seconds; i < (begun+1)*boots/seconds; i++ {
						batch = append(batch, bootOf(b, i, storyBegins, steps))
					}
				}
			}
			if len(batch) == 0 {
				continue
			}
			before := cpu(b)
			save(b, a, batch...)
			used += cpu(b) - before
		}
		if err := a.store.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size = info.Size()
	}
	b.ReportMetric(float64(used.Microseconds())/float64(b.N)/boots, "cpu-µs/boot")
	b.ReportMetric(float64(size)/boots, "octets/boot")
	b.ReportMetric(0, "ns/op") // most of it is making the boots
}

func BenchmarkEncode(b *testing.B) {
	boot := bootOf(b, 1, storyBegins, 99)
	a := NewArchive(nil, DefaultLimits())
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			p, _ := json.Marshal(boot)
			b.ReportMetric(float64(len(p)), "octets")
		}
	})
	b.Run("entry", func(b *testing.B) {
		for b.Loop() {
			e, err := a.entryOf(Saved{Boot: boot})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(e.boot)), "octets")
			b.ReportMetric(float64(len(e.index)), "index-octets")
		}
	})
	b.Run("load", func(b *testing.B) {
		e, err := a.entryOf(Saved{Boot: boot})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := unpackBoot(e.boot); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkList lists 20,000 boots, as many as are kept.
func BenchmarkList(b *testing.B) {
	a := NewArchive(openStore(b, filepath.Join(b.TempDir(), "history.db")), DefaultLimits())
	const n = 20000
	var all []*model.Boot
	for i := range n {
		all = append(all, bootOf(b, i, storyBegins.Add(time.Duration(i)*time.Second), 99))
		if len(all) == 500 {
			save(b, a, all...)
			all = all[:0]
		}
	}
	for _, c := range []struct {
		name string
		n    int
	}{{"50", 50}, {"20000", n}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				seen := 0
				if err := a.List(func(*model.Boot) bool { seen++; return seen < c.n }); err != nil || seen != c.n {
					b.Fatal(seen, err)
				}
			}
		})
	}
	b.Run("trim", func(b *testing.B) {
		for b.Loop() {
			if err := a.Trim(storyBegins); err != nil {
				b.Fatal(err)
			}
		}
	})
}
