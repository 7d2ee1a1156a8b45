package dhcpsim

import (
	"fmt"
	"net/netip"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// site is what is the same in all of a run.
type site struct {
	servers  int
	routed   bool // the servers are on another link, behind relays
	pool     int  // addresses
	lease    time.Duration
	reserved bool // machine 0 has a reserved address
}

// The links of a site: machines are on 10.77.2.0/24, servers there too or
// behind the relays on 10.77.1.0/24.
var (
	lan        = netip.MustParsePrefix("10.77.2.0/24")
	firstPool  = netip.MustParseAddr("10.77.2.50")
	reservedIP = netip.MustParseAddr("10.77.2.20")
)

// weather is how bad things are in a run.
type weather struct {
	drop, double, delay float64       // of datagrams, per link
	late                time.Duration // how late a delayed one is at the most
	crash, cut          time.Duration // how long a server is up, and reachable, on average; 0: always
	clock               time.Duration // how far clocks jump, while servers run and while they are stopped; 0: never
	sick                float64       // of disk operations
	fills               bool          // disks are full now and then
	slow                time.Duration // what a sync takes at the most
	vandal              bool          // somebody forges RELEASE, DECLINE and REQUEST
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// build draws a site, its weather, and who is there.
func (w *world) build() {
	w.site = site{
		servers: pick(w, 1, 2, 2), routed: w.chance(0.6), lease: seconds(pick(w, 60, 90, 120)),
		reserved: w.chance(0.3),
	}
	machines := 2 + w.rng.IntN(8)
	if w.chance(0.05) {
		machines = 20 + w.rng.IntN(21)
	}
	w.site.pool = max(4, machines*pick(w, 6, 10, 15, 25)/10) * w.site.servers / pick(w, 1, w.site.servers)
	w.weather = weather{slow: pick(w, time.Millisecond, 20*time.Millisecond, 300*time.Millisecond)}
	if w.chance(0.9) {
		w.weather = w.storm(w.weather)
	}
	w.calmAt = seconds(pick(w, 100, 200, 300))
	w.end = w.calmAt + calmFor
	w.strays = map[string]bool{}
	if w.chance(0.3) {
		w.strays[nth(w.rng.IntN(w.site.pool)).String()] = true
	}
	w.says("world", "%+v", w.site)
	w.says("world", "%+v", w.weather)
	for n := range pick(w, 1, 1, 2) {
		if w.site.routed {
			w.relays = append(w.relays, &relay{w: w, addr: netip.AddrFrom4([4]byte{10, 77, 2, byte(1 + n)})})
		}
	}
	for n := range w.site.servers {
		w.servers = append(w.servers, newServer(w, n))
	}
	for n := range machines {
		w.machines = append(w.machines, newMachine(w, n))
	}
	if w.weather.vandal {
		w.after(w.between(0, 20*time.Second), w.vandalize)
	}
	w.after(w.calmAt, w.becomeCalm)
}

// storm draws what is wrong in a run: most of it is well in most.
func (w *world) storm(weather weather) weather {
	weather.drop = pick(w, 0, 0, 0.01, 0.1, 0.3)
	weather.double = pick(w, 0, 0, 0.02, 0.2)
	weather.delay = pick(w, 0, 0, 0.02, 0.2)
	weather.late = pick(w, 100*time.Millisecond, time.Second, latest)
	weather.crash = seconds(pick(w, 0, 15, 40, 120))
	weather.vandal = w.chance(0.3)
	if w.site.servers > 1 {
		weather.cut = seconds(pick(w, 0, 0, 30, 90))
	}
	if w.chance(0.3) {
		weather.clock = pick(w, time.Second, 5*time.Second, 5*time.Minute)
	}
	if w.chance(0.25) {
		weather.sick = pick(w, 0.003, 0.03)
	}
	weather.fills = w.chance(0.15)
	return weather
}

// latest is how late a datagram may be. A network loses or delivers; it does
// not store.
const latest = 4 * time.Second

// calmFor is how long a run goes on when nothing is broken any more: longer
// than any lease, so that all that was lost is free again.
const calmFor = 240 * time.Second

// becomeCalm ends all trouble: what machines ask for from now on they must get.
func (w *world) becomeCalm() {
	w.says("world", "calm")
	w.calm = true
	w.weather = weather{slow: time.Millisecond}
	for _, s := range w.servers {
		s.recover()
	}
	for _, m := range w.machines {
		m.stay()
	}
}

// nth is an address of the pool.
func nth(n int) netip.Addr {
	a := firstPool.As4()
	a[3] += byte(n)
	return netip.AddrFrom4(a)
}

// configuration is what server n reads at its start.
func (w *world) configuration(n int) *policy.Policy {
	share := fmt.Sprintf("%d/%d", n+1, w.site.servers)
	if w.opts.Bug != nil && w.opts.Bug.share != "" {
		share = w.opts.Bug.share
	}
	text := fmt.Sprintf(`[server]
share = %q
[[subnet]]
cidr   = %q
dhcp   = "server"
pool   = "%s-%s"
router = "10.77.2.1"
lease  = "%ds"
`, share, lan, firstPool, nth(w.site.pool-1), int(w.site.lease.Seconds()))
	if w.site.reserved {
		text += fmt.Sprintf("[[machine]]\nname = \"lab\"\nmac = %q\naddress = %q\n", mac(0), reservedIP)
	}
	cfg, faults := config.Parse("hobnail.toml", []byte(text))
	if len(faults) > 0 {
		panic(fmt.Sprintf("the simulation's configuration is invalid: %v", faults))
	}
	return policy.Compile(cfg, nil, policy.Programs{
		Folder: "/srv/nbp",
		Wanted: func(model.Arch, string) []string { return nil },
		Have:   []policy.Program{{Arch: model.ArchX64, Loader: policy.LoaderIPXE, File: "snponly.efi"}},
	})
}
