package volume

import (
	"bytes"
	"context"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"hobnail/internal/bootfile"
)

// memory opens one file of the host that is none.
type memory struct {
	content []byte
	closed  int
}

// Open implements bootfile.Opener.
func (m *memory) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	if r.Name != "iso/disk.iso" {
		return nil, bootfile.ErrNotFound
	}
	return &bootfile.File{
		Name: r.Name, Size: int64(len(m.content)), Content: bytes.NewReader(m.content), ETag: `"1-2"`,
		Close: func() error { m.closed++; return nil },
	}, nil
}

// TestPacked reads the archive as the kernel does (init/initramfs.c): headers
// of hexadecimal digits, names and contents filled up to four octets.
func TestPacked(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 4, 2048, 70001} {
		host := &memory{content: bytes.Repeat([]byte("x"), size)}
		s := &Set{Files: host, Named: map[string]Inner{"img/disk/proxmox.iso": {Image: "disk", Member: "proxmox.iso"}}}
		f, err := s.Open(t.Context(), bootfile.Request{Name: "img/disk/proxmox.iso"})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, f.Size)
		if n, err := f.Content.ReadAt(got, 0); n != len(got) || err != nil && err != io.EOF {
			t.Fatalf("size %d: %d of %d octets, %v", size, n, len(got), err)
		}
		if err := iotest.TestReader(io.NewSectionReader(f.Content, 0, f.Size), got); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		if f.ETag == `"1-2"` || f.ETag == "" {
			t.Errorf("its ETag is %s, the volume's", f.ETag)
		}
		name, mode, content, rest := member(t, got)
		if name != "proxmox.iso" || mode != 0o100644 || !bytes.Equal(content, host.content) {
			t.Errorf("size %d: %s, mode %o, %d octets", size, name, mode, len(content))
		}
		if name, _, _, rest = member(t, rest); name != "TRAILER!!!" || len(rest) != 0 {
			t.Errorf("size %d: ends in %s, and %d octets more", size, name, len(rest))
		}
		f.Close()
		if host.closed != 1 {
			t.Errorf("the volume was closed %d times", host.closed)
		}
	}
}

// member takes the first file off an archive.
func member(t *testing.T, b []byte) (name string, mode uint64, content, rest []byte) {
	t.Helper()
	field := func(i int) uint64 {
		n, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if string(b[:6]) != "070701" {
		t.Fatalf("magic %q", b[:6])
	}
	begin := (110 + field(11) + 3) &^ 3
	end := begin + field(6)
	name = strings.TrimSuffix(string(b[110:110+field(11)]), "\x00")
	return name, field(1), b[begin:end], b[(end+3)&^3:]
}

// TestPackedOfTooMuch: the archive's sizes have eight digits.
func TestPackedOfTooMuch(t *testing.T) {
	closed := false
	whole := &bootfile.File{Name: "iso/disk.iso", Size: math.MaxUint32 + 1, Close: func() error { closed = true; return nil }}
	if _, err := packed("img/disk/x", "x", whole); err == nil || !strings.Contains(err.Error(), "4 GiB") || !closed {
		t.Errorf("error %v, closed %v", err, closed)
	}
}
