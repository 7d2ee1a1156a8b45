//go:build lab

package lab

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKills kills the server at random moments under 200 exchanges a second,
// and starts it again each time. Judged by what the clients were told, no
// acknowledged lease is lost or changed, and no address is two clients'.
//
// HOBNAIL_KILLS says how often; make proof-kills does it 1,000 times.
func TestKills(t *testing.T) {
	const rate, machines = 200, 6000
	kills := 10
	if text := os.Getenv("HOBNAIL_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("HOBNAIL_KILLS: %v", err)
		}
	}
	l := New(t)
	lan := l.Link("lan")
	srv := l.Host("srv", lan, "10.77.0.2/16", "")
	conf := l.WriteFile("hobnail.toml", fmt.Sprintf(`
[server]
data = %q
http = "off"
[[subnet]]
cidr  = "10.77.0.0/16"
dhcp  = "server"
pool  = "10.77.16.0-10.77.31.255"
lease = "12h"
`, l.Path("data")))
	start := func() *Proc {
		p := srv.Start("hobnail", hobnailBinary(t), "serve", "-c", conf)
		p.WaitFor(`(?m)^ready: `, startup)
		return p
	}
	g := l.Host("relay", lan, "10.77.0.9/16", "").Load(machines, netip.MustParsePrefix("10.77.16.0/20"), srv.Addr())
	p := start()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); g.run(rate, g.turn, stop) }()

	restarts := make([]time.Duration, 0, kills)
	begun := time.Now()
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(600)) * time.Millisecond)
		p.Signal(syscall.SIGKILL)
		p.Wait(stopTime)
		again := time.Now()
		p = start()
		restarts = append(restarts, time.Since(again))
	}
	took := time.Since(begun)
	close(stop)
	<-stopped
	held := g.verify()

	slices.Sort(restarts)
	t.Logf("%d kills in %v; %d exchanges begun, %d acknowledged, %d released; %d leases held at the end; ready again after %v (median), %v at the most",
		kills, took.Round(time.Second), g.counts.tried.Load(), g.counts.acked.Load(), g.counts.released.Load(), held, restarts[len(restarts)/2], restarts[len(restarts)-1])
	if len(g.faults) > 0 {
		t.Errorf("%d faults:\n%s", len(g.faults), strings.Join(g.faults[:min(10, len(g.faults))], "\n"))
	}
	if acked := g.counts.acked.Load(); acked < int64(kills)*rate/10 {
		t.Errorf("only %d exchanges came to an end in %v: the clients were not served", acked, took)
	}
}
