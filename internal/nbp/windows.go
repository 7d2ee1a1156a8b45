package nbp

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// startsWindows reports whether a file is a boot manager of Windows, by its
// name. These ask for whatever lies beside them as Windows spells names: with
// backslashes, and in any case (\Boot\BCD, boot\bcd, /boot\x64/BCD).
func startsWindows(file string) bool {
	return slices.Contains([]string{
		"bootmgfw.efi", "bootmgfw_ex.efi", "bootmgr.efi", "bootmgr.exe",
		"wdsmgfw.efi", "wdsnbp.com", "pxeboot.com", "pxeboot.n12",
	}, strings.ToLower(file))
}

// sameToWindows remembers names that Windows does not tell apart.
type sameToWindows map[string]string

// add gives the name that was added before and differs only in case; "" if
// there is none.
func (s sameToWindows) add(name string) (other string) {
	lower := strings.ToLower(name)
	if have, ok := s[lower]; ok {
		return have
	}
	s[lower] = name
	return ""
}

func twice(other string) string {
	return "has the same name as " + other + " but for upper and lower case, which Windows loaders do not tell apart; remove one"
}

// loadTree lists the files of a folder beside a boot manager of Windows, such
// as Boot/BCD. They are served from disk: some have gigabytes.
func (u *userFolder) loadTree(a model.Arch, folder string, seen sameToWindows) {
	walk := func(name string, d fs.DirEntry, err error) error {
		inside := strings.TrimPrefix(name, string(a)+"/")
		refuse := func(text string) error {
			u.fault(Fault{Arch: a, Text: text}, name)
			return nil
		}
		switch {
		case err != nil:
			return refuse("cannot be read: " + err.Error())
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), ".") || d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return refuse("is not a regular file")
		case slices.ContainsFunc(strings.Split(inside, "/"), func(part string) bool { return !servable(part) }):
			return refuse("has a name that is not served; use letters, digits and -._+")
		}
		if other := seen.add(inside); other != "" {
			return refuse(twice(other))
		}
		if u.windows[a] == nil {
			u.windows[a] = map[string]string{}
		}
		u.windows[a][inside] = filepath.Join(u.dir, name)
		return nil
	}
	// The function gives no error but SkipDir.
	_ = fs.WalkDir(u.root.FS(), path.Join(string(a), folder), walk)
}

// Windows gives the files that lie in folders beside a boot manager of
// Windows, by architecture: names inside the architecture's folder, such as
// Boot/BCD, to paths on this host. They are found in any case, and no two of
// an architecture differ in case alone.
func (v *Inventory) Windows() map[model.Arch]map[string]string { return v.windows }
