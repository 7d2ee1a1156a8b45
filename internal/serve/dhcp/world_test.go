package dhcp_test

import (
	"context"
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
	conns  map[uint16]*netio.MemConn
}

func newServer(t testing.TB, toml string, leases dhcp.Leases) *dhcp.Server {
	t.Helper()
	cfg, faults := config.Parse("hobnail.toml", []byte(toml))
	if len(faults) > 0 {
		t.Fatalf("the test's configuration is invalid: %v", faults)
	}
	compiled := policy.Compile(cfg, nil, policy.Programs{
		Folder: "/srv/nbp",
		Wanted: func(model.Arch, string) []string { return nil },
		Have: []policy.Program{
			{Arch: model.ArchBIOS, Loader: policy.LoaderIPXE, File: "undionly.kpxe"},
			{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
			{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"},
		},
	})
	link := netio.Interface{Name: "eth0", Index: eth0, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}}
	return &dhcp.Server{
		View: func() policy.View {
			return policy.View{Policy: compiled, Leases: leases, Own: []netip.Addr{link.Prefixes[0].Addr()}}
		},
		Leases: leases, Boots: boots.NewMemory(), Events: &recorder{}, Clock: func() time.Time { return noon },
		Interface: func(index int) (netio.Interface, bool) { return link, index == eth0 },
	}
}

// start runs a server on both of its ports until the test ends.
func start(t testing.TB, toml string) *world {
	table := lease.NewTable()
	w := &world{server: newServer(t, toml, table), table: table, conns: map[uint16]*netio.MemConn{}}
	w.events = w.server.Events.(*recorder)
	for _, port := range []uint16{dhcp4.ServerPort, dhcp4.BootPort} {
		w.conns[port] = netio.NewMemConn(port)
		serve(t, w.server, w.conns[port])
	}
	return w
}

// serve runs a server on one more connection until the test ends.
func serve(t testing.TB, s *dhcp.Server, conn netio.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
}

// send hands over a packet and waits until it has been dealt with: the reader
// takes the next one, from an interface that is not ours, only then.
func (w *world) send(port uint16, p netio.Packet) []netio.Sent {
	conn := w.conns[port]
	conn.Deliver(p)
	conn.Deliver(netio.Packet{IfIndex: unknown})
	var sent []netio.Sent
	for {
		select {
		case s := <-conn.Sent():
			sent = append(sent, s)
		default:
			return sent
		}
	}
}

// line says in a line what was sent where.
func line(t testing.TB, s netio.Sent) string {
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
