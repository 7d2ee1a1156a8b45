package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hobnail/internal/store"
)

// childEnv names what the test's own program is to do as another process.
const childEnv = "HOBNAIL_SQLITE_CHILD"

func TestMain(m *testing.M) {
	do, path, _ := strings.Cut(os.Getenv(childEnv), " ")
	switch do {
	case "read":
		os.Exit(childReads(path))
	case "full":
		os.Exit(childFillsDisk(path))
	case "readonly":
		os.Exit(childOnReadOnlyFolder(path))
	}
	os.Exit(m.Run())
}

// childCommand runs this program again, to do something with a path.
func childCommand(do, path string) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), childEnv+"="+do+" "+path)
	return c
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putAll(s *Store, n int, value string) error {
	return s.Update(context.Background(), func(tx store.Tx) error {
		for i := range n {
			if err := tx.Put(fmt.Sprintf("key/%06d", i), []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// sameOfAll gives the one value that all keys have.
func sameOfAll(s *Store) (value string, n int, err error) {
	err = s.View(context.Background(), func(tx store.Tx) error {
		differ := false
		err := tx.Scan(store.Range{}, func(_ string, v []byte) bool {
			differ = differ || n > 0 && value != string(v)
			value = string(v)
			n++
			return true
		})
		if differ {
			return errors.New("a view saw half of an update")
		}
		return err
	})
	return value, n, err
}

// childReads reads while its parent writes, until it has seen ten states.
func childReads(path string) int {
	s, err := OpenReadOnly(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	seen := map[string]bool{}
	for end := time.Now().Add(time.Minute); len(seen) < 10 && time.Now().Before(end); {
		v, n, err := sameOfAll(s)
		if err != nil || n != 100 {
			fmt.Println(n, err)
			return 1
		}
		if !seen[v] {
			seen[v] = true
			fmt.Println("saw", v)
		}
	}
	if err := s.Update(context.Background(), func(store.Tx) error { return nil }); !errors.Is(err, store.ErrReadOnly) {
		fmt.Println("writing:", err)
		return 1
	}
	fmt.Println("done", len(seen))
	return 0
}

func TestAnotherProcessReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path)
	if err := putAll(s, 100, "0"); err != nil {
		t.Fatal(err)
	}
	c := childCommand("read", path)
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- c.Wait() }()
	for n := 1; ; n++ {
		select {
		case err := <-done:
			if err != nil || !strings.Contains(out.String(), "done 10") {
				t.Errorf("%v: %s", err, out.String())
			}
			return
		default:
		}
		if err := putAll(s, 100, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path)
	if err := putAll(s, 3, "v"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("opening %s: process %d writes it: another hobnail runs with this data folder", path, os.Getpid())
	if _, err := Open(path); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Nobody writes it, and it was closed: there is no log beside it.
	r, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v, n, err := sameOfAll(r); err != nil || n != 3 || v != "v" {
		t.Errorf("%d keys, %q, %v", n, v, err)
	}
	if err := r.Lock(context.Background(), "l", func(context.Context) error { return nil }); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a lock that locks nobody out: %v", err)
	}
	open(t, path)
}

func TestOnlyOursIsOpened(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := filepath.Join(dir, "newer.db")
	s := open(t, newer)
	if _, err := s.db.Exec("PRAGMA user_version=99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	other := filepath.Join(dir, "other.db")
	s = open(t, other)
	if _, err := s.db.Exec("PRAGMA application_id=7"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for path, want := range map[string]string{
		newer: "it was written by a newer hobnail (format 99, this one knows 1)",
		other: "it is a database of another program",
		file("text.db", strings.Repeat("this is no database\n", 300)): "it is damaged",
		filepath.Join(dir, "no/such.db"):                              "no such file or directory; hobnail must be able to write to that folder",
	} {
		for _, do := range []func(string) (*Store, error){Open, OpenReadOnly} {
			_, err := do(path)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: error %v, want %s", path, err, want)
			}
		}
	}
	if _, err := OpenReadOnly(file("empty.db", "")); err == nil || !strings.HasSuffix(err.Error(), ": it is empty") {
		t.Errorf("error %v", err)
	}
	open(t, file("empty2.db", "")) // one that a crash left before anything was in it
	if _, err := OpenReadOnly(filepath.Join(dir, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestFilesAreNotForEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path)
	if err := putAll(s, 3, "v"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestCommitsAreSynced: what SQLite calls FULL (2), in a log (WAL).
func TestCommitsAreSynced(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "history.db"))
	c := <-s.writer
	defer func() { s.writer <- c }()
	var sync int
	var mode string
	if err := c.c.QueryRowContext(context.Background(), "PRAGMA synchronous").Scan(&sync); err != nil || sync != 2 {
		t.Errorf("synchronous is %d, %v", sync, err)
	}
	if err := c.c.QueryRowContext(context.Background(), "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode is %s, %v", mode, err)
	}
}

// TestDamage writes over one part of a file after another. What is read then is
// right, or an error that names the file and says what to do; nothing panics.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	s := open(t, whole)
	value := strings.Repeat("what was written ", 40)
	if err := putAll(s, 400, value); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	places := 15
	for n := range places {
		at := n * len(octets) / places
		for name, with := range map[string][]byte{
			"zeros": make([]byte, 4096), "ones": bytes.Repeat([]byte{255}, 600), "a bit": {octets[min(at+2000, len(octets)-1)] ^ 4},
		} {
			bad := bytes.Clone(octets)
			if name == "a bit" {
				copy(bad[min(at+2000, len(octets)-1):], with)
			} else {
				copy(bad[at:], with)
			}
			path := filepath.Join(dir, "bad.db")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			err := useDamaged(t, path, value)
			if err == nil {
				continue // a place that holds nothing
			}
			found++
			if !strings.Contains(err.Error(), path) || !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "stop hobnail, move "+path) {
				if !strings.Contains(err.Error(), "another program") && !strings.Contains(err.Error(), "is empty") {
					t.Errorf("%s at %d: error %v", name, at, err)
				}
			}
		}
	}
	if found < places {
		t.Errorf("%d of %d damages were found", found, 3*places)
	}
	t.Logf("%d of %d damages were found; the others harm no value", found, 3*places)
}

// useDamaged reads all there is, both ways, and writes.
func useDamaged(t *testing.T, path, value string) error {
	s, err := OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.View(context.Background(), func(tx store.Tx) error {
		n := 0
		for _, back := range []bool{false, true} {
			err := tx.Scan(store.Range{Back: back}, func(key string, v []byte) bool {
				if string(v) != value {
					t.Errorf("%s was read as %.40q", key, v)
				}
				n++
				return true
			})
			if err != nil {
				return err
			}
		}
		for i := range 400 {
			if _, err := tx.Get(fmt.Sprintf("key/%06d", i)); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if n != 800 {
			t.Errorf("%d keys of 800 were read without an error", n)
		}
		return nil
	})
}

// TestIndexOfTheLogIsCutOff: FILE-shm is mapped into memory, and reading what
// is no longer there would end the process.
func TestIndexOfTheLogIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	s := open(t, path)
	if err := putAll(s, 100, "1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path+"-shm", 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := putAll(s, 100, "2"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("writing: error %v", err)
		}
		if _, _, err := sameOfAll(s); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("reading: error %v", err)
		}
	}
	s.Close()
	s = open(t, path) // a restart mends it
	if v, n, err := sameOfAll(s); err != nil || n != 100 || v != "1" {
		t.Errorf("after a restart: %d keys, %q, %v", n, v, err)
	}
}

// inOwnMounts runs the test's program as root of a mount namespace of its own.
func inOwnMounts(t *testing.T, do, path string) string {
	t.Helper()
	c := childCommand(do, path)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || c.ProcessState != nil && c.ProcessState.ExitCode() == cannotMount {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// cannotMount is the exit code of a child that may not mount.
const cannotMount = 77

func mountDisk(path, size string) bool {
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") == nil &&
		syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size) == nil
}

// childFillsDisk writes until a disk of 1 MiB is full, makes room, and goes on.
func childFillsDisk(path string) int {
	dir := filepath.Dir(path)
	if !mountDisk(dir, "1m") {
		return cannotMount
	}
	s, err := Open(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := putAll(s, 100, "first"); err != nil {
		fmt.Println(err)
		return 1
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, make([]byte, 400<<10), 0o600); err != nil {
		fmt.Println(err)
		return 1
	}
	for n := range 3 {
		err = putAll(s, 100, strings.Repeat(fmt.Sprint(n), 20000))
		fmt.Println("full:", err)
		if !errors.Is(err, store.ErrFull) {
			return 1
		}
		if v, n, err := sameOfAll(s); err != nil || n != 100 || v != "first" {
			fmt.Println("read:", n, err)
			return 1
		}
	}
	if err := os.Remove(other); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := putAll(s, 100, "second"); err != nil {
		fmt.Println("with room again:", err)
		return 1
	}
	if v, n, err := sameOfAll(s); err != nil || n != 100 || v != "second" {
		fmt.Println("read:", n, err)
		return 1
	}
	if err := s.Close(); err != nil {
		fmt.Println("close:", err)
		return 1
	}
	// A disk that is full from the start.
	rest := make([]byte, 4<<20)
	_ = os.WriteFile(other, rest, 0o600)
	_, err = Open(filepath.Join(dir, "new.db"))
	fmt.Println("new:", err)
	if err == nil {
		return 1
	}
	return 0
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	out := inOwnMounts(t, "full", path)
	want := "full: writing " + path + ": the disk is full; make room in " + filepath.Dir(path) + "\n"
	if strings.Count(out, want) != 3 || !strings.Contains(out, "new: ") {
		t.Errorf("got %s\nwant three times %s", out, want)
	}
	t.Log(out)
}

// childOnReadOnlyFolder opens a store in a folder that nobody may write to,
// and makes a folder read-only under one that is open.
func childOnReadOnlyFolder(path string) int {
	dir := filepath.Dir(path)
	if !mountDisk(dir, "4m") {
		return cannotMount
	}
	s, err := Open(path)
	if err != nil || putAll(s, 100, "first") != nil {
		fmt.Println(err)
		return 1
	}
	s.Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return cannotMount
	}
	_, err = Open(path)
	fmt.Println("there:", err)
	_, err = Open(filepath.Join(dir, "new.db"))
	fmt.Println("new:", err)
	r, err := OpenReadOnly(path)
	if err != nil {
		fmt.Println("reading:", err)
		return 0
	}
	_, n, err := sameOfAll(r)
	fmt.Println("reading:", n, err)
	return 0
}

func TestReadOnlyFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	out := inOwnMounts(t, "readonly", path)
	for _, want := range []string{
		"there: opening " + path + ": making " + path + ".lock: read-only file system; hobnail must be able to write to that folder\n",
		"new: opening " + filepath.Join(filepath.Dir(path), "new.db") + ": making ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s\nwant %s", out, want)
		}
	}
	t.Log(out)
}
