package sim_test

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// replyTo is our reply to a captured request, with the request.
func replyTo(t *testing.T, capture, toml string) (sent *dhcp4.Packet, reply []byte) {
	t.Helper()
	sent, err := dhcp4.Parse(wiretest.Packet(t, capture))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := sim.Run(newView(t, toml), sent, sim.Place{Server: serverS}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err = hex.DecodeString(trace.Reply); err != nil || len(reply) == 0 {
		t.Fatalf("no reply to %s: %+v", capture, trace.Reasons)
	}
	return sent, reply
}

// beside is the offer of another server to the same request.
func beside(t *testing.T, sent *dhcp4.Packet, o offer) []byte {
	t.Helper()
	change := o.change
	o.change = func(p *dhcp4.Packet) {
		p.Xid, p.HType, p.HLen, p.CHAddr = sent.Xid, sent.HType, sent.HLen, sent.CHAddr
		if change != nil {
			change(p)
		}
	}
	return o.octets(t)
}

// TestUEFITakesOurOffers: alone, and beside the servers that it may meet.
func TestUEFITakesOurOffers(t *testing.T) {
	const x64, arm64 = "30-ovmf-x64-pxe-discover", "44-aavmf-arm64-pxe-discover"
	router := &offer{from: serverP, plain: true}
	for _, tc := range []struct {
		name    string
		capture string
		site    string
		other   *offer // that came first; nil: nobody
		want    string
	}{
		{"we alone", x64, networks, nil, "DhcpPxe10: address from 10.99.0.1, m/525400123456/uefi-x64/shimx64.efi from 10.99.0.1"},
		{"we alone, on ARM64", arm64, networks, nil, "DhcpPxe10: address from 10.99.0.1, m/525400123456/uefi-arm64/shimaa64.efi from 10.99.0.1"},
		{"our full offer before a router's with a file", x64, networks, &offer{from: serverP, plain: true, file: "router"}, "DhcpPxe10: address from 10.99.0.1, m/525400123456/uefi-x64/shimx64.efi from 10.99.0.1"},
		{"our proxy offer beside a plain server", x64, "", router, "ProxyPxe10: address from 10.99.0.2, m/525400123456/uefi-x64/snponly.efi from 10.99.0.1"},
		{"our proxy offer beside a plain server, on ARM64", arm64, "", router, "ProxyPxe10: address from 10.99.0.2, m/525400123456/uefi-arm64/snponly.efi from 10.99.0.1"},
		{"our proxy offer beside a server with a file", x64, "", &offer{from: serverP, plain: true, file: "router"}, "ProxyPxe10: address from 10.99.0.2, m/525400123456/uefi-x64/snponly.efi from 10.99.0.1"},
		{"our proxy offer alone, which gives no address", x64, "", nil, "no REQUEST"},
		{"our proxy offer beside a server that calls itself PXE, against which there is no help", x64, "", &offer{from: serverP, plain: true, class: "PXEClient"}, "DhcpBinl: address from 10.99.0.2, asks 10.99.0.2:4011"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sent, ours := replyTo(t, tc.capture, tc.site)
			replies := [][]byte{ours}
			if tc.other != nil {
				replies = [][]byte{beside(t, sent, *tc.other), ours}
			}
			if got := edk2TakesReplies(sent, replies...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestUEFIDropsWhatIsNotWhole: our own offer with one octet wrong.
func TestUEFIDropsWhatIsNotWhole(t *testing.T) {
	sent, ours := replyTo(t, "30-ovmf-x64-pxe-discover", networks)
	for _, tc := range []struct {
		name   string
		change func(b []byte) []byte
		want   string
	}{
		{"without its end", func(b []byte) []byte { return b[:len(b)-1] }, "no REQUEST; dropped: the options do not end with 255"},
		{"with an option cut short", func(b []byte) []byte { return append(b[:len(b)-1], 12, 0, 255) }, "no REQUEST; dropped: option 12 (host-name): 0 octets, at least 1 needed"},
		{"to another request", func(b []byte) []byte { b[4]++; return b }, "no REQUEST; dropped: not the answer to this request"},
		{"to another machine", func(b []byte) []byte { b[33]++; return b }, "no REQUEST; dropped: not the answer to this request"},
		{"as a request", func(b []byte) []byte { b[0] = 1; return b }, "no REQUEST; dropped: parse DHCP message: message type from the wrong side at octet 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := edk2TakesReplies(sent, tc.change(append([]byte{}, ours...))); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestUEFIHTTPBootTakesOurOffers(t *testing.T) {
	const capture = "43-ovmf-http-discover"
	const url = "http://10.99.0.1:8080/m/525400123456/uefi-x64/boot.img"
	for _, tc := range []struct {
		name  string
		site  string
		other *offer
		want  string
	}{
		{"we alone, with a name server", networks, nil, "DhcpIpUriDns with " + url + " of DhcpIpUriDns"},
		{"our proxy offer beside a plain server", "", &offer{from: serverP, plain: true}, "DhcpOnly with " + url + " of ProxyIpUri"},
		{"our proxy offer alone, which gives no address", "", nil, "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sent, ours := replyTo(t, capture, tc.site)
			replies := [][]byte{ours}
			if tc.other != nil {
				replies = append(replies, beside(t, sent, *tc.other))
			}
			if got := httpTakes(sent, replies...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestIPXETakesOurOffers: and never waits for another.
func TestIPXETakesOurOffers(t *testing.T) {
	plain := &offer{from: serverP, plain: true}
	for _, tc := range []struct {
		name    string
		capture string
		site    string
		other   *offer
		want    string
	}{
		{"we alone, UEFI", "38-ipxe-uefi-discover", networks, nil, "address from 10.99.0.1, http://10.99.0.1:8080/m/525400123456/uefi-x64/boot.ipxe from 10.99.0.1"},
		{"we alone, BIOS", "40-ipxe-bios-discover", networks, nil, "address from 10.99.0.1, http://10.99.0.1:8080/m/525400123456/bios/boot.ipxe from 10.99.0.1"},
		{"our proxy offer beside a plain server", "40-ipxe-bios-discover", "", plain, "address from 10.99.0.2, http://10.99.0.1:8080/m/525400123456/bios/boot.ipxe from 10.99.0.1"},
		{"our proxy offer beside a server with a file", "38-ipxe-uefi-discover", "", &offer{from: serverP, plain: true, file: "router"}, "address from 10.99.0.2, http://10.99.0.1:8080/m/525400123456/uefi-x64/boot.ipxe from 10.99.0.1"},
		{"our proxy offer alone, which gives no address", "38-ipxe-uefi-discover", "", nil, "no REQUEST"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sent, ours := replyTo(t, tc.capture, tc.site)
			replies := []sim.Received{{Src: netip.AddrPortFrom(serverS, 67), Data: ours}}
			if tc.other != nil {
				replies = append(replies, sim.Received{Src: netip.AddrPortFrom(serverP, 67), Data: beside(t, sent, *tc.other)})
			}
			if got := ipxeTakes(sent, replies...); got != tc.want {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
		})
	}
}
