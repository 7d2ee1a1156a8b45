package library

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// maxName is the length of an image's name, as the configuration has it.
const maxName = 63

// CheckName reports what is no image's name, by the rules that the
// configuration has for its own.
func CheckName(name string) error {
	if slices.Contains([]string{"menu", "local", "deny", "approve", "off"}, name) {
		return fmt.Errorf("%q is a word of the configuration; give the image another name", name)
	}
	bad := strings.IndexFunc(name, func(r rune) bool { return !inName(r) })
	if name == "" || len(name) > maxName || bad >= 0 || strings.IndexByte("._-", name[0]) >= 0 {
		return fmt.Errorf("%.80q is not an image's name; allowed are lower-case letters and digits, after the first also '.', '_' and '-', up to %d", name, maxName)
	}
	return nil
}

func inName(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
}

// extensions end the names of files that a folder is searched for.
func extensions() []string { return []string{".iso", ".wim", ".esd", ".img", ".raw"} }

// IsImageFile reports whether a file of that name is taken out of a folder: its
// extension is an image's, and it is neither hidden nor one that is still being
// written by those who write under another name first.
func IsImageFile(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "~") &&
		slices.Contains(extensions(), strings.ToLower(filepath.Ext(name)))
}

// nameOf makes an image's name out of a file's.
func nameOf(file string) string {
	base := filepath.Base(file)
	if ext := filepath.Ext(base); slices.Contains(extensions(), strings.ToLower(ext)) {
		base = strings.TrimSuffix(base, ext)
	}
	base = strings.Map(func(r rune) rune {
		if r = unicode.ToLower(r); inName(r) {
			return r
		}
		return '-'
	}, base)
	for strings.Contains(base, "--") {
		base = strings.ReplaceAll(base, "--", "-")
	}
	base = strings.Trim(base, "._-")
	base = strings.TrimRight(base[:min(len(base), maxName)], "._-")
	if CheckName(base) != nil {
		base = strings.Trim("image-"+base, "-")
	}
	return base
}

// unique gives a name that is not taken: with "-2" behind it, "-3" and so on.
func unique(name string, taken func(string) bool) string {
	for n, try := 2, name; ; n++ {
		if !taken(try) {
			return try
		}
		end := fmt.Sprintf("-%d", n)
		try = strings.TrimRight(name[:min(len(name), maxName-len(end))], "._-") + end
	}
}

// maxFileName is how long a downloaded file's name gets, in octets: file
// systems allow 255, and a part has more in front.
const maxFileName = 180

// fileNameOf is what a download is kept under: the last part of its URL, made
// harmless.
func fileNameOf(u *url.URL) string {
	base := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, path.Base("/"+u.Path))
	base = strings.TrimLeft(base, ".~ ")
	if ext := path.Ext(base); len(base) > maxFileName {
		if len(ext) > 10 {
			ext = ""
		}
		base = strings.ToValidUTF8(base[:maxFileName-len(ext)], "") + ext
	}
	if strings.Trim(base, "_") == "" {
		return "image"
	}
	return base
}
