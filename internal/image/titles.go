package image

import (
	"regexp"
	"strings"

	"hobnail/internal/treeinfo"
)

// number is a version as systems write it: 24.04.1, 41, 8.2-1, 20240801.
var number = regexp.MustCompile(`[0-9]+([.-][0-9]+)*`)

// versionIn is the first word of a text that begins with a digit, as far as it
// is a version.
func versionIn(text string) string {
	for w := range strings.FieldsSeq(text) {
		if w = strings.TrimPrefix(w, "v"); w != "" && w[0] >= '0' && w[0] <= '9' {
			return number.FindString(w)
		}
	}
	return ""
}

// discTitle reads .disk/info of Debian and its kin:
//
//	Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27
//	Official Debian GNU/Linux Live 12.5.0 gnome 2024-02-10T11:07:25Z
//	Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)
func discTitle(t *tree) (title, version string) {
	title = strings.TrimPrefix(t.line(".disk/info"), "Official ")
	for _, end := range []string{` "`, " - ", " _"} {
		title, _, _ = strings.Cut(title, end)
	}
	words := strings.Fields(title)
	if n := len(words); n > 0 && date.MatchString(words[n-1]) {
		words = words[:n-1]
	}
	title = strings.Join(words, " ")
	if rest, ok := strings.CutPrefix(title, "Ubuntu-Server "); ok {
		title = "Ubuntu Server " + rest
	}
	return title, versionIn(title)
}

var date = regexp.MustCompile(`^20[0-9]{2}-?[0-9]{2}-?[0-9]{2}`)

// treeTitle reads .treeinfo, and .discinfo where that does not say: time,
// release, architecture, a line each.
func treeTitle(t *tree) (title, version string) {
	info := treeinfo.Parse([]byte(t.read(".treeinfo")))
	first := func(keys ...string) string {
		for _, k := range keys {
			section, key, _ := strings.Cut(k, " ")
			if v := clean(info.Get(section, key)); v != "" {
				return v
			}
		}
		return ""
	}
	version = first("release version", "general version")
	title = first("general name", "release name", "general family")
	if title == "" {
		if lines := strings.Split(t.read(".discinfo"), "\n"); len(lines) > 1 {
			version = number.FindString(clean(lines[1]))
		}
		title, _ = labelTitle(t)
		return title, version
	}
	if version != "" && !strings.Contains(title, version) {
		title += " " + version
	}
	if version == "" {
		version = versionIn(title)
	}
	return title, version
}

// fromFile makes a title of a name and the version in a small file.
func fromFile(name string, patterns ...string) func(*tree) (string, string) {
	return func(t *tree) (string, string) {
		version := number.FindString(t.line(patterns...))
		return strings.TrimSpace(name + " " + version), version
	}
}

// fromLabel makes a title of a name and the version in the volume's label.
// What follows the version there is a date or an edition.
func fromLabel(name, pattern string) func(*tree) (string, string) {
	find := regexp.MustCompile("(?i)" + pattern)
	return func(t *tree) (string, string) {
		if m := find.FindStringSubmatch(t.label); m != nil {
			version := strings.ReplaceAll(m[1], "_", ".")
			return name + " " + version, version
		}
		return name, ""
	}
}

// shortName is what stands before the details in a row's name.
func shortName(name string) string {
	for _, end := range []string{",", " and ", ":", " ("} {
		name, _, _ = strings.Cut(name, end)
	}
	return name
}

// labelTitle takes the label for a title, with spaces for what labels have
// instead of them.
func labelTitle(t *tree) (string, string) {
	title := strings.NewReplacer("_", " ", "-", " ").Replace(t.label)
	title = clean(strings.ReplaceAll(title, "x86 64", "x86_64"))
	return title, versionIn(title)
}

// suseTitle reads media.1/products, "/ openSUSE-Leap 15.6-1", of the first
// product.
func suseTitle(t *tree) (string, string) {
	words := strings.Fields(t.line("media.1/products"))
	if len(words) < 3 {
		return "", ""
	}
	version, _, _ := strings.Cut(words[2], "-")
	version = number.FindString(version)
	return strings.TrimSpace(strings.ReplaceAll(words[1], "-", " ") + " " + version), version
}

// proxmoxTitle reads .cd-info, which .disk/info repeats from 8 on:
// PRODUCTLONG='Proxmox VE', RELEASE='8.2', ISORELEASE='1'.
func proxmoxTitle(t *tree) (string, string) {
	values := map[string]string{}
	for line := range strings.SplitSeq(t.read(".cd-info", ".disk/info"), "\n") {
		if key, value, ok := strings.Cut(clean(line), "="); ok {
			values[key] = strings.Trim(value, `'"`)
		}
	}
	title, version := values["PRODUCTLONG"], values["RELEASE"]
	if title == "" {
		title = "Proxmox"
	}
	if iso := values["ISORELEASE"]; iso != "" && version != "" {
		version += "-" + iso
	}
	return clean(title + " " + version), clean(version)
}

// esxiTitle reads boot.cfg: title=Loading ESXi installer, build=8.0.2-0.0.22380479.
func esxiTitle(t *tree) (string, string) {
	for line := range strings.SplitSeq(t.read("boot.cfg"), "\n") {
		if build, ok := strings.CutPrefix(clean(line), "build="); ok {
			version, _, _ := strings.Cut(build, "-")
			return clean("VMware ESXi " + build), number.FindString(version)
		}
	}
	return fromLabel("VMware ESXi", `^ESXI-([0-9.]+)`)(t)
}
