package reply_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

const mergeSite = "[server]\ndhcp = \"merge\"\n"

// fromAnyRelay tells that a relay marks its requests for servers to sort them,
// and says how it wants to be answered.
func fromAnyRelay(p *dhcp4.Packet, in *classify.Ingress) {
	relayed(p, in)
	in.Prefix = netip.MustParsePrefix("10.40.2.0/24")
	p.Options[len(p.Options)-1].Data = []byte("\x01\x06\x00\x04\x00\x01\x00\x07" + "\x05\x04\x0a\x63\x00\xfe" + "\x0b\x04\x0a\x63\x00\xfe" + "\x02\x02r7" + "\x13\x00")
}

// siteAnswer is what a server gives that does everything that spoils a network
// boot beside hobnail.
func siteAnswer(m dhcp4.MessageType, req *dhcp4.Packet) *dhcp4.Packet {
	p := &dhcp4.Packet{
		Op: dhcp4.OpReply, HType: 1, HLen: 6, Xid: req.Xid, Flags: req.Flags, CHAddr: req.CHAddr,
		YIAddr: netip.MustParseAddr("10.99.0.150"), SIAddr: netip.MustParseAddr("10.99.0.9"),
		SName: "wds.example", File: "boot\\x64\\wdsnbp.com",
	}
	o := &p.Options
	o.AddUint8(dhcp4.OptMessageType, uint8(m))
	o.AddAddr(dhcp4.OptServerID, netip.MustParseAddr("10.99.0.3"))
	o.AddUint32(dhcp4.OptLeaseTime, 28800)
	o.AddUint32(dhcp4.OptRenewalTime, 14400)
	o.AddUint32(dhcp4.OptRebindingTime, 25200)
	o.AddAddr(dhcp4.OptSubnetMask, netip.MustParseAddr("255.255.255.0"))
	o.AddAddr(dhcp4.OptRouter, netip.MustParseAddr("10.99.0.254"))
	o.AddAddr(dhcp4.OptDNS, netip.MustParseAddr("10.99.0.1"))
	o.AddString(dhcp4.OptDomainName, "lab.example")
	o.AddString(dhcp4.OptVendorClass, "PXEClient")
	o.Add(dhcp4.OptVendorSpecific, []byte{6, 1, 3, 10, 4, 0, 'P', 'X', 'E', 255})
	o.AddString(dhcp4.OptTFTPServerName, "10.99.0.9")
	o.AddString(dhcp4.OptBootFileName, "boot\\x64\\wdsnbp.com")
	o.AddUint16(dhcp4.OptBootFileSize, 7)
	o.AddString(dhcp4.OptRootPath, "iscsi:10.99.0.9::::lun")
	o.AddAddr(dhcp4.OptTFTPServerAddr, netip.MustParseAddr("10.99.0.9"))
	o.Add(dhcp4.OptNTP, []byte{10, 99, 0}) // EDK2 drops the packet for it
	o.AddString(dhcp4.OptPXELINUXPathPrefix, "/other/")
	o.Add(dhcp4.OptRelayInfo, []byte("\x01\x06\x00\x04\x00\x01\x00\x07\x05\x04\x0a\x63\x00\xfe"))
	return p
}

func TestGoldenMerge(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request func(t testing.TB) (*dhcp4.Packet, classify.Ingress)
	}{
		{"merge-uefi-x64", capture("30-ovmf-x64-pxe-discover")},
		{"merge-ipxe-uefi", capture("38-ipxe-uefi-discover")},
		{"merge-http", capture("43-ovmf-http-discover")},
		{"merge-uboot", capture("45-uboot-arm64-discover")},
		{"merge-relayed-uefi-x64", changed("30-ovmf-x64-pxe-discover", fromAnyRelay)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, in := tc.request(t)
			f := classify.DHCP(req, in)
			d := newView(t, mergeSite).Decide(noon, &f)
			if d.Answer != policy.Forward {
				t.Fatalf("%s: %+v", d.Answer, d.Reasons())
			}
			out, err := reply.Forward(req, &f, &d)
			if err != nil || len(out) != 1 {
				t.Fatalf("passed on %d times: %v", len(out), err)
			}
			got := "passed on\n" + text(t, &out[0])
			for _, m := range []dhcp4.MessageType{dhcp4.Offer, dhcp4.Nak} {
				site := siteAnswer(m, req)
				answer := policy.Merged(d, site)
				r := new(reply.Reply)
				if err := r.Merge(site, req, &f, &answer); err != nil {
					t.Fatal(err)
				}
				got += "\nanswered\n" + text(t, r)
			}
			if diff := cmp.Diff(wiretest.Golden(t, "testdata/"+tc.name+".txt", got), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestForwardNamesTheSitesServer: in a REQUEST the machine has named us.
func TestForwardNamesTheSitesServer(t *testing.T) {
	req, in := captured(t, "31-ovmf-x64-pxe-request")
	f := classify.DHCP(req, in)
	before, _ := req.Append(nil)
	site := netip.MustParseAddr("10.99.0.3")
	d := policy.Decision{Answer: policy.Forward, Passing: &policy.Passing{To: []netip.Addr{site}, Relay: in.Local, ServerID: site}}
	out, err := reply.Forward(req, &f, &d)
	if err != nil {
		t.Fatal(err)
	}
	p := out[0].Packet
	if id, _ := p.Options.Addr(dhcp4.OptServerID); id != site || p.GIAddr != in.Local || p.Hops != req.Hops+1 {
		t.Errorf("option 54 is %s, giaddr %s, hops %d", id, p.GIAddr, p.Hops)
	}
	if out[0].To.Addr.String() != "10.99.0.3:67" || out[0].To.IfIndex != 0 {
		t.Errorf("goes to %+v", out[0].To)
	}
	if after, _ := req.Append(nil); !bytes.Equal(before, after) {
		t.Error("the machine's own packet has changed")
	}
}

// TestMergedRepliesHoldTogether: what is true of every reply is true of these,
// whatever the site's server says.
func TestMergedRepliesHoldTogether(t *testing.T) {
	v := newView(t, mergeSite)
	answered := 0
	rapid.Check(t, func(t *rapid.T) {
		req, in := drawRequest(t)
		f := classify.DHCP(req, in)
		d := v.Decide(noon, &f)
		if d.Answer != policy.Forward {
			return
		}
		answered++
		out, err := reply.Forward(req, &f, &d)
		if err != nil {
			return // a request that is too long with our option 82
		}
		if _, err := dhcp4.Parse(out[0].Bytes); err != nil {
			t.Errorf("what is passed on: %v", err)
		}
		site := siteAnswer(rapid.SampledFrom([]dhcp4.MessageType{dhcp4.Offer, dhcp4.Ack, dhcp4.Nak}).Draw(t, "answer"), req)
		for range rapid.IntRange(0, 20).Draw(t, "more options") {
			code := dhcp4.OptionCode(rapid.SampledFrom([]int{1, 3, 6, 12, 15, 42, 43, 51, 58, 60, 61, 67, 97, 118, 119, 121, 125, 200}).Draw(t, "code"))
			site.Options.Add(code, rapid.SliceOfN(rapid.Byte(), 0, 255).Draw(t, "data"))
		}
		merged := policy.Merged(d, site)
		r := new(reply.Reply)
		if err := r.Merge(site, req, &f, &merged); err != nil {
			t.Fatal(err)
		}
		checkSize(t, req, r)
		checkOptions(t, req, r)
		checkSteering(t, r, "")
		checkHeader(t, req, r, &merged)
		checkWithOracle(t, r)
	})
	if answered == 0 {
		t.Error("no request was passed on: nothing has been tested")
	}
}
