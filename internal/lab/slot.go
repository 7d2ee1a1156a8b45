package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// slotWait bounds how long a test waits for its turn.
const slotWait = 40 * time.Minute

// Slot waits until one more machine may run and holds that right until the
// test ends, or until leave is called. An emulated machine keeps one processor busy, so there are as
// many slots as processors, two at least and four at most. The slots are
// locked files: they are shared by all tests of this computer, whatever
// process they run in.
func Slot(t TB) (leave func()) {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "hobnail-lab-slots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("making the directory of machine slots: %v", err)
	}
	n := min(max(runtime.NumCPU(), 2), 4)
	var held *os.File
	start := time.Now()
	took := poll(slotWait, func() bool {
		for i := range n {
			if held = tryLock(filepath.Join(dir, fmt.Sprint(i))); held != nil {
				return true
			}
		}
		return false
	})
	if !took {
		t.Fatalf("no machine slot became free within %v", slotWait)
	}
	if waited := time.Since(start).Round(time.Second); waited > 0 {
		t.Logf("waited %v for its turn", waited)
	}
	t.Cleanup(func() { held.Close() })
	return func() { held.Close() }
}

// tryLock gives the locked file, or nil if somebody else holds it.
func tryLock(path string) *os.File {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}
