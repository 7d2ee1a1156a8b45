//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// TestOfferForms switches on a machine with EDK2's firmware for each form of a
// proxy's offer, beside somebody else's DHCP server: it takes all of them.
func TestOfferForms(t *testing.T) {
	t.Parallel()
	for _, s := range model.Styles() {
		conf := proxied + fmt.Sprintf("\n[boot]\nunknown = \"kernel\"\noffer = %q\n", s) + images
		r := row{"uefi-x64-" + string(s), UEFIx64, besideDnsmasq, conf, []string{ipxe, kernelLine}}
		r.run(t, func(t *testing.T, _ *Lab, server *Server, record *Capture) {
			checkSimulation(t, server, record)
			checkForm(t, server, record, s)
		})
	}
}

// checkForm holds what went over the wire against the form: what was in the
// first offer to firmware, and who asked port 4011 before the boot program was
// read.
func checkForm(t *testing.T, server *Server, record *Capture, s model.Style) {
	var asked, offered time.Time
	for _, d := range record.Datagrams(dhcp4.ServerPort, dhcp4.BootPort, 69) {
		p, err := dhcp4.Parse(d.Payload)
		switch {
		case d.Dst.Port() == 69:
			if got := !asked.IsZero(); got != s.Asks() {
				t.Errorf("port 4011 was asked before the boot program: %v, want %v", got, s.Asks())
			}
			return
		case err != nil:
		case d.Dst.Port() == dhcp4.BootPort && d.Dst.Addr() == server.Host.Addr():
			asked = d.Time
		case p.Type() == dhcp4.Discover && offered.IsZero():
			offered = d.Time
		case p.Type() == dhcp4.Offer && d.Src.Addr() == server.Host.Addr():
			if (p.File != "") != s.NamesFile() || formOf(p) != s && (s != model.StyleDelayed || formOf(p) != model.StyleBypass) {
				t.Errorf("the offer has the form %q with file %q", formOf(p), p.File)
			}
			if late := d.Time.Sub(offered) > 900*time.Millisecond; late != (s == model.StyleDelayed) {
				t.Errorf("the offer came %v after the DISCOVER", d.Time.Sub(offered))
			}
		}
	}
	t.Error("no boot program was asked for")
}

// formOf is the form of a proxy's offer.
func formOf(p *dhcp4.Packet) model.Style {
	raw, ok := p.Options.Get(dhcp4.OptVendorSpecific)
	v, err := pxe.ParseVendorOptions(raw)
	switch {
	case !ok && p.File == "":
		return model.StyleBINL
	case !ok:
		return model.StyleNo43
	case err == nil && len(v.Menu) > 1 && p.File == "":
		return model.StyleMenu
	case err == nil && v.Control != nil && *v.Control == pxe.Bypass:
		return model.StyleBypass
	}
	return ""
}

// TestOffersThatLearn has machines that take menus alone: the first attempt of
// the first fails, its second goes through, and the first attempt of another
// machine of its model does. One of another model gets the usual offer.
func TestOffersThatLearn(t *testing.T) {
	t.Parallel()
	Slot(t)
	l := New(t)
	lan := l.Link("lan")
	record := l.Capture(lan)
	l.Host("dhcp", lan, otherAddr+"/24", "").DnsmasqPlain(plainPlan())
	server := l.Host("srv", lan, localAddr+"/24", "").Hobnail(proxied + "\n[boot]\nunknown = \"menu\"\n")
	boots := l.Host("pc", lan, "10.77.2.120/24", "")

	const class = "PXEClient:Arch:00007:UNDI:003016"
	first := boots.client(t, 1, firmwareOptions(class, 7))
	if form, took := first.bootMenusAlone(server); form != model.StyleBypass || took {
		t.Fatalf("the first attempt got the form %q, took it: %v", form, took)
	}
	server.WaitFor(`code=learn\.offer mac=52:54:00:4c:43:01 .*next=menu`, 90*time.Second)
	// What comes sooner belongs to the attempt before.
	time.Sleep(time.Until(first.sent.Add(95 * time.Second)))
	if form, took := first.bootMenusAlone(server); form != model.StyleMenu || !took {
		t.Fatalf("the second attempt got the form %q, took it: %v", form, took)
	}
	server.WaitFor(`code=learn\.offer mac=52:54:00:4c:43:01 .*of=model .*next=menu`, 90*time.Second)
	first.conn.Close()

	second := boots.client(t, 2, firmwareOptions(class, 7))
	if form, took := second.bootMenusAlone(server); form != model.StyleMenu || !took {
		t.Errorf("another machine of the model got the form %q, took it: %v", form, took)
	}
	second.conn.Close()
	other := boots.client(t, 3, firmwareOptions("PXEClient:Arch:00000:UNDI:002001", 0))
	if form, _ := other.bootMenusAlone(server); form != model.StyleBypass {
		t.Errorf("a machine of another model got the form %q", form)
	}
	record.CheckDHCP(server.Host.Addr())
}

// bootMenusAlone asks as firmware does that goes on with an offer that is a
// menu and no other, and reads the boot program. It gives the form of hobnail's
// offer, and whether it went on.
func (c *client) bootMenusAlone(server *Server) (form model.Style, took bool) {
	c.t.Helper()
	ours := server.Host.Addr().String()
	offers := c.discover(ours, otherAddr)
	if offers[ours] == nil || offers[otherAddr] == nil {
		c.t.Fatalf("offers came from %d servers", len(offers))
	}
	if form = formOf(offers[ours]); form != model.StyleMenu {
		return form, false
	}
	ack := c.request(offers[otherAddr])
	if ack == nil || ack.Type() != dhcp4.Ack {
		c.t.Fatal("the DHCP server gives no address")
	}
	raw, _ := offers[ours].Options.Get(dhcp4.OptVendorSpecific)
	v, err := pxe.ParseVendorOptions(raw)
	if err != nil || len(v.Servers) == 0 || len(v.Servers[0].Addrs) == 0 {
		c.t.Fatalf("the menu has no server: %+v, %v", v, err)
	}
	item, _ := pxe.VendorOptions{Item: &pxe.BootItem{Type: v.Menu[0].Type}}.Encode()
	c.sendTo(dhcp4.Request, v.Servers[0].Addrs[0].String(), dhcp4.BootPort, func(p *dhcp4.Packet) {
		p.CIAddr = ack.YIAddr
		p.Options.Add(dhcp4.OptVendorSpecific, item)
	})
	var told *dhcp4.Packet
	c.hear(4*time.Second, func(p *dhcp4.Packet) bool {
		told = p
		return p.Type() == dhcp4.Ack && serverOf(p) == ours
	})
	if told == nil || told.File == "" {
		c.t.Fatalf("port 4011 names no boot program: %+v", told)
	}
	c.host.Run("curl", "-s", "-o", c.host.Dir("read")+"/program", "tftp://"+told.SIAddr.String()+"/"+told.File)
	if !strings.HasSuffix(told.File, ".efi") {
		c.t.Errorf("the boot program is %s", told.File)
	}
	return form, true
}
