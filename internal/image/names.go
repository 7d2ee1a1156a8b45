// Package image knows what can be booted: it finds installers on this host and
// gives their files the names under which clients ask for them.
package image

import (
	"fmt"
	"path"
	"strings"

	"hobnail/internal/model"
)

// Prefix begins the names of all image files in the boot-file tree.
const Prefix = "img/"

// FileRef is one file of an image.
type FileRef struct {
	Name string // in the boot-file tree, "img/debian-12/linux"
	Path string // absolute local path, or http(s) URL
}

// Files lists the kernel, then the initial RAM disks in order. Names are made
// of the last part of path or URL; where two would be equal, the later one
// gets its position in front.
func Files(img model.Image) []FileRef {
	var refs []FileRef
	seen := map[string]bool{}
	for i, p := range append([]string{img.Kernel}, img.Initrd...) {
		base := baseName(p)
		if base == "" || seen[base] {
			base = fmt.Sprintf("%d-%s", i, base)
		}
		seen[base] = true
		refs = append(refs, FileRef{Name: Prefix + img.Name + "/" + base, Path: p})
	}
	return refs
}

// Names gives the names of the kernel and of the initial RAM disks.
func Names(img model.Image) (kernel string, initrd []string) {
	files := Files(img)
	for _, f := range files[1:] {
		initrd = append(initrd, f.Name)
	}
	return files[0].Name, initrd
}

// baseName is the last part of a path or URL in characters that every loader
// takes in a file name; others become "_".
func baseName(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 && strings.Contains(p, "://") {
		p = p[:i]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._+~-", r):
			return r
		}
		return '_'
	}, path.Base(p))
}
