// Package windows serves what a machine reads that boots a Windows image, from
// its boot manager to boot.wim, out of the image's own ISO: nothing is unpacked.
// A machine that is to be installed gets a boot.wim with the agent of package
// peagent in it; any other gets it as it is, and Setup starts as from the DVD.
//
//	win/<image>/open/<file>     for a machine that a person sits at
//	win/<image>/<token>/<file>  for one attempt to install
//
// A file is asked for in any spelling that package winboot knows, and in any
// folder. What is asked for elsewhere, as boot managers do at the root of a TFTP
// server, is told by the address that asks: Ties.
package windows

import (
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/winboot"
)

// Prefix begins the names.
const Prefix = "win/"

// open stands in names where there is no token.
const open = "open"

// Ref says for what a machine boots.
type Ref struct {
	Image string
	Token string // of the attempt to install, 32 hexadecimal digits; empty: there is none
}

// Name is a file's name in the tree. The file may have folders in front.
func (r Ref) Name(file string) string {
	token := r.Token
	if token == "" {
		token = open
	}
	return Prefix + r.Image + "/" + token + "/" + file
}

// Manager is the name of the boot manager that loaders start under UEFI.
func (r Ref) Manager() string { return r.Name("bootmgfw.efi") }

// ParseName takes a name apart, in any case; file is what stands behind the
// token. ok is false for a name of another kind.
func ParseName(name string) (r Ref, file string, ok bool) {
	rest, ok := strings.CutPrefix(winboot.Clean(name), Prefix)
	if !ok {
		return Ref{}, "", false
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] != open && !isToken(parts[1]) {
		return Ref{}, "", false
	}
	r.Image = parts[0]
	if parts[1] != open {
		r.Token = parts[1]
	}
	return r, parts[2], true
}

func isToken(s string) bool {
	return len(s) == 32 && !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// Folders in front of a file's name that say who asks: wimboot, which shows the
// files in folders of its own, under one firmware or the other.
const (
	wimbootBIOS = "wimboot-bios/"
	wimbootUEFI = "wimboot-uefi/"
)

// Named is a file, and the name that wimboot knows it by.
type Named struct{ Name, File string }

// ForWimboot is what an iPXE script hands to wimboot, in order.
func (r Ref) ForWimboot(a model.Arch) []Named {
	folder := wimbootUEFI
	if a == model.ArchBIOS {
		folder = wimbootBIOS
	}
	var all []Named
	for _, f := range winboot.Wimboot() {
		if !f.Optional {
			all = append(all, Named{f.Name, r.Name(folder + f.Name)})
		}
	}
	return all
}
