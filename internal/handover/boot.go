package handover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// Client is what asks a DHCP server for a boot file.
type Client string

// Kinds of clients.
const (
	ClientPXE   Client = "pxe"   // firmware: a program over TFTP
	ClientHTTP  Client = "http"  // UEFI HTTP boot: a URL, and HTTPClient sent back
	ClientIPXE  Client = "ipxe"  // iPXE, told by options 77 and 175: its script, never itself
	ClientUBoot Client = "uboot" // U-Boot's own client: a script
)

// Boot is what one kind of client of one architecture is to be told.
type Boot struct {
	Name   string // of its class, tag or policy: "hobnail-uefi-x64"
	Arch   model.Arch
	Client Client
	Codes  []uint16   // option 93 (RFC 4578 section 2.1)
	File   string     // name below the server's root, or URL
	Next   netip.Addr // server of a name; zero for URLs
	Why    string
}

// DHCP is what the site's own DHCP server is to carry.
type DHCP struct {
	Site    *Site
	Address netip.Addr // of the server, for all machines
	Boots   []Boot     // iPXE first, which must not be taken for the firmware it runs on
	// AnyIPXE is iPXE's script for servers that can only tell iPXE, not what it
	// runs on.
	AnyIPXE string
}

// SeveralAddresses says that networks reach the server at different addresses,
// while a DHCP server's boot data names one.
type SeveralAddresses struct{ Networks []Network }

func (e *SeveralAddresses) Error() string {
	var all []string
	for _, n := range e.Networks {
		all = append(all, fmt.Sprintf("%s at %s", n.CIDR, n.Files))
	}
	return "machines reach hobnail at different addresses, and boot data names one: " + strings.Join(all, ", ") +
		"; say which with --address, or name one network after the other with --network"
}

// netXMAC is the MAC address of the network card that iPXE boots from, which
// iPXE itself puts into a file name that it was given (iPXE, usr/autoboot.c):
// so rules for the machine hold.
const netXMAC = "${netX/mac:hexraw}"

// DHCP says what the site's DHCP server is to tell machines.
func (s *Site) DHCP() (*DHCP, error) {
	d := &DHCP{Site: s, Address: s.Networks[0].Files}
	for _, n := range s.Networks {
		if n.Files != d.Address {
			return nil, &SeveralAddresses{s.Networks}
		}
	}
	d.AnyIPXE = d.scriptURL(model.ScriptIPXE)
	var firmware []Boot
	for _, arch := range model.Archs() {
		p, why, ok := s.choose(arch)
		if !ok {
			continue
		}
		d.add(d.ipxe(arch))
		firmware = append(firmware, d.http(arch)...)
		firmware = append(firmware, Boot{
			Name: "hobnail-" + string(arch), Arch: arch, Client: ClientPXE, Codes: codes(arch, firmwareOf(arch)),
			File: model.BootPath{Arch: arch, File: p.File}.String(), Next: d.Address, Why: why,
		})
		firmware = append(firmware, d.uboot(arch)...)
	}
	for _, b := range firmware {
		d.add(b)
	}
	if len(d.Boots) == 0 {
		return nil, errors.New("there are no boot programs to name; hobnail nbp list shows what there is")
	}
	return d, nil
}

// maxBootFile is what the file field of a DHCP header holds, without the zero
// octet that ends it (RFC 2131 section 2).
const maxBootFile = 127

// add leaves out what no client asks for, and what no packet holds.
func (d *DHCP) add(b Boot) {
	if len(b.Codes) > 0 && len(b.File) <= maxBootFile {
		d.Boots = append(d.Boots, b)
	}
}

// tidy reports whether a name or URL has nothing in it that any of the
// languages here could take for more than a letter.
func tidy(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-/:", r))
	})
}

func firmwareOf(a model.Arch) model.Firmware {
	switch {
	case a == model.ArchBIOS:
		return model.FirmwareBIOS
	case a.UEFI():
		return model.FirmwareUEFI
	}
	return model.FirmwareOther
}

// codes lists what firmware of this kind sends as option 93.
func codes(a model.Arch, f model.Firmware) []uint16 {
	var all []uint16
	for code := uint16(0); ; code++ {
		row, ok := model.LookupArchCode(code)
		if !ok {
			return all
		}
		if row.Arch == a && row.Firmware == f {
			all = append(all, code)
		}
	}
}

// choose picks the program that firmware starts where another DHCP server's ACK
// names hobnail. GRUB finds its server in that ACK, so shim and GRUB work, and
// Secure Boot with them; but GRUB says to nobody which machine it runs on. What
// does comes before, where it is signed or nothing there is.
//
// A single program of the user's of a kind that has no name comes before all,
// as it does in the server's own answers.
func (s *Site) choose(arch model.Arch) (p Program, why string, ok bool) {
	custom := slices.DeleteFunc(slices.Clone(s.Programs), func(p Program) bool { return p.Arch != arch || p.Loader != policy.LoaderCustom })
	if len(custom) == 1 {
		return custom[0], "the user's own program", true
	}
	for _, kind := range loaders(arch) {
		for _, p := range s.Programs {
			if p.Arch == arch && p.Loader == kind {
				return p, reason(kind), true
			}
		}
	}
	return Program{}, "", false
}

func loaders(arch model.Arch) []string {
	if arch == model.ArchBIOS {
		return []string{policy.LoaderIPXE, policy.LoaderPXELinux}
	}
	return []string{
		policy.LoaderIPXEShim, policy.LoaderShim, policy.LoaderGRUBProxy, policy.LoaderGRUB, policy.LoaderIPXE,
	}
}

func reason(kind string) string {
	switch kind {
	case policy.LoaderShim:
		return "shim, then GRUB: starts with Secure Boot on or off"
	case policy.LoaderIPXEShim:
		return "iPXE behind its own signed shim"
	case policy.LoaderGRUBProxy:
		return "GRUB that asks for its menu by the machine's MAC address; unsigned"
	case policy.LoaderGRUB:
		return "GRUB; unsigned unless it says otherwise"
	case policy.LoaderPXELinux:
		return "PXELINUX"
	}
	return "iPXE"
}

// scriptURL names a script by HTTP, or by TFTP where HTTP is off.
func (d *DHCP) scriptURL(path string) string {
	if n := d.Site.Config.Server.HTTPPort; n != 0 {
		return "http://" + netip.AddrPortFrom(d.Address, n).String() + "/" + path
	}
	return "tftp://" + d.Address.String() + "/" + path
}

// ipxe sends option 93 as the firmware does that it runs on.
func (d *DHCP) ipxe(arch model.Arch) Boot {
	return Boot{
		Name: "hobnail-ipxe-" + string(arch), Arch: arch, Client: ClientIPXE, Codes: codes(arch, firmwareOf(arch)),
		File: d.scriptURL("m/" + netXMAC + "/" + string(arch) + "/" + model.ScriptIPXE),
		Why:  "iPXE's script, not iPXE again",
	}
}

// http offers shim and GRUB on a disk, or iPXE alone.
func (d *DHCP) http(arch model.Arch) []Boot {
	if d.Site.Config.Server.HTTPPort == 0 {
		return nil
	}
	b := Boot{Name: "hobnail-http-" + string(arch), Arch: arch, Client: ClientHTTP, Codes: codes(arch, model.FirmwareHTTP)}
	for _, kind := range []string{policy.LoaderIPXEShim, policy.LoaderRAMDisk, policy.LoaderIPXE} {
		i := slices.IndexFunc(d.Site.Programs, func(p Program) bool { return p.Arch == arch && p.Loader == kind })
		if i >= 0 && arch.UEFI() {
			b.File = d.scriptURL(model.BootPath{Arch: arch, File: d.Site.Programs[i].File}.String())
			b.Why = map[bool]string{true: "a disk with GRUB, and shim where there is one", false: reason(kind)}[kind == policy.LoaderRAMDisk]
			return []Boot{b}
		}
	}
	return nil
}

func (d *DHCP) uboot(arch model.Arch) []Boot {
	all := codes(arch, model.FirmwareUBoot)
	if len(all) == 0 {
		return nil
	}
	return []Boot{{
		Name: "hobnail-uboot-" + string(arch), Arch: arch, Client: ClientUBoot, Codes: all,
		File: model.BootPath{Arch: arch, File: model.ScriptUBoot}.String(), Next: d.Address,
		Why: "a script that makes U-Boot read its menu",
	}}
}

// notOff lists the networks on which hobnail answers DHCP as well.
func (d *DHCP) notOff() string {
	var all []string
	for _, n := range d.Site.Networks {
		if n.Mode != model.ModeOff {
			all = append(all, n.CIDR.String())
		}
	}
	return strings.Join(all, ", ")
}

// head begins a snippet of boot data.
func (d *DHCP) head(w *writer, mark, about string, more ...string) {
	w.head(mark, d.Site, "boot data for "+about+".", more...)
	if nets := d.notOff(); nets != "" {
		w.line(mark + "In hobnail.toml, set dhcp = \"off\" for " + nets + ":")
		w.line(mark + "one of the two answers, not both.")
	}
}
