package dhcp_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hobnail/internal/boots"
	"hobnail/internal/config"
	"hobnail/internal/event"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// maxPacket is what a socket takes of a packet; it cuts off the rest.
const maxPacket = 2048

// Interfaces of the server under test.
const (
	eth0    = 2 // 10.99.0.1/24
	unknown = 9 // not ours to serve
)

const serverSite = `
[[subnet]]
cidr   = "10.99.0.0/24"
dhcp   = "server"
pool   = "10.99.0.50-10.99.0.51"
router = "10.99.0.254"
`

// recorder keeps the events that were emitted.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Attrs, e.More = e.Details(), nil // they are to be had during Emit only
	r.events = append(r.events, e)
}

// take gives what was emitted since the last time.
func (r *recorder) take() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.events
	r.events = nil
	return all
}

// world is a running server without a network.
type world struct {
	server *dhcp.Server
	table  *lease.Table
	events *recorder
	conns  map[uint16]netio.Conn     // what the server sees
	sent   map[uint16]*netio.MemConn // where its packets go
}

// compile reads and compiles a configuration.
func compile(t testing.TB, toml string) *policy.Policy {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(toml))
	if len(faults) > 0 {
		t.Fatalf("the test's configuration is invalid: %v", faults)
	}
	return policy.Compile(cfg, nil, policy.Programs{
		Folder: "/srv/nbp",
		Wanted: func(model.Arch, string) []string { return nil },
		Have: []policy.Program{
			{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
			{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
			{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
		},
	})
}

func newServer(t testing.TB, toml string, leases dhcp.Leases) *dhcp.Server {
	t.Helper()
	return serverOf(compile(t, toml), leases)
}

func serverOf(compiled *policy.Policy, leases dhcp.Leases) *dhcp.Server {
	link := netio.Interface{Name: "eth0", Index: eth0, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}}
	return &dhcp.Server{
		View: func() policy.View {
			return policy.View{Policy: compiled, Leases: leases, Own: []netip.Addr{link.Prefixes[0].Addr()}}
		},
		Leases: leases, Boots: boots.NewMemory(), Events: &recorder{}, Clock: func() time.Time { return noon },
		Interface: func(index int) (netio.Interface, bool) { return link, index == eth0 },
	}
}

// start makes a server and the connections that it answers on.
func start(t testing.TB, toml string) *world {
	t.Helper()
	return startWith(compile(t, toml))
}

func startWith(compiled *policy.Policy) *world {
	table := lease.NewTable()
	w := &world{server: serverOf(compiled, table), table: table, conns: map[uint16]netio.Conn{}, sent: map[uint16]*netio.MemConn{}}
	w.events = w.server.Events.(*recorder)
	for _, port := range []uint16{dhcp4.ServerPort, dhcp4.BootPort} {
		w.connect(netio.NewMemConn(port), nil)
	}
	return w
}

// connect puts a connection in the place of that of its port; through, if
// given, is what the server sees of it.
func (w *world) connect(conn *netio.MemConn, through netio.Conn) {
	w.sent[conn.Port()], w.conns[conn.Port()] = conn, conn
	if through != nil {
		w.conns[conn.Port()] = through
	}
}

// send hands over a packet, which the socket cuts, and takes what is sent.
func (w *world) send(port uint16, p netio.Packet) []netio.Datagram {
	p.Data, p.Port = p.Data[:min(len(p.Data), maxPacket)], port
	w.server.Settle(w.conns[port], w.server.Take(w.conns[port], []netio.Packet{p}))
	var sent []netio.Datagram
	for {
		select {
		case s := <-w.sent[port].Sent():
			sent = append(sent, s)
		default:
			return sent
		}
	}
}

// line says in a line what was sent where.
func line(t testing.TB, s netio.Datagram) string {
	t.Helper()
	p, err := dhcp4.Parse(s.Data)
	if err != nil {
		t.Fatalf("our own reply: %v", err)
	}
	text := fmt.Sprintf("%s %s file %q from %s to %s", p.Type(), p.YIAddr, p.File, s.From, s.To)
	if s.HW != nil {
		text += fmt.Sprintf(" at %x", s.HW)
	}
	if s.IfIndex != 0 {
		text += fmt.Sprintf(" by %d", s.IfIndex)
	}
	return text
}
