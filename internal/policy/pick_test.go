package policy_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hobnail/internal/config"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

func nobody(netip.Addr) bool { return false }

// TestPick: the address is free, inside the ranges, not refused, and the same
// as long as nothing changes; there is one exactly if one is free.
func TestPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := []config.Range{
			{First: netip.MustParseAddr("10.77.2.50"), Last: netip.MustParseAddr("10.77.2.54")},
			{First: netip.MustParseAddr("10.77.2.60"), Last: netip.MustParseAddr("10.77.2.62")},
		}[:rapid.IntRange(0, 2).Draw(t, "ranges")]
		table, free := lease.NewTable(), map[netip.Addr]bool{}
		put := func(l model.Lease) {
			if err := table.Apply(policy.LeaseChange{Kind: policy.Bind, Lease: l}); err != nil {
				t.Fatal(err)
			}
		}
		refused := map[netip.Addr]bool{}
		for _, r := range ranges {
			for a := r.First; r.Contains(a); a = a.Next() {
				l := bound(a.String(), rapid.SampledFrom([]model.MAC{lab1, lab2}).Draw(t, "holder"))
				switch rapid.SampledFrom([]string{"never", "bound", "offered", "declined", "released", "run out", "refused"}).Draw(t, a.String()) {
				case "never":
					free[a] = true
					continue
				case "refused":
					refused[a] = true
					continue
				case "offered":
					l.State = policy.StateOffered
				case "declined":
					l.State = policy.StateDeclined
				case "released":
					free[a] = true
					l.State = policy.StateReleased
				case "run out":
					free[a] = true
					l.Expires = noon
				}
				put(l)
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
				put(bound(other.String(), "52:54:00:00:00:99"))
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
		a, _ := policy.Pick(lease.NewTable(), ranges, model.MACFromBytes([]byte{0x52, 0x54, 0, 0, 0, byte(n)}), noon, nobody)
		picked[a] = true
	}
	if len(picked) < 80 {
		t.Errorf("100 machines want %d different addresses of 1024", len(picked))
	}
}

// TestALeaseEndsWhenItSays: an address is free from the moment that its lease
// runs out, and not before.
func TestALeaseEndsWhenItSays(t *testing.T) {
	l := bound("10.77.2.51", lab1)
	w := newWorld(t, serverSite).with(t, l)
	only := []config.Range{{First: l.Address, Last: l.Address}}
	if a, ok := policy.Pick(w.Leases, only, lab2, l.Expires.Add(-time.Nanosecond), nobody); ok {
		t.Errorf("%v was picked before its lease ended", a)
	}
	if a, ok := policy.Pick(w.Leases, only, lab2, l.Expires, nobody); !ok {
		t.Errorf("%v was not picked after its lease ended", a)
	}
}
