package image

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// debianInstaller puts the netboot installer of the host in the place of the
// image's, which looks for a disc, and makes the image its mirror where it is
// one.
func debianInstaller(t *tree, f *Found) {
	info := t.line(".disk/info")
	release, _, _ := strings.Cut(f.Version, ".")
	if release == "" {
		release = debianReleases()[debianName(info)]
	}
	if release == "" {
		f.Way, f.Loaders, f.SecureBoot, f.Install, f.Answer = WaySANBoot, slices.Clone(httpLoaders), asDisk, "", AnswerNone
		f.warn("which release it is cannot be told, so neither which installer of this host fits")
		return
	}
	arch := debianArch(f.CPU)
	f.Package = fmt.Sprintf("debian-installer-%s-netboot-%s", release, arch)
	dir := fmt.Sprintf("/usr/lib/debian-installer/images/%s/%s/text/debian-installer/%s/", release, arch, arch)
	f.Kernel, f.Initrd = dir+"linux", []string{dir + "initrd.gz"}
	netinst := strings.Contains(info, "NETINST") || strings.Contains(info, "BUSINESSCARD")
	if f.Title != "" {
		f.Title += map[bool]string{true: " netinst", false: " installer"}[netinst]
	}
	var words []string
	if f.CPU == model.CPUX64 || f.CPU == model.CPUIA32 {
		words = append(words, pcConsoles)
	}
	if netinst {
		f.warn("it has no packages beyond the base: the person at the console or the answer file names a mirror")
	} else {
		words = append(words, debianMirror(t, info, f)...)
	}
	f.warn("the package %s has to be installed on this host", f.Package)
	f.Cmdline = strings.Join(words, " ")
	f.Install = strings.Join(append(words, f.Install), " ")
}

// debianMirror are the words that make the image the installer's mirror.
// Release files on discs carry no signature (debian-cd writes none), and what
// is not signed the installer takes only when told to.
func debianMirror(t *tree, info string, f *Found) []string {
	words := []string{
		"mirror/country=manual", "mirror/protocol=http",
		`mirror/http/hostname={{replace "http://" "" .Server.URL}}`, "mirror/http/directory=/iso/{{.Image.Name}}", "mirror/http/proxy=",
	}
	if suite := debianSuite(t, info); suite != "" {
		words = append(words, "mirror/suite="+suite)
		if !t.has("dists/"+suite+"/Release.gpg", "dists/"+suite+"/InRelease") {
			words = append(words, "debian-installer/allow_unauthenticated=true")
			f.warn("its list of packages is not signed, as on all of Debian's discs: the installer believes whoever answers as this server")
		}
	}
	f.warn("the image and %s have to be of the same point release, or the installer finds no kernel modules", f.Package)
	return words
}

// debianSuite is the release's code name: the folder under dists that the
// image names itself by.
func debianSuite(t *tree, info string) string {
	name := debianName(info)
	if !isPlain(name) {
		return ""
	}
	if info, err := fs.Stat(t.fsys, "dists/"+name); err != nil || !info.IsDir() {
		return ""
	}
	return name
}

// debianName is the code name between quotes, in small letters.
func debianName(info string) string {
	_, rest, _ := strings.Cut(info, `"`)
	name, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return ""
	}
	return strings.ToLower(name)
}

// debianReleases are the numbers of releases that snapshots do not name.
func debianReleases() map[string]string {
	return map[string]string{"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15"}
}

// debianArch is debianCPU backwards.
func debianArch(cpu model.CPU) string {
	for _, arch := range []string{"amd64", "i386", "arm64", "armhf", "riscv64", "loong64", "ppc64el", "s390x"} {
		if c, _ := debianCPU(arch); c == cpu {
			return arch
		}
	}
	return "amd64"
}

// casperDesktop: installers from 23.04 on take an answer file; Pop!_OS names
// its folder after the release.
func casperDesktop(t *tree, f *Found) {
	if !t.has("casper/install-sources.yaml") {
		f.Install, f.Answer = "", AnswerNone
	}
	if dir := path.Dir(f.Kernel); !strings.EqualFold(dir, "casper") {
		f.Cmdline += " live-media-path=/" + dir
		if f.Install != "" {
			f.Install += " live-media-path=/" + dir
		}
	}
}

// pairInitrd takes the RAM disk whose version is the kernel's, where there are
// several.
func pairInitrd(t *tree, f *Found) {
	_, version, ok := strings.Cut(path.Base(f.Kernel), "-")
	if !ok {
		return
	}
	if initrd, ok := t.find("live/initrd.img-"+version, "live/initrd-"+version+".img", "live/initrd-"+version); ok {
		f.Initrd = []string{initrd}
	}
}

// liveTitle: .disk/info where there is one, else the label.
func liveTitle(t *tree) (string, string) {
	if title, version := discTitle(t); title != "" {
		return title, version
	}
	return labelTitle(t)
}

// coreosTitle tells the two by their label: fedora-coreos-40.20240728.3.0,
// rhcos-416.94.202406251923-0.
func coreosTitle(t *tree) (string, string) {
	if title, version := fromLabel("Fedora CoreOS", `fedora-coreos-([0-9.]+)`)(t); version != "" {
		return title, version
	}
	if title, version := fromLabel("RHEL CoreOS", `rhcos-([0-9.]+)`)(t); version != "" {
		return title, version
	}
	return labelTitle(t)
}

// agamaTitle: Install-SLES-x86_64, Install-openSUSE-Leap-x86_64.
func agamaTitle(t *tree) (string, string) {
	title, version := labelTitle(t)
	if product, ok := strings.CutPrefix(title, "Install "); ok {
		for _, arch := range []string{" x86_64", " aarch64", " ppc64le", " s390x"} {
			product = strings.TrimSuffix(product, arch)
		}
		return product + " installer", version
	}
	return title, version
}

func harvesterTitle(t *tree) (string, string) {
	for line := range strings.SplitSeq(t.read("harvester-release.yaml"), "\n") {
		if v, ok := strings.CutPrefix(clean(line), "harvester: "); ok {
			v = strings.Trim(v, `"'`)
			return "Harvester " + v, strings.TrimPrefix(number.FindString(v), "v")
		}
	}
	return "Harvester", ""
}

func windowsTitle(name string) func(*tree) (string, string) {
	name = shortName(name)
	return func(t *tree) (string, string) {
		if t.label == "" {
			return name, ""
		}
		return name + " (" + t.label + ")", ""
	}
}

// proxmox installs hands free only where proxmox-auto-install-assistant has
// prepared the image: the installer reads auto-installer-mode.toml on it to
// know where the answer is, and nothing on the command line.
func proxmox(t *tree, f *Found) {
	if t.has("auto-installer-mode.toml") {
		f.Install = f.Cmdline + " proxmox-start-auto-installer"
		f.warn("the address of the answer is the one that the image was prepared with, not one of each install")
	} else {
		f.Answer = AnswerNone
		f.warn("to install hands free, prepare it with proxmox-auto-install-assistant prepare-iso --fetch-from http")
	}
	f.warn(bigInitrd)
}

func alpine(t *tree, f *Found) {
	if t.has("apks/*/APKINDEX.tar.gz") {
		if !strings.Contains(f.Kernel, "-virt") {
			f.warn("its RAM disk has drivers for virtio network cards alone: for machines, add the files of Alpine's netboot archive as a folder")
		}
		return
	}
	f.warn("it has no packages: the command line needs alpine_repo= with the address of a mirror")
}

// word is a kernel parameter that every loader hands on as it is.
var word = regexp.MustCompile(`^[A-Za-z0-9_.-]+(=[A-Za-z0-9_.,=/:+-]*)?$`)

// nixosNetboot takes the kernel's parameters from the script that lies beside
// it: init= names a path that no two builds share.
func nixosNetboot(t *tree, f *Found) {
	for line := range strings.SplitSeq(t.read("netboot.ipxe"), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "kernel" {
			continue
		}
		var kept []string
		for _, w := range words[2:] {
			if word.MatchString(w) && !strings.HasPrefix(w, "initrd=") && len(kept) < 32 && len(w) < 256 {
				kept = append(kept, w)
			}
		}
		f.Cmdline = strings.Join(kept, " ")
		return
	}
}
