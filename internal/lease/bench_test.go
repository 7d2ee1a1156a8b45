package lease

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// sizes are how many leases there are: what is asked of the table has to cost
// the same with all of them.
var sizes = [...]int{1_000, 16_000, 250_000}

func bySize(b *testing.B, run func(b *testing.B, table *Table, n int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("leases=%d", n), func(b *testing.B) {
			table := NewTable()
			fill(b, table, n, noon)
			b.ReportAllocs()
			b.ResetTimer()
			run(b, table, n)
		})
	}
}

// any gives one of n in an order that no cache foresees.
func anyOf(i, n int) int { return int(uint32(i) * 2654435761 % uint32(n)) }

func BenchmarkByKey(b *testing.B) {
	bySize(b, func(b *testing.B, table *Table, n int) {
		macs, network := make([]model.MAC, 4096), netip.MustParsePrefix("10.0.0.0/8")
		for i := range macs {
			macs[i] = filling(anyOf(i, n), noon).Lease.MAC
		}
		for i := 0; b.Loop(); i++ {
			if _, ok := table.ByKey(network, macs[i%len(macs)]); !ok {
				b.Fatal("a lease is missing")
			}
		}
	})
}

func BenchmarkByAddr(b *testing.B) {
	bySize(b, func(b *testing.B, table *Table, n int) {
		for i := 0; b.Loop(); i++ {
			if _, ok := table.ByAddr(address(10<<24 + uint32(anyOf(i, n)))); !ok {
				b.Fatal("a lease is missing")
			}
		}
	})
}

// BenchmarkStageRenewal renews leases, without a disk.
func BenchmarkStageRenewal(b *testing.B) {
	bySize(b, func(b *testing.B, table *Table, n int) {
		changes := make([]policy.LeaseChange, 4096)
		for i := range changes {
			changes[i] = filling(anyOf(i, n), noon)
		}
		for i := 0; b.Loop(); i++ {
			c := &changes[i%len(changes)]
			c.Lease.Expires = c.Lease.Expires.Add(time.Second)
			if _, err := table.Stage(*c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStageNewMachine gives addresses that others had.
func BenchmarkStageNewMachine(b *testing.B) {
	bySize(b, func(b *testing.B, table *Table, n int) {
		changes := make([]policy.LeaseChange, 4096)
		for i := range changes {
			changes[i] = filling(anyOf(i, n), noon)
		}
		for i := 0; b.Loop(); i++ {
			c := changes[i%len(changes)]
			if i/len(changes)%2 == 0 {
				c.Lease.MAC = changes[(i+1)%len(changes)].Lease.MAC
			}
			if _, err := table.Stage(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func nobody(netip.Addr) bool { return false }

// BenchmarkPick finds an address in a pool of which so much is used.
func BenchmarkPick(b *testing.B) {
	for _, size := range []int{1_000, 65_536, 250_000} {
		for _, used := range []int{0, 50, 99} {
			b.Run(fmt.Sprintf("pool=%d/used=%d%%", size, used), func(b *testing.B) {
				table, pool := NewTable(), wholePool(size)
				for i := range size {
					if anyOf(i, 100) < used {
						if _, err := table.Stage(filling(i, noon)); err != nil {
							b.Fatal(err)
						}
					}
				}
				macs := make([]model.MAC, 4096)
				for i := range macs {
					macs[i] = model.MACFromBytes([]byte{0xaa, 0, 0, 0, byte(i >> 8), byte(i)})
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; b.Loop(); i++ {
					if _, ok := policy.Pick(table, pool, macs[i%len(macs)], noon, nobody); !ok {
						b.Fatal("the pool is full")
					}
				}
			})
		}
	}
}

// BenchmarkPickLastFree: the worst case, one address left of many.
func BenchmarkPickLastFree(b *testing.B) {
	const size = 65_536
	table, pool := NewTable(), wholePool(size)
	fill(b, table, size-1, noon)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, ok := policy.Pick(table, pool, lab1, noon, nobody); !ok {
			b.Fatal("the pool is full")
		}
	}
}

// BenchmarkCommit stores leases in batches, with 250,000 there. The time is
// the disk's.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			table := open(b, filepath.Join(b.TempDir(), "leases.log"))
			fill(b, table, sizes[2], noon)
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				for k := range batch {
					if _, err := table.Stage(filling(anyOf(i*batch+k, sizes[2]), noon)); err != nil {
						b.Fatal(err)
					}
				}
				if err := table.Commit(1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "leases/s")
		})
	}
}

// BenchmarkOpen reads a log of 250,000 leases, as it is after a crash that
// came just before it would have been written anew.
func BenchmarkOpen(b *testing.B) {
	for _, renewals := range []int{0, grownBy - 1} {
		b.Run(fmt.Sprintf("leases=250000/renewals=%d", renewals), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "leases.log")
			for i := range b.N {
				b.StopTimer()
				table := open(b, path)
				for range 1 + renewals {
					fill(b, table, sizes[2], noon.Add(time.Duration(i)*time.Second))
				}
				table.Close()
				b.StartTimer()
				again := open(b, path)
				b.StopTimer()
				if got := len(again.All()); got != sizes[2] {
					b.Fatalf("%d leases", got)
				}
				again.Close()
			}
		})
	}
}

// TestMemoryOfALease: 250,000 leases cost at most 256 octets each.
func TestMemoryOfALease(t *testing.T) {
	const n, most = 250_000, 256
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	table := NewTable()
	fill(t, table, n, noon)
	each := float64(heap()-before) / n
	t.Logf("%.0f octets a lease", each)
	if each > most {
		t.Errorf("%.0f octets a lease, allowed are %d", each, most)
	}
	runtime.KeepAlive(table)
}
