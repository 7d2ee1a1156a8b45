package nbp

import (
	"strings"
	"testing"

	"hobnail/internal/model"
)

// TestLookAt: what doctor is told of a file that it was given.
func TestLookAt(t *testing.T) {
	x64 := pe{machine: 0x8664, plus: true}.bytes()
	for _, c := range []struct {
		name  string
		arch  model.Arch
		file  string
		b     []byte
		built model.Arch
		unfit string // a part of it; "" for fit
	}{
		{"an x64 program for x64", model.ArchX64, "boot.efi", x64, model.ArchX64, ""},
		{"a GRUB that has been given its address", model.ArchX64, "grubproxyx64.efi", x64, model.ArchX64, ""},
		{"an x64 program for ARM64", model.ArchARM64, "boot.efi", x64, model.ArchX64, "is built for x86-64"},
		{"an x64 program for BIOS", model.ArchBIOS, "boot.efi", x64, model.ArchX64, "no place for UEFI programs"},
		{"a BIOS program for x64", model.ArchX64, "pxelinux.0", []byte("\xea\x05\x00\xc0\x07"), "", "neither a PE nor an ELF header"},
		{"a BIOS program for BIOS", model.ArchBIOS, "pxelinux.0", []byte("\xea\x05\x00\xc0\x07"), "", ""},
		{"an HTML page", model.ArchX64, "boot.efi", []byte("<html>not found</html>"), "", "neither a PE nor an ELF header"},
		{"nothing", model.ArchX64, "boot.efi", nil, "", "is empty"},
	} {
		l := LookAt(c.arch, c.file, c.b)
		if l.Arch != c.built || (c.unfit == "") != (l.Unfit == "") || !strings.Contains(l.Unfit, c.unfit) {
			t.Errorf("%s: %+v, want one for %q, unfit because it %q", c.name, l, c.built, c.unfit)
		}
	}
}
