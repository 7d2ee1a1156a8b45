// Package nbp is the inventory of boot programs: the set that the build
// embeds and the user's own folder that overrides it, each file with what its
// content says of itself (architecture, version, signers, SBAT).
//
// It decides whether a file can run on the machines of the folder it lies in,
// and whether it is one that Secure Boot no longer lets run. It does not choose
// a program for a machine: that is policy's.
package nbp

import (
	"strings"

	"hobnail/internal/model"
)

// Loader is the kind of a boot program: what it does next, and so which
// configuration it reads.
type Loader string

// Kinds of boot programs.
const (
	LoaderIPXE Loader = "ipxe"
	LoaderShim Loader = "shim" // starts the GRUB beside it
	LoaderGRUB Loader = "grub"
	// LoaderGRUBProxy is a GRUB that has its server's address written into
	// it, for machines that get their own address from somebody else.
	LoaderGRUBProxy Loader = "grub-proxy"
	LoaderPXELINUX  Loader = "pxelinux"
	LoaderIPXEShim  Loader = "ipxe-shim" // starts the iPXE beside it
	LoaderCustom    Loader = "custom"    // anything else; asked for by its name
	LoaderSupport   Loader = "support"   // fetched by one of the others, never first
)

// Program is one boot program, or a file that one needs.
type Program struct {
	Arch    model.Arch `json:"arch"`
	Loader  Loader     `json:"loader"`
	File    string     `json:"file"` // its name inside the architecture's folder
	Size    int64      `json:"size"` // octets
	SHA256  string     `json:"sha256"`
	Version string     `json:"version,omitempty"` // from the content, else the Debian package's; empty: unknown
	Machine string     `json:"machine"`           // from the content: "x86-64 PE32+", "x86 real mode"
	// Authenticode is the digest that firmware knows the file by, SHA-256 in
	// hexadecimal digits; empty where nothing can be signed.
	Authenticode string      `json:"authenticode,omitempty"`
	Signer       string      `json:"signer,omitempty"` // Signatures for people; "unsigned"; empty where nothing can be signed
	Signatures   []Signature `json:"signatures,omitempty"`
	SBAT         []SBATEntry `json:"sbat,omitempty"`
	Revokes      []SBATEntry `json:"revokes,omitempty"`     // a shim's newest revocations: the lowest generations it lets run
	Source       string      `json:"source"`                // "Debian shim-signed 1.51", or the user's file
	SourceCode   string      `json:"source_code,omitempty"` // Debian source packages, "grub2 (= 2.06-13)"; empty for the user's files
	Licence      string      `json:"licence,omitempty"`     // SPDX expression; empty for the user's files
	State        State       `json:"state,omitempty"`       // what follows from Findings
	Findings     []Finding   `json:"findings,omitempty"`
}

// Signature is one Authenticode signature.
type Signature struct {
	Signer string `json:"signer"` // common name of the signing certificate; empty if it is not enclosed
	Issuer string `json:"issuer"` // common name of the authority that issued it
	// Authority is the common name of the authority that the chain goes up to.
	// It is proven if that authority is one of Microsoft's and its certificate
	// is in the chain; else it is what the last certificate says.
	Authority       string        `json:"authority"`
	AuthorityProven bool          `json:"authority_proven"`
	Algorithm       string        `json:"algorithm,omitempty"` // of the digest, "SHA-256"; empty if it is not known here
	Digest          string        `json:"digest"`              // of the file, as it is signed
	Verified        bool          `json:"verified"`            // the digest is the file's, and the enclosed certificate's key has signed it
	Fault           string        `json:"fault,omitempty"`     // why it is not; ends the sentence "the signature …"
	Chain           []Certificate `json:"chain"`               // from the signer up, as far as it is enclosed
}

// LoaderOf tells a program's kind from its file name, the only thing that
// distinguishes a shim for GRUB from one for iPXE before it runs. Case does
// not matter.
func LoaderOf(file string) Loader {
	name := strings.ToLower(file)
	hasAny := func(match func(string, string) bool, words ...string) bool {
		for _, w := range words {
			if match(name, w) {
				return true
			}
		}
		return false
	}
	ipxe := hasAny(strings.Contains, "ipxe", "snponly", "undionly")
	switch {
	case hasAny(strings.HasSuffix, ".c32", ".e32", ".e64"): // syslinux modules
		return LoaderSupport
	case hasAny(strings.HasPrefix, "wimboot"): // iPXE starts it, with Windows' files
		return LoaderSupport
	case hasAny(strings.HasPrefix, "mmx64.", "mmaa64.", "mmia32.", "fbx64.", "fbaa64.", "fbia32.",
		"revocations", "shim_certificate"): // what shim itself may ask for
		return LoaderSupport
	case ipxe && strings.Contains(name, "shim"):
		return LoaderIPXEShim
	case strings.HasPrefix(name, "shim"):
		return LoaderShim
	case strings.HasPrefix(name, "grubproxy"):
		return LoaderGRUBProxy
	case hasAny(strings.HasPrefix, "grub") || name == "core.0" || name == "core.efi" || name == "core.elf":
		return LoaderGRUB
	case hasAny(strings.HasPrefix, "pxelinux", "lpxelinux", "gpxelinux", "syslinux"):
		return LoaderPXELINUX
	case ipxe:
		return LoaderIPXE
	}
	return LoaderCustom
}

// Want lists the file names under which hobnail looks for programs of an
// architecture by itself, the most useful first: what to put into its folder
// when there are none. Empty for architectures that take no boot program
// (petitboot reads a configuration, a Raspberry Pi asks for files of its own)
// or for which no common name exists.
func Want(a model.Arch) []string {
	switch a {
	case model.ArchBIOS:
		return []string{"undionly.kpxe", "pxelinux.0"}
	case model.ArchIA32:
		return []string{"grubia32.efi", "snponly.efi", "grubproxyia32.efi"}
	case model.ArchX64:
		return []string{"shimx64.efi", "grubx64.efi", "snponly.efi", "ipxe-shimx64.efi"}
	case model.ArchIA64:
		return []string{"grubia64.efi"}
	case model.ArchARM32:
		return []string{"grubarm.efi", "snponly.efi", "grubproxyarm.efi"}
	case model.ArchARM64:
		return []string{"shimaa64.efi", "grubaa64.efi", "snponly.efi", "ipxe-shimaa64.efi", "grubproxyaa64.efi"}
	case model.ArchRISCV32, model.ArchRISCV64, model.ArchLoongArch64:
		return []string{"grub" + strings.TrimPrefix(string(a), "uefi-") + ".efi", "snponly.efi"}
	case model.ArchPowerOF:
		return []string{"core.elf"}
	}
	if a.UEFI() {
		return []string{"snponly.efi"}
	}
	return nil
}
