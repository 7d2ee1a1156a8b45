// Package image knows what can be booted: it finds installers on this host,
// says what an ISO or a folder holds and how that starts, and gives files the
// names under which clients ask for them. It reads the beginnings of small
// files, unpacks nothing, and serves nothing.
package image

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Prefix begins the names of all image files in the boot-file tree.
const Prefix = "img/"

// FileRef is one file of an image.
type FileRef struct {
	Name string // in the boot-file tree, "img/debian-12/linux"
	Path string // absolute local path, or http(s) URL
	// Inside is where the file lies in the volume that Path is; empty where Path
	// is the file itself.
	Inside string
	// Member is the name of the volume in the cpio archive that the file is;
	// empty where it is none.
	Member string
}

// VolumeName is the name of an image's volume in the tree, and VolumePrefix
// begins those of the files inside: "iso/ubuntu.iso", "iso/ubuntu/casper/vmlinuz".
func VolumeName(image string) string { return VolumePrefix + image + ".iso" }

// VolumePrefix begins the names of volumes.
const VolumePrefix = "iso/"

// Files lists the kernel, then the initial RAM disks in order. A name is made
// of the last part of its path or URL, in letters, digits and ._+~- only, for
// not every loader takes others; where two would be alike (initrd.gz of two
// folders), the later one gets its position in front.
//
// Those of another start under BIOS come last, where they are others.
func Files(img model.Image) []FileRef {
	refs := filesOf(img)
	if img.BIOS == nil {
		return refs
	}
	other, _ := img.On(model.ArchBIOS)
	for _, f := range filesOf(other) {
		if !slices.Contains(refs, f) {
			refs = append(refs, f)
		}
	}
	return refs
}

// filesOf is Files of one start.
func filesOf(img model.Image) []FileRef {
	paths := append([]string{img.Kernel}, img.Initrd...)
	refs := make([]FileRef, len(paths))
	taken := map[string]bool{}
	for i, p := range paths {
		refs[i] = FileRef{Path: p}
		inside, isInside := strings.CutPrefix(p, model.Inside)
		switch member, packed := strings.CutPrefix(p, model.Packed); {
		case isInside && inside == "":
			refs[i] = FileRef{Name: VolumeName(img.Name), Path: img.Volume}
			continue
		case isInside && img.Way == model.WayESXi:
			// It looks beside itself for more.
			refs[i] = FileRef{Name: VolumePrefix + img.Name + "/" + inside, Path: img.Volume, Inside: inside}
			continue
		case isInside:
			refs[i].Path, refs[i].Inside, p = img.Volume, inside, inside
		case packed:
			refs[i].Path, refs[i].Member, p = img.Volume, member, member
		}
		name := baseName(p)
		for taken[name] {
			name = fmt.Sprintf("%d-%s", i, name)
		}
		taken[name] = true
		refs[i].Name = Prefix + img.Name + "/" + name
	}
	return refs
}

// Names gives the names of the kernel and of the initial RAM disks. Of an
// image that starts otherwise under BIOS, model.Image.On gives whose.
func Names(img model.Image) (kernel string, initrd []string) {
	files := filesOf(img)
	for _, f := range files[1:] {
		initrd = append(initrd, f.Name)
	}
	return files[0].Name, initrd
}

// baseName is the last part of a path or URL, or "file" if that is none.
func baseName(p string) string {
	if _, rest, ok := strings.Cut(p, "://"); ok {
		if i := strings.IndexAny(rest, "?#"); i >= 0 {
			rest = rest[:i]
		}
		_, p, _ = strings.Cut(rest, "/") // without the host
	}
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._+~-", r):
			return r
		}
		return '_'
	}, path.Base(p))
	if strings.Trim(base, "._") == "" {
		return "file"
	}
	return base
}
