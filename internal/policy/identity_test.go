package policy_test

import (
	"net/netip"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// client is one program of one machine as it shows itself on the wire.
type client struct {
	name  string
	htype uint8
	hw    string // chaddr, raw
	id    string // option 61, raw
	xid   uint32
	more  func(*dhcp4.Packet)
	relay string // giaddr
}

// Identities of one machine in the order of a boot. Captures 30 and 38 of the
// corpus show the first two, the others are what RFC 4361 and the operating
// systems' clients send.
const hw = "\x52\x54\x00\x12\x34\x56"

func firmware() client {
	return client{name: "firmware without a client id", htype: 1, hw: hw, more: func(p *dhcp4.Packet) {
		p.Options.AddString(dhcp4.OptVendorClass, "PXEClient:Arch:00007:UNDI:003016")
		p.Options.AddUint16(dhcp4.OptArch, 7)
	}}
}

func ipxe() client {
	c := firmware()
	c.name, c.id = "iPXE with the client id 01 and its MAC", "\x01"+hw
	fw := c.more
	c.more = func(p *dhcp4.Packet) { fw(p); p.Options.AddString(dhcp4.OptUserClass, "iPXE") }
	return c
}

func system(duid string) client {
	return client{name: "an operating system with IAID and DUID", htype: 1, hw: hw, id: "\xff\x00\x12\x34\x56" + duid}
}

func (c client) packet(kind dhcp4.MessageType, o ...dhcp4.Option) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: c.htype, HLen: uint8(len(c.hw)), Xid: c.xid,
		CIAddr: netip.IPv4Unspecified(), GIAddr: netip.IPv4Unspecified()}
	copy(p.CHAddr[:], c.hw)
	if c.relay != "" {
		p.GIAddr = netip.MustParseAddr(c.relay)
	}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(kind))
	if c.id != "" {
		p.Options.Add(dhcp4.OptClientID, []byte(c.id))
	}
	if c.more != nil {
		c.more(p)
	}
	p.Options = append(p.Options, o...)
	return p
}

func (c client) facts(kind dhcp4.MessageType, o ...dhcp4.Option) *classify.Facts {
	f := classify.DHCP(c.packet(kind, o...), asks("").Ingress)
	return &f
}

func addrOption(code dhcp4.OptionCode, a netip.Addr) dhcp4.Option {
	var o dhcp4.Options
	o.AddAddr(code, a)
	return o[0]
}

// lease takes a client through DISCOVER and REQUEST.
func (w world) lease(t *testing.T, c client) netip.Addr {
	t.Helper()
	offer := w.Decide(noon, c.facts(dhcp4.Discover))
	if offer.Answer != policy.Offer {
		t.Fatalf("%s: %s, because %s", c.name, outcome(offer), lastReason(offer))
	}
	if err := w.table.Apply(offer.Change); err != nil {
		t.Fatal(err)
	}
	ack := w.Decide(noon, c.facts(dhcp4.Request, addrOption(dhcp4.OptServerID, offer.ServerID), addrOption(dhcp4.OptRequestedAddr, offer.Address)))
	if ack.Answer != policy.Ack || ack.Address != offer.Address {
		t.Fatalf("%s: %s after %s, because %s", c.name, outcome(ack), outcome(offer), lastReason(ack))
	}
	if err := w.table.Apply(ack.Change); err != nil {
		t.Fatal(err)
	}
	return ack.Address
}

// TestOneMachineKeepsOneAddress: whatever runs on it says about itself.
func TestOneMachineKeepsOneAddress(t *testing.T) {
	dashed := system("")
	dashed.name, dashed.id = "an operating system with the client id 01 and its MAC", "\x01"+hw
	nameless := system("")
	nameless.name, nameless.id = "an operating system without a client id", ""
	for _, tc := range []struct {
		name string
		boot []client
	}{
		{"firmware, iPXE, operating system", []client{firmware(), ipxe(), system("\x00\x01abc")}},
		{"firmware, then an operating system", []client{firmware(), system("\x00\x01abc")}},
		{"firmware, then one that sends its MAC", []client{firmware(), dashed}},
		{"firmware, then one that sends no client id", []client{firmware(), nameless}},
		{"two operating systems in turn", []client{system("\x00\x01abc"), system("\x00\x01xyz")}},
		{"an operating system, then firmware again", []client{system("\x00\x01abc"), firmware(), ipxe()}},
		{"a bridge that asks for its guests under its own MAC", []client{dashed, system("\x00\x01abc"), system("\x00\x02xyz")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, serverSite)
			first := w.lease(t, tc.boot[0])
			for _, c := range tc.boot[1:] {
				if got := w.lease(t, c); got != first {
					t.Errorf("%s gets %v, %s had %v", c.name, got, tc.boot[0].name, first)
				}
			}
		})
	}
}

// TestTwoMachinesGetTwoAddresses: whatever they have in common.
func TestTwoMachinesGetTwoAddresses(t *testing.T) {
	other := func(c client) client { c.hw = "\x52\x54\x00\xab\xcd\xef"; return c }
	infiniband := func(id string) client { return client{name: "InfiniBand", htype: 32, id: id} }
	longer := client{name: "hardware with eight octets", htype: 27, hw: "\x00\x11\x22\xff\xfe\x33\x44\x55"}
	zeros := client{name: "Ethernet of zeros", htype: 1, hw: "\x00\x00\x00\x00\x00\x00", id: "RAS one"}
	for _, tc := range []struct {
		name     string
		one, two client
	}{
		{"two clones with one client id", system("\x00\x01abc"), other(system("\x00\x01abc"))},
		{"two Raspberry Pi with the xid that all of them use", client{htype: 1, hw: hw, xid: 0x26f30339}, client{htype: 1, hw: "\xb8\x27\xeb\x01\x02\x03", xid: 0x26f30339}},
		{"two InfiniBand hosts, which have a client id and no hardware address", infiniband("\xff\x00\x00\x00\x01one"), infiniband("\xff\x00\x00\x00\x02two")},
		{"two kinds of hardware with one address", client{htype: 6, hw: "\x00\x11\x22\x33\x44\x55"}, client{htype: 7, hw: "\x00\x11\x22\x33\x44\x55"}},
		{"hardware with a longer address and Ethernet", longer, firmware()},
		{"two dial-in clients behind an address of zeros", zeros, client{htype: 1, hw: zeros.hw, id: "RAS two"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, serverSite)
			one, two := w.lease(t, tc.one), w.lease(t, tc.two)
			if one == two {
				t.Errorf("both get %v", one)
			}
			if again := w.lease(t, tc.one); again != one {
				t.Errorf("the first has %v and then %v", one, again)
			}
		})
	}
}

// TestDuplicatesGiveOneAddress: one DISCOVER that comes by two relays, or by a
// relay and by itself, is one machine's.
func TestDuplicatesGiveOneAddress(t *testing.T) {
	w := newWorld(t, serverSite)
	var first netip.Addr
	for _, relay := range []string{"10.77.2.1", "10.77.2.3", "", "10.77.2.1"} {
		c := firmware()
		c.relay = relay
		d := w.Decide(noon, c.facts(dhcp4.Discover))
		if err := w.table.Apply(d.Change); err != nil {
			t.Fatal(err)
		}
		if !first.IsValid() {
			first = d.Address
		}
		if d.Answer != policy.Offer || d.Address != first {
			t.Errorf("by relay %q: %s, the first was offered %v", relay, outcome(d), first)
		}
	}
	if n := len(w.table.All()); n != 1 {
		t.Errorf("%d addresses are held for one machine", n)
	}
}
