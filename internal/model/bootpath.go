package model

import "strings"

// Names that hobnail hands out carry the machine they were meant for:
//
//	m/525400123456/uefi-x64/shimx64.efi
//
// so that later reads (a second stage beside the first, pxelinux.cfg below
// it) are tied to that machine without any state, on whichever server they
// arrive. Machines without an Ethernet address get the plain form
// nbp/uefi-x64/shimx64.efi.
const (
	machinePrefix = "m/"
	programPrefix = "nbp/"
)

// Script names beside the boot programs.
const (
	ScriptIPXE     = "boot.ipxe"
	ScriptAutoexec = "autoexec.ipxe" // iPXE 2.0's signed build has no embedded script and asks for this
	ScriptGRUB     = "grub.cfg"
	ScriptUBoot    = "boot.scr.uimg" // what U-Boot asks for by itself, before all else
	// RAMDiskFile is the disk image for UEFI HTTP boot. EDK2 tells by the
	// suffix, or by the content type, that it is one.
	RAMDiskFile = "boot.img"
)

// BootPath is such a name taken apart.
type BootPath struct {
	MAC  MAC // empty in the plain form
	Arch Arch
	File string // name within the architecture's folder; may contain slashes
}

// String is the name as it goes into replies.
func (p BootPath) String() string {
	tail := string(p.Arch) + "/" + p.File
	if p.MAC == "" {
		return programPrefix + tail
	}
	return machinePrefix + p.MAC.Hex() + "/" + tail
}

// ParseBootPath takes a clean name (no leading slash) apart; ok is false for
// names of another kind.
func ParseBootPath(name string) (p BootPath, ok bool) {
	rest, ok := strings.CutPrefix(name, machinePrefix)
	if ok {
		var hex string
		hex, rest, ok = strings.Cut(rest, "/")
		mac, err := ParseMAC(hex)
		if !ok || err != nil {
			return p, false
		}
		p.MAC = mac
	} else if rest, ok = strings.CutPrefix(name, programPrefix); !ok {
		return p, false
	}
	arch, file, ok := strings.Cut(rest, "/")
	if !ok || arch == "" || file == "" {
		return p, false
	}
	p.Arch, p.File = Arch(arch), file
	return p, true
}
