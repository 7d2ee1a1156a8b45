package image

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/treeinfo"
)

// Recognise says what an image is, by marker files and their contents, and how
// it starts. fsys is its file system: an ISO's, a folder, or a folder with one
// file; label is the volume's name, empty where it has none. The rows of the
// table are tried in order and the first that fits counts; what fits none is
// row "other", started as a whole. No more is read than names and the
// beginnings of small files.
//
// An error means that fsys cannot be read at all.
func Recognise(fsys fs.FS, label string) (Found, error) {
	if _, err := fs.Stat(fsys, "."); err != nil {
		return Found{}, fmt.Errorf("recognising an image: %v", err)
	}
	t := newTree(fsys, label)
	for _, r := range rows() {
		if f, ok := r.fit(t); ok {
			return f, nil
		}
	}
	return Found{}, fmt.Errorf("recognising an image: no row of the table fits")
}

// row is one system: data, but for title and more.
type row struct {
	system string // Found.System
	name   string // for people, in docs/images.md

	// clues are what the image must say or be called, each of them.
	clues []clue
	// files are looked for in this order; one that is not there, and is not
	// optional, means that the row does not fit.
	files []file

	// cmdline and install are Found's, with <name> for the path of a file and
	// <name/> for its folder. A word that names a file which is not there is
	// left out, and so is what follows <name?> in a word.
	cmdline, install string

	answer     Answer
	way, bios  Way
	loaders    []Loader
	firmware   []model.Firmware
	cpu        model.CPU // where nothing in the image says so
	isoInitrd  bool
	secureBoot string
	needs      string
	warnings   []string
	tried      Tried

	title func(*tree) (title, version string) // what the image calls itself; empty: the short form of name
	more  func(*tree, *Found)                 // what a table cannot say
}

// clue is a text that must be in a file or, where file is empty, in the
// volume's label: one of several, in any case.
type clue struct {
	file []string // patterns
	says []string
}

func (c clue) holds(t *tree) bool {
	text := t.label
	if c.file != nil {
		text = t.read(c.file...)
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc(c.says, func(s string) bool { return strings.Contains(text, strings.ToLower(s)) })
}

// file is one that a row looks for. as is kernel, initrd, efi, wim or install
// for the fields of Found; any other name is one for the command line, and
// empty for a mere marker.
type file struct {
	as       string
	patterns []string
	optional bool
}

func need(as string, patterns ...string) file  { return file{as, patterns, false} }
func maybe(as string, patterns ...string) file { return file{as, patterns, true} }

// fit gives what the image is if the row is its row.
func (r row) fit(t *tree) (Found, bool) {
	for _, c := range r.clues {
		if !c.holds(t) {
			return Found{}, false
		}
	}
	f := Found{
		System: r.system, Answer: r.answer, ISOInitrd: r.isoInitrd,
		Way: r.way, BIOS: r.bios,
		Loaders: slices.Clone(r.loaders), Firmware: slices.Clone(r.firmware),
		SecureBoot: r.secureBoot, Needs: r.needs, Warnings: slices.Clone(r.warnings), Tried: r.tried,
	}
	paths := map[string]string{}
	for _, want := range r.files {
		name, ok := t.find(want.patterns...)
		if !ok && !want.optional {
			return Found{}, false
		}
		if ok {
			paths[want.as] = name
			f.set(want.as, name)
		}
	}
	f.Cmdline, f.Install = fill(r.cmdline, paths), fill(r.install, paths)
	if r.title != nil {
		f.Title, f.Version = r.title(t)
	}
	if f.Title == "" {
		f.Title = shortName(r.name)
	}
	if f.CPU = cpu(t, f); f.CPU == "" {
		f.CPU = r.cpu
	}
	if r.more != nil {
		r.more(t, &f)
	}
	return f, true
}

func (f *Found) set(as, name string) {
	switch as {
	case "kernel":
		f.Kernel = name
	case "initrd":
		f.Initrd = append(f.Initrd, name)
	case "efi":
		f.EFI = name
	case "wim":
		f.WIM = name
	case "install":
		f.InstallImage = name
	}
}

func (f *Found) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}

// holes are what fill fills: <name>, <name/>, <name?>.
var holes = regexp.MustCompile(`<([a-z]+)([/?]?)>`)

// fill puts the paths of files into a row's command line.
func fill(cmdline string, paths map[string]string) string {
	words := strings.Split(cmdline, " ")
	kept := words[:0]
	for _, w := range words {
		there := true
		w = holes.ReplaceAllStringFunc(w, func(hole string) string {
			m := holes.FindStringSubmatch(hole)
			p, ok := paths[m[1]]
			there = there && ok
			switch m[2] {
			case "/":
				return path.Dir(p)
			case "?":
				return ""
			}
			return p
		})
		if there {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// cpus are the names of processor families in texts and paths. Longer names
// come before those that they hold.
var cpus = []struct {
	name string
	cpu  model.CPU
}{
	{"amd64", model.CPUX64}, {"x86_64", model.CPUX64}, {"x86-64", model.CPUX64}, {"x64", model.CPUX64},
	{"arm64", model.CPUARM64}, {"aarch64", model.CPUARM64},
	{"armhf", model.CPUARM32}, {"armv7", model.CPUARM32},
	{"riscv64", model.CPURISCV64}, {"loongarch64", model.CPULoongArch64}, {"loong64", model.CPULoongArch64},
	{"ppc64", model.CPUPower}, {"s390x", model.CPUS390},
	{"i386", model.CPUIA32}, {"i486", model.CPUIA32}, {"i586", model.CPUIA32}, {"i686", model.CPUIA32},
	{"ia32", model.CPUIA32}, {"x86", model.CPUIA32},
}

// removable are the names that UEFI gives to what it starts from a removable
// medium (UEFI 2.10 section 3.5.1.1).
var removable = []struct {
	name string
	cpu  model.CPU
}{
	{"bootx64.efi", model.CPUX64}, {"bootaa64.efi", model.CPUARM64}, {"bootia32.efi", model.CPUIA32},
	{"bootarm.efi", model.CPUARM32}, {"bootriscv64.efi", model.CPURISCV64}, {"bootloongarch64.efi", model.CPULoongArch64},
}

// cpu is the processor family that an image is for: by what it says of itself,
// by the names of its kernel and volume, by its program for UEFI.
func cpu(t *tree, f Found) model.CPU {
	info := treeinfo.Parse([]byte(t.read(".treeinfo")))
	disc := strings.Split(t.read(".discinfo"), "\n")
	arch := ""
	if len(disc) > 2 {
		arch = disc[2]
	}
	for _, text := range []string{info.Get("general", "arch"), arch, t.line(".disk/info"), f.Kernel, f.EFI, t.label, f.Title} {
		if c, ok := cpuIn(text); ok {
			return c
		}
	}
	for _, r := range removable {
		if t.has("EFI/BOOT/" + r.name) {
			return r.cpu
		}
	}
	return ""
}

// cpuIn finds the name of a processor family in a text, as a part of its own:
// the first in the text, the longest of those that begin there.
func cpuIn(text string) (model.CPU, bool) {
	text = strings.ToLower(text)
	best, at := model.CPU(""), len(text)
	for _, c := range cpus {
		if i := strings.Index(text, c.name); i >= 0 && i < at && !isLetter(text, i-1) {
			best, at = c.cpu, i
		}
	}
	return best, best != ""
}

func isLetter(s string, i int) bool { return i >= 0 && i < len(s) && s[i] >= 'a' && s[i] <= 'z' }
