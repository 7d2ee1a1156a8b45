package lease

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// slowFree is Free as its promise reads, address by address.
func slowFree(table *Table, ranges []policy.Range, start int64, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	for _, strangersToo := range []bool{false, true} {
		if a, ok := policy.FirstFree(ranges, start, func(a netip.Addr) bool {
			l, known := table.ByAddr(a)
			return skip(a) || known && (!strangersToo || policy.Keeps(l, now))
		}); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// TestFreeIsTheSlowSearch: with whatever has happened to the table, whenever
// it is asked, even by a clock that was set back.
func TestFreeIsTheSlowSearch(t *testing.T) {
	ranges := []policy.Range{
		{First: netip.MustParseAddr("10.77.2.250"), Last: netip.MustParseAddr("10.77.3.3")},
		{First: netip.MustParseAddr("10.77.3.62"), Last: netip.MustParseAddr("10.77.3.66")},
		{First: netip.MustParseAddr("10.77.9.9"), Last: netip.MustParseAddr("10.77.9.9")},
	}
	size := int64(10 + 5 + 1)
	rapid.Check(t, func(t *rapid.T) {
		table, now := NewTable(), noon
		apply := func(c policy.LeaseChange) {
			if err := table.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		use := ranges[rapid.IntRange(0, 2).Draw(t, "first range"):]
		total := int64(0)
		for _, r := range use {
			total += r.Size()
		}
		for range rapid.IntRange(0, 60).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.IntRange(-20, 30).Draw(t, "minutes")) * time.Minute)
			l := model.Lease{
				Address: nthAddress(ranges, rapid.Int64Range(0, size-1).Draw(t, "address")),
				MAC:     rapid.SampledFrom([]model.MAC{lab1, lab2, ""}).Draw(t, "machine"),
				Circuit: rapid.SampledFrom([]string{"", "eth1"}).Draw(t, "circuit"),
				State:   rapid.SampledFrom([]string{policy.StateOffered, policy.StateBound, policy.StateReleased, policy.StateDeclined}).Draw(t, "state"),
				Start:   now, Expires: now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "length")) * time.Minute),
			}
			if rapid.IntRange(0, 9).Draw(t, "forgotten") == 0 {
				if n := table.rows.byAddr(number(l.Address)); n != 0 {
					table.rows.remove(n)
				}
				continue
			}
			apply(policy.LeaseChange{Kind: policy.Bind, Lease: l})
			refused := nthAddress(ranges, rapid.Int64Range(0, size-1).Draw(t, "refused"))
			skip := func(a netip.Addr) bool { return a == refused }
			start := rapid.Int64Range(0, total-1).Draw(t, "start")
			want, wantOK := slowFree(table, use, start, now, skip)
			if got, ok := table.Free(use, start, now, skip); got != want || ok != wantOK {
				t.Fatalf("from %d at %s: %v, %v; want %v, %v; the table is %+v", start, now, got, ok, want, wantOK, table.All())
			}
		}
		later := now.Add(100 * time.Hour) // past every end that a set clock may have hidden
		apply(policy.LeaseChange{Kind: policy.Bind, Lease: model.Lease{Address: ranges[0].First, State: policy.StateBound, Circuit: "eth1", Start: later, Expires: later.Add(time.Hour)}})
		if kept := table.Kept(ranges, later); kept != 1 {
			t.Fatalf("%d addresses are kept when all leases but one have ended: %+v", kept, table.All())
		}
		if len(table.rows.kept) != 1 {
			t.Fatalf("addresses are kept for %d circuits, want one", len(table.rows.kept))
		}
	})
}

func nthAddress(ranges []policy.Range, n int64) netip.Addr {
	a, _ := policy.FirstFree(ranges, n, func(netip.Addr) bool { return false })
	return a
}

// TestKept counts over the edges of spans and words.
func TestKept(t *testing.T) {
	table := NewTable()
	for _, a := range []string{"10.77.2.0", "10.77.2.63", "10.77.2.64", "10.77.2.255", "10.77.3.0", "10.77.4.1"} {
		apply(t, table, bind(a, model.MAC(a)))
	}
	for _, tc := range []struct {
		first, last string
		want        int64
	}{
		{"10.77.2.0", "10.77.4.255", 6},
		{"10.77.2.0", "10.77.2.255", 4},
		{"10.77.2.1", "10.77.2.63", 1},
		{"10.77.2.63", "10.77.2.64", 2},
		{"10.77.2.64", "10.77.2.64", 1},
		{"10.77.2.255", "10.77.3.0", 2},
		{"10.77.5.0", "10.77.6.0", 0},
	} {
		r := policy.Range{First: netip.MustParseAddr(tc.first), Last: netip.MustParseAddr(tc.last)}
		if got := table.Kept([]policy.Range{r}, noon); got != tc.want {
			t.Errorf("%s: %d kept, want %d", r, got, tc.want)
		}
		if got := table.Kept([]policy.Range{r}, noon.Add(time.Hour)); got != 0 {
			t.Errorf("%s: %d kept when all leases have ended", r, got)
		}
		for _, l := range table.All() { // Kept has noted the ends
			apply(t, table, policy.LeaseChange{Kind: policy.Bind, Lease: l})
		}
	}
}

// TestFreeAtTheEdgesOfIPv4: no search runs over the end of all addresses.
func TestFreeAtTheEdgesOfIPv4(t *testing.T) {
	table := NewTable()
	r := []policy.Range{{First: netip.MustParseAddr("255.255.255.254"), Last: netip.MustParseAddr("255.255.255.255")}}
	apply(t, table, bind("255.255.255.254", lab1), bind("255.255.255.255", lab2))
	if a, ok := table.Free(r, 1, noon, func(netip.Addr) bool { return false }); ok {
		t.Errorf("%v is free in a full range", a)
	}
	if got := table.Kept(r, noon); got != 2 {
		t.Errorf("%d are kept, want 2", got)
	}
}

// TestAllLeasesEndAtOnce: a search finds a free address although more leases
// have ended than it deals with at a time, and each gets its turn.
func TestAllLeasesEndAtOnce(t *testing.T) {
	const n = 10 * endsAtOnce
	table, pool := NewTable(), wholePool(n)
	fill(t, table, n, noon)
	after := noon.Add(time.Hour)
	given := map[netip.Addr]bool{}
	for i := range n {
		mac := model.MAC(fmt.Sprintf("52:54:00:ff:%02x:%02x", i>>8, i&255))
		a, ok := policy.Pick(table, pool, mac, after, func(netip.Addr) bool { return false })
		if !ok || given[a] {
			t.Fatalf("machine %d gets %v, %v, given before: %v", i, a, ok, given[a])
		}
		given[a] = true
		apply(t, table, policy.LeaseChange{Kind: policy.Bind, Lease: model.Lease{Address: a, MAC: mac, State: policy.StateBound, Start: after, Expires: after.Add(time.Hour)}})
	}
}

// wholePool is a pool of n addresses.
func wholePool(n int) []policy.Range {
	return []policy.Range{{First: address(10 << 24), Last: address(10<<24 + uint32(n) - 1)}}
}

// fill gives each of n addresses to a machine of its own, for an hour.
func fill(t testing.TB, table *Table, n int, now time.Time) {
	t.Helper()
	for i := range n {
		if _, err := table.Stage(filling(i, now)); err != nil {
			t.Fatal(err)
		}
	}
	if table.log != nil {
		if err := table.Commit(1); err != nil {
			t.Fatal(err)
		}
	}
}

func filling(i int, now time.Time) policy.LeaseChange {
	mac := model.MACFromBytes([]byte{0x52, 0x54, 0, byte(i >> 16), byte(i >> 8), byte(i)})
	return policy.LeaseChange{Kind: policy.Bind, Lease: model.Lease{
		Address: address(10<<24 + uint32(i)), MAC: mac, ClientID: "01" + mac.Hex(), Hostname: fmt.Sprintf("pc-%06d", i),
		Start: now, Expires: now.Add(time.Hour), State: policy.StateBound,
	}}
}
