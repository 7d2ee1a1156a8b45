package image

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"hobnail/internal/answer"
	"hobnail/internal/bootscript"
	"hobnail/internal/model"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/recognised and docs/images.md")

func recognise(t *testing.T, fsys fs.FS, label string) Found {
	t.Helper()
	f, err := Recognise(fsys, label)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRecognised compares all that is said of each image.
func TestRecognised(t *testing.T) {
	golden := map[string]bool{}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			f := recognise(t, s.fsys(), s.label)
			if f.System != s.system {
				t.Fatalf("is %q (%s), want %q", f.System, f.Title, s.system)
			}
			got, err := json.MarshalIndent(f, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", "recognised", s.name+".json")
			golden[filepath.Base(file)] = true
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/recognised/*")
	if err != nil || len(files) != len(golden) {
		t.Errorf("%d files, %d samples: %v", len(files), len(golden), err)
	}
}

// rowOf is the row that an image is recognised by; -1 for none.
func rowOf(s sample) int {
	t := newTree(s.fsys(), s.label)
	return slices.IndexFunc(rows(), func(r row) bool { _, ok := r.fit(t); return ok })
}

func TestEveryRowHasASample(t *testing.T) {
	seen := map[int]bool{}
	for _, s := range samples() {
		seen[rowOf(s)] = true
	}
	for i, r := range rows() {
		if !seen[i] {
			t.Errorf("row %d, %s: no sample is recognised by it", i, r.system)
		}
	}
}

// Without any one of the files that its row needs, an image is not what it
// was, unless another row of that system knows it.
func TestNearMisses(t *testing.T) {
	for _, s := range samples() {
		was := rowOf(s)
		for _, want := range rows()[was].files {
			if want.optional {
				continue
			}
			miss := sample{label: s.label, files: maps.Clone(s.files)}
			tree := newTree(miss.fsys(), "")
			for name, ok := tree.find(want.patterns...); ok; name, ok = newTree(miss.fsys(), "").find(want.patterns...) {
				delete(miss.files, name)
			}
			if got := rowOf(miss); got == was {
				t.Errorf("%s without %v is still by row %d, %s", s.name, want.patterns, was, rows()[was].system)
			}
		}
	}
}

// What is built on another system is taken for itself, even where it carries
// all that the other is known by.
func TestTheSpecialComesFirst(t *testing.T) {
	byName := map[string]sample{}
	for _, s := range samples() {
		byName[s.name] = s
	}
	for special, plain := range map[string]string{
		"kali-installer-2024":  "kali-live-no-info",
		"clonezilla-3.1":       "debian-live-12",
		"gparted-1.6":          "debian-live-12",
		"kali-live-2024":       "debian-live-two-kernels",
		"debian-live-12":       "debian-12-netinst",
		"systemrescue-11":      "arch-2024",
		"windows-11":           "windows-pe",
		"fedora-coreos-40":     "fedora-everything-boot",
		"fedora-server-dvd-41": "fedora-live-39",
		"agama-leap-16":        "fedora-live-44",
		"ubuntu-server-24.04":  "mint-22",
		"proxmox-ve-8":         "grub-mkrescue-2.06",
		"nixos-netboot":        "nixos-24.05",
		"memtest-iso":          "grub-mkrescue-2.06",
	} {
		s, p := byName[special], byName[plain]
		if s.name == "kali-installer-2024" { // the other way round: what has a live system is one
			s, p = p, s
		}
		both := sample{label: s.label, files: maps.Clone(p.files)}
		maps.Copy(both.files, s.files)
		if f := recognise(t, both.fsys(), both.label); f.System != s.system {
			t.Errorf("%s with all of %s is %s", s.name, p.name, f.System)
		}
	}
}

func TestMarkersMissing(t *testing.T) {
	tests := []struct {
		what, label, want string
		files             []string
	}{
		{"an Ubuntu without a kernel", "", "other", []string{".disk/info", "casper/initrd", "casper/filesystem.squashfs"}},
		{"a kernel and an initrd of nobody", "", "other", []string{"vmlinuz", "initrd.img"}},
		{"a WIM that nothing boots", "", "other", []string{"backup.wim"}},
		{"an install.wim alone", "", "other", []string{"sources/install.wim"}},
		{"a label of memtest, and no program", "MT86PLUS_64", "other", []string{"boot/floppy.img"}},
		{"a Debian mirror without an installer", "", "other", []string{".disk/info", "dists/bookworm/Release", "pool/main/b/bash.deb"}},
		{"a folder where the kernel should be", "ARCH_202408", "other", []string{"arch/version", "arch/boot/x86_64/vmlinuz-linux/x", "arch/boot/x86_64/initramfs-linux.img"}},
		{"a live system whose root has another name", "", "other", []string{"live/vmlinuz", "live/initrd.img"}},
		{"a boot.cfg that is not VMware's", "", "other", []string{"boot.cfg", "mboot.c32"}},
		{"CoreOS's small ISO, which has no root", "fedora-coreos-40.20240728.3.0", "other", []string{"coreos/igninfo.json", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			f := recognise(t, sample{files: with(nil, tt.files...)}.fsys(), tt.label)
			if f.System != tt.want || f.Way != WaySANBoot || len(f.Warnings) == 0 {
				t.Errorf("is %s, by %s, %d warnings", f.System, f.Way, len(f.Warnings))
			}
		})
	}
}

// An ISO 9660 tree without Rock Ridge has capitals, and the paths that are
// found are the ones that are there.
func TestNamesInAnyCase(t *testing.T) {
	for _, s := range samples() {
		upper := sample{label: s.label, files: map[string]string{}}
		for name, text := range s.files {
			upper.files[strings.ToUpper(name)] = text
		}
		want, got := recognise(t, s.fsys(), s.label), recognise(t, upper.fsys(), s.label)
		if got.System != want.System {
			t.Errorf("%s in capitals is %s", s.name, got.System)
		}
		for _, p := range append([]string{got.Kernel, got.EFI, got.WIM, got.InstallImage}, got.Initrd...) {
			if p == "" || p[0] == '/' {
				continue
			}
			if _, err := fs.Stat(upper.fsys(), p); err != nil {
				t.Errorf("%s in capitals: %v", s.name, err)
			}
		}
	}
}

// The name as written counts before others that differ in case.
func TestExactNameFirst(t *testing.T) {
	files := with(nil, "ARCH/boot/x86_64/vmlinuz-linux", "ARCH/boot/x86_64/initramfs-linux.img", "arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img")
	f := recognise(t, sample{files: files}.fsys(), "")
	if f.Kernel != "arch/boot/x86_64/vmlinuz-linux" || f.Initrd[0] != "arch/boot/x86_64/initramfs-linux.img" {
		t.Errorf("kernel %s, initrd %v", f.Kernel, f.Initrd)
	}
}

// lines are the command lines of what was found, with the address of an
// install filled in as the server's is.
func lines(f Found) map[string]string {
	return map[string]string{"Cmdline": f.Cmdline, "Install": strings.ReplaceAll(f.Install, "{{.Install.URL}}", "{{.Server.URL}}/install/0123456789abcdef0123456789abcdef")}
}

func TestCommandLinesAreTemplates(t *testing.T) {
	for _, s := range samples() {
		f := recognise(t, s.fsys(), s.label)
		for which, text := range lines(f) {
			if err := bootscript.CheckTemplate(text); err != nil {
				t.Errorf("%s: %s: %v", s.name, which, err)
			}
			if strings.ContainsAny(text, "<>") || strings.Contains(text, "initrd=") {
				t.Errorf("%s: %s: %s", s.name, which, text)
			}
		}
		if (f.Install == "") != (f.Answer == AnswerNone) && f.Way != WayWIM {
			t.Errorf("%s: answer %q, command line %q", s.name, f.Answer, f.Install)
		}
	}
}

// TestAnswersAreAskedForByTheNamesTheyHave is named for a fault: command lines
// of Agama and Arch named files that no kind of answer has.
func TestAnswersAreAskedForByTheNamesTheyHave(t *testing.T) {
	named := regexp.MustCompile(regexp.QuoteMeta(answerAt) + `([\w.-]*)`)
	for _, s := range samples() {
		f := recognise(t, s.fsys(), s.label)
		if f.Answer == AnswerNone {
			continue
		}
		kind, ok := answer.KindOf(string(f.Answer))
		if !ok {
			t.Errorf("%s: there is no answer of the kind %q", s.name, f.Answer)
			continue
		}
		for _, m := range named.FindAllStringSubmatch(f.Install, -1) {
			// A folder is named to nocloud, which knows the files itself. ESXi's
			// boot.cfg is no answer, and names the one that there is.
			if m[1] != "" && m[1] != "boot.cfg" && !slices.Contains(kind.Files, m[1]) {
				t.Errorf("%s: the command line asks for %s; an answer of the kind %s has %q", s.name, m[1], kind.Name, kind.Files)
			}
		}
	}
}

func TestCommandLineFilledIn(t *testing.T) {
	machine := bootscript.Machine{Name: "lab-01", MAC: "52:54:00:12:34:56"}
	server := bootscript.Server{Name: "boot1", URL: "http://10.77.1.2:8080"}
	want := map[string]string{
		"ubuntu-server-24.04": "ip=dhcp url=http://10.77.1.2:8080/iso/x.iso cloud-config-url=/dev/null BOOTIF=01-52-54-00-12-34-56 autoinstall ds=nocloud-net;s=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/",
		"debian-12-dvd":       "console=ttyS0,115200 console=tty0 mirror/country=manual mirror/protocol=http mirror/http/hostname=10.77.1.2:8080 mirror/http/directory=/iso/x mirror/http/proxy= mirror/suite=bookworm debian-installer/allow_unauthenticated=true auto=true priority=critical url=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/preseed.cfg hostname=lab-01 BOOTIF=01-52-54-00-12-34-56",
		"rhel-9-dvd":          "inst.stage2=http://10.77.1.2:8080/iso/x/ inst.repo=http://10.77.1.2:8080/iso/x/ ip=dhcp BOOTIF=01-52-54-00-12-34-56 inst.ks=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/ks.cfg",
		"arch-2024":           "archisobasedir=arch archiso_http_srv=http://10.77.1.2:8080/iso/x/ ip=dhcp cms_verify=y script=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/install.sh BOOTIF=01-52-54-00-12-34-56",
		"arch-2026":           "archisobasedir=arch archiso_http_srv=http://10.77.1.2:8080/iso/x/ ip=dhcp script=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/install.sh BOOTIF=01-52-54-00-12-34-56",
		"agama-sles-16-full":  "root=live:http://10.77.1.2:8080/iso/x/LiveOS/squashfs.img inst.install_url=http://10.77.1.2:8080/iso/x/install ip=dhcp rd.neednet=1 inst.self_update=0 BOOTIF=01-52-54-00-12-34-56 inst.auto=http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/agama.json",
	}
	for _, s := range samples() {
		line, ok := want[s.name]
		if !ok {
			continue
		}
		delete(want, s.name)
		got, err := bootscript.ExpandCmdline(lines(recognise(t, s.fsys(), s.label))["Install"], bootscript.TemplateData{Machine: machine, Server: server, Image: "x"})
		if diff := cmp.Diff(line, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", s.name, err, diff)
		}
	}
	if len(want) > 0 {
		t.Errorf("no sample for %v", slices.Collect(maps.Keys(want)))
	}
}

// Of every sample each field has a value that it may have.
func TestFieldsAreWhole(t *testing.T) {
	ways := []Way{WayLinux, WayEFI, WayWIM, WayESXi, WaySANBoot, WayMemdisk}
	for _, s := range samples() {
		f := recognise(t, s.fsys(), s.label)
		if f.Title == "" || !slices.Contains(ways, f.Way) || len(f.Loaders) == 0 || len(f.Firmware) == 0 || f.Tried == "" {
			t.Errorf("%s: %+v", s.name, f)
		}
		if verdict, _, _ := strings.Cut(f.SecureBoot, ": "); !slices.Contains([]string{"yes", "no", "unknown"}, verdict) {
			t.Errorf("%s: Secure Boot %q", s.name, f.SecureBoot)
		}
		if f.Way == WayLinux && f.Kernel == "" || f.Way == WayEFI && f.EFI == "" || f.Way == WayWIM && f.WIM == "" || f.BIOS == WayLinux && f.Kernel == "" {
			t.Errorf("%s: %s without a file: %+v", s.name, f.Way, f)
		}
		if f.CPU == "" && f.System != "other" {
			t.Errorf("%s: no processor family", s.name)
		}
	}
}

func TestWayOf(t *testing.T) {
	f := Found{Way: WayEFI, BIOS: WayLinux, Firmware: both}
	for fw, want := range map[model.Firmware]Way{model.FirmwareBIOS: WayLinux, model.FirmwareUEFI: WayEFI, model.FirmwareHTTP: WayEFI, model.FirmwareUBoot: WayNone} {
		if got := f.WayOf(fw); got != want {
			t.Errorf("%s: %s, want %s", fw, got, want)
		}
	}
	f.Firmware, f.BIOS = uefi, ""
	if f.WayOf(model.FirmwareBIOS) != WayNone || f.WayOf(model.FirmwareUEFI) != WayEFI {
		t.Error("what is for UEFI alone starts under BIOS, or not under UEFI")
	}
}

func TestHostileText(t *testing.T) {
	evil := "\x1b[31mroot\x00\r\n\u202eevil\xff\ufffd{{.Server.URL}} " + strings.Repeat("A", 1<<20)
	for _, s := range samples() {
		bad := sample{label: s.label, files: map[string]string{}}
		for name, text := range s.files {
			// Each file begins as it did, so that its row still fits.
			bad.files[name] = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", evil[:40]+"\n") + evil
		}
		for _, f := range []Found{recognise(t, bad.fsys(), s.label+evil), recognise(t, s.fsys(), evil)} {
			for _, text := range []string{f.Title, f.Version, f.Package, f.Cmdline, f.Install, f.Kernel, strings.Join(f.Warnings, "")} {
				if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || len(text) > 1500 {
					t.Errorf("%s: %.200q", s.name, text)
				}
			}
			if len([]rune(f.Title)) > maxTitle+20 || len(f.Version) > maxTitle {
				t.Errorf("%s: title %q, version %q", s.name, f.Title, f.Version)
			}
			for which, text := range lines(f) {
				if err := bootscript.CheckTemplate(text); err != nil {
					t.Errorf("%s: %s: %v", s.name, which, err)
				}
			}
		}
	}
}

// A name that could become a kernel parameter, a template or a folder above is
// not taken.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{"vmlinuz evil=1", "vmlinuz-{{.Server.URL}}", "vmlinuz-\n", "vmlinuz-\u00e9", "vmlinuz-%2e", "vmlinuz-<root>", "vmlinuz-'", "vmlinuz-$x"} {
		f := recognise(t, sample{files: with(nil, "live/"+name, "live/initrd.img", "live/filesystem.squashfs")}.fsys(), "")
		if f.System != "other" {
			t.Errorf("%q is taken for a kernel: %+v", name, f)
		}
	}
}

// counting tells how much is read of a file system.
type counting struct {
	fs.FS
	octets, opens *int
}

func (c counting) Open(name string) (fs.File, error) {
	*c.opens++
	f, err := c.FS.Open(name)
	if d, ok := f.(fs.ReadDirFile); ok || err != nil {
		return d, err
	}
	return countingFile{f, c.octets}, nil
}

type countingFile struct {
	fs.File
	octets *int
}

func (f countingFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	*f.octets += n
	return n, err
}

var _ io.Reader = countingFile{}

// Whatever lies in it, a bounded part of an image is read.
func TestReadsLittle(t *testing.T) {
	long := strings.Repeat("[general]\nname = x\n", 1<<20/19)
	for _, s := range samples() {
		m := s.fsys()
		for _, name := range []string{".treeinfo", ".discinfo", ".disk/info", ".cd-info", "boot.cfg", "arch/version", "netboot.ipxe", "harvester-release.yaml", "boot/grub/grub.cfg"} {
			if _, ok := m[name]; !ok {
				m[name] = &fstest.MapFile{Data: []byte(long)}
			}
		}
		var octets, opens int
		if _, err := Recognise(counting{m, &octets, &opens}, s.label); err != nil {
			t.Fatal(err)
		}
		if octets > 12*maxRead || opens > 4000 {
			t.Errorf("%s: %d octets, %d files and folders opened", s.name, octets, opens)
		}
	}
}

// crowd is a file system whose every folder has folders without end.
type crowd struct{ opened *int }

func (c crowd) Open(name string) (fs.File, error) {
	*c.opened++
	return crowdDir{}, nil
}

type crowdDir struct{ fs.FileInfo }

func (crowdDir) Stat() (fs.FileInfo, error) { return crowdInfo("d"), nil }
func (crowdDir) Read([]byte) (int, error)   { return 0, errors.New("a folder") }
func (crowdDir) Close() error               { return nil }
func (crowdDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = 1 << 20
	}
	entries := make([]fs.DirEntry, n)
	for i := range entries {
		entries[i] = fs.FileInfoToDirEntry(crowdInfo("casper_" + strings.Repeat("a", i%50)))
	}
	return entries, nil
}

type crowdInfo string

func (i crowdInfo) Name() string     { return string(i) }
func (crowdInfo) Size() int64        { return 0 }
func (crowdInfo) Mode() fs.FileMode  { return fs.ModeDir }
func (crowdInfo) ModTime() time.Time { return time.Time{} }
func (crowdInfo) IsDir() bool        { return true }
func (crowdInfo) Sys() any           { return nil }

func TestCrowdedImageIsSoonGivenUp(t *testing.T) {
	opened := 0
	if f := recognise(t, crowd{&opened}, ""); f.System != "other" || opened > maxAsked {
		t.Errorf("%s after %d files and folders", f.System, opened)
	}
}

func TestUnreadable(t *testing.T) {
	if f, err := Recognise(os.DirFS(filepath.Join(t.TempDir(), "gone")), ""); err == nil {
		t.Errorf("a folder that is not there is %+v", f)
	}
}

// A pipe in a folder is no file: opening it would wait for ever.
func TestFolderOnDisk(t *testing.T) {
	dir := t.TempDir()
	for name := range (sample{files: with(info("Ubuntu-Server 24.04 LTS"), "casper/vmlinuz", "casper/initrd", "casper/x.squashfs")}).files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("Ubuntu-Server 24.04 LTS\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := mkfifo(filepath.Join(dir, ".treeinfo")); err != nil {
		t.Fatal(err)
	}
	if f := recognise(t, os.DirFS(dir), ""); f.System != "ubuntu-server" || f.Version != "24.04" {
		t.Errorf("%+v", f)
	}
}
