package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"hobnail/internal/bench/tftpload"
	"hobnail/internal/lab"
	"hobnail/internal/lab/link"
)

// abuse is what a server stood in one round.
type abuse struct {
	before, most, after float64 // MiB
	packets, octets     float64 // out, for each that was spoofed
	during              []float64
	tried, finished     int
	p99                 float64 // seconds, beside slow readers
	ended               bool    // the server did not live through it
}

// tftpAbuse is a million requests from a million sources that are not there,
// and five thousand clients that hardly read, each with a client that means
// it.
func (b *bench) tftpAbuse() {
	const readers = 5000
	spoof := tftpload.Spoof{Server: tftpPort, From: firstSpoofed, Count: 1000000, Time: time.Minute}
	peers := b.tftpServers()
	all := make([][]abuse, len(peers))
	b.tftpTable(peers, link.Faults{}, func(t *trial) {
		a := t.flood(spoof)
		t.slowReaders(&a, readers)
		i := slices.IndexFunc(peers, func(p tftpPeer) bool { return p.name == t.peer.name })
		all[i] = append(all[i], a)
		b.t.Logf("round %d, %s: %+v", t.round, t.peer.name, a)
	})
	fmt.Fprintf(b.out, "\n| TFTP, %d spoofed requests in %v, then %d slow readers | memory before, MiB | at most | a minute later | packets out for each | octets out for each in | 1 MiB meanwhile, slowest, s | finished | beside slow readers, p99, s |\n|---|---|---|---|---|---|---|---|---|\n",
		spoof.Count, spoof.Time, readers)
	for i, p := range peers {
		for _, a := range all[i] {
			slowest := "-"
			if len(a.during) > 0 {
				slowest = fmt.Sprintf("%.2f", slices.Max(a.during))
			}
			ended := ""
			if a.ended {
				ended = " (the server ended)"
			}
			fmt.Fprintf(b.out, "| %s%s | %.0f | %.0f | %.0f | %.2f | %.2f | %s | %d of %d | %.2f |\n", p.name, ended, a.before, a.most, a.after,
				a.packets, a.octets, slowest, a.finished, a.tried, a.p99)
		}
	}
}

// background starts a load that is waited for later.
func (t *trial) background(name string, task tftpTask) *lab.Proc {
	return t.b.load.Start(name, "taskset", "-c", loadCPU, self(), "tftp", tftpCommand(task))
}

// flood sends spoofed requests while a client fetches 1 MiB now and then.
func (t *trial) flood(spoof tftpload.Spoof) abuse {
	const pause, calm = 4 * time.Second, 30 * time.Second
	pid := t.proc.Pid()
	spoof.File = t.get(small1, 1).File
	t.lookInto(small1, 4)
	// A server that has done nothing yet has not even read all of its program:
	// what it has after a small storm is what it should come back to.
	storm := spoof
	storm.Count, storm.Time = 20000, 2*time.Second
	if err := t.background("storm", tftpTask{Spoof: &storm}).Wait(time.Minute); err != nil {
		t.b.t.Fatalf("the storm: %v", err)
	}
	time.Sleep(calm)
	a := abuse{before: statusMiB(pid, "VmRSS:")}
	packets, octets := t.sent()
	proc := t.background("flood", tftpTask{Spoof: &spoof})
	for {
		time.Sleep(pause)
		if !proc.Running() {
			break
		}
		a.tried++
		plan := t.get(small1, 4)
		plan.From, plan.Until = firstClient, 10*time.Second
		if f := t.fetch("", t.far(), plan); f.Completed == 1 {
			a.finished++
			a.during = append(a.during, f.Max/1000)
		}
	}
	if err := proc.Wait(4 * spoof.Time); err != nil {
		t.b.t.Fatalf("the flood: %v: %s", err, proc.Output())
	}
	var r tftpload.Spoofed
	if err := json.Unmarshal([]byte(proc.Output()), &r); err != nil {
		t.b.t.Fatalf("reading what the flood did: %v: %s", err, proc.Output())
	}
	a.most = peakMiB(pid)
	time.Sleep(time.Minute) // what is still to come of it, comes
	a.after = statusMiB(pid, "VmRSS:")
	packetsNow, octetsNow := t.sent()
	// The client that means it had these.
	packetsNow -= float64(a.finished * (1<<20/tftpBlksize + 2))
	octetsNow -= float64(a.finished * 1 << 20)
	a.packets, a.octets = (packetsNow-packets)/float64(r.Sent), (octetsNow-octets)/float64(r.Octets)
	a.ended = !t.proc.Running()
	return a
}

// sent is what has left the server's host so far.
func (t *trial) sent() (packets, octets float64) {
	read := func(name string) float64 {
		n, _ := strconv.ParseFloat(t.host.Run("cat", "/sys/class/net/eth0/statistics/"+name), 64)
		return n
	}
	return read("tx_packets"), read("tx_bytes")
}

// slowReaders has many clients take a block a second, and one that is not
// slow.
func (t *trial) slowReaders(a *abuse, readers int) {
	const times = 100
	slow := t.get(large64, 1)
	slow.Clients, slow.From, slow.Slow, slow.Until = readers, firstClient.Next(), time.Second, time.Minute
	proc := t.background("readers", tftpTask{Fetch: &slow})
	time.Sleep(5 * time.Second)
	plan := t.get(small1, 4)
	plan.From, plan.Transfers, plan.Until = firstClient, times, 40*time.Second
	f := t.fetch("", t.far(), plan)
	a.p99 = f.P99 / 1000
	if err := proc.Wait(2 * slow.Until); err != nil {
		t.b.t.Fatalf("the slow readers: %v: %s", err, proc.Output())
	}
	t.b.t.Logf("the slow readers: %s", proc.Output())
	a.ended = a.ended || !t.proc.Running()
}
