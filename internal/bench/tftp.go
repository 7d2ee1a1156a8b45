package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/bench/tftpload"
	"hobnail/internal/lab"
	"hobnail/internal/lab/link"
)

const (
	// tftpBlksize leaves room for a VLAN tag and a tunnel in 1500 octets, and
	// is near what loaders ask for.
	tftpBlksize = 1428
	clientsNet  = "10.96.0.0/12" // clients, each with an address of its own
	spoofedNet  = "10.112.0.0/12"
	// tftpLimit ends a run of a server that does not come to an end.
	tftpLimit = 3 * time.Minute
)

var (
	firstClient  = netip.MustParseAddr("10.96.1.1")
	firstSpoofed = netip.MustParseAddr("10.112.1.1")
	tftpPort     = netip.AddrPortFrom(serverIP, 69)
)

// tftpParts are the rows of files by TFTP.
func (b *bench) tftpParts() []part {
	return []part{{"tftp-one", b.tftpOne}, {"tftp-many", b.tftpMany}, {"tftp-rtt", b.tftpRTT},
		{"tftp-loss", b.tftpLoss}, {"tftp-cpu", b.tftpCPU}, {"tftp-abuse", b.tftpAbuse}}
}

// tftpFigure is what one server did in one round.
type tftpFigure struct {
	tftpload.Result
	CPU    float64 // seconds of processor for a GiB
	Lost   float64 // datagrams that its sockets had no room for
	Asked  float64 // of them on port 69: requests
	Memory float64 // MiB at most, of the process that was started
}

// trial is one server in one round, on a host of its own.
type trial struct {
	b     *bench
	peer  tftpPeer
	round int
	host  *lab.Host
	wire  *link.Link // nil: a plain cable
	proc  *lab.Proc
	names map[string]string
	into  map[string][]tftpFigure
}

// tftpTable runs a measurement on every server, in turn, as often as there are
// rounds. It gives the figures of each by the rows that the measurement names.
func (b *bench) tftpTable(peers []tftpPeer, delay link.Faults, measure func(*trial)) []map[string][]tftpFigure {
	b.tftpReady(peers)
	all := make([]map[string][]tftpFigure, len(peers))
	for round := range b.rounds {
		for i, p := range peers {
			if all[i] == nil {
				all[i] = map[string][]tftpFigure{}
			}
			delay.Seed = uint64(round + 1)
			t := &trial{b: b, peer: p, round: round + 1, into: all[i]}
			t.open(delay)
			measure(t)
			t.close()
		}
	}
	return all
}

// tftpReady prepares the load's host, once, and says who is measured.
func (b *bench) tftpReady(peers []tftpPeer) {
	if b.root == "" {
		b.tftpRoot()
		b.load.Run("ip", "route", "add", "local", clientsNet, "dev", "lo")
		b.load.Run("ip", "route", "add", "blackhole", spoofedNet)
		for _, p := range peers {
			fmt.Fprintf(b.out, "%s: %s\n", p.name, cmp.Or(p.version, "in this program"))
		}
	}
}

// open makes the host, and the way to it, and starts the server there.
func (t *trial) open(f link.Faults) {
	b := t.b
	b.hosts++
	name := fmt.Sprintf("server%d", b.hosts)
	if f.Delay > 0 {
		cpu, _ := strconv.Atoi(loadCPU)
		t.host, t.wire = b.lab.Wire(name, serverAddr+"/24", b.load, loadAddr+"/24", f, cpu)
	} else {
		t.host = b.lab.Cable(name, serverAddr+"/24", b.load, loadAddr+"/24")
	}
	for _, net := range []string{clientsNet, spoofedNet} {
		t.host.Run("ip", "route", "add", net, "via", loadAddr)
	}
	t.proc = t.peer.start(t.host, b.root)
	t.names = map[string]string{}
	if t.peer.names != nil {
		t.names = t.peer.names(t.host, b.root)
	}
}

func (t *trial) close() {
	t.proc.Kill()
	if t.wire != nil {
		counts, err := t.wire.Close()
		t.b.t.Logf("the link to %s: %+v from it, %+v to it, %v", t.peer.name, counts[0], counts[1], err)
	}
	t.host.Remove()
}

// get is a plan to fetch a file by window.
func (t *trial) get(file string, window int) tftpload.Plan {
	name := cmp.Or(t.names[file], file)
	if t.peer.bare {
		name = fmt.Sprint(sizeOf(file))
	}
	return tftpload.Plan{Server: tftpPort, File: name, Size: sizeOf(file), Blksize: tftpBlksize,
		Window: window, Unchecked: t.peer.bare, Until: tftpLimit}
}

// place is where a load runs, and on which processor.
type place struct {
	host *lab.Host
	cpu  string
}

// far is the load's host, on a processor of its own. Where there is a link, the
// link has that.
func (t *trial) far() place {
	if t.wire != nil {
		return place{t.b.load, serverCPU}
	}
	return place{t.b.load, loadCPU}
}

// fetch drives the server by a plan and keeps the figure under a row's name.
func (t *trial) fetch(row string, at place, plan tftpload.Plan) tftpFigure {
	pid := t.proc.Pid()
	lost, asked := t.drops()
	busy := busySeconds()
	out := at.host.Run("taskset", "-c", at.cpu, self(), "tftp", tftpCommand(tftpTask{Fetch: &plan}))
	f := tftpFigure{CPU: busySeconds() - busy, Memory: peakMiB(pid)}
	f.Lost, f.Asked = t.drops()
	f.Lost, f.Asked = f.Lost-lost, f.Asked-asked
	if err := json.Unmarshal([]byte(out), &f.Result); err != nil {
		t.b.t.Fatalf("reading the result %q: %v", out, err)
	}
	if at.cpu == serverCPU {
		f.CPU -= f.Own
	}
	f.CPU *= (1 << 30) / max(1, float64(f.Octets))
	if f.Octets == 0 {
		f.CPU = 0
	}
	if row != "" {
		t.into[row] = append(t.into[row], f)
	}
	t.b.t.Logf("round %d, %s, %s: %.1f MB/s, %d of %d, %d requests and %d ACKs repeated, %d gaps, %d blocks twice, p50 %.1f ms, p99 %.1f ms, %.2f s of CPU a GiB, %.0f lost (%.0f requests), %.0f MiB %v",
		t.round, t.peer.name, cmp.Or(row, "looked into"), f.MBs(), f.Completed, f.Completed+f.Failed, f.Repeated, f.Timeouts, f.Gaps, f.Duplicates,
		f.P50, f.P99, f.CPU, f.Lost, f.Asked, f.Memory, f.Why)
	return f
}

// lookInto fetches a file and compares every octet.
func (t *trial) lookInto(file string, window int) {
	if t.peer.bare {
		return
	}
	plan := t.get(file, window)
	plan.Whole = true
	if f := t.fetch("", t.far(), plan); f.Failed > 0 {
		t.b.t.Logf("%s does not give the file %s: %v", t.peer.name, file, f.Why)
	}
}

// drops counts what the sockets of the server's host had no room for so far:
// of all (RcvbufErrors of /proc/net/snmp), and on port 69.
func (t *trial) drops() (all, asked float64) {
	return snmpUDP(t.host.Run("cat", "/proc/net/snmp"), "RcvbufErrors"),
		portDrops(t.host.Run("cat", "/proc/net/udp", "/proc/net/udp6"), 69)
}

// oneRow is a way in which one client fetches.
type oneRow struct {
	name      string
	near      bool   // on the server's host, by its loopback
	cpu       string // of the client
	window    int
	plain     bool // no options: 512 octets a block
	file      string
	transfers int
}

// oneRows are those of tftpOne. A client that waits for each window and its
// server take turns, so they are put on one processor: to wake the other one
// costs a virtual machine more than a window. Windows are measured on two
// processors as well.
func (b *bench) oneRows() []oneRow {
	file, times := large64, 2
	if b.short {
		file, times = small8, 1
	}
	var rows []oneRow
	for _, near := range []bool{true, false} {
		where := "veth"
		if near {
			where = "loopback"
		}
		add := func(name, cpu string, window, transfers int) {
			rows = append(rows, oneRow{name: where + ", " + name, near: near, cpu: cpu, window: window, file: file, transfers: transfers})
		}
		add("window 1", serverCPU, 1, 1)
		for _, window := range []int{16, 64} {
			add(fmt.Sprintf("window %d", window), serverCPU, window, times)
			add(fmt.Sprintf("window %d, two processors", window), loadCPU, window, times)
		}
		rows = append(rows, oneRow{where + ", no options", near, serverCPU, 1, true, small8, 2 * times})
	}
	return rows
}

// tftpOne is one client: by loopback and over a cable, in lock-step and with
// windows.
func (b *bench) tftpOne() {
	peers := append(b.tftpServers(), bareSender())
	rows := b.oneRows()
	all := b.tftpTable(peers, link.Faults{}, func(t *trial) {
		t.lookInto(rows[0].file, 16)
		for _, r := range rows {
			if r.plain && t.peer.bare {
				continue
			}
			plan := t.get(r.file, r.window)
			plan.Transfers = r.transfers
			if r.plain {
				plan.Blksize = 0
			}
			at := place{t.b.load, r.cpu}
			if r.near {
				at.host = t.host
			}
			t.fetch(r.name, at, plan)
		}
	})
	fmt.Fprintf(b.out, "\n| TFTP, one client, blksize %d | server | MB/s | hobnail's ratio | of the bare sender | CPU s/GiB | failed |\n|---|---|---|---|---|---|---|\n", tftpBlksize)
	for _, r := range rows {
		b.tftpRows(r.name, peers, all)
	}
}

// tftpRows prints a row for each server.
func (b *bench) tftpRows(row string, peers []tftpPeer, all []map[string][]tftpFigure) {
	rate := func(f tftpFigure) float64 { return f.MBs() }
	ours, bare := median(all[0][row], rate), 0.0
	if last := len(peers) - 1; peers[last].bare {
		bare = median(all[last][row], rate)
	}
	for i, p := range peers {
		fs := all[i][row]
		if len(fs) == 0 {
			continue
		}
		fmt.Fprintf(b.out, "| %s | %s | %.1f | %s | %s | %.2f | %d of %d |\n", row, p.name, median(fs, rate), ratio(ours, median(fs, rate)),
			ratio(median(fs, rate), bare), median(fs, func(f tftpFigure) float64 { return f.CPU }), failed(fs), failed(fs)+completed(fs))
	}
}

// tftpMany is a thousand machines that are switched on together.
func (b *bench) tftpMany() {
	const clients = 1000
	peers := b.tftpServers()
	windows := []int{1, 4}
	all := make([]([]map[string][]tftpFigure), len(windows))
	for i, window := range windows {
		// A server anew for each: its peak of memory is not to be told from
		// that of before.
		all[i] = b.tftpTable(peers, link.Faults{}, func(t *trial) {
			plan := t.get(small1, window)
			plan.Clients, plan.From = clients, firstClient
			t.fetch(fmt.Sprintf("window %d", window), t.far(), plan)
		})
	}
	fmt.Fprintf(b.out, "\n| TFTP, %d clients at once, 1 MiB each | server | failed | requests lost in its socket | lost in all its sockets | requests repeated | MB/s | hobnail's ratio | p99, s | memory, MiB | CPU s/GiB |\n|---|---|---|---|---|---|---|---|---|---|---|\n", clients)
	rate := func(f tftpFigure) float64 { return f.MBs() }
	for i, window := range windows {
		row := fmt.Sprintf("window %d", window)
		ours := median(all[i][0][row], rate)
		for j, p := range peers {
			fs := all[i][j][row]
			fmt.Fprintf(b.out, "| %s | %s | %d of %d | %.0f | %.0f | %.0f | %.1f | %s | %.1f | %.0f | %.2f |\n", row, p.name, failed(fs), failed(fs)+completed(fs),
				median(fs, func(f tftpFigure) float64 { return f.Asked }), median(fs, func(f tftpFigure) float64 { return f.Lost }),
				median(fs, func(f tftpFigure) float64 { return float64(f.Repeated) }), median(fs, rate), ratio(ours, median(fs, rate)),
				median(fs, func(f tftpFigure) float64 { return f.P99 / 1000 }), median(fs, func(f tftpFigure) float64 { return f.Memory }),
				median(fs, func(f tftpFigure) float64 { return f.CPU }))
		}
	}
}

// tftpRTT is one client at the end of a long cable: no more than a window can
// be on its way.
func (b *bench) tftpRTT() {
	const window = 16
	peers := append(b.tftpServers(), bareSender())
	fmt.Fprintf(b.out, "\n| TFTP, window %d, round trip | server | MB/s | of window × blksize ÷ RTT | hobnail's ratio |\n|---|---|---|---|---|\n", window)
	for _, trip := range []time.Duration{time.Millisecond, 5 * time.Millisecond} {
		row := trip.String()
		all := b.tftpTable(peers, link.Faults{Delay: trip / 2}, func(t *trial) {
			t.fetch(row, t.far(), t.get(small8, window))
		})
		most := window * tftpBlksize / trip.Seconds() / 1e6
		rate := func(f tftpFigure) float64 { return f.MBs() }
		for i, p := range peers {
			got := median(all[i][row], rate)
			fmt.Fprintf(b.out, "| %s | %s | %.2f | %.2f | %s |\n", row, p.name, got, got/most, ratio(median(all[0][row], rate), got))
		}
	}
}

// tftpLoss is a link that loses one packet in a hundred, each way.
func (b *bench) tftpLoss() {
	const clients, trip, loss = 10, time.Millisecond, 0.01
	peers := b.tftpServers()
	const row = "1 MiB"
	all := b.tftpTable(peers, link.Faults{Delay: trip / 2, Loss: loss}, func(t *trial) {
		plan := t.get(small1, 1)
		plan.Clients, plan.From = clients, firstClient
		t.fetch(row, t.far(), plan)
	})
	fmt.Fprintf(b.out, "\n| TFTP, 1 %% lost each way, round trip %v, 1 MiB, window 1 | finished | median, s | of the slowest, s | the others' median ÷ hobnail's | blocks twice |\n|---|---|---|---|---|---|\n", trip)
	half := func(f tftpFigure) float64 { return f.P50 / 1000 }
	for i, p := range peers {
		fs := all[i][row]
		fmt.Fprintf(b.out, "| %s | %d of %d | %.2f | %.2f | %s | %.0f |\n", p.name, completed(fs), completed(fs)+failed(fs), median(fs, half),
			median(fs, func(f tftpFigure) float64 { return f.Max / 1000 }), ratio(median(fs, half), median(all[0][row], half)),
			median(fs, func(f tftpFigure) float64 { return float64(f.Duplicates) }))
	}
}

// tftpCPU is what a GiB costs when a hundred fetch.
func (b *bench) tftpCPU() {
	const clients, window = 100, 16
	peers := b.tftpServers()
	row := fmt.Sprintf("%d clients, window %d", clients, window)
	all := b.tftpTable(peers, link.Faults{}, func(t *trial) {
		plan := t.get(small8, window)
		plan.Clients, plan.From = clients, firstClient
		t.fetch(row, t.far(), plan)
	})
	fmt.Fprintf(b.out, "\n| TFTP, %s | CPU s/GiB | hobnail's ÷ its | MB/s | hobnail's ratio | failed |\n|---|---|---|---|---|---|\n", row)
	cpu := func(f tftpFigure) float64 { return f.CPU }
	rate := func(f tftpFigure) float64 { return f.MBs() }
	for i, p := range peers {
		fs := all[i][row]
		fmt.Fprintf(b.out, "| %s | %.2f | %s | %.1f | %s | %d of %d |\n", p.name, median(fs, cpu), ratio(median(all[0][row], cpu), median(fs, cpu)),
			median(fs, rate), ratio(median(all[0][row], rate), median(fs, rate)), failed(fs), failed(fs)+completed(fs))
	}
}

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func failed(fs []tftpFigure) (n int) {
	for _, f := range fs {
		n += f.Failed
	}
	return n
}

func completed(fs []tftpFigure) (n int) {
	for _, f := range fs {
		n += f.Completed
	}
	return n
}

// snmpUDP reads a counter of UDP out of /proc/net/snmp.
func snmpUDP(text, name string) float64 {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if i := slices.Index(names, name); i >= 0 && i < len(fields) {
			n, _ := strconv.ParseFloat(fields[i], 64)
			return n
		}
	}
	return 0
}

// portDrops adds up the drops of the sockets of a port in /proc/net/udp.
func portDrops(text string, port int) float64 {
	suffix := fmt.Sprintf(":%04X", port)
	sum := 0.0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 13 || !strings.HasSuffix(fields[1], suffix) {
			continue
		}
		n, _ := strconv.ParseFloat(fields[12], 64)
		sum += n
	}
	return sum
}

// peakMiB is the most memory that a process has had so far (VmHWM).
func peakMiB(pid int) float64 { return statusMiB(pid, "VmHWM:") }

func statusMiB(pid int, key string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			n, _ := strconv.ParseFloat(fields[1], 64)
			return n / 1024
		}
	}
	return 0
}
