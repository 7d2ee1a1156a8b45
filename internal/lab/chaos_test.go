//go:build lab

package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestChaos has two servers, each with its half of the pool, and clients that
// come, renew, leave and vanish. Every few seconds one of the servers is
// killed, stopped or cut off for a while. Judged by what the clients were told,
// no address is two clients' at a time, and every client is served.
//
// HOBNAIL_CHAOS says for how long; make proof-chaos does it for ten minutes.
func TestChaos(t *testing.T) {
	const rate, machines = 100, 3000
	lasts := 25 * time.Second
	if text := os.Getenv("HOBNAIL_CHAOS"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("HOBNAIL_CHAOS: %v", err)
		}
		lasts = time.Duration(minutes * float64(time.Minute))
	}
	l := New(t)
	lan := l.Link("lan")
	pair := []*peer{newPeer(l, lan, 1), newPeer(l, lan, 2)}
	g := l.Host("relay", lan, "10.77.0.9/16", "").Load(machines, netip.MustParsePrefix("10.77.64.0/19"), pair[0].host.Addr(), pair[1].host.Addr())
	var renewed atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		g.run(rate, func(c *loadClient) { g.stay(c, &renewed) }, stop)
	}()

	did := map[string]int{}
	for begun := time.Now(); time.Since(begun) < lasts; {
		time.Sleep(time.Duration(rand.IntN(6000)) * time.Millisecond)
		trouble := troubles[rand.IntN(len(troubles))]
		did[trouble.name]++
		trouble.of(pair[rand.IntN(2)])
	}
	close(stop)
	<-stopped
	held := g.verify()

	t.Logf("%v with two servers, %v; %d clients, %d exchanges begun, %d acknowledged, %d leases renewed, %d released; %d leases held at the end",
		lasts, did, g.made, g.counts.tried.Load(), g.counts.acked.Load(), renewed.Load(), g.counts.released.Load(), held)
	if len(g.faults) > 0 {
		t.Errorf("%d faults:\n%s", len(g.faults), strings.Join(g.faults[:min(10, len(g.faults))], "\n"))
	}
	if acked := g.counts.acked.Load() + renewed.Load(); acked < int64(lasts.Seconds())*rate*8/10 {
		t.Errorf("only %d clients were served in %v", acked, lasts)
	}
}

// troubles are what may befall a server. Each is over when it returns.
var troubles = []struct {
	name string
	of   func(*peer)
}{{"killed", (*peer).isKilled}, {"restarted", (*peer).isRestarted}, {"cut off", (*peer).isCutOff}}

// peer is one of two servers.
type peer struct {
	*Proc
	host *Host
	lan  *Link
	port string // of the link, where the host is plugged in
	conf string
}

func newPeer(l *Lab, lan *Link, n int) *peer {
	p := &peer{lan: lan, host: l.Host(fmt.Sprintf("srv%d", n), lan, fmt.Sprintf("10.77.0.%d/16", 1+n), ""), port: fmt.Sprintf("port%d", lan.ports)}
	p.conf = l.WriteFile(fmt.Sprintf("hobnail%d.toml", n), fmt.Sprintf(`
[server]
data  = %q
http  = "off"
share = "%d/2"
[[subnet]]
cidr  = "10.77.0.0/16"
dhcp  = "server"
pool  = "10.77.64.0-10.77.95.255"
lease = "60s"
`, l.Path(fmt.Sprintf("data%d", n)), n))
	p.start()
	return p
}

func (p *peer) start() {
	p.Proc = p.host.Start("hobnail-"+p.host.Name, hobnailBinary(p.host.lab.t), "serve", "-c", p.conf)
	p.WaitFor(`(?m)^ready: `, startup)
}

func (p *peer) isKilled() {
	p.Signal(syscall.SIGKILL)
	p.Wait(stopTime)
	time.Sleep(time.Duration(rand.IntN(8000)) * time.Millisecond)
	p.start()
}

func (p *peer) isRestarted() {
	p.Stop()
	p.start()
}

// isCutOff takes the host off the link, which it cannot see.
func (p *peer) isCutOff() {
	lab := p.host.lab
	lab.ip("-n", string(p.lan.ns), "link", "set", p.port, "nomaster")
	time.Sleep(time.Duration(2000+rand.IntN(8000)) * time.Millisecond)
	lab.ip("-n", string(p.lan.ns), "link", "set", p.port, "master", "br0")
}

// stay is a client's turn: it has its lease renewed or asks for one, until it
// is served. Some give theirs back then, and some are never seen again and
// leave their place to a new one.
func (g *load) stay(c *loadClient, renewed *atomic.Int64) {
	if c.has != nil && time.Now().Before(c.has.end) && rand.IntN(2) == 0 && g.renew(c) {
		renewed.Add(1)
		return
	}
	for try := 0; !g.exchange(c); try++ {
		if try == 6 {
			g.fault("%x was not served in %d tries, although one server is there", c.mac, try+1)
			return
		}
	}
	switch rand.IntN(12) {
	case 0:
		g.gives(c, c.has.server)
	case 1:
		g.vanishes(c)
	}
}

// renew asks for more of the lease, as by broadcast near its end: the server
// that gave it may be away.
func (g *load) renew(c *loadClient) bool {
	has, asked := *c.has, time.Now()
	a, ok := g.askFrom(time.Second, c, request, has.addr)
	switch {
	case !ok:
		return false
	case a.kind == nak && asked.Before(has.end):
		g.fault("%x has %s until %s, and was refused it by %v", c.mac, has.addr, has.end, a.server)
		return false
	case a.kind != ack || a.yiaddr != has.addr || a.server != has.server:
		g.fault("%x has %s from %v, and got %+v for its renewal", c.mac, has.addr, has.server, a)
		return false
	}
	g.holds(c, a, asked)
	return true
}

// vanishes puts a new client in the place of one.
func (g *load) vanishes(c *loadClient) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.clients {
		if g.clients[i] == c {
			g.clients[i] = g.newClient()
		}
	}
}
