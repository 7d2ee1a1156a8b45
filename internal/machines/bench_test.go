package machines

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/store"
	"hobnail/internal/store/sqlite"
)

const many = 10000

// manyRows are machines as a site has them.
func manyRows() []Row {
	rows := make([]Row, many)
	for n := range rows {
		r := &rows[n]
		r.Set("name", fmt.Sprintf("lab-%05d", n))
		r.Set("mac", string(mac(n)))
		r.Set("uuid", fmt.Sprintf("4c4c4544-0043-3010-8052-%012d", n))
		r.Set("serial", fmt.Sprintf("5CG%07d", n))
		r.Set("boot", "debian-12")
		r.Set("tags", "lab floor-1")
		r.Set("var.room", fmt.Sprint(n/20))
	}
	return rows
}

func manyMachines(tb testing.TB) (store.Store, *Registry) {
	tb.Helper()
	s, err := sqlite.Open(filepath.Join(tb.TempDir(), "hobnail.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	if res, err := Do(context.Background(), s, nil, Order{By: "ann", Import: &Import{Rows: manyRows()}}, noon, NewToken); err != nil || len(res.Faults) > 0 {
		tb.Fatal(res.Faults, err)
	}
	r, err := Open(context.Background(), s, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s, r
}

func carryOut(tb testing.TB, s store.Store, o Order) {
	tb.Helper()
	if res, err := Do(context.Background(), s, nil, o, noon, NewToken); err != nil || len(res.Faults) > 0 || res.Need != nil {
		tb.Fatal(res.Faults, res.Need, err)
	}
}

// BenchmarkMany measures what commands and servers do with 10,000 machines.
func BenchmarkMany(b *testing.B) {
	s, r := manyMachines(b)
	ctx := context.Background()
	var file bytes.Buffer
	WriteCSV(&file, r.Snapshot().Records())
	text := file.String()
	install := func(names ...string) Order {
		return Order{By: "ann", Install: &InstallOrder{Names: names, Arming: Arming{Image: "i", Within: time.Hour}}}
	}
	for _, bench := range []struct {
		name string
		do   func(n int)
	}{
		{"read all", func(int) {
			if _, err := Read(ctx, s, nil); err != nil {
				b.Fatal(err)
			}
		}},
		{"import all, nothing new", func(int) {
			rows, err := ReadFile("x", bytes.NewReader([]byte(text)))
			if err != nil {
				b.Fatal(err)
			}
			carryOut(b, s, Order{Import: &Import{Rows: rows}})
		}},
		{"name one", func(n int) {
			row := Row{}
			row.Set("name", fmt.Sprintf("new-%d", n))
			row.Set("mac", string(mac(1<<20+n)))
			carryOut(b, s, Order{Import: &Import{Rows: []Row{row}, New: true}})
			carryOut(b, s, Order{Remove: []string{row.Record.Name}})
		}},
		{"arm one and cancel", func(int) {
			carryOut(b, s, install("lab-00007"))
			carryOut(b, s, Order{Cancel: []string{"lab-00007"}})
			carryOut(b, s, Order{Cancel: []string{"lab-00007"}})
		}},
		{"arm 500 and cancel", func(int) {
			o := install("lab-00[0-4]*")
			o.Install.Count = 500
			carryOut(b, s, o)
			carryOut(b, s, Order{Cancel: []string{"*"}})
			carryOut(b, s, Order{Cancel: []string{"*"}})
		}},
		{"snapshot after a step", func(n int) {
			if err := update(ctx, s, func(b *book) error {
				return b.put(installKey+"lab-00001", model.Install{Machine: "lab-00001", ID: fmt.Sprint(n)})
			}); err != nil {
				b.Fatal(err)
			}
			if err := r.refresh(ctx); err != nil {
				b.Fatal(err)
			}
		}},
		{"snapshot after a name", func(n int) {
			if err := update(ctx, s, func(b *book) error {
				return b.put(recordKey+"lab-00001", Record{Name: "lab-00001", Notes: fmt.Sprint(n)})
			}); err != nil {
				b.Fatal(err)
			}
			if err := r.refresh(ctx); err != nil {
				b.Fatal(err)
			}
		}},
		{"find", func(n int) { r.Snapshot().Find(Seen{MAC: mac(n % many), UUID: "4c4c4544-0043-3010-8052-000000000009"}) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			began, n := processor(b), 0
			for ; b.Loop(); n++ {
				bench.do(n)
			}
			b.ReportMetric(float64((processor(b)-began).Microseconds())/1000/float64(n), "cpu-ms/op")
		})
	}
}

// processor is the time that processors have spent on this process.
func processor(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestManyInTime: whatever a command does with 10,000 machines, within a second
// of the processor's time; the race detector takes up to ten times that.
func TestManyInTime(t *testing.T) {
	s, _ := manyMachines(t)
	row := Row{}
	row.Set("name", "one-more")
	row.Set("mac", "02:00:00:00:00:01")
	for name, do := range map[string]func(){
		"read": func() {
			if _, err := Read(context.Background(), s, nil); err != nil {
				t.Fatal(err)
			}
		},
		"name one": func() { carryOut(t, s, Order{By: "ann", Import: &Import{Rows: []Row{row}}}) },
		"arm 500": func() {
			carryOut(t, s, Order{By: "ann", Install: &InstallOrder{Names: []string{"lab-00[0-4]*"}, Arming: Arming{Image: "i", Within: time.Hour}, Count: 500}})
		},
	} {
		began := processor(t)
		do()
		took := processor(t) - began
		t.Logf("%s: %v", name, took)
		if took > 5*time.Second {
			t.Errorf("%s takes %v", name, took)
		}
	}
}
