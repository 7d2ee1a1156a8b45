package nbp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"hobnail/internal/model"
)

// peMachine is one row of the machine numbers in COFF headers that UEFI
// programs use.
type peMachine struct {
	Number uint16
	Name   string
	Arch   model.Arch // empty: for no architecture that has boot programs
	Plus   bool       // images are PE32+
}

// peMachines is from the Microsoft PE format ("Machine Types") and the UEFI
// specification, section 2.1.1. No numbers are known for MIPS and Sunway.
var peMachines = [...]peMachine{
	{0x014c, "i386", model.ArchIA32, false},
	{0x0200, "Itanium", model.ArchIA64, true},
	{0x01c0, "ARM", model.ArchARM32, false},
	{0x01c2, "ARM Thumb", model.ArchARM32, false},
	{0x01c4, "ARM Thumb-2", model.ArchARM32, false},
	{0x0ebc, "EFI byte code", "", false},
	{0x5032, "RISC-V 32", model.ArchRISCV32, false},
	{0x5064, "RISC-V 64", model.ArchRISCV64, true},
	{0x5128, "RISC-V 128", model.ArchRISCV128, true},
	{0x6232, "LoongArch 32", model.ArchLoongArch32, false},
	{0x6264, "LoongArch 64", model.ArchLoongArch64, true},
	{0x8664, "x86-64", model.ArchX64, true},
	{0xaa64, "AArch64", model.ArchARM64, true},
}

// elfMachine is one row of ELF's e_machine, for loaders and modules that are
// ELF files.
type elfMachine struct {
	Number uint16
	Name   string
	Archs  []model.Arch
}

var elfMachines = [...]elfMachine{
	{3, "i386 ELF", []model.Arch{model.ArchBIOS, model.ArchIA32}}, // syslinux modules
	{62, "x86-64 ELF", []model.Arch{model.ArchX64}},               // the same for syslinux.efi
	{20, "PowerPC ELF", []model.Arch{model.ArchPowerOF, model.ArchPowerEPAPR, model.ArchPowerOPAL}},
	{21, "PowerPC 64 ELF", []model.Arch{model.ArchPowerOF, model.ArchPowerEPAPR, model.ArchPowerOPAL}},
	{22, "s390 ELF", []model.Arch{model.ArchS390}},
}

// flatLimit is the most that a BIOS program without headers may have. ROMs
// load it at 07C0:0000 into conventional memory and the best of them take
// about 500 KiB (PXE-E79 says that it was more).
const flatLimit = 600 << 10

// machineOf says what a program is built for ("x86-64 PE32+"), and refuses
// one that machines of an architecture cannot run: the error then ends the
// sentence that begins with the file's name. image is nil if it is no PE.
func machineOf(a model.Arch, l Loader, b []byte) (machine string, image *peImage, err error) {
	image, err = parsePE(b)
	switch {
	case err == nil && a == model.ArchBIOS && l == LoaderSupport && isBzImage(b):
		// wimboot is both, and iPXE starts it under BIOS as it does Linux.
		return "x86 bzImage", nil, nil
	case err == nil:
		machine, err = fitPE(a, image)
	case !errors.Is(err, errNotPE):
		return "", nil, fmt.Errorf("is a %v", err)
	case len(b) >= 20 && string(b[:4]) == "\x7fELF":
		machine, err = fitELF(a, l, b)
	default:
		machine, err = fitFlat(a, b)
	}
	return machine, image, err
}

// isBzImage reports whether a file has the header of Linux' boot protocol
// (Documentation/arch/x86/boot.rst).
func isBzImage(b []byte) bool { return len(b) >= 0x206 && string(b[0x202:0x206]) == "HdrS" }

func fitPE(a model.Arch, p *peImage) (string, error) {
	kind := "PE32"
	if p.Plus {
		kind = "PE32+"
	}
	m, known := lookupPEMachine(p.Machine)
	machine := m.Name + " " + kind
	switch {
	case !a.UEFI():
		return machine, fmt.Errorf("is built for %s (%s), but %s is no place for UEFI programs: %s", machine, folderOf(m.Arch), a, needs(a))
	case known && m.Arch != a:
		return machine, fmt.Errorf("is built for %s (%s), but machines of %s need %s", machine, folderOf(m.Arch), a, needs(a))
	case !known && needsKnown(a):
		return machine, fmt.Errorf("is built for an unknown machine (%s), but machines of %s need %s", machine, a, needs(a))
	case known && p.Plus != m.Plus:
		return machine, fmt.Errorf("is a damaged PE image: %s programs are never %s", m.Name, kind)
	case p.Subsystem != subsystemEFIApplication:
		return machine, fmt.Errorf("is no EFI application: its PE subsystem is %d, a boot program's is %d", p.Subsystem, subsystemEFIApplication)
	}
	return machine, nil
}

func fitELF(a model.Arch, l Loader, b []byte) (string, error) {
	number := binary.LittleEndian.Uint16(b[18:])
	if b[5] == 2 { // EI_DATA: big-endian
		number = binary.BigEndian.Uint16(b[18:])
	}
	m := elfMachine{Name: fmt.Sprintf("ELF for machine %d", number)}
	for _, row := range elfMachines {
		if row.Number == number {
			m = row
		}
	}
	for _, fits := range m.Archs {
		// On PCs only a loader's modules are ELF files, never what the ROM
		// or the firmware starts.
		if fits == a && (l == LoaderSupport || !pc(a)) {
			return m.Name, nil
		}
	}
	return m.Name, fmt.Errorf("is built for %s, but machines of %s need %s", m.Name, a, needs(a))
}

func fitFlat(a model.Arch, b []byte) (string, error) {
	switch {
	case len(b) == 0:
		return "", errors.New("is empty")
	case a == model.ArchS390:
		return "s390 image", nil
	case a != model.ArchBIOS:
		return "", fmt.Errorf("has neither a PE nor an ELF header (a BIOS program, or no program at all), but machines of %s need %s", a, needs(a))
	case len(b) > flatLimit:
		return "", fmt.Errorf("has %d KiB; a BIOS loads %d KiB at most", len(b)>>10, flatLimit>>10)
	}
	return "x86 real mode", nil
}

func lookupPEMachine(number uint16) (m peMachine, known bool) {
	for _, m := range peMachines {
		if m.Number == number {
			return m, true
		}
	}
	return peMachine{Number: number, Name: fmt.Sprintf("machine 0x%04x", number)}, false
}

// needsKnown reports whether programs for a UEFI architecture carry a machine
// number that the table has.
func needsKnown(a model.Arch) bool {
	for _, m := range peMachines {
		if m.Arch == a {
			return true
		}
	}
	return false
}

// needs says what kind of file machines of an architecture boot.
func needs(a model.Arch) string {
	switch a {
	case model.ArchBIOS:
		return "a real-mode image such as undionly.kpxe"
	case model.ArchPowerOF, model.ArchPowerEPAPR:
		return "a PowerPC ELF image"
	case model.ArchPowerOPAL:
		return "a configuration, and PowerPC ELF images at most"
	case model.ArchS390:
		return "an s390 image"
	case model.ArchRPi:
		return "files of their own, and no boot program"
	}
	for _, m := range peMachines {
		if m.Arch != a {
			continue
		}
		if m.Plus {
			return m.Name + " PE32+"
		}
		return m.Name + " PE32"
	}
	return "a PE image for their own machine"
}

// folderOf names the folder a program would belong into.
func folderOf(a model.Arch) string {
	if a == "" {
		return "no architecture that hobnail boots"
	}
	return string(a)
}

func pc(a model.Arch) bool {
	return a == model.ArchBIOS || a == model.ArchIA32 || a == model.ArchX64
}
