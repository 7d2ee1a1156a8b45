//go:build interop

package capture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"hobnail/internal/model"
)

// TestInteropOracle has tshark count the same captures: an independent dissector
// must find as many DHCP messages, requests for files, and blocks.
func TestInteropOracle(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is missing; install the package tshark")
	}
	// One run for each file: tshark is slow to start.
	count := func(file string) map[string]int {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.Command(tshark, "-r", file, "-d", "tcp.port==8080,http", "-T", "fields", "-E", "separator=|",
			"-e", "dhcp.type", "-e", "tftp.opcode", "-e", "http.request.method")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("running tshark: %v\n%s", err, stderr.String())
		}
		n := map[string]int{}
		for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			n["packets"]++
			f := strings.Split(line, "|")
			if f[0] != "" {
				n["DHCP messages"]++
			}
			n["TFTP opcode "+f[1]]++
			if f[2] != "" {
				n["HTTP requests"]++
			}
		}
		return n
	}
	for _, s := range []int{0, 4} {
		story := stories[s]
		t.Run(story.name, func(t *testing.T) {
			c := newTape(t)
			story.play(newMachine(c))
			for _, form := range [][]byte{c.pcap(layers.LinkTypeEthernet, 7, 20), c.pcapng(layers.LinkTypeLinuxSLL)} {
				file := filepath.Join(t.TempDir(), "capture")
				if err := os.WriteFile(file, form, 0o600); err != nil {
					t.Fatal(err)
				}
				all, sum, err := explained(t, form)
				if err != nil {
					t.Fatal(err)
				}
				requests := map[string]int{}
				for _, b := range all {
					for i := range b.Steps {
						if f := b.Steps[i].File; f != nil {
							requests[f.Via] += b.Steps[i].Times()
						}
					}
				}
				theirs := count(file)
				for what, ours := range map[string]int{
					"packets": sum.Packets, "DHCP messages": sum.DHCP, "TFTP opcode 1": requests["tftp"],
					"TFTP opcode 3": blocksOf(all), "HTTP requests": requests["http"],
				} {
					if theirs[what] != ours {
						t.Errorf("%s: %d, tshark finds %d", what, ours, theirs[what])
					}
				}
			}
		})
	}
}

// blocksOf counts the DATA packets of all transfers by TFTP.
func blocksOf(all []*model.Boot) (n int) {
	for _, b := range all {
		for i := range b.Steps {
			if f := b.Steps[i].File; f != nil {
				n += int(f.Blocks)
			}
		}
	}
	return n
}
