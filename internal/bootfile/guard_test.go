package bootfile

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// needLandlock skips what this kernel cannot show.
func needLandlock(t testing.TB) {
	t.Helper()
	if !HasLandlock() {
		t.Skip("this kernel has no Landlock, or does not let us use it: the guard is not tried here")
	}
}

func testGuard(t testing.TB, dir string) *guard {
	t.Helper()
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	g, err := newGuard([]*os.File{folder})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guard) path(path string, flag int) error {
	f, err := g.do(func() (*os.File, error) { return os.OpenFile(path, flag, 0) })
	if err == nil {
		f.Close()
	}
	return err
}

func TestGuardReadsItsFolderAndNothingElse(t *testing.T) {
	needLandlock(t)
	dir := t.TempDir()
	for _, d := range []string{"in/sub", "out"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in, deep := write(t, filepath.Join(dir, "in/linux"), "x"), write(t, filepath.Join(dir, "in/sub/linux"), "x")
	out := write(t, filepath.Join(dir, "out/secret"), "x")
	if err := os.Symlink(out, filepath.Join(dir, "in/link")); err != nil {
		t.Fatal(err)
	}
	g := testGuard(t, filepath.Join(dir, "in"))
	for _, path := range []string{in, deep} {
		if err := g.path(path, os.O_RDONLY); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{
		out, filepath.Join(dir, "in/link"), filepath.Join(dir, "in") + "/../out/secret", "/etc/passwd", "/proc/self/environ", "/dev/null", dir, "/",
	} {
		if err := g.path(path, os.O_RDONLY); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v, want permission denied", path, err)
		}
		if f, err := os.Open(path); err != nil {
			t.Errorf("%s on a thread of no guard: %v", path, err)
		} else {
			f.Close()
		}
	}
	if err := g.path(in, os.O_WRONLY); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("writing: %v, want permission denied", err)
	}
	if err := g.path(filepath.Join(dir, "in/new"), os.O_WRONLY|os.O_CREATE); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("making a file: %v, want permission denied", err)
	}
}

// TestGuardDoesNotSpread: threads that Go starts while all those of a guard
// are busy are not restricted.
func TestGuardDoesNotSpread(t *testing.T) {
	needLandlock(t)
	g := testGuard(t, t.TempDir())
	var all sync.WaitGroup
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	for range guardThreads {
		all.Go(func() {
			g.do(func() (*os.File, error) {
				var others sync.WaitGroup
				for range 20 {
					others.Go(func() {
						runtime.LockOSThread() // so that each needs a thread; it ends with it
						f, err := os.Open("/etc/passwd")
						if err != nil {
							t.Error(err)
							return
						}
						f.Close()
						<-hold
					})
				}
				time.AfterFunc(10*time.Millisecond, release)
				others.Wait()
				return nil, nil
			})
		})
	}
	all.Wait()
}

// TestGuardEnds: a reload leaves no threads behind.
func TestGuardEnds(t *testing.T) {
	needLandlock(t)
	dir := t.TempDir()
	before := restricted(t)
	for range 20 {
		if err := testGuard(t, dir).path(dir, os.O_RDONLY); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); restricted(t) > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d restricted threads, %d before", restricted(t), before)
		}
		runtime.GC()
	}
}

// restricted counts the threads that have given up privileges, as those of
// guards do.
func restricted(t *testing.T) (n int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err == nil && strings.Contains(string(b), "NoNewPrivs:\t1") && !strings.Contains(string(b), "State:\tZ") {
			n++
		}
	}
	return n
}

// TestRemoteServesNoLink: a copy that somebody exchanged for a link is not
// followed out of the folder, with either layer.
func TestRemoteServesNoLink(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("kernel")) }))
	defer origin.Close()
	for _, landlock := range []bool{true, false} {
		dir := t.TempDir()
		secret := write(t, filepath.Join(t.TempDir(), "secret"), "secret")
		remote, err := NewRemote(dir, map[string]string{"linux": origin.URL}, landlock, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := read(t, remote, "linux"); string(b) != "kernel" {
			t.Errorf("got %q", b)
		}
		copies, err := filepath.Glob(filepath.Join(dir, "*.data"))
		if err != nil || len(copies) != 1 {
			t.Fatal(copies, err)
		}
		os.Remove(copies[0])
		if err := os.Symlink(secret, copies[0]); err != nil {
			t.Fatal(err)
		}
		if f, err := remote.Open(context.Background(), request("linux")); err == nil {
			t.Errorf("landlock %v: %+v", landlock, f)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "linux")
	if err := os.WriteFile(path, []byte("kernel"), 0o644); err != nil {
		b.Fatal(err)
	}
	open := func(o Opener) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				f, err := o.Open(context.Background(), request("linux"))
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		}
	}
	for name, landlock := range map[string]bool{"landlock": true, "plain": false} {
		if landlock && !HasLandlock() {
			continue
		}
		table, err := NewTable(landlock, Part{Files: map[string]string{"linux": path}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, open(table))
	}
}
