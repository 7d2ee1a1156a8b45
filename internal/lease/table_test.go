package lease

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestRelease: what an administrator sets free is free at once, and on disk.
func TestRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	apply(t, table,
		bind("10.77.2.51", lab1), bind("10.77.2.52", lab2),
		change(policy.PutAside, policy.StateDeclined, bind("10.77.2.53", lab1)),
		change(policy.Hold, policy.StateOffered, bind("10.77.2.54", lab1)),
		change(policy.Free, policy.StateReleased, bind("10.77.2.55", lab1)),
		bind("10.77.2.56", lab1))
	ended := bind("10.77.2.56", lab1)
	ended.Lease.Expires = noon
	apply(t, table, ended)
	released, err := table.Release(noon.Add(time.Minute), func(l model.Lease) bool { return l.MAC == lab1 })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range released {
		got = append(got, l.State+" "+l.Address.String())
	}
	want := []string{"bound 10.77.2.51", "declined 10.77.2.53", "offered 10.77.2.54"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	table.Close()
	for _, l := range open(t, path).All() {
		if policy.Keeps(l, noon.Add(time.Minute)) != (l.MAC == lab2) {
			t.Errorf("after a restart %+v", l)
		}
	}
}
