package image

import "testing/fstest"

// sample is one image as its maker's documentation, or the image itself,
// describes it: the files that matter, those with contents as "name: contents".
type sample struct {
	name   string
	system string
	label  string
	files  map[string]string
}

// fsys makes a file system of the files; one without contents has one octet.
func (s sample) fsys() fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range s.files {
		if text == "" {
			text = "\x01"
		}
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// with lists files without contents beside those of m.
func with(m map[string]string, names ...string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	for _, n := range names {
		m[n] = ""
	}
	return m
}

func treeInfo(family, name, version, arch string) string {
	return "[checksums]\nimages/install.img = sha256:00\n\n[general]\narch = " + arch + "\nfamily = " + family +
		"\nname = " + name + "\nversion = " + version + "\n\n[stage2]\nmainimage = images/install.img\n"
}

func info(text string) map[string]string { return map[string]string{".disk/info": text + "\n"} }

func samples() []sample {
	anaconda := []string{"images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/install.img", "EFI/BOOT/BOOTX64.EFI"}
	live := []string{"live/vmlinuz", "live/initrd.img", "live/filesystem.squashfs", "EFI/boot/bootx64.efi", "isolinux/isolinux.bin", "boot/grub/grub.cfg"}
	windows := []string{"bootmgr", "bootmgr.efi", "boot/bcd", "boot/boot.sdi", "efi/boot/bootx64.efi", "sources/boot.wim", "setup.exe"}
	return []sample{
		{"esxi-8", "esxi", "ESXI-8.0U2-22380479-STANDARD", with(map[string]string{
			"BOOT.CFG": "bootstate=0\ntitle=Loading ESXi installer\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\nmodules=/jumpstrt.gz --- /useropts.gz\nbuild=8.0.2-0.0.22380479\nupdated=0\n",
		}, "MBOOT.C32", "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOT.CFG", "B.B00")},
		{"proxmox-ve-8", "proxmox", "PVE", with(map[string]string{
			".cd-info": "RELEASE='8.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\nPRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\n",
		}, "boot/linux26", "boot/initrd.img", "pve-installer.squashfs", "boot/grub/grub.cfg", "EFI/BOOT/BOOTX64.EFI")},
		{"proxmox-backup-prepared", "proxmox", "PBS", with(map[string]string{
			".disk/info": "RELEASE='3.3'\nISORELEASE='1'\nISONAME='proxmox-backup-server'\nPRODUCT='pbs'\nPRODUCTLONG='Proxmox Backup Server'\n",
		}, "boot/linux26", "boot/initrd.img", "pbs-installer.squashfs", "auto-installer-mode.toml")},
		{"windows-11", "windows", "CCCOMA_X64FRE_EN-US_DV9", with(nil, append([]string{"sources/install.wim", "sources/setup.exe"}, windows...)...)},
		{"windows-server-esd", "windows", "SSS_X64FRE_EN-US_DV9", with(nil, append([]string{"sources/install.esd"}, windows...)...)},
		{"windows-split", "windows", "", with(nil, append([]string{"sources/install.swm", "sources/install2.swm"}, windows...)...)},
		{"windows-pe", "windows-pe", "CD_ROM", with(nil, windows...)},
		{"windows-pe-arm64", "windows-pe", "", with(nil, "bootmgr.efi", "efi/boot/bootaa64.efi", "sources/boot.wim", "boot/boot.sdi")},
		{"windows-pe-flat", "windows-pe", "", with(nil, "WinPE.wim", "boot/boot.sdi")},
		{"systemrescue-11", "systemrescue", "RESCUE1101", with(map[string]string{"sysresccd/VERSION": "11.01\n"},
			"sysresccd/boot/x86_64/vmlinuz", "sysresccd/boot/x86_64/sysresccd.img", "sysresccd/boot/intel_ucode.img", "sysresccd/boot/amd_ucode.img",
			"sysresccd/x86_64/airootfs.sfs", "sysresccd/x86_64/airootfs.sha512", "EFI/boot/bootx64.efi", "boot/grub/grubsrcd.cfg")},
		{"arch-2024", "arch", "ARCH_202408", with(map[string]string{"arch/version": "2024.08.01\n"},
			"arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img", "arch/boot/amd-ucode.img", "arch/boot/intel-ucode.img",
			"arch/x86_64/airootfs.sfs", "arch/x86_64/airootfs.sfs.cms.sig", "EFI/BOOT/BOOTx64.EFI", "boot/2024-08-01-17-06-31-00.uuid")},
		{"arch-2026", "arch", "ARCH_202601", with(map[string]string{"arch/version": "2026.01.01\n"},
			"arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img", "arch/x86_64/airootfs.erofs", "EFI/BOOT/BOOTx64.EFI")},
		{"harvester-1.3", "harvester", "COS_LIVE", with(map[string]string{"harvester-release.yaml": "harvester: v1.3.1\nos: Harvester v1.3.1\n"},
			"rootfs.squashfs", "boot/kernel", "boot/initrd", "boot/grub2/grub.cfg", "EFI/BOOT/bootx64.efi")},
		{"fedora-coreos-40", "coreos", "fedora-coreos-40.20240728.3.0", with(nil,
			"coreos/igninfo.json", "coreos/kargs.json", "images/ignition.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/pxeboot/rootfs.img", "EFI/fedora/grub.cfg")},
		{"rhcos-4.16-arm64", "coreos", "rhcos-416.94.202406251923-0", with(nil,
			"coreos/features.json", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/pxeboot/rootfs.img", "EFI/BOOT/BOOTAA64.EFI", "EFI/redhat/grub.cfg")},
		{"fedora-server-dvd-41", "redhat-dvd", "Fedora-S-dvd-x86_64-41", with(map[string]string{".treeinfo": treeInfo("Fedora", "Fedora 41", "41", "x86_64")},
			append([]string{"repodata/repomd.xml", "Packages/b/bash.rpm"}, anaconda...)...)},
		{"rhel-9-dvd", "redhat-dvd", "RHEL-9-4-0-BaseOS-x86_64", with(map[string]string{".treeinfo": treeInfo("Red Hat Enterprise Linux", "Red Hat Enterprise Linux 9.4", "9.4", "x86_64")},
			append([]string{"BaseOS/repodata/repomd.xml", "AppStream/repodata/repomd.xml", "media.repo"}, anaconda...)...)},
		{"rocky-9-minimal-arm64", "redhat-dvd", "Rocky-9-7-aarch64-dvd", with(map[string]string{".treeinfo": treeInfo("Rocky Linux Minimal", "Rocky Linux Minimal 9.7", "9.7", "aarch64")},
			"Minimal/repodata/repomd.xml", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/install.img", "EFI/BOOT/BOOTAA64.EFI")},
		{"centos-7-dvd", "redhat-dvd", "CentOS 7 x86_64", with(map[string]string{".treeinfo": "[general]\nname = CentOS-7\nfamily = CentOS\nversion = 7\narch = x86_64\n[stage2]\nmainimage = LiveOS/squashfs.img\n"},
			"repodata/repomd.xml", "LiveOS/squashfs.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img")},
		{"alma-9-boot", "redhat-boot", "AlmaLinux-9-4-x86_64-dvd", with(map[string]string{".treeinfo": treeInfo("AlmaLinux", "AlmaLinux 9.4", "9.4", "x86_64")}, anaconda...)},
		{"fedora-everything-boot", "redhat-boot", "Fedora-E-dvd-x86_64-41", with(map[string]string{".discinfo": "1729807932.123\n41\nx86_64\nALL\n"}, anaconda...)},
		{"centos-7-boot", "redhat-boot", "CentOS 7 x86_64", with(map[string]string{".treeinfo": "[general]\nname = CentOS-7\nversion = 7\narch = x86_64\n"},
			"LiveOS/squashfs.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img")},
		{"agama-leap-16", "agama", "Install-openSUSE-Leap-x86_64", with(nil,
			"LiveOS/squashfs.img", "LiveOS/.packages.json.gz", "LiveOS/.info", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "boot/grub2/grub.cfg", "EFI/BOOT/bootx64.efi")},
		{"agama-sles-16-full", "agama", "SLES-16.0-Full-x86_64", with(nil,
			"LiveOS/squashfs.img", "LiveOS/.packages.json.gz", "install/repodata/repomd.xml", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "EFI/BOOT/bootx64.efi")},
		{"leap-15.6", "suse", "openSUSE-Leap-15.6-DVD-x86_64", with(map[string]string{"media.1/products": "/ openSUSE-Leap 15.6-1\n"},
			"boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "boot/x86_64/root", "EFI/BOOT/bootx64.efi")},
		{"sles-15-arm64", "suse", "SLE-15-SP6-Full-aarch64", with(map[string]string{"media.1/products": "/ SLES15-SP6 15.6-0\n"},
			"boot/aarch64/linux", "boot/aarch64/initrd", "EFI/BOOT/bootaa64.efi")},
		{"fedora-live-39", "fedora-live", "Fedora-WS-Live-39-1-5", with(map[string]string{".discinfo": "1698961927.0\n39\nx86_64\n"},
			"LiveOS/squashfs.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "EFI/BOOT/BOOTX64.EFI")},
		{"fedora-live-44", "fedora-live", "Fedora-WS-Live-44", with(nil,
			"LiveOS/squashfs.img", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "EFI/BOOT/BOOTX64.EFI", "boot/grub2/grub.cfg")},
		{"opensuse-live", "fedora-live", "openSUSE_Tumbleweed_KDE_Live", with(nil,
			"LiveOS/squashfs.img", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", "EFI/BOOT/bootx64.efi")},
		{"ubuntu-server-24.04", "ubuntu-server", "Ubuntu-Server 24.04.1 LTS amd64", with(info(`Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)`),
			"casper/vmlinuz", "casper/initrd", "casper/hwe-vmlinuz", "casper/hwe-initrd", "casper/install-sources.yaml", "casper/ubuntu-server-minimal.squashfs", "EFI/boot/bootx64.efi", "boot/grub/grub.cfg")},
		{"ubuntu-server-20.04", "ubuntu-server", "Ubuntu-Server 20.04.6 LTS amd64", with(info(`Ubuntu-Server 20.04.6 LTS "Focal Fossa" - Release amd64 (20230314)`),
			"casper/vmlinuz", "casper/initrd", "casper/filesystem.squashfs", "casper/installer.squashfs")},
		{"ubuntu-server-arm64", "ubuntu-server", "Ubuntu-Server 24.04 LTS arm64", with(info(`Ubuntu-Server 24.04 LTS "Noble Numbat" - Release arm64 (20240423)`),
			"casper/vmlinuz", "casper/initrd", "casper/install-sources.yaml", "casper/ubuntu-server-minimal.squashfs", "EFI/boot/bootaa64.efi")},
		{"ubuntu-desktop-24.04", "ubuntu-desktop", "Ubuntu 24.04.1 LTS amd64", with(info(`Ubuntu 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827.1)`),
			"casper/vmlinuz", "casper/initrd", "casper/install-sources.yaml", "casper/minimal.squashfs", "casper/minimal.standard.live.squashfs", "boot/grub/grub.cfg", "EFI/boot/bootx64.efi")},
		{"ubuntu-desktop-22.04", "ubuntu-desktop", "Ubuntu 22.04.4 LTS amd64", with(info(`Ubuntu 22.04.4 LTS "Jammy Jellyfish" - Release amd64 (20240220)`),
			"casper/vmlinuz", "casper/initrd", "casper/filesystem.squashfs")},
		{"mint-22", "ubuntu-desktop", "Linux Mint 22 Cinnamon 64-bit", with(info(`Linux Mint 22 "Wilma" - Release amd64 20240722`),
			"casper/vmlinuz", "casper/initrd.lz", "casper/filesystem.squashfs", "EFI/boot/bootx64.efi")},
		{"pop-22.04", "ubuntu-desktop", "Pop_OS 22.04 amd64 Intel", with(info(`Pop_OS 22.04 "Jammy Jellyfish" - Release amd64 (20230707)`),
			"casper_pop-os_22.04_amd64_intel_debug_30/vmlinuz.efi", "casper_pop-os_22.04_amd64_intel_debug_30/initrd.gz", "casper_pop-os_22.04_amd64_intel_debug_30/filesystem.squashfs")},
		{"clonezilla-3.1", "clonezilla", "3.1.2-9-amd64", with(map[string]string{"Clonezilla-Live-Version": "clonezilla-live-3.1.2-9-amd64\n"}, live...)},
		{"gparted-1.6", "gparted", "GParted-live", with(map[string]string{"GParted-Live-Version": "gparted-live-1.6.0-3-amd64\n"}, live...)},
		{"kali-live-2024", "kali-live", "Kali Live", with(info(`Kali GNU/Linux 2024.2 "Kali-last-snapshot" - Official amd64 live-build 20240602`),
			"live/vmlinuz-6.6.15-amd64", "live/initrd.img-6.6.15-amd64", "live/vmlinuz", "live/initrd.img", "live/filesystem.squashfs", "install/vmlinuz")},
		{"kali-live-no-info", "kali-live", "Kali Linux Live", with(nil, live...)},
		{"debian-live-12", "debian-live", "d-live 12.5.0 gn amd64", with(info("Official Debian GNU/Linux Live 12.5.0 gnome 2024-02-10T11:07:25Z"),
			"live/vmlinuz-6.1.0-18-amd64", "live/initrd.img-6.1.0-18-amd64", "live/filesystem.squashfs", "install/vmlinuz", "install/initrd.gz", "dists/bookworm/Release", "EFI/boot/bootx64.efi")},
		{"debian-live-two-kernels", "debian-live", "", with(nil,
			"live/vmlinuz-6.1.0-18-amd64", "live/vmlinuz-6.5.0-1-amd64", "live/initrd.img-5.10.0-1-amd64", "live/initrd.img-6.1.0-18-amd64", "live/filesystem.squashfs")},
		{"debian-12-netinst", "debian", "Debian 12.5.0 amd64 n", with(info(`Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27`),
			"install.amd/vmlinuz", "install.amd/initrd.gz", "dists/bookworm/Release", "EFI/boot/bootx64.efi", "boot/grub/grub.cfg", "isolinux/isolinux.bin")},
		{"debian-12-dvd", "debian", "Debian 12.5.0 amd64 1", with(info(`Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 DVD Binary-1 with firmware 20240210-11:27`),
			"install.amd/vmlinuz", "install.amd/initrd.gz", "dists/bookworm/Release", "dists/bookworm/main/binary-amd64/Packages.gz", "EFI/boot/bootx64.efi")},
		{"debian-12-signed-dvd", "debian", "", with(info(`Debian GNU/Linux 12.5.0 "Bookworm" - Unofficial amd64 DVD Binary-1`),
			"install.amd/vmlinuz", "dists/bookworm/Release", "dists/bookworm/Release.gpg")},
		{"debian-13-arm64", "debian", "Debian 13.1.0 arm64 n", with(info(`Debian GNU/Linux 13.1.0 "Trixie" - Official arm64 NETINST with firmware 20250906-10:22`),
			"install.a64/vmlinuz", "install.a64/initrd.gz", "dists/trixie/Release", "EFI/boot/bootaa64.efi")},
		{"debian-testing", "debian", "Debian testing amd64 n", with(info(`Debian GNU/Linux testing "Forky" - Official Snapshot amd64 NETINST with firmware 20260101-05:00`),
			"install.amd/vmlinuz", "install.amd/initrd.gz")},
		{"debian-unnumbered", "debian", "", with(info(`Debian GNU/Linux`), "install/vmlinuz", "install/initrd.gz")},
		{"kali-installer-2024", "debian-kin", "Kali Linux amd64 1", with(info(`Kali GNU/Linux 2024.2 "Kali-last-snapshot" - Official amd64 BD Binary-1 with firmware 20240602-07:16`),
			"install.amd/vmlinuz", "install.amd/initrd.gz", "dists/kali-last-snapshot/Release")},
		{"alpine-3.20", "alpine", "alpine-std 3.20.1 x86_64", with(map[string]string{".alpine-release": "alpine-std 3.20.1 240620\n"},
			"boot/vmlinuz-lts", "boot/initramfs-lts", "boot/modloop-lts", "apks/.boot_repository", "apks/x86_64/APKINDEX.tar.gz", "boot/grub/grub.cfg", "efi/boot/bootx64.efi")},
		{"alpine-virt-arm64", "alpine", "alpine-virt 3.20.1 aarch64", with(map[string]string{".alpine-release": "alpine-virt 3.20.1 240620\n"},
			"boot/vmlinuz-virt", "boot/initramfs-virt", "boot/modloop-virt", "apks/aarch64/APKINDEX.tar.gz", "efi/boot/bootaa64.efi")},
		{"alpine-netboot-folder", "alpine", "", with(nil, "vmlinuz-lts", "initramfs-lts", "modloop-lts", "config-6.6.31-0-lts")},
		{"nixos-netboot", "nixos-netboot", "", with(map[string]string{
			"netboot.ipxe": "#!ipxe\n# a comment\nkernel bzImage init=/nix/store/0abc-nixos-system-nixos-24.05/init initrd=initrd nohibernate loglevel=4 ${cmdline}\ninitrd initrd\nboot\n",
		}, "bzImage", "initrd")},
		{"nixos-24.05", "nixos", "nixos-minimal-24.05-x86_64", with(map[string]string{"version.txt": "24.05.20240801.abcdef0\n"},
			"nix-store.squashfs", "boot/bzImage", "boot/initrd", "EFI/boot/bootx64.efi", "isolinux/isolinux.cfg")},
		{"nixos-25.11", "nixos", "nixos-minimal-25.11-x86_64", with(map[string]string{"version.txt": "25.11.1234.abcdef0"},
			"nix-store.squashfs", "boot/nix/store/0abc-linux-6.12.1/bzImage", "boot/nix/store/0def-initrd-linux-6.12.1/initrd")},
		{"flatcar-iso", "flatcar", "CDROM", with(nil, "flatcar/vmlinuz", "flatcar/cpio.gz", "isolinux/isolinux.bin", "syslinux/syslinux.cfg")},
		{"flatcar-pxe-folder", "flatcar", "", with(nil, "flatcar_production_pxe.vmlinuz", "flatcar_production_pxe_image.cpio.gz")},
		{"talos-1.7", "talos", "TALOS_V1_7", with(nil, "boot/vmlinuz", "boot/initramfs.xz", "boot/grub/grub.cfg", "efi.img")},
		{"talos-1.12", "talos", "ISOIMAGE", with(map[string]string{"boot/grub/grub.cfg": "menuentry \"Talos ISO\" {\n linux /boot/vmlinuz talos.platform=metal\n}\n"}, "boot/vmlinuz", "boot/initramfs.xz")},
		{"memtest-iso", "memtest86+", "MT86PLUS_64", with(nil, "EFI/BOOT/bootx64.efi", "boot/floppy.img", "boot.catalog")},
		{"memtest-iso-ia32", "memtest86+", "MT86PLUS_32", with(nil, "EFI/BOOT/bootia32.efi", "boot/floppy.img", "boot.catalog")},
		{"memtest-package", "memtest86+", "", with(nil, "memtest86+x64.efi", "memtest86+x64.bin", "memtest86+ia32.efi", "memtest86+ia32.bin")},
		{"memtest-file", "memtest86+", "", with(nil, "mt86p_802_x86_64")},
		{"memtest-bios-file", "memtest86+", "", with(nil, "memtest86+x64.bin")},
		{"grub-mkrescue-2.06", "efi-disk", "ISOIMAGE", with(nil, "boot/grub/grub.cfg", "boot/grub/i386-pc/eltorito.img", "boot/grub/x86_64-efi/modinfo.sh", "efi.img", "boot.catalog", "System/Library/CoreServices/boot.efi", "mach_kernel")},
		{"grub-disk-with-efi", "efi-disk", "RESCUE", with(nil, "boot/grub/grub.cfg", "efi/boot/bootx64.efi")},
		{"freedos", "other", "FD13BOOT", with(nil, "isolinux/isolinux.bin", "setup.bat")},
		{"nothing", "other", "", map[string]string{}},
	}
}
