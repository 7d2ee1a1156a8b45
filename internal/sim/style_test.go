package sim_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
	"hobnail/internal/wire/wiretest"
)

// TestUEFIAndTheFormsOfAnOffer: what EDK2 does with each form beside a server
// that gives an address, and what it loads in the end.
func TestUEFIAndTheFormsOfAnOffer(t *testing.T) {
	const file = "m/525400123456/%s/snponly.efi from 10.99.0.1"
	router := offer{from: serverP, plain: true}
	lure := offer{from: serverP, plain: true, class: "PXEClient"}
	for _, tc := range []struct {
		style model.Style
		other offer
		want  string // of the offers
		ends  bool   // with our file
	}{
		{model.StyleBypass, router, "ProxyPxe10: address from 10.99.0.2, " + file, true},
		{model.StyleDelayed, router, "ProxyPxe10: address from 10.99.0.2, " + file, true},
		{model.StyleMenu, router, "ProxyPxe10: address from 10.99.0.2, asks 10.99.0.1:4011", true},
		{model.StyleNo43, router, "ProxyBinl: address from 10.99.0.2, asks 10.99.0.1:4011", true},
		{model.StyleBINL, router, "ProxyBinl: address from 10.99.0.2, asks 10.99.0.1:4011", true},
		// No form wins against option 60 of a server that gives addresses.
		{model.StyleBypass, lure, "DhcpBinl: address from 10.99.0.2, asks 10.99.0.2:4011", false},
		{model.StyleMenu, lure, "DhcpBinl: address from 10.99.0.2, asks 10.99.0.2:4011", false},
		{model.StyleNo43, lure, "DhcpBinl: address from 10.99.0.2, asks 10.99.0.2:4011", false},
		{model.StyleBINL, lure, "DhcpBinl: address from 10.99.0.2, asks 10.99.0.2:4011", false},
	} {
		for _, m := range []struct {
			capture string
			arch    model.Arch
		}{{"30-ovmf-x64-pxe-discover", model.ArchX64}, {"44-aavmf-arm64-pxe-discover", model.ArchARM64}} {
			t.Run(fmt.Sprintf("%s to %s beside %s", tc.style, m.arch, tc.other.class), func(t *testing.T) {
				site := fmt.Sprintf("[boot]\noffer = %q\n", tc.style)
				sent, ours := replyTo(t, m.capture, site)
				want := tc.want
				if tc.ends && !tc.style.Asks() {
					want = fmt.Sprintf(tc.want, m.arch)
				}
				got := edk2TakesReplies(sent, beside(t, sent, tc.other), ours)
				if got != want {
					t.Fatalf("%s\nwant %s", got, want)
				}
				if !tc.ends || !tc.style.Asks() {
					return
				}
				told := tell4011(t, sent, site, tc.style)
				if got, want := fmt.Sprintf("%s from %s", told.File, told.Server), fmt.Sprintf(file, m.arch); got != want {
					t.Errorf("port 4011 names %s, want %s", got, want)
				}
			})
		}
	}
}

// tell4011 asks port 4011 as EDK2 does after such an offer, and reads the
// answer.
func tell4011(t *testing.T, discover *dhcp4.Packet, site string, style model.Style) sim.EDK2Offer {
	t.Helper()
	ask := *discover
	ask.Options = nil
	ask.CIAddr = netip.MustParseAddr("10.99.0.50")
	for _, o := range discover.Options {
		if o.Code == dhcp4.OptMessageType {
			o.Data = []byte{byte(dhcp4.Request)}
		}
		ask.Options = append(ask.Options, o)
	}
	if style == model.StyleMenu {
		// The item that the menu has first, as EDK2 asks for it (capture 37).
		item, err := pxe.VendorOptions{Item: &pxe.BootItem{Type: 0x8000}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		ask.Options.Add(dhcp4.OptVendorSpecific, item)
	}
	trace, err := sim.Run(newView(t, site), &ask, sim.Place{Server: serverS, Port: 4011}, noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(trace.Reply)
	if err != nil || len(b) == 0 {
		t.Fatalf("port 4011 says nothing: %+v", trace.Reasons)
	}
	o, err := sim.ReadEDK2Offer(&ask, b)
	if err != nil {
		t.Fatalf("EDK2 drops the answer of port 4011: %v", err)
	}
	raw, _ := o.Packet.Options.Get(dhcp4.OptVendorSpecific)
	v, err := pxe.ParseVendorOptions(raw)
	if err != nil || (style == model.StyleMenu) != (v.Item != nil && v.Item.Type == 0x8000) {
		t.Errorf("option 43 is % x, %v: the item comes back, where one was asked for", raw, err)
	}
	return o
}

// TestMenuIsWhole: what some firmware wants of a menu: two items at least, the
// first none of type 0, each with a server, and no search by broadcast.
func TestMenuIsWhole(t *testing.T) {
	_, reply := replyTo(t, "01-intel-bios-discover", "[boot]\noffer = \"menu\"\n")
	p, err := dhcp4.Parse(reply)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := p.Options.First(dhcp4.OptVendorSpecific)
	v, err := pxe.ParseVendorOptions(raw)
	if err != nil || v.Control == nil || *v.Control != pxe.NoBroadcast|pxe.NoMulticast|pxe.OnlyListed || v.Prompt == nil || v.Prompt.Timeout != 0 || len(v.Menu) < 2 {
		t.Fatalf("option 43 is %+v, %v", v, err)
	}
	for _, item := range v.Menu {
		served := false
		for _, s := range v.Servers {
			served = served || s.Type == item.Type && len(s.Addrs) == 1 && s.Addrs[0] == serverS
		}
		if item.Type == 0 || !served {
			t.Errorf("item %+v of %+v has no server", item, v.Servers)
		}
	}
}

// TestAMenuWithoutItsServer: EDK2 asks nobody.
func TestAMenuWithoutItsServer(t *testing.T) {
	const other = "\x06\x01\x07\x08\x07\x80\x01\x01\x0a\x63\x00\x02\x09\x06\x80\x00\x03nbp\x0a\x02\x00x\xff"
	got := edk2Takes(t, discover(), offer{from: serverS, plain: true}, offer{from: serverP, class: "PXEClient", vendor: other})
	if want := "ProxyPxe10: address from 10.99.0.1, no boot file"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestIPXEAndTheFormsOfAnOffer: iPXE gets the one form that it takes at once.
func TestIPXEAndTheFormsOfAnOffer(t *testing.T) {
	for _, s := range model.Styles() {
		for _, capture := range []string{"38-ipxe-uefi-discover", "40-ipxe-bios-discover"} {
			sent, ours := replyTo(t, capture, fmt.Sprintf("[boot]\noffer = %q\n", s))
			plain := beside(t, sent, offer{from: serverP, plain: true})
			from := netip.AddrPortFrom(serverS, 67)
			c := sim.ChooseIPXE(sent, []sim.Received{{Src: netip.AddrPortFrom(serverP, 67), Data: plain}, {Src: from, Data: ours}})
			if c.File == "" || c.Menu || c.AskFirst.IsValid() || c.Waits {
				t.Errorf("%s, form %s: %+v", capture, s, c)
			}
		}
	}
}

// TestTaught: simulate shows an offer as if boots had taught its form, and a
// configuration that names one all the same.
func TestTaught(t *testing.T) {
	for site, want := range map[string]string{
		"":                                     "menu",
		"[boot]\noffer = \"no43\"\n":           "no43",
		"[boot]\nlearn = \"off\"\n":            "bypass",
		"[[rule]]\nlearn = \"off\"\n":          "bypass",
		"[[rule]]\noffer = \"delayed\"\n":      "delayed",
		networks:                               "",
		"[server]\ndhcp = \"merge\"\n":         "",
		"[boot]\nunknown = \"deny\"\n":         "",
		"[boot]\noffer = \"auto\"\n":           "menu",
		"[server]\ndhcp = \"proxy\"\n[boot]\n": "menu",
	} {
		sent, err := dhcp4.Parse(wiretest.Packet(t, "30-ovmf-x64-pxe-discover"))
		if err != nil {
			t.Fatal(err)
		}
		v := newView(t, site)
		v.Learned = sim.Taught{Style: model.StyleMenu}
		trace, err := sim.Run(v, sent, sim.Place{Server: serverS}, noon)
		if err != nil || trace.Offer != want {
			t.Errorf("%q: form %q, want %q; %v", site, trace.Offer, want, err)
		}
	}
}
