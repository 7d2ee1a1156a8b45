// Package model holds hobnail's nouns: architectures, machines, images,
// leases. It is data only: no packet, no socket, no decision. Everything here
// can be compared and printed.
package model

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// MAC is a hardware address in its canonical text form, lower-case octets
// joined by colons ("52:54:00:12:34:56"). Empty means unknown. As text it is
// comparable, sortable and printable as it stands.
type MAC string

// MACFromBytes gives the canonical form of a hardware address of 1 to 16
// octets; anything else gives the empty MAC.
func MACFromBytes(b []byte) MAC {
	if len(b) == 0 || len(b) > 16 {
		return ""
	}
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 3*len(b)-1)
	for i, c := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return MAC(out)
}

// ParseMAC reads the spellings people use: 52:54:00:12:34:56,
// 52-54-00-12-34-56, 5254.0012.3456 and 525400123456, in either case.
func ParseMAC(s string) (MAC, error) {
	digits := make([]byte, 0, 12) // every name that is asked for goes through here
	for i := range len(s) {
		if c := s[i]; c != ':' && c != '-' && c != '.' && len(digits) < 13 {
			digits = append(digits, c)
		}
	}
	var b [6]byte
	n, err := hex.Decode(b[:], digits[:min(len(digits), 12)])
	if err != nil || n != len(b) || len(digits) > 12 {
		return "", fmt.Errorf("%q is not a MAC address; write it as 52:54:00:12:34:56", s)
	}
	return MACFromBytes(b[:]), nil
}

// Bytes gives the octets of an address in its canonical form; nil for anything
// else.
func (m MAC) Bytes() []byte {
	b, err := hex.DecodeString(m.Hex())
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// Hex is the address as bare digits ("525400123456"), as boot file names
// carry it.
func (m MAC) Hex() string { return strings.ReplaceAll(string(m), ":", "") }

// Dashed is the address as pxelinux asks for it ("52-54-00-12-34-56").
func (m MAC) Dashed() string { return strings.ReplaceAll(string(m), ":", "-") }

// UUID is an SMBIOS system UUID in the text form that dmidecode and
// hypervisors print, lower case. Empty means unknown or worthless.
type UUID string

// UUIDFromWire turns the 16 octets of option 97 (RFC 4578 section 2.3) into
// the form people see. Firmware sends SMBIOS's own byte order, in which the
// first three fields are little-endian (EDK2 NetLibGetSystemGuid copies them
// unswapped).
func UUIDFromWire(b [16]byte) UUID {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5], b[6], b[7] = b[5], b[4], b[7], b[6]
	var text [36]byte
	out := text[:0]
	for _, field := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if len(out) > 0 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, field)
	}
	return UUID(out)
}

// ParseUUID accepts 8-4-4-4-12 hexadecimal digits in either case.
func ParseUUID(s string) (UUID, error) {
	t := strings.ToLower(s)
	shape := len(t) == 36 && t[8] == '-' && t[13] == '-' && t[18] == '-' && t[23] == '-'
	b, err := hex.DecodeString(strings.ReplaceAll(t, "-", ""))
	if err != nil || len(b) != 16 || !shape {
		return "", fmt.Errorf("%q is not a UUID; write it as 4c4c4544-0043-3010-8052-b4c04f4d3532", s)
	}
	return UUID(t), nil
}

// Swapped is the same UUID read in the other byte order. Some firmware and
// iPXE builds differ in the order of the first three fields, so a match has
// to try both.
func (u UUID) Swapped() UUID {
	b, err := hex.DecodeString(strings.ReplaceAll(string(u), "-", ""))
	if err != nil || len(b) != 16 {
		return u
	}
	return UUIDFromWire([16]byte(b))
}

// Same reports whether two UUIDs name one machine, in either byte order.
func (u UUID) Same(v UUID) bool {
	return u != "" && (u == v || u == v.Swapped())
}

// Wire is the inverse of UUIDFromWire; an invalid UUID gives zeros.
func (u UUID) Wire() [16]byte {
	var w [16]byte
	b, err := hex.DecodeString(strings.ReplaceAll(string(u), "-", ""))
	if err != nil || len(b) != 16 {
		return w
	}
	copy(w[:], b)
	w[0], w[1], w[2], w[3] = b[3], b[2], b[1], b[0]
	w[4], w[5], w[6], w[7] = b[5], b[4], b[7], b[6]
	return w
}

// Junk reports whether a UUID is one that many boards share, so that it
// identifies nothing: all zeros, all ones, and the AMI and ASRock default
// 03000200-0400-0500-0006-000700080009 seen on real boards.
func (u UUID) Junk() bool {
	switch u {
	case "", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009":
		return true
	}
	return false
}

// Mode is who gives addresses on a subnet.
type Mode string

// String is the mode's name, of a pointer to it as well.
func (m Mode) String() string { return string(m) }

// The modes of a site or subnet.
const (
	ModeAuto   Mode = "auto"   // merge where the site's DHCP server answers us as a relay, else proxy
	ModeMerge  Mode = "merge"  // the site's DHCP server gives the address, we add boot data to its answer
	ModeProxy  Mode = "proxy"  // boot data beside a DHCP server nobody may touch
	ModeServer Mode = "server" // addresses and boot data, from us
	ModeOff    Mode = "off"    // no DHCP at all: files only
)

// Targets that are not images.
const (
	TargetMenu  = "menu"  // the menu of all images this machine can boot
	TargetLocal = "local" // the machine's own disk
	TargetDeny  = "deny"  // no answer at all
	// TargetApprove is a screen that waits until a person has approved the
	// machine.
	TargetApprove = "approve"
)

// Image is something that can be booted: a kernel, its initial RAM disks and
// a command line.
type Image struct {
	Name    string   // unique, as in rules and file names: [a-z0-9._-]
	Title   string   // what the menu shows; Name if empty
	CPU     CPU      // which processors run it
	Kernel  string   // absolute local path, an http(s) URL, or a path inside Volume behind Inside
	Initrd  []string // the same, in order; may be empty
	Cmdline string   // template over the machine; see package bootscript
	Source  string   // "hobnail.toml:31", or the Debian package it was found in

	Volume string // the file on this host that the image is: an ISO, a WIM; empty: there is none
	Way    Way    // how it is started; empty: as Linux
	// BIOS is how it starts under BIOS, where that is another way. Its files
	// have other last names than Kernel and Initrd, or are the same.
	BIOS     *Start
	Firmware Firmware // that alone starts it, FirmwareBIOS or FirmwareUEFI; empty: all do
	Install  string   // command line of an install without questions; empty: there is none
	Answer   string   // what kind of answer file such an install reads
	System   string   // what it was recognised as, a row of the table of systems
	Version  string   // of the system
	Hidden   bool     // not in menus; rules and orders may name it

	// Of Windows.
	Editions   []Edition // what a machine can be installed with
	InstallWIM string    // the WIM that they are in, a path inside Volume: "sources/install.wim"; also .esd, or the first .swm
}

// Edition is one of the systems that a Windows image installs: an image of its
// install.wim.
type Edition struct {
	Index     int    // in install.wim, from 1
	Name      string // "Windows 11 Pro"
	ID        string // "Professional"; empty where it does not say
	CPU       CPU
	Version   string   // "10.0.26100.1742"
	Languages []string // "en-US"
	Size      int64    // octets of its files when they are laid out; 0: not told
}

// Inside begins the path of a file that lies in an image's Volume:
// "inside:casper/vmlinuz".
const Inside = "inside:"

// WholeVolume as a path means the volume itself.
const WholeVolume = Inside

// Packed begins a path that means the volume as the only file of a cpio
// archive, which an initramfs then has under the name behind it:
// "packed:proxmox.iso".
const Packed = "packed:"

// Start is a way to start an image, with its files as Image has them.
type Start struct {
	Way    Way
	Kernel string
	Initrd []string
}

// On gives an image as machines of an architecture start it; ok is false where
// they cannot. Nothing is known against an architecture that is not known.
func (i Image) On(a Arch) (img Image, ok bool) {
	if a == "" {
		return i, true
	}
	if a == ArchBIOS && i.BIOS != nil {
		i.Way, i.Kernel, i.Initrd = i.BIOS.Way, i.BIOS.Kernel, i.BIOS.Initrd
	}
	i.BIOS = nil
	switch i.Firmware {
	case FirmwareBIOS:
		ok = a == ArchBIOS
	case FirmwareUEFI:
		ok = a.UEFI()
	default:
		ok = true
	}
	return i, ok && a.Runs(i.CPU)
}

// LocalWay is how a loader leaves for a machine's own disk.
type LocalWay string

// Ways to leave. Firmware differs: after a boot program that ends well UEFI
// shows its own menu, and some shows it after one that ends with a fault too.
const (
	LocalAuto LocalWay = "auto" // what works on most firmware, by the loader
	LocalExit LocalWay = "exit" // back to the firmware, which goes on with its boot order
	LocalDisk LocalWay = "disk" // the loader starts what is on the disk
)

// Way is how a loader starts an image.
type Way string

// Ways.
const (
	WayLinux   Way = ""        // a kernel with initial RAM disks
	WayEFI     Way = "efi"     // a program of UEFI, Kernel
	WaySANBoot Way = "sanboot" // iPXE has the firmware read the volume as a disk
	WayWindows Way = "windows" // Windows' boot manager, or wimboot, with boot.wim
	WayESXi    Way = "esxi"    // VMware's mboot, which reads a boot.cfg that we write and loads by iPXE
)

// IPXEOnly reports whether iPXE alone can start an image this way.
func (w Way) IPXEOnly() bool { return w == WaySANBoot || w == WayESXi }

// Machine is a device that a person has named.
type Machine struct {
	Name      string
	MACs      []MAC
	UUID      UUID
	ClientIDs []string   // option 61 in hexadecimal digits
	CircuitID string     // option 82.1, raw octets: whatever is plugged in there
	Relay     netip.Addr // giaddr of the relay that CircuitID is a port of
	Serial    string
	Address   netip.Addr // its reservation; zero value if it has none
	Boot      string     // target: an image, menu, local or deny; empty: rules decide
	Options   []Option   // that it gets whatever else says so
	Loader    string     // boot program: a Loader or a file name; empty: the default
	Offer     Style      // form of a proxy's offer; empty: rules decide
	Learn     string     // "on" or "off": whether its boots may change offer and boot program; empty: rules decide
	Source    string     // where it was named, "hobnail.toml:24", or "the store"

	// Of machines in the store.
	Vars     map[string]string // what answer files and command lines are filled in with
	Tags     []string
	Notes    string
	By       string    // who named or approved it
	Approved time.Time // when
}

// Lease is an address in use by a machine until Expires.
type Lease struct {
	Address  netip.Addr `json:"address"`
	MAC      MAC        `json:"mac"`
	ClientID string     `json:"client_id,omitempty"` // option 61 as hexadecimal digits
	Hostname string     `json:"hostname,omitempty"`  // option 12 as sent: untrusted
	Circuit  string     `json:"circuit,omitempty"`   // relay and option 82.1, where they name one; see policy
	Start    time.Time  `json:"start"`
	Expires  time.Time  `json:"expires"`
	State    string     `json:"state"` // offered, bound, released, declined
}
