package ramdisk

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

func file(path, content string) File {
	return File{Path: path, Size: int64(len(content)), Content: strings.NewReader(content)}
}

func volumeOf(t testing.TB, files ...File) *Image {
	t.Helper()
	m, err := New("HOBNAIL", files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestVolumeOfOneProgram holds a whole volume against what was worked out by
// hand from the specification.
func TestVolumeOfOneProgram(t *testing.T) {
	f := file("EFI/a-long-name.efi", "program")
	f.ModTime = time.Date(2026, 6, 22, 21, 30, 10, 0, time.UTC)
	got := read(t, volumeOf(t, f))

	const (
		root        = 3 * 512
		dir         = root + 32*512
		content     = dir + 2048
		date, clock = "\xd6\x5c", "\xc5\xab" // 46<<9 | 6<<5 | 22, 21<<11 | 30<<5 | 5
		times       = clock + date + date + "\x00\x00" + clock + date
		fat         = "\xf8\xff\xff" + "\xff\xff\xff"
	)
	want := make([]byte, 512*(1+1+1+32+2*4))
	put := func(at int, octets string) { copy(want[at:], octets) }
	put(0, "\xeb\xfe\x90MSWIN4.1\x00\x02\x04\x01\x00\x02\x00\x02\x2b\x00\xf8\x01\x00\x01\x00\x01\x00")
	put(36, "\x80\x00\x29")
	copy(want[39:43], got[39:43]) // any serial number
	put(43, "HOBNAIL    FAT12   ")
	put(510, "\x55\xaa")
	put(512, fat)
	put(1024, fat)
	put(root, "HOBNAIL    \x08\x00\x00"+times)
	put(root+32, "EFI        \x10\x00\x00"+times+"\x02\x00")
	put(dir, ".          \x10\x00\x00"+times+"\x02\x00")
	put(dir+32, "..         \x10\x00\x00"+times+"\x00\x00")
	sum := string([]byte{sumOf([]byte("A-LONG~1EFI"))})
	put(dir+64, "\x42f\x00i\x00\x00\x00\xff\xff\xff\xff\x0f\x00"+sum+strings.Repeat("\xff", 12)+"\x00\x00"+strings.Repeat("\xff", 4))
	put(dir+96, "\x01a\x00-\x00l\x00o\x00n\x00\x0f\x00"+sum+"g\x00-\x00n\x00a\x00m\x00e\x00\x00\x00.\x00e\x00")
	put(dir+128, "A-LONG~1EFI\x20\x00\x00"+times+"\x03\x00\x07\x00\x00\x00")
	put(content, "program")
	if diff := cmp.Diff(hex.Dump(want), hex.Dump(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLayout(t *testing.T) {
	zero := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(f found) found {
		if f.Modified.IsZero() {
			f.Modified = zero
		}
		return f
	}
	cluster := strings.Repeat("c", clusterSize)
	noon := time.Date(2026, 11, 22, 12, 0, 3, 0, time.UTC)
	for _, tc := range []struct {
		name  string
		files []File
		want  []found
	}{
		{"no file at all", nil, nil},
		{"an empty file has no cluster",
			[]File{{Path: "EMPTY.TXT"}},
			[]found{{Path: "EMPTY.TXT", Short: "EMPTY   TXT"}}},
		{"a file fills its cluster to the last octet",
			[]File{file("FULL", cluster)},
			[]found{{Path: "FULL", Short: "FULL       ", Content: cluster}}},
		{"one octet more takes another cluster",
			[]File{file("MORE", cluster+"!"), file("NEXT", "next")},
			[]found{{Path: "MORE", Short: "MORE       ", Content: cluster + "!"}, {Path: "NEXT", Short: "NEXT       ", Content: "next"}}},
		{"directories come from paths, however they are spelled",
			[]File{file("EFI/BOOT/BOOTX64.EFI", "shim"), file("efi/boot/MMX64.EFI", "mok")},
			[]found{
				{Path: "EFI", Short: "EFI        ", Dir: true},
				{Path: "EFI/BOOT", Short: "BOOT       ", Dir: true},
				{Path: "EFI/BOOT/BOOTX64.EFI", Short: "BOOTX64 EFI", Content: "shim"},
				{Path: "EFI/BOOT/MMX64.EFI", Short: "MMX64   EFI", Content: "mok"},
			}},
		{"a name in lower case keeps its case beside its short name",
			[]File{file("grub.cfg", "x")},
			[]found{{Path: "grub.cfg", Short: "GRUB    CFG", Content: "x"}}},
		{"names too long for a short one get a numeric tail",
			[]File{file("BOOTRISCV64.EFI", "a"), file("revocations_sbat.efi", "b"), file("revocations_sku.efi", "c"), file("grubloongarch64.efi", "d")},
			[]found{
				{Path: "BOOTRISCV64.EFI", Short: "BOOTRI~1EFI", Content: "a"},
				{Path: "grubloongarch64.efi", Short: "GRUBLO~1EFI", Content: "d"},
				{Path: "revocations_sbat.efi", Short: "REVOCA~1EFI", Content: "b"},
				{Path: "revocations_sku.efi", Short: "REVOCA~2EFI", Content: "c"},
			}},
		{"an invented name never takes a real one",
			[]File{file("grubriscv64.efi", "long"), file("GRUBRI~1.EFI", "short")},
			[]found{
				{Path: "grubriscv64.efi", Short: "GRUBRI~2EFI", Content: "long"},
				{Path: "GRUBRI~1.EFI", Short: "GRUBRI~1EFI", Content: "short"},
			}},
		{"what short names cannot hold is replaced or left out",
			[]File{file(".disk", "a"), file("a+b.c d,e", "b"), file("two.dots.cfg", "c")},
			[]found{
				{Path: ".disk", Short: "DISK~1     ", Content: "a"},
				{Path: "a+b.c d,e", Short: "A_B~1   CD_", Content: "b"},
				{Path: "two.dots.cfg", Short: "TWODOT~1CFG", Content: "c"},
			}},
		{"a long name of exactly one piece has no end mark",
			[]File{file("thirteen.text", "x")},
			[]found{{Path: "thirteen.text", Short: "THIRTE~1TEX", Content: "x"}}},
		{"the longest name",
			[]File{file(strings.Repeat("n", 255), "x")},
			[]found{{Path: strings.Repeat("n", 255), Short: "NNNNNN~1   ", Content: "x"}}},
		{"times have two seconds, and directories those of what is in them",
			[]File{{Path: "D/OLD"}, {Path: "D/NEW", ModTime: noon}},
			[]found{
				{Path: "D", Short: "D          ", Dir: true, Modified: noon.Truncate(2 * time.Second)},
				{Path: "D/NEW", Short: "NEW        ", Modified: noon.Truncate(2 * time.Second)},
				{Path: "D/OLD", Short: "OLD        "},
			}},
		{"a time beyond the last is the last",
			[]File{{Path: "FUTURE", ModTime: noon.AddDate(100, 0, 0)}},
			[]found{{Path: "FUTURE", Short: "FUTURE     ", Modified: time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			label, got, err := list(read(t, volumeOf(t, tc.files...)))
			if err != nil {
				t.Fatal(err)
			}
			for i := range tc.want {
				tc.want[i] = at(tc.want[i])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if label != "HOBNAIL    " {
				t.Errorf("label %q", label)
			}
		})
	}
}

func TestManyFilesInOneDirectory(t *testing.T) {
	var files []File
	for i := range 3000 {
		files = append(files, file(fmt.Sprintf("modules/a-rather-long-name-%04d.mod", i), fmt.Sprint(i)))
	}
	_, got, err := list(read(t, volumeOf(t, files...)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got[1:] {
		if f.Path != files[i].Path || f.Content != fmt.Sprint(i) {
			t.Fatalf("entry %d is %q with %q", i, f.Path, f.Content)
		}
	}
	if len(got) != 1+len(files) {
		t.Errorf("%d of %d files", len(got)-1, len(files))
	}
}

// TestKindOfFAT: no volume is near the line between FAT12 and FAT16, on
// whichever side, and the reader above, which goes by the number of clusters
// alone, reads all of them.
func TestKindOfFAT(t *testing.T) {
	for _, tc := range []struct {
		used, clusters int
		kind           string
	}{
		{1, 1, "FAT12   "},
		{4068, 4068, "FAT12   "},
		{4069, 4101, "FAT16   "},
		{4101, 4101, "FAT16   "},
		{4102, 4102, "FAT16   "},
	} {
		t.Run(fmt.Sprint(tc.used), func(t *testing.T) {
			content := bytes.Repeat([]byte("0123456789abcdef"), tc.used*clusterSize/16)
			b := read(t, volumeOf(t, File{Path: "BIG", Size: int64(len(content)), Content: bytes.NewReader(content)}))
			if got := string(b[54:62]); got != tc.kind {
				t.Errorf("%q, want %q", got, tc.kind)
			}
			r, _, err := openFAT(b)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(r.fat) - 2; got != tc.clusters {
				t.Errorf("%d clusters, want %d", got, tc.clusters)
			}
			_, all, err := list(b)
			if err != nil || len(all) != 1 || all[0].Content != string(content) {
				t.Errorf("the file does not read back: %v", err)
			}
		})
	}
}

// nothing is a content of any size.
type nothing struct{}

func (nothing) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestLargestVolume(t *testing.T) {
	const most = 32695 * clusterSize // 131072 sectors, less 33 and two FATs of 128, by four
	m := volumeOf(t, File{Path: "BIG", Size: most, Content: nothing{}})
	if m.Size() > MaxSize || m.Size() <= MaxSize-clusterSize {
		t.Errorf("%d octets, want just up to %d", m.Size(), MaxSize)
	}
	_, err := New("", []File{{Path: "BIG", Size: most + 1, Content: nothing{}}})
	if err == nil {
		t.Error("one octet more was taken")
	}
}

func TestNewRefuses(t *testing.T) {
	const rules = `; allowed is printable ASCII without \ : * ? " < > |`
	const slashes = "a part of the path is empty; paths have no slash at either end and no two together"
	var many []File
	for i := range 300 {
		many = append(many, file(fmt.Sprintf("a-file-%d", i), ""))
	}
	for _, tc := range []struct {
		name  string
		label string
		files []File
		want  string
	}{
		{"an empty path", "", []File{file("", "x")}, `putting "" on a RAM disk: ` + slashes},
		{"a path from the root", "", []File{file("/A", "x")}, `putting "/A" on a RAM disk: ` + slashes},
		{"a path that ends in a directory", "", []File{file("A/", "x")}, `putting "A/" on a RAM disk: ` + slashes},
		{"the way up", "", []File{file("A/../B", "x")}, `putting "A/../B" on a RAM disk: the part ".." begins or ends with a space or ends with a dot`},
		{"a space at the end", "", []File{file("A ", "x")}, `putting "A " on a RAM disk: the part "A " begins or ends with a space or ends with a dot`},
		{"a backslash", "", []File{file(`A\B`, "x")}, `putting "A\\B" on a RAM disk: the part "A\\B" contains '\\'` + rules},
		{"a letter beyond ASCII", "", []File{file("Ä", "x")}, `putting "Ä" on a RAM disk: the part "Ä" contains 'Ã'` + rules},
		{"a control character", "", []File{file("A\n", "x")}, `putting "A\n" on a RAM disk: the part "A\n" contains '\n'` + rules},
		{"a part of 256", "", []File{file(strings.Repeat("a", 256), "x")}, `putting "` + strings.Repeat("a", 256) + `" on a RAM disk: a part of the path has 256 octets; 255 are allowed`},
		{"a path of 260", "", []File{file(strings.Repeat("a/", 129)+"aa", "x")}, `putting "` + strings.Repeat("a/", 129) + `aa" on a RAM disk: the path has 260 octets; 259 are allowed`},
		{"one name twice", "", []File{file("EFI/A", "x"), file("efi/a", "y")}, `putting "efi/a" on a RAM disk: "EFI/A" is there already; case tells no names apart`},
		{"a directory inside a file", "", []File{file("A/B", "x"), file("a", "y")}, `putting "A/B" on a RAM disk: "a" is a file already and cannot be a directory too`},
		{"a negative size", "", []File{{Path: "A", Size: -1}}, `putting "A" on a RAM disk: its size is -1 octets; 0 to 67108864 are allowed`},
		{"a huge size", "", []File{{Path: "A", Size: 1 << 62, Content: nothing{}}}, `putting "A" on a RAM disk: its size is 4611686018427387904 octets; 0 to 67108864 are allowed`},
		{"no content", "", []File{{Path: "A", Size: 1}}, `putting "A" on a RAM disk: it has no content for its 1 octets`},
		{"files that together are too large", "", []File{{Path: "A", Size: 40 << 20, Content: nothing{}}, {Path: "B", Size: 40 << 20, Content: nothing{}}},
			`putting "B" on a RAM disk: it and what comes before it need more than 67108864 octets`},
		{"files that fit without the tables", "", []File{{Path: "A", Size: MaxSize, Content: nothing{}}},
			"laying out 1 files as a RAM disk: it would have 67257856 octets; 67108864 are allowed"},
		{"more names than the root has entries", "", many, "laying out the root directory of a RAM disk: its names need 601 entries; 512 are allowed"},
		{"a long label", "TWELVE BYTES", nil, `labelling a RAM disk "TWELVE BYTES": it has 12 octets; 11 are allowed`},
		{"a label with a dot", "A.B", nil, `labelling a RAM disk "A.B": '.' is not allowed there`},
		{"a label that begins with a space", " A", nil, `labelling a RAM disk " A": ' ' is not allowed there`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := New(tc.label, tc.files)
			if err == nil {
				t.Fatalf("taken, with %d octets", m.Size())
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabel(t *testing.T) {
	for label, want := range map[string][2]string{
		"":            {"NO NAME    ", ""},
		"Hobnail x64": {"HOBNAIL X64", "HOBNAIL X64"},
		"A":           {"A          ", "A          "},
	} {
		m, err := New(label, []File{file("F", "x")})
		if err != nil {
			t.Fatal(err)
		}
		b := read(t, m)
		inRoot, _, err := list(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, [2]string{string(b[43:54]), inRoot}); diff != "" {
			t.Errorf("label %q (-want +got):\n%s", label, diff)
		}
	}
}

func TestOrderOfFilesDoesNotMatter(t *testing.T) {
	a, b, c := file("EFI/boot/a-long-name", "a"), file("efi/BOOT/a-long-namf", "b"), file("GRUB/GRUB.CFG", "c")
	want := read(t, volumeOf(t, a, b, c))
	for _, files := range [][]File{{c, b, a}, {b, a, c}, {b, c, a}} {
		if !bytes.Equal(want, read(t, volumeOf(t, files...))) {
			t.Errorf("%s, %s, %s gave other octets", files[0].Path, files[1].Path, files[2].Path)
		}
	}
}

func TestSerialNumbersDiffer(t *testing.T) {
	one := read(t, volumeOf(t, file("A", "x")))[39:43]
	for _, other := range []File{file("B", "x"), file("A", "xx"), {Path: "A", Size: 1, Content: nothing{}, ModTime: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}} {
		if bytes.Equal(one, read(t, volumeOf(t, other))[39:43]) {
			t.Errorf("%+v has the serial number of another volume", other)
		}
	}
}

func TestReadAtAnywhere(t *testing.T) {
	m := volumeOf(t, file("A", strings.Repeat("a", 3000)), file("D/B", "b"))
	want := read(t, m)
	for off := int64(0); off < m.Size(); off += 97 {
		for _, size := range []int64{0, 1, 511, 4096, m.Size()} {
			got := bytes.Repeat([]byte{0xcc}, int(size))
			n, err := m.ReadAt(got, off)
			wantN, wantErr := min(size, m.Size()-off), error(nil)
			if wantN < size {
				wantErr = io.EOF
			}
			if int64(n) != wantN || err != wantErr || !bytes.Equal(got[:n], want[off:off+wantN]) {
				t.Fatalf("%d octets at %d: %d, %v; want %d, %v and the volume's own octets", size, off, n, err, wantN, wantErr)
			}
		}
	}
	if n, err := m.ReadAt(make([]byte, 1), m.Size()); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if n, err := m.ReadAt(make([]byte, 1), -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("before the begin: %d, %v", n, err)
	}
}

func TestReadAtConcurrently(t *testing.T) {
	m := volumeOf(t, file("A", strings.Repeat("a", 30000)), file("B", strings.Repeat("b", 30000)))
	want := read(t, m)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := iotest.TestReader(io.NewSectionReader(m, 0, m.Size()), want); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// broken is a content that fails after some octets.
type broken struct {
	good int
	err  error
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	n := max(0, min(len(p), b.good-int(off)))
	clear(p[:n])
	if n < len(p) {
		return n, b.err
	}
	return n, nil
}

func TestContentThatFails(t *testing.T) {
	for _, tc := range []struct {
		name    string
		content broken
		want    string
	}{
		{"is shorter than it should be", broken{700, io.EOF}, "reading D/A at octet 700: it ends before its 1000 octets"},
		{"cannot be read", broken{0, errors.New("disk on fire")}, "reading D/A at octet 0: disk on fire"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := volumeOf(t, File{Path: "D/A", Size: 1000, Content: tc.content})
			n, err := m.ReadAt(make([]byte, m.Size()), 0)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if want := int(m.Size()) - clusterSize + tc.content.good; n != want {
				t.Errorf("%d octets before it, want %d", n, want)
			}
		})
	}
}

func TestRemovableName(t *testing.T) {
	want := map[model.Arch]string{
		model.ArchIA32: "BOOTIA32.EFI", model.ArchX64: "BOOTX64.EFI", model.ArchIA64: "BOOTIA64.EFI",
		model.ArchARM32: "BOOTARM.EFI", model.ArchARM64: "BOOTAA64.EFI",
		model.ArchRISCV32: "BOOTRISCV32.EFI", model.ArchRISCV64: "BOOTRISCV64.EFI", model.ArchRISCV128: "BOOTRISCV128.EFI",
		model.ArchLoongArch32: "BOOTLOONGARCH32.EFI", model.ArchLoongArch64: "BOOTLOONGARCH64.EFI",
	}
	got := map[model.Arch]string{}
	for _, a := range model.Archs() {
		if name, ok := RemovableName(a); ok {
			got[a] = name
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
