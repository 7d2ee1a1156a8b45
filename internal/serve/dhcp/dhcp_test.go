package dhcp_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/boots"
	"hobnail/internal/event"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// step is a packet that comes in, and all that happens for it.
type step struct {
	name   string
	port   uint16 // 67 if 0
	packet netio.Packet
	sent   []string
	events []string // code, and what it is about
}

// broadcast is a packet from our link to everybody.
func broadcast(data []byte) netio.Packet {
	return netio.Packet{Data: data, IfIndex: eth0, Src: netip.MustParseAddrPort("0.0.0.0:68"), Dst: netip.MustParseAddr("255.255.255.255")}
}

// direct is a packet from a client with an address to us.
func direct(from string, data []byte) netio.Packet {
	return netio.Packet{Data: data, IfIndex: eth0, Src: netip.MustParseAddrPort(from), Dst: netip.MustParseAddr("10.99.0.1")}
}

// changed is a capture with something else in it.
func changed(t *testing.T, capture string, change func(*dhcp4.Packet)) []byte {
	t.Helper()
	p, err := dhcp4.Parse(wiretest.Packet(t, capture))
	if err != nil {
		t.Fatal(err)
	}
	change(p)
	b, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func option(code dhcp4.OptionCode, data ...byte) func(*dhcp4.Packet) {
	return func(p *dhcp4.Packet) {
		for i, o := range p.Options {
			if o.Code == code {
				p.Options[i].Data = data
				return
			}
		}
		p.Options.Add(code, data)
	}
}

// run takes steps in order and compares what each did.
func run(t *testing.T, w *world, steps []step) {
	t.Helper()
	for _, s := range steps {
		if s.port == 0 {
			s.port = dhcp4.ServerPort
		}
		var sent, events []string
		for _, out := range w.send(s.port, s.packet) {
			sent = append(sent, line(t, out))
		}
		for _, e := range w.events.take() {
			events = append(events, fmt.Sprintf("%s %s", e.Code, about(e)))
			if !e.Time.Equal(noon) {
				t.Errorf("%s: the event's time is %v", s.name, e.Time)
			}
			if _, known := event.Lookup(e.Code); !known {
				t.Errorf("%s: %s is not in the catalogue", s.name, e.Code)
			}
		}
		if diff := cmp.Diff(s.sent, sent); diff != "" {
			t.Errorf("%s: sent (-want +got):\n%s", s.name, diff)
		}
		if diff := cmp.Diff(s.events, events); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", s.name, diff)
		}
	}
}

// about is whom an event is about: a machine, or a place where it is unknown.
func about(e event.Event) string {
	if e.MAC != "" {
		return string(e.MAC)
	}
	return e.Client.String()
}

const qemu = " 52:54:00:12:34:56"

// TestABootWithOurAddresses: firmware, then iPXE, then the operating system.
func TestABootWithOurAddresses(t *testing.T) {
	w := start(t, serverSite)
	const file = `file "m/525400123456/uefi-x64/shimx64.efi"`
	const toAll = " from 10.99.0.1 to 255.255.255.255:68 by 2"
	run(t, w, []step{
		{name: "UEFI asks", packet: broadcast(changed(t, "30-ovmf-x64-pxe-discover", option(dhcp4.OptRequestedAddr, 10, 99, 0, 50))),
			sent: []string{"OFFER 10.99.0.50 " + file + toAll}, events: []string{"dhcp.offer" + qemu}},
		{name: "UEFI asks again", packet: broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover")),
			sent: []string{"OFFER 10.99.0.50 " + file + toAll}, events: []string{"dhcp.offer" + qemu}},
		{name: "UEFI takes it", packet: broadcast(wiretest.Packet(t, "31-ovmf-x64-pxe-request")),
			sent: []string{"ACK 10.99.0.50 " + file + toAll}, events: []string{"dhcp.ack" + qemu}},
		{name: "iPXE asks, and keeps the address", packet: broadcast(wiretest.Packet(t, "38-ipxe-uefi-discover")),
			sent:   []string{`OFFER 10.99.0.50 file "http://10.99.0.1:8080/m/525400123456/uefi-x64/boot.ipxe" from 10.99.0.1 to 10.99.0.50:68 at 525400123456 by 2`},
			events: []string{"dhcp.offer" + qemu}},
		{name: "the system asks with a client id of its own, and keeps the address", packet: broadcast(changed(t, "10-relayed-type1", func(p *dhcp4.Packet) {
			p.GIAddr, p.CHAddr = netip.IPv4Unspecified(), [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}
			option(dhcp4.OptClientID, 0xff, 1, 2, 3)(p)
		})), sent: []string{`OFFER 10.99.0.50 file "" from 10.99.0.1 to 10.99.0.50:68 at 525400123456 by 2`}, events: []string{"dhcp.offer" + qemu}},
		{name: "it renews", packet: direct("10.99.0.50:68", changed(t, "12-relayed-type3", func(p *dhcp4.Packet) {
			p.GIAddr, p.CIAddr, p.CHAddr = netip.IPv4Unspecified(), netip.MustParseAddr("10.99.0.50"), [16]byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}
			p.Options = p.Options[:1]
		})), sent: []string{`ACK 10.99.0.50 file "" from 10.99.0.1 to 10.99.0.50:68`}, events: []string{"dhcp.ack" + qemu}},
		{name: "it gives the address back", packet: direct("10.99.0.50:68", changed(t, "55-ovmf-dhcp-decline", option(dhcp4.OptMessageType, byte(dhcp4.Release)))),
			events: []string{"dhcp.released" + qemu}},
		{name: "it wants what it is not to have", packet: broadcast(changed(t, "31-ovmf-x64-pxe-request", option(dhcp4.OptRequestedAddr, 10, 99, 0, 99))), sent: []string{`NAK 0.0.0.0 file "" from 10.99.0.1 to 255.255.255.255:68 by 2`}, events: []string{"dhcp.nak" + qemu}},
	})
}

// TestABootBesideAnotherServer: only what is ours to answer is answered.
func TestABootBesideAnotherServer(t *testing.T) {
	const file = `file "m/525400123456/uefi-x64/snponly.efi"`
	run(t, start(t, ""), []step{
		{name: "UEFI asks", packet: broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover")),
			sent: []string{"OFFER 0.0.0.0 " + file + " from 10.99.0.1 to 255.255.255.255:68 by 2"}, events: []string{"dhcp.offer" + qemu}},
		{name: "UEFI takes the other's address", packet: broadcast(changed(t, "31-ovmf-x64-pxe-request", option(dhcp4.OptServerID, 10, 99, 0, 2))),
			events: []string{"dhcp.ignored" + qemu}},
		{name: "UEFI asks the boot service", port: dhcp4.BootPort, packet: direct("10.99.0.50:4011", wiretest.Packet(t, "35-ovmf-4011-request")),
			sent: []string{"ACK 10.99.0.50 " + file + " from 10.99.0.1 to 10.99.0.50:4011"}, events: []string{"pxe.ack" + qemu}},
		{name: "iPXE asks the boot service", port: dhcp4.BootPort, packet: direct("10.99.0.50:68", changed(t, "41-ipxe-bios-4011-request", option(dhcp4.OptServerID, 10, 99, 0, 1))),
			sent:   []string{`ACK 10.99.0.50 file "http://10.99.0.1:8080/m/525400123456/bios/boot.ipxe" from 10.99.0.1 to 10.99.0.50:68`},
			events: []string{"pxe.ack" + qemu}},
		{name: "a system asks", packet: broadcast(changed(t, "10-relayed-type1", func(p *dhcp4.Packet) { p.GIAddr = netip.IPv4Unspecified() })),
			events: []string{"dhcp.ignored 5a:4f:34:b1:af:66"}},
	})
}

// TestThroughARelay: the answer goes to the relay, whoever its packet came
// from.
func TestThroughARelay(t *testing.T) {
	p := direct("10.40.0.7:68", changed(t, "30-ovmf-x64-pxe-discover", func(p *dhcp4.Packet) {
		p.GIAddr, p.Hops = netip.MustParseAddr("10.99.0.254"), 1
		option(dhcp4.OptRequestedAddr, 10, 99, 0, 51)(p)
	}))
	run(t, start(t, serverSite), []step{
		{name: "a relayed request", packet: p, sent: []string{`OFFER 10.99.0.51 file "m/525400123456/uefi-x64/shimx64.efi" from 10.99.0.1 to 10.99.0.254:67`},
			events: []string{"dhcp.offer" + qemu}},
	})
}

// TestTheLogNamesThePort: as text where it is one, else as the configuration
// writes octets.
func TestTheLogNamesThePort(t *testing.T) {
	for circuit, want := range map[string]string{"eth0/1/7": "eth0/1/7", "\x00\x04\x00\x01": "0x00040001", "": ""} {
		w := start(t, serverSite)
		w.send(dhcp4.ServerPort, direct("10.99.0.254:67", changed(t, "30-ovmf-x64-pxe-discover", func(p *dhcp4.Packet) {
			p.GIAddr = netip.MustParseAddr("10.99.0.254")
			option(dhcp4.OptRelayInfo, append([]byte{1, byte(len(circuit))}, circuit...)...)(p)
		})))
		got := ""
		for _, e := range w.events.take() {
			for _, a := range e.Attrs {
				if a.Key == "circuit" {
					got = a.Value.String()
				}
			}
		}
		if got != want {
			t.Errorf("the port %q is logged as %q, want %q", circuit, got, want)
		}
	}
}

// TestWhatNeedsAPerson: a second event says what has to be done.
func TestWhatNeedsAPerson(t *testing.T) {
	w := start(t, serverSite)
	for i, a := range []string{"10.99.0.50", "10.99.0.51"} {
		hold(t, w, a, model.MAC(fmt.Sprintf("52:54:00:00:00:%02x", i)))
	}
	run(t, w, []step{
		{name: "no program for the architecture", packet: broadcast(wiretest.Packet(t, "44-aavmf-arm64-pxe-discover")),
			events: []string{"dhcp.ignored" + qemu, "nbp.missing" + qemu}},
		{name: "no address left", packet: broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover")),
			events: []string{"dhcp.ignored" + qemu, "dhcp.pool-empty" + qemu}},
	})
}

func hold(t *testing.T, w *world, a string, mac model.MAC) {
	t.Helper()
	err := w.table.Apply(policy.LeaseChange{Kind: policy.Bind, Lease: model.Lease{
		Address: netip.MustParseAddr(a), MAC: mac, State: policy.StateBound, Start: noon, Expires: noon.Add(1),
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeclines: an address that is in use is put aside; one that firmware
// declined for a fault of our offer is not.
func TestDeclines(t *testing.T) {
	for _, tc := range []struct {
		name  string
		text  string
		state string
	}{
		{"in use", "the address is in use", policy.StateDeclined},
		{"our own fault", "Lease is denied upon entering bound", policy.StateReleased},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := start(t, serverSite)
			hold(t, w, "10.99.0.50", "52:54:00:12:34:56")
			run(t, w, []step{{name: "a decline", packet: broadcast(changed(t, "55-ovmf-dhcp-decline", option(dhcp4.OptMessage, []byte(tc.text)...))),
				events: []string{"dhcp.declined" + qemu}}})
			if l, _ := w.table.ByAddr(netip.MustParseAddr("10.99.0.50")); l.State != tc.state {
				t.Errorf("the address is %s, want %s", l.State, tc.state)
			}
		})
	}
}

// TestWhatIsDropped: what is no client's packet is counted and not answered.
func TestWhatIsDropped(t *testing.T) {
	elsewhere := broadcast(wiretest.Packet(t, "30-ovmf-x64-pxe-discover"))
	elsewhere.IfIndex = unknown
	run(t, start(t, serverSite), []step{
		{name: "nothing", packet: broadcast(nil), events: []string{"dhcp.dropped 0.0.0.0:68"}},
		{name: "another protocol", packet: broadcast(wiretest.Packet(t, "42-ipxe-tftp-rrq")), events: []string{"dhcp.dropped 0.0.0.0:68"}},
		{name: "a server's packet", packet: direct("10.99.0.2:67", wiretest.Packet(t, "03-dnsmasq-offer")), events: []string{"dhcp.dropped 10.99.0.2:67"}},
		{name: "a packet longer than any, of which only padding is lost", packet: broadcast(append(wiretest.Packet(t, "30-ovmf-x64-pxe-discover")[:346], make([]byte, 4000)...)),
			sent: []string{`OFFER 10.99.0.50 file "m/525400123456/uefi-x64/shimx64.efi" from 10.99.0.1 to 255.255.255.255:68 by 2`}, events: []string{"dhcp.offer" + qemu}},
		{name: "a packet on a link that is not ours", packet: elsewhere},
	})
}

// TestEventsSayEverything: what an administrator looks for in a log line, and
// the reasons.
func TestEventsSayEverything(t *testing.T) {
	w := start(t, serverSite)
	w.send(dhcp4.ServerPort, broadcast(changed(t, "30-ovmf-x64-pxe-discover", option(dhcp4.OptRequestedAddr, 10, 99, 0, 50))))
	w.send(dhcp4.ServerPort, broadcast(wiretest.Packet(t, "42-ipxe-tftp-rrq")))
	var got []string
	for _, e := range w.events.take() {
		var attrs []string
		for _, a := range e.Details() {
			value := a.Value.String()
			if reasons, ok := a.Value.Any().([]policy.Reason); ok {
				value = fmt.Sprintf("%d of them", len(reasons))
			}
			attrs = append(attrs, a.Key+"="+value)
		}
		got = append(got, fmt.Sprintf("%s %s: %s", e.Code, e.Client, strings.Join(attrs, " ")))
	}
	want := []string{
		"dhcp.offer 0.0.0.0:68: message=DISCOVER if=eth0 xid=4a14f4ae arch=uefi-x64 stage=firmware mode=server address=10.99.0.50 " +
			"target=menu boot=m/525400123456/uefi-x64/shimx64.efi to=broadcast 255.255.255.255:68 reasons=4 of them",
		"dhcp.dropped 0.0.0.0:68: why=parse DHCP message: datagram shorter than header and cookie at octet 43 reason=datagram shorter than header and cookie octets=43",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBootsAreRemembered: for the loaders that come later and name no machine.
func TestBootsAreRemembered(t *testing.T) {
	w := start(t, serverSite)
	w.send(dhcp4.ServerPort, broadcast(changed(t, "30-ovmf-x64-pxe-discover", option(dhcp4.OptRequestedAddr, 10, 99, 0, 50))))
	if k := w.server.Boots.ByAddr(netip.MustParseAddr("10.99.0.50")); k.MAC != "52:54:00:12:34:56" || k.Arch != model.ArchX64 || k.Facts == nil {
		t.Errorf("the machine at 10.99.0.50 is %+v", k)
	}
	if k := w.server.Boots.ByAddr(netip.MustParseAddr("10.99.0.51")); k != (boots.Known{}) {
		t.Errorf("the machine at 10.99.0.51 is %+v", k)
	}
}

// fullDisk is a lease table that can store nothing.
type fullDisk struct{ *lease.Table }

func (fullDisk) Stage(c policy.LeaseChange) (uint64, error) { return ticketFor(c), nil }
func (fullDisk) Commit(uint64) error                        { return errors.New("no space left on device") }

// ticketFor is the ticket that a disk would give.
func ticketFor(c policy.LeaseChange) uint64 {
	if c.Kind == policy.Bind {
		return 1
	}
	return 0
}

// brokenLog is one that has failed before.
type brokenLog struct{ *lease.Table }

func (brokenLog) Stage(policy.LeaseChange) (uint64, error) {
	return 0, errors.New("the lease log failed earlier and needs a restart")
}

// failingConn is a network that takes nothing.
type failingConn struct{ *netio.MemConn }

func (failingConn) WriteBatch(out []netio.Datagram) []error {
	failed := make([]error, len(out))
	for i := range failed {
		failed[i] = errors.New("network is down")
	}
	return failed
}

// TestFaults: what could not be stored is not acknowledged, and what could not
// be sent is told.
func TestFaults(t *testing.T) {
	request := step{name: "a request", packet: broadcast(wiretest.Packet(t, "31-ovmf-x64-pxe-request"))}
	for name, leases := range map[string]dhcp.Leases{
		"a lease that cannot be stored": fullDisk{lease.NewTable()},
		"a log that failed before":      brokenLog{lease.NewTable()},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, serverSite)
			w.server = newServer(t, serverSite, leases)
			w.events = w.server.Events.(*recorder)
			request.events = []string{"lease.fault" + qemu}
			run(t, w, []step{request})
		})
	}
	t.Run("a reply that cannot be sent", func(t *testing.T) {
		w := start(t, serverSite)
		conn := netio.NewMemConn(dhcp4.ServerPort)
		w.connect(conn, failingConn{conn})
		request.events = []string{"dhcp.send-failed" + qemu}
		run(t, w, []step{request})
	})
}

// brokenConn fails to read.
type brokenConn struct{ *netio.MemConn }

func (brokenConn) ReadBatch([]netio.Packet, bool) (int, error) {
	return 0, errors.New("input/output error")
}

func TestServeEnds(t *testing.T) {
	s := newServer(t, serverSite, lease.NewTable())
	t.Run("without an error when the connection is closed", func(t *testing.T) {
		conn := netio.NewMemConn(67)
		conn.Close()
		if err := s.Serve(context.Background(), conn); err != nil {
			t.Error(err)
		}
	})
	t.Run("without an error when the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Serve(ctx, netio.NewMemConn(67)); err != nil {
			t.Error(err)
		}
	})
	t.Run("with an error when the port cannot be read", func(t *testing.T) {
		err := s.Serve(context.Background(), brokenConn{netio.NewMemConn(67)})
		if err == nil || err.Error() != "receiving on UDP port 67: input/output error" {
			t.Errorf("error %v", err)
		}
	})
}

// TestNoAddressTwice: machines that come at once, on several connections, get
// addresses of their own, and those that come too late get none.
func TestNoAddressTwice(t *testing.T) {
	const machines, addresses = 60, 40
	s := newServer(t, strings.ReplaceAll(serverSite, "10.99.0.51", "10.99.0.89"), lease.NewTable())
	var wg sync.WaitGroup
	var mu sync.Mutex
	holder := map[netip.Addr]int{}
	for side := range 3 {
		conn := netio.NewMemConn(dhcp4.ServerPort)
		wg.Go(func() {
			for n := side; n < machines; n += 3 {
				a, ok := acquire(t, s, conn, byte(n))
				mu.Lock()
				if other, twice := holder[a]; ok && twice {
					t.Errorf("machines %d and %d have %s", other, n, a)
				}
				if ok {
					holder[a] = n
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(holder) != addresses {
		t.Errorf("%d machines have an address, want %d", len(holder), addresses)
	}
}

// acquire goes through DISCOVER and REQUEST for a machine.
func acquire(t *testing.T, s *dhcp.Server, conn *netio.MemConn, n byte) (netip.Addr, bool) {
	machine := func(p *dhcp4.Packet) { p.CHAddr = [16]byte{0x52, 0x54, 0, 0, 0, n} }
	offer := ask(t, s, conn, changed(t, "30-ovmf-x64-pxe-discover", machine))
	if offer == nil {
		return netip.Addr{}, false
	}
	ack := ask(t, s, conn, changed(t, "31-ovmf-x64-pxe-request", func(p *dhcp4.Packet) {
		machine(p)
		option(dhcp4.OptRequestedAddr, offer.YIAddr.AsSlice()...)(p)
	}))
	if ack == nil || ack.Type() != dhcp4.Ack || ack.YIAddr != offer.YIAddr {
		t.Errorf("machine %d: offered %s, then %+v", n, offer.YIAddr, ack)
		return netip.Addr{}, false
	}
	return ack.YIAddr, true
}

// ask hands a packet over and gives the answer; nil if there is none.
func ask(t *testing.T, s *dhcp.Server, conn *netio.MemConn, b []byte) *dhcp4.Packet {
	s.Settle(conn, s.Take(conn, []netio.Packet{broadcast(b)}))
	select {
	case out := <-conn.Sent():
		reply, err := dhcp4.Parse(out.Data)
		if err != nil {
			t.Error(err)
		}
		return reply
	default:
		return nil
	}
}
