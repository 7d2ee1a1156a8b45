package image

import (
	"hobnail/internal/answer"
	"hobnail/internal/model"
)

// Way is how an image starts.
type Way string

// Ways.
const (
	WayLinux   Way = "linux"   // a kernel, RAM disks and a command line
	WayEFI     Way = "efi"     // an EFI program out of the image is started
	WayWIM     Way = "wim"     // the Windows boot manager, with a boot WIM
	WayESXi    Way = "esxi"    // VMware's mboot with a boot.cfg that names our address
	WaySANBoot Way = "sanboot" // iPXE shows the image to the firmware as a disk
	WayMemdisk Way = "memdisk" // memdisk holds the image in memory; BIOS only. No row asks for it, a person may
	WayNone    Way = "none"    // nothing is known that starts it from the network
)

// Answer is the kind of answer file that a system's installer takes.
type Answer string

// Kinds of answer files, by the names that package answer has for them.
const (
	AnswerNone        Answer = ""
	AnswerPreseed     Answer = "preseed"
	AnswerAutoinstall Answer = "autoinstall"
	AnswerKickstart   Answer = "kickstart"
	AnswerESXi        Answer = "esxi"
	AnswerAutoYaST    Answer = "autoyast"
	AnswerAgama       Answer = "agama"
	AnswerUnattend    Answer = "unattend"
	AnswerIgnition    Answer = "ignition"
	AnswerTalos       Answer = "talos"
	AnswerProxmox     Answer = "proxmox"
	AnswerHarvester   Answer = "harvester"
	AnswerArchScript  Answer = "archiso"
	AnswerAPKOVL      Answer = "apkovl"
)

// File is the name under install/<token>/ at which the command line of an
// armed install looks for the answer; of autoinstall, the first of them.
func (a Answer) File() string {
	kind, ok := answer.KindOf(string(a))
	if !ok {
		return ""
	}
	return kind.Files[0]
}

// Tried is how far a row of the table was tried.
type Tried string

// How far.
const (
	TriedBooted  Tried = "booted"             // a machine of the lab started it
	TriedFiles   Tried = "files checked"      // the maker's own files were looked at
	TriedReading Tried = "from documentation" // nobody here has had the image
)

// Loader is a boot program that can start an image.
type Loader string

// Loaders, as the configuration calls them.
const (
	LoaderIPXE     Loader = "ipxe"
	LoaderGRUB     Loader = "grub" // Debian's signed one: TFTP only
	LoaderPXELinux Loader = "pxelinux"
)

// ISOName is the name that the whole image has inside the initramfs, where
// ISOInitrd asks for it: as an initrd it must be a cpio archive with one file
// of that name, or be named so to a loader that makes one of it (iPXE under
// BIOS, and under UEFI from 2.0 on).
const ISOName = "proxmox.iso"

// Found is what an image was recognised as, as data. Text in it is printable
// and of bounded length, whatever the image says; paths are made of letters,
// digits and ._+~-/ only, so that they can stand in URLs and command lines.
type Found struct {
	System  string // the row's name: "ubuntu-server"
	Title   string // what the image calls itself: "Ubuntu Server 24.04.1 LTS"
	Version string // "24.04.1"; empty where the image does not say
	CPU     model.CPU

	// Kernel and Initrd are paths inside the image, without a slash in front;
	// with one, they are files of this host, out of Package.
	Kernel string
	Initrd []string
	// Package is the Debian package that must be installed on this host for
	// Kernel and Initrd to be there; empty where they are in the image.
	Package string
	// ISOInitrd: the whole image is one more initrd, as ISOName.
	ISOInitrd bool

	// Cmdline is the command line for a person at the console, Install the one
	// of an armed install; empty where the system cannot be installed hands
	// free. Both are templates of package bootscript; Install also names
	// .Install.URL, http://SERVER/install/<token> without a slash at the end.
	// Words of the loader's own, such as initrd=, are not in them.
	Cmdline string
	Install string
	Answer  Answer

	Way  Way
	BIOS Way    // under BIOS, where that differs; empty: as Way
	EFI  string // the program to start, inside the image

	// WIM is the WIM that boots, InstallImage the one with the editions
	// (.wim, .esd, or the first .swm); both inside the image.
	WIM          string
	InstallImage string

	Loaders  []Loader
	Firmware []model.Firmware // model.FirmwareBIOS, model.FirmwareUEFI; HTTP boot counts as UEFI

	// SecureBoot is "yes", "no: why" or "unknown: why", by way of the boot
	// programs that hobnail has: shim and GRUB of Debian, and no key enrolled.
	SecureBoot string
	Needs      string   // "RAM for the ISO and 2 GB"; empty: nothing to speak of
	Warnings   []string // for the person who adds the image
	Tried      Tried
}

// WayOf is how the image starts under this firmware; WayNone where it cannot.
func (f Found) WayOf(fw model.Firmware) Way {
	if fw == model.FirmwareHTTP {
		fw = model.FirmwareUEFI
	}
	for _, can := range f.Firmware {
		if can != fw {
			continue
		}
		if fw == model.FirmwareBIOS && f.BIOS != "" {
			return f.BIOS
		}
		return f.Way
	}
	return WayNone
}
