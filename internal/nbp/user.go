package nbp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// maxUserFile is more than any boot program has: the largest known, GRUB with
// everything inside, have 5 MB.
const maxUserFile = 32 << 20

// Fault is a file or folder of the user's that is not served.
type Fault struct {
	Path    string     `json:"path"`              // as the user would type it
	Arch    model.Arch `json:"arch,omitempty"`    // that of the folder; empty if the folder names none
	Machine string     `json:"machine,omitempty"` // what the file is built for; empty if that cannot be told
	Text    string     `json:"text"`              // the rest of the sentence that begins with Path
}

func (f Fault) String() string { return f.Path + " " + f.Text }

// loadUser reads dir/ARCHITECTURE/FILE. Hidden files are passed over in
// silence. The folder is opened as an os.Root: no symbolic link leads out.
func loadUser(dir string) (*userFolder, error) {
	u := &userFolder{dir: dir, windows: map[model.Arch]map[string]string{}}
	if dir == "" {
		return u, nil
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading boot programs in %s: %v", dir, err)
	}
	defer root.Close()
	folders, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading boot programs in %s: %v", dir, err)
	}
	u.root = root
	for _, folder := range folders {
		if !strings.HasPrefix(folder.Name(), ".") {
			u.loadArch(folder.Name())
		}
	}
	return u, nil
}

// userFolder collects what is found while the folder is read.
type userFolder struct {
	root    *os.Root
	dir     string
	items   []item
	windows map[model.Arch]map[string]string // as Inventory.Windows
	faults  []Fault
}

func (u *userFolder) fault(f Fault, name ...string) {
	f.Path = filepath.Join(append([]string{u.dir}, name...)...)
	u.faults = append(u.faults, f)
}

// loadArch reads one architecture's folder.
func (u *userFolder) loadArch(folder string) {
	a := model.Arch(folder)
	if !slices.Contains(model.Archs(), a) {
		u.fault(Fault{Text: "is not named for an architecture; allowed are " + archNames()}, folder)
		return
	}
	files, err := fs.ReadDir(u.root.FS(), folder)
	if err != nil {
		u.fault(Fault{Arch: a, Text: fmt.Sprintf("cannot be read: %v", err)}, folder)
		return
	}
	anyCase := slices.ContainsFunc(files, func(f fs.DirEntry) bool { return startsWindows(f.Name()) })
	seen := sameToWindows{}
	for _, file := range files {
		if strings.HasPrefix(file.Name(), ".") {
			continue
		}
		if anyCase && file.IsDir() {
			u.loadTree(a, file.Name(), seen)
			continue
		}
		it, err := u.load(a, file.Name())
		if err == nil && anyCase {
			it.anyCase = true
			if other := seen.add(file.Name()); other != "" {
				err = errors.New(twice(other))
			}
		}
		if err != nil {
			u.fault(Fault{Arch: a, Machine: it.Machine, Text: err.Error()}, folder, file.Name())
			continue
		}
		u.items = append(u.items, it)
	}
}

// load reads and judges one file. The error ends a sentence that begins with
// the file's path.
func (u *userFolder) load(a model.Arch, file string) (item, error) {
	if !servable(file) {
		return item{}, errors.New("has a name that firmware cannot ask for; use letters, digits and -._+")
	}
	name := filepath.Join(string(a), file)
	info, err := u.root.Stat(name)
	switch {
	case err != nil:
		// os.Root says "path escapes from parent" of a link that leads out.
		return item{}, fmt.Errorf("cannot be read: %v", err)
	case info.IsDir():
		return item{}, fmt.Errorf("is a folder; boot programs lie in %s itself", a)
	case !info.Mode().IsRegular():
		return item{}, errors.New("is not a regular file")
	case info.Size() > maxUserFile:
		return item{}, fmt.Errorf("has %d MiB, too much for a boot program (at most %d MiB)", info.Size()>>20, maxUserFile>>20)
	}
	b, err := u.root.ReadFile(name)
	if err != nil {
		return item{}, fmt.Errorf("cannot be read: %v", err)
	}
	p, err := describe(a, file, b)
	p.Source = filepath.Join(u.dir, name)
	return item{
		Program: p,
		user:    true,
		modTime: info.ModTime(),
		content: func() ([]byte, error) { return b, nil },
	}, err
}

// servable reports whether a name can stand in a DHCP reply and a URL as it
// is.
func servable(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._+", c) >= 0:
		default:
			return false
		}
	}
	return len(name) <= 64
}

func archNames() string {
	var names []string
	for _, a := range model.Archs() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}
