package record

import (
	"path"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// clean is a name as it can be compared: slashes, no leading ones, lower case,
// without what stands before the path in a URL.
func clean(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		if _, rest, ok = strings.Cut(rest, "/"); ok {
			name = rest
		}
	}
	name = strings.ReplaceAll(name, `\`, "/")
	return strings.ToLower(strings.TrimLeft(name, "/"))
}

// roles tell what a file is for by its base name, in lower case; the first that
// has it counts. An asterisk stands for anything.
var roles = []struct {
	role  model.FileRole
	names string
}{
	{model.RoleConfig, "*.ipxe grub.cfg* *.uimg *.scr extlinux.conf syslinux.cfg isolinux.cfg bcd bootptab config.txt cmdline.txt uenv.txt"},
	{model.RoleAnswer, "user-data meta-data vendor-data network-config ks.cfg ks-*.cfg *.ks *.seed *autoinst.xml *unattend.xml " +
		"*.ign release release.gpg inrelease packages packages.gz packages.xz *.deb *.udeb *.rpm repomd.xml .treeinfo *.squashfs squashfs.img " +
		"stage2.img install.img install.wim install.esd *.swm *.apk apkindex* *.apkovl* machineconfig* preseed*"},
	{model.RoleLoader, "*.efi.signed *.c32 *.mod *.kpxe *.kkpxe *.kkkpxe *.pxe *.lkrn *.n12 *.com bootmgr bootmgr.exe wimboot* memdisk start*.elf bootcode.bin"},
	{model.RoleDisk, "*.iso *.vhd *.vhdx"},
	{model.RoleInitrd, "initrd* uinitrd* initramfs* *-initrd* *.wim *.sdi *.cpio *.cpio.* modloop* root.img* rootfs*"},
	{model.RoleKernel, "vmlinuz* vmlinux* linux* bzimage* kernel* image image.gz zimage* uimage* fitimage* *-kernel* *-vmlinuz* memtest* xen xen.gz"},
	{model.RoleLoader, "*.efi *.0 *.bin *.elf"},
	{model.RoleDisk, "*.img"},
}

var rolePatterns = compile()

type pattern struct {
	role        model.FileRole
	first, last string // what it begins and ends with
	middle      string // what stands in it
	whole       bool
}

func compile() (all []pattern) {
	for _, r := range roles {
		for _, n := range strings.Fields(r.names) {
			p := pattern{role: r.role}
			switch parts := strings.Split(n, "*"); len(parts) {
			case 1:
				p.first, p.whole = n, true
			case 2:
				p.first, p.last = parts[0], parts[1]
			default:
				p.middle = parts[1]
			}
			all = append(all, p)
		}
	}
	return all
}

func (p *pattern) matches(base string) bool {
	switch {
	case p.whole:
		return base == p.first
	case p.middle != "":
		return strings.Contains(base, p.middle)
	}
	return len(base) >= len(p.first)+len(p.last) && strings.HasPrefix(base, p.first) && strings.HasSuffix(base, p.last)
}

// RoleOf tells from its name what a file is for.
func RoleOf(name string) model.FileRole {
	n := clean(name)
	n, _, _ = strings.Cut(n, "?")
	dir, base := path.Split(n)
	if base == model.RAMDiskFile && OwnName(n) {
		return model.RoleLoader // shim and GRUB are in it
	}
	if within(dir, "pxelinux.cfg") {
		return model.RoleConfig
	}
	for i := range rolePatterns {
		if rolePatterns[i].matches(base) {
			return rolePatterns[i].role
		}
	}
	return model.RoleOther
}

// within reports whether a directory, which ends in a slash, has that name.
func within(dir, name string) bool {
	dir, ok := strings.CutSuffix(dir, "/")
	if !ok {
		return false
	}
	dir, ok = strings.CutSuffix(dir, name)
	return ok && (dir == "" || dir[len(dir)-1] == '/')
}

// HarmlessSearch says who asks for a name that need not exist, and why; ok is
// false for a name that somebody needs. The names are those that the loaders
// were seen to try.
func HarmlessSearch(name string) (who string, ok bool) {
	n := clean(name)
	dir, base := path.Split(n)
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(base, s) })
	}
	switch {
	case ends(".efi") && (strings.HasPrefix(base, "revocations") || strings.HasPrefix(base, "shim_certificate")):
		return "shim looks for newer lists and certificates beside itself", true
	case base == model.ScriptAutoexec:
		return "iPXE looks for a script beside itself", true
	case ends(".lst", ".mod") && grubFolder(dir), ends(".pf2"), ends(".mo") && strings.Contains(dir, "locale/"), base == "grubenv":
		return "GRUB looks for lists, modules, fonts and translations that are built in or not needed", true
	case strings.HasPrefix(base, model.ScriptGRUB+"-") && searched(base[len(model.ScriptGRUB)+1:]):
		return "GRUB looks for a configuration of this machine before the common one", true
	case within(dir, "pxelinux.cfg") && searched(base):
		return "pxelinux and U-Boot look for a configuration of this machine before the common one", true
	case base == "boot.scr" || base == model.ScriptUBoot || base == "uenv.txt" || base == "extlinux.conf" || ends(".dtb", ".dtbo") || within(n, "dtb") || within(n, "dtbs") || base == "dtb" || base == "dtbs":
		return "U-Boot looks for scripts and device trees", true
	case raspberry(n, dir, base):
		return "a Raspberry Pi looks in a folder with its serial number first, and for optional parts", true
	case ends(".mui", ".ttf", ".p7b", ".stl", "bootres.dll", "hiberfil.sys") || strings.Contains("/"+dir, "/fonts/") || strings.Contains("/"+dir, "/resources/") || ends(".dll") && strings.Contains("/"+dir, "/boot/"):
		return "Windows' boot manager looks for fonts, languages and policies", true
	case base == "vendor-data" || base == "network-config":
		return "cloud-init looks for settings that few sites have", true
	case base == "ready" && strings.HasPrefix(n, "m/"):
		return "GRUB looks whether the machine has been approved", true
	case base == "favicon.ico" || base == "robots.txt":
		return "somebody looked with a web browser", true
	}
	return "", false
}

// grubFolder: x86_64-efi/, i386-pc/ and the like.
func grubFolder(dir string) bool {
	d := path.Base(strings.TrimSuffix(dir, "/"))
	for _, platform := range []string{"-efi", "-pc", "-ieee1275", "-emu", "-uboot"} {
		if strings.HasSuffix(d, platform) {
			return true
		}
	}
	return false
}

// searched reports whether the last part of a configuration's name is one that
// loaders put together from the machine: its UUID, its MAC, its address in ever
// fewer hexadecimal digits, U-Boot's default-<board>.
func searched(s string) bool {
	if strings.HasPrefix(s, "default-") {
		return true
	}
	digits, dashes := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			digits++
		case c == '-' || c == ':':
			dashes++
		default:
			return false
		}
	}
	return dashes == 0 && digits >= 1 && digits <= 8 || // an address
		dashes == 6 && digits == 14 || dashes == 5 && digits == 12 || // 01-<mac>, <mac>
		dashes == 4 && digits == 32 // a UUID
}

// raspberry: the boot ROM and the EEPROM of Raspberry Pi.
func raspberry(n, dir, base string) bool {
	if serial, _, ok := strings.Cut(n, "/"); ok && len(serial) == 8 && isHex(serial) {
		return true
	}
	if within(dir, "overlays") || strings.HasPrefix(base, "bcm27") {
		return true
	}
	switch base {
	case "bootsig.bin", "boot.sig", "pieeprom.sig", "pieeprom.upd", "recovery.elf", "recovery.bin", "recover4.elf", "recovery4.elf", "timeout.txt", "autoboot.txt", "tryboot.txt", "dt-blob.bin", "armstub.bin", "armstub8.bin", "armstub8-gic.bin":
		return true
	}
	return false
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// MACOf is the machine that a name carries: m/<mac>/…, …01-<mac>.
func MACOf(name string) model.MAC {
	n := clean(name)
	if p, ok := model.ParseBootPath(n); ok && p.MAC != "" {
		return p.MAC
	}
	if _, tail, ok := strings.Cut(path.Base(n), "01-"); ok {
		if mac, err := model.ParseMAC(tail); err == nil {
			return mac
		}
	}
	return ""
}

// ArchOf is the architecture that a boot program's name says it is for: the
// folder of a name of hobnail's, or the ending that UEFI's and the
// distributions' names have. "" where it says none.
func ArchOf(name string) model.Arch {
	n := clean(name)
	if p, ok := model.ParseBootPath(n); ok {
		return p.Arch
	}
	base := path.Base(n)
	for _, ending := range archEndings {
		if strings.HasSuffix(base, ending.text) {
			return ending.arch
		}
	}
	return ""
}

// archEndings: BOOTX64.EFI and its like (UEFI specification, 3.5.1.1), and what
// only BIOS starts.
var archEndings = []struct {
	text string
	arch model.Arch
}{
	{"x64.efi", model.ArchX64}, {"aa64.efi", model.ArchARM64}, {"arm64.efi", model.ArchARM64}, {"ia32.efi", model.ArchIA32},
	{"riscv64.efi", model.ArchRISCV64}, {"loongarch64.efi", model.ArchLoongArch64}, {"bootarm.efi", model.ArchARM32},
	{"grubarm.efi", model.ArchARM32}, {".kpxe", model.ArchBIOS}, {".kkpxe", model.ArchBIOS}, {".kkkpxe", model.ArchBIOS},
	{"pxelinux.0", model.ArchBIOS}, {".n12", model.ArchBIOS}, {"wdsnbp.com", model.ArchBIOS}, {".pxe", model.ArchBIOS},
}

// Nearest gives at most three of the names that resemble one, the most like it
// first: the same base name elsewhere, or one that differs by little.
func Nearest(name string, have []string) []string {
	type scored struct {
		name string
		far  int
	}
	want := clean(name)
	base := path.Base(want)
	var all []scored
	for _, h := range have {
		c := clean(h)
		far := distance(base, path.Base(c))
		if far > 1+len(base)/4 {
			continue
		}
		all = append(all, scored{h, far*8 + min(7, distance(path.Dir(want), path.Dir(c)))})
	}
	slices.SortStableFunc(all, func(a, b scored) int { return a.far - b.far })
	var names []string
	for _, s := range all {
		if len(names) == 3 {
			break
		}
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// distance is Levenshtein's, of texts of up to 255 octets.
func distance(a, b string) int {
	a, b = a[:min(len(a), 255)], b[:min(len(b), 255)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
