package image

import (
	"slices"

	"hobnail/internal/model"
)

// Addresses in command lines: the folder of the image's files, and the image
// itself. bootif tells an initramfs by which network card the machine booted,
// in PXELINUX's form; the archiso, live-boot, dracut and Anaconda of today
// read it.
const (
	inside   = "{{.Server.URL}}/iso/{{.Image.Name}}"
	whole    = "{{.Server.URL}}/iso/{{.Image.Name}}.iso"
	answerAt = "{{.Install.URL}}/"
	bootif   = `{{if .Machine.MAC}}BOOTIF=01-{{replace ":" "-" .Machine.MAC}}{{end}}`
)

// Who starts what. Debian's signed GRUB loads by TFTP alone, which it does for
// files of any length, slowly.
var (
	linuxLoaders = []Loader{LoaderIPXE, LoaderGRUB, LoaderPXELinux}
	httpLoaders  = []Loader{LoaderIPXE}
	efiLoaders   = []Loader{LoaderIPXE, LoaderGRUB}

	both = []model.Firmware{model.FirmwareBIOS, model.FirmwareUEFI}
	uefi = []model.Firmware{model.FirmwareUEFI}
)

// otherKey is what Secure Boot says of a kernel that is not Debian's: shim of
// Debian knows Debian's key and what the firmware's db has.
func otherKey(maker string) string {
	return "no: the kernel is signed by " + maker + ", whose key Debian's shim does not know; enrol it, or use " + maker + "'s shim and GRUB as boot programs of your own"
}

const (
	unsigned    = "no: nothing in it is signed"
	debianLike  = "unknown: Debian's kernel is accepted; whether this image has it as Debian signed it is not known"
	isoInMemory = "RAM for the ISO and 2 GB"
	asDisk      = "no: only iPXE can do this, which is not signed"
)

// rows is the table of systems. The order matters: a system that is built on
// another comes before it.
func rows() []row {
	return slices.Concat(otherSystems(), redHatKin(), suseKin(), dracutLive(), debianKin(), smallSystems(), plainRows())
}

// otherSystems are those that resemble nothing else.
func otherSystems() []row {
	return []row{
		{
			system: "esxi", name: "VMware ESXi",
			files:   []file{need("", "boot.cfg"), need("kernel", "mboot.c32"), maybe("efi", "EFI/BOOT/BOOTX64.EFI")},
			clues:   []clue{{[]string{"boot.cfg"}, []string{"modules="}}},
			cmdline: "-c " + inside + "/boot.cfg", install: "-c " + answerAt + "boot.cfg",
			answer: AnswerESXi, way: WayESXi, loaders: httpLoaders, firmware: uefi, cpu: model.CPUX64,
			secureBoot: "unknown: the image's boot program is signed, whether the firmware knows by whom was not tried",
			needs:      "8 GB of RAM",
			warnings:   []string{"under BIOS it needs an old PXELINUX, which hobnail does not have: it starts under UEFI alone"},
			tried:      TriedReading, title: esxiTitle,
		},
		{
			system: "proxmox", name: "Proxmox VE, Backup Server, Mail Gateway",
			clues:     []clue{{[]string{".cd-info", ".disk/info"}, []string{"PRODUCT='pve'", "PRODUCT='pbs'", "PRODUCT='pmg'", "PRODUCT='pdm'", "PRODUCTLONG='Proxmox"}}},
			files:     []file{need("kernel", "boot/linux26"), need("initrd", "boot/initrd.img"), maybe("auto", "auto-installer-mode.toml")},
			isoInitrd: true,
			cmdline:   "vga=791 video=vesafb:ywrap,mtrr ro ramdisk_size=16777216 rw quiet splash=silent",
			answer:    AnswerProxmox, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("Proxmox"), needs: "RAM for the ISO twice and 2 GB",
			tried: TriedReading, title: proxmoxTitle, more: proxmox,
		},
		windows("windows", "Windows, client and server", need("install", "sources/install.wim", "sources/install.esd", "sources/install.swm")),
		windows("windows-pe", "Windows PE"),
		{
			system: "systemrescue", name: "SystemRescue",
			files: []file{
				need("kernel", "sysresccd/boot/x86_64/vmlinuz", "sysresccd/boot/i686/vmlinuz"),
				maybe("initrd", "sysresccd/boot/intel_ucode.img"), maybe("initrd", "sysresccd/boot/amd_ucode.img"),
				need("initrd", "sysresccd/boot/x86_64/sysresccd.img", "sysresccd/boot/i686/sysresccd.img"),
				maybe("sum", "sysresccd/x86_64/airootfs.sha512", "sysresccd/i686/airootfs.sha512"),
			},
			cmdline: "archisobasedir=sysresccd archiso_http_srv=" + inside + "/ ip=dhcp <sum?>checksum " + bootif,
			way:     WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: unsigned, needs: isoInMemory, tried: TriedReading,
			title: fromFile("SystemRescue", "sysresccd/VERSION", "sysresccd/version"),
		},
		{
			system: "arch", name: "Arch Linux",
			files: []file{
				need("kernel", "arch/boot/x86_64/vmlinuz-linux*", "arch/boot/*/vmlinuz-linux*"),
				maybe("initrd", "arch/boot/intel-ucode.img"), maybe("initrd", "arch/boot/amd-ucode.img"),
				need("initrd", "arch/boot/x86_64/initramfs-linux*.img", "arch/boot/*/initramfs-linux*.img", "arch/boot/*/archiso.img"),
				maybe("cms", "arch/*/airootfs.sfs.cms.sig", "arch/*/airootfs.erofs.cms.sig"),
			},
			cmdline: "archisobasedir=arch archiso_http_srv=" + inside + "/ ip=dhcp <cms?>cms_verify=y " + bootif,
			install: "archisobasedir=arch archiso_http_srv=" + inside + "/ ip=dhcp <cms?>cms_verify=y script=" + answerAt + "install.sh " + bootif,
			answer:  AnswerArchScript, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: unsigned, needs: isoInMemory, tried: TriedReading,
			title: fromFile("Arch Linux", "arch/version"),
		},
		{
			system: "harvester", name: "Harvester",
			files: []file{
				need("", "harvester-release.yaml"), need("root", "rootfs.squashfs"),
				need("kernel", "boot/kernel", "boot/vmlinuz"), need("initrd", "boot/initrd", "boot/initrd.img"),
			},
			cmdline: harvesterLine, install: harvesterLine + " harvester.install.automatic=true harvester.install.config_url=" + answerAt + "config.yaml",
			answer: AnswerHarvester, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("SUSE"), needs: "32 GB of RAM", tried: TriedReading,
			title: harvesterTitle,
		},
	}
}

const harvesterLine = "ip=dhcp net.ifnames=1 rd.cos.disable rd.noverifyssl root=live:" + inside + "/<root> " + bootif

// windows is a row for what has a boot WIM. Its files are in the WIM too, and
// are taken from there; the editions are told by the WIMs themselves.
func windows(system, name string, more ...file) row {
	r := row{
		system: system, name: name,
		files: append([]file{
			need("wim", "sources/boot.wim", "boot/boot.wim", "boot/*.wim", "*.wim"),
			maybe("efi", "EFI/BOOT/bootx64.efi", "EFI/BOOT/bootaa64.efi", "EFI/BOOT/bootia32.efi"),
		}, more...),
		way: WayWIM, loaders: efiLoaders, firmware: both, cpu: model.CPUX64,
		secureBoot: "yes", needs: "4 GB of RAM",
		warnings: []string{"under BIOS it needs wimboot, which you have to supply"},
		tried:    TriedReading,
		title:    windowsTitle(name),
	}
	if system == "windows" {
		r.answer = AnswerUnattend
	} else {
		// Any ISO may hold a WIM; what starts one has its RAM disk beside it.
		r.files = append(r.files, need("", "boot/boot.sdi", "boot/bcd", "EFI/Microsoft/Boot/BCD", "bootmgr", "bootmgr.efi"))
		r.needs = "2 GB of RAM"
	}
	return r
}

// redHatKin install with Anaconda or Ignition.
func redHatKin() []row {
	anaconda := func(system, name, repo string, then func(*tree, *Found), more ...file) row {
		line := "inst.stage2=" + inside + "/ " + repo + "ip=dhcp " + bootif
		return row{
			system: system, name: name,
			files: append([]file{
				need("kernel", "images/pxeboot/vmlinuz", "ppc/ppc64/vmlinuz"),
				need("initrd", "images/pxeboot/initrd.img", "ppc/ppc64/initrd.img"),
			}, more...),
			cmdline: line, install: line + " inst.ks=" + answerAt + "ks.cfg",
			answer: AnswerKickstart, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("its maker"), needs: "3 GB of RAM", tried: TriedReading,
			title: treeTitle, more: then,
		}
	}
	return []row{
		{
			system: "coreos", name: "Fedora CoreOS, RHEL CoreOS",
			files: []file{
				need("", "coreos/igninfo.json", "coreos/features.json", "coreos/kargs.json"),
				need("root", "images/pxeboot/rootfs.img"),
				need("kernel", "images/pxeboot/vmlinuz"), need("initrd", "images/pxeboot/initrd.img"),
			},
			cmdline: coreosLine + " ignition.firstboot ignition.platform.id=metal",
			install: coreosLine + " ignition.firstboot ignition.platform.id=metal ignition.config.url=" + answerAt + "config.ign",
			answer:  AnswerIgnition, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("Fedora or Red Hat"), needs: "2 GB of RAM",
			warnings: []string{"the Ignition file is for the live system: to install, it must run coreos-installer, or the command line have coreos.inst.install_dev= and coreos.inst.ignition_url="},
			tried:    TriedReading, title: coreosTitle,
		},
		anaconda("redhat-dvd", "Fedora, RHEL, CentOS, Rocky, Alma, Oracle: DVD", "inst.repo="+inside+"/ ", nil,
			need("", ".treeinfo"), need("", "images/install.img", "LiveOS/squashfs.img"),
			need("", "repodata/repomd.xml", "BaseOS/repodata/repomd.xml", "*/repodata/repomd.xml")),
		anaconda("redhat-boot", bootISO, "", noPackages, need("", ".treeinfo", ".discinfo"), need("", "images/install.img")),
		// To 7 what the installer runs in had the name that live systems use.
		anaconda("redhat-boot", bootISO, "", noPackages, need("", ".treeinfo"), need("", "LiveOS/squashfs.img")),
	}
}

const bootISO = "Fedora, RHEL, CentOS, Rocky, Alma, Oracle: boot or network install"

func noPackages(_ *tree, f *Found) {
	f.warn("it has no packages: the person at the console or the answer file names where they are (url, inst.repo=)")
}

const coreosLine = "ip=dhcp rd.neednet=1 coreos.live.rootfs_url=" + inside + "/<root> " + bootif

// suseKin: two installers. Agama's images look like live ones, but for their
// label, Install-PRODUCT-ARCH, and lists of packages.
func suseKin() []row {
	return []row{
		agama(maybe("", "LiveOS/.info"), clue{says: []string{"Install-"}}),
		agama(need("", "LiveOS/.packages.json.gz", "LiveOS/.packages.gz")),
		{
			system: "suse", name: "openSUSE and SLES up to 15",
			files: []file{
				need("", "media.1/products"),
				need("kernel", "boot/x86_64/loader/linux", "boot/aarch64/linux", "boot/ppc64le/linux", "boot/s390x/linux", "boot/i386/loader/linux"),
				need("initrd", "boot/x86_64/loader/initrd", "boot/aarch64/initrd", "boot/ppc64le/initrd", "boot/s390x/initrd", "boot/i386/loader/initrd"),
			},
			cmdline: "netsetup=dhcp install=" + inside,
			install: "netsetup=dhcp install=" + inside + " autoyast=" + answerAt + "autoinst.xml",
			answer:  AnswerAutoYaST, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("SUSE"), needs: "2 GB of RAM", tried: TriedReading, title: suseTitle,
		},
	}
}

func agama(marker file, clues ...clue) row {
	line := "root=live:" + inside + "/<root> <repo?>inst.install_url=" + inside + "/install ip=dhcp rd.neednet=1 inst.self_update=0 " + bootif
	return row{
		system: "agama", name: "openSUSE and SLES from 16 (Agama)",
		clues: clues,
		files: []file{
			need("root", "LiveOS/squashfs.img"), marker,
			need("kernel", "boot/x86_64/loader/linux", "boot/aarch64/loader/linux", "boot/*/loader/linux", "boot/*/linux"),
			need("initrd", "boot/x86_64/loader/initrd", "boot/aarch64/loader/initrd", "boot/*/loader/initrd", "boot/*/initrd"),
			maybe("repo", "install/repodata/repomd.xml"),
		},
		cmdline: line, install: line + " inst.auto=" + answerAt + "agama.json",
		answer: AnswerAgama, way: WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
		secureBoot: otherKey("SUSE"), needs: "4 GB of RAM", tried: TriedReading,
		title: agamaTitle,
	}
}

// dracutLive are live systems that look for their root as dracut does.
func dracutLive() []row {
	return []row{
		{
			system: "fedora-live", name: "Fedora live and its kin, openSUSE live",
			files: []file{
				need("root", "LiveOS/squashfs.img"),
				need("kernel", "images/pxeboot/vmlinuz", "boot/x86_64/loader/linux", "boot/aarch64/loader/linux", "boot/*/loader/linux"),
				need("initrd", "images/pxeboot/initrd.img", "boot/x86_64/loader/initrd", "boot/aarch64/loader/initrd", "boot/*/loader/initrd"),
			},
			cmdline: "root=live:" + inside + "/<root> ro rd.live.image ip=dhcp rd.neednet=1 " + bootif,
			way:     WayLinux, loaders: linuxLoaders, firmware: both, cpu: model.CPUX64,
			secureBoot: otherKey("its maker"), needs: isoInMemory, tried: TriedReading,
			warnings: []string{"the image must have been made with dracut's livenet: Fedora's have it up to 39, of later ones it is not known"},
			title:    labelTitle,
		},
	}
}
