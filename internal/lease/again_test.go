package lease

import (
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
)

// TestFullDiskAtTheStart: a log that cannot be written anew for want of space
// goes on in the old file. What that shows need not be on the disk, and nor
// need its name: a lease that is acknowledged afterwards is lost with either.
func TestFullDiskAtTheStart(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(t *testing.T, d *powerFolder) // what the process before did to the disk
	}{
		{"after a sync that failed", func(t *testing.T, d *powerFolder) {
			table, err := openIn(d, "leases.log")
			if err != nil {
				t.Fatal(err)
			}
			apply(t, table, bind("10.77.2.51", "52:54:00:00:00:01"))
			d.failAt, d.fault = d.steps+2, syscall.EIO // the write succeeds, the sync fails
			if table.Apply(bind("10.77.2.52", "52:54:00:00:00:02")) == nil {
				t.Fatal("the sync did not fail")
			}
		}},
		{"after an end between the new log's name and the folder's sync", func(t *testing.T, d *powerFolder) {
			d.failAt, d.fault = 6, syscall.EIO
			if _, err := openIn(d, "leases.log"); err == nil || d.names["leases.log"] == nil {
				t.Fatalf("the start ended elsewhere: error %v, files %v", err, d.names)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(20) {
				d := newPowerFolder(rand.New(rand.NewPCG(seed, 1)))
				tc.before(t, d)
				d = d.restart()
				d.failAt, d.fault = 1, syscall.ENOSPC
				table, err := openIn(d, "leases.log")
				if err != nil {
					t.Fatal(err)
				}
				apply(t, table, bind("10.77.2.53", "52:54:00:00:00:03"))
				again, err := openIn(d.cut(), "leases.log")
				if err != nil {
					t.Fatal(err)
				}
				if _, known := again.ByAddr(netip.MustParseAddr("10.77.2.53")); !known {
					t.Fatalf("seed %d: a lease that was acknowledged is lost", seed)
				}
			}
		})
	}
}
