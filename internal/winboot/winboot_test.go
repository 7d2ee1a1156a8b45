package winboot

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// What boot managers were seen to ask for, as they spell it.
func TestRequestsOfBootManagers(t *testing.T) {
	program := func(file string) Thing { return Thing{Kind: KindProgram, File: file} }
	bcd := Thing{Kind: KindBCD, File: "bcd"}
	font := func(file string) Thing { return Thing{Kind: KindFont, File: file} }
	resources := Thing{Kind: KindResources, File: "bootres.dll"}
	trust := Thing{Kind: KindTrust, File: "boot.stl"}
	sdi := Thing{Kind: KindSDI, File: "boot.sdi"}
	wim := Thing{Kind: KindWIM, File: "boot.wim"}
	for _, tt := range []struct {
		who, name string
		want      Thing
	}{
		// A UEFI machine from its boot file to winload.efi, in order.
		{"firmware", `w/x64/bootmgfw.efi`, program("bootmgfw.efi")},
		{"bootmgfw", `\Boot\BCD`, bcd},
		{"bootmgfw", `\Boot\Fonts\wgl4_boot.ttf`, font("wgl4_boot.ttf")},
		{"bootmgfw", `\Boot\Fonts\segmono_boot.ttf`, font("segmono_boot.ttf")},
		{"bootmgfw", `\Boot\Fonts\segoen_slboot.ttf`, font("segoen_slboot.ttf")},
		{"bootmgfw", `\Boot\Fonts\segoe_slboot.ttf`, font("segoe_slboot.ttf")},
		{"bootmgfw", `\Boot\Resources\bootres.dll`, resources},
		{"bootmgfw", `\Boot\boot.stl`, trust},
		{"bootmgfw", `\Boot\boot.sdi`, sdi},
		{"bootmgfw", `\Boot\boot.wim`, wim},

		// The same elsewhere.
		{"bootmgfw", `\EFI\Microsoft\Boot\BCD`, bcd},
		{"bootmgfw", `\EFI\Microsoft\Boot\Fonts\wgl4_boot.ttf`, font("wgl4_boot.ttf")},
		{"bootmgfw", `\EFI\Microsoft\Boot\Resources\bootres.dll`, resources},
		{"bootmgfw", `\EFI\Microsoft\Boot\boot.stl`, trust},
		{"bootmgfw", `\EFI\Microsoft\Boot\en-US\bootmgfw.efi.mui`, Thing{KindMessages, "bootmgfw.efi.mui", "en-us"}},
		{"bootmgfw", `\Boot\Resources\de-DE\bootres.dll.mui`, Thing{KindMessages, "bootres.dll.mui", "de-de"}},
		{"firmware of a machine that trusts the CA of 2023", `w/x64/bootmgfw_EX.efi`, program("bootmgfw_ex.efi")},

		// A BIOS machine.
		{"ROM", `w\x86\pxeboot.n12`, program("pxeboot.n12")},
		{"pxeboot", `bootmgr.exe`, program("bootmgr.exe")},
		{"pxeboot, of the folder it came from", `w\x86\bootmgr.exe`, program("bootmgr.exe")},
		{"bootmgr", `\Boot\BCD`, bcd},
		{"bootmgr", `\Boot\fonts\wgl4_boot.ttf`, font("wgl4_boot.ttf")},
		{"bootmgr", `\boot\en-US\bootmgr.exe.mui`, Thing{KindMessages, "bootmgr.exe.mui", "en-us"}},
		{"bootmgr", `\sources\boot.wim`, wim},

		// Ways to spell.
		{"small", `\boot\bcd`, bcd},
		{"slashes", `/boot/BCD`, bcd},
		{"both", `/boot\x64/BCD`, bcd},
		{"doubled", `\\Boot\\BCD`, bcd},
		{"doubled behind the folder of the boot file", `w/x64\\Boot\BCD`, bcd},
		{"with 0xff behind it", "\\Boot\\BCD\xff", bcd},
		{"of a PXE ROM, with 0xff", "pxeboot.n12\xff", program("pxeboot.n12")},
		{"option 252 as WDS fills it", `\Tmp\x64uefi{00112233-4455-6677-8899-AABBCCDDEEFF}.bcd`, Thing{Kind: KindBCD, File: "x64uefi{00112233-4455-6677-8899-aabbccddeeff}.bcd"}},
		{"chained from GRUB", `/w/bootmgfw.efi`, program("bootmgfw.efi")},
		{"wdsmgfw", `boot\x64\wdsmgfw.efi`, program("wdsmgfw.efi")},
		{"bootmgr.efi", `\bootmgr.efi`, program("bootmgr.efi")},
		{"a WIM of another name", `\install\0123456789abcdef0123456789abcdef\Boot.WIM`, wim},
		{"climbing", `..\..\Boot\BCD`, bcd},
	} {
		t.Run(tt.who+" "+tt.name, func(t *testing.T) {
			got, ok := Parse(tt.name)
			if !ok {
				t.Fatal("is not known")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatNobodyAsksFor(t *testing.T) {
	for _, name := range []string{
		"", "/", `\`, ".", "..", "\xff", "grub/grub.cfg", "efi/boot/grubx64.efi", "bootx64.efi", `\Boot\BCD\x`, `\Boot\BCD.LOG`, `\Boot\BCD` + "\xff\xff",
		"wgl4_boot.ttf", "fonts/unicode.pf2", `\Boot\Fonts\.ttf`, ".wim", ".sdi", ".bcd", "bootres.dll", `\Boot\Resources\other.dll`,
		`\Boot\en\bootmgfw.efi.mui`, `\Boot\en-US\winload.efi.mui`, `\Boot\e_-US\bootmgfw.efi.mui`, `\hiberfil.sys`, `\Boot\bootfix.bin`,
	} {
		if got, ok := Parse(name); ok {
			t.Errorf("%q is taken for %+v", name, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []Place
	}{
		{`\Boot\BCD`, nil},
		{`bootmgfw.efi`, []Place{{InWIM, "Windows/Boot/EFI/bootmgfw.efi"}, {InISO, "efi/boot/bootx64.efi"}, {InISO, "efi/boot/bootaa64.efi"}, {InISO, "efi/boot/bootia32.efi"}}},
		{`bootmgfw_EX.efi`, []Place{{InWIM, "Windows/Boot/EFI_EX/bootmgfw_EX.efi"}}},
		{`bootmgr.exe`, []Place{{InWIM, "Windows/Boot/PXE/bootmgr.exe"}}},
		{`bootmgr`, []Place{{InISO, "bootmgr"}, {InWIM, "Windows/Boot/PCAT/bootmgr"}}},
		{`bootmgr.efi`, []Place{{InWIM, "Windows/Boot/EFI/bootmgr.efi"}, {InISO, "bootmgr.efi"}}},
		{`pxeboot.n12`, []Place{{InWIM, "Windows/Boot/PXE/pxeboot.n12"}}},
		{`wdsmgfw.efi`, []Place{{InWIM, "Windows/Boot/PXE/wdsmgfw.efi"}}},
		{`\Boot\Fonts\WGL4_Boot.ttf`, []Place{{InWIM, "Windows/Boot/Fonts/wgl4_boot.ttf"}, {InISO, "boot/fonts/wgl4_boot.ttf"}, {InISO, "efi/microsoft/boot/fonts/wgl4_boot.ttf"}}},
		{`\Boot\Resources\bootres.dll`, []Place{{InWIM, "Windows/Boot/Resources/bootres.dll"}, {InISO, "efi/microsoft/boot/resources/bootres.dll"}, {InISO, "boot/resources/bootres.dll"}}},
		{`\Boot\Resources\en-US\bootres.dll.mui`, []Place{{InWIM, "Windows/Boot/Resources/en-us/bootres.dll.mui"}}},
		{`\Boot\en-US\bootmgfw.efi.mui`, []Place{{InWIM, "Windows/Boot/EFI/en-us/bootmgfw.efi.mui"}, {InWIM, "Windows/Boot/PXE/en-us/bootmgfw.efi.mui"}, {InISO, "efi/microsoft/boot/en-us/bootmgfw.efi.mui"}}},
		{`\Boot\boot.stl`, []Place{{InWIM, "Windows/Boot/EFI/boot.stl"}, {InISO, "efi/microsoft/boot/boot.stl"}}},
		{`\Boot\boot.sdi`, []Place{{InWIM, "Windows/Boot/DVD/EFI/boot.sdi"}, {InWIM, "Windows/Boot/DVD/PCAT/boot.sdi"}, {InISO, "boot/boot.sdi"}, {InWIM, "sms/boot/boot.sdi"}}},
		{`\Boot\boot.wim`, []Place{{InISO, "sources/boot.wim"}}},
		{`\Boot\winre.wim`, nil},
	} {
		got, ok := Parse(tt.name)
		if !ok {
			t.Errorf("%s is not known", tt.name)
		}
		if diff := cmp.Diff(tt.want, got.Places()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestManagers(t *testing.T) {
	for a, want := range map[model.Arch]string{
		model.ArchBIOS: "pxeboot.n12", model.ArchX64: "bootmgfw.efi", model.ArchARM64: "bootmgfw.efi", model.ArchRISCV64: "", model.ArchRPi: "",
	} {
		got, ok := Manager(a)
		if got.File != want || ok != (want != "") {
			t.Errorf("%s: %+v, %v", a, got, ok)
		}
	}
}

// What a script hands over is what a boot manager would have asked for.
func TestWimboot(t *testing.T) {
	var names []string
	for _, i := range Wimboot() {
		names = append(names, i.Name)
		if got, ok := Parse(i.Name); !ok || got != i.Thing {
			t.Errorf("%s is %+v, %v", i.Name, got, ok)
		}
		if i.Thing.Kind == KindProgram {
			t.Errorf("%s takes the choice from wimboot", i.Name)
		}
	}
	if diff := cmp.Diff([]string{"BCD", "boot.sdi", "boot.wim"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if WimbootFile(model.ArchX64) != "wimboot" || WimbootFile(model.ArchRISCV64) != "" {
		t.Error("builds of wimboot")
	}
}

// Whatever a client sends: a clean name stays below the root, and says the
// same when it is cleaned again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`\Boot\BCD`, "\xff\xff", `..\..\x.wim`, `\Boot\en-US\bootmgfw.efi.mui`, "a\x00b.wim", "\xc5\x84.WIM"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean := Clean(name)
		if strings.HasPrefix(clean, "/") || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(clean, `\`) || strings.Contains(clean, "//") {
			t.Errorf("%q is %q", name, clean)
		}
		got, ok := Parse(name)
		if !ok {
			return
		}
		if got.File == "" || strings.ContainsAny(got.File, `/\`) || got.File != path.Base(clean) {
			t.Errorf("%q: %+v", name, got)
		}
		for _, p := range got.Places() {
			if path.Clean(p.Path) != p.Path || path.IsAbs(p.Path) || strings.HasPrefix(p.Path, "..") {
				t.Errorf("%q leads to %q", name, p.Path)
			}
		}
	})
}
