package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/policy"
)

// TestTheLogStaysSmall: machines that renew all day grow the log so far and no
// further, nothing waits for that, and nothing is lost.
func TestTheLogStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	const machines, batch = 100, 500
	renewals := 3 * grownAtAll
	largest := int64(0)
	var last policy.LeaseChange
	for n := 0; n < renewals; n += batch {
		for i := range batch {
			last = nthRenewal((n+i)%machines, n+i)
			stage(t, table, last)
		}
		if err := table.Commit(1); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
		table.background.Wait() // else it is a matter of luck how far it grows
	}
	each := int64(len(appendRecord(nil, &last.Lease)))
	if most := (grownAtAll + 2*batch) * each * 11 / 10; largest > int64(most) {
		t.Errorf("the log grew to %d octets, with %d records of %d written", largest, renewals, each)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	for i := range machines {
		want := nthRenewal(i, renewals-machines+i).Lease
		if got, _ := again.ByAddr(want.Address); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the log was written into is still there: %v", err)
	}
}

// nthRenewal is the renewal of machine i at second n.
func nthRenewal(i, n int) policy.LeaseChange {
	c := nth(i)
	c.Lease.Start = noon.Add(time.Duration(n) * time.Second)
	c.Lease.Expires = c.Lease.Start.Add(time.Hour)
	return c
}

// TestCommitsWhileTheLogIsWrittenAnew: with the real file system and real
// concurrency, whatever is committed while the log is written anew is in it.
func TestCommitsWhileTheLogIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	fill(t, table, 5*pageRows, noon)
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		var first error
		for {
			select {
			case <-stop:
				done <- first
				return
			default:
				if err := table.compact(); err != nil && first == nil {
					first = err
				}
			}
		}
	}()
	const rounds = 60
	for n := range rounds {
		for i := range 20 {
			c := filling(n*20+i, noon.Add(time.Duration(n)*time.Second))
			if err := table.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	want := table.All()
	table.Close()
	got := open(t, path).All()
	if len(got) != len(want) {
		t.Fatalf("%d leases, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

// TestOldLeasesAreForgotten: two years after they ended, and not before.
func TestOldLeasesAreForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	recent, old := bind("10.77.2.51", lab1), bind("10.77.2.52", lab2)
	old.Lease.Expires = old.Lease.Expires.Add(-time.Nanosecond)
	now := bind("10.77.2.53", "52:54:00:00:00:03")
	now.Lease.Start = recent.Lease.Expires.Add(rememberFor)
	now.Lease.Expires = now.Lease.Start.Add(time.Hour)
	apply(t, table, recent, old, now)
	table.Close()
	again := open(t, path)
	if l, known := again.ByAddr(old.Lease.Address); known {
		t.Errorf("%+v is still remembered", l)
	}
	if onDisk, err := Read(path); len(onDisk) != 2 || err != nil {
		t.Errorf("%d leases are remembered, error %v, want 2", len(onDisk), err)
	}
}

// TestOneProcessALog: two servers with one data folder would destroy it.
func TestOneProcessALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	_, err := Open(path)
	var used *InUse
	if !errors.As(err, &used) || used.PID != fmt.Sprint(os.Getpid()) || !strings.Contains(err.Error(), path+".lock is held by process ") {
		t.Errorf("the second open: %v", err)
	}
	table.Close()
	open(t, path)
}

// TestAFullDiskAtTheStart: the old log serves on, and leases come when there
// is space.
func TestAFullDiskAtTheStart(t *testing.T) {
	d := newPowerFolder(rand.New(rand.NewPCG(1, 4)))
	table := start(t, d)
	apply(t, table, nth(1))
	table.Close()
	for step := 1; step <= 3; step++ {
		d = d.restart()
		d.failAt, d.fault = step, syscall.ENOSPC
		again, err := openIn(d, "leases.log")
		if err != nil {
			t.Fatalf("a disk that is full at step %d: %v", step, err)
		}
		apply(t, again, nth(1+step))
		if got := len(again.All()); got != 1+step {
			t.Errorf("%d leases, want %d", got, 1+step)
		}
		again.Close()
	}
}
