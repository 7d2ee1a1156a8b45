package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"hobnail/internal/bench/dhcpload"
	"hobnail/internal/lab"
)

var (
	serverIP  = netip.MustParseAddr(serverAddr)
	relayIP   = netip.MustParseAddr(relayAddr)
	everybody = netip.MustParseAddr("255.255.255.255")
)

const inFlight = 128

func plan(p peer) dhcpload.Plan {
	return dhcpload.Plan{Server: serverIP, Relay: relayIP, Clients: p.clients, InFlight: inFlight,
		Warm: time.Second, Time: 4 * time.Second}
}

// dora is how many four-way exchanges a second each server does with 128 under
// way at a time.
func (b *bench) dora() {
	peers := b.chosen(dhcpServers())
	all := b.each(peers, func(p peer, proc *lab.Proc) figure { return b.drive(proc, plan(p)) })
	fmt.Fprintf(b.out, "\n| DORA, %d under way | exchanges/s | hobnail's ratio | CPU each, µs | ratio | lost |\n|---|---|---|---|---|---|\n", inFlight)
	rate := func(f figure) float64 { return f.PerSecond() }
	cpu := func(f figure) float64 { return f.CPU }
	for i, p := range peers {
		b.peak[p.name] = median(all[i], rate)
		fmt.Fprintf(b.out, "| %s | %.0f | %.1f | %.1f | %.2f | %.0f |\n", p.name, b.peak[p.name], median(all[0], rate)/b.peak[p.name],
			median(all[i], cpu), median(all[0], cpu)/median(all[i], cpu), median(all[i], func(f figure) float64 { return float64(f.Lost) }))
	}
}

// leases is what it costs to have many leases.
func (b *bench) leases() {
	const many = 250000
	peers := b.chosen(dhcpServers()[:2])
	fmt.Fprintf(b.out, "\n| with many leases | exchanges/s at 1,000 | at 250,000 | ratio | memory at 250,000, MiB | octets a lease |\n|---|---|---|---|---|---|\n")
	few, base := make([][]figure, len(peers)), make([][]figure, len(peers))
	all := b.each(peers, func(p peer, proc *lab.Proc) figure {
		i := indexOf(peers, p)
		at := plan(p)
		at.Warm, at.Count = 0, 1000
		base[i] = append(base[i], b.drive(proc, at))
		at = plan(p)
		at.First, at.Warm, at.Time = 1000, 0, time.Second
		few[i] = append(few[i], b.drive(proc, at))
		at = plan(p)
		at.First, at.Count = 500000, many
		memory := b.drive(proc, at).Memory
		at = plan(p)
		at.First = 1000000
		f := b.drive(proc, at)
		f.Memory = memory
		return f
	})
	rate := func(f figure) float64 { return f.PerSecond() }
	memory := func(f figure) float64 { return f.Memory }
	completed := func(f figure) float64 { return float64(f.Completed) }
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.0f | %.2f | %.0f | %.0f |\n", p.name, median(few[i], rate), median(all[i], rate),
			median(all[i], rate)/median(few[i], rate), median(all[i], memory), (median(all[i], memory)-median(base[i], memory))*(1<<20)/(many+median(few[i], completed)))
	}
}

func indexOf(peers []peer, p peer) int {
	for i := range peers {
		if peers[i].name == p.name {
			return i
		}
	}
	return -1
}

// latency is how long offers take at half of Kea's peak, and what is left of
// the peak when more comes than can be done.
func (b *bench) latency() {
	if b.peak["hobnail"] == 0 || b.peak["Kea, memfile"] == 0 {
		b.dora()
	}
	if b.peak["Kea, memfile"] == 0 {
		b.t.Fatalf("the latencies are taken at half of Kea's peak: ask for Kea as well")
	}
	half, over := b.peak["Kea, memfile"]/2, 1.2
	peers := b.chosen(dhcpServers()[:2])
	at := func(p peer, rate float64) dhcpload.Plan {
		a := plan(p)
		a.Rate = rate
		return a
	}
	calm := b.each(peers, func(p peer, proc *lab.Proc) figure { return b.drive(proc, at(p, half)) })
	storm := b.each(peers, func(p peer, proc *lab.Proc) figure { return b.drive(proc, at(p, over*b.peak[p.name])) })
	fmt.Fprintf(b.out, "\n| offers | p50 at %.0f/s, ms | p99, ms | completed/s at %.1f of its own peak | of the peak |\n|---|---|---|---|---|\n", half, over)
	for i, p := range peers {
		left := median(storm[i], func(f figure) float64 { return f.PerSecond() })
		fmt.Fprintf(b.out, "| %s | %.2f | %.2f | %.0f | %.2f |\n", p.name, median(calm[i], func(f figure) float64 { return f.OfferP50 }),
			median(calm[i], func(f figure) float64 { return f.OfferP99 }), left, left/b.peak[p.name])
	}
}

// offers is how many boot clients on the link get their offer beside another
// DHCP server.
func (b *bench) offers() {
	peers := b.chosen(proxies())
	ask := dhcpload.Plan{Server: everybody, Boot: true, Offers: true, InFlight: inFlight, Warm: time.Second, Time: 4 * time.Second}
	calm := make([][]figure, len(peers))
	all := b.each(peers, func(p peer, proc *lab.Proc) figure {
		peak := b.drive(proc, ask)
		a := ask
		a.Rate = 0.95 * peak.PerSecond()
		calm[indexOf(peers, p)] = append(calm[indexOf(peers, p)], b.drive(proc, a))
		return peak
	})
	rate := func(f figure) float64 { return f.PerSecond() }
	fmt.Fprintf(b.out, "\n| ProxyDHCP offers, %d under way | offers/s | hobnail's ratio | CPU each, µs | p99 at 0.95 of its peak, ms |\n|---|---|---|---|---|\n", inFlight)
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.1f | %.1f | %.2f |\n", p.name, median(all[i], rate), median(all[0], rate)/median(all[i], rate),
			median(all[i], func(f figure) float64 { return f.CPU }), median(calm[i], func(f figure) float64 { return f.OfferP99 }))
	}
}

// perfdhcp is Kea's own load generator, as an independent one: the rate at
// which exchanges are completed when more are begun than any server can do.
func (b *bench) perfdhcp() {
	peers := b.chosen(dhcpServers())
	all := b.each(peers, func(p peer, proc *lab.Proc) figure {
		clients := p.clients
		if clients == 0 {
			clients = 200000
		}
		out := b.load.Run("sh", "-c", fmt.Sprintf("taskset -c %s perfdhcp -4 -r 40000 -R %d -p 5 -W 1 -l %s %s; true",
			loadCPU, clients, relayAddr, serverAddr))
		rate, ok := perfdhcpRate(out)
		if !ok {
			b.t.Fatalf("perfdhcp printed no rate:\n%s", out)
		}
		return figure{Result: dhcpload.Result{Completed: int(rate), Seconds: 1}}
	})
	fmt.Fprintf(b.out, "\n| perfdhcp, 40,000 begun a second | exchanges/s | hobnail's ratio |\n|---|---|---|\n")
	rate := func(f figure) float64 { return f.PerSecond() }
	for i, p := range peers {
		fmt.Fprintf(b.out, "| %s | %.0f | %.1f |\n", p.name, median(all[i], rate), median(all[0], rate)/median(all[i], rate))
	}
}

var ratePattern = regexp.MustCompile(`(?m)^Rate: ([0-9.]+) 4-way exchanges/second`)

func perfdhcpRate(out string) (float64, bool) {
	m := ratePattern.FindStringSubmatch(out)
	if m == nil {
		return 0, false
	}
	rate, err := strconv.ParseFloat(m[1], 64)
	return rate, err == nil
}
