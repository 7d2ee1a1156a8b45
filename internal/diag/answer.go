package diag

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"hobnail/internal/record"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Answer is a DHCP message of a server, as it was heard.
type Answer struct {
	Time   time.Time
	From   netip.AddrPort
	Data   []byte
	Packet *dhcp4.Packet // nil where Data could not be read
	Err    error         // why it could not
}

// Heard reads a message.
func Heard(at time.Time, from netip.AddrPort, data []byte) Answer {
	a := Answer{Time: at, From: from, Data: data}
	a.Packet, a.Err = dhcp4.Parse(data)
	return a
}

// Server is who sent it: option 54, else the address that it came from.
func (a Answer) Server() netip.Addr {
	if a.Packet != nil {
		if id, ok := a.Packet.Options.Addr(dhcp4.OptServerID); ok && !id.IsUnspecified() {
			return id
		}
	}
	return a.From.Addr()
}

// Leases reports whether it gives an address.
func (a Answer) Leases() bool {
	return a.Packet != nil && a.Packet.YIAddr.IsValid() && !a.Packet.YIAddr.IsUnspecified()
}

// BootFile is the name that it gives, option 67 before the header.
func (a Answer) BootFile() string {
	if a.Packet == nil {
		return ""
	}
	if raw, ok := a.Packet.Options.First(dhcp4.OptBootFileName); ok && len(raw) > 0 {
		name, _, _ := strings.Cut(string(raw), "\x00")
		return name
	}
	return a.Packet.File
}

// Hobnail reports whether the boot file's name is one of hobnail's.
func (a Answer) Hobnail() bool { return record.OwnName(a.BootFile()) }

// network is the network of the address that it gives; the zero value without
// a mask.
func (a Answer) network() netip.Prefix {
	mask, ok := a.Packet.Options.Addr(dhcp4.OptSubnetMask)
	if !ok || !a.Leases() {
		return netip.Prefix{}
	}
	bits := 0
	for _, octet := range mask.As4() {
		for ; octet&0x80 != 0; octet <<= 1 {
			bits++
		}
	}
	return netip.PrefixFrom(a.Packet.YIAddr, bits).Masked()
}

// router is the first of option 3.
func (a Answer) router() (netip.Addr, bool) {
	raw, _ := a.Packet.Options.Get(dhcp4.OptRouter)
	if len(raw) < 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(raw)), true
}

// nextServer is where firmware looks for the boot file that it names.
func (a Answer) nextServer() netip.Addr {
	if s := a.Packet.SIAddr; s.IsValid() && !s.IsUnspecified() {
		return s
	}
	return a.Server()
}

// check is one thing that can be wrong in an answer.
type check func(a Answer, sent *dhcp4.Packet) []Finding

var checks = []check{drops, addressing, classes, vendorOptions, bootFile, nextServers, others}

// CheckAnswer lists what is wrong in an answer to a request.
func CheckAnswer(sent *dhcp4.Packet, a Answer) []Finding {
	if a.Packet == nil {
		f := finds(Unreadable, Fault, "the answer of %s cannot be read: %v", a.From.Addr(), a.Err)
		f.Server = a.From.Addr()
		return []Finding{f}
	}
	var all []Finding
	for _, c := range checks {
		all = append(all, c(a, sent)...)
	}
	for i := range all {
		all[i].Server = a.Server()
		all[i].Text = fmt.Sprintf("%s of %s %s", a.Packet.Type(), a.Server(), all[i].Text)
	}
	return all
}

// drops: what EDK2 drops the whole packet for (Dhcp4Option.c
// DhcpValidateOptions, PxeBcDhcp4.h PXEBC_DHCP4_PACKET_MAX_SIZE).
func drops(a Answer, _ *dhcp4.Packet) (all []Finding) {
	p := a.Packet
	if p.MissingEnd {
		all = append(all, finds(NoEnd, Fault, "does not end in option 255"))
	}
	if len(a.Data) > 1472 {
		all = append(all, finds(TooLong, Fault, "has %d octets, 1472 at most are taken", len(a.Data)))
	}
	seen := map[dhcp4.OptionCode]bool{}
	for _, o := range p.Options {
		if seen[o.Code] {
			continue
		}
		seen[o.Code] = true
		value, _ := p.Options.Get(o.Code)
		if err := dhcp4.ValidateOption(o.Code, value); err != nil {
			all = append(all, finds(BadOption, Fault, "has an option of wrong length or value: %v", err))
		}
	}
	if id, ok := p.Options.Addr(dhcp4.OptServerID); p.Type() != dhcp4.BOOTP && (!ok || id.IsUnspecified()) {
		all = append(all, finds(NoServerID, Fault, "has no option 54"))
	}
	return all
}

// addressing: mask and router.
func addressing(a Answer, _ *dhcp4.Packet) (all []Finding) {
	if !a.Leases() || a.Packet.Type() == dhcp4.Nak {
		return nil
	}
	network := a.network()
	if !network.IsValid() {
		return []Finding{finds(NoMask, Fault, "gives %s without a subnet mask (option 1)", a.Packet.YIAddr)}
	}
	router, ok := a.router()
	switch {
	case ok && !network.Contains(router) && network.Bits() < 32:
		all = append(all, finds(RouterElse, Fault, "gives %s in %s with the router %s, which is not there", a.Packet.YIAddr, network, router))
	case !ok && a.BootFile() != "" && !network.Contains(a.nextServer()):
		all = append(all, finds(NoRouter, Fault, "names no router (option 3), and the boot server %s is not in %s", a.nextServer(), network))
	case !ok:
		all = append(all, finds(NoRouter, Warning, "names no router (option 3): only servers in %s can be reached", network))
	}
	return all
}

// classes: which boot protocol an answer says it is for.
func classes(a Answer, sent *dhcp4.Packet) []Finding {
	text := func(p *dhcp4.Packet) string {
		raw, _ := p.Options.Get(dhcp4.OptVendorClass)
		return string(raw)
	}
	have, asked := text(a.Packet), text(sent)
	isPXE, isHTTP := strings.Contains(have, pxe.PXEClient), strings.Contains(have, pxe.HTTPClient)
	url := strings.HasPrefix(a.BootFile(), "http://") || strings.HasPrefix(a.BootFile(), "https://")
	switch {
	case isPXE && isHTTP:
		return []Finding{finds(BothClasses, Fault, "says %q in option 60", record.Printable(have))}
	case isHTTP && strings.HasPrefix(asked, pxe.PXEClient), isPXE && strings.HasPrefix(asked, pxe.HTTPClient):
		return []Finding{finds(WrongClass, Warning, "says %q in option 60 to a client that says %q", record.Printable(have), record.Printable(asked))}
	case url && !isIPXE(sent) && strings.HasPrefix(asked, pxe.PXEClient):
		return []Finding{finds(OddBootFile, Fault, "names the URL %s to firmware that reads by TFTP: it takes all of it for a file's name", record.Printable(a.BootFile()))}
	}
	return nil
}

func isIPXE(p *dhcp4.Packet) bool {
	user, _ := p.Options.Get(dhcp4.OptUserClass)
	return pxe.IsIPXE(user) || p.Options.Has(dhcp4.OptIPXE)
}

// vendorOptions: option 60 without 43, and a 43 that firmware cannot follow.
func vendorOptions(a Answer, sent *dhcp4.Packet) []Finding {
	o, err := sim.ReadEDK2Offer(sent, a.Data)
	raw, has := a.Packet.Options.First(dhcp4.OptVendorSpecific)
	class, _ := a.Packet.Options.First(dhcp4.OptVendorClass)
	if !bytes.HasPrefix(class, []byte(pxe.PXEClient)) {
		return nil
	}
	if has {
		v, err := pxe.ParseVendorOptions(raw)
		switch {
		case err != nil:
			return []Finding{finds(Option43, Fault, "has an option 43 that cannot be read: %v", err)}
		case v.Control != nil && *v.Control&pxe.OnlyListed != 0 && len(v.Servers) == 0:
			return []Finding{finds(Option43, Fault, "allows only boot servers of a list (43.6) and has no list (43.8): PXE-E77")}
		case v.Prompt != nil && len(v.Menu) == 0:
			return []Finding{finds(Option43, Fault, "has a prompt (43.10) and no menu (43.9): PXE-E74")}
		}
	}
	if err == nil && o.Class == sim.DhcpBinl {
		return []Finding{finds(Option60Alone, Warning, "gives an address and says PXEClient (option 60) without option 43")}
	}
	return nil
}

// bootFile: the name of the boot file.
func bootFile(a Answer, _ *dhcp4.Packet) (all []Finding) {
	raw, _ := a.Packet.Options.First(dhcp4.OptBootFileName)
	name, _, _ := strings.Cut(string(raw), "\x00")
	header := a.Packet.File
	if name != "" && header != "" && name != header {
		all = append(all, finds(TwoBootFiles, Warning, "names %s in option 67 and %s in the header", record.Printable(name), record.Printable(header)))
	}
	file := a.BootFile()
	why := ""
	switch {
	case file == "":
	case strings.TrimSpace(file) != file:
		why = "begins or ends with a space"
	case strings.Contains(file, `"`) || strings.HasPrefix(file, "'"):
		why = "has quotation marks in it"
	case strings.IndexFunc(file, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd }) >= 0:
		why = "has octets in it that no file's name has"
	}
	if why != "" {
		all = append(all, finds(OddBootFile, Fault, "names a boot file that %s: %q", why, record.Printable(file)))
	}
	return all
}

// nextServers: where the boot file is. EDK2, iPXE, pxelinux and shim read
// siaddr and none of them option 66.
func nextServers(a Answer, _ *dhcp4.Packet) []Finding {
	file := a.BootFile()
	if file == "" || strings.Contains(file, "://") || !a.Packet.SIAddr.IsUnspecified() {
		return nil
	}
	raw, has := a.Packet.Options.Get(dhcp4.OptTFTPServerName)
	name := strings.TrimRight(string(raw), "\x00")
	switch {
	case has && name != a.Server().String():
		return []Finding{finds(Option66, Fault, "names the boot file %s and its server %s in option 66 alone: firmware asks %s for it",
			record.Printable(file), record.Printable(name), a.Server())}
	default:
		return []Finding{finds(NextServerZero, Warning, "names the boot file %s and no next server (siaddr is 0)", record.Printable(file))}
	}
}

func others(a Answer, _ *dhcp4.Packet) (all []Finding) {
	if n, ok := a.Packet.Options.Uint16(dhcp4.OptBootFileSize); ok {
		all = append(all, finds(Option13, Warning, "says that the boot file has %d blocks of 512 octets (option 13)", n))
	}
	if a.Packet.Overload != 0 {
		all = append(all, finds(Overloaded, Warning, "has options in the header's fields (option 52 is %d)", a.Packet.Overload))
	}
	return all
}
