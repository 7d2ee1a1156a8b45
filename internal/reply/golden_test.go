package reply_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// goldenCase is a request whose reply is in testdata, octet by octet.
type goldenCase struct {
	name    string // of the file
	site    string
	request func(t testing.TB) (*dhcp4.Packet, classify.Ingress)
}

// capture is a request as it was captured.
func capture(name string) func(testing.TB) (*dhcp4.Packet, classify.Ingress) {
	return func(t testing.TB) (*dhcp4.Packet, classify.Ingress) { return captured(t, name) }
}

// changed is a captured request with something else in it.
func changed(name string, change func(*dhcp4.Packet, *classify.Ingress)) func(testing.TB) (*dhcp4.Packet, classify.Ingress) {
	return func(t testing.TB) (*dhcp4.Packet, classify.Ingress) {
		p, in := captured(t, name)
		change(p, &in)
		return p, in
	}
}

// relayed is what a relay at 10.99.0.254 makes of a request.
func relayed(p *dhcp4.Packet, in *classify.Ingress) {
	p.GIAddr, p.Hops = netip.MustParseAddr("10.99.0.254"), 1
	p.Options.Add(dhcp4.OptRelayInfo, []byte("\x01\x06\x00\x04\x00\x01\x00\x07\x02\x02r7"))
	in.Src, in.Dst, in.Local = netip.MustParseAddrPort("10.99.0.254:67"), netip.MustParseAddr("10.40.2.3"), netip.MustParseAddr("10.40.2.3")
}

// wrongAddress asks us for an address that is nobody's.
func wrongAddress(p *dhcp4.Packet) {
	for i, opt := range p.Options {
		if opt.Code == dhcp4.OptRequestedAddr {
			p.Options[i].Data = []byte{10, 99, 0, 99}
		}
	}
}

var goldenCases = [...]goldenCase{
	{"server-offer-uefi-x64", networks, capture("30-ovmf-x64-pxe-discover")},
	{"server-ack-uefi-x64", networks, capture("31-ovmf-x64-pxe-request")},
	{"server-offer-uefi-arm64", networks, capture("44-aavmf-arm64-pxe-discover")},
	{"server-offer-bios", networks, capture("01-intel-bios-discover")},
	{"server-offer-http", networks, capture("43-ovmf-http-discover")},
	{"server-offer-ipxe-uefi", networks, capture("38-ipxe-uefi-discover")},
	{"server-ack-ipxe-uefi", networks, capture("39-ipxe-uefi-request")},
	{"server-offer-uboot", networks, capture("45-uboot-arm64-discover")},
	{"server-offer-relayed-plain", networks, capture("10-relayed-type1")},
	{"server-offer-relayed-uefi-x64", networks, changed("30-ovmf-x64-pxe-discover", relayed)},
	{"server-nak", networks, changed("39-ipxe-uefi-request", func(p *dhcp4.Packet, _ *classify.Ingress) { wrongAddress(p) })},
	{"server-nak-relayed", networks, changed("31-ovmf-x64-pxe-request", func(p *dhcp4.Packet, in *classify.Ingress) {
		relayed(p, in)
		in.Local = netip.MustParseAddr("10.99.0.1")
		wrongAddress(p)
	})},
	{"proxy-offer-uefi-x64", "", capture("30-ovmf-x64-pxe-discover")},
	{"proxy-offer-bios", "", capture("01-intel-bios-discover")},
	{"proxy-offer-http", "", capture("43-ovmf-http-discover")},
	{"proxy-offer-ipxe-bios", "", capture("40-ipxe-bios-discover")},
	{"proxy-offer-relayed-uefi-x64", "", changed("30-ovmf-x64-pxe-discover", relayed)},
	{"proxy-offer-menu-uefi-x64", form(model.StyleMenu), capture("30-ovmf-x64-pxe-discover")},
	{"proxy-offer-menu-bios", form(model.StyleMenu), capture("01-intel-bios-discover")},
	{"proxy-offer-menu-relayed-uefi-x64", form(model.StyleMenu), changed("30-ovmf-x64-pxe-discover", relayed)},
	{"proxy-offer-no43-uefi-x64", form(model.StyleNo43), capture("30-ovmf-x64-pxe-discover")},
	{"proxy-offer-no43-bios", form(model.StyleNo43), capture("01-intel-bios-discover")},
	{"proxy-offer-binl-uefi-x64", form(model.StyleBINL), capture("30-ovmf-x64-pxe-discover")},
	{"proxy-offer-binl-bios", form(model.StyleBINL), capture("01-intel-bios-discover")},
	{"4011-ack-uefi-x64", "", capture("35-ovmf-4011-request")},
	{"4011-ack-uefi-x64-again", "", capture("36-ovmf-4011-request-retry")},
	{"4011-ack-uefi-x64-menu", "", capture("37-ovmf-4011-menu-request")},
	{"4011-ack-ipxe-bios", "", capture("41-ipxe-bios-4011-request")},
	{"4011-ack-bios", "", capture("06-intel-bios-4011-request")},
	{"4011-ack-uefi-x64-where-we-give-addresses", networks, capture("35-ovmf-4011-request")},
}

// form is a site whose proxy's offers have a form.
func form(s model.Style) string { return "[boot]\noffer = \"" + string(s) + "\"\n" }

func TestGoldenReplies(t *testing.T) {
	for _, tc := range goldenCases {
		t.Run(tc.name, func(t *testing.T) {
			req, in := tc.request(t)
			r := answer(t, newView(t, tc.site), req, in)
			got := text(t, r)
			if diff := cmp.Diff(wiretest.Golden(t, "testdata/"+tc.name+".txt", got), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// text shows where a reply goes, what is in it, and its octets.
func text(t *testing.T, r *reply.Reply) string {
	t.Helper()
	p, err := dhcp4.Parse(r.Bytes)
	if err != nil {
		t.Fatalf("our own reply: %v", err)
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	row("travels", "%s, from %s to %s, hardware %x, interface %d", r.To.Kind(), r.To.From, r.To.Addr, r.To.HW, r.To.IfIndex)
	row("type", "%s", p.Type())
	row("header", "op %d htype %d hlen %d hops %d xid %08x secs %d flags %04x", p.Op, p.HType, p.HLen, p.Hops, p.Xid, p.Secs, p.Flags)
	row("addresses", "ciaddr %s yiaddr %s siaddr %s giaddr %s", p.CIAddr, p.YIAddr, p.SIAddr, p.GIAddr)
	row("chaddr", "%x", p.CHAddr)
	row("sname", "%q", p.SName)
	row("file", "%q", p.File)
	for _, o := range p.Options {
		row("option", "%3d %-17s %s", o.Code, o.Code, optionText(o))
	}
	row("octets", "%d", len(r.Bytes))
	for rest := hex.EncodeToString(r.Bytes); rest != ""; {
		n := min(64, len(rest))
		b.WriteString(rest[:n] + "\n")
		rest = rest[n:]
	}
	return b.String()
}

func optionText(o dhcp4.Option) string {
	for _, c := range o.Data {
		if c < ' ' || c > '~' {
			return hex.EncodeToString(o.Data)
		}
	}
	return fmt.Sprintf("%q", o.Data)
}

// TestIgnoredHasNoReply: what is not to be answered cannot be.
func TestIgnoredHasNoReply(t *testing.T) {
	req, in := captured(t, "12-relayed-type3")
	f := classify.DHCP(req, in)
	d := newView(t, "").Decide(noon, &f)
	if r, err := reply.Build(req, &f, &d); err == nil || d.Answer != policy.Ignore {
		t.Errorf("decision %s has the reply %+v", d.Answer, r)
	}
}

// TestNamesThatDoNotFit: a boot file's name that no field holds is an error,
// not a reply that firmware misreads.
func TestNamesThatDoNotFit(t *testing.T) {
	req, in := captured(t, "30-ovmf-x64-pxe-discover")
	f := classify.DHCP(req, in)
	for _, tc := range []struct {
		octets         int
		file, option67 bool
		err            bool
	}{
		{127, true, true, false}, // OVMF asks for option 67
		{128, false, true, false},
		{254, false, true, false},
		{255, false, false, true},
	} {
		d := newView(t, networks).Decide(noon, &f)
		d.Boot.File = strings.Repeat("x", tc.octets)
		r, err := reply.Build(req, &f, &d)
		if (err != nil) != tc.err {
			t.Errorf("a name of %d octets: error %v", tc.octets, err)
		}
		if err != nil {
			continue
		}
		name, _ := r.Packet.Options.Get(dhcp4.OptBootFileName)
		if (r.Packet.File != "") != tc.file || (len(name) == tc.octets+1 && name[tc.octets] == 0) != tc.option67 {
			t.Errorf("a name of %d octets: file %q, option 67 %q", tc.octets, r.Packet.File, name)
		}
	}
}

// TestDelayedOfferIsTheUsualOne: the form waits, and is octet for octet the
// same.
func TestDelayedOfferIsTheUsualOne(t *testing.T) {
	for _, name := range []string{"30-ovmf-x64-pxe-discover", "01-intel-bios-discover"} {
		req, in := captured(t, name)
		usual, late := answer(t, newView(t, ""), req, in), answer(t, newView(t, form(model.StyleDelayed)), req, in)
		if diff := cmp.Diff(usual.Bytes, late.Bytes); diff != "" {
			t.Errorf("%s (-usual +delayed):\n%s", name, diff)
		}
	}
}

// TestFormsChangeFirmwaresOfferAlone: iPXE and UEFI's HTTP boot get what they
// get, and so does who asks port 4011.
func TestFormsChangeFirmwaresOfferAlone(t *testing.T) {
	for _, name := range []string{"38-ipxe-uefi-discover", "40-ipxe-bios-discover", "43-ovmf-http-discover",
		"35-ovmf-4011-request", "37-ovmf-4011-menu-request", "41-ipxe-bios-4011-request", "06-intel-bios-4011-request"} {
		req, in := captured(t, name)
		want := answer(t, newView(t, ""), req, in)
		for _, s := range model.Styles() {
			if diff := cmp.Diff(want.Bytes, answer(t, newView(t, form(s)), req, in).Bytes); diff != "" {
				t.Errorf("%s, form %s (-want +got):\n%s", name, s, diff)
			}
		}
	}
}
