//go:build interop

package tftp

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hobnail/internal/event"
)

// client is a TFTP client of somebody else's.
type client struct {
	program string
	pack    string // package that has it
	name    string // of the variant
	blksize int
	// refusesEmpty is true of curl 7.88 where it asks for the size: it takes
	// "tsize 0" for a fault.
	refusesEmpty bool
	// args make it read remote from at into local.
	args func(at netip.AddrPort, remote, local string) []string
}

func clients() []client {
	curl := func(options ...string) func(netip.AddrPort, string, string) []string {
		return func(at netip.AddrPort, remote, local string) []string {
			return append(options, "--silent", "--show-error", "--fail", "--output", local, "tftp://"+at.String()+"/"+remote)
		}
	}
	atftp := func(options ...string) func(netip.AddrPort, string, string) []string {
		return func(at netip.AddrPort, remote, local string) []string {
			var args []string
			for _, o := range options {
				args = append(args, "--option", o)
			}
			return append(args, "--get", "--remote-file", remote, "--local-file", local, at.Addr().String(), port(at))
		}
	}
	busybox := func(options ...string) func(netip.AddrPort, string, string) []string {
		return func(at netip.AddrPort, remote, local string) []string {
			return append(append([]string{"tftp"}, options...), "-g", "-r", remote, "-l", local, at.Addr().String(), port(at))
		}
	}
	hpa := func(at netip.AddrPort, remote, local string) []string {
		return []string{"-m", "octet", at.Addr().String(), port(at), "-c", "get", remote, local}
	}
	return []client{
		{"tftp", "tftp-hpa", "no options", 512, false, hpa},
		{"curl", "curl", "tsize and blksize 512", 512, true, curl()},
		{"curl", "curl", "no options", 512, false, curl("--tftp-no-options")},
		{"curl", "curl", "blksize 1468", 1468, true, curl("--tftp-blksize", "1468")},
		{"curl", "curl", "blksize 8", 8, true, curl("--tftp-blksize", "8")},
		{"atftp", "atftp", "no options", 512, false, atftp()},
		{"atftp", "atftp", "tsize, blksize 1428", 1428, false, atftp("tsize enable", "blksize 1428")},
		{"atftp", "atftp", "windowsize 4", 512, false, atftp("windowsize 4")},
		{"atftp", "atftp", "windowsize 16, blksize 1428", 1428, false, atftp("blksize 1428", "windowsize 16")},
		{"atftp", "atftp", "windowsize 16, blksize 8", 8, false, atftp("blksize 8", "windowsize 16")},
		{"atftp", "atftp", "every option", 1024, false, atftp("tsize enable", "blksize 1024", "timeout 1", "windowsize 4")},
		{"atftp", "atftp", "timeout 2", 512, false, atftp("timeout 2")},
		{"busybox", "busybox", "no options", 512, false, busybox()},
		{"busybox", "busybox", "blksize 1468", 1468, false, busybox("-b", "1468")},
	}
}

func port(at netip.AddrPort) string { return strconv.Itoa(int(at.Port())) }

// read runs the client and gives what it got.
func (c client) read(t *testing.T, at netip.AddrPort, remote string) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath(c.program)
	if err != nil {
		t.Fatalf("%s is missing; install the package %s", c.program, c.pack)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	local := filepath.Join(t.TempDir(), "local")
	out, err := exec.CommandContext(ctx, program, c.args(at, remote, local)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running %s: %v\n%s", c.program, err, out)
	}
	return os.ReadFile(local)
}

// random makes a file of that many octets in tree, named by its size.
func (f files) random(size int) (name string, b []byte) {
	rng := rand.NewChaCha8([32]byte{byte(size)})
	b = make([]byte, size)
	_, _ = rng.Read(b) // never fails
	name = fmt.Sprintf("file-%d", size)
	f[name] = contents(name, b)
	return name, b
}

// TestInteropClients has every client read files of 0 to 5 blocks and an octet more
// or less.
func TestInteropClients(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.program+", "+c.name, func(t *testing.T) {
			tree := make(files)
			var sizes []int
			for blocks := range 6 {
				for size := max(0, blocks*c.blksize-1); size <= blocks*c.blksize+1; size++ {
					tree.random(size)
					sizes = append(sizes, size)
				}
			}
			at := serveOn(t, "127.0.0.1:0", &Server{Opener: tree})
			for _, size := range sizes {
				name, want := tree.random(size)
				got, err := c.read(t, at, name)
				switch {
				case size == 0 && c.refusesEmpty:
					if err == nil || !strings.Contains(err.Error(), "exit status 71") {
						t.Errorf("an empty file: %v, want exit status 71 (illegal TFTP operation)", err)
					}
				case err != nil:
					t.Errorf("%d octets: %v", size, err)
				case sha256.Sum256(got) != sha256.Sum256(want):
					t.Errorf("%d octets: it got %d others", size, len(got))
				}
			}
		})
	}
}

// TestInteropClientsBeyondTheLastBlockNumber has every client read a file of
// 65,537 blocks, with the largest blocks that it asks for, and one in lock-step
// and one with a window also those of 65,535 and 65,536.
func TestInteropClientsBeyondTheLastBlockNumber(t *testing.T) {
	for _, c := range beyond() {
		t.Run(c.program+", "+c.name, func(t *testing.T) {
			blocks := []int{65537}
			if c.blksize == 8 {
				blocks = []int{65535, 65536, 65537}
			}
			tree := make(files)
			for _, n := range blocks {
				tree.random((n - 1) * c.blksize) // the last is empty
			}
			at := serveOn(t, "127.0.0.1:0", &Server{Opener: tree})
			for _, n := range blocks {
				name, want := tree.random((n - 1) * c.blksize)
				began := time.Now()
				got, err := c.read(t, at, name)
				if err != nil {
					t.Fatalf("%d blocks: %v", n, err)
				}
				if sha256.Sum256(got) != sha256.Sum256(want) {
					t.Fatalf("%d blocks, %d octets: it got %d others", n, len(want), len(got))
				}
				t.Logf("%d blocks: %.0f MB/s, the client's start included", n, float64(len(want))/1e6/time.Since(began).Seconds())
			}
		})
	}
}

// beyond gives each client's variant with the largest blocks, and those with
// the smallest.
func beyond() []client {
	largest := make(map[string]client)
	var chosen []client
	for _, c := range clients() {
		if c.blksize == 8 {
			chosen = append(chosen, c)
		}
		if c.blksize >= largest[c.program].blksize {
			largest[c.program] = c
		}
	}
	return slices.AppendSeq(chosen, maps.Values(largest))
}

// TestInteropClientsAreTold has every client ask for a file that does not exist.
func TestInteropClientsAreTold(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.program+", "+c.name, func(t *testing.T) {
			events := make(told, 8)
			at := serveOn(t, "127.0.0.1:0", &Server{Opener: files{}, Events: events})
			got, err := c.read(t, at, "missing")
			if err == nil && len(got) > 0 {
				t.Errorf("it got %q", got)
			}
			if e := <-events; e.Code != event.FileMissing {
				t.Errorf("event %s %v, want %s", e.Code, e.Attrs, event.FileMissing)
			}
		})
	}
}
