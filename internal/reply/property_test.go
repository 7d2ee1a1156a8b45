package reply_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	oracle "github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
)

// drawRequest draws a request that is likely to be answered, with options of
// any size in it.
func drawRequest(t *rapid.T) (*dhcp4.Packet, classify.Ingress) {
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: 1, HLen: 6, Xid: rapid.Uint32().Draw(t, "xid"), Hops: rapid.Uint8().Draw(t, "hops"),
		Secs: rapid.Uint16().Draw(t, "secs"), Flags: rapid.SampledFrom([]uint16{0, dhcp4.FlagBroadcast}).Draw(t, "flags"),
		CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56},
		CIAddr: netip.IPv4Unspecified(), GIAddr: netip.IPv4Unspecified(),
	}
	in := arrival(netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"))
	if rapid.Bool().Draw(t, "relayed") {
		p.GIAddr = netip.MustParseAddr("10.99.0.254")
	}
	o := &p.Options
	some := func(code dhcp4.OptionCode, least, most int) {
		if rapid.Bool().Draw(t, code.String()) {
			o.Add(code, rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, "data"))
		}
	}
	kind := rapid.SampledFrom([]dhcp4.MessageType{dhcp4.Discover, dhcp4.Request, dhcp4.Inform}).Draw(t, "message")
	o.AddUint8(dhcp4.OptMessageType, uint8(kind))
	switch kind {
	case dhcp4.Request:
		o.AddAddr(dhcp4.OptServerID, in.Local)
		o.AddAddr(dhcp4.OptRequestedAddr, netip.MustParseAddr(rapid.SampledFrom([]string{"10.99.0.50", "10.99.0.99"}).Draw(t, "wants")))
	case dhcp4.Inform:
		p.CIAddr = netip.MustParseAddr("10.99.0.77")
	}
	if rapid.Bool().Draw(t, "boots") {
		o.AddString(dhcp4.OptVendorClass, rapid.SampledFrom([]string{"PXEClient", "HTTPClient", "U-Boot"}).Draw(t, "class"))
		o.AddUint16(dhcp4.OptArch, rapid.SampledFrom([]uint16{0, 7, 11, 16, 19, 22}).Draw(t, "architecture"))
	}
	some(dhcp4.OptUserClass, 4, 4)
	some(dhcp4.OptIPXE, 3, 3)
	some(dhcp4.OptParameterList, 0, 255)
	some(dhcp4.OptMaxMessageSize, 0, 3)
	some(dhcp4.OptClientID, 0, 600)
	some(dhcp4.OptMachineID, 0, 40)
	some(dhcp4.OptVendorSpecific, 0, 20)
	if rapid.Bool().Draw(t, "selects its subnet") {
		o.AddAddr(dhcp4.OptSubnetSelection, netip.MustParseAddr("10.99.0.0"))
	}
	some(dhcp4.OptRelayInfo, 0, 255)
	return p, in
}

// TestRepliesHoldTogether: what is true of every reply, whatever was asked.
func TestRepliesHoldTogether(t *testing.T) {
	views := map[model.Style]policy.View{"": newView(t, optionSite)} // by the form of a proxy's offer
	for _, s := range model.Styles() {
		views[s] = newView(t, form(s))
	}
	answered := 0
	rapid.Check(t, func(t *rapid.T) {
		req, in := drawRequest(t)
		f := classify.DHCP(req, in)
		d := views[rapid.SampledFrom(append(model.Styles(), "")).Draw(t, "form")].Decide(noon, &f)
		if d.Answer == policy.Ignore {
			return
		}
		answered++
		r, err := reply.Build(req, &f, &d)
		if err != nil {
			t.Fatal(err)
		}
		checkSize(t, req, r)
		checkOptions(t, req, r)
		checkSteering(t, r, d.Style)
		checkHeader(t, req, r, &d)
		checkWithOracle(t, r)
	})
	if answered == 0 {
		t.Error("no request was answered: nothing has been tested")
	}
}

// checkSize: BOOTP's minimum, and no more than the client takes.
func checkSize(t *rapid.T, req *dhcp4.Packet, r *reply.Reply) {
	limit := 548
	if raw, ok := req.Options.First(dhcp4.OptMaxMessageSize); ok && len(raw) == 2 {
		limit = min(max(int(binary.BigEndian.Uint16(raw))-28, 548), 1472)
	}
	if relay, ok := req.Options.Get(dhcp4.OptRelayInfo); ok {
		limit += len(relay) // which a relay takes out again
	}
	if n := len(r.Bytes); n < 300 || n > limit {
		t.Errorf("the reply has %d octets, want 300 to %d", n, limit)
	}
}

// checkSteering: class PXEClient without option 43 sends firmware to port 4011,
// so only those forms of an offer are without it that are to do so; and a boot
// file is named by all that do not ask there.
func checkSteering(t *rapid.T, r *reply.Reply, s model.Style) {
	o := r.Packet.Options
	class, _ := o.Get(dhcp4.OptVendorClass)
	if want := s != model.StyleNo43 && s != model.StyleBINL; string(class) == "PXEClient" && o.Has(dhcp4.OptVendorSpecific) != want {
		t.Errorf("form %q: option 43 is there: %v", s, !want)
	}
	if string(class) == "PXEClient" && (r.Packet.File != "" || o.Has(dhcp4.OptBootFileName)) != s.NamesFile() {
		t.Errorf("form %q: the boot file is %q", s, r.Packet.File)
	}
}

// checkOptions: an order and lengths that every ROM takes, and a 255 at the
// end with nothing but padding after it.
func checkOptions(t *rapid.T, req *dhcp4.Packet, r *reply.Reply) {
	o := r.Packet.Options
	if len(o) < 2 || o[0].Code != dhcp4.OptMessageType || o[1].Code != dhcp4.OptServerID {
		t.Errorf("the reply begins with %v, want options 53 and 54", o[:min(2, len(o))])
	}
	seen := map[dhcp4.OptionCode]bool{}
	for i, opt := range o {
		if err := dhcp4.ValidateOption(opt.Code, opt.Data); err != nil {
			t.Errorf("EDK2 would drop the reply: %v", err)
		}
		if seen[opt.Code] {
			t.Errorf("%v is there twice", opt.Code)
		}
		seen[opt.Code] = true
		if opt.Code == dhcp4.OptRelayInfo && i != len(o)-1 {
			t.Errorf("option 82 is followed by %v", o[i+1:])
		}
	}
	want, sent := req.Options.Get(dhcp4.OptRelayInfo)
	if got, _ := o.Get(dhcp4.OptRelayInfo); sent && !bytes.Equal(got, want) {
		t.Errorf("option 82 is % x, the relay sent % x", got, want)
	}
	for _, never := range []dhcp4.OptionCode{dhcp4.OptBootFileSize, dhcp4.OptOverload} {
		if seen[never] {
			t.Errorf("the reply has %v", never)
		}
	}
	back, err := dhcp4.Parse(r.Bytes)
	if err != nil || back.MissingEnd {
		t.Errorf("the reply is read with error %v, without an end %v", err, back.MissingEnd)
	}
	if end := bytes.TrimRight(r.Bytes, "\x00"); end[len(end)-1] != 0xff {
		t.Errorf("the reply ends % x", end[max(0, len(end)-8):])
	}
}

// checkHeader: RFC 2131 table 3.
func checkHeader(t *rapid.T, req *dhcp4.Packet, r *reply.Reply, d *policy.Decision) {
	p := r.Packet
	if p.Op != dhcp4.OpReply || p.Xid != req.Xid || p.HType != req.HType || p.HLen != req.HLen || p.CHAddr != req.CHAddr || p.GIAddr != req.GIAddr {
		t.Errorf("the reply is %+v to %+v", p, req)
	}
	if p.Hops != 0 || p.Secs != 0 {
		t.Errorf("hops %d and secs %d, want 0: a Raspberry Pi 3 refuses the reply for them", p.Hops, p.Secs)
	}
	if d.Answer == policy.Nak && (p.YIAddr != netip.IPv4Unspecified() || p.SIAddr != netip.IPv4Unspecified() || p.CIAddr != netip.IPv4Unspecified() || p.File != "") {
		t.Errorf("a NAK with addresses or a file: %+v", p)
	}
	if p.Flags != req.Flags && (d.Answer != policy.Nak || p.Flags != dhcp4.FlagBroadcast) {
		t.Errorf("flags %04x, the request has %04x", p.Flags, req.Flags)
	}
}

// checkWithOracle reads the reply with a decoder that is not ours.
func checkWithOracle(t *rapid.T, r *reply.Reply) {
	p, err := oracle.FromBytes(r.Bytes)
	if err != nil {
		t.Fatalf("another decoder: %v", err)
	}
	same := func(what string, theirs []byte, ours netip.Addr) {
		if a, ok := netip.AddrFromSlice(theirs); !ok || ours.IsValid() && a.Unmap() != ours {
			t.Errorf("%s is %v for us and % x for another decoder", what, ours, theirs)
		}
	}
	same("yiaddr", p.YourIPAddr.To4(), r.Packet.YIAddr)
	same("siaddr", p.ServerIPAddr.To4(), r.Packet.SIAddr)
	same("giaddr", p.GatewayIPAddr.To4(), r.Packet.GIAddr)
	same("ciaddr", p.ClientIPAddr.To4(), r.Packet.CIAddr)
	if p.BootFileName != r.Packet.File {
		t.Errorf("file is %q for us and %q for another decoder", r.Packet.File, p.BootFileName)
	}
	if len(p.Options) != len(r.Packet.Options) {
		t.Errorf("another decoder reads %d options, %d were written", len(p.Options), len(r.Packet.Options))
	}
	for _, opt := range r.Packet.Options {
		if theirs := p.Options.Get(oracle.GenericOptionCode(opt.Code)); !bytes.Equal(theirs, opt.Data) {
			t.Errorf("%v is % x for us and % x for another decoder", opt.Code, opt.Data, theirs)
		}
	}
}

// TestUBootReplySize: U-Boot's buffer for a packet is small, and it says so.
func TestUBootReplySize(t *testing.T) {
	req, in := captured(t, "45-uboot-arm64-discover")
	req.Options.Add(dhcp4.OptClientID, make([]byte, 250))
	req.Options.Add(dhcp4.OptParameterList, []byte{12, 15, 28, 42})
	if r := answer(t, newView(t, networks), req, in); len(r.Bytes) > 548 {
		t.Errorf("the reply has %d octets, U-Boot takes 548", len(r.Bytes))
	}
}
