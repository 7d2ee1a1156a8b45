package dhcp_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/upstream"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

const (
	mergeSite = "[server]\ndhcp = \"merge\"\n"
	autoSite  = "[server]\ndhcp = \"auto\"\n"

	passedOn = "DISCOVER 0.0.0.0 file \"\" from 10.99.0.1 to 255.255.255.255:67 by 2"
	merged   = "OFFER 10.99.0.150 file \"m/525400123456/uefi-x64/shimx64.efi\" from 10.99.0.1 to 255.255.255.255:68 by 2"
	nobody   = "invalid AddrPort" // whom an event is about that is about no client
	proxied  = "OFFER 0.0.0.0 file \"m/525400123456/uefi-x64/snponly.efi\" from 10.99.0.1 to 255.255.255.255:68 by 2"
)

// startMerging runs a server that asks the site's.
func startMerging(t *testing.T, toml string) *world {
	w := start(t, toml)
	w.server.Upstream = upstream.NewTable()
	view := w.server.View
	w.server.View = func() policy.View {
		v := view()
		v.Upstream = w.server.Upstream
		return v
	}
	link, _ := w.server.Interface(eth0)
	w.server.Interfaces = func() []netio.Interface { return []netio.Interface{link} }
	return w
}

// fromSite is an answer of the site's server, 10.99.0.3, to us as a relay.
func fromSite(t *testing.T, m dhcp4.MessageType, request []byte) netio.Packet {
	t.Helper()
	p, err := dhcp4.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	p.Op, p.YIAddr, p.GIAddr = dhcp4.OpReply, netip.MustParseAddr("10.99.0.150"), netip.MustParseAddr("10.99.0.1")
	p.Options = nil
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
	p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr("10.99.0.3"))
	p.Options.AddUint32(dhcp4.OptLeaseTime, 3600)
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return direct("10.99.0.3:67", b)
}

// later gives what is sent within some time without a packet that comes in.
func (w *world) later(t *testing.T, d time.Duration) []string {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	var lines []string
	for {
		select {
		case s := <-w.sent[dhcp4.ServerPort].Sent():
			lines = append(lines, line(t, s))
		default:
			return lines
		}
	}
}

func TestABootWithTheSitesAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startMerging(t, mergeSite)
		discover := wiretest.Packet(t, "30-ovmf-x64-pxe-discover")
		request := changed(t, "31-ovmf-x64-pxe-request", func(p *dhcp4.Packet) {
			option(dhcp4.OptServerID, 10, 99, 0, 1)(p)
			option(dhcp4.OptRequestedAddr, 10, 99, 0, 150)(p)
		})
		run(t, w, []step{
			{name: "the machine asks", packet: broadcast(discover),
				sent: []string{passedOn}, events: []string{"dhcp.forwarded" + qemu}},
			{name: "our own broadcast comes back", packet: broadcast(changed(t, "30-ovmf-x64-pxe-discover", func(p *dhcp4.Packet) {
				p.GIAddr = netip.MustParseAddr("10.99.0.1")
			})), events: []string{"dhcp.ignored" + qemu}},
			{name: "a second hobnail passes it on too", packet: broadcast(changed(t, "30-ovmf-x64-pxe-discover", func(p *dhcp4.Packet) {
				p.GIAddr = netip.MustParseAddr("10.99.0.4")
			})), events: []string{"dhcp.ignored" + qemu}},
			{name: "the site's server offers", packet: fromSite(t, dhcp4.Offer, discover),
				sent: []string{merged}, events: []string{"upstream.found " + nobody, "dhcp.offer" + qemu}},
			{name: "somebody answers what nobody asked", packet: fromSite(t, dhcp4.Ack, discover),
				events: []string{"dhcp.dropped 10.99.0.3:67"}},
			{name: "the machine takes it", packet: broadcast(request),
				sent:   []string{"REQUEST 0.0.0.0 file \"\" from 10.99.0.1 to 10.99.0.3:67"},
				events: []string{"dhcp.forwarded" + qemu}},
			{name: "the site's server acknowledges", packet: fromSite(t, dhcp4.Ack, request),
				sent:   []string{"ACK 10.99.0.150 file \"m/525400123456/uefi-x64/shimx64.efi\" from 10.99.0.1 to 255.255.255.255:68 by 2"},
				events: []string{"dhcp.ack" + qemu}},
			{name: "or refuses", packet: fromSite(t, dhcp4.Nak, request),
				sent:   []string{"NAK 0.0.0.0 file \"\" from 10.99.0.1 to 255.255.255.255:68 by 2"},
				events: []string{"dhcp.nak" + qemu}},
		})
		if got := w.later(t, 5*time.Second); got != nil {
			t.Errorf("after all was answered, %q", got)
		}
	})
}

// TestTheSiteAnswersLate: the DISCOVER goes out again, then the machine gets a
// proxy's offer, and the site's all the same when it comes.
func TestTheSiteAnswersLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startMerging(t, mergeSite)
		discover := wiretest.Packet(t, "30-ovmf-x64-pxe-discover")
		run(t, w, []step{{name: "the machine asks", packet: broadcast(discover),
			sent: []string{passedOn}, events: []string{"dhcp.forwarded" + qemu}}})
		for _, s := range []struct {
			after time.Duration
			want  []string
		}{
			{1100 * time.Millisecond, nil},
			{100 * time.Millisecond, []string{passedOn}},
			{500 * time.Millisecond, nil},
			{100 * time.Millisecond, []string{proxied}},
			{700 * time.Millisecond, []string{passedOn}},
			{2 * time.Second, nil},
		} {
			if diff := cmp.Diff(s.want, w.later(t, s.after)); diff != "" {
				t.Errorf("%v later (-want +got):\n%s", s.after, diff)
			}
		}
		w.events.take()
		run(t, w, []step{{name: "the site's server offers", packet: fromSite(t, dhcp4.Offer, discover),
			sent: []string{merged}, events: []string{"upstream.found " + nobody, "dhcp.offer" + qemu}}})
	})
}

// TestAutoWaitsForNobody: where nobody answered, machines get a proxy's offer
// at once, and the site's server is asked all the same.
func TestAutoWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startMerging(t, autoSite)
		discover := wiretest.Packet(t, "30-ovmf-x64-pxe-discover")
		run(t, w, []step{{name: "the first machine waits", packet: broadcast(discover),
			sent: []string{passedOn}, events: []string{"dhcp.forwarded" + qemu}}})
		if diff := cmp.Diff([]string{passedOn, proxied}, w.later(t, 2*time.Second)); diff != "" {
			t.Errorf("the first machine (-want +got):\n%s", diff)
		}
		w.events.take()
		run(t, w, []step{{name: "the next one does not", packet: broadcast(discover),
			sent: []string{passedOn, proxied}, events: []string{"dhcp.forwarded" + qemu, "dhcp.offer" + qemu}}})
	})
}

// TestProbe: at the start and every minute, for as long as nobody answers.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startMerging(t, autoSite)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		conn := netio.NewMemConn(dhcp4.ServerPort)
		go w.server.Probe(ctx, conn)
		synctest.Wait()
		probe := <-conn.Sent()
		p, err := dhcp4.Parse(probe.Data)
		if err != nil {
			t.Fatal(err)
		}
		if p.GIAddr.String() != "10.99.0.1" || p.Hops != 1 || string(p.HardwareAddr()) != "\x02\x68\x0a\x63\x00\x01" {
			t.Errorf("asked with %+v", p)
		}
		time.Sleep(3 * time.Second)
		if got := len(conn.Sent()); got != 2 {
			t.Errorf("asked %d more times at the start, want 2", got)
		}
		time.Sleep(time.Minute)
		if got := len(conn.Sent()); got != 5 {
			t.Errorf("a minute later asked %d more times, want 5", got)
		}
		w.events.take()
		run(t, w, []step{{name: "a server answers", packet: fromSite(t, dhcp4.Offer, probe.Data), events: []string{"upstream.found " + nobody}}})
	})
}
