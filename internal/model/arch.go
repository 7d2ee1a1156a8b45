package model

import (
	"fmt"
	"slices"
	"strings"
)

// Arch is what a boot program must be built for: the processor and the kind
// of firmware that starts it. It does not say how the file travels.
type Arch string

// Architectures that can have a boot program.
const (
	ArchBIOS        Arch = "bios"
	ArchIA32        Arch = "uefi-ia32"
	ArchX64         Arch = "uefi-x64"
	ArchIA64        Arch = "uefi-ia64"
	ArchARM32       Arch = "uefi-arm32"
	ArchARM64       Arch = "uefi-arm64"
	ArchRISCV32     Arch = "uefi-riscv32"
	ArchRISCV64     Arch = "uefi-riscv64"
	ArchRISCV128    Arch = "uefi-riscv128"
	ArchLoongArch32 Arch = "uefi-loongarch32"
	ArchLoongArch64 Arch = "uefi-loongarch64"
	ArchMIPS32      Arch = "uefi-mips32"
	ArchMIPS64      Arch = "uefi-mips64"
	ArchSunway32    Arch = "uefi-sunway32"
	ArchSunway64    Arch = "uefi-sunway64"
	ArchPowerOF     Arch = "power-of"    // Open Firmware, SLOF
	ArchPowerEPAPR  Arch = "power-epapr" // embedded PowerPC
	ArchPowerOPAL   Arch = "power-opal"  // petitboot: reads a pxelinux configuration
	ArchS390        Arch = "s390"
	ArchRPi         Arch = "rpi" // Raspberry Pi boot ROM: files by name, no boot program
)

// Firmware is how a machine asks and in which form it takes its answer.
type Firmware string

// Kinds of firmware.
const (
	FirmwareBIOS  Firmware = "bios"  // option 60 PXEClient, real-mode boot program
	FirmwareUEFI  Firmware = "uefi"  // option 60 PXEClient, boot program over TFTP
	FirmwareHTTP  Firmware = "http"  // option 60 HTTPClient, boot program by URL
	FirmwareUBoot Firmware = "uboot" // U-Boot's own DHCP client
	FirmwareOther Firmware = "other" // Open Firmware, petitboot, s390, boot ROMs
)

// CPU is a processor family, as images are built for.
type CPU string

// Processor families. ia32 kernels also run on x64 processors, not the other
// way round.
const (
	CPUX64         CPU = "x64"
	CPUIA32        CPU = "ia32"
	CPUARM64       CPU = "arm64"
	CPUARM32       CPU = "arm32"
	CPURISCV64     CPU = "riscv64"
	CPULoongArch64 CPU = "loongarch64"
	CPUPower       CPU = "ppc64"
	CPUS390        CPU = "s390x"
)

// ArchCode is one row of IANA's "Processor Architecture Types" registry,
// which DHCPv4 option 93 (RFC 4578 section 2.1) and DHCPv6 option 61
// (RFC 5970) share.
type ArchCode struct {
	Code     uint16
	Name     string   // IANA's
	Arch     Arch     // empty: nothing exists that could be served
	Firmware Firmware // empty with Arch
}

// archCodes lists codes 0 to 41 in order, so a code is its own index.
//
// 7 and 9 are swapped between RFC 4578's text and its erratum, and VMware and
// old Dell firmware send 9 on x64: both get the x64 program. No EFI byte code
// machine has been seen.
var archCodes = [...]ArchCode{
	{0, "x86 BIOS", ArchBIOS, FirmwareBIOS},
	{1, "NEC/PC98", "", ""},
	{2, "Itanium", ArchIA64, FirmwareUEFI},
	{3, "DEC Alpha", "", ""},
	{4, "Arc x86", "", ""},
	{5, "Intel Lean Client", "", ""},
	{6, "x86 UEFI", ArchIA32, FirmwareUEFI},
	{7, "x64 UEFI", ArchX64, FirmwareUEFI},
	{8, "EFI Xscale", "", ""},
	{9, "EBC", ArchX64, FirmwareUEFI},
	{10, "ARM 32-bit UEFI", ArchARM32, FirmwareUEFI},
	{11, "ARM 64-bit UEFI", ArchARM64, FirmwareUEFI},
	{12, "PowerPC Open Firmware", ArchPowerOF, FirmwareOther},
	{13, "PowerPC ePAPR", ArchPowerEPAPR, FirmwareOther},
	{14, "POWER OPAL v3", ArchPowerOPAL, FirmwareOther},
	{15, "x86 UEFI boot from HTTP", ArchIA32, FirmwareHTTP},
	{16, "x64 UEFI boot from HTTP", ArchX64, FirmwareHTTP},
	{17, "EBC boot from HTTP", ArchX64, FirmwareHTTP},
	{18, "ARM 32-bit UEFI boot from HTTP", ArchARM32, FirmwareHTTP},
	{19, "ARM 64-bit UEFI boot from HTTP", ArchARM64, FirmwareHTTP},
	{20, "PC/AT BIOS boot from HTTP", ArchBIOS, FirmwareHTTP},
	{21, "ARM 32 U-Boot", ArchARM32, FirmwareUBoot},
	{22, "ARM 64 U-Boot", ArchARM64, FirmwareUBoot},
	{23, "ARM 32 U-Boot boot from HTTP", ArchARM32, FirmwareUBoot},
	{24, "ARM 64 U-Boot boot from HTTP", ArchARM64, FirmwareUBoot},
	{25, "RISC-V 32-bit UEFI", ArchRISCV32, FirmwareUEFI},
	{26, "RISC-V 32-bit UEFI boot from HTTP", ArchRISCV32, FirmwareHTTP},
	{27, "RISC-V 64-bit UEFI", ArchRISCV64, FirmwareUEFI},
	{28, "RISC-V 64-bit UEFI boot from HTTP", ArchRISCV64, FirmwareHTTP},
	{29, "RISC-V 128-bit UEFI", ArchRISCV128, FirmwareUEFI},
	{30, "RISC-V 128-bit UEFI boot from HTTP", ArchRISCV128, FirmwareHTTP},
	{31, "s390 Basic", ArchS390, FirmwareOther},
	{32, "s390 Extended", ArchS390, FirmwareOther},
	{33, "MIPS 32-bit UEFI", ArchMIPS32, FirmwareUEFI},
	{34, "MIPS 64-bit UEFI", ArchMIPS64, FirmwareUEFI},
	{35, "Sunway 32-bit UEFI", ArchSunway32, FirmwareUEFI},
	{36, "Sunway 64-bit UEFI", ArchSunway64, FirmwareUEFI},
	{37, "LoongArch 32-bit UEFI", ArchLoongArch32, FirmwareUEFI},
	{38, "LoongArch 32-bit UEFI boot from HTTP", ArchLoongArch32, FirmwareHTTP},
	{39, "LoongArch 64-bit UEFI", ArchLoongArch64, FirmwareUEFI},
	{40, "LoongArch 64-bit UEFI boot from HTTP", ArchLoongArch64, FirmwareHTTP},
	{41, "ARM rpiboot", ArchRPi, FirmwareOther},
}

// LookupArchCode gives the row of a code. ok is false for a code the registry
// does not assign; the row then has only the code and a name that says so.
func LookupArchCode(code uint16) (row ArchCode, ok bool) {
	if int(code) < len(archCodes) {
		return archCodes[code], true
	}
	return ArchCode{Code: code, Name: fmt.Sprintf("unassigned architecture code %d", code)}, false
}

// CodeFor gives the code that firmware of this kind sends for an
// architecture: the first row that has both.
func CodeFor(a Arch, f Firmware) (uint16, bool) {
	for _, row := range archCodes {
		if row.Arch == a && row.Firmware == f {
			return row.Code, true
		}
	}
	return 0, false
}

// Archs lists every architecture that can have a boot program, in the order
// of their codes.
func Archs() []Arch {
	var all []Arch
	seen := map[Arch]bool{"": true}
	for _, row := range archCodes {
		if !seen[row.Arch] {
			seen[row.Arch] = true
			all = append(all, row.Arch)
		}
	}
	return all
}

// UEFI reports whether programs for this architecture are PE images.
func (a Arch) UEFI() bool { return strings.HasPrefix(string(a), "uefi-") }

// CPUs lists the processor families whose kernels a machine of this
// architecture can run. A BIOS machine may be 32-bit, but every PC of the
// last fifteen years is not; 32-bit UEFI on a 64-bit processor is common
// (Bay Trail tablets), and only the loader can tell.
func (a Arch) CPUs() []CPU {
	switch a {
	case ArchBIOS, ArchX64, ArchIA32:
		return []CPU{CPUX64, CPUIA32}
	case ArchARM64:
		return []CPU{CPUARM64}
	case ArchARM32:
		return []CPU{CPUARM32}
	case ArchRISCV64:
		return []CPU{CPURISCV64}
	case ArchLoongArch64:
		return []CPU{CPULoongArch64}
	case ArchPowerOF, ArchPowerEPAPR, ArchPowerOPAL:
		return []CPU{CPUPower}
	case ArchS390:
		return []CPU{CPUS390}
	}
	return nil
}

// Runs reports whether machines of this architecture run kernels for c.
func (a Arch) Runs(c CPU) bool { return slices.Contains(a.CPUs(), c) }
