package record_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
	"hobnail/internal/wire/wiretest"
)

// stepOf makes the step of a DHCP packet, whoever sent it.
func stepOf(t *testing.T, c wiretest.Capture) (record.Who, model.Step, bool) {
	t.Helper()
	p, err := dhcp4.Parse(c.Payload)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	if p.Op == dhcp4.OpReply {
		return record.Reply(at(0), p, c.Src)
	}
	f := classify.DHCP(p, classify.Ingress{Interface: "eth0", Src: c.Src, Dst: c.Dst.Addr(), Port: c.Dst.Port()})
	return record.Request(at(0), &f)
}

func at(d time.Duration) time.Time {
	return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(d)
}

// line is a step in a few words, in the order of its fields.
func line(who record.Who, s model.Step) string {
	d := s.DHCP
	words := []string{string(s.Kind), string(who.MAC)}
	add := func(name string, v any) {
		if text := fmt.Sprint(v); text != "" && text != "0" && text != "false" && text != "invalid IP" {
			words = append(words, name+"="+text)
		}
	}
	add("place", who.Place)
	add("has", who.Addr)
	add("server", s.Server)
	add("stage", d.Stage)
	add("class", d.Class)
	add("arch", d.Arch)
	add("vendor", d.Vendor)
	add("secs", d.Secs)
	add("relay", d.Relay)
	add("chosen", d.Chosen)
	add("address", d.Address)
	add("file", d.File)
	add("next", d.NextServer)
	add("43", d.Vendor43)
	add("bypass", d.Bypass)
	add("no-mask", d.NoMask)
	add("no-end", d.NoEnd)
	add("no-id", d.NoServerID)
	add("no-route", d.NoRoute)
	add("menu-fault", d.MenuFault)
	add("bad", d.BadOption)
	add("size", d.FileSize)
	add("says", d.Message)
	return strings.Join(words, " ")
}

// TestPackets: what steps real packets make. A DHCPv4 capture without a row
// fails.
func TestPackets(t *testing.T) {
	const intel, ovmf, other = " d0:50:99:4e:05:57", " 52:54:00:12:34:56 place=eth0", " 5a:4f:34:b1:af:66"
	want := map[string]string{
		"01-intel-bios-discover":      "discover" + intel + " place=eth0 stage=firmware class=PXEClient arch=bios vendor=PXEClient:Arch:00000:UNDI:002001 secs=8",
		"02-pixiecore-proxy-offer":    "offer" + intel + " server=192.168.16.10 vendor=PXEClient 43=true",
		"03-dnsmasq-offer":            "offer" + intel + " server=192.168.16.1 address=192.168.16.12 next=192.168.16.1",
		"04-intel-bios-request":       "request" + intel + " place=eth0 stage=firmware class=PXEClient arch=bios vendor=PXEClient:Arch:00000:UNDI:002001 secs=8 chosen=192.168.16.1 address=192.168.16.12",
		"05-dnsmasq-ack":              "ack" + intel + " has=192.168.16.12 server=192.168.16.1 address=192.168.16.12 next=192.168.16.1",
		"06-intel-bios-4011-request":  "boot-service-asked" + intel + " place=eth0 has=192.168.16.12 server=192.168.16.10 stage=firmware class=PXEClient arch=bios vendor=PXEClient:Arch:00000:UNDI:002001 secs=8 address=192.168.16.12",
		"07-pixiecore-4011-ack":       "boot-service-answered" + intel + " server=192.168.16.10 vendor=PXEClient address=192.168.16.12 file=boot next=192.168.16.10",
		"10-relayed-type1":            "discover" + other + " place=10.30.1.1 stage=os relay=10.30.1.1",
		"11-relayed-type2":            "offer" + other + " server=10.40.2.3 relay=10.30.1.1 address=10.30.4.4",
		"12-relayed-type3":            "request" + other + " place=10.30.1.1 stage=os relay=10.30.1.1 chosen=10.40.2.3 address=10.30.4.4",
		"13-relayed-type5":            "ack" + other + " has=10.30.4.4 server=10.40.2.3 relay=10.30.1.1 address=10.30.4.4",
		"30-ovmf-x64-pxe-discover":    "discover" + ovmf + " stage=firmware class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003000",
		"31-ovmf-x64-pxe-request":     "request" + ovmf + " stage=firmware class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003000 chosen=10.99.0.1 address=10.99.0.50",
		"35-ovmf-4011-request":        "boot-service-asked" + ovmf + " has=10.99.0.50 server=10.99.0.1 stage=firmware class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003000 address=10.99.0.50",
		"36-ovmf-4011-request-retry":  "boot-service-asked" + ovmf + " has=10.99.0.50 server=10.99.0.1 stage=firmware class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003000 secs=256 address=10.99.0.50",
		"37-ovmf-4011-menu-request":   "boot-service-asked" + ovmf + " has=10.99.0.50 server=10.99.0.2 stage=firmware class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003000 address=10.99.0.50",
		"38-ipxe-uefi-discover":       "discover" + ovmf + " stage=ipxe class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003010 secs=4",
		"39-ipxe-uefi-request":        "request" + ovmf + " stage=ipxe class=PXEClient arch=uefi-x64 vendor=PXEClient:Arch:00007:UNDI:003010 secs=18 chosen=10.99.0.1 address=10.99.0.50",
		"40-ipxe-bios-discover":       "discover" + ovmf + " stage=ipxe class=PXEClient arch=bios vendor=PXEClient:Arch:00000:UNDI:002001 secs=4",
		"41-ipxe-bios-4011-request":   "boot-service-asked" + ovmf + " has=10.99.0.50 server=10.99.0.2 stage=ipxe class=PXEClient arch=bios vendor=PXEClient:Arch:00000:UNDI:002001 secs=15 chosen=10.99.0.2 address=10.99.0.50",
		"43-ovmf-http-discover":       "discover" + ovmf + " stage=firmware class=HTTPClient arch=uefi-x64 vendor=HTTPClient:Arch:00016:UNDI:003000",
		"44-aavmf-arm64-pxe-discover": "discover" + ovmf + " stage=firmware class=PXEClient arch=uefi-arm64 vendor=PXEClient:Arch:00011:UNDI:003000",
		"45-uboot-arm64-discover":     "discover 52:52:52:52:52:52 place=eth0 stage=firmware class=U-Boot arch=uefi-arm64 vendor=U-Boot.armv8",
		"55-ovmf-dhcp-decline":        "decline" + ovmf + " stage=os chosen=10.99.0.1 address=10.99.0.50 says=Lease is denied upon entering bound",
	}
	for _, c := range wiretest.CapturesTo(t, dhcp4.ServerPort, dhcp4.BootPort) {
		who, s, ok := stepOf(t, c)
		if !ok {
			t.Errorf("%s makes no step", c.Name)
			continue
		}
		if diff := cmp.Diff(want[c.Name], line(who, s)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.Name, c.What, diff)
		}
		delete(want, c.Name)
	}
	for name := range want {
		t.Errorf("%s has a row and is not there", name)
	}
}

// TestIntelBoot: the packets of one boot of a BIOS machine make one record.
func TestIntelBoot(t *testing.T) {
	j := record.NewJoiner()
	seen := map[*model.Boot]bool{}
	for i, c := range wiretest.Captures(t)[:7] {
		who, s, ok := stepOf(t, c)
		if !ok {
			t.Fatalf("%s makes no step", c.Name)
		}
		s.Time = at(time.Duration(i) * time.Second)
		seen[j.Add(who, s)] = true
	}
	boots := j.Open()
	if len(boots) != 1 || len(seen) != 1 || seen[nil] {
		t.Fatalf("%d boots are open, steps went to %d", len(boots), len(seen))
	}
	b := boots[0]
	if b.MAC != "d0:50:99:4e:05:57" || b.Arch != model.ArchBIOS || b.Addr != netip.MustParseAddr("192.168.16.12") ||
		b.Model != "d0:50:99 bios PXEClient:Arch:00000:UNDI:002001" || len(b.Steps) != 7 {
		t.Errorf("the record is %+v with %d steps", b, len(b.Steps))
	}
}

// reply is an OFFER with an address; further options are added.
func reply(options ...dhcp4.Option) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpReply, HType: dhcp4.HTypeEthernet, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}}
	p.YIAddr = netip.MustParseAddr("10.0.0.50")
	p.SIAddr = netip.MustParseAddr("10.0.9.1")
	p.File = "pxe.efi"
	p.Options = append(dhcp4.Options{
		{Code: dhcp4.OptMessageType, Data: []byte{2}}, {Code: dhcp4.OptServerID, Data: []byte{10, 0, 0, 1}},
		{Code: dhcp4.OptSubnetMask, Data: []byte{255, 255, 255, 0}}, {Code: dhcp4.OptRouter, Data: []byte{10, 0, 0, 254}},
	}, options...)
	return p
}

func without(p *dhcp4.Packet, code dhcp4.OptionCode) *dhcp4.Packet {
	var kept dhcp4.Options
	for _, o := range p.Options {
		if o.Code != code {
			kept = append(kept, o)
		}
	}
	p.Options = kept
	return p
}

// TestFaultsOfAnswers: what is wrong in an answer is found, and nothing in a
// sound one.
func TestFaultsOfAnswers(t *testing.T) {
	pxeClass := dhcp4.Option{Code: dhcp4.OptVendorClass, Data: []byte("PXEClient")}
	vendor := func(data ...byte) dhcp4.Option {
		return dhcp4.Option{Code: dhcp4.OptVendorSpecific, Data: data}
	}
	near := reply()
	near.SIAddr = netip.MustParseAddr("10.0.0.7")
	url := without(reply(dhcp4.Option{Code: dhcp4.OptBootFileName, Data: []byte("http://10.0.9.1:8080/boot.efi")}), dhcp4.OptRouter)
	unended := reply()
	unended.MissingEnd = true
	for _, tc := range []struct {
		name string
		p    *dhcp4.Packet
		want string
	}{
		{"sound", reply(), ""},
		{"no mask", without(reply(), dhcp4.OptSubnetMask), "no-mask"},
		{"no server id", without(reply(), dhcp4.OptServerID), "no-id"},
		{"no end", unended, "no-end"},
		{"no router, next server elsewhere", without(reply(), dhcp4.OptRouter), "no-route"},
		{"no router, URL elsewhere", url, "no-route"},
		{"no router, next server on the link", without(near, dhcp4.OptRouter), ""},
		{"option 13", reply(dhcp4.Option{Code: dhcp4.OptBootFileSize, Data: []byte{0, 9}}), "size"},
		{"an option of a wrong length", reply(dhcp4.Option{Code: dhcp4.OptNTP, Data: []byte{1, 2, 3}}), "bad"},
		{"take the file of this packet", reply(pxeClass, vendor(6, 1, 8, 255)), ""},
		{"a list of servers, and one is in it", reply(pxeClass, vendor(6, 1, 7, 8, 7, 0x80, 0, 1, 10, 0, 0, 1, 255)), ""},
		{"a list of servers, which is empty", reply(pxeClass, vendor(6, 1, 7, 255)), "menu"},
		{"neither broadcast nor multicast nor a list", reply(pxeClass, vendor(6, 1, 3, 255)), "menu"},
		{"multicast without a group", reply(pxeClass, vendor(6, 1, 0, 255)), "menu"},
		{"multicast with a group", reply(pxeClass, vendor(6, 1, 1, 7, 4, 224, 0, 1, 2, 255)), ""},
		{"a prompt without a menu", reply(pxeClass, vendor(10, 2, 0, 'x', 255)), "menu"},
		{"the same without option 60, which nobody reads", reply(vendor(6, 1, 7, 255)), ""},
		{"the local disk at once", reply(pxeClass, vendor(6, 1, 2, 9, 4, 0, 0, 1, 'd', 10, 2, 0, 'x', 255)), "menu"},
	} {
		_, s, ok := record.Reply(at(0), tc.p, netip.MustParseAddrPort("10.0.0.1:67"))
		if !ok {
			t.Errorf("%s: no step", tc.name)
			continue
		}
		d := s.DHCP
		var got []string
		for name, is := range map[string]bool{"no-mask": d.NoMask, "no-id": d.NoServerID, "no-end": d.NoEnd, "no-route": d.NoRoute,
			"size": d.FileSize > 0, "bad": d.BadOption != "", "menu": d.MenuFault != ""} {
			if is {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestBootServiceByBroadcast: a search by broadcast is asked and answered on
// port 67 (PXE 2.1), and is the boot service all the same.
func TestBootServiceByBroadcast(t *testing.T) {
	item := pxe.VendorOptions{Item: &pxe.BootItem{Type: 0x8000}}
	raw, err := item.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := reply(dhcp4.Option{Code: dhcp4.OptVendorClass, Data: []byte("PXEClient")}, dhcp4.Option{Code: dhcp4.OptVendorSpecific, Data: raw})
	p.Options[0].Data = []byte{5}
	if _, s, _ := record.Reply(at(0), p, netip.MustParseAddrPort("10.0.0.1:67")); s.Kind != model.StepTold {
		t.Errorf("the answer is %s", s.Kind)
	}
}

// TestWhatMakesNoStep: other hardware, requests taken for answers, messages of
// other kinds.
func TestWhatMakesNoStep(t *testing.T) {
	infiniband, request, query := reply(), reply(), reply()
	infiniband.HType = 32
	request.Op = dhcp4.OpRequest
	query.Options[0].Data = []byte{10}
	for name, p := range map[string]*dhcp4.Packet{"InfiniBand": infiniband, "a request": request, "LEASEQUERY": query} {
		if _, s, ok := record.Reply(at(0), p, netip.MustParseAddrPort("10.0.0.1:67")); ok {
			t.Errorf("%s makes the step %+v", name, s)
		}
	}
	f := classify.Facts{Message: dhcp4.Discover}
	if _, _, ok := record.Request(at(0), &f); ok {
		t.Error("a machine without a MAC makes a step")
	}
}

// TestHostilePackets: the corpus makes steps with nothing in them that does not
// print, or none.
func TestHostilePackets(t *testing.T) {
	for _, c := range wiretest.Corpus(t, "dhcp4") {
		p, err := dhcp4.Parse(c.Payload)
		if err != nil {
			continue
		}
		f := classify.DHCP(p, classify.Ingress{Interface: "eth0", Port: dhcp4.ServerPort})
		if who, s, ok := record.Request(at(0), &f); ok {
			checkTexts(t, c.Path, who.Name, who.Vendor, s.DHCP.Vendor, s.DHCP.Hostname, s.DHCP.Message)
		}
		p.Op = dhcp4.OpReply
		if _, s, ok := record.Reply(at(0), p, netip.MustParseAddrPort("10.0.0.1:67")); ok {
			checkTexts(t, c.Path, s.DHCP.Vendor, s.DHCP.File, s.DHCP.Message, s.DHCP.BadOption)
		}
	}
}
