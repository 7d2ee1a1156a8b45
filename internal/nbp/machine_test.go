package nbp

import (
	"slices"
	"strings"
	"testing"

	"hobnail/internal/model"
)

func archOf(t testing.TB, name string) model.Arch {
	t.Helper()
	if a := model.Arch(name); slices.Contains(model.Archs(), a) {
		return a
	}
	t.Fatalf("no architecture %q", name)
	return ""
}

// Every known machine's program is taken in the folder of its architecture
// and in no other, and what is said then names the program's machine and
// folder and what the folder's machines need.
func TestEveryMachineFitsItsOwnFolderOnly(t *testing.T) {
	for _, m := range peMachines {
		for _, a := range model.Archs() {
			got, err := describe(a, "program.efi", pe{machine: m.Number, plus: m.Plus}.bytes())
			if a == m.Arch {
				if err != nil || !strings.HasPrefix(got.Machine, m.Name+" PE32") {
					t.Errorf("%s in %s: machine %q, error %v", m.Name, a, got.Machine, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s is taken in %s", m.Name, a)
				continue
			}
			for _, part := range []string{m.Name, string(m.Arch), string(a), needs(a)} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s in %s: error %q does not name %q", m.Name, a, err, part)
				}
			}
		}
	}
}

// Every architecture but those that take no program has a kind of file that
// it takes, and takes no text.
func TestEveryArchitectureTakesItsKind(t *testing.T) {
	elf := func(machine byte) []byte {
		b := make([]byte, 64)
		copy(b, "\x7fELF\x02\x02\x01")
		b[19] = machine
		return b
	}
	take := map[model.Arch][]byte{
		model.ArchBIOS:       []byte("\xea\x05\x00\xc0\x07"),
		model.ArchMIPS32:     pe{machine: 0x0166}.bytes(),
		model.ArchMIPS64:     pe{machine: 0x0166, plus: true}.bytes(),
		model.ArchSunway32:   pe{machine: 0x9906}.bytes(),
		model.ArchSunway64:   pe{machine: 0x9906, plus: true}.bytes(),
		model.ArchPowerOF:    elf(20),
		model.ArchPowerEPAPR: elf(20),
		model.ArchPowerOPAL:  elf(21),
		model.ArchS390:       elf(22),
		model.ArchRPi:        nil,
	}
	for _, m := range peMachines {
		if m.Arch != "" {
			take[m.Arch] = pe{machine: m.Number, plus: m.Plus}.bytes()
		}
	}
	for _, a := range model.Archs() {
		b, listed := take[a]
		if !listed {
			t.Errorf("%s is not in this test", a)
			continue
		}
		if b != nil {
			if _, err := describe(a, "program", b); err != nil {
				t.Errorf("%s takes no %x…: it %v", a, b[:5], err)
			}
		}
		if a == model.ArchBIOS || a == model.ArchS390 { // images without any header
			continue
		}
		if _, err := describe(a, "README", []byte("Put the programs here.")); err == nil {
			t.Errorf("%s takes a text file", a)
		}
	}
}

func TestRefusals(t *testing.T) {
	elf := func(class, machine byte) []byte {
		b := make([]byte, 64)
		copy(b, "\x7fELF")
		b[4], b[5], b[18] = class, 1, machine
		return b
	}
	x64 := pe{machine: 0x8664, plus: true}.bytes()
	for _, tt := range []struct {
		name string
		arch model.Arch
		file string
		b    []byte
		want string // the whole error; empty: taken
	}{
		{"an x64 program is refused for ARM64", model.ArchARM64, "ipxe.efi", x64,
			"is built for x86-64 PE32+ (uefi-x64), but machines of uefi-arm64 need AArch64 PE32+"},
		{"a UEFI program is never handed to a BIOS", model.ArchBIOS, "ipxe.efi", x64,
			"is built for x86-64 PE32+ (uefi-x64), but bios is no place for UEFI programs: a real-mode image such as undionly.kpxe"},
		{"a BIOS program is never handed to UEFI", model.ArchX64, "undionly.kpxe", []byte("\xea\x05\x00\xc0\x07"),
			"has neither a PE nor an ELF header (a BIOS program, or no program at all), but machines of uefi-x64 need x86-64 PE32+"},
		{"byte code runs nowhere", model.ArchX64, "bootebc.efi", pe{machine: 0x0ebc}.bytes(),
			"is built for EFI byte code PE32 (no architecture that hobnail boots), but machines of uefi-x64 need x86-64 PE32+"},
		{"an unknown machine is named by its number", model.ArchX64, "x.efi", pe{machine: 0x1234, plus: true}.bytes(),
			"is built for an unknown machine (machine 0x1234 PE32+), but machines of uefi-x64 need x86-64 PE32+"},
		{"a 64-bit machine's image cannot be PE32", model.ArchX64, "x.efi", pe{machine: 0x8664}.bytes(),
			"is a damaged PE image: x86-64 programs are never PE32"},
		{"a Windows program is no boot program", model.ArchX64, "setup.exe", pe{machine: 0x8664, plus: true, subsystem: 3}.bytes(),
			"is no EFI application: its PE subsystem is 3, a boot program's is 10"},
		{"an EFI driver is no boot program", model.ArchX64, "intel.efidrv", pe{machine: 0x8664, plus: true, subsystem: 11}.bytes(),
			"is no EFI application: its PE subsystem is 11, a boot program's is 10"},
		{"an image that is cut off is refused", model.ArchX64, "grubx64.efi", x64[:0x100],
			"is a damaged PE image: cut off in the optional header"},
		{"a BIOS program may have 600 KiB", model.ArchBIOS, "undionly.kpxe", make([]byte, flatLimit), ""},
		{"a BIOS program may not have more", model.ArchBIOS, "undionly.kpxe", make([]byte, flatLimit+1024),
			"has 601 KiB; a BIOS loads 600 KiB at most"},
		{"an empty file is refused", model.ArchBIOS, "undionly.kpxe", nil, "is empty"},
		{"a syslinux module for BIOS lies with the BIOS programs", model.ArchBIOS, "menu.c32", elf(1, 3), ""},
		{"an old syslinux module has no header", model.ArchBIOS, "menu.c32", []byte("\xb8\xff\x4c\xcd\x21"), ""},
		{"a syslinux module for UEFI lies with the UEFI programs", model.ArchX64, "ldlinux.e64", elf(2, 62), ""},
		{"a syslinux module for UEFI is refused for BIOS", model.ArchBIOS, "menu.c32", elf(2, 62),
			"is built for x86-64 ELF, but machines of bios need a real-mode image such as undionly.kpxe"},
		{"a Linux program is no boot program", model.ArchX64, "grub", elf(2, 62),
			"is built for x86-64 ELF, but machines of uefi-x64 need x86-64 PE32+"},
		{"a Raspberry Pi takes no boot program", model.ArchRPi, "start4.elf", elf(1, 137),
			"is built for ELF for machine 137, but machines of rpi need files of their own, and no boot program"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := describe(tt.arch, tt.file, tt.b)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
