package nbp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// fetched writes a folder as scripts/fetch-nbp leaves it, with small programs.
func fetched(t *testing.T, change func(*manifest)) string {
	t.Helper()
	grub := pe{machine: 0x8664, plus: true, sections: []peSection{{Name: ".sbat", Data: []byte(testSBAT)}}}.bytes()
	files := map[string][]byte{
		"bios/undionly.kpxe":      bios,
		"uefi-x64/grubx64.efi":    grub,
		"uefi-x64/snponly.efi":    x64,
		"uefi-arm64/grubaa64.efi": arm64,
		"licences/ipxe/copyright": []byte("ipxe's notices"),
		"licences/base-files/GPL": []byte("the licence"),
	}
	m := manifest{
		Programs: []origin{
			{Arch: model.ArchBIOS, File: "undionly.kpxe", Loader: LoaderIPXE, Package: "ipxe", Version: "1.0.0", Source: "ipxe (= 1.0.0)", Licence: "GPL-2.0-only"},
			{Arch: model.ArchX64, File: "grubx64.efi", Loader: LoaderGRUB, Package: "grub-efi-amd64-signed", Version: "1+2.06", Source: "grub-efi-amd64-signed (= 1+2.06)", BuiltUsing: "grub2 (= 2.06)", Licence: "GPL-3.0-or-later"},
			{Arch: model.ArchX64, File: "snponly.efi", Loader: LoaderIPXE, Package: "ipxe", Version: "1.0.0", Source: "ipxe (= 1.0.0)", Licence: "GPL-2.0-only"},
			{Arch: model.ArchARM64, File: "grubaa64.efi", Loader: LoaderGRUB, Package: "grub-efi-arm64-bin", Version: "2.06", Source: "grub2 (= 2.06)", Linked: true, Licence: "GPL-3.0-or-later"},
		},
		Licences: []notice{
			{Package: "ipxe", Name: "copyright", Version: "1.0.0", Source: "ipxe (= 1.0.0)"},
			{Package: "base-files", Name: "GPL", Version: "12", Source: "base-files (= 12)"},
		},
	}
	for i, o := range m.Programs {
		sum := sha256.Sum256(files[string(o.Arch)+"/"+o.File])
		m.Programs[i].SHA256 = hex.EncodeToString(sum[:])
	}
	if change != nil {
		change(&m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.json"] = text
	dir := folder(t, files)
	for name := range files {
		if err := os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Date(2026, 4, 1, 20, 3, 46, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Pack(dir, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t *testing.T, archive []byte) *set {
	t.Helper()
	s, err := openSet(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPackedSet(t *testing.T) {
	dir := fetched(t, nil)
	archive := pack(t, dir)
	if !bytes.Equal(archive, pack(t, dir)) {
		t.Error("the same folder gives another archive")
	}
	s := open(t, archive)
	v := newInventory(s, nil, Rules{})
	if !v.HasEmbedded() {
		t.Error("the set is not seen")
	}
	want := []string{"bios/undionly.kpxe ipxe", "uefi-x64/grubx64.efi grub", "uefi-x64/snponly.efi ipxe", "uefi-arm64/grubaa64.efi grub"}
	if diff := cmp.Diff(want, names(v.Programs())); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	for _, p := range v.Programs() {
		content, size, modTime, err := v.Open(p.Arch, p.File)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(content, 0, size))
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, string(p.Arch), p.File))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, file) || size != p.Size || modTime.Year() != 2026 {
			t.Errorf("%s: %d octets of %v", p.File, size, modTime)
		}
	}
}

func TestPackedProgramsSayWhereTheyAreFrom(t *testing.T) {
	v := newInventory(open(t, pack(t, fetched(t, nil))), nil, Rules{})
	grub, _ := v.Find(model.ArchX64, LoaderGRUB)
	want := Program{
		Arch: model.ArchX64, Loader: LoaderGRUB, File: "grubx64.efi", Size: grub.Size, SHA256: grub.SHA256,
		Version: "2.06-13+deb12u2", Machine: "x86-64 PE32+", Authenticode: grub.Authenticode, Signer: "unsigned", State: StateServed,
		SBAT:   []SBATEntry{{"sbat", 1, "sbat", "1"}, {"grub", 5, "grub", "2.06"}, {"grub.debian", 5, "grub2", "2.06-13+deb12u2"}},
		Source: "Debian grub-efi-amd64-signed 1+2.06", SourceCode: "grub-efi-amd64-signed (= 1+2.06), grub2 (= 2.06)",
		Licence: "GPL-3.0-or-later",
	}
	if diff := cmp.Diff(want, grub); diff != "" {
		t.Errorf("GRUB (-want +got):\n%s", diff)
	}
	// Without a version inside, the package's; a linked image says that it is.
	arm, _ := v.Find(model.ArchARM64, LoaderGRUB)
	if arm.Version != "2.06" || arm.Source != "Debian grub-efi-arm64-bin 2.06, modules linked by grub-mkimage" {
		t.Errorf("version %q, source %q", arm.Version, arm.Source)
	}
}

func TestPackRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*manifest)
		want   string
	}{
		{"a file that is missing", func(m *manifest) { m.Programs[0].File = "none.kpxe" }, "no such file"},
		{"a file with another hash", func(m *manifest) { m.Programs[0].SHA256 = strings.Repeat("0", 64) }, "its SHA-256 is"},
		{"a file of another kind", func(m *manifest) { m.Programs[0].Loader = LoaderGRUB }, "its name makes it ipxe"},
		{"a file without a licence", func(m *manifest) { m.Programs[0].Licence = "" }, "licence are missing"},
		{"a licence text that is missing", func(m *manifest) { m.Licences[0].Name = "none" }, "packing licence text licences/ipxe/none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Pack(fetched(t, tt.change), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if err := Pack(t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "manifest.json") {
		t.Errorf("an empty folder: error %v", err)
	}
	if err := Pack(folder(t, map[string][]byte{"manifest.json": []byte("{")}), io.Discard); err == nil || !strings.Contains(err.Error(), "manifest.json") {
		t.Errorf("a broken manifest: error %v", err)
	}
	wrong := fetched(t, nil)
	if err := os.WriteFile(filepath.Join(wrong, "uefi-x64/snponly.efi"), arm64, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Pack(wrong, io.Discard); err == nil || !strings.Contains(err.Error(), "it is built for AArch64 PE32+ (uefi-arm64)") {
		t.Errorf("a program for other machines: error %v", err)
	}
}

func TestOverrides(t *testing.T) {
	s := open(t, pack(t, fetched(t, nil)))
	user := append([]byte{}, x64...)
	user[0x300] = 1 // a PE image with other bytes
	for _, tt := range []struct {
		name  string
		files []string
		kind  Loader
		want  string // what Find gives for x64
		own   bool   // and whether it is the user's
		count int    // of all programs; 4 are embedded
	}{
		{"nothing of the user's: the embedded one", nil, LoaderIPXE, "snponly.efi", false, 4},
		{"the same name takes its place", []string{"snponly.efi"}, LoaderIPXE, "snponly.efi", true, 4},
		{"the same kind comes before it", []string{"ipxe.efi"}, LoaderIPXE, "ipxe.efi", true, 5},
		{"of two, the one that is looked for by name", []string{"ipxe.efi", "snponly.efi"}, LoaderIPXE, "snponly.efi", true, 5},
		{"of two others, the first by name", []string{"ipxe-b.efi", "ipxe-a.efi"}, LoaderIPXE, "ipxe-a.efi", true, 6},
		{"another kind changes nothing", []string{"ipxe-shimx64.efi"}, LoaderIPXE, "snponly.efi", false, 5},
		{"a kind that is not embedded is found", []string{"ipxe-shimx64.efi"}, LoaderIPXEShim, "ipxe-shimx64.efi", true, 5},
		{"a kind that nobody has is not found", []string{"ipxe.efi"}, LoaderShim, "", false, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string][]byte{}
			for _, f := range tt.files {
				files["uefi-x64/"+f] = user
			}
			dir := folder(t, files)
			own, err := loadUser(dir)
			if err != nil || own.faults != nil {
				t.Fatalf("faults %v, error %v", own.faults, err)
			}
			v := newInventory(s, own.items, Rules{})
			p, ok := v.Find(model.ArchX64, tt.kind)
			if ok != (tt.want != "") || p.File != tt.want || strings.HasPrefix(p.Source, dir) != tt.own {
				t.Errorf("found %v: %q from %q", ok, p.File, p.Source)
			}
			// What is not overridden can still be had by its name.
			if _, ok := v.FindFile(model.ArchX64, "snponly.efi"); !ok {
				t.Error("snponly.efi is gone")
			}
			if got := len(v.Programs()); got != tt.count {
				t.Errorf("%d programs, want %d", got, tt.count)
			}
		})
	}
}

// Many transfers begin at once when a classroom powers on.
func TestOpenFromManySides(t *testing.T) {
	v := newInventory(open(t, pack(t, fetched(t, nil))), nil, Rules{})
	var wait sync.WaitGroup
	for range 32 {
		wait.Go(func() {
			if _, _, _, err := v.Open(model.ArchX64, "grubx64.efi"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestDamagedArchive(t *testing.T) {
	archive := pack(t, fetched(t, nil))
	open := func(b []byte) error {
		_, err := openSet(bytes.NewReader(b), int64(len(b)))
		return err
	}
	if err := open(archive[:len(archive)/2]); err == nil {
		t.Error("half an archive opens")
	}
	if err := open(bytes.ReplaceAll(archive, []byte("index.json"), []byte("index.nosj"))); err == nil || !strings.Contains(err.Error(), "index.json") {
		t.Errorf("an archive without index: error %v", err)
	}
	if err := open(bytes.ReplaceAll(archive, []byte("bios/undionly.kpxe"), []byte("bios/undionly.kpxf"))); err == nil || !strings.Contains(err.Error(), "bios/undionly.kpxe is not in the archive") {
		t.Errorf("an archive without a program: error %v", err)
	}
	// A bit that flips in a program is noticed when it is opened.
	at := bytes.Index(archive, []byte("uefi-x64/grubx64.efi")) + 60
	spoilt := append([]byte{}, archive...)
	spoilt[at] ^= 0x10
	s, err := openSet(bytes.NewReader(spoilt), int64(len(spoilt)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := newInventory(s, nil, Rules{}).Open(model.ArchX64, "grubx64.efi"); err == nil || !strings.Contains(err.Error(), "uefi-x64/grubx64.efi") {
		t.Errorf("a spoilt program: error %v", err)
	}
}

func TestLicenceTexts(t *testing.T) {
	got, err := open(t, pack(t, fetched(t, nil))).licences()
	if err != nil {
		t.Fatal(err)
	}
	want := []Licence{
		{"ipxe", "copyright", "1.0.0", "ipxe (= 1.0.0)", "ipxe's notices"},
		{"base-files", "GPL", "12", "base-files (= 12)", "the licence"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
