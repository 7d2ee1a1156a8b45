//go:build interop

package isofs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run runs a tool in a directory and gives what it prints. What is missing
// fails: scripts/setup installs it.
func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// sourceTree is a folder with what images have: many files, long and foreign
// names, deep folders, links.
func sourceTree(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	write := func(name string, size int) {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		write(fmt.Sprintf("pool/main/p/package-with-a-long-name_%d.%d-1_amd64.deb", i, r.IntN(100)), r.IntN(9000))
	}
	for i, size := range []int{0, 1, 2047, 2048, 2049, 65535, 65536, 3 << 20} {
		write(fmt.Sprint("sizes/", i), size)
	}
	write("names/Grüße 日本.txt", 10)
	write("names/.hidden", 10)
	write("names/two..dots.tar.gz", 10)
	write("names/UPPER.TXT", 10)
	write("names/"+strings.Repeat("n", 60)+".long", 10)
	write("1/2/3/4/5/6/7/8/9/10/11/deep", 10)
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func addLinks(t testing.TB, root string) {
	t.Helper()
	for name, to := range map[string]string{
		"debian": ".", "names/link": "../sizes/3", "names/absolute": "/sizes/3", "names/gone": "nowhere",
		"names/target": strings.Repeat("a-component/", 30) + "end", "names/long": strings.Repeat("x", 240),
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// describeTree describes a tree: names, links, sizes, SHA-256; with full, modes and
// times too.
func describeTree(t testing.TB, fsys fs.FS, full bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		i, err := e.Info()
		if err != nil {
			return err
		}
		var s string
		switch {
		case e.IsDir():
			s = "directory"
		case e.Type() == fs.ModeSymlink:
			to, err := fs.ReadLink(fsys, name)
			if err != nil {
				return err
			}
			s = "link to " + to
		default:
			f, err := fsys.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			h := sha256.New()
			n, err := io.Copy(h, f)
			if err != nil || n != i.Size() {
				return fmt.Errorf("%s: %d of %d octets, %v", name, n, i.Size(), err)
			}
			s = fmt.Sprintf("%d octets, %x", n, h.Sum(nil))
		}
		if full {
			s += fmt.Sprint(" ", i.Mode())
			if e.Type() != fs.ModeSymlink {
				s += fmt.Sprint(" ", i.ModTime().Unix())
			}
		}
		all[name] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// volumes opens all trees of an image.
func volumes(t testing.TB, image string) (shown *Volume, all map[string]*Volume) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m := medium{f, st.Size()}
	trees, err := findTrees(m, true)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]*Volume{}
	for _, tr := range trees {
		all[tr.format()] = newVolume(m, tr)
	}
	shown, err = Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return shown, all
}

func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: nothing to compare with", what)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%.4000s", what, diff)
	}
}

// extracted7z is what 7z takes out of an image.
func extracted7z(t testing.TB, image, kind string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "7z", "x", "-y", "-snl", "-t"+kind, image)
	_ = os.RemoveAll(filepath.Join(dir, "[BOOT]"))
	return describeTree(t, os.DirFS(dir), false)
}

// TestInteropXorriso: Rock Ridge is the folder that xorriso was given, and what
// it extracts; Joliet is what 7z extracts.
func TestInteropXorriso(t *testing.T) {
	src, dir := sourceTree(t), t.TempDir()
	addLinks(t, src)
	image := filepath.Join(dir, "x.iso")
	run(t, dir, "xorriso", "-as", "mkisofs", "-V", "INTEROP", "-R", "-J", "-joliet-long", "-iso-level", "3", "-o", image, src)
	v, all := volumes(t, image)
	if v.Format() != "rock-ridge" || v.Label() != "INTEROP" {
		t.Errorf("%s, %q", v.Format(), v.Label())
	}
	got := describeTree(t, v, true)
	same(t, "the folder", describeTree(t, os.DirFS(src), true), got)
	out := filepath.Join(dir, "out")
	run(t, dir, "xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", out)
	same(t, "osirrox", describeTree(t, os.DirFS(out), true), got)
	same(t, "7z", extracted7z(t, image, "iso"), describeTree(t, all["joliet"], false))
}

// TestInteropDeep: genisoimage moves directories that are deeper than eight;
// they are where they belong.
func TestInteropDeep(t *testing.T) {
	src, dir := sourceTree(t), t.TempDir()
	image := filepath.Join(dir, "g.iso")
	run(t, dir, "genisoimage", "-quiet", "-R", "-iso-level", "3", "-o", image, src)
	v, _ := volumes(t, image)
	got := describeTree(t, v, true)
	delete(got, "rr_moved")
	same(t, "the folder", describeTree(t, os.DirFS(src), true), got)
	// isoinfo lists names and sizes by itself.
	listed := run(t, dir, "isoinfo", "-R", "-f", "-i", image)
	for name := range got {
		// isoinfo lists relocated directories where they were moved to.
		if !strings.HasPrefix(name, "1/") && !slices.Contains(strings.Split(listed, "\n"), "/"+name) {
			t.Errorf("isoinfo does not list %s", name)
		}
	}
}

// TestInteropPlain: names of plain ISO 9660 are isoinfo's, in lower case and
// without version; contents are found by their sums.
func TestInteropPlain(t *testing.T) {
	src, dir := sourceTree(t), t.TempDir()
	if err := os.RemoveAll(filepath.Join(src, "1")); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "p.iso")
	run(t, dir, "genisoimage", "-quiet", "-iso-level", "3", "-o", image, src)
	v, _ := volumes(t, image)
	if v.Format() != "iso9660" {
		t.Error(v.Format())
	}
	got := describeTree(t, v, false)
	var want, names []string
	for _, line := range strings.Split(strings.TrimSpace(run(t, dir, "isoinfo", "-f", "-i", image)), "\n") {
		name := strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(line, "/")), ";1")
		want = append(want, strings.TrimSuffix(name, "."))
	}
	for name := range got {
		names = append(names, name)
	}
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-isoinfo +got):\n%s", diff)
	}
	contents := func(m map[string]string) []string {
		var all []string
		for _, s := range m {
			all = append(all, s)
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(contents(describeTree(t, os.DirFS(src), false)), contents(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInteropUDF: genisoimage's UDF is the folder, and what 7z extracts; also
// where ISO 9660 shows nothing, as on disks of Windows.
func TestInteropUDF(t *testing.T) {
	for name, args := range map[string][]string{
		"beside Rock Ridge": {"-R"}, "beside Rock Ridge and Joliet": {"-R", "-J", "-joliet-long"}, "hidden": {"-R", "-hide", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			src, dir := sourceTree(t), t.TempDir()
			image := filepath.Join(dir, "u.iso")
			run(t, dir, "genisoimage", append(args, "-quiet", "-V", "CPBA_X64FRE", "-udf", "-iso-level", "3", "-o", image, src)...)
			v, _ := volumes(t, image)
			if v.Format() != "udf" || v.Label() != "CPBA_X64FRE" {
				t.Errorf("%s, %q", v.Format(), v.Label())
			}
			got := describeTree(t, v, false)
			same(t, "the folder", describeTree(t, os.DirFS(src), false), got)
			same(t, "7z", extracted7z(t, image, "udf"), got)
		})
	}
}

// TestInteropBridgeWithLinks: genisoimage has links in Rock Ridge only, so that
// is shown.
func TestInteropBridgeWithLinks(t *testing.T) {
	src, dir := sourceTree(t), t.TempDir()
	if err := os.Symlink("../sizes/3", filepath.Join(src, "names/link")); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "u.iso")
	run(t, dir, "genisoimage", "-quiet", "-udf", "-R", "-iso-level", "3", "-o", image, src)
	v, _ := volumes(t, image)
	if v.Format() != "rock-ridge" {
		t.Error(v.Format())
	}
	got := describeTree(t, v, false)
	delete(got, "rr_moved")
	same(t, "the folder", describeTree(t, os.DirFS(src), false), got)
}

// TestInteropSample: GRUB reads our own UDF sample as we do, so that sample and
// reader do not share an error. It knows no extended allocation descriptors and
// takes holes for recorded, and no tool at hand reads the samples with other
// partition maps.
func TestInteropSample(t *testing.T) {
	image := filepath.Join(t.TempDir(), "s.udf")
	if err := os.WriteFile(image, udfSample("plain").finish("plain").b, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range udfFiles() {
		switch name {
		case "extended.bin", "empty":
			continue
		case "short.bin":
			want = want[:6144]
		}
		if got := run(t, ".", "grub-fstest", image, "cat", "(loop0)/"+name); got[:min(len(got), len(want))] != want {
			t.Errorf("%s: %d octets, want %d others", name, len(got), len(want))
		}
	}
}

// TestInteropMkudffs: every revision and kind of medium that mkudffs makes.
func TestInteropMkudffs(t *testing.T) {
	table := regexp.MustCompile(`vatblock=(\d+)`)
	for _, media := range []string{"hd", "dvd", "dvdram", "dvdrw", "cdrw", "cd", "dvdr", "cdr", "bdr"} {
		for _, revision := range []string{"0x0102", "0x0150", "0x0200", "0x0201", "0x0250", "0x0260"} {
			for _, block := range []int{512, 2048, 4096} {
				onceWritten := media == "dvdr" || media == "cdr" || media == "bdr"
				switch {
				// What mkudffs refuses.
				case revision >= "0x0250" && !onceWritten, revision < "0x0250" && media == "bdr",
					revision == "0x0102" && (onceWritten || media == "dvdrw" || media == "cdrw"),
					block != 2048 && media != "hd":
					continue
				}
				t.Run(fmt.Sprint(media, revision, "-", block), func(t *testing.T) {
					image := filepath.Join(t.TempDir(), "m.udf")
					if err := os.WriteFile(image, nil, 0o644); err != nil {
						t.Fatal(err)
					}
					if err := os.Truncate(image, 8<<20); err != nil {
						t.Fatal(err)
					}
					out := run(t, ".", "mkudffs", "-l", "Etikett ä", "-b", strconv.Itoa(block), "--media-type="+media, "--udfrev="+revision, image)
					if m := table.FindStringSubmatch(out); m != nil {
						// A disk that is written once ends with its table.
						last, _ := strconv.Atoi(m[1])
						if err := os.Truncate(image, int64((last+1)*block)); err != nil {
							t.Fatal(err)
						}
					}
					v, _ := volumes(t, image)
					if v.Format() != "udf" || v.Label() != "Etikett ä" {
						t.Errorf("%s, %q", v.Format(), v.Label())
					}
					e, err := v.ReadDir(".")
					// Blocks that do not fit a packet are in a file of their own in 1.50.
					e = slices.DeleteFunc(e, func(e fs.DirEntry) bool { return e.Name() == "Non-Allocatable Space" })
					if err != nil || len(e) != 0 {
						t.Errorf("%v, %v", e, err)
					}
				})
			}
		}
	}
}

// TestInteropFiveGiB: a file over 4 GiB is whole, in sections of ISO 9660 and in
// UDF, and one piece.
func TestInteropFiveGiB(t *testing.T) {
	src, dir := t.TempDir(), t.TempDir()
	const size = 5<<30 + 12345
	f, err := os.Create(filepath.Join(src, "install.wim"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	marks := []int64{0, 1<<30 - 2048, 4<<30 - 2049, 4 << 30, 5 << 30, size - 5}
	for _, at := range marks {
		if _, err := fmt.Fprintf(io.NewOffsetWriter(f, at), "%05d", at%99991); err != nil {
			t.Fatal(err)
		}
	}
	defer f.Close()
	for name, command := range map[string]string{
		"rock-ridge": "xorriso -as mkisofs -quiet -R -iso-level 3 " + src,
		"udf":        "genisoimage -quiet -udf -R -allow-limited-size -iso-level 3 " + src,
	} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(dir, name+".iso")
			run(t, dir, "sh", "-c", command+" 2>/dev/null | dd conv=sparse bs=1M iflag=fullblock status=none of="+image)
			defer os.Remove(image)
			v, _ := volumes(t, image)
			if v.Format() != name {
				t.Error(v.Format())
			}
			where, err := v.Extents("install.wim")
			if err != nil || len(where) != 1 || where[0].Size != size {
				t.Errorf("%v, %v", where, err)
			}
			inside, err := v.Open("install.wim")
			if err != nil {
				t.Fatal(err)
			}
			// Around each mark, and where no mark is: to hash it whole takes minutes.
			for _, mark := range append(marks, 123<<20, 2<<30+1, 3<<30+777, size-1<<20) {
				at := min(max(0, mark-32<<10), size-64<<10)
				want, got := make([]byte, 64<<10), make([]byte, 64<<10)
				if _, err := f.ReadAt(want, at); err != nil {
					t.Fatal(err)
				}
				if _, err := inside.(io.ReaderAt).ReadAt(got, at); err != nil || !bytes.Equal(got, want) {
					t.Errorf("octets from %d on are others: %v", at, err)
				}
			}
			if n, err := inside.(io.ReaderAt).ReadAt(make([]byte, 100), size-5); n != 5 || err != io.EOF {
				t.Errorf("the end: %d octets, %v", n, err)
			}
		})
	}
}

// TestInteropElTorito: the boot catalogue as xorriso writes it and reports it.
func TestInteropElTorito(t *testing.T) {
	src, dir := t.TempDir(), t.TempDir()
	bios := bytes.Repeat([]byte("bios"), 1000)
	if err := os.WriteFile(filepath.Join(src, "bios.img"), bios, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, src, "mkfs.fat", "-C", "efi.img", "2880")
	image := filepath.Join(dir, "b.iso")
	run(t, dir, "xorriso", "-as", "mkisofs", "-R", "-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4",
		"-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", "-o", image, src)
	v, _ := volumes(t, image)
	boot, err := v.Boot()
	if err != nil || len(boot) != 2 {
		t.Fatal(boot, err)
	}
	report := run(t, dir, "xorriso", "-indev", image, "-report_el_torito", "plain")
	for i, e := range boot {
		kind := map[Platform]string{PlatformBIOS: "BIOS", PlatformUEFI: "UEFI"}[e.Platform]
		line := regexp.MustCompile(fmt.Sprintf(`El Torito boot img :\s+%d\s+%s\s+y\s+none\s+0x0000\s+0x00\s+%d\s+%d\b`, i+1, kind, e.Sectors, e.Extent.Offset/2048))
		if !line.MatchString(report) {
			t.Errorf("%+v is not in xorriso's report:\n%s", e, report)
		}
		name := []string{"bios.img", "efi.img"}[i]
		where, err := v.Extents(name)
		if err != nil || where[0].Offset != e.Extent.Offset {
			t.Errorf("%s is at %v, %v; the catalogue says %v", name, where, err, e.Extent)
		}
	}
	if boot[1].Extent.Size != 2880<<10 {
		t.Errorf("the FAT volume has %d octets", boot[1].Extent.Size)
	}
}
