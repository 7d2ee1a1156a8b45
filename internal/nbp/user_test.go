package nbp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// folder writes files, given as path and content, under a new directory.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names lists programs as "architecture/file kind".
func names(all []Program) []string {
	var out []string
	for _, p := range all {
		out = append(out, string(p.Arch)+"/"+p.File+" "+string(p.Loader))
	}
	return out
}

var (
	x64   = pe{machine: 0x8664, plus: true}.bytes()
	arm64 = pe{machine: 0xaa64, plus: true}.bytes()
	bios  = []byte("\xea\x05\x00\xc0\x07 real mode")
)

func TestUserFolder(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"uefi-x64/ipxe-shimx64.efi": x64,
		"uefi-x64/ipxe.efi":         x64,
		"uefi-x64/bootmgfw.efi":     x64,
		"uefi-x64/.DS_Store":        []byte("passed over in silence"),
		".git/config":               []byte("this too"),
		"uefi-arm64/snponly.efi":    arm64,
		"bios/undionly.kpxe":        bios,
		"bios/menu.c32":             bios,
	})
	own, err := loadUser(dir)
	if err != nil || own.faults != nil {
		t.Fatalf("faults %v, error %v", own.faults, err)
	}
	v := newInventory(nil, own.items, Rules{})
	want := []string{
		"bios/undionly.kpxe ipxe",
		"bios/menu.c32 support",
		"uefi-x64/ipxe-shimx64.efi ipxe-shim",
		"uefi-x64/bootmgfw.efi custom",
		"uefi-x64/ipxe.efi ipxe",
		"uefi-arm64/snponly.efi ipxe",
	}
	if diff := cmp.Diff(want, names(v.Programs())); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	p, ok := v.FindFile(model.ArchX64, "bootmgfw.efi")
	if !ok || p.Source != filepath.Join(dir, "uefi-x64/bootmgfw.efi") || p.Machine != "x86-64 PE32+" || p.Signer != "unsigned" || p.Licence != "" {
		t.Errorf("found %v: %+v", ok, p)
	}
	if v.HasEmbedded() {
		t.Error("an inventory without the embedded set says that it has it")
	}
}

func TestFaults(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"x64/ipxe.efi":              x64,
		"README":                    []byte("text"),
		"uefi-arm64/ipxe.efi":       x64,
		"bios/ipxe.efi":             x64,
		"uefi-x64/undionly.kpxe":    bios,
		"uefi-x64/README.txt":       []byte("text"),
		"uefi-x64/sub/ipxe.efi":     x64,
		"uefi-x64/with blank.efi":   x64,
		"uefi-x64/esc\x1b.efi":      x64,
		"uefi-x64/\xff.efi":         x64,
		"uefi-x64/good.efi":         x64,
		"rpi/start4.elf":            []byte("\x7fELF"),
		"windows/boot/bootmgfw.efi": x64,
	})
	outside := filepath.Join(folder(t, map[string][]byte{"secret.efi": x64}), "secret.efi")
	for name, target := range map[string]string{
		"escapes.efi":  outside,
		"climbs.efi":   "../../" + filepath.Base(filepath.Dir(outside)) + "/secret.efi",
		"dangles.efi":  "nowhere.efi",
		"circles.efi":  "circles.efi",
		"relative.efi": "good.efi",
	} {
		if err := os.Symlink(target, filepath.Join(dir, "uefi-x64", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "uefi-x64/pipe.efi"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "uefi-x64/README.txt"), maxUserFile+1); err != nil {
		t.Fatal(err)
	}
	own, err := loadUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"uefi-x64/good.efi custom", "uefi-x64/relative.efi custom"}, names(newInventory(nil, own.items, Rules{}).Programs())); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, f := range own.faults {
		got[strings.TrimPrefix(f.Path, dir+"/")] = f.Text
	}
	for path, part := range map[string]string{
		"x64":                     "not named for an architecture; allowed are bios, ",
		"README":                  "not named for an architecture",
		"windows":                 "not named for an architecture",
		"uefi-arm64/ipxe.efi":     "x86-64 PE32+ (uefi-x64), but machines of uefi-arm64 need AArch64 PE32+",
		"bios/ipxe.efi":           "x86-64 PE32+ (uefi-x64), but bios",
		"uefi-x64/undionly.kpxe":  "a BIOS program",
		"uefi-x64/README.txt":     "32 MiB, too much",
		"uefi-x64/sub":            "is a folder",
		"uefi-x64/with blank.efi": "name that firmware cannot ask for",
		"uefi-x64/esc\x1b.efi":    "name that firmware cannot ask for",
		"uefi-x64/\xff.efi":       "name that firmware cannot ask for",
		"uefi-x64/escapes.efi":    "escapes",
		"uefi-x64/climbs.efi":     "escapes",
		"uefi-x64/dangles.efi":    "no such file",
		"uefi-x64/circles.efi":    "cannot be read",
		"uefi-x64/pipe.efi":       "not a regular file",
		"rpi/start4.elf":          "no boot program",
	} {
		if !strings.Contains(got[path], part) {
			t.Errorf("%s: fault %q, want one with %q", path, got[path], part)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("faults nobody expected: %v", got)
	}
}

// A fault names all that a program needs to explain it.
func TestFaultFields(t *testing.T) {
	dir := folder(t, map[string][]byte{"uefi-arm64/ipxe.efi": x64})
	own, err := loadUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Fault{{
		Path:    filepath.Join(dir, "uefi-arm64/ipxe.efi"),
		Arch:    model.ArchARM64,
		Machine: "x86-64 PE32+",
		Text:    "is built for x86-64 PE32+ (uefi-x64), but machines of uefi-arm64 need AArch64 PE32+",
	}}
	if diff := cmp.Diff(want, own.faults); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := own.faults[0].String(); s != want[0].Path+" "+want[0].Text {
		t.Errorf("as text: %q", s)
	}
}

func TestUserFolderMissing(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "none")} {
		own, err := loadUser(dir)
		if err != nil || own.items != nil || own.faults != nil {
			t.Errorf("%q: %+v, %v", dir, own, err)
		}
	}
	file := filepath.Join(folder(t, map[string][]byte{"file": nil}), "file")
	if _, err := loadUser(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file as folder: error %v", err)
	}
}

// What was looked at is what gets served: a file that is swapped after Load
// for one of another architecture does not reach a machine.
func TestUserFileIsServedAsItWasLoaded(t *testing.T) {
	dir := folder(t, map[string][]byte{"uefi-x64/ipxe.efi": x64})
	path := filepath.Join(dir, "uefi-x64/ipxe.efi")
	own, err := loadUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, arm64, 0o644); err != nil {
		t.Fatal(err)
	}
	v := newInventory(nil, own.items, Rules{})
	content, size, modTime, err := v.Open(model.ArchX64, "ipxe.efi")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(content, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, x64) || !modTime.Equal(info.ModTime()) {
		t.Errorf("%d octets of %v, want %d of %v", len(got), modTime, len(x64), info.ModTime())
	}
	for _, file := range []string{"none.efi", "IPXE.EFI", "../uefi-x64/ipxe.efi", ""} {
		if _, _, _, err := v.Open(model.ArchX64, file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opening %q: error %v", file, err)
		}
	}
}

// TestWindowsFolder: beside a boot manager of Windows names are found in any
// case, in folders too; two that differ in case alone are told.
func TestWindowsFolder(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"uefi-x64/bootmgfw.efi":               x64,
		"uefi-x64/ipxe.efi":                   x64,
		"uefi-x64/Boot/BCD":                   []byte("bcd"),
		"uefi-x64/Boot/Fonts/wgl4_boot.ttf":   []byte("font"),
		"uefi-x64/boot/bcd":                   []byte("another"),
		"uefi-x64/sources/.hidden":            []byte("passed over"),
		"uefi-x64/sources/boot image.wim":     []byte("wim"),
		"uefi-arm64/snponly.efi":              arm64,
		"uefi-arm64/boot/bcd":                 []byte("no Windows here"),
		"uefi-riscv64/bootmgfw.efi.sig/empty": nil,
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "uefi-x64/Boot/link")); err != nil {
		t.Fatal(err)
	}
	v, faults, err := Load(dir, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[model.Arch]map[string]string{model.ArchX64: {
		"Boot/BCD":                 filepath.Join(dir, "uefi-x64/Boot/BCD"),
		"Boot/Fonts/wgl4_boot.ttf": filepath.Join(dir, "uefi-x64/Boot/Fonts/wgl4_boot.ttf"),
	}}
	if diff := cmp.Diff(want, v.Windows()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var told []string
	for _, f := range faults {
		told = append(told, strings.TrimPrefix(f.String(), dir+"/"))
	}
	slices.Sort(told)
	wantTold := []string{
		"uefi-arm64/boot is a folder; boot programs lie in uefi-arm64 itself",
		"uefi-riscv64/bootmgfw.efi.sig is a folder; boot programs lie in uefi-riscv64 itself",
		"uefi-x64/Boot/link is not a regular file",
		"uefi-x64/boot/bcd has the same name as Boot/BCD but for upper and lower case, which Windows loaders do not tell apart; remove one",
		"uefi-x64/sources/boot image.wim has a name that is not served; use letters, digits and -._+",
	}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		arch model.Arch
		file string
		want string
	}{
		{model.ArchX64, "BOOTMGFW.EFI", "bootmgfw.efi"},
		{model.ArchX64, "iPXE.efi", "ipxe.efi"},
		{model.ArchX64, "SHIMX64.EFI", ""}, // embedded: as it is spelled
		{model.ArchARM64, "SNPONLY.EFI", ""},
	} {
		if p, ok := v.FindFile(tc.arch, tc.file); ok != (tc.want != "") || p.File != tc.want {
			t.Errorf("%s %s: found %q, want %q", tc.arch, tc.file, p.File, tc.want)
		}
	}
}
