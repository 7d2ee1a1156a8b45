package tftp

import (
	"bytes"
	"io"
	"testing"

	"hobnail/internal/bootfile"
)

// TestReadAhead: the third block of a client in lock-step is there, and what was
// read ahead is nobody's for whom it is not.
func TestReadAhead(t *testing.T) {
	disk, want := onDisk(t, t.TempDir(), 100_000)
	l := &loop{}
	file := newOpenFile(l, &bootfile.File{Name: "file", Size: int64(len(want)), Content: disk, ETag: `"1"`})
	other := newOpenFile(l, &bootfile.File{Name: "other", Size: 40_000, Content: io.NewSectionReader(disk, 50_000, 40_000), ETag: `"2"`})
	block := make([]byte, 1428)
	read := func(f *openFile, off, size int) {
		t.Helper()
		n, err := f.content(nil).readParts(int64(off), [][]byte{block[:size]})
		begin := off
		if f == other {
			begin += 50_000
		}
		if err != nil || !bytes.Equal(block[:n], want[begin:begin+size]) {
			t.Fatalf("%d octets at %d of %s: %d, %v, others than these", size, off, f.Name, n, err)
		}
	}
	ahead := func(want int) {
		t.Helper()
		if got := len(l.ahead.data); got != want {
			t.Fatalf("%d octets are there, want %d", got, want)
		}
	}
	read(file, 0, 1428)
	ahead(0)
	read(file, 1428, 1428) // it goes on
	ahead(aheadSize)
	read(file, 2*1428, 1428)
	ahead(aheadSize - 1428)
	read(file, 3*1428, 512) // somebody else's, by chance the next
	ahead(aheadSize - 1428 - 512)
	read(file, 3*1428, 1428) // again
	ahead(0)
	read(other, 4*1428, 1428)
	ahead(0)
	for off := 0; off+1428 <= 40_000; off += 1428 {
		read(other, off, 1428)
	}
	read(other, 28*1428, 40_000-28*1428) // the last
	read(file, 100_000-600, 600)
}

// TestReadAheadThatFails: what a read that came to nothing left in the room is
// not sent.
func TestReadAheadThatFails(t *testing.T) {
	file := new(openFile)
	var a ahead
	a.read(file, 1000, 0)
	copy(a.wanted(file, 1000), "good")
	a.read(file, 1000, 4)
	copy(a.wanted(file, 1000), "evil")
	if part := make([]byte, 4); a.take(file, 1000, part) {
		t.Errorf("took %q", part)
	}
}
