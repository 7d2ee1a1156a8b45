package lease

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

const lab1, lab2 = model.MAC("52:54:00:00:00:01"), model.MAC("52:54:00:00:00:02")

func TestByKey(t *testing.T) {
	network := netip.MustParsePrefix("10.77.2.0/24")
	for _, tc := range []struct {
		name    string
		changes []policy.LeaseChange
		want    string // "" for none
	}{
		{"no record", nil, ""},
		{"its only record", []policy.LeaseChange{bind("10.77.2.51", lab1)}, "10.77.2.51"},
		{"the newest of two", []policy.LeaseChange{bind("10.77.2.51", lab1), bind("10.77.2.52", lab1)}, "10.77.2.52"},
		{"the one renewed last", []policy.LeaseChange{bind("10.77.2.51", lab1), bind("10.77.2.52", lab1), bind("10.77.2.51", lab1)}, "10.77.2.51"},
		{"one inside the network", []policy.LeaseChange{bind("10.77.2.51", lab1), bind("10.77.3.51", lab1)}, "10.77.2.51"},
		{"none inside the network", []policy.LeaseChange{bind("10.77.3.51", lab1)}, ""},
		{"one that it gave back", []policy.LeaseChange{change(policy.Free, policy.StateReleased, bind("10.77.2.51", lab1))}, "10.77.2.51"},
		{"not one that it declined", []policy.LeaseChange{bind("10.77.2.51", lab1), change(policy.PutAside, policy.StateDeclined, bind("10.77.2.52", lab1))}, "10.77.2.51"},
		{"not one that another has since", []policy.LeaseChange{bind("10.77.2.51", lab1), bind("10.77.2.51", lab2)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := NewTable()
			apply(t, table, tc.changes...)
			l, ok := table.ByKey(network, lab1)
			if got := l.Address.String(); ok != (tc.want != "") || ok && got != tc.want {
				t.Errorf("%s, there %v; want %q", got, ok, tc.want)
			}
		})
	}
}

func TestAllIsInTheOrderOfAddresses(t *testing.T) {
	table := NewTable()
	apply(t, table, bind("10.77.2.100", lab1), bind("10.77.2.9", lab2), bind("10.77.2.20", lab1))
	var got []string
	for _, l := range table.All() {
		got = append(got, l.Address.String())
	}
	if diff := cmp.Diff([]string{"10.77.2.9", "10.77.2.20", "10.77.2.100"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func nobody(netip.Addr) bool { return false }

// TestPick: the address is free, inside the ranges, not refused, and the same
// as long as nothing changes; there is one exactly if one is free.
func TestPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := []config.Range{
			{First: netip.MustParseAddr("10.77.2.50"), Last: netip.MustParseAddr("10.77.2.54")},
			{First: netip.MustParseAddr("10.77.2.60"), Last: netip.MustParseAddr("10.77.2.62")},
		}[:rapid.IntRange(0, 2).Draw(t, "ranges")]
		table, free := NewTable(), map[netip.Addr]bool{}
		refused := map[netip.Addr]bool{}
		for _, r := range ranges {
			for a := r.First; r.Contains(a); a = a.Next() {
				c := bind(a.String(), rapid.SampledFrom([]model.MAC{lab1, lab2}).Draw(t, "holder"))
				switch rapid.SampledFrom([]string{"never", "bound", "offered", "declined", "released", "run out", "refused"}).Draw(t, a.String()) {
				case "never":
					free[a] = true
					continue
				case "refused":
					refused[a] = true
					continue
				case "offered":
					c = change(policy.Hold, policy.StateOffered, c)
				case "declined":
					c = change(policy.PutAside, policy.StateDeclined, c)
				case "released":
					free[a] = true
					c = change(policy.Free, policy.StateReleased, c)
				case "run out":
					free[a] = true
					c.Lease.Expires = noon
				}
				if err := table.Apply(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		skip := func(a netip.Addr) bool { return refused[a] }
		mac := model.MACFromBytes(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "machine"))
		got, ok := policy.Pick(table, ranges, mac, noon, skip)
		if ok != (len(free) > 0) || ok && !free[got] {
			t.Fatalf("picked %v, %v; free are %v", got, ok, free)
		}
		if again, _ := policy.Pick(table, ranges, mac, noon, skip); again != got {
			t.Fatalf("picked %v and then %v", got, again)
		}
		if !ok {
			return
		}
		// An address that somebody else takes elsewhere moves nobody.
		for other := range free {
			if other != got {
				if err := table.Apply(bind(other.String(), "52:54:00:00:00:99")); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if again, _ := policy.Pick(table, ranges, mac, noon, skip); again != got {
			t.Fatalf("picked %v, and %v after another address was taken", got, again)
		}
	})
}

// TestPickSpreads: machines that come at once rarely want the same address.
func TestPickSpreads(t *testing.T) {
	ranges := []config.Range{{First: netip.MustParseAddr("10.77.0.0"), Last: netip.MustParseAddr("10.77.3.255")}}
	picked := map[netip.Addr]bool{}
	for n := range 100 {
		a, _ := policy.Pick(NewTable(), ranges, model.MACFromBytes([]byte{0x52, 0x54, 0, 0, 0, byte(n)}), noon, nobody)
		picked[a] = true
	}
	if len(picked) < 80 {
		t.Errorf("100 machines want %d different addresses of 1024", len(picked))
	}
}

// TestALeaseEndsWhenItSays: an address is free from the moment that its lease
// runs out, and not before.
func TestALeaseEndsWhenItSays(t *testing.T) {
	table := NewTable()
	c := bind("10.77.2.51", lab1)
	apply(t, table, c)
	only := []config.Range{{First: c.Lease.Address, Last: c.Lease.Address}}
	if a, ok := policy.Pick(table, only, lab2, c.Lease.Expires.Add(-time.Nanosecond), nobody); ok {
		t.Errorf("%v was picked before its lease ended", a)
	}
	if a, ok := policy.Pick(table, only, lab2, c.Lease.Expires, nobody); !ok {
		t.Errorf("%v was not picked after its lease ended", a)
	}
}
