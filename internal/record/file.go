package record

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// clean is a name as it can be compared: slashes, no leading ones, lower case.
func clean(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	return strings.ToLower(strings.TrimLeft(name, "/"))
}

// rolePatterns tell what a file is for by its base name, in lower case; the
// first that matches counts.
var rolePatterns = []struct {
	role  model.FileRole
	match *regexp.Regexp
}{
	{model.RoleConfig, regexp.MustCompile(`^(.*\.ipxe|grub\.cfg.*|.*\.uimg|extlinux\.conf|bcd|bootptab|config\.txt|cmdline\.txt)$`)},
	{model.RoleAnswer, regexp.MustCompile(`^((user|meta|vendor)-data|network-config|ks(-.*)?\.cfg|.*\.ks|preseed.*|.*\.seed|.*autoinst\.xml|.*unattend\.xml|.*\.ign|(in)?release(\.gpg)?|packages(\.gz|\.xz)?|.*\.u?deb|.*\.rpm|repomd\.xml|\.treeinfo|.*\.squashfs|squashfs\.img|stage2\.img|install\.img|install\.wim|install\.esd|.*\.apk|apkindex.*|.*\.apkovl.*|machineconfig.*)$`)},
	{model.RoleLoader, regexp.MustCompile(`^(.*\.(efi|kpxe|kkpxe|pxe|kkkpxe|lkrn|n12|com|c32|0|mod|bin|elf)|bootmgr(\.exe)?|wimboot.*|memdisk|start.*\.elf|bootcode\.bin)$`)},
	{model.RoleInitrd, regexp.MustCompile(`^(initrd.*|initramfs.*|.*\.wim|.*\.sdi|.*\.cpio(\..*)?|modloop.*|root\.img(\..*)?|.*-initrd.*)$`)},
	{model.RoleKernel, regexp.MustCompile(`^(vmlinu[xz].*|linux.*|bzimage.*|kernel.*|z?image(\.gz)?|.*-kernel.*|.*-vmlinuz.*|memtest.*|xen(\.gz)?)$`)},
	{model.RoleDisk, regexp.MustCompile(`^(.*\.iso|.*\.img|.*\.vhdx?)$`)},
}

// RoleOf tells from its name what a file is for.
func RoleOf(name string) model.FileRole {
	n := clean(name)
	base := path.Base(n)
	if path.Base(path.Dir(n)) == "pxelinux.cfg" {
		return model.RoleConfig
	}
	for _, p := range rolePatterns {
		if p.match.MatchString(base) {
			return p.role
		}
	}
	return model.RoleOther
}

// searches are names that loaders try and that need not exist.
var searches = []struct {
	who   string
	match *regexp.Regexp
}{
	{"shim looks for newer lists and certificates beside itself", regexp.MustCompile(`(^|/)(revocations(_[a-z]+)?|shim_certificate(_\d+)?)\.efi$`)},
	{"GRUB looks for lists of modules, fonts and translations that are built in or not needed", regexp.MustCompile(`(^|/)([a-z0-9_]+-(efi|pc|emu|ieee1275)/[^/]*\.lst|grubenv|[^/]*\.pf2|[^/]*\.mo)$|(^|/)locale/`)},
	{"GRUB looks for a configuration by MAC and address before the common one", regexp.MustCompile(`(^|/)grub\.cfg-(01-[0-9a-f-]+|[0-9a-f]{1,8})$`)},
	{"pxelinux and U-Boot look for a configuration by UUID, MAC and address before the common one", regexp.MustCompile(`(^|/)pxelinux\.cfg/([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{2}-[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{1,8}|default-[a-z0-9_-]+)$`)},
	{"iPXE looks for a script beside itself", regexp.MustCompile(`(^|/)autoexec\.ipxe$`)},
	{"U-Boot looks for scripts and device trees", regexp.MustCompile(`(^|/)(boot\.scr(\.uimg)?|dtbs?/?|[^/]*\.dtb|uenv\.txt|extlinux/extlinux\.conf)$`)},
	{"a Raspberry Pi looks in a folder with its serial number first, and for optional parts", regexp.MustCompile(`^[0-9a-f]{8}/|(^|/)(recovery\d?\.elf|bootsig\.bin|pieeprom\.(sig|upd)|recover\w*\.\w+|timeout\.txt|autoboot\.txt|overlays/.*|boot\.sig|bcm27[^/]*)$`)},
	{"Windows' boot manager looks for fonts, languages and policies", regexp.MustCompile(`(^|/)(fonts|resources|[a-z]{2,3}-[a-z]{2,4})/|(^|/)([^/]*\.(mui|ttf|p7b|stl)|bootres\.dll|hiberfil\.sys)$`)},
}

// HarmlessSearch says who asks for a name that need not exist, and why; ok is
// false for a name that somebody needs.
func HarmlessSearch(name string) (who string, ok bool) {
	n := clean(name)
	for _, s := range searches {
		if s.match.MatchString(n) {
			return s.who, true
		}
	}
	return "", false
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

// ArchOf is the architecture that a name of hobnail's was meant for.
func ArchOf(name string) model.Arch {
	p, ok := model.ParseBootPath(clean(name))
	if !ok {
		return ""
	}
	return p.Arch
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
