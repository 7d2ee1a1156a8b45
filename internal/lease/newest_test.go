package lease

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"hobnail/internal/policy"
)

// TestTheNewestLeaseIsSoAfterARestart: a machine's old address is offered to
// another, which does not take it, and meanwhile the machine gets a new one.
// Offers are not in the log: after a restart the machine has both addresses
// there, the other way round where the log was written anew, and goes on with
// the last.
func TestTheNewestLeaseIsSoAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const mac, other = "52:54:00:00:00:01", "52:54:00:00:00:02"
	apply(t, table, bind("10.77.2.51", other)) // its row comes first from now on
	apply(t, table, bind("10.77.2.52", mac))
	apply(t, table, change(policy.Hold, policy.StateOffered, bind("10.77.2.52", other)))
	last := bind("10.77.2.51", mac)
	last.Lease.Start, last.Lease.Expires = last.Lease.Start.Add(time.Hour), last.Lease.Expires.Add(time.Hour)
	apply(t, table, last)
	for range 3 {
		if l, ok := table.ByKey(netip.MustParsePrefix("10.77.2.0/24"), mac); !ok || l.Address != last.Lease.Address {
			t.Errorf("the machine's newest record is of %s, want %s", l.Address, last.Lease.Address)
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		if table, err = Open(path); err != nil {
			t.Fatal(err)
		}
	}
	table.Close()
}
