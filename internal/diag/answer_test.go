package diag

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
)

var began = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// asked is a machine's DISCOVER.
func asked(t *testing.T, m sim.Machine) *dhcp4.Packet {
	t.Helper()
	p, err := m.Discover()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// said makes an answer: from a server, with an address or, for "", none, and
// changed as a test wants it.
func said(t *testing.T, sent *dhcp4.Packet, kind dhcp4.MessageType, server, address string, change func(*dhcp4.Packet)) Answer {
	t.Helper()
	p := &dhcp4.Packet{Op: dhcp4.OpReply, HType: 1, HLen: 6, Xid: sent.Xid, CHAddr: sent.CHAddr, SIAddr: netip.MustParseAddr(server)}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(kind))
	p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr(server))
	if address != "" {
		p.YIAddr = netip.MustParseAddr(address)
		p.Options.AddUint32(dhcp4.OptLeaseTime, 3600)
		p.Options.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
		p.Options.AddAddr(dhcp4.OptRouter, netip.MustParseAddr("10.77.2.1"))
	}
	if change != nil {
		change(p)
	}
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Heard(began, netip.AddrPortFrom(netip.MustParseAddr(server), 67), b)
}

// boots adds what a boot server says.
func boots(file string) func(*dhcp4.Packet) {
	return func(p *dhcp4.Packet) {
		p.File = file
		p.Options.AddString(dhcp4.OptVendorClass, "PXEClient")
		p.Options.Add(dhcp4.OptVendorSpecific, []byte{6, 1, 8, 255})
	}
}

func without(p *dhcp4.Packet, code dhcp4.OptionCode) {
	var kept dhcp4.Options
	for _, o := range p.Options {
		if o.Code != code {
			kept = append(kept, o)
		}
	}
	p.Options = kept
}

func codesOf(all []Finding) string {
	var codes []string
	for _, f := range all {
		if f.State != OK {
			codes = append(codes, string(f.State)+" "+f.Code)
		}
	}
	return strings.Join(codes, ", ")
}

// TestCheckAnswer: what is wrong in one answer.
func TestCheckAnswer(t *testing.T) {
	sent := asked(t, sim.Machine{Arch: model.ArchX64})
	const dhcp = "10.77.2.3"
	for _, c := range []struct {
		name   string
		change func(*dhcp4.Packet)
		want   string
	}{
		{"a plain DHCP server's", nil, ""},
		{"a whole boot server's", boots("boot.efi"), ""},
		{"without a mask", func(p *dhcp4.Packet) { without(p, 1) }, "fault no-mask"},
		{"without a router", func(p *dhcp4.Packet) { without(p, 3) }, "warning no-router"},
		{"without a router, the boot server elsewhere", func(p *dhcp4.Packet) {
			boots("boot.efi")(p)
			without(p, 3)
			p.SIAddr = netip.MustParseAddr("10.77.1.9")
		}, "fault no-router"},
		{"with a router elsewhere", func(p *dhcp4.Packet) {
			without(p, 3)
			p.Options.AddAddr(3, netip.MustParseAddr("192.168.1.1"))
		}, "fault router-off-link"},
		{"without option 54", func(p *dhcp4.Packet) { without(p, 54) }, "fault no-server-id"},
		{"an option of three octets", func(p *dhcp4.Packet) { p.Options.Add(28, []byte{10, 77, 2}) }, "fault bad-option"},
		{"option 60 alone", func(p *dhcp4.Packet) { p.Options.AddString(60, "PXEClient") }, "warning option-60-alone"},
		{"both classes", func(p *dhcp4.Packet) { p.Options.AddString(60, "PXEClientHTTPClient") }, "fault both-classes, warning option-60-alone"},
		{"HTTPClient to a PXE client", func(p *dhcp4.Packet) { p.Options.AddString(60, "HTTPClient") }, "warning wrong-class"},
		{"a URL for TFTP", boots("http://10.77.2.3/boot.efi"), "fault odd-boot-file"},
		{"a name with quotation marks", boots(`"boot.efi"`), "fault odd-boot-file"},
		{"a name with a space behind", boots("boot.efi "), "fault odd-boot-file"},
		{"two names", func(p *dhcp4.Packet) {
			boots("boot.efi")(p)
			p.Options.AddString(67, "other.efi\x00")
		}, "warning two-boot-files"},
		{"one name twice", func(p *dhcp4.Packet) {
			boots("boot.efi")(p)
			p.Options.Add(67, []byte("boot.efi\x00"))
		}, ""},
		{"option 66 alone", func(p *dhcp4.Packet) {
			boots("boot.efi")(p)
			p.SIAddr = netip.IPv4Unspecified()
			p.Options.AddString(66, "10.77.2.9")
		}, "fault option-66"},
		{"no next server", func(p *dhcp4.Packet) {
			boots("boot.efi")(p)
			p.SIAddr = netip.IPv4Unspecified()
		}, "warning next-server-missing"},
		{"option 13", func(p *dhcp4.Packet) { p.Options.AddUint16(13, 1) }, "warning option-13"},
		{"a list in option 43 that is cut short", func(p *dhcp4.Packet) {
			p.Options.AddString(60, "PXEClient")
			p.Options.Add(43, []byte{8, 2, 0, 0, 255})
		}, "fault option-43"},
		{"only listed servers, and no list", func(p *dhcp4.Packet) {
			p.Options.AddString(60, "PXEClient")
			p.Options.Add(43, []byte{6, 1, 7, 255})
		}, "fault option-43"},
	} {
		if got := codesOf(CheckAnswer(sent, said(t, sent, dhcp4.Offer, dhcp, "10.77.2.60", c.change))); got != c.want {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// TestCheckOctets: what only the datagram shows.
func TestCheckOctets(t *testing.T) {
	sent := asked(t, sim.Machine{Arch: model.ArchX64})
	whole := said(t, sent, dhcp4.Offer, "10.77.2.3", "10.77.2.60", nil)
	open := append([]byte(nil), whole.Data...)
	for i := len(open) - 1; ; i-- {
		if open[i] == 255 {
			open[i] = 0
			break
		}
	}
	long := append(append([]byte(nil), whole.Data...), make([]byte, 1500)...)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"no END", open, "fault no-end"},
		{"too long", long, "fault answer-too-long"},
		{"cut short", whole.Data[:241], "fault answer-unreadable"},
	} {
		if got := codesOf(CheckAnswer(sent, Heard(began, whole.From, c.data))); got != c.want {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// TestIPXEMayHaveURLs: what is odd for firmware is iPXE's usual answer.
func TestIPXEMayHaveURLs(t *testing.T) {
	sent := asked(t, sim.Machine{Arch: model.ArchX64, Stage: "ipxe"})
	if got := codesOf(CheckAnswer(sent, said(t, sent, dhcp4.Offer, "10.77.2.3", "10.77.2.60", boots("http://10.77.2.3/boot.ipxe")))); got != "" {
		t.Errorf("found %q", got)
	}
}
