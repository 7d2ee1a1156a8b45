package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sameTime and sameAddr compare what went through JSON with what did not.
var compare = cmp.Options{
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func bind(a string, mac model.MAC) policy.LeaseChange {
	return policy.LeaseChange{Kind: policy.Bind, Lease: model.Lease{
		Address: netip.MustParseAddr(a), MAC: mac, Hostname: "lab", ClientID: "01525400123456",
		Start: noon, Expires: noon.Add(time.Hour), State: policy.StateBound,
	}}
}

func change(kind policy.ChangeKind, state string, c policy.LeaseChange) policy.LeaseChange {
	c.Kind, c.Lease.State = kind, state
	return c
}

func apply(t testing.TB, table *Table, changes ...policy.LeaseChange) {
	t.Helper()
	for _, c := range changes {
		if err := table.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
}

func open(t testing.TB, path string) *Table {
	t.Helper()
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

// TestLeasesSurviveARestart: what was acknowledged, and nothing else.
func TestLeasesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "leases.log")
	table := open(t, path)
	offer := change(policy.Hold, policy.StateOffered, bind("10.77.2.53", "52:54:00:00:00:03"))
	hostile := bind("10.77.2.55", "52:54:00:00:00:05")
	hostile.Lease.Hostname = "x\n00000000 {\"address\":\"10.77.2.56\"}\n"
	apply(t, table,
		bind("10.77.2.51", "52:54:00:00:00:01"),
		bind("10.77.2.52", "52:54:00:00:00:02"),
		change(policy.Free, policy.StateReleased, bind("10.77.2.52", "52:54:00:00:00:02")),
		offer, change(policy.Free, policy.StateReleased, offer),
		change(policy.Hold, policy.StateOffered, bind("10.77.2.57", "52:54:00:00:00:07")),
		change(policy.PutAside, policy.StateDeclined, bind("10.77.2.54", "52:54:00:00:00:04")),
		hostile,
		policy.LeaseChange{},
	)
	want := []model.Lease{
		bind("10.77.2.51", "52:54:00:00:00:01").Lease,
		change(policy.Free, policy.StateReleased, bind("10.77.2.52", "52:54:00:00:00:02")).Lease,
		change(policy.PutAside, policy.StateDeclined, bind("10.77.2.54", "52:54:00:00:00:04")).Lease,
		hostile.Lease,
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // opening changes nothing
		again := open(t, path)
		if diff := cmp.Diff(want, again.All(), compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		again.Close()
	}
}

// TestOffersAreNotWritten: a storm of DISCOVERs, and of REQUESTs to another
// server, costs no disk.
func TestOffersAreNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.log")
	table := open(t, path)
	offer := change(policy.Hold, policy.StateOffered, bind("10.77.2.53", "52:54:00:00:00:03"))
	apply(t, table, offer, change(policy.Free, policy.StateReleased, offer))
	if info, err := os.Stat(path); err != nil || info.Size() != int64(len(header)) {
		t.Errorf("the log has %d octets, error %v; want its header", info.Size(), err)
	}
	if l, ok := table.ByAddr(netip.MustParseAddr("10.77.2.53")); !ok || l.State != policy.StateReleased {
		t.Errorf("the record is %+v, there %v; want it released", l, ok)
	}
}

// logOf is a log of one commit for each change.
func logOf(t testing.TB, changes ...policy.LeaseChange) string {
	content := []byte(header)
	for _, c := range changes {
		frame := appendRecord(make([]byte, frameHead), &c.Lease)
		seal(frame, int64(len(content)))
		content = append(content, frame...)
	}
	return string(content)
}

// TestDamage: a torn end was never acknowledged and goes; damage before it
// stops the start, because addresses that are in use would be given again.
func TestDamage(t *testing.T) {
	one, two := bind("10.77.2.51", lab1), bind("10.77.2.52", lab2)
	first, both := logOf(t, one), logOf(t, one, two)
	last := both[len(first):]
	bent := strings.Replace(both, string(lab1), "52:54:00:00:00:ff", 1)
	second := fmt.Sprintf("at offset %d, after a lease, is damaged", len(first))
	stateless := strings.Replace(appendedRecord(one), "\x02", "\x07", 1)
	for _, tc := range []struct {
		name    string
		content string
		leases  int
		err     string // in the error, behind the path; "" for none
	}{
		{"an empty log", "", 0, ""},
		{"a log without leases", header, 0, ""},
		{"whole commits", both, 2, ""},
		{"an end cut in the head", first + last[:7], 1, ""},
		{"an end cut in the record", first + last[:40], 1, ""},
		{"an end of zeros", first + strings.Repeat("\x00", 100), 1, ""},
		{"an end whose octets did not all arrive", first + last[:20] + "\x00\x00\x00" + last[23:], 1, ""},
		{"an end that says a length it has not", first + last[:4] + "\xff\xff\xff\x00" + last[8:], 1, ""},
		{"a commit that was written elsewhere", first + first[len(header):], 1, ""},
		{"a bent record in the middle", bent, 0, "at offset 17, after 0 leases, is damaged (wrong checksum)"},
		{"a bent record after a good one", both + logOf(t, one, two, one)[len(both):len(both)+20] + "?" + logOf(t, one, two, one, two)[len(both)+21:],
			0, fmt.Sprintf("at offset %d, after 2 leases, is damaged (wrong checksum)", len(both))},
		{"zeros in the middle", first + strings.Repeat("\x00", len(last)) + logOf(t, one, two, one)[len(both):], 0, second + " (wrong checksum)"},
		{"a whole commit of what is no lease", sealed(first, stateless), 0, second + " (a record has state 7)"},
		{"a whole commit with a lease in part", sealed(first, appendedRecord(one)[:30]), 0, second + " (a record is cut short)"},
		{"a file that is no log", "hello\nhello\n", 0, "at offset 0, after 0 leases, is damaged (wrong checksum)"},
		{"a log of a later version", "hobnail leases 2\n", 0, "at offset 0, after 0 leases, is damaged (wrong checksum)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "leases.log")
			if err := os.WriteFile(path, []byte(tc.content), 0o640); err != nil {
				t.Fatal(err)
			}
			if tc.err != "" {
				refused(t, path, tc.content, tc.err)
				return
			}
			seen, err := Read(path)
			if err != nil || len(seen) != tc.leases {
				t.Errorf("%d leases read, error %v, want %d", len(seen), err, tc.leases)
			}
			if b, _ := os.ReadFile(path); string(b) != tc.content {
				t.Error("reading changed the log")
			}
			table := open(t, path)
			if got := len(table.All()); got != tc.leases {
				t.Errorf("%d leases, want %d", got, tc.leases)
			}
			// What is written next stands behind the last whole commit.
			apply(t, table, bind("10.77.2.59", "52:54:00:00:00:09"))
			table.Close()
			if got := len(open(t, path).All()); got != tc.leases+1 {
				t.Errorf("%d leases after one more, want %d", got, tc.leases+1)
			}
		})
	}
}

func appendedRecord(c policy.LeaseChange) string { return string(appendRecord(nil, &c.Lease)) }

// sealed adds a commit of any octets to a log.
func sealed(log, records string) string {
	frame := append(make([]byte, frameHead), records...)
	seal(frame, int64(len(log)))
	return log + string(frame)
}

// refused opens a log in vain, and checks that it is as it was.
func refused(t *testing.T, path, content, because string) {
	t.Helper()
	_, opening := Open(path)
	_, reading := Read(path)
	for _, err := range []error{opening, reading} {
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), because) {
			t.Errorf("error %v, want one that names %s and says %q", err, path, because)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != content {
		t.Error("the damaged log was changed")
	}
}

// TestTextLogs: the log of the first builds is read and written anew.
func TestTextLogs(t *testing.T) {
	line := func(c policy.LeaseChange) string {
		body, err := json.Marshal(c.Lease)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE(body), body)
	}
	one, two := line(bind("10.77.2.51", lab1)), line(bind("10.77.2.52", lab2))
	for _, tc := range []struct {
		name, content string
		leases        int
		err           string
	}{
		{"two leases", one + two, 2, ""},
		{"a torn end", one + two[:50], 1, ""},
		{"an end without its end of line", one + two[:len(two)-1], 1, ""},
		{"a bent record in the middle", strings.Replace(one, "51", "91", 1) + two, 0, "at offset 0, after 0 leases, is damaged (wrong checksum)"},
		{"a record without an address", "a3a6bf43 {}\n" + two, 0, "at offset 0, after 0 leases, is damaged (it is no IPv4 address)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "leases.log")
			if err := os.WriteFile(path, []byte(tc.content), 0o640); err != nil {
				t.Fatal(err)
			}
			if tc.err != "" {
				refused(t, path, tc.content, tc.err)
				return
			}
			for range 2 {
				table := open(t, path)
				if got := len(table.All()); got != tc.leases {
					t.Errorf("%d leases, want %d", got, tc.leases)
				}
				table.Close()
			}
			if b, _ := os.ReadFile(path); !strings.HasPrefix(string(b), header) {
				t.Errorf("the log was not written anew: %.40q", b)
			}
		})
	}
}

func TestOpenSaysWhatFailed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(file, "leases.log")} {
		if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), "opening the lease log: ") || !strings.Contains(err.Error(), file[:len(dir)]) {
			t.Errorf("opening %s: %v", path, err)
		}
	}
}

// faultyFile fails as a disk does: at a write, which may be done in part,
// or at a sync.
type faultyFile struct {
	file
	write, sync error
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.write != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], at)
		return n, f.write
	}
	return f.file.WriteAt(b, at)
}

func (f *faultyFile) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.file.Sync()
}

// TestDiskFault: what could not be stored is not acknowledged and not known,
// and after a fault nothing more is believed to be stored, until a restart
// reads what is really there.
func TestDiskFault(t *testing.T) {
	fault := errors.New("input/output error")
	for _, tc := range []struct {
		name        string
		write, sync error
		want        string
	}{
		{"a write that fails half way", fault, nil, "writing a lease to "},
		{"a sync that fails", nil, fault, "syncing a lease to "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "leases.log")
			table := open(t, path)
			apply(t, table, bind("10.77.2.51", "52:54:00:00:00:01"))
			disk := &faultyFile{file: table.log.file, write: tc.write, sync: tc.sync}
			table.log.file = disk

			err := table.Apply(bind("10.77.2.52", "52:54:00:00:00:02"))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want+path) || !strings.Contains(err.Error(), fault.Error()) {
				t.Errorf("error %v, want %s%s: %v", err, tc.want, path, fault)
			}
			if l, known := table.ByAddr(netip.MustParseAddr("10.77.2.52")); known {
				t.Errorf("what was not stored is known: %+v", l)
			}

			disk.write, disk.sync = nil, nil // the disk says that all is well again
			err = table.Apply(bind("10.77.2.53", "52:54:00:00:00:03"))
			if err == nil || !strings.Contains(err.Error(), "failed earlier and needs a restart") {
				t.Errorf("a write after the fault: error %v", err)
			}
			offer := change(policy.Hold, policy.StateOffered, bind("10.77.2.54", "52:54:00:00:00:04"))
			if err := table.Apply(offer); err != nil {
				t.Errorf("an offer needs no disk: %v", err)
			}

			table.Close()
			again := open(t, path)
			if _, known := again.ByAddr(netip.MustParseAddr("10.77.2.51")); !known {
				t.Error("what was acknowledged before the fault is lost")
			}
			if err := again.Apply(bind("10.77.2.55", "52:54:00:00:00:05")); err != nil {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

func TestClosedTableStaysReadable(t *testing.T) {
	table := open(t, filepath.Join(t.TempDir(), "leases.log"))
	apply(t, table, bind("10.77.2.51", "52:54:00:00:00:01"))
	table.Close()
	if len(table.All()) != 1 {
		t.Error("the leases are gone")
	}
	if err := table.Apply(bind("10.77.2.52", "52:54:00:00:00:02")); err == nil {
		t.Error("a closed table acknowledged a lease")
	}
	if err := NewTable().Close(); err != nil {
		t.Errorf("closing a table without a log: %v", err)
	}
}

// TestAnyCrash: wherever a crash cuts the log, what is found is what had been
// written up to there, record by record.
func TestAnyCrash(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "leases.log")
		os.Remove(path)
		table, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		states := [][]model.Lease{nil}
		atLeast := int64(len(header))
		var ends []int64
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			c := bind(
				rapid.SampledFrom([]string{"10.77.2.51", "10.77.2.52", "10.77.2.53"}).Draw(t, "address"),
				rapid.SampledFrom([]model.MAC{"52:54:00:00:00:01", "52:54:00:00:00:02"}).Draw(t, "machine"))
			if rapid.Bool().Draw(t, "put aside") {
				c = change(policy.PutAside, policy.StateDeclined, c)
			}
			if err := table.Apply(c); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			states, ends = append(states, table.All()), append(ends, info.Size())
		}
		table.Close()
		cut := rapid.Int64Range(atLeast, ends[len(ends)-1]).Draw(t, "cut")
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		whole := 0
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if diff := cmp.Diff(states[whole], again.All(), compare, cmp.Comparer(func(a, b []model.Lease) bool {
			return cmp.Equal(append([]model.Lease{}, a...), append([]model.Lease{}, b...), compare)
		})); diff != "" {
			t.Fatalf("cut at %d of %v (-want +got):\n%s", cut, ends, diff)
		}
	})
}

// FuzzReplay: whatever stands in the file, opening it ends with leases or with
// an error, and never changes a file that it refuses.
func FuzzReplay(f *testing.F) {
	log := logOf(f, bind("10.77.2.51", lab1), bind("10.77.2.52", lab2))
	f.Add([]byte(log))
	f.Add([]byte(log[:len(log)-30]))
	f.Add([]byte(sealed(header, "\x02")))
	f.Add([]byte("a3a6bf43 {}\na3a6bf43 {}\n"))
	path := filepath.Join(f.TempDir(), "leases.log")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o640); err != nil {
			t.Fatal(err)
		}
		table, err := Open(path)
		after, _ := os.ReadFile(path)
		if err != nil {
			if string(after) != string(content) {
				t.Errorf("refused with %v, and changed", err)
			}
			return
		}
		before := table.All()
		table.Close()
		again, err := Open(path)
		if err != nil {
			t.Fatalf("what was written anew does not open: %v\n% x", err, after)
		}
		defer again.Close()
		if !slices.Equal(before, again.All()) {
			t.Errorf("% x was %+v and became %+v", content, before, again.All())
		}
	})
}
