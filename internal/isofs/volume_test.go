package isofs

import (
	"bytes"
	"container/list"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// linked is a Rock Ridge disk with links of all kinds.
func linked(t testing.TB) *Volume {
	t.Helper()
	link := func(name string, to ...string) []byte {
		return isoRec(strings.ToUpper(name), 0, 0, 0, nm(0, name), px(0o120777), sl(0, to...))
	}
	d := isoDisc(true,
		isoRec("SUB", 21, 2048, flagDir, nm(0, "Sub"), px(0o40755)),
		isoRec("F", 30, 3, 0, nm(0, "file"), px(0o100644)), isoRec("G", 30, 2, 0, nm(0, "FILE"), px(0o100644)),
		link("here", "\x02"), link("root", "\x08"), link("above", "\x04", "\x04", "\x00file"), link("self", "\x00self"),
		link("ping", "\x00pong"), link("pong", "\x00ping"), link("gone", "\x00nowhere"), link("through", "\x00file", "\x00x"),
		link("dir", "\x00Sub"), link("slash", "\x00file", "\x00"),
	)
	d.dir(21, 20, false, isoRec("IN", 30, 1, 0, nm(0, "In.Efi"), px(0o100644)), isoRec("UP", 0, 0, 0, nm(0, "up"), px(0o120777), sl(0, "\x04", "\x00file")))
	d.put(30, []byte("abc"))
	return opened(t, d)
}

func TestLinks(t *testing.T) {
	v := linked(t)
	for name, want := range map[string]string{
		"file": "abc", "here/file": "abc", "here/here/here/file": "abc", "root/Sub/In.Efi": "a", "above": "abc", "dir/In.Efi": "a",
		"Sub/up": "abc", "dir/up": "abc",
		"self": "too many symbolic links", "ping": "too many symbolic links", "gone": "file does not exist", "through": "not a directory",
		"file/x": "not a directory", "nowhere/x": "file does not exist", "../file": "invalid argument", "/file": "invalid argument",
		"Sub/../file": "invalid argument", "": "invalid argument", "sub/In.Efi": "file does not exist",
	} {
		b, err := fs.ReadFile(v, name)
		got := string(b)
		if err != nil {
			var p *fs.PathError
			if !errors.As(err, &p) || p.Path != name {
				t.Errorf("%s: %#v", name, err)
				continue
			}
			got = p.Err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if s, err := v.Lstat("self"); err != nil || s.Mode().Type() != fs.ModeSymlink {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := v.ReadLink("file"); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if _, err := v.Extents("Sub"); err == nil {
		t.Error("a directory has extents")
	}
}

func TestFold(t *testing.T) {
	v := linked(t)
	for name, want := range map[string]string{
		".": ".", "sub/in.efi": "Sub/In.Efi", "SUB": "Sub", "File": "FILE", "file": "file", "FILE": "FILE",
		"DIR/IN.EFI": "dir/In.Efi", "HERE/SUB": "here/Sub",
		"nowhere": "", "file/x": "", "../x": "", "/": "", "SELF/x": "", `sub\in.efi`: "",
	} {
		got, ok := v.Fold(name)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
}

// TestFile: what a file does after Close and with offsets of all kinds.
func TestFile(t *testing.T) {
	m := udfSample("plain").finish("plain").medium()
	v, err := open(m, true)
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Open("short.bin")
	if err != nil {
		t.Fatal(err)
	}
	s := f.(interface {
		io.ReadSeeker
		io.ReaderAt
	})
	want := udfFiles()["short.bin"]
	for off := 0; off <= len(want)+1; off += 509 {
		p := make([]byte, 3000)
		n, err := s.ReadAt(p, int64(off))
		tail := want[min(off, len(want)):]
		if string(p[:n]) != tail[:min(3000, len(tail))] || (err == io.EOF) != (n < 3000) {
			t.Errorf("at %d: %d octets, %v", off, n, err)
		}
	}
	if _, err := s.ReadAt(nil, -1); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	for _, tc := range []struct {
		off    int64
		whence int
		want   int64
	}{{5, io.SeekStart, 5}, {2, io.SeekCurrent, 7}, {-3, io.SeekEnd, int64(len(want)) - 3}, {-1, io.SeekStart, -1}, {0, 9, -1}, {100, io.SeekEnd, int64(len(want)) + 100}} {
		got, err := s.Seek(tc.off, tc.whence)
		if (err != nil) != (tc.want < 0) || err == nil && got != tc.want {
			t.Errorf("%+v: %d, %v", tc, got, err)
		}
	}
	if n, err := s.Read(make([]byte, 9)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	f.Close()
	if _, err := s.ReadAt(nil, 0); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

// TestConcurrent has many goroutines use one volume, whose cache is too small
// for all they want; the race detector watches.
func TestConcurrent(t *testing.T) {
	v := linked(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 200 {
				if b, err := fs.ReadFile(v, "here/dir/up"); string(b) != "abc" {
					t.Error(err)
				}
				v.dirs.mu.Lock()
				v.dirs.cached, v.dirs.weight = map[int64]*list.Element{}, 0
				v.dirs.recent.Init()
				v.dirs.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestCache: the cache holds no more than it may, and what was used last.
func TestCache(t *testing.T) {
	tr := &fakeTree{each: 1000}
	d := newDirs(tr, 1<<40)
	var last *listing
	for i := range 200 {
		l, err := d.list(&node{mode: fs.ModeDir, home: int64(i)})
		if err != nil || len(l.nodes) != 1000 {
			t.Fatal(err)
		}
		if d.weight > cacheSize {
			t.Fatalf("%d octets in the cache", d.weight)
		}
		last = l
	}
	if d.look(199) != last || d.look(0) != nil {
		t.Error("the cache does not keep the newest")
	}
	before := tr.lists
	for range 10 {
		if _, err := d.list(&node{mode: fs.ModeDir, home: 199}); err != nil {
			t.Fatal(err)
		}
	}
	if tr.lists != before {
		t.Error("a directory was read again")
	}
	if len(d.cached) != d.recent.Len() || len(d.cached) == 0 {
		t.Errorf("%d cached, %d in order", len(d.cached), d.recent.Len())
	}
}

type fakeTree struct {
	tree
	each, lists int
}

func (f *fakeTree) root() *node { return &node{} }
func (f *fakeTree) list(dir *node) ([]*node, int, error) {
	f.lists++
	nodes := make([]*node, f.each)
	for i := range nodes {
		nodes[i] = &node{name: fmt.Sprintf("%06d", i)}
	}
	return nodes, 0, nil
}

func TestBoot(t *testing.T) {
	d := isoDisc(false)
	boot := make([]byte, 2048)
	copy(boot, "\x00CD001\x01EL TORITO SPECIFICATION")
	copy(boot[71:], le32(25))
	d.put(18, d.at(17)[:2048])
	d.put(17, boot)
	validation := make([]byte, 32)
	copy(validation, "\x01\x00\x00\x00hobnail")
	validation[30], validation[31] = 0x55, 0xaa
	var sum int
	for i := 0; i < 32; i += 2 {
		sum += int(validation[i]) | int(validation[i+1])<<8
	}
	copy(validation[28:], le16(-sum))
	entry := func(bootable, media byte, segment, sectors, block int) []byte {
		return append(append([]byte{bootable, media, byte(segment), byte(segment >> 8), 0, 0}, append(le16(sectors), le32(block)...)...), make([]byte, 20)...)
	}
	section := func(kind, platform byte, n int, id string) []byte {
		return append(append([]byte{kind, platform}, le16(n)...), append([]byte(id), make([]byte, 28-len(id))...)...)
	}
	extension := func(more byte) []byte { return append([]byte{0x44, more}, make([]byte, 30)...) }
	d.put(25, validation, entry(0x88, 0, 0, 4, 40),
		section(0x90, 0xef, 2, "uefi"), entry(0x88, 0, 0, 1, 41), extension(0x20), extension(0), entry(0x88, 0, 0, 0, 50),
		section(0x91, 0, 2, "disks"), entry(0, 2, 0x1000, 1, 60), entry(0x88, 4, 0, 1, 42))
	fat := make([]byte, 512)
	copy(fat, "\xeb\x3c\x90")
	copy(fat[11:], le16(512))
	copy(fat[19:], le16(20))
	fat[510], fat[511] = 0x55, 0xaa
	d.put(41, fat)
	mbr := make([]byte, 512)
	copy(mbr[446+8:], append(le32(1), le32(9)...))
	mbr[510], mbr[511] = 0x55, 0xaa
	d.put(42, mbr)
	want := []BootEntry{
		{Default: true, Bootable: true, Sectors: 4, ID: "hobnail", Extent: Extent{40 * 2048, 2048}},
		{Bootable: true, Platform: PlatformUEFI, Sectors: 1, ID: "uefi", Extent: Extent{41 * 2048, 20 * 512}},
		{Bootable: true, Platform: PlatformUEFI, ID: "uefi", Extent: Extent{50 * 2048, 14 * 2048}},
		{Media: MediaFloppy1440, Segment: 0x1000, Sectors: 1, ID: "disks", Extent: Extent{60 * 2048, 4 * 2048}},
		{Bootable: true, Media: MediaHardDisk, Sectors: 1, ID: "disks", Extent: Extent{42 * 2048, 10 * 512}},
	}
	got, err := opened(t, d).Boot()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	d.b[25*2048+5]++
	if _, err := opened(t, d).Boot(); err == nil || !strings.Contains(err.Error(), "octet 51200 (sector 25): the checksum") {
		t.Error(err)
	}
	if got, err := opened(t, isoDisc(false)).Boot(); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestReal reads images that xorriso, genisoimage and mkudffs made.
func TestReal(t *testing.T) {
	for name, image := range real(t) {
		t.Run(name, func(t *testing.T) {
			m := medium{bytes.NewReader(image), int64(len(image))}
			trees, err := findTrees(m, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range trees {
				checkFS(t, newVolume(m, tr))
			}
			v := choose(m, trees)
			golden := filepath.Join("testdata", strings.TrimSuffix(name, ".gz")+".txt")
			got := fmt.Sprintf("%s %q\n%s", v.Format(), v.Label(), listed(t, v))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// checkFS has testing/fstest look at all of a volume.
func checkFS(t *testing.T, v *Volume) {
	t.Helper()
	top, err := v.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range top {
		names = append(names, e.Name())
	}
	if err := fstest.TestFS(v, names...); err != nil {
		t.Errorf("%s: %v", v.Format(), err)
	}
}
