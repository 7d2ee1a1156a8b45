//go:build interop

package wim

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/model"
)

// wimlib runs a command of wimlib, which must succeed.
func wimlib(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// capture makes a WIM of a tree.
func capture(t testing.TB, tree map[string][]byte, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, tree)
	file := filepath.Join(t.TempDir(), "a.wim")
	wimlib(t, "wimcapture", append([]string{dir, file, "--threads=1"}, args...)...)
	return file
}

func openFile(t testing.TB, file string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

func openImage(t testing.TB, file string, image int) *Image {
	t.Helper()
	f, size := openFile(t, file)
	m, err := Open(f, size, image)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var packings = []struct {
	args  []string
	chunk int
	large bool
}{
	{[]string{"--compress=none"}, 32 << 10, true},
	{[]string{"--compress=XPRESS"}, 32 << 10, true},
	{[]string{"--compress=XPRESS", "--chunk-size=4K"}, 4 << 10, false},
	{[]string{"--compress=XPRESS:80", "--chunk-size=64K"}, 64 << 10, false},
	{[]string{"--compress=LZX"}, 32 << 10, true},
	{[]string{"--compress=LZX:20"}, 32 << 10, false},
	{[]string{"--compress=LZX:100"}, 32 << 10, false},
	{[]string{"--compress=LZX", "--chunk-size=64K"}, 64 << 10, false},
	{[]string{"--compress=LZX", "--chunk-size=128K"}, 128 << 10, false},
	{[]string{"--compress=LZX:30", "--chunk-size=1M"}, 1 << 20, false},
	{[]string{"--compress=LZX:30", "--chunk-size=2M"}, 2 << 20, false},
}

func TestInteropFilesEqualWhatWimlibPacked(t *testing.T) {
	for _, p := range packings {
		t.Run(strings.Join(p.args, ""), func(t *testing.T) {
			tree := sampleTree(p.chunk, p.large)
			file := capture(t, tree, p.args...)
			sameTree(t, imageTree(t, openImage(t, file, 1)), tree)
		})
	}
}

var update = flag.Bool("update", false, "write the WIMs of testdata anew")

// TestInteropGolden: what TestGolden reads without wimlib is what wimlib packs
// today; with -update it is written anew.
func TestInteropGolden(t *testing.T) {
	for _, kind := range []string{"none", "xpress", "lzx"} {
		tree := golden()
		if kind == "none" {
			tree = map[string][]byte{"dir/file": []byte("text"), "empty": {}}
		}
		file := capture(t, tree, "--compress="+kind, "golden")
		sameTree(t, imageTree(t, openImage(t, file, 1)), tree)
		if !*update {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/"+kind+".wim", data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInteropReaderGivesAnyRange(t *testing.T) {
	data := content("words", 300_000)
	m := openImage(t, capture(t, map[string][]byte{"Dir/File.bin": data}, "--compress=LZX"), 1)
	r, err := m.Open(`\DIR\fILE.BIN`)
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < r.Size(); off += 7919 {
		for _, n := range []int{1, 32 << 10, 70_000} {
			b := make([]byte, n)
			got, err := r.ReadAt(b, off)
			want := data[off:min(int(off)+n, len(data))]
			if !bytes.Equal(b[:got], want) || (err == io.EOF) != (got < n) {
				t.Fatalf("%d octets at %d: %d octets, %v", n, off, got, err)
			}
		}
	}
}

func TestInteropInfoEqualsWimlib(t *testing.T) {
	tree := map[string][]byte{"Windows/System32/config/SOFTWARE": []byte("x"), "a": []byte("a")}
	file := capture(t, tree, "--compress=LZX", "--boot", "--check", "Ünï & <Bild> 💾")
	dir := t.TempDir()
	writeTree(t, dir, tree)
	wimlib(t, "wimappend", dir, file, "two", "the second one")
	wimlib(t, "wimlib-imagex", "info", file, "1", "--image-property", "WINDOWS/ARCH=9", "--image-property", "WINDOWS/EDITIONID=Professional",
		"--image-property", "WINDOWS/INSTALLATIONTYPE=Client", "--image-property", "WINDOWS/PRODUCTNAME=P", "--image-property", "FLAGS=Pro",
		"--image-property", "DISPLAYNAME=shown", "--image-property", "DISPLAYDESCRIPTION=shown text",
		"--image-property", "WINDOWS/LANGUAGES/LANGUAGE[1]=en-US", "--image-property", "WINDOWS/LANGUAGES/LANGUAGE[2]=de-DE", "--image-property", "WINDOWS/LANGUAGES/DEFAULT=en-US",
		"--image-property", "WINDOWS/VERSION/MAJOR=10", "--image-property", "WINDOWS/VERSION/MINOR=0", "--image-property", "WINDOWS/VERSION/BUILD=26100", "--image-property", "WINDOWS/VERSION/SPBUILD=1742")
	f, size := openFile(t, file)
	info, err := ReadInfo(f, size)
	if err != nil {
		t.Fatal(err)
	}
	out := wimlib(t, "wimlib-imagex", "info", file)
	field := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + `:\s*(.*)$`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("wimlib says nothing of %s:\n%s", name, out)
		}
		return m[1]
	}
	for name, got := range map[string]string{
		"GUID": "0x" + fmt.Sprintf("%x", info.GUID[:]), "Image Count": fmt.Sprint(len(info.Images)),
		"Compression": strings.ToUpper(string(info.Compression)), "Chunk Size": fmt.Sprint(info.ChunkSize, " bytes"),
		"Part Number": fmt.Sprintf("%d/%d", info.Part, info.Parts), "Boot Index": fmt.Sprint(info.Boot),
	} {
		if want := field(name); got != want {
			t.Errorf("%s: %q, wimlib says %q", name, got, want)
		}
	}
	one := info.Images[0]
	for name, got := range map[string]string{
		"Name": one.Name, "Display Name": one.DisplayName, "Display Description": one.DisplayText,
		"Total Bytes": fmt.Sprint(one.TotalBytes), "Directory Count": fmt.Sprint(one.Dirs), "File Count": fmt.Sprint(one.Files),
		"Edition ID": one.EditionID, "Installation Type": one.InstallationType, "Product Name": one.ProductName, "Flags": one.Flags,
		"Languages": strings.Join(one.Languages, " ") + " ", "Default Language": one.DefaultLanguage, "Architecture": "x86_64",
		"Major Version": fmt.Sprint(one.Version.Major), "Minor Version": fmt.Sprint(one.Version.Minor),
		"Build": fmt.Sprint(one.Version.Build), "Service Pack Build": fmt.Sprint(one.Version.SPBuild),
		"Creation Time": one.Created.Format("Mon Jan 02 15:04:05 2006 UTC"),
	} {
		if want := field(name); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s: %q, wimlib says %q", name, got, want)
		}
	}
	if one.CPU != model.CPUX64 || !info.Integrity || info.Images[1].Name != "two" || info.Images[1].Description != "the second one" || info.Images[1].HasArch {
		t.Errorf("info: %+v", info)
	}
}

func TestInteropInfoOfESDAndSplit(t *testing.T) {
	tree := map[string][]byte{}
	for i := range 8 {
		tree[fmt.Sprint("random", i)] = content("random", 300_000+i)
	}
	esd := capture(t, tree, "--solid", "of an ESD")
	f, size := openFile(t, esd)
	info, err := ReadInfo(f, size)
	if err != nil || info.Compression != LZMS || !info.Solid || info.Images[0].Name != "of an ESD" {
		t.Errorf("ESD: %+v, %v", info, err)
	}
	for _, err := range []error{errOf(Open(f, size, 1)), errOf(Overlay(f, size, 1, nil))} {
		if err == nil || !strings.Contains(err.Error(), "wimlib-imagex export") {
			t.Errorf("an ESD is read: %v", err)
		}
	}
	wim := filepath.Join(t.TempDir(), "converted.wim")
	wimlib(t, "wimlib-imagex", "export", esd, "1", wim, "--compress=LZX", "--boot") // what the error says
	sameTree(t, imageTree(t, openImage(t, wim, 1)), tree)

	parts := filepath.Join(t.TempDir(), "a.swm")
	wimlib(t, "wimsplit", wim, parts, "1")
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(parts), "*.swm"))
	if len(names) < 2 {
		t.Fatalf("%d parts", len(names))
	}
	for i, name := range []string{parts, strings.TrimSuffix(parts, ".swm") + "2.swm"} {
		f, size := openFile(t, name)
		info, err := ReadInfo(f, size)
		if err != nil || info.Part != i+1 || info.Parts != len(names) || info.Images[0].Name != "of an ESD" {
			t.Errorf("part %d: %+v, %v", i+1, info, err)
		}
		if _, err := Overlay(f, size, 1, nil); err == nil {
			t.Errorf("part %d is patched", i+1)
		}
	}
	f, size = openFile(t, parts)
	m, err := Open(f, size, 1)
	if err != nil {
		t.Fatal(err)
	}
	there, elsewhere := 0, 0
	for name, data := range tree {
		got, err := m.ReadFile(name, MaxFile)
		switch {
		case err == nil && bytes.Equal(got, data):
			there++
		case err != nil && strings.Contains(err.Error(), "split WIM"):
			elsewhere++
		default:
			t.Errorf("%s of part 1: %v", name, err)
		}
	}
	if there == 0 || elsewhere == 0 {
		t.Errorf("part 1 has %d of the files, not %d", there, elsewhere)
	}
}

func errOf[T any](_ T, err error) error { return err }

// pe is a tree like that of Windows PE, in small.
func pe() map[string][]byte {
	tree := sampleTree(32<<10, false)
	for i := range 300 {
		tree[fmt.Sprintf("Windows/System32/file%03d.dll", i)] = content("words", 100+i)
	}
	maps.Copy(tree, map[string][]byte{
		"Windows/Boot/EFI/bootmgfw.efi":         content("code", 200_000),
		"Windows/System32/startnet.cmd":         []byte("wpeinit\r\n"),
		"Windows/System32/en-US/copy.txt":       []byte("wpeinit\r\n"),
		"Windows/System32/drivers/etc/hosts":    []byte("# hosts"),
		"Windows/System32/drivers/etc/services": []byte("http 80/tcp"),
	})
	return tree
}

// save writes a Patched to disk and has wimlib verify it.
func save(t testing.TB, p *Patched) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "patched.wim")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(f, io.NewSectionReader(p, 0, p.Size())); err != nil || n != p.Size() {
		t.Fatal(n, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out := wimlib(t, "wimverify", file); !strings.Contains(out, "successfully verified") {
		t.Fatalf("wimverify: %s", out)
	}
	return file
}

// applied is the tree that wimlib makes of an image.
func applied(t testing.TB, file, image string) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	wimlib(t, "wimapply", file, image, dir)
	return readTree(t, dir)
}

func TestInteropOverlay(t *testing.T) {
	for _, packing := range [][]string{{"--compress=none"}, {"--compress=XPRESS", "--unix-data"}, {"--compress=LZX", "--check"}} {
		t.Run(packing[0], func(t *testing.T) {
			tree := pe()
			file := capture(t, tree, append(packing, "setup", "--boot")...)
			other := map[string][]byte{"other": []byte("other"), "hosts": []byte("# hosts")}
			dir := t.TempDir()
			writeTree(t, dir, other)
			wimlib(t, "wimappend", dir, file, "second")
			f, size := openFile(t, file)

			agent := content("code", 3<<20)
			p, err := Overlay(f, size, 0, []File{
				memory(`\windows\SYSTEM32\StartNet.cmd`, "agent.exe\r\n"),
				memory(`Windows\System32\winpeshl.ini`, "[LaunchApps]\r\n"),
				memory(`Windows/System32/Drivers/etc/HOSTS`, "# other hosts"),
				memory(`hobnail\machine\Größe.json`, "{}"),
				memory(`hobnail\empty`, ""),
				memory(`hobnail\same as another.txt`, "http 80/tcp"), // the WIM has these octets
				memory(`hobnail\twice.txt`, "{}"),
				memory(`zzz.txt`, "last"),
				{Path: `hobnail\agent.exe`, Size: int64(len(agent)), Content: bytes.NewReader(agent)},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(tree)
			delete(want, "Windows/System32/startnet.cmd")
			delete(want, "Windows/System32/drivers/etc/hosts")
			maps.Copy(want, map[string][]byte{
				"Windows/System32/StartNet.cmd":      []byte("agent.exe\r\n"),
				"Windows/System32/winpeshl.ini":      []byte("[LaunchApps]\r\n"),
				"Windows/System32/drivers/etc/HOSTS": []byte("# other hosts"),
				"hobnail/machine/Größe.json":         []byte("{}"),
				"hobnail/empty":                      {},
				"hobnail/same as another.txt":        []byte("http 80/tcp"),
				"hobnail/twice.txt":                  []byte("{}"),
				"zzz.txt":                            []byte("last"),
				"hobnail/agent.exe":                  agent,
			})
			patched := save(t, p)
			sameTree(t, applied(t, patched, "1"), want)
			sameTree(t, applied(t, patched, "2"), other)
			sameTree(t, imageTree(t, openImage(t, patched, 1)), want)
			sameTree(t, imageTree(t, openImage(t, patched, 2)), other)
			if got := wimlib(t, "wimextract", patched, "1", "/Windows/System32/StartNet.cmd", "--to-stdout"); got != "agent.exe\r\n" {
				t.Errorf("wimextract gives %q", got)
			}
			list := wimlib(t, "wimdir", patched, "1")
			if !strings.Contains(list, "/Windows/System32/winpeshl.ini\n") || strings.Contains(list, "startnet.cmd") {
				t.Errorf("wimdir lists\n%s", list)
			}
			sameOriginal(t, f, size, p)
			overlayAgain(t, patched, want)
			// wimlib writes it whole: what is dead in it goes.
			wimlib(t, "wimoptimize", patched, "--recompress", "--compress=LZX:20")
			sameTree(t, applied(t, patched, "1"), want)
		})
	}
}

// sameOriginal: behind the header, the original is there as it was.
func sameOriginal(t *testing.T, f *os.File, size int64, p *Patched) {
	t.Helper()
	sums := [2]string{}
	for i, r := range []io.ReaderAt{f, p} {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(r, headerLen, size-headerLen)); err != nil {
			t.Fatal(err)
		}
		sums[i] = string(h.Sum(nil))
	}
	if sums[0] != sums[1] {
		t.Error("octets of the original have changed")
	}
}

// overlayAgain lays files over what is an overlay already.
func overlayAgain(t *testing.T, file string, tree map[string][]byte) {
	t.Helper()
	m := openImage(t, file, 1)
	p, err := m.Patch([]File{
		memory(`hobnail\machine\größe.json`, `{"other": true}`),
		memory(`hobnail\machine\new\file`, "new"),
		memory(`Windows\System32\winpeshl.ini`, "[LaunchApps]\r\nagain\r\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(tree)
	delete(want, "hobnail/machine/Größe.json")
	want["hobnail/machine/größe.json"] = []byte(`{"other": true}`)
	want["hobnail/machine/new/file"] = []byte("new")
	want["Windows/System32/winpeshl.ini"] = []byte("[LaunchApps]\r\nagain\r\n")
	again := save(t, p)
	sameTree(t, applied(t, again, "1"), want)
	sameTree(t, imageTree(t, openImage(t, again, 1)), want)
}

// TestInteropOverlayOfNTFS has what Windows' own images have and a capture of
// Linux has not: security descriptors, named streams, a volume's times.
func TestInteropOverlayOfNTFS(t *testing.T) {
	want := pe()
	volume := filepath.Join(t.TempDir(), "ntfs.img")
	if err := os.WriteFile(volume, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(volume, 64<<20); err != nil {
		t.Fatal(err)
	}
	wimlib(t, "mkntfs", "-F", "-Q", volume)
	wimlib(t, "wimapply", capture(t, want, "--compress=none"), "1", volume)
	stream := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(stream, []byte("[ZoneTransfer]"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"startnet.cmd", "file007.dll"} {
		wimlib(t, "ntfscp", "-N", "Zone.Identifier", volume, stream, "Windows/System32/"+name)
	}
	file := filepath.Join(t.TempDir(), "a.wim")
	wimlib(t, "wimcapture", volume, file, "--compress=LZX:20", "--boot")
	m := openImage(t, file, 0)
	if u32(m.meta.raw) <= 8 {
		t.Error("the image has no security descriptors")
	}
	sameTree(t, imageTree(t, m), want)
	p, err := m.Patch([]File{memory("Windows/System32/startnet.cmd", "agent"), memory("Windows/System32/x/y", "y")})
	if err != nil {
		t.Fatal(err)
	}
	patched := save(t, p)
	want["Windows/System32/startnet.cmd"], want["Windows/System32/x/y"] = []byte("agent"), []byte("y")
	sameTree(t, applied(t, patched, "1"), want)
	detail := wimlib(t, "wimdir", patched, "1", "--detailed", "--path=/Windows/System32/file007.dll")
	if !strings.Contains(detail, "Zone.Identifier") {
		t.Errorf("the named stream is gone:\n%s", detail)
	}
	if detail := wimlib(t, "wimdir", patched, "1", "--detailed", "--path=/Windows/System32/startnet.cmd"); strings.Contains(detail, "Zone.Identifier") {
		t.Errorf("a new file has the stream of the old one:\n%s", detail)
	}
	// And back on a volume of NTFS.
	wimlib(t, "mkntfs", "-F", "-Q", volume)
	wimlib(t, "wimapply", patched, "1", volume)
	if got := wimlib(t, "ntfscat", volume, "Windows/System32/startnet.cmd"); got != "agent" {
		t.Errorf("on NTFS: %q", got)
	}
}
