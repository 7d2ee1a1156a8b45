package reply_test

import (
	"fmt"
	"net/netip"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// TestDestinations is RFC 2131 section 4.1, with RFC 8357 for relays that ask
// for their own port and PXE 2.1 for port 4011.
func TestDestinations(t *testing.T) {
	type given struct {
		answer               policy.Answer
		mode                 model.Mode
		port                 uint16
		src                  string
		relay, ciaddr, lease string
		broadcast            bool
		relayPort            bool
		infiniband           bool
		item                 bool
		message              dhcp4.MessageType
	}
	const server, proxy = model.ModeServer, model.ModeProxy
	const offer, ack, nak = policy.Offer, policy.Ack, policy.Nak
	for _, tc := range []struct {
		name string
		given
		want string
	}{
		{"an OFFER to who asks for broadcasts", given{answer: offer, mode: server, lease: "10.99.0.50", broadcast: true}, "broadcast 255.255.255.255:68 by 2"},
		{"an OFFER to who does not", given{answer: offer, mode: server, lease: "10.99.0.50"}, "hardware 10.99.0.50:68 by 2 to 525400123456"},
		{"an OFFER to InfiniBand", given{answer: offer, mode: server, lease: "10.99.0.50", infiniband: true}, "broadcast 255.255.255.255:68 by 2"},
		{"an OFFER without an address", given{answer: offer, mode: proxy}, "broadcast 255.255.255.255:68 by 2"},
		{"an OFFER to who claims an address", given{answer: offer, mode: server, lease: "10.99.0.50", ciaddr: "203.0.113.9"}, "hardware 10.99.0.50:68 by 2 to 525400123456"},
		{"an OFFER through a relay", given{answer: offer, mode: server, lease: "10.99.0.50", relay: "10.99.0.254", broadcast: true}, "relay 10.99.0.254:67"},
		{"a proxy's OFFER through a relay", given{answer: offer, mode: proxy, relay: "10.99.0.254"}, "relay 10.99.0.254:67"},
		{"an answer to a relay that sent from another address and port", given{answer: offer, mode: server, lease: "10.99.0.50", relay: "10.99.0.254", src: "10.40.0.1:68"}, "relay 10.99.0.254:67"},
		{"an answer to a relay that asks for its port", given{answer: offer, mode: server, lease: "10.99.0.50", relay: "10.99.0.254", src: "10.40.0.1:1067", relayPort: true}, "unicast 10.99.0.254:1067"},
		{"an ACK to who asks for broadcasts", given{answer: ack, mode: server, lease: "10.99.0.50", broadcast: true}, "broadcast 255.255.255.255:68 by 2"},
		{"an ACK to who does not", given{answer: ack, mode: server, lease: "10.99.0.50"}, "hardware 10.99.0.50:68 by 2 to 525400123456"},
		{"an ACK to who renews", given{answer: ack, mode: server, lease: "10.99.0.50", ciaddr: "10.99.0.50"}, "unicast 10.99.0.50:68"},
		{"an ACK to who renews and asks for broadcasts", given{answer: ack, mode: server, lease: "10.99.0.50", ciaddr: "10.99.0.50", broadcast: true}, "unicast 10.99.0.50:68"},
		{"an ACK of another address than the client claims", given{answer: ack, mode: server, lease: "10.99.0.50", ciaddr: "203.0.113.9", broadcast: true}, "broadcast 255.255.255.255:68 by 2"},
		{"an ACK to an INFORM", given{answer: ack, mode: server, ciaddr: "10.99.0.77", message: dhcp4.Inform}, "unicast 10.99.0.77:68"},
		{"an ACK to an INFORM through a relay", given{answer: ack, mode: server, ciaddr: "10.99.0.77", relay: "10.99.0.254", message: dhcp4.Inform}, "unicast 10.99.0.77:68"},
		{"an ACK to who looks for a boot server by broadcast", given{answer: ack, mode: proxy, ciaddr: "10.99.0.50", item: true}, "broadcast 255.255.255.255:68 by 2"},
		{"a NAK", given{answer: nak, mode: server}, "broadcast 255.255.255.255:68 by 2"},
		{"a NAK to who renews", given{answer: nak, mode: server, ciaddr: "10.99.0.50"}, "broadcast 255.255.255.255:68 by 2"},
		{"a NAK through a relay", given{answer: nak, mode: server, relay: "10.99.0.254"}, "relay 10.99.0.254:67"},
		{"an ACK from port 4011 to EDK2", given{answer: ack, mode: proxy, port: 4011, src: "10.99.0.50:4011", ciaddr: "10.99.0.50"}, "unicast 10.99.0.50:4011"},
		{"an ACK from port 4011 to iPXE", given{answer: ack, mode: proxy, port: 4011, src: "10.99.0.50:68", ciaddr: "10.99.0.50", broadcast: true}, "unicast 10.99.0.50:68"},
		{"an ACK from port 4011 to who hides its address", given{answer: ack, mode: proxy, port: 4011, src: "0.0.0.0:4011", ciaddr: "10.99.0.50"}, "unicast 10.99.0.50:4011"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.port == 0 {
				tc.port = 67
			}
			if tc.src == "" {
				tc.src = "0.0.0.0:68"
			}
			local := netip.MustParseAddr("10.99.0.1")
			req := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}}
			f := &classify.Facts{
				Ingress: classify.Ingress{IfIndex: 2, Local: local, Src: netip.MustParseAddrPort(tc.src), Port: tc.port},
				Message: tc.message, MAC: "52:54:00:12:34:56", Broadcast: tc.broadcast, RelayPort: tc.relayPort,
				Relay: parsed(tc.relay), CIAddr: parsed(tc.ciaddr),
			}
			if tc.infiniband {
				f.MAC = ""
			}
			if tc.item {
				f.Item = &pxe.BootItem{Type: 0x8000}
			}
			d := &policy.Decision{
				Answer: tc.answer, Mode: tc.mode, ServerID: local, Address: parsed(tc.lease),
				Subnet: &config.Subnet{CIDR: netip.MustParsePrefix("10.99.0.0/24")},
			}
			r, err := reply.Build(req, f, d)
			if err != nil {
				t.Fatal(err)
			}
			got := r.To.Kind() + " " + r.To.Addr.String()
			if r.To.IfIndex != 0 {
				got += fmt.Sprintf(" by %d", r.To.IfIndex)
			}
			if r.To.HW != nil {
				got += fmt.Sprintf(" to %x", r.To.HW)
			}
			if got != tc.want {
				t.Errorf("goes %s, want %s", got, tc.want)
			}
			if r.To.From != netip.AddrPortFrom(local, tc.port) {
				t.Errorf("leaves from %s, want %s:%d: clients drop answers from another port", r.To.From, local, tc.port)
			}
		})
	}
}

// parsed is an address, or the zero value for none.
func parsed(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}
