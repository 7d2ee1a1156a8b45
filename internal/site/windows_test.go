package site

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"
)

// windowsFolder has a program under the name of a boot manager of Windows for
// each architecture, and what lies beside it.
func windowsFolder(t *testing.T, archs ...model.Arch) string {
	t.Helper()
	dir := t.TempDir()
	for _, a := range archs {
		want := map[model.Arch]string{model.ArchX64: "snponly.efi", model.ArchIA32: "grubia32.efi"}[a]
		program, _, err := read(t, newSite(t), "nbp/"+string(a)+"/"+want)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{"bootmgfw.efi": program, "Boot/BCD": "bcd of " + string(a), "Boot/Fonts/wgl4_boot.ttf": "font"} {
			path := filepath.Join(dir, string(a), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestWindowsNames: what boot managers of Windows ask for, as they spell it.
func TestWindowsNames(t *testing.T) {
	s := newSiteWith(t, windowsFolder(t, model.ArchX64))
	for name, want := range map[string]string{
		`\Boot\BCD`:                        "bcd of uefi-x64",
		`boot\bcd`:                         "bcd of uefi-x64",
		"/Boot/BCD\xff":                    "bcd of uefi-x64",
		`\boot\fonts\WGL4_BOOT.TTF`:        "font",
		`m/525400000001/uefi-x64\BOOT\bcd`: "bcd of uefi-x64",
		`nbp/uefi-x64/boot\BCD`:            "bcd of uefi-x64",
	} {
		if got, _, err := read(t, s, name); err != nil || got != want {
			t.Errorf("%q: %.40q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"BOOTMGFW.EFI", `\bootmgfw.efi`, "m/525400000001/uefi-x64/BootMgFw.efi"} {
		if got, _, err := read(t, s, name); err != nil || got[:2] != "MZ" {
			t.Errorf("%q: %.40q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"SNPONLY.EFI", "IMG/debian/linux", "img/debian/LINUX", "windows/uefi-x64/Boot/BCD", "Boot/none", "nbp/bios/Boot/BCD", `..\Boot\BCD`, "M/525400000001/uefi-x64/Boot/BCD",
	} {
		if got, _, err := read(t, s, name); !errors.Is(err, bootfile.ErrNotFound) {
			t.Errorf("%q: %.40q, %v; want ErrNotFound", name, got, err)
		}
	}
}

// TestWindowsOfSeveralArchitectures: whose BCD it is, the machine's last
// request tells.
func TestWindowsOfSeveralArchitectures(t *testing.T) {
	s := newSiteWith(t, windowsFolder(t, model.ArchX64, model.ArchIA32))
	if got, _, err := read(t, s, `\Boot\BCD`); !errors.Is(err, bootfile.ErrNotFound) {
		t.Errorf("a machine that nobody knows: %.40q, %v", got, err)
	}
	if _, _, err := read(t, s, "m/525400000001/uefi-ia32/bootmgfw.efi"); err != nil {
		t.Fatal(err)
	}
	if got, _, err := read(t, s, `\Boot\BCD`); err != nil || got != "bcd of uefi-ia32" {
		t.Errorf("%q, %v", got, err)
	}
}
