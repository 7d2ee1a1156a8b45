package winboot

import (
	"hobnail/internal/model"
)

// Tree is where a file is looked for.
type Tree string

// Trees.
const (
	InWIM Tree = "wim" // an image of boot.wim
	InISO Tree = "iso" // the whole ISO
)

// Place is a file in a tree: names between slashes, without one in front, in
// Windows' own case. Both trees are to be looked into in any case.
type Place struct {
	Tree Tree
	Path string
}

// Places tells where a thing lies, the best first. What is in the WIM fits the
// loader in it; what the ISO has beside it may be older. None for a BCD, which
// is written and not looked for, and for a WIM other than boot.wim.
func (t Thing) Places() []Place {
	switch t.Kind {
	case KindProgram:
		return programPlaces(t.File)
	case KindFont:
		return []Place{
			{InWIM, "Windows/Boot/Fonts/" + t.File},
			{InISO, "boot/fonts/" + t.File},
			{InISO, "efi/microsoft/boot/fonts/" + t.File},
		}
	case KindResources:
		return []Place{
			{InWIM, "Windows/Boot/Resources/" + t.File},
			{InISO, "efi/microsoft/boot/resources/" + t.File},
			{InISO, "boot/resources/" + t.File},
		}
	case KindMessages:
		return messagePlaces(t)
	case KindTrust:
		return []Place{
			{InWIM, "Windows/Boot/EFI/boot.stl"},
			{InISO, "efi/microsoft/boot/boot.stl"},
		}
	case KindSDI:
		return []Place{
			{InWIM, "Windows/Boot/DVD/EFI/boot.sdi"},
			{InWIM, "Windows/Boot/DVD/PCAT/boot.sdi"},
			{InISO, "boot/boot.sdi"},
			{InWIM, "sms/boot/boot.sdi"}, // Configuration Manager's
		}
	case KindWIM:
		if t.File == "boot.wim" {
			return []Place{{InISO, "sources/boot.wim"}}
		}
	}
	return nil
}

// programPlaces is where a boot manager lies. bootmgfw_EX.efi is the same as
// bootmgfw.efi, signed under "Windows UEFI CA 2023" in place of the authority
// of 2011.
func programPlaces(file string) []Place {
	switch file {
	case "bootmgfw.efi":
		return []Place{
			{InWIM, "Windows/Boot/EFI/bootmgfw.efi"},
			{InISO, "efi/boot/bootx64.efi"},
			{InISO, "efi/boot/bootaa64.efi"},
			{InISO, "efi/boot/bootia32.efi"},
		}
	case "bootmgfw_ex.efi":
		return []Place{{InWIM, "Windows/Boot/EFI_EX/bootmgfw_EX.efi"}}
	case "bootmgr.efi":
		return []Place{{InWIM, "Windows/Boot/EFI/bootmgr.efi"}, {InISO, "bootmgr.efi"}}
	case "bootmgr":
		return []Place{{InISO, "bootmgr"}, {InWIM, "Windows/Boot/PCAT/bootmgr"}}
	}
	return []Place{{InWIM, "Windows/Boot/PXE/" + file}}
}

func messagePlaces(t Thing) []Place {
	if t.File == "bootres.dll.mui" {
		return []Place{{InWIM, "Windows/Boot/Resources/" + t.Language + "/" + t.File}}
	}
	return []Place{
		{InWIM, "Windows/Boot/EFI/" + t.Language + "/" + t.File},
		{InWIM, "Windows/Boot/PXE/" + t.Language + "/" + t.File},
		{InISO, "efi/microsoft/boot/" + t.Language + "/" + t.File},
	}
}

// Initrd is a file that an iPXE script hands to wimboot.
type Initrd struct {
	// Name is what wimboot knows the file by. A script says it twice, as
	// "initrd --name NAME URL NAME": UEFI goes by the first, BIOS by the second.
	Name     string
	Thing    Thing
	Optional bool // wimboot takes it out of the WIM where it is not given
}

// Wimboot lists what a script hands to wimboot, in order. It is the same for
// BIOS and UEFI: wimboot shows every file under \, \Boot and \Sources, and takes
// the boot manager, fonts and boot.stl out of the WIM. A boot manager must not
// be handed over: under UEFI wimboot chooses between bootmgfw.efi and
// bootmgfw_EX.efi by what the firmware trusts.
func Wimboot() []Initrd {
	return []Initrd{
		{"BCD", Thing{Kind: KindBCD, File: "bcd"}, false},
		{"boot.sdi", Thing{Kind: KindSDI, File: "boot.sdi"}, true},
		{"boot.wim", Thing{Kind: KindWIM, File: "boot.wim"}, false},
	}
}

// WimbootFile is the name of wimboot's build for an architecture: its releases
// have one for BIOS and x64 UEFI, and others by processor. Empty where there is
// none.
func WimbootFile(a model.Arch) string {
	switch a {
	case model.ArchBIOS, model.ArchX64:
		return "wimboot"
	case model.ArchIA32:
		return "wimboot.i386"
	case model.ArchARM64:
		return "wimboot.arm64"
	}
	return ""
}
