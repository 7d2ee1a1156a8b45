// Command bench compares hobnail with other servers, in one run on one
// machine: servers in turn on one processor, load on another, in network
// namespaces of their own. It prints the tables of docs/benchmarks.md.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"hobnail/internal/bench/dhcpload"
	"hobnail/internal/lab"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "load" { // a copy of ours, inside a namespace
		exit(loadFrom(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == "tftp" {
		exit(tftpFrom(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == "http" {
		exit(httpFrom(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == "timed" {
		exit(timedFrom(os.Args[2:]))
	}
	only := flag.String("only", "", "comma-separated parts: dora, leases, latency, offers, perfdhcp, tftp or one of tftp-one, tftp-many, tftp-rtt, tftp-loss, tftp-cpu, tftp-abuse, http or one of http-big, http-script, http-range, iso or one of iso-http, iso-tftp, iso-add, boot")
	peers := flag.String("peers", "", "comma-separated beginnings of the names of servers to run beside hobnail; none: all")
	short := flag.Bool("short", false, "fetch less: to see that everything runs; the figures of TFTP mean little")
	rounds := flag.Int("rounds", 5, "how often everything is run, in turn; medians are printed")
	flag.Parse()
	b := &bench{rounds: *rounds, short: *short, out: os.Stdout}
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	if *peers != "" {
		b.names = strings.Split(*peers, ",")
	}
	exit(lab.Play("bench", os.Stderr, b.run))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// loadFrom drives a server by a plan in JSON and prints what came of it.
func loadFrom(text string) error {
	var plan dhcpload.Plan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return fmt.Errorf("reading the plan: %v", err)
	}
	// A collection holds up what measures latencies for ten milliseconds.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(4 << 30)
	result, err := dhcpload.Run(context.Background(), plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
