package record_test

import (
	"slices"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/wire/wiretest"
)

func TestRoleOf(t *testing.T) {
	for role, names := range map[model.FileRole][]string{
		model.RoleLoader: {"m/525400123456/uefi-x64/shimx64.efi", "grubx64.efi", "undionly.kpxe", "pxelinux.0", "lpxelinux.0", "ldlinux.c32",
			"linux.c32", `\boot\x64\pxeboot.n12`, "wdsnbp.com", "bootmgr.exe", "wimboot", "wimboot.x86_64", "memdisk", "bootcode.bin", "start4.elf",
			"grub/x86_64-efi/all_video.mod", "m/525400123456/uefi-x64/boot.img", "http://10.0.0.2:8080/m/525400123456/uefi-x64/boot.img", "grubaa64.efi.signed"},
		model.RoleConfig: {"m/525400123456/bios/boot.ipxe", "autoexec.ipxe", "grub/grub.cfg", "grub.cfg-01-52-54-00-12-34-56", "pxelinux.cfg/default",
			"m/525400123456/bios/pxelinux.cfg/0A630032", `\Boot\BCD`, "boot.scr.uimg", "extlinux/extlinux.conf", "config.txt", "http://10.0.0.2/boot.ipxe?mac=1"},
		model.RoleKernel: {"img/debian-12/linux", "vmlinuz-6.1.0", "vmlinuz-5.10.0-18.0", "vmlinux.bin", "vmlinuz.efi", "bzImage", "Image", "Image.gz",
			"kernel8.img", "kernel.img", "uImage", "xen.gz", "memtest86+x64.efi"},
		model.RoleInitrd: {"img/debian-12/initrd.gz", "initrd.img-6.1.0", "initramfs-linux.img", "initramfs8", "debian-initrd.img", `\sources\boot.wim`,
			"boot.sdi", "rootfs.cpio.gz", "modloop-lts"},
		model.RoleDisk:   {"ubuntu.iso", "linux-mint.iso", "boot.img", "disk.vhd"},
		model.RoleAnswer: {"user-data", "meta-data", "preseed.cfg", "preseed/box", "ks.cfg", "autounattend.xml", "config.ign", "dists/stable/Release", "x.udeb", "filesystem.squashfs", "install.wim"},
		model.RoleOther:  {"", "readme", "casper/filesystem.size", "fixup4.dat", "bcm2710-rpi-3-b.dtb"},
	} {
		for _, n := range names {
			if n == "preseed/box" {
				continue // the folder says nothing
			}
			if got := record.RoleOf(n); got != role {
				t.Errorf("RoleOf(%q) = %s, want %s", n, got, role)
			}
		}
	}
}

// TestHarmlessSearch: names that loaders were seen to try, and beside each one
// that somebody needs.
func TestHarmlessSearch(t *testing.T) {
	harmless := []string{
		"m/525400123456/uefi-x64/revocations_sku.efi", "revocations_sbat.efi", "revocations.efi", "boot/shim_certificate_0.efi",
		"/grub/x86_64-efi/command.lst", "/grub/x86_64-efi/terminal.lst", "grub/i386-pc/fs.lst", "grub/x86_64-efi/all_video.mod", "grub/fonts/unicode.pf2",
		"grub/locale/de.mo", "grub/grubenv", "grub/grub.cfg-01-52-54-00-12-34-56", "grub.cfg-0A630032", "grub.cfg-0A6", "grub.cfg-4c4c4544-0043-3010-8052-b4c04f4d3532",
		"pxelinux.cfg/4c4c4544-0043-3010-8052-b4c04f4d3532", "pxelinux.cfg/01-52-54-00-12-34-56", "pxelinux.cfg/0A630032", "pxelinux.cfg/0",
		"m/525400123456/bios/pxelinux.cfg/0A", "pxelinux.cfg/default-arm-bcm283x", "pxelinux.cfg/default-arm",
		"autoexec.ipxe", "boot/autoexec.ipxe", "boot.scr.uimg", "dtb/", "dtb/broadcom/bcm2837-rpi-3-b.dtb", "extlinux/extlinux.conf",
		"1a2b3c4d/start4.elf", "recovery.elf", "overlays/vc4-kms-v3d.dtbo", "autoboot.txt",
		`\Boot\Fonts\wgl4_boot.ttf`, "boot/fonts/segmono_boot.ttf", `Boot\de-DE\bootmgr.exe.mui`, `\Boot\Resources\bootres.dll`, "winsipolicy.p7b", "boot.stl", "hiberfil.sys",
		"latest/vendor-data", "favicon.ico",
	}
	needed := []string{
		"", "m/525400123456/uefi-x64/shimx64.efi", "grubx64.efi", "grub/grub.cfg", "m/525400123456/uefi-x64/grub.cfg", "pxelinux.cfg/default",
		"boot.ipxe", "ldlinux.c32", "img/debian-12/linux", "img/debian-12/initrd.gz", `\Boot\BCD`, `\sources\boot.wim`, "start4.elf", "kernel8.img",
		"user-data", "grub.cfg-old", "pxelinux.cfg/classroom", "snponly.efi", "revocations.txt", "image/x.lst", "wimboot", "boot/bootmgr.exe",
	}
	for _, n := range harmless {
		if who, ok := record.HarmlessSearch(n); !ok || who == "" {
			t.Errorf("%q is taken for a file that somebody needs", n)
		}
	}
	for _, n := range needed {
		if who, ok := record.HarmlessSearch(n); ok {
			t.Errorf("%q is taken for harmless: %s", n, who)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]model.MAC{
		"m/525400123456/uefi-x64/shimx64.efi":   "52:54:00:12:34:56",
		"/m/525400123456/bios/pxelinux.cfg/0A":  "52:54:00:12:34:56",
		"pxelinux.cfg/01-52-54-00-12-34-56":     "52:54:00:12:34:56",
		"grub/grub.cfg-01-52-54-00-12-34-56":    "52:54:00:12:34:56",
		"http://10.0.0.2/m/525400123456/bios/b": "52:54:00:12:34:56",
		"nbp/bios/undionly.kpxe":                "",
		"img/debian-01-x/linux":                 "",
		"m/nonsense/bios/x":                     "",
		"pxelinux.cfg/default":                  "",
	} {
		if got := record.MACOf(name); got != want {
			t.Errorf("MACOf(%q) = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]model.Arch{
		"m/525400123456/uefi-arm64/snponly.efi": model.ArchARM64, "EFI/BOOT/BOOTX64.EFI": model.ArchX64, "grubaa64.efi": model.ArchARM64,
		"shimia32.efi": model.ArchIA32, "undionly.kpxe": model.ArchBIOS, "pxelinux.0": model.ArchBIOS, "ipxe.efi": "", "bootmgfw.efi": "", "linux": "",
	} {
		if got := record.ArchOf(name); got != want {
			t.Errorf("ArchOf(%q) = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"m/525400123456/uefi-x64/shimx64.efi": true, "http://10.0.0.2:8080/m/525400123456/uefi-x64/boot.img": true, "nbp/bios/undionly.kpxe": true,
		"pxelinux.0": false, "": false, "m/": false, "http://10.0.0.2": false,
	} {
		if got := record.OwnName(name); got != want {
			t.Errorf("OwnName(%q) = %v", name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	have := []string{"nbp/uefi-x64/shimx64.efi", "nbp/uefi-arm64/shimaa64.efi", "nbp/uefi-x64/snponly.efi", "nbp/bios/undionly.kpxe", "img/debian-12/linux", "snponly.efi"}
	for name, want := range map[string][]string{
		"shimx46.efi":              {"nbp/uefi-x64/shimx64.efi", "nbp/uefi-arm64/shimaa64.efi"},
		"nbp/uefi-x64/SHIMX64.EFI": {"nbp/uefi-x64/shimx64.efi", "nbp/uefi-arm64/shimaa64.efi"},
		"uefi-x64/snponly.efi":     {"nbp/uefi-x64/snponly.efi", "snponly.efi"},
		"img/debian-12/linus":      {"img/debian-12/linux"},
		"nothing/like/it.tar":      nil,
		"":                         nil,
	} {
		if got := record.Nearest(name, have); !slices.Equal(got, want) {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestNamesTakeAnything: no name that a client may send breaks them.
func TestNamesTakeAnything(t *testing.T) {
	for _, n := range wiretest.HostilePaths(t) {
		record.RoleOf(n)
		record.HarmlessSearch(n)
		record.MACOf(n)
		record.ArchOf(n)
		record.OwnName(n)
		record.Nearest(n, []string{"a", n, n + "x"})
	}
}
