package site

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/policy"
)

const siteConfig = `
[server]
name = "boot1"

[boot]
unknown = "menu"
default = "local"

[[machine]]
name = "lab-01"
mac  = "52:54:00:00:00:01"
boot = "debian"

[[machine]]
name = "lab-02"
mac  = "52:54:00:00:00:02"
boot = "deny"

[[image]]
name    = "debian"
kernel  = "KERNEL"
cmdline = "hostname={{.Machine.Name}} from={{.Server.URL}}"

[[image]]
name   = "debian-arm"
arch   = "arm64"
kernel = "KERNEL"
`

// newSite serves one kernel file with the content "vmlinuz".
func newSite(t *testing.T) *Site { return newSiteWith(t, t.TempDir()) }

// newSiteWith has boot programs of the user's too.
func newSiteWith(t *testing.T, programDir string) *Site {
	t.Helper()
	kernel := filepath.Join(t.TempDir(), "linux")
	if err := os.WriteFile(kernel, []byte("vmlinuz"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults := config.Parse("hobnail.toml", []byte(strings.ReplaceAll(siteConfig, "KERNEL", kernel)))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	programs, refused, err := nbp.Load(programDir, nbp.Rules{})
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	if !programs.HasEmbedded() {
		t.Fatal("no boot programs are embedded: run make build first")
	}
	files := map[string]string{}
	for _, img := range cfg.Images {
		for _, f := range image.Files(img) {
			files[f.Name] = f.Path
		}
	}
	table, err := bootfile.NewTable(true, bootfile.Part{Files: files}, bootfile.Part{Files: WindowsFiles(programs), AnyCase: true})
	if err != nil {
		t.Fatal(err)
	}
	return &Site{
		Policy:   policy.Compile(cfg, cfg.Images, policy.Programs{Folder: "nbp", Wanted: func(model.Arch, string) []string { return nil }}),
		Programs: programs, Images: table, Boots: boots.NewMemory(),
		Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

var (
	client = netip.MustParseAddrPort("10.77.1.50:1069")
	server = netip.MustParseAddr("10.77.1.2")
)

// read opens a name as a client would and returns its content.
func read(t *testing.T, s *Site, name string) (string, *bootfile.File, error) {
	t.Helper()
	f, err := s.Open(context.Background(), bootfile.Request{Name: name, Client: client, Local: server, Via: "tftp"})
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Size))
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	if int64(len(b)) != f.Size {
		t.Fatalf("%s: size %d is announced, %d octets are there", name, f.Size, len(b))
	}
	return string(b), f, nil
}

func TestNamesThatLoadersAskFor(t *testing.T) {
	for _, tc := range []struct {
		about, name, begins, contains string
	}{
		{"a machine's boot program", "m/525400000001/uefi-x64/shimx64.efi", "MZ", ""},
		{"what shim asks for beside itself", "m/525400000001/uefi-x64/grubx64.efi", "MZ", ""},
		{"a program for a machine without an address", "nbp/uefi-arm64/shimaa64.efi", "MZ", ""},
		{"a program by its bare name", "undionly.kpxe", "", ""},
		{"a program as old firmware spells it", `\nbp\bios\undionly.kpxe` + "\xff", "", ""},
		{"iPXE's script", "m/525400000001/bios/boot.ipxe", "#!ipxe\n", "http://10.77.1.2:8080/img/debian/linux"},
		{"signed iPXE's script", "m/525400000001/uefi-x64/autoexec.ipxe", "#!ipxe\n", "img/debian/linux"},
		{"Fedora's GRUB beside itself", "m/525400000001/uefi-x64/grub.cfg", "", "/img/debian/linux"},
		{"Fedora's GRUB by MAC", "m/525400000001/uefi-x64/grub.cfg-01-52-54-00-00-00-01", "", "/img/debian/linux"},
		{"Debian's GRUB at the root", "/grub/grub.cfg", "", "menuentry"},
		{"the GRUB of Debian's arm64 installer", "/debian-installer/arm64/grub/grub.cfg", "", "menuentry"},
		{"pxelinux by MAC", "m/525400000001/bios/pxelinux.cfg/01-52-54-00-00-00-01", "", "/img/debian/linux"},
		{"U-Boot by MAC at the root", "pxelinux.cfg/01-52-54-00-00-00-01", "", "/img/debian/linux"},
		{"pxelinux at the end of its search", "pxelinux.cfg/default", "", "LABEL"},
		{"U-Boot before all else", "boot.scr.uimg", "\x27\x05\x19\x56", "pxe get"},
		{"a kernel behind U-Boot's folder", "m/525400000001/uefi-arm64/img/debian/linux", "vmlinuz", ""},
		{"a kernel", "img/debian/linux", "vmlinuz", ""},
		{"a kernel with a double slash", "//img//debian/./linux", "vmlinuz", ""},
	} {
		t.Run(tc.about, func(t *testing.T) {
			got, _, err := read(t, newSite(t), tc.name)
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if !strings.HasPrefix(got, tc.begins) || !strings.Contains(got, tc.contains) {
				t.Errorf("%s does not begin with %q or lacks %q:\n%.400s", tc.name, tc.begins, tc.contains, got)
			}
		})
	}
}

// TestWhatFollowsAPlainName: another DHCP server has sent a machine here, with
// the same name for everybody. What its loader asks for next, which says
// nothing of the machine, is for the architecture that it was seen to have.
func TestWhatFollowsAPlainName(t *testing.T) {
	for _, tc := range []struct {
		about, first, next, has, lacks string
	}{
		{"GRUB on ARM64", "nbp/uefi-arm64/shimaa64.efi", "/grub/grub.cfg", "/img/debian-arm/linux", "/img/debian/linux"},
		{"GRUB on x64", "nbp/uefi-x64/shimx64.efi", "/grub/grub.cfg", "/img/debian/linux", "/img/debian-arm/linux"},
		{"GRUB on a RAM disk", "nbp/uefi-arm64/boot.img", "nbp/uefi-arm64/grub.cfg", "/img/debian-arm/linux", "/img/debian/linux"},
		{"what shim asks for beside itself", "nbp/uefi-x64/shimx64.efi", "nbp/uefi-x64/grubx64.efi", "MZ", "hostname="},
		{"GRUB that knows its MAC address", "nbp/uefi-ia32/grubproxyia32.efi", "m/525400000001/uefi-ia32/grub.cfg", "'hostname=lab-01'", "menuentry"},
		{"iPXE, by its architecture", "nbp/uefi-x64/snponly.efi", "boot.ipxe", "/img/debian/linux", "/img/debian-arm/linux"},
		{"iPXE, by its MAC address", "nbp/bios/undionly.kpxe", "m/525400000001/bios/boot.ipxe", "hostname=lab-01", "menu "},
		{"pxelinux", "nbp/bios/pxelinux.0", "nbp/bios/pxelinux.cfg/01-52-54-00-00-00-01", "hostname=lab-01", "LABEL local"},
		{"U-Boot's script", "nbp/uefi-arm64/boot.scr.uimg", "nbp/uefi-arm64/pxelinux.cfg/default", "debian-arm", "/img/debian/linux"},
		{"another machine that has the address now", "m/525400000001/uefi-x64/shimx64.efi nbp/uefi-x64/shimx64.efi", "/grub/grub.cfg", "menuentry", "hostname=lab-01"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := newSite(t)
			for name := range strings.FieldsSeq(tc.first) {
				if _, _, err := read(t, s, name); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			got, _, err := read(t, s, tc.next)
			if err != nil {
				t.Fatalf("%s: %v", tc.next, err)
			}
			if !strings.Contains(got, tc.has) || strings.Contains(got, tc.lacks) {
				t.Errorf("%s after %s has no %q, or has %q:\n%.900s", tc.next, tc.first, tc.has, tc.lacks, got)
			}
		})
	}
}

func TestNamesThatAreNotThere(t *testing.T) {
	for _, tc := range []struct{ about, name string }{
		{"nothing", ""},
		{"the root", "/"},
		{"a folder", "m/525400000001/uefi-x64/"},
		{"a program of another architecture", "m/525400000001/bios/shimx64.efi"},
		{"shim's list of revocations", "m/525400000001/uefi-x64/revocations_sbat.efi"},
		{"pxelinux by UUID", "m/525400000001/bios/pxelinux.cfg/4c4c4544-0043-3010-8052-b4c04f4d3532"},
		{"pxelinux by address", "m/525400000001/bios/pxelinux.cfg/0A4D0132"},
		{"GRUB's list of commands", "grub/x86_64-efi/command.lst"},
		{"an image's folder", "img/debian"},
		{"a path of the host", "../../etc/passwd"},
		{"a path of the host behind an image", "img/debian/../../../etc/passwd"},
		{"the script of a machine that is denied", "m/525400000002/bios/boot.ipxe"},
		{"a RAM disk for BIOS", "m/525400000001/bios/boot.img"},
		{"a bare name that is a kernel's", "linux"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			if got, _, err := read(t, newSite(t), tc.name); !errors.Is(err, bootfile.ErrNotFound) {
				t.Errorf("%s: got %.40q, %v; want ErrNotFound", tc.name, got, err)
			}
		})
	}
}

func TestWhoseMenu(t *testing.T) {
	const grub = "grub/grub.cfg"
	direct := "hostname=lab-01"
	for _, tc := range []struct {
		about string
		meet  func(*Site, *testing.T) // what happened before
		name  string
		want  string
	}{
		{"an address nobody knows gets the menu", nil, grub, "set timeout=10"},
		{"the address that read a machine's boot program gets that machine's target", func(s *Site, t *testing.T) {
			if _, _, err := read(t, s, "m/525400000001/uefi-x64/shimx64.efi"); err != nil {
				t.Fatal(err)
			}
		}, grub, direct},
		{"the address that was leased to a machine gets that machine's target", func(s *Site, _ *testing.T) {
			s.Boots.Heard(&classify.Facts{MAC: "52:54:00:00:00:01", Arch: model.ArchX64, Class: classify.ClassPXE}, client.Addr())
		}, grub, direct},
		{"a MAC in the name counts for more than the address", func(s *Site, _ *testing.T) {
			s.Boots.Heard(&classify.Facts{MAC: "52:54:00:00:00:09", Arch: model.ArchBIOS, Class: classify.ClassPXE}, client.Addr())
		}, "pxelinux.cfg/01-52-54-00-00-00-01", direct},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := newSite(t)
			if tc.meet != nil {
				tc.meet(s, t)
			}
			got, _, err := read(t, s, tc.name)
			if err != nil || !strings.Contains(got, tc.want) {
				t.Errorf("%s lacks %q (%v):\n%s", tc.name, tc.want, err, got)
			}
		})
	}
}

// A menu lists only what the machine's processor can run.
func TestMenuFitsTheProcessor(t *testing.T) {
	for _, tc := range []struct {
		arch        model.Arch
		has, hasNot string
	}{
		{model.ArchX64, "/img/debian/linux", "/img/debian-arm/linux"},
		{model.ArchARM64, "/img/debian-arm/linux", "/img/debian/linux"},
	} {
		s := newSite(t)
		name := model.BootPath{MAC: "52:54:00:00:00:09", Arch: tc.arch, File: model.ScriptGRUB}.String()
		got, _, err := read(t, s, name)
		if err != nil || !strings.Contains(got, tc.has) || strings.Contains(got, tc.hasNot) {
			t.Errorf("%s: want %s and not %s (%v):\n%s", tc.arch, tc.has, tc.hasNot, err, got)
		}
	}
}

// The RAM disk must be the same at every read: firmware asks for its size,
// then for ranges, and another server may answer the second time.
func TestRAMDiskIsRepeatable(t *testing.T) {
	s := newSite(t)
	name := model.BootPath{MAC: "52:54:00:00:00:01", Arch: model.ArchX64, File: model.RAMDiskFile}.String()
	first, f, err := read(t, s, name)
	if err != nil {
		t.Fatal(err)
	}
	second, g, err := read(t, s, name)
	if err != nil || first != second || f.ETag != g.ETag {
		t.Errorf("two reads differ (%v), ETags %s and %s", err, f.ETag, g.ETag)
	}
	if f.ContentType != "application/vnd.efi-img" {
		t.Errorf("Content-Type is %s; EDK2 wants application/vnd.efi-img", f.ContentType)
	}
	for _, want := range []string{"(tftp,10.77.1.2)/m/525400000001/uefi-x64/grub.cfg", "BOOTX64 EFI"} {
		if !strings.Contains(first, want) {
			t.Errorf("the disk lacks %q", want)
		}
	}
}

// A GRUB for proxy mode has the address by which the machine reaches us, or the
// configured one, and two addresses are two files to a cache.
func TestGRUBProxyHasOurAddress(t *testing.T) {
	s := newSite(t)
	const name = "m/525400000001/uefi-arm64/grubproxyaa64.efi"
	first, f, err := read(t, s, name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first, "\nset server=10.77.1.2      \n") || f.ContentType != "application/efi" {
		t.Errorf("the program (%s) does not know the address that the machine reached us by", f.ContentType)
	}
	s.Policy.Config.Server.Address = netip.MustParseAddr("192.168.100.200")
	second, g, err := read(t, s, name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(second, "\nset server=192.168.100.200\n") {
		t.Error("the program does not know the configured address")
	}
	if f.ETag == g.ETag || len(first) != len(second) {
		t.Errorf("ETags %s and %s, sizes %d and %d", f.ETag, g.ETag, len(first), len(second))
	}
}

// iPXE's signed shims ask for ipxe.efi at the root, whatever they are built
// for: the machine's own architecture counts.
func TestBareNameOfSeveralArchitectures(t *testing.T) {
	const machine = model.MAC("52:54:00:00:00:09")
	dir := t.TempDir()
	s := newSite(t)
	programs := map[model.Arch]string{}
	for _, a := range []model.Arch{model.ArchIA32, model.ArchARM64} {
		p, ok := s.Programs.Find(a, nbp.LoaderGRUB)
		if !ok {
			t.Fatalf("no GRUB for %s is embedded", a)
		}
		program, _, err := read(t, s, "nbp/"+string(a)+"/"+p.File)
		if err != nil {
			t.Fatal(err)
		}
		programs[a] = program
		if err := os.Mkdir(filepath.Join(dir, string(a)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(a), "ipxe.efi"), []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		about string
		arch  model.Arch // of what the machine read before; empty: nothing
		want  model.Arch // empty: not found
	}{
		{"a machine known to be ARM64", model.ArchARM64, model.ArchARM64},
		{"a machine known to be IA32", model.ArchIA32, model.ArchIA32},
		{"a machine known to be of an architecture that has none", model.ArchARM32, ""},
		{"a machine that nobody knows", "", ""},
	} {
		t.Run(tc.about, func(t *testing.T) {
			s := newSiteWith(t, dir)
			if tc.arch != "" {
				s.Boots.Read(client.Addr(), model.BootPath{MAC: machine, Arch: tc.arch, File: "ipxe-shim.efi"})
			}
			got, _, err := read(t, s, "ipxe.efi")
			switch {
			case tc.want == "" && !errors.Is(err, bootfile.ErrNotFound):
				t.Errorf("got %d octets, %v; want ErrNotFound", len(got), err)
			case tc.want != "" && (err != nil || got != programs[tc.want]):
				t.Errorf("got another program than that of %s (%v)", tc.want, err)
			}
		})
	}
}
