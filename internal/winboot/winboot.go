// Package winboot knows what the boot managers of Windows ask for over the
// network, and where each of those files lies in a Windows ISO and in the
// boot.wim on it. It opens nothing.
//
// A boot manager (bootmgfw.efi under UEFI; bootmgr.exe, which pxeboot.n12
// loads, under BIOS) asks the server that it came from, by TFTP, for its boot
// configuration and then for what that names. Its names are those of a DVD:
// \Boot\BCD, \Boot\Fonts\wgl4_boot.ttf.
package winboot

import (
	"path"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Kind tells what a file is to a boot manager.
type Kind string

// Kinds, in the order in which they are asked for. Without a program, a BCD, a
// RAM disk and a WIM nothing starts; boot.stl has to be there for Windows 11
// 24H2 and later; the others may be missing.
const (
	KindProgram   Kind = "program"   // a boot manager, or what loads one
	KindBCD       Kind = "bcd"       // each machine's own; package bcd writes it
	KindFont      Kind = "font"      // for text on the screen
	KindResources Kind = "resources" // bootres.dll: pictures
	KindMessages  Kind = "messages"  // bootmgfw.efi.mui and others: texts in a language
	KindTrust     Kind = "trust"     // boot.stl: what may be started, signed
	KindSDI       Kind = "sdi"       // boot.sdi: the RAM disk that the WIM is put into
	KindWIM       Kind = "wim"       // Windows PE
)

// Thing is a file that a boot manager asks for.
type Thing struct {
	Kind     Kind
	File     string // its name without a folder, in lower case: "bcd", "wgl4_boot.ttf", "boot.wim"
	Language string // of messages, in lower case: "en-us"
}

// programs are the boot managers and what loads them.
func programs() []string {
	return []string{"bootmgfw.efi", "bootmgfw_ex.efi", "bootmgr.efi", "bootmgr.exe", "bootmgr",
		"pxeboot.n12", "pxeboot.com", "wdsmgfw.efi", "wdsnbp.com"}
}

// Clean gives a name as Windows' loaders spell it in the form of the tree:
// slashes, none at either end and none doubled, lower case, without one 0xff at
// the end, which old PXE ROMs add. It never climbs: "..\x" is "x".
func Clean(name string) string {
	name = strings.TrimSuffix(name, "\xff")
	return strings.TrimPrefix(path.Clean("/"+strings.ToLower(strings.ReplaceAll(name, `\`, "/"))), "/")
}

// Parse tells what a name asks for. The folder says little: the same file is
// asked for under \Boot, \EFI\Microsoft\Boot, the root, and each of these below
// the folder that the boot file came from. So only fonts, resources and messages
// have to be in a folder of their kind. ok is false for all that no boot
// manager asks for.
func Parse(name string) (t Thing, ok bool) {
	clean := Clean(name)
	file := path.Base(clean)
	folder := path.Base(path.Dir(clean))
	for _, r := range requests() {
		if r.is(folder, file) {
			t := Thing{Kind: r.kind, File: file}
			if r.kind == KindMessages {
				t.Language = folder
			}
			return t, true
		}
	}
	return Thing{}, false
}

// request is how one kind of files is recognised.
type request struct {
	kind Kind
	is   func(folder, file string) bool // both in lower case
}

func requests() []request {
	return []request{
		{KindProgram, func(_, file string) bool { return slices.Contains(programs(), file) }},
		// A name other than BCD is one that DHCP option 252 gave.
		{KindBCD, func(_, file string) bool { return file == "bcd" || ends(file, ".bcd") }},
		{KindFont, func(folder, file string) bool { return folder == "fonts" && ends(file, ".ttf") }},
		{KindResources, func(folder, file string) bool { return folder == "resources" && file == "bootres.dll" }},
		{KindMessages, func(folder, file string) bool { return language(folder) && translated(file) }},
		{KindTrust, func(_, file string) bool { return file == "boot.stl" }},
		{KindSDI, func(_, file string) bool { return ends(file, ".sdi") }},
		{KindWIM, func(_, file string) bool { return ends(file, ".wim") }},
	}
}

// ends reports whether a name has that ending and something before it.
func ends(file, suffix string) bool {
	return len(file) > len(suffix) && strings.HasSuffix(file, suffix)
}

// translated reports whether a file holds the texts of a boot manager.
func translated(file string) bool {
	of, is := strings.CutSuffix(file, ".mui")
	return is && (of == "bootres.dll" || slices.Contains(programs(), of))
}

// language reports whether a folder is named for one: en-US, zh-Hant-TW.
func language(folder string) bool {
	first, rest, more := strings.Cut(folder, "-")
	return more && rest != "" && len(first) >= 2 && len(first) <= 3 && len(folder) <= 16 &&
		!strings.ContainsFunc(folder, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// Manager is the boot program that firmware of an architecture is given to
// start Windows. ok is false where Windows does not run.
func Manager(a model.Arch) (t Thing, ok bool) {
	switch a {
	case model.ArchBIOS:
		return Thing{Kind: KindProgram, File: "pxeboot.n12"}, true
	case model.ArchX64, model.ArchARM64, model.ArchIA32, model.ArchARM32:
		return Thing{Kind: KindProgram, File: "bootmgfw.efi"}, true
	}
	return Thing{}, false
}
