package ramdisk

import "hobnail/internal/model"

// RemovableName gives the name below EFI/BOOT under which firmware of an
// architecture looks for a boot program on a disk that it knows nothing about
// (UEFI 2.10 section 3.5.1.1). ok is false for architectures without one.
func RemovableName(a model.Arch) (name string, ok bool) {
	switch a {
	case model.ArchIA32:
		return "BOOTIA32.EFI", true
	case model.ArchX64:
		return "BOOTX64.EFI", true
	case model.ArchIA64:
		return "BOOTIA64.EFI", true
	case model.ArchARM32:
		return "BOOTARM.EFI", true
	case model.ArchARM64:
		return "BOOTAA64.EFI", true
	case model.ArchRISCV32:
		return "BOOTRISCV32.EFI", true
	case model.ArchRISCV64:
		return "BOOTRISCV64.EFI", true
	case model.ArchRISCV128:
		return "BOOTRISCV128.EFI", true
	case model.ArchLoongArch32:
		return "BOOTLOONGARCH32.EFI", true
	case model.ArchLoongArch64:
		return "BOOTLOONGARCH64.EFI", true
	}
	return "", false
}
