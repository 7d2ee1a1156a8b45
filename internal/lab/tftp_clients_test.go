//go:build lab

package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/lab/link"
)

// tftpClient is a TFTP client of somebody else's, with the options that it is
// told to ask for.
type tftpClient struct {
	name    string
	blksize int
	large   int // size of the largest file
	// emptyFault is what it says of an empty file, if it cannot read one.
	emptyFault string
	// lossFault is what it says where packets are lost, double or late, if
	// that can be too much for it.
	lossFault string
	// args make it read the file remote into the file local.
	args func(remote, local string) []string
}

// tftpServer is the server's address at the other end of every client's wire.
const tftpServer = "10.77.1.1"

// pythonTFTP reads a file with whatever options it is given, in lock-step or
// in windows, and repeats itself after a second of silence, 30 times at most.
// Of a gap it complains once (RFC 7440 section 4).
const pythonTFTP = `
import socket, struct, sys
server, remote, local = sys.argv[1:4]
asked = dict(a.split("=") for a in sys.argv[4:])
fields = [remote, "octet"] + [x for pair in asked.items() for x in pair]
request = b"\0\1" + b"".join(f.encode() + b"\0" for f in fields)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
peer, last, repeat = (server, 69), request, 0
blksize, window = 512, 1
expected, unacked, gap, heard = 1, 0, False, False
out = open(local, "wb")
def ack():
    global last, unacked, heard
    last, unacked, heard = struct.pack("!HH", 4, (expected - 1) % 65536), 0, True
    s.sendto(last, peer)
s.sendto(last, peer)
while True:
    try:
        packet, source = s.recvfrom(65536)
    except socket.timeout:
        repeat += 1
        if repeat > 30:
            sys.exit("the server is silent at block %d" % expected)
        if heard:
            ack()
        else:
            s.sendto(last, peer)
        continue
    if heard and source != peer:
        continue
    peer, repeat = source, 0
    op, block = struct.unpack("!HH", packet[:4])
    if op == 5:
        sys.exit("error %d: %s" % (block, packet[4:-1].decode()))
    if op == 6:
        if expected == 1 and unacked == 0:
            text = packet[2:-1].decode().split("\0")
            agreed = dict(zip(text[::2], text[1::2]))
            blksize = int(agreed.get("blksize", 512))
            window = int(agreed.get("windowsize", 1))
            ack()
        continue
    if op != 3 or block != expected % 65536:
        if op == 3 and not gap:
            gap = True
            ack()
        continue
    gap, heard = False, True
    out.write(packet[4:])
    expected, unacked = expected + 1, unacked + 1
    if len(packet) - 4 < blksize:
        ack()
        break
    if unacked == window:
        ack()
out.close()
`

func tftpClients(script string) []tftpClient {
	curl := func(options ...string) func(string, string) []string {
		return func(remote, local string) []string {
			return append(append([]string{"curl"}, options...), "-sSf", "-o", local, "tftp://"+tftpServer+"/"+remote)
		}
	}
	atftp := func(options ...string) func(string, string) []string {
		return func(remote, local string) []string {
			args := []string{"atftp", "--tftp-timeout", "1"}
			for _, o := range options {
				args = append(args, "--option", o)
			}
			return append(args, "--get", "--remote-file", remote, "--local-file", local, tftpServer, "69")
		}
	}
	busybox := func(options ...string) func(string, string) []string {
		return func(remote, local string) []string {
			return append(append([]string{"busybox", "tftp"}, options...), "-g", "-r", remote, "-l", local, tftpServer)
		}
	}
	hpa := func(remote, local string) []string {
		return []string{"tftp", "-m", "octet", tftpServer, "-c", "get", remote, local}
	}
	python := func(options ...string) func(string, string) []string {
		return func(remote, local string) []string {
			return append([]string{"/usr/bin/python3", script, tftpServer, remote, local}, options...)
		}
	}
	// curl 7.88 takes "tsize 0" for a fault.
	const curlEmpty = "exit status 71"
	// atftp 0.8.0 ends when the OACK comes twice: doubled by the network, or
	// sent again because its ACK of block 0 was lost.
	const atftpOAck = "tftp: unexpected OACK"
	// curl asks for a timeout of a part of the time that it has for the first
	// answer: of 1 s, for 5 s. By default 6 s, and every packet that is lost
	// costs that. The 5 s may not do where the answer is lost again and again.
	const curlLate = "exit status 28"
	// Without options its block 1 comes once to a silent client (the request
	// is too small for more), and it repeats its ACK after a tenth of its time:
	// of 50 s, or if it has no such bound, after 72 s.
	second := []string{"--connect-timeout", "5"}
	return []tftpClient{
		{"tftp-hpa", 512, 300_000, "", "", hpa},
		{"curl", 512, 60_000, curlEmpty, curlLate, curl(second...)},
		{"curl without options", 512, 300_000, "", "", curl("--tftp-no-options", "--max-time", "50")},
		{"curl blksize 1468", 1468, 60_000, curlEmpty, curlLate, curl(append(second, "--tftp-blksize", "1468")...)},
		{"atftp", 512, 300_000, "", "", atftp()},
		{"atftp blksize 1428 tsize", 1428, 300_000, "", atftpOAck, atftp("tsize enable", "blksize 1428")},
		{"atftp windowsize 4", 512, 300_000, "", atftpOAck, atftp("windowsize 4")},
		{"atftp windowsize 16 blksize 1428", 1428, 300_000, "", atftpOAck, atftp("blksize 1428", "windowsize 16")},
		{"atftp every option", 1024, 100_000, "", atftpOAck, atftp("tsize enable", "blksize 1024", "timeout 1", "windowsize 4")},
		{"busybox", 512, 300_000, "", "", busybox()},
		{"busybox blksize 1468", 1468, 300_000, "", "", busybox("-b", "1468")},
		{"Python", 512, 300_000, "", "", python()},
		{"Python windowsize 4", 512, 300_000, "", "", python("windowsize=4")},
		{"Python every option", 1468, 100_000, "", "", python("tsize=0", "blksize=1468", "windowsize=16", "timeout=1")},
	}
}

// badLink is a link of a test: its share of losses each way, besides which
// packets come double and late.
type badLink struct {
	name   string
	faults link.Faults
}

func badLinks() []badLink {
	const delay = 300 * time.Microsecond
	faults := func(loss float64) link.Faults {
		return link.Faults{Delay: delay, Loss: loss, Duplicate: 0.02, Reorder: 0.02, Late: 2 * time.Millisecond}
	}
	return []badLink{
		{"nothing lost", faults(0)},
		{"1 % lost", faults(0.01)},
		{"5 % lost", faults(0.05)},
	}
}

// tree is the files that a server has for clients: octets by size.
type tree map[int][]byte

func (f tree) add(size int) {
	if f[size] == nil {
		f[size] = make([]byte, size) // not nil where it is empty
		rand.NewChaCha8([32]byte{1: byte(size), byte(size >> 8), byte(size >> 16)}).Read(f[size])
	}
}

func (f tree) name(size int) string { return fmt.Sprintf("img/sizes/file-%d", size) }

// conf writes the files and gives a configuration that serves them, and no
// DHCP.
func (f tree) conf(h *Host) string {
	var initrds []string
	for size, b := range f {
		initrds = append(initrds, strconv.Quote(h.File(filepath.Base(f.name(size)), string(b))))
	}
	return fmt.Sprintf("dhcp = \"off\"\n[[image]]\nname = \"sizes\"\nkernel = %q\ninitrd = [%s]\n",
		h.File("linux", "no kernel"), strings.Join(initrds, ", "))
}

// fetch is one file read by one client.
type fetch struct {
	size int
	took time.Duration
	err  error
}

// atOnce is how many clients read at a time: mostly they wait for a timeout,
// but the processors must keep up, or timeouts are all that is seen.
const atOnce = 12

// read has a client on this host read a file of that size.
func (f tree) read(ctx context.Context, h *Host, c tftpClient, size int) fetch {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	local := h.lab.Path(fmt.Sprintf("%s-%d", h.Name, size))
	defer os.Remove(local)
	// Lighter than ip netns exec, which mounts a /sys for each.
	args := append([]string{"--net=/run/netns/" + string(h.ns)}, c.args(f.name(size), local)...)
	cmd := exec.Command("nsenter", args...)
	began := time.Now()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := runFor(ctx, cmd)
	if err != nil {
		err = fmt.Errorf("%s: %v: %s", commandLine(cmd.Args), err, out.String())
	} else if got, rerr := os.ReadFile(local); rerr != nil {
		err = fmt.Errorf("%v; the client said %q", rerr, out.String())
	} else if sha256.Sum256(got) != sha256.Sum256(f[size]) {
		err = fmt.Errorf("it got %d octets, others than were sent; it said %q", len(got), out.String())
	}
	return fetch{size, time.Since(began), err}
}

// runFor runs a command to its end, or ends it with the context.
func runFor(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	return errors.Join(cmd.Wait(), ctx.Err())
}

// check compares what came of a read with what this client can do. It reports
// whether the file was read.
func (c tftpClient) check(t *testing.T, f fetch) (ok bool) {
	t.Helper()
	switch {
	case f.size == 0 && c.emptyFault != "":
		if f.err == nil || !strings.Contains(f.err.Error(), c.emptyFault) {
			t.Errorf("an empty file: %v, want %s, as this client has it", f.err, c.emptyFault)
		}
		return false
	case f.err != nil && c.lossFault != "" && strings.Contains(f.err.Error(), c.lossFault):
		t.Logf("%d octets, after %v: %q, as this client has it", f.size, f.took.Round(time.Millisecond), c.lossFault)
		return false
	case f.err != nil:
		t.Errorf("%d octets, after %v: %v", f.size, f.took.Round(time.Millisecond), f.err)
		return false
	}
	return true
}

// TestTFTPClientsOnABadLink: every client reads files of every kind of size
// over links that lose, double and reorder. All run at once, each on a wire of
// its own.
func TestTFTPClientsOnABadLink(t *testing.T) {
	l := New(t)
	files := make(tree)
	clients := tftpClients(l.WriteFile("tftp.py", pythonTFTP))
	sizes := func(c tftpClient) []int {
		return []int{0, 1, c.blksize - 1, c.blksize, c.blksize + 1, 5 * c.blksize, c.large}
	}
	for _, c := range clients {
		for _, size := range sizes(c) {
			files.add(size)
		}
	}

	type side struct {
		on      badLink
		client  tftpClient
		host    *Host
		wire    *link.Link
		fetched []fetch
	}
	far := l.Router("far")
	l.ip("-n", string(far.ns), "address", "add", tftpServer+"/32", "dev", "lo")
	l.ip("-n", string(far.ns), "link", "set", "lo", "up")
	var sides []*side
	for _, on := range badLinks() {
		for _, c := range clients {
			n := len(sides) + 1
			faults := on.faults
			faults.Seed = uint64(n)
			s := &side{on: on, client: c}
			s.host, s.wire = l.Wire(fmt.Sprintf("c%d", n), fmt.Sprintf("10.77.%d.2/24", 100+n), far, fmt.Sprintf("10.77.%d.1/24", 100+n), faults, -1)
			l.ip("-n", string(s.host.ns), "route", "add", "default", "via", fmt.Sprintf("10.77.%d.1", 100+n))
			sides = append(sides, s)
		}
	}
	server := far.Hobnail(files.conf(far))
	far.Start("tcpdump", "tcpdump", "-n", "-i", "any", "-s", "100", "-Z", "root", "-w", l.Path("far.pcap"), "udp").WaitFor("listening on", startup)

	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, s := range sides {
		all.Go(func() {
			for _, size := range sizes(s.client) {
				slots <- struct{}{}
				s.fetched = append(s.fetched, files.read(t.Context(), s.host, s.client, size))
				<-slots
			}
		})
	}
	all.Wait()

	lost := make(map[string]uint64)
	for _, s := range sides {
		t.Run(s.on.name+"/"+s.client.name, func(t *testing.T) {
			counts, err := s.wire.Close()
			if err != nil {
				t.Error(err)
			}
			var took time.Duration
			read := 0
			for _, f := range s.fetched {
				if s.client.check(t, f) {
					read++
				}
				took = max(took, f.took)
			}
			if read < len(s.fetched)/2 {
				t.Errorf("it read %d of %d files", read, len(s.fetched))
			}
			lost[s.on.name] += counts[0].Lost + counts[1].Lost
			t.Logf("%s: it read %d of %d files, the slowest in %v; %+v", s.host.Name, read, len(s.fetched), took.Round(time.Millisecond), counts)
		})
	}
	for _, on := range badLinks() {
		if (lost[on.name] > 0) != (on.faults.Loss > 0) {
			t.Errorf("%s: %d packets were lost", on.name, lost[on.name])
		}
	}
	if !server.Running() {
		t.Errorf("the server ended:\n%s", lastLines(server.Output(), 20))
	}
}

// TestTFTPClientsReadLargeFiles: 100 MB, and files whose last block is 65,535,
// 65,536 or 65,537, over a cable without faults.
func TestTFTPClientsReadLargeFiles(t *testing.T) {
	l := New(t)
	far := l.Router("far")
	near := l.Cable("near", "10.77.1.2/24", far, tftpServer+"/24")
	clients := make(map[string]tftpClient)
	for _, c := range tftpClients("") {
		clients[c.name] = c
	}
	rows := []struct {
		client string
		sizes  []int
	}{
		{"atftp windowsize 16 blksize 1428", []int{100_000_000}},
		{"curl blksize 1468", []int{100_000_000}},
		{"atftp windowsize 4", []int{65535*512 - 1, 65535 * 512, 65536 * 512}},
		{"tftp-hpa", []int{65535 * 512}},
		{"busybox", []int{65536 * 512}},
	}
	files := make(tree)
	for _, row := range rows {
		for _, size := range row.sizes {
			files.add(size)
		}
	}
	far.Hobnail(files.conf(far))
	for _, row := range rows {
		c, ok := clients[row.client]
		if !ok {
			t.Fatalf("there is no client %q", row.client)
		}
		for _, size := range row.sizes {
			f := files.read(t.Context(), near, c, size)
			if !c.check(t, f) {
				t.Errorf("%s did not read %d octets", row.client, size)
			}
			t.Logf("%s: %d octets in %v", row.client, size, f.took.Round(time.Millisecond))
		}
	}
}
