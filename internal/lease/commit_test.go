package lease

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// countingFile counts, and can hold the disk's work up.
type countingFile struct {
	file
	writes, syncs int
	gate          chan struct{} // nil: never waits
}

func (c *countingFile) WriteAt(b []byte, at int64) (int, error) {
	c.writes++
	return c.file.WriteAt(b, at)
}

func (c *countingFile) Sync() error {
	if c.gate != nil {
		<-c.gate
	}
	c.syncs++
	return c.file.Sync()
}

func stage(t testing.TB, table *Table, changes ...policy.LeaseChange) {
	t.Helper()
	for _, c := range changes {
		if _, err := table.Stage(c); err != nil {
			t.Fatal(err)
		}
	}
}

func nth(n int) policy.LeaseChange {
	return bind(fmt.Sprintf("10.77.2.%d", n), model.MAC(fmt.Sprintf("52:54:00:00:00:%02x", n)))
}

// TestManyLeasesCostOneSync: and only those that need a disk at all.
func TestManyLeasesCostOneSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	disk := &countingFile{file: table.log.file}
	table.log.file = disk
	for n := range 100 {
		if ticket, err := table.Stage(nth(n)); err != nil || ticket != uint64(n)+1 {
			t.Fatalf("lease %d: ticket %v, error %v", n, ticket, err)
		}
	}
	if ticket, err := table.Stage(change(policy.Hold, policy.StateOffered, nth(200))); err != nil || ticket != 0 {
		t.Errorf("an offer: ticket %v, error %v", ticket, err)
	}
	for range 2 { // the second has nothing to do
		if err := table.Commit(1); err != nil {
			t.Fatal(err)
		}
	}
	if disk.writes != 1 || disk.syncs != 1 {
		t.Errorf("%d writes and %d syncs, want one of each", disk.writes, disk.syncs)
	}
	table.Close()
	if got := len(open(t, path).All()); got != 100 {
		t.Errorf("%d leases, want 100", got)
	}
}

// TestStageWhileTheDiskWorks: the next batch fills while one is written.
func TestStageWhileTheDiskWorks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	disk := &countingFile{file: table.log.file, gate: make(chan struct{})}
	table.log.file = disk
	stage(t, table, nth(1))
	done := make(chan error)
	go func() { done <- table.Commit(1) }()
	disk.gate <- struct{}{} // the sync of the first batch is under way
	stage(t, table, nth(2))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	go func() { done <- table.Commit(1) }()
	disk.gate <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	table.Close()
	if got := len(open(t, path).All()); got != 2 {
		t.Errorf("%d leases, want 2", got)
	}
}

// TestFullDisk: nothing of the commit is acknowledged, and memory says again
// what the disk says; when there is space again, so are there leases.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	apply(t, table, nth(1), nth(2))
	disk := &faultyFile{file: table.log.file, write: syscall.ENOSPC}
	table.log.file = disk

	renewed := nth(1)
	renewed.Lease.Expires = renewed.Lease.Expires.Add(1e9)
	stage(t, table, renewed, change(policy.Free, policy.StateReleased, nth(2)), nth(3), nth(3))
	err := table.Commit(1)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("error %v, want one that names %s and says that the disk is full", err, path)
	}
	for n, want := range map[int]model.Lease{1: nth(1).Lease, 2: nth(2).Lease, 3: {}} {
		if got, _ := table.ByAddr(netip.MustParseAddr(fmt.Sprintf("10.77.2.%d", n))); got != want {
			t.Errorf("after the failed commit %+v, want %+v", got, want)
		}
	}
	disk.write = nil
	apply(t, table, nth(4))
	table.Close()
	if got := len(open(t, path).All()); got != 3 {
		t.Errorf("%d leases, want 3", got)
	}
}

// TestAFailedCommitFailsForAllThatItCarried: one loop decides, another
// commits, so a commit carries changes whose answers are not its business yet.
// When it fails, the commit that is for those finds nothing to write, and must
// not let them go.
func TestAFailedCommitFailsForAllThatItCarried(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "leases.log"))
	disk := &faultyFile{file: table.log.file, write: syscall.ENOSPC}
	table.log.file = disk
	var tickets []uint64
	for n := range 3 {
		ticket, err := table.Stage(nth(n))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if err := table.Commit(tickets[0]); err == nil {
		t.Fatal("a full disk stored a lease")
	}
	disk.write = nil
	later, err := table.Stage(nth(9))
	if err != nil {
		t.Fatal(err)
	}
	for i, ticket := range tickets[1:] {
		if err := table.Commit(ticket); err == nil {
			t.Errorf("lease %d was never written, and its commit says that it is stored", i+1)
		}
	}
	if err := table.Commit(later); err != nil {
		t.Errorf("a lease that is stored: %v", err)
	}
	if got := len(table.All()); got != 1 {
		t.Errorf("%d leases are known, want the one that is stored", got)
	}
}
