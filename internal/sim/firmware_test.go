package sim_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
)

// Servers of the lab in which firmware was watched: a DHCP server, another
// host, and the machine's address.
var (
	serverS = netip.MustParseAddr("10.99.0.1")
	serverP = netip.MustParseAddr("10.99.0.2")
	lease   = netip.MustParseAddr("10.99.0.50")
)

// discover is what the machine sent.
func discover() *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, Xid: 0x4a14f4ae, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
	return p
}

// offer is the reply of a server, in octets.
type offer struct {
	from   netip.Addr
	port   uint16 // 67 if 0
	plain  bool   // with an address
	class  string // option 60
	vendor string // option 43
	file   string // `file`
	name   string // option 67, NUL included
	ipxe   string // option 175
	more   dhcp4.Options
	change func(*dhcp4.Packet)
	cut    int // octets taken from the end
}

func (o offer) octets(t testing.TB) []byte {
	t.Helper()
	p := discover()
	p.Op, p.SIAddr, p.File, p.Options = dhcp4.OpReply, o.from, o.file, nil
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Offer))
	p.Options.AddAddr(dhcp4.OptServerID, o.from)
	if o.plain {
		p.YIAddr = lease
		p.Options.AddUint32(dhcp4.OptLeaseTime, 3600)
		p.Options.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
	}
	p.Options.AddString(dhcp4.OptVendorClass, o.class)
	p.Options.AddString(dhcp4.OptVendorSpecific, o.vendor)
	p.Options.AddString(dhcp4.OptBootFileName, o.name)
	p.Options.AddString(dhcp4.OptIPXE, o.ipxe)
	p.Options = append(p.Options, o.more...)
	if o.change != nil {
		o.change(p)
	}
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)-o.cut]
}

const (
	take = "\x06\x01\x08\xff"                                                                         // option 43: take the file in this packet
	menu = "\x06\x01\x07\x08\x07\x80\x00\x01\x0a\x63\x00\x02\x09\x06\x80\x00\x03nbp\x0a\x02\x00x\xff" // a menu of one boot server
)

// TestEDK2AsSeen holds the model against what OVMF did in the lab, scenario by
// scenario.
func TestEDK2AsSeen(t *testing.T) {
	plainS := offer{from: serverS, plain: true}
	for _, tc := range []struct {
		name   string
		offers []offer
		want   string
	}{
		{"full_hdr", []offer{{from: serverS, plain: true, file: "nbp"}}, "DhcpOnly: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"full_67_vs_file", []offer{{from: serverS, plain: true, file: "other", name: "nbp\x00"}}, "DhcpOnly: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"full_67_66only", []offer{{from: serverS, plain: true, name: "nbp\x00", more: dhcp4.Options{{Code: 66, Data: []byte("10.99.0.2")}},
			change: func(p *dhcp4.Packet) { p.SIAddr = netip.IPv4Unspecified() }}}, "DhcpOnly: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"full_60_43_8", []offer{{from: serverS, plain: true, class: "PXEClient", vendor: take, file: "nbp"}}, "DhcpPxe10: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"full_60_no43", []offer{{from: serverS, plain: true, class: "PXEClient", file: "nbp"}}, "DhcpBinl: address from 10.99.0.1, asks 10.99.0.1:4011"},
		{"win60_plus_proxy", []offer{{from: serverS, plain: true, class: "PXEClient"}, {from: serverP, class: "PXEClient", vendor: take, file: "nbp"}}, "DhcpBinl: address from 10.99.0.1, asks 10.99.0.1:4011"},
		{"proxy_pxe10", []offer{plainS, {from: serverP, class: "PXEClient", vendor: take, file: "nbp"}}, "ProxyPxe10: address from 10.99.0.1, nbp from 10.99.0.2"},
		{"proxy_binl", []offer{plainS, {from: serverP, class: "PXEClient"}}, "ProxyBinl: address from 10.99.0.1, asks 10.99.0.2:4011"},
		{"proxy_menu", []offer{plainS, {from: serverP, class: "PXEClient", vendor: menu}}, "ProxyPxe10: address from 10.99.0.1, asks 10.99.0.2:4011"},
		{"proxy_no60", []offer{plainS, {from: serverP, vendor: take, file: "nbp"}}, "no REQUEST; dropped: neither an address nor PXE data"},
		{"proxy_no54", []offer{plainS, {from: serverP, class: "PXEClient", vendor: take, file: "nbp", change: without(dhcp4.OptServerID)}}, "no REQUEST; dropped: OFFER from server invalid IP is not an offer"},
		{"noend", []offer{{from: serverS, plain: true, file: "nbp", more: dhcp4.Options{{Code: 43, Data: make([]byte, 60)}}, cut: 1}}, "no REQUEST; dropped: the options do not end with 255"},
		{"badlen", []offer{{from: serverS, plain: true, file: "nbp", more: dhcp4.Options{{Code: 42, Data: []byte{1, 2, 3}}}}}, "no REQUEST; dropped: option 42 (ntp): 3 octets, at least 4 needed"},
		{"badlen3", []offer{{from: serverS, plain: true, file: "nbp", more: dhcp4.Options{{Code: 28, Data: []byte{1, 2, 3}}}}}, "no REQUEST; dropped: option 28 (broadcast-address): 3 octets, at least 4 needed"},
		{"an empty option 43", []offer{{from: serverS, plain: true, file: "nbp", more: dhcp4.Options{{Code: 43}}}}, "no REQUEST; dropped: option 43 (vendor-specific): 0 octets, at least 1 needed"},
		{"nofile", []offer{plainS}, "no REQUEST"},
		{"pxe10_nofile", []offer{{from: serverS, plain: true, class: "PXEClient", vendor: take}}, "DhcpPxe10: address from 10.99.0.1, no boot file"},
		{"v43_no60", []offer{{from: serverS, plain: true, vendor: take, file: "nbp"}}, "DhcpOnly: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"v43_no_inner_end", []offer{{from: serverS, plain: true, class: "PXEClient", vendor: "\x06\x01\x08", file: "nbp"}}, "DhcpPxe10: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"two_full_late_pxe10", []offer{{from: serverS, plain: true, file: "other"}, {from: serverP, plain: true, class: "PXEClient", vendor: take, file: "nbp"}}, "DhcpPxe10: address from 10.99.0.2, nbp from 10.99.0.2"},
		{"router_file_plus_proxy", []offer{{from: serverS, plain: true, file: "router"}, {from: serverP, class: "PXEClient", vendor: take, file: "nbp"}}, "ProxyPxe10: address from 10.99.0.1, nbp from 10.99.0.2"},
		{"nak", []offer{{from: serverS, change: kind(dhcp4.Nak)}}, "no REQUEST; dropped: NAK from server 10.99.0.1 is not an offer"},
		{"BOOTP with a file", []offer{{from: serverS, plain: true, file: "nbp", change: without(dhcp4.OptMessageType)}}, "Bootp: address from 10.99.0.1, nbp from 10.99.0.1"},
		{"BOOTP without", []offer{{from: serverS, plain: true, change: without(dhcp4.OptMessageType)}}, "no REQUEST; dropped: a BOOTP reply without a boot file"},
		{"a packet too large", []offer{{from: serverS, plain: true, file: "nbp", more: dhcp4.Options{{Code: 224, Data: make([]byte, 1300)}}}}, "no REQUEST; dropped: 1574 octets, 1472 at most are taken"},
		{"another machine's", []offer{{from: serverS, plain: true, file: "nbp", change: func(p *dhcp4.Packet) { p.Xid++ }}}, "no REQUEST; dropped: not the answer to this request"},
		{"a listed server", []offer{{from: serverS, plain: true, class: "PXEClient", vendor: "\x06\x01\x08\x08\x07\x00\x00\x01\x0a\x63\x00\x02\xff", file: "nbp"}}, "DhcpPxe10: address from 10.99.0.1, nbp from 10.99.0.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := edk2Takes(t, discover(), tc.offers...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

func without(code dhcp4.OptionCode) func(*dhcp4.Packet) {
	return func(p *dhcp4.Packet) {
		var kept dhcp4.Options
		for _, o := range p.Options {
			if o.Code != code {
				kept = append(kept, o)
			}
		}
		p.Options = kept
	}
}

func kind(m dhcp4.MessageType) func(*dhcp4.Packet) {
	return func(p *dhcp4.Packet) { p.Options[0].Data = []byte{byte(m)} }
}

// edk2Takes says in a line what UEFI does with offers.
func edk2Takes(t testing.TB, sent *dhcp4.Packet, offers ...offer) string {
	t.Helper()
	var replies [][]byte
	for _, o := range offers {
		replies = append(replies, o.octets(t))
	}
	return edk2TakesReplies(sent, replies...)
}

func edk2TakesReplies(sent *dhcp4.Packet, replies ...[]byte) string {
	var kept []sim.EDK2Offer
	dropped := ""
	for _, b := range replies {
		o, err := sim.ReadEDK2Offer(sent, b)
		if err != nil {
			dropped += "; dropped: " + err.Error()
			continue
		}
		kept = append(kept, o)
	}
	c, ok := sim.ChooseEDK2(kept)
	if !ok {
		return "no REQUEST" + dropped
	}
	id, _ := c.DHCP.Packet.Options.Addr(dhcp4.OptServerID)
	switch {
	case c.AskFirst.IsValid():
		return fmt.Sprintf("%s: address from %s, asks %s:4011", c.By, id, c.AskFirst)
	case c.Boot == nil, c.Boot.File == "":
		return fmt.Sprintf("%s: address from %s, no boot file", c.By, id)
	}
	return fmt.Sprintf("%s: address from %s, %s from %s", c.By, id, c.Boot.File, c.Boot.Server)
}

// TestHTTPBootClasses is the driver's table of offers.
func TestHTTPBootClasses(t *testing.T) {
	const ip, name = "http://10.99.0.1/x.efi\x00", "http://boot.example/x.efi\x00"
	dns := dhcp4.Options{{Code: dhcp4.OptDNS, Data: []byte{10, 99, 0, 1}}}
	plain := offer{from: serverS, plain: true}
	plainDNS := offer{from: serverS, plain: true, more: dns}
	http := func(url string, address bool, more dhcp4.Options) offer {
		return offer{from: serverP, plain: address, class: "HTTPClient", name: url, more: more}
	}
	for _, tc := range []struct {
		name   string
		offers []offer
		want   string
	}{
		{"everything from one server", []offer{http(ip, true, nil)}, "DhcpIpUri with http://10.99.0.1/x.efi of DhcpIpUri"},
		{"everything and a name server", []offer{http(ip, true, dns)}, "DhcpIpUriDns with http://10.99.0.1/x.efi of DhcpIpUriDns"},
		{"a name and a name server", []offer{http(name, true, dns)}, "DhcpNameUriDns with http://boot.example/x.efi of DhcpNameUriDns"},
		{"a name without a name server", []offer{http(name, true, nil)}, "none"},
		{"a name and another's name server", []offer{http(name, true, nil), plainDNS}, "DhcpDns with http://boot.example/x.efi of DhcpNameUri"},
		{"a proxy beside a plain server", []offer{plain, http(ip, false, nil)}, "DhcpOnly with http://10.99.0.1/x.efi of ProxyIpUri"},
		{"a proxy beside a plain server with a name server", []offer{plainDNS, http(ip, false, nil)}, "DhcpDns with http://10.99.0.1/x.efi of ProxyIpUri"},
		{"a proxy's name", []offer{plainDNS, http(name, false, nil)}, "DhcpDns with http://boot.example/x.efi of ProxyNameUri"},
		{"a proxy's name without a name server", []offer{plain, http(name, false, nil)}, "none"},
		{"a proxy alone", []offer{http(ip, false, nil)}, "none"},
		{"a plain server alone", []offer{plain}, "none"},
		{"a bare name", []offer{http("x.efi\x00", true, nil)}, "none; dropped: the boot file's name is not an absolute http(s) URL"},
		{"a URL for PXE", []offer{{from: serverS, plain: true, class: "PXEClient", name: ip}}, "none"},
		{"a URL in `file`", []offer{{from: serverS, plain: true, class: "HTTPClient", file: "http://10.99.0.1/x.efi"}}, "DhcpIpUri with http://10.99.0.1/x.efi of DhcpIpUri"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var replies [][]byte
			for _, o := range tc.offers {
				replies = append(replies, o.octets(t))
			}
			if got := httpTakes(discover(), replies...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// httpTakes says in a line what UEFI HTTP boot does with offers.
func httpTakes(sent *dhcp4.Packet, replies ...[]byte) string {
	var kept []sim.HTTPOffer
	dropped := ""
	for _, b := range replies {
		o, err := sim.ReadHTTPOffer(sent, b)
		if err != nil {
			dropped += "; dropped: " + err.Error()
			continue
		}
		kept = append(kept, o)
	}
	dhcp, boot, ok := sim.ChooseHTTP(kept)
	if !ok {
		return "none" + dropped
	}
	return fmt.Sprintf("%s with %s of %s", dhcp.Class, boot.URL, boot.Class)
}

// TestIPXEAsSeen holds the model against what iPXE did in the lab.
func TestIPXEAsSeen(t *testing.T) {
	const noProxy, priority5 = "\xb0\x01\x01", "\x01\x01\x05"
	plainS := offer{from: serverS, plain: true}
	for _, tc := range []struct {
		name   string
		offers []offer
		want   string
	}{
		{"bios_full", []offer{{from: serverS, plain: true, file: "nbp"}}, "waits, address from 10.99.0.1, nbp from 10.99.0.1"},
		{"bios_proxy", []offer{plainS, {from: serverP, class: "PXEClient", vendor: take, file: "nbp"}}, "address from 10.99.0.1, nbp from 10.99.0.2"},
		{"bios_proxy_4011", []offer{plainS, {from: serverP, class: "PXEClient"}}, "address from 10.99.0.1, asks 10.99.0.2:4011"},
		{"bios_fullip_60", []offer{{from: serverS, plain: true, class: "PXEClient", vendor: take, file: "nbp"}}, "address from 10.99.0.1, nbp from 10.99.0.1"},
		{"bios_nopxedhcp", []offer{{from: serverS, plain: true, ipxe: noProxy, file: "nbp"}}, "address from 10.99.0.1, nbp from 10.99.0.1"},
		{"bios_two_full", []offer{{from: serverS, plain: true, file: "one"}, {from: serverP, plain: true, file: "two"}}, "waits, address from 10.99.0.2, two from 10.99.0.2"},
		{"bios_two_full_prio", []offer{{from: serverS, plain: true, file: "one", ipxe: priority5}, {from: serverP, plain: true, file: "two"}}, "waits, address from 10.99.0.1, one from 10.99.0.1"},
		{"bios_nofile", []offer{plainS}, "waits, address from 10.99.0.1, nothing to boot"},
		{"bios_67_vs_file", []offer{{from: serverS, plain: true, file: "missinghdr", name: "missing67\x00"}}, "waits, address from 10.99.0.1, missinghdr from 10.99.0.1"},
		{"67 alone", []offer{{from: serverS, plain: true, name: "nbp\x00"}}, "waits, address from 10.99.0.1, nbp from 10.99.0.1"},
		{"from another port", []offer{{from: serverS, port: 1067, plain: true, file: "nbp"}}, "no REQUEST"},
		{"a NAK", []offer{{from: serverS, plain: true, file: "nbp", change: kind(dhcp4.Nak)}}, "no REQUEST"},
		{"another machine's", []offer{{from: serverS, plain: true, file: "nbp", change: func(p *dhcp4.Packet) { p.Xid++ }}}, "no REQUEST"},
		{"a proxy alone", []offer{{from: serverP, class: "PXEClient", vendor: take, file: "nbp"}}, "no REQUEST"},
		{"a menu", []offer{plainS, {from: serverP, class: "PXEClient", vendor: menu}}, "address from 10.99.0.1, menu of 10.99.0.2"},
		{"a menu to be passed over", []offer{plainS, {from: serverP, class: "PXEClient", vendor: "\x06\x01\x08" + menu[3:], file: "nbp"}}, "address from 10.99.0.1, nbp from 10.99.0.2"},
		{"a proxy that is not to be waited for", []offer{{from: serverS, plain: true, ipxe: noProxy, file: "one"}, {from: serverP, class: "PXEClient", vendor: take, file: "two"}}, "address from 10.99.0.1, one from 10.99.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var replies []sim.Received
			for _, o := range tc.offers {
				port := o.port
				if port == 0 {
					port = 67
				}
				replies = append(replies, sim.Received{Src: netip.AddrPortFrom(o.from, port), Data: o.octets(t)})
			}
			if got := ipxeTakes(discover(), replies...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// ipxeTakes says in a line what iPXE does with replies.
func ipxeTakes(sent *dhcp4.Packet, replies ...sim.Received) string {
	c := sim.ChooseIPXE(sent, replies)
	if c.Offer == nil {
		return "no REQUEST"
	}
	id, _ := c.Offer.Options.Addr(dhcp4.OptServerID)
	words := []string{"address from " + id.String()}
	if c.Waits {
		words = append([]string{"waits"}, words...)
	}
	switch {
	case c.Menu:
		words = append(words, "menu of "+c.Server.String())
	case c.AskFirst.IsValid():
		words = append(words, "asks "+c.AskFirst.String()+":4011")
	case c.File == "":
		words = append(words, "nothing to boot")
	default:
		words = append(words, c.File+" from "+c.Server.String())
	}
	return strings.Join(words, ", ")
}
