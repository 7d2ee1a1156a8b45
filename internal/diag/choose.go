package diag

import (
	"net/netip"
	"strings"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Chooser is whose way of choosing among offers is followed.
type Chooser string

// Choosers. Intel's BIOS ROMs go by the order that EDK2 took from them.
const (
	EDK2     Chooser = "edk2"
	EDK2HTTP Chooser = "edk2-http"
	IPXE     Chooser = "ipxe"
)

// ChooserOf is how a machine chooses.
func ChooserOf(m sim.Machine) Chooser {
	switch {
	case m.Stage == classify.StageIPXE:
		return IPXE
	case m.HTTP:
		return EDK2HTTP
	}
	return EDK2
}

// Choice is what a machine makes of the offers.
type Choice struct {
	Address  *Answer    // whose address is requested
	Boot     *Answer    // whose boot data counts; nil: nobody's, or port 4011 decides
	AskFirst netip.Addr // asked at port 4011 before anything is loaded; zero value: nobody
	By       string     // the class of the offer that decided, in EDK2's words
}

// Choose goes through the offers of one round; ok is false where the machine
// would take none and ask again.
func Choose(c Chooser, sent *dhcp4.Packet, offers []Answer) (Choice, bool) {
	switch c {
	case EDK2HTTP:
		return chooseHTTP(sent, offers)
	case IPXE:
		return chooseIPXE(sent, offers)
	}
	return chooseEDK2(sent, offers)
}

// find gives the answer that a packet of the simulator's was read from.
func find(offers []Answer, p *dhcp4.Packet, data func(int) *dhcp4.Packet) *Answer {
	for i := range offers {
		if data(i) == p {
			return &offers[i]
		}
	}
	return nil
}

func chooseEDK2(sent *dhcp4.Packet, offers []Answer) (Choice, bool) {
	read := make([]*dhcp4.Packet, len(offers))
	var kept []sim.EDK2Offer
	for i, a := range offers {
		if o, err := sim.ReadEDK2Offer(sent, a.Data); err == nil {
			read[i] = o.Packet
			kept = append(kept, o)
		}
	}
	c, ok := sim.ChooseEDK2(kept)
	if !ok {
		return Choice{}, false
	}
	at := func(i int) *dhcp4.Packet { return read[i] }
	out := Choice{Address: find(offers, c.DHCP.Packet, at), AskFirst: c.AskFirst, By: string(c.By)}
	if c.Boot != nil {
		out.Boot = find(offers, c.Boot.Packet, at)
	}
	return out, true
}

func chooseHTTP(sent *dhcp4.Packet, offers []Answer) (Choice, bool) {
	read := make([]*dhcp4.Packet, len(offers))
	var kept []sim.HTTPOffer
	for i, a := range offers {
		if o, err := sim.ReadHTTPOffer(sent, a.Data); err == nil {
			read[i] = o.Packet
			kept = append(kept, o)
		}
	}
	dhcp, boot, ok := sim.ChooseHTTP(kept)
	if !ok {
		return Choice{}, false
	}
	at := func(i int) *dhcp4.Packet { return read[i] }
	return Choice{Address: find(offers, dhcp.Packet, at), Boot: find(offers, boot.Packet, at), By: string(boot.Class)}, true
}

func chooseIPXE(sent *dhcp4.Packet, offers []Answer) (Choice, bool) {
	var heard []sim.Received
	for _, a := range offers {
		heard = append(heard, sim.Received{Src: a.From, Data: a.Data})
	}
	c := sim.ChooseIPXE(sent, heard)
	if c.Offer == nil {
		return Choice{}, false
	}
	out := Choice{Address: same(offers, c.Offer), AskFirst: c.AskFirst, By: "offer"}
	switch {
	case c.Proxy != nil:
		out.By = "proxy offer"
		out.Boot = same(offers, c.Proxy)
	case c.File != "":
		out.Boot = out.Address
	}
	if out.AskFirst.IsValid() {
		out.Boot = nil
	}
	return out, out.Address != nil
}

// same finds the answer of a packet that was read anew from its octets; of
// equal ones the last, as iPXE does.
func same(offers []Answer, p *dhcp4.Packet) *Answer {
	for i := len(offers) - 1; i >= 0; i-- {
		a := &offers[i]
		if a.Packet != nil && a.Packet.YIAddr == p.YIAddr && a.Packet.SIAddr == p.SIAddr && a.Packet.File == p.File && a.Server() == serverID(p) {
			return a
		}
	}
	return nil
}

func serverID(p *dhcp4.Packet) netip.Addr {
	id, _ := p.Options.Addr(dhcp4.OptServerID)
	return id
}

// Target is what a machine loads first.
type Target struct {
	Via    string     // tftp or http
	Server netip.Addr // of TFTP
	Name   string     // file name, or URL
}

// TargetOf reads from the answer that counts what is loaded; ok is false where
// it names nothing.
func TargetOf(c Chooser, sent *dhcp4.Packet, a Answer) (Target, bool) {
	switch c {
	case EDK2HTTP:
		o, err := sim.ReadHTTPOffer(sent, a.Data)
		return Target{Via: "http", Name: o.URL}, err == nil && o.URL != ""
	case IPXE:
		return targetOfIPXE(a)
	}
	o, err := sim.ReadEDK2Offer(sent, a.Data)
	if err != nil {
		// An ACK from port 4011 need not repeat the xid of the DISCOVER.
		return Target{Via: "tftp", Server: a.nextServer(), Name: a.BootFile()}, a.BootFile() != ""
	}
	return Target{Via: "tftp", Server: o.Server, Name: o.File}, o.File != ""
}

func targetOfIPXE(a Answer) (Target, bool) {
	name := a.Packet.File
	if name == "" {
		name = a.BootFile()
	}
	scheme, rest, isURL := strings.Cut(name, "://")
	switch {
	case name == "":
		return Target{}, false
	case !isURL:
		return Target{Via: "tftp", Server: a.Packet.SIAddr, Name: name}, true
	case scheme == "tftp":
		host, file, _ := strings.Cut(rest, "/")
		addr, err := netip.ParseAddr(host)
		return Target{Via: "tftp", Server: addr, Name: file}, err == nil
	}
	return Target{Via: "http", Name: name}, true
}

// MenuItem is what is asked for at port 4011 where an answer has a menu: its
// first line; nil without one.
func MenuItem(a Answer) *pxe.BootItem {
	raw, _ := a.Packet.Options.First(dhcp4.OptVendorSpecific)
	v, err := pxe.ParseVendorOptions(raw)
	if err != nil || len(v.Menu) == 0 {
		return nil
	}
	return &pxe.BootItem{Type: v.Menu[0].Type}
}

// Role is what the first file is to a machine. Firmware takes whatever it is
// given for a boot program; iPXE takes a script, and programs too.
func Role(c Chooser, name string) model.FileRole {
	role := record.RoleOf(name)
	switch {
	case c == EDK2HTTP && IsDisk(name), c == IPXE && role == model.RoleLoader:
		return role
	case c == IPXE:
		return model.RoleConfig
	}
	return model.RoleLoader
}

// IsDisk reports whether firmware that boots by HTTP mounts a file instead of
// starting it (UEFI specification section 24.7.3.1; EDK2 goes by the end of the
// name where the server does not say).
func IsDisk(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".img") || strings.HasSuffix(name, ".iso")
}

// ClassOf is what a machine takes an answer for, in the words of EDK2; of one
// that it drops, why.
func ClassOf(c Chooser, sent *dhcp4.Packet, a Answer) string {
	if c == EDK2HTTP {
		o, err := sim.ReadHTTPOffer(sent, a.Data)
		return classText(string(o.Class), err)
	}
	o, err := sim.ReadEDK2Offer(sent, a.Data)
	return classText(string(o.Class), err)
}

func classText(class string, err error) string {
	if err != nil {
		return "dropped: " + err.Error()
	}
	return class
}
