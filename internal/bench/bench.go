package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/bench/dhcpload"
	"hobnail/internal/lab"
)

const startup = 30 * time.Second

// bench is one run.
type bench struct {
	rounds int
	only   []string // parts; none: all
	short  bool     // smaller files: to see whether it runs, not how fast
	names  []string // beginnings of servers' names; none: all
	out    io.Writer

	t     lab.TB
	lab   *lab.Lab
	load  *lab.Host
	hosts int                // that were made for servers
	peak  map[string]float64 // exchanges a second, by server
	root  string             // the files that TFTP servers give
}

// part is one of what there is to run. Parts that belong together have a
// common word before a hyphen.
type part struct {
	name string
	run  func()
}

// figure is what one server did in one round.
type figure struct {
	dhcpload.Result
	CPU    float64 // microseconds of processor an exchange
	Memory float64 // MiB at the end
}

func (b *bench) run(t lab.TB) {
	b.t, b.lab, b.peak = t, lab.New(t), map[string]float64{}
	b.load = b.lab.Router("load")
	b.machine()
	for _, part := range b.parts() {
		if b.wants(part.name) {
			part.run()
		}
	}
}

func (b *bench) parts() []part {
	parts := []part{{"dora", b.dora}, {"leases", b.leases}, {"latency", b.latency}, {"offers", b.offers}, {"perfdhcp", b.perfdhcp}}
	return slices.Concat(parts, b.tftpParts(), b.httpParts(), b.isoParts(), b.bootParts())
}

// wants says whether a part is to be run: all are, or those that are named by
// themselves or by their common word.
func (b *bench) wants(name string) bool {
	group, _, _ := strings.Cut(name, "-")
	return len(b.only) == 0 || slices.Contains(b.only, name) || slices.Contains(b.only, group)
}

// chosen leaves of the servers hobnail and those that are asked for.
func (b *bench) chosen(peers []peer) []peer {
	return slices.DeleteFunc(peers, func(p peer) bool {
		return len(b.names) > 0 && p.name != "hobnail" && !slices.ContainsFunc(b.names, func(n string) bool { return strings.HasPrefix(p.name, n) })
	})
}

// machine names what the figures were measured on.
func (b *bench) machine() {
	var u unix.Utsname
	unix.Uname(&u)
	cpu, _ := exec.Command("sh", "-c", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1").Output()
	fmt.Fprintf(b.out, "%s, %d processors: %s; Linux %s; %s\n", time.Now().UTC().Format(time.DateOnly),
		runtime.NumCPU(), strings.TrimSpace(string(cpu)), unix.ByteSliceToString(u.Release[:]), runtime.Version())
	for _, v := range []string{"kea-dhcp4 -v", "dhcpd --version", "dnsmasq --version", "nginx -v"} {
		out, _ := exec.Command("sh", "-c", v+" 2>&1 | head -n 1").Output()
		fmt.Fprintf(b.out, "%s: %s", v, out)
	}
}

// server makes a host for a server and starts it there. Host and load are at
// the two ends of a cable: a switch's work would be counted as the server's.
func (b *bench) server(p peer) (*lab.Host, *lab.Proc) {
	b.hosts++
	name := fmt.Sprintf("server%d", b.hosts)
	h := b.lab.Cable(name, serverAddr+"/24", b.load, loadAddr+"/24")
	b.load.Run("ip", "address", "add", relayAddr+"/32", "dev", name)
	h.Run("ip", "route", "add", relayAddr+"/32", "via", loadAddr)
	return h, p.start(h, p)
}

// each runs one measurement on every server, in turn, as often as there are
// rounds, and gives all figures of each.
func (b *bench) each(peers []peer, measure func(p peer, proc *lab.Proc) figure) [][]figure {
	all := make([][]figure, len(peers))
	for round := range b.rounds {
		for i, p := range peers {
			h, proc := b.server(p)
			f := measure(p, proc)
			proc.Kill()
			h.Remove()
			all[i] = append(all[i], f)
			b.t.Logf("round %d, %s: %.0f/s, %d lost, offer p50 %.2f ms p99 %.2f ms, %.1f us of CPU each, %.0f MiB",
				round+1, p.name, f.PerSecond(), f.Lost, f.OfferP50, f.OfferP99, f.CPU, f.Memory)
		}
	}
	return all
}

// drive puts a load on the server that runs.
func (b *bench) drive(proc *lab.Proc, plan dhcpload.Plan) figure {
	var f figure
	f.CPU = b.loaded("load", plan, &f.Result)
	f.Memory = residentMiB(proc.Pid())
	// The warm-up uses processor time too.
	share := plan.Time.Seconds() / (plan.Time + plan.Warm).Seconds()
	if plan.Count > 0 {
		share = 1
	}
	f.CPU *= share * 1e6 / max(1, float64(f.Completed))
	return f
}

// loaded runs one of this program's loads by its plan, and gives the seconds
// that the servers' processor was busy meanwhile.
func (b *bench) loaded(load string, plan, result any) float64 {
	text, err := json.Marshal(plan)
	if err != nil {
		b.t.Fatalf("writing the plan: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		b.t.Fatalf("looking for this program: %v", err)
	}
	before := busySeconds()
	out := b.load.Run("taskset", "-c", loadCPU, self, load, string(text))
	busy := busySeconds() - before
	if err := json.Unmarshal([]byte(out), result); err != nil {
		b.t.Fatalf("reading the result %q: %v", out, err)
	}
	return busy
}

// median takes the middle one of the figures by a measure; 0 of none.
func median[F any](fs []F, of func(F) float64) float64 {
	if len(fs) == 0 {
		return 0
	}
	values := make([]float64, len(fs))
	for i, f := range fs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// statSeconds reads the time that a processor was busy out of /proc/stat
// (proc_stat(5)), in hundredths of a second: all but idle, iowait and what comes
// behind softirq.
func statSeconds(stat, cpu string) float64 {
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[0] != cpu {
			continue
		}
		busy := 0.0
		for i, f := range fields[1:8] {
			if n, err := strconv.ParseFloat(f, 64); err == nil && i != 3 && i != 4 {
				busy += n
			}
		}
		return busy / 100
	}
	return 0
}
