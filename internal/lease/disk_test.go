package lease

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSync: with the kernel's asynchronous I/O and without, the result is that
// of fdatasync.
func TestSync(t *testing.T) {
	for _, plain := range []bool{false, true} {
		f, err := osFolder(t.TempDir()).create("log")
		if err != nil {
			t.Fatal(err)
		}
		f.(*osFile).plain = plain
		for range 3 {
			if _, err := f.WriteAt([]byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Errorf("plain %v: %v", plain, err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Sync(); err == nil {
			t.Errorf("plain %v: a closed file was synced", plain)
		}
	}
}

// TestSyncOfWhatCannotBe: what the kernel does not take asynchronously it is
// asked for again the plain way, whose error is the one that is told.
func TestSyncOfWhatCannotBe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &osFile{File: p}
	defer f.Close()
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("error %v, want %v", err, syscall.EINVAL)
	}
	if !f.plain || f.aio != nil {
		t.Error("the next sync would try it again")
	}
}
