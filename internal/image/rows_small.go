package image

import "hobnail/internal/model"

// cpuUsual is the processor family of an image that does not say.
const cpuUsual = model.CPUX64

// smallSystems are those of one kernel and one RAM disk, and tools.
func smallSystems() []row {
	return []row{
		{
			system: "alpine", name: "Alpine Linux",
			files: []file{
				need("modloop", "boot/modloop-lts", "boot/modloop-*", "modloop-*"),
				need("kernel", "boot/vmlinuz-lts", "boot/vmlinuz-*", "vmlinuz-*"),
				need("initrd", "boot/initramfs-lts", "boot/initramfs-*", "initramfs-*"),
				maybe("repo", "apks/*/APKINDEX.tar.gz"),
			},
			cmdline: alpineLine, install: alpineLine + " apkovl=" + answerAt + "alpine.apkovl.tar.gz",
			answer: AnswerAPKOVL, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: unsigned, needs: "512 MB of RAM", tried: TriedReading,
			title: fromFile("Alpine Linux", ".alpine-release"), more: alpine,
		},
		{
			system: "nixos-netboot", name: "NixOS netboot build (a folder)",
			files:   []file{need("script", "netboot.ipxe"), need("kernel", "bzImage", "Image"), need("initrd", "initrd")},
			clues:   []clue{{[]string{"netboot.ipxe"}, []string{"init=/nix/store/"}}},
			cmdline: "", way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: unsigned, needs: "RAM for the RAM disk twice and 1 GB", tried: TriedReading,
			more: nixosNetboot,
		},
		{
			system: "nixos", name: "NixOS ISO",
			files: []file{need("", "nix-store.squashfs"), need("", "boot/bzImage", "boot/Image", "boot/nix/store/*/bzImage", "boot/nix/store/*/Image")},
			way:   WaySANBoot, loaders: httpLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: asDisk, tried: TriedReading, title: fromFile("NixOS", "version.txt"),
			warnings: []string{"its first stage looks for a disc and finds none: add the netboot build instead (kernel, initrd and netboot.ipxe in one folder)"},
		},
		{
			system: "flatcar", name: "Flatcar Container Linux",
			files: []file{
				need("kernel", "flatcar/vmlinuz", "flatcar/vmlinuz-a", "flatcar_production_pxe.vmlinuz"),
				need("initrd", "flatcar/cpio.gz", "flatcar_production_pxe_image.cpio.gz"),
			},
			cmdline: "flatcar.first_boot=1 flatcar.autologin",
			install: "flatcar.first_boot=1 ignition.config.url=" + answerAt + "config.ign",
			answer:  AnswerIgnition, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: "unknown: newer releases are signed by Flatcar, whose key Debian's shim does not know", needs: "3 GB of RAM", tried: TriedReading,
			warnings: []string{"the Ignition file is for the system in memory: to install, it must run flatcar-install", bigInitrd},
		},
		talos(clue{says: []string{"TALOS"}}),
		talos(clue{[]string{"boot/grub/grub.cfg"}, []string{"talos.platform"}}),
		memtest(TriedBooted,
			[]file{need("efi", "EFI/BOOT/bootx64.efi", "EFI/BOOT/bootia32.efi"), need("kernel", "EFI/BOOT/bootx64.efi", "EFI/BOOT/bootia32.efi")},
			clue{says: []string{"MT86PLUS"}}),
		memtest(TriedFiles, []file{
			need("efi", "memtest86+x64.efi", "memtest86+ia32.efi", "memtest86+*.efi", "memtest64.efi", "mt86p*_x86_64", "mt86plus*"),
			need("kernel", "memtest86+x64.bin", "memtest86+ia32.bin", "memtest86+*.bin", "memtest64.bin", "memtest86+*.efi", "mt86p*_x86_64", "mt86plus*"),
		}),
		{
			system: "memtest86+", name: "Memtest86+",
			files: []file{need("kernel", "memtest86+x64.bin", "memtest86+ia32.bin", "memtest86+*.bin", "memtest64.bin", "memtest*.bin")},
			way:   WayLinux, loaders: linuxLoaders, firmware: []model.Firmware{model.FirmwareBIOS}, cpu: cpuUsual,
			secureBoot: unsigned, tried: TriedFiles,
		},
	}
}

const (
	alpineLine = "ip=dhcp modules=loop,squashfs modloop=" + inside + "/<modloop> <repo?>alpine_repo=" + inside + "/apks " + bootif
	bigInitrd  = "its RAM disk is large: GRUB and PXELINUX load it by TFTP, which takes minutes"
)

func talos(where clue) row {
	line := "talos.platform=metal init_on_alloc=1 slab_nomerge pti=on consoleblank=0 nvme_core.io_timeout=4294967295 printk.devkmsg=on ima_template=ima-ng ima_appraise=fix ima_hash=sha512"
	return row{
		system: "talos", name: "Talos Linux",
		clues:   []clue{where},
		files:   []file{need("kernel", "boot/vmlinuz"), need("initrd", "boot/initramfs.xz", "boot/initramfs*")},
		cmdline: line, install: line + " talos.config=" + answerAt + "machine.yaml",
		answer: AnswerTalos, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
		secureBoot: "no: the kernel is not signed; images made for Secure Boot are a single program with a key of their own",
		needs:      "2 GB of RAM", tried: TriedReading,
		title: fromLabel("Talos Linux", `TALOS[_-]V?([0-9]+([._][0-9]+)*)`),
	}
}

// memtest is an EFI program that is a Linux kernel to a BIOS as well: of
// Debian's package the .efi in the ISO and the one beside it are the same file.
func memtest(tried Tried, files []file, clues ...clue) row {
	return row{
		system: "memtest86+", name: "Memtest86+",
		files: files, clues: clues,
		way: WayEFI, bios: WayLinux, loaders: linuxLoaders, firmware: both, cpu: cpuUsual,
		secureBoot: unsigned, tried: tried,
	}
}

// plainRows are what is left: started whole, as a disc.
func plainRows() []row {
	return []row{
		{
			system: "efi-disk", name: "Rescue disks made with grub-mkrescue and the like",
			files: []file{
				need("", "boot/grub/grub.cfg", "boot/grub/loopback.cfg"),
				need("", "efi.img", "boot/grub/efi.img", "boot/grub/i386-pc/eltorito.img", "boot/grub/*/modinfo.sh", "EFI/BOOT/boot*.efi"),
				maybe("efi", "EFI/BOOT/bootx64.efi", "EFI/BOOT/bootaa64.efi", "EFI/BOOT/bootia32.efi"),
			},
			way: WaySANBoot, loaders: httpLoaders, firmware: both, cpu: cpuUsual,
			secureBoot: asDisk, tried: TriedBooted, title: labelTitle,
			warnings: []string{plainWarning},
		},
		{
			system: "other", name: "Unknown image",
			files: []file{maybe("efi", "EFI/BOOT/bootx64.efi", "EFI/BOOT/bootaa64.efi", "EFI/BOOT/bootia32.efi")},
			way:   WaySANBoot, loaders: httpLoaders, firmware: both,
			secureBoot: asDisk, tried: TriedReading, title: labelTitle,
			warnings: []string{"what this is is not known", plainWarning},
		},
	}
}

const plainWarning = "iPXE shows it to the firmware as a disc: boot menus and small tools start, but a system that looks for its disc with drivers of its own finds none"
