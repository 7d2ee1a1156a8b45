package lab

import (
	"fmt"
	"time"
)

// Kind is a machine by its firmware.
type Kind string

// Kinds of machines that a lab can switch on.
const (
	BIOS          Kind = "bios"            // SeaBIOS with the iPXE network ROM
	UEFIx64       Kind = "uefi-x64"        // OVMF, Secure Boot off
	UEFIx64Secure Kind = "uefi-x64-secure" // OVMF, Secure Boot on with Microsoft's keys
	UEFIx64HTTP   Kind = "uefi-x64-http"   // OVMF that tries HTTP boot only
	UEFIIA32      Kind = "uefi-ia32"       // 32-bit OVMF on a 64-bit processor
	UEFIARM64     Kind = "uefi-arm64"      // AAVMF
	UBootARM64    Kind = "uboot-arm64"     // U-Boot without UEFI firmware below it
)

// firmware is what QEMU needs to be a machine of one kind.
type firmware struct {
	emulator string   // QEMU system emulator
	machine  string   // value of -machine
	cpu      string   // value of -cpu
	extra    []string // further arguments
	code     string   // flash image with the program; empty: built into QEMU
	vars     string   // flash image with the variables, copied for each machine
	bios     string   // image given with -bios instead of flash
	card     string   // QEMU's network card; empty: virtio-net-pci
	netROM   bool     // network card with iPXE's option ROM; otherwise the firmware drives it
	memory   int      // MiB
	patience time.Duration
}

// Directories of Debian's firmware packages: ovmf, ovmf-ia32,
// qemu-efi-aarch64, u-boot-qemu, ipxe-qemu.
const (
	ovmfDir  = "/usr/share/OVMF/"
	aavmfDir = "/usr/share/AAVMF/"
	ubootDir = "/usr/lib/u-boot/"
)

// Debian's installers, from debian-installer-12-netboot-amd64 and -arm64.
const (
	amd64Dir = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/"
	arm64Dir = "/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64/"
)

// secureFlash lets only code in system management mode write the variables;
// firmware built for Secure Boot refuses to start without it.
var secureFlash = [...]string{"-global", "driver=cfi.pflash01,property=secure,value=on"}

// firmwareOf describes a kind.
func firmwareOf(k Kind) (firmware, error) {
	x64 := firmware{
		emulator: "qemu-system-x86_64", machine: "q35,graphics=off", cpu: "qemu64",
		memory: 1024, patience: 3 * time.Minute,
	}
	switch f := x64; k {
	case BIOS:
		f.netROM = true
		return f, nil
	case UEFIx64:
		f.code, f.vars = ovmfDir+"OVMF_CODE_4M.fd", ovmfDir+"OVMF_VARS_4M.fd"
		return f, nil
	case UEFIx64Secure:
		f.machine += ",smm=on"
		f.extra = secureFlash[:]
		f.code, f.vars = ovmfDir+"OVMF_CODE_4M.ms.fd", ovmfDir+"OVMF_VARS_4M.ms.fd"
		return f, nil
	case UEFIx64HTTP:
		f.code, f.vars = ovmfDir+"OVMF_CODE_4M.fd", ovmfDir+"OVMF_VARS_4M.fd"
		f.extra = []string{
			"-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n",
			"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
		}
		return f, nil
	case UEFIIA32:
		f.machine += ",smm=on"
		f.extra = secureFlash[:]
		f.code, f.vars = ovmfDir+"OVMF32_CODE_4M.secboot.fd", ovmfDir+"OVMF32_VARS_4M.fd"
		return f, nil
	case UEFIARM64:
		return firmware{
			emulator: "qemu-system-aarch64", machine: "virt", cpu: "cortex-a57",
			code: aavmfDir + "AAVMF_CODE.fd", vars: aavmfDir + "AAVMF_VARS.fd",
			memory: 1024, patience: 5 * time.Minute,
		}, nil
	case UBootARM64:
		return firmware{
			emulator: "qemu-system-aarch64", machine: "virt", cpu: "cortex-a57",
			bios: ubootDir + "qemu_arm64/u-boot.bin",
			// Of virtio's card U-Boot 2023.01 reads an address that is its first
			// octet six times, and where frames come before it is ready it
			// receives nothing: one boot in fourteen.
			card:   "e1000",
			memory: 1024, patience: 5 * time.Minute,
		}, nil
	}
	return firmware{}, fmt.Errorf("no machine of kind %q", k)
}
