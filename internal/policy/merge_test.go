package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// mergeWorld asks the site's servers.
const mergeWorld = "[server]\ndhcp = \"merge\"\n"

// known is what a test knows of the site's DHCP servers: that 10.77.2.3 has
// offered lab1 the address 10.77.2.150.
type known struct {
	state   policy.SiteState
	servers []netip.Addr
	copies  bool
}

func (k known) State(netip.Prefix) policy.SiteState      { return k.state }
func (k known) Servers(netip.Prefix) []netip.Addr        { return k.servers }
func (k known) OnItsWay(time.Time, *classify.Facts) bool { return k.copies }
func (k known) Offered(key model.MAC, a netip.Addr) (policy.SiteServer, bool) {
	server := netip.MustParseAddr("10.77.2.3")
	return policy.SiteServer{ID: server, Addr: server}, key == lab1 && a.String() == "10.77.2.150"
}

// way says in a line how a request goes on: "forward to 255.255.255.255 as
// 10.77.2.2".
func way(d policy.Decision) string {
	p := d.Passing
	if d.Answer != policy.Forward || p == nil {
		return outcome(d)
	}
	text := "forward to " + strings.Trim(fmt.Sprint(p.To), "[]") + " as " + p.Relay.String()
	if p.Link.IsValid() {
		text += " for " + p.Link.String()
	}
	if p.ServerID.IsValid() {
		text += " naming " + p.ServerID.String()
	}
	if p.Patience > 0 {
		text += ", waiting " + p.Patience.String()
	}
	return text
}

// linkSelected is what a relay says that has no address on the machine's link.
func linkSelected(a string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.LinkSelect = netip.MustParseAddr(a) }
}

// TestMerge: which requests go on to the site's DHCP server, and how.
func TestMerge(t *testing.T) {
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	far := []netip.Addr{netip.MustParseAddr("10.77.2.3"), netip.MustParseAddr("10.77.9.3")}
	const auto = "[server]\ndhcp = \"auto\"\n"
	const named = "[server]\nupstream = [\"10.77.9.1\", \"10.77.9.2\"]\n[[subnet]]\ncidr = \"10.77.4.0/24\"\ndhcp = \"merge\"\n"
	for _, tc := range []struct {
		name    string
		site    string
		known   known
		request *classify.Facts
		want    string
		because string
	}{
		{"a boot client's DISCOVER goes to its link", mergeWorld, known{}, asks(lab1, x64),
			"forward to 255.255.255.255 as 10.77.2.2, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"and to a server beyond a router that was heard of", mergeWorld, known{servers: far}, asks(lab1, x64),
			"forward to 255.255.255.255 10.77.9.3 as 10.77.2.2, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast and at 10.77.9.3, as by a relay at 10.77.2.2"},
		{"a relayed one says the machine's link", mergeWorld, known{}, asks(lab1, x64, relayedBy("10.77.4.1")),
			"forward to 255.255.255.255 as 10.77.2.2 for 10.77.4.1, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"or the link that the relay selects", mergeWorld, known{}, asks(lab1, x64, relayedBy("10.77.8.1"), linkSelected("10.77.4.1")),
			"forward to 255.255.255.255 as 10.77.2.2 for 10.77.4.1, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"servers that are named are asked and no others", named, known{servers: far}, asks(lab1, x64, relayedBy("10.77.4.1")),
			"forward to 10.77.9.1 10.77.9.2 as 10.77.2.2 for 10.77.4.1, waiting 1.8s", "the site's DHCP server gives the address: it is asked at 10.77.9.1 and at 10.77.9.2, as by a relay at 10.77.2.2"},
		{"U-Boot's too", mergeWorld, known{}, asks(lab1, boots(model.ArchARM64, model.FirmwareUBoot)),
			"forward to 255.255.255.255 as 10.77.2.2, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"an operating system is none of our business", mergeWorld, known{}, asks(lab1),
			"ignore", "not a network boot client: it gets its address from the site's DHCP server directly"},
		{"a machine that is denied is not asked for", mergeWorld + "[boot]\nunknown = \"deny\"\n", known{}, asks(lab1, x64), "ignore", "the target is deny: no answer"},
		{"a copy by another relay is not passed on again", mergeWorld, known{copies: true}, asks(lab1, x64, relayedBy("10.77.2.7")),
			"ignore", "the same DISCOVER came another way and has been passed on"},
		{"another hobnail's probe is not passed on", mergeWorld, known{}, asks(model.ProbeMAC(netip.MustParseAddr("10.77.2.7")), x64, relayedBy("10.77.2.7")),
			"ignore", "a hobnail at 10.77.2.7 asks whether the site's DHCP server answers it"},
		{"a REQUEST that names us names the site's server there", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.150")),
			"forward to 10.77.2.3 as 10.77.2.2 naming 10.77.2.3", "10.77.2.150 is server 10.77.2.3's: the REQUEST goes on to it"},
		{"a renewal at us goes on without a name", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Request), unicast("10.77.2.150")),
			"forward to 10.77.2.3 as 10.77.2.2", "10.77.2.150 is server 10.77.2.3's: the REQUEST goes on to it"},
		{"a renewal that asks everybody is heard by the site's server", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Request), broadcast("10.77.2.150")),
			"ignore", "this REQUEST is for the site's DHCP server, which hears it too"},
		{"a REQUEST for an address that nobody offered goes nowhere", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.151")),
			"ignore", "10.77.2.151 was not offered to this machine through us"},
		{"a DECLINE that names us goes on, whatever its class", mergeWorld, known{}, asks(lab1, message(dhcp4.Decline), fromServer("10.77.2.2"), wants("10.77.2.150")),
			"forward to 10.77.2.3 as 10.77.2.2 naming 10.77.2.3", "10.77.2.150 is server 10.77.2.3's: the DECLINE goes on to it"},
		{"a RELEASE that names us goes on", mergeWorld, known{}, asks(lab1, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.150")),
			"forward to 10.77.2.3 as 10.77.2.2 naming 10.77.2.3", "10.77.2.150 is server 10.77.2.3's: the RELEASE goes on to it"},
		{"a stranger's RELEASE goes nowhere", mergeWorld, known{}, asks(lab2, message(dhcp4.Release), fromServer("10.77.2.2"), unicast("10.77.2.150")),
			"ignore", "10.77.2.150 was not offered to this machine through us"},
		{"a RELEASE for another server is that server's", mergeWorld, known{}, asks(lab1, message(dhcp4.Release), fromServer("10.77.2.9"), unicast("10.77.2.150")),
			"ignore", "the RELEASE is for server 10.77.2.9"},
		{"an INFORM is the site's server's", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Inform), unicast("10.77.2.150")),
			"ignore", "this INFORM is for the site's DHCP server, which hears it too"},
		{"a search for a boot server is answered as by a proxy", mergeWorld, known{}, asks(lab1, x64, message(dhcp4.Request), broadcast("10.77.2.150"), chose(0x8000)),
			"ack", "snponly.efi works behind another DHCP server, where GRUB does not"},
		{"auto waits where nobody has been asked yet", auto, known{}, asks(lab1, x64),
			"forward to 255.255.255.255 as 10.77.2.2, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"auto waits for no server that is silent", auto, known{state: policy.SiteSilent}, asks(lab1, x64),
			"forward to 255.255.255.255 as 10.77.2.2", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
		{"auto waits for one that answers", auto, known{state: policy.SiteAnswers}, asks(lab1, x64),
			"forward to 255.255.255.255 as 10.77.2.2, waiting 1.8s", "the site's DHCP server gives the address: it is asked by broadcast, as by a relay at 10.77.2.2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.site)
			w.Upstream = tc.known
			d := w.Decide(noon, tc.request)
			if got := way(d); got != tc.want || lastReason(d) != tc.because {
				t.Errorf("%s, because %s\nwant %s, because %s", got, lastReason(d), tc.want, tc.because)
			}
			if d.Answer == policy.Forward && (d.Mode != model.ModeMerge || d.ServerID != ours || d.Change.Kind != policy.NoChange) {
				t.Errorf("mode %s, server id %s, change %+v", d.Mode, d.ServerID, d.Change)
			}
		})
	}
}

// TestMergeGivesTheSignedChain: as hobnail gives the ACK, UEFI gets what Secure
// Boot accepts.
func TestMergeGivesTheSignedChain(t *testing.T) {
	w := newWorld(t, mergeWorld)
	d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)))
	if d.Boot == nil || d.Boot.File != "m/525400000001/uefi-x64/shimx64.efi" || d.Boot.NextServer != ours {
		t.Errorf("boot data %+v", d.Boot)
	}
	if d := w.Unanswered(asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))); outcome(d) != "offer" ||
		d.Mode != model.ModeProxy || d.Boot == nil || d.Boot.Loader != policy.LoaderIPXE {
		t.Errorf("when the site's server does not answer: %s in mode %s, boot data %+v", outcome(d), d.Mode, d.Boot)
	}
}

// TestMergeIsNoPlaceForAnOverride: a relay that wants its own address as server
// id would bring the REQUEST to the site's server without us.
func TestMergeIsNoPlaceForAnOverride(t *testing.T) {
	w := newWorld(t, mergeWorld)
	d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI), relayedBy("10.77.4.1"), func(f *classify.Facts) {
		f.Override = f.Relay
	}))
	if d.ServerID != ours {
		t.Errorf("server id %s", d.ServerID)
	}
}

// TestTakenServersAreLearned: by what machines choose, but not a second hobnail
// that offers what our own server does.
func TestTakenServersAreLearned(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    string
	}{
		{"any machine's choice", asks(lab2, message(dhcp4.Request), fromServer("10.77.9.3"), wants("10.77.2.160")), "10.77.9.3"},
		{"not one that has our server's address", asks(lab1, message(dhcp4.Request), fromServer("10.77.9.3"), wants("10.77.2.150")), ""},
		{"not ourselves", asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.160")), ""},
		{"not what cannot be a server", asks(lab2, message(dhcp4.Request), fromServer("224.0.0.1"), wants("10.77.2.160")), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, mergeWorld)
			w.Upstream = known{}
			d := w.Decide(noon, tc.request)
			got := ""
			if d.Taken.IsValid() {
				got = d.Taken.String()
			}
			if got != tc.want || d.Place.String() != "10.77.2.0/24" {
				t.Errorf("learned %q at %s, want %q", got, d.Place, tc.want)
			}
		})
	}
}

// TestMerged: what becomes of the site's server's messages.
func TestMerged(t *testing.T) {
	message := func(m dhcp4.MessageType, yiaddr string, more ...dhcp4.Option) *dhcp4.Packet {
		p := &dhcp4.Packet{YIAddr: netip.MustParseAddr(yiaddr)}
		p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
		p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr("10.77.2.3"))
		p.Options.AddUint32(dhcp4.OptLeaseTime, 600)
		p.Options = append(p.Options, more...)
		return p
	}
	for _, tc := range []struct {
		name    string
		site    *dhcp4.Packet
		want    string
		because string
	}{
		{"an OFFER is ours to complete", message(dhcp4.Offer, "10.77.2.150"), "offer 10.77.2.150", "10.77.2.150 is from the site's DHCP server 10.77.2.3"},
		{"an ACK too", message(dhcp4.Ack, "10.77.2.150"), "ack 10.77.2.150", "10.77.2.150 is from the site's DHCP server 10.77.2.3"},
		{"a NAK is handed on", message(dhcp4.Nak, "0.0.0.0"), "nak", "the site's DHCP server 10.77.2.3 refuses the address"},
		{"an offer without an address is another proxy's", message(dhcp4.Offer, "0.0.0.0"), "ignore", "10.77.2.3 offers no address: a proxy's answer, not a DHCP server's"},
		{"a FORCERENEW is not for machines that boot", message(dhcp4.ForceRenew, "10.77.2.150"), "ignore", "the site's DHCP server sent FORCERENEW"},
		{"a server that says PXEClient itself", message(dhcp4.Offer, "10.77.2.150", dhcp4.Option{Code: dhcp4.OptVendorClass, Data: []byte("PXEClient")}), "offer 10.77.2.150",
			"the site's DHCP server says PXEClient itself (option 60): taken out, as machines would ask its port 4011"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, mergeWorld)
			passed := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)))
			before := len(passed.Reasons())
			d := policy.Merged(passed, tc.site)
			if got := outcome(d); got != tc.want || lastReason(d) != tc.because {
				t.Errorf("%s, because %s\nwant %s, because %s", got, lastReason(d), tc.want, tc.because)
			}
			if (d.Boot != nil) != (d.Answer == policy.Offer || d.Answer == policy.Ack) || len(passed.Reasons()) != before {
				t.Errorf("boot data %+v; the decision that was passed on has changed: %v", d.Boot, len(passed.Reasons()) != before)
			}
			if d.Answer == policy.Offer && d.Lease != 10*time.Minute {
				t.Errorf("lease %v", d.Lease)
			}
		})
	}
}

// TestWhereNobodyIsAsked: probes go where machines' requests would go on.
func TestWhereNobodyIsAsked(t *testing.T) {
	for mode, want := range map[string]string{
		"auto": "forward to 255.255.255.255 as 10.77.2.2", "merge": "forward to 255.255.255.255 as 10.77.2.2",
		"proxy": "ignore", "off": "ignore",
	} {
		d := newWorld(t, "[server]\ndhcp = \""+mode+"\"\n").Probe(asks(model.ProbeMAC(ours)))
		if got := way(d); got != want {
			t.Errorf("mode %s: %s, want %s", mode, got, want)
		}
	}
}
