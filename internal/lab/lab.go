package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TB is what a lab needs of the test that it serves: testing.TB has it all.
// Play makes one for programs that are not tests.
type TB interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
}

// Lab is one isolated set of links, hosts and machines. Its methods end the
// test on failure and may be called from the test's goroutine only.
type Lab struct {
	t   TB
	id  string // prefix of the names of its namespaces
	dir string // work directory: configurations, logs, captures

	mu       sync.Mutex
	cleanups []func() // run last to first by close
	machines int      // counts addresses given to machines
	consoles []*Machine
}

// made counts the labs of this process.
var made atomic.Int64

// New makes an empty lab that is taken down when the test ends. If the test
// failed, or HOBNAIL_LAB_KEEP is set, its directory is kept and named in the
// test's log: under HOBNAIL_LAB_DIR, or the system's temporary directory.
func New(t TB) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("the lab makes network namespaces: run it as root")
	}
	sweep()
	l := &Lab{t: t, id: fmt.Sprintf("%s%d-%d", netnsPrefix, os.Getpid(), made.Add(1))}
	dir := filepath.Join(baseDir(), fileName(t.Name())+"-"+l.id[len(netnsPrefix):])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("making the lab's directory: %v", err)
	}
	l.dir = dir
	t.Cleanup(l.close)
	return l
}

// Dir is the lab's work directory. Everything in it is kept on failure.
func (l *Lab) Dir() string { return l.dir }

// Path is the absolute name of a file in the lab's directory.
func (l *Lab) Path(name string) string { return filepath.Join(l.dir, name) }

// WriteFile puts a file, and the directories above it, into the lab's
// directory and returns its absolute name.
func (l *Lab) WriteFile(name, content string) string {
	l.t.Helper()
	path := l.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatalf("writing %s: %v", name, err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		l.t.Fatalf("writing %s: %v", name, err)
	}
	return path
}

// onClose registers f to run when the lab is taken down, before everything
// that was registered earlier.
func (l *Lab) onClose(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

// close takes the lab down in the reverse order of building it, and keeps or
// removes its directory.
func (l *Lab) close() {
	l.mu.Lock()
	fs := l.cleanups
	l.cleanups = nil
	l.mu.Unlock()
	for i := len(fs) - 1; i >= 0; i-- {
		fs[i]()
	}
	if !l.t.Failed() && os.Getenv("HOBNAIL_LAB_KEEP") == "" {
		os.RemoveAll(l.dir)
		return
	}
	l.report()
}

// report tells where the artefacts are and shows how each console ended.
func (l *Lab) report() {
	for _, m := range l.consoles {
		l.t.Logf("console of %s ends with:\n%s", m.Name, lastLines(m.console.Text(), 25))
	}
	var files []string
	filepath.WalkDir(l.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, ".fd") {
			files = append(files, path)
		}
		return nil
	})
	l.t.Logf("lab kept in %s:\n  %s", l.dir, strings.Join(files, "\n  "))
}

func baseDir() string {
	if dir := os.Getenv("HOBNAIL_LAB_DIR"); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), "hobnail-lab")
}

// fileName makes a test's name usable as the name of a directory.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, s)
}

// lastLines is the end of a text, without its blank lines.
func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// poll asks done every 20 ms until it says yes or the time is over, and
// reports whether it said yes. What a lab waits for happens in other
// processes, which cannot wake it.
func poll(timeout time.Duration, done func() bool) bool {
	deadline := time.Now().Add(timeout)
	for !done() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}
