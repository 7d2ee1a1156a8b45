package lease

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

// TestTheNewestLeaseIsSoAfterARestart: a machine that had another address
// before goes on with its last, although the log, written anew, has the two the
// other way round.
func TestTheNewestLeaseIsSoAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const mac, other = "52:54:00:00:00:01", "52:54:00:00:00:02"
	apply(t, table, bind("10.77.2.51", other)) // its row comes first from now on
	apply(t, table, bind("10.77.2.52", mac))
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
