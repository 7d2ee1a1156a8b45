package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Capture is a running record of everything on a link.
type Capture struct {
	Path string // classic pcap file; complete only when the lab is taken down

	lab  *Lab
	proc *Proc
}

// Capture begins to record a link into NAME.pcap in the lab's directory and
// returns when the recording runs.
func (l *Lab) Capture(link *Link) *Capture {
	l.t.Helper()
	c := &Capture{Path: l.Path(link.Name + ".pcap"), lab: l}
	// tcpdump's buffer is divided by the longest packet. The kernel hands over
	// what it would cut into packets later as one, of up to 64 KiB.
	cmd := link.ns.command("tcpdump", "-i", "br0", "-n", "-s", "66000", "-B", "32768", "-U", "--immediate-mode",
		"--time-stamp-precision", "micro", "-Z", "root", "-w", c.Path)
	c.proc = l.start("tcpdump-"+link.Name, cmd)
	c.proc.WaitFor("listening on br0", 10*time.Second)
	return c
}

// Datagrams is every UDP datagram recorded so far that went to or from one of
// the ports; without ports, every one.
func (c *Capture) Datagrams(ports ...uint16) []Datagram {
	c.lab.t.Helper()
	b, err := os.ReadFile(c.Path)
	if err != nil {
		c.lab.t.Fatalf("reading capture: %v", err)
	}
	all, err := new(pcapReader).feed(b)
	if err != nil {
		c.lab.t.Fatalf("%s: %v", c.Path, err)
	}
	if len(ports) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(d Datagram) bool { return !hasPort(d, ports) })
}

func hasPort(d Datagram, ports []uint16) bool {
	return slices.Contains(ports, d.Src.Port()) || slices.Contains(ports, d.Dst.Port())
}

// WaitFor waits until a datagram that want accepts was recorded and returns
// the first one, counting from the beginning of the capture. It ends the test,
// naming what was waited for, if none comes in time.
func (c *Capture) WaitFor(what string, timeout time.Duration, want func(Datagram) bool) Datagram {
	c.lab.t.Helper()
	file, err := os.Open(c.Path)
	if err != nil {
		c.lab.t.Fatalf("reading capture: %v", err)
	}
	defer file.Close()
	var (
		reader pcapReader
		chunk  = make([]byte, 1<<20)
		got    []Datagram
	)
	ok := poll(timeout, func() bool {
		for len(got) == 0 && err == nil {
			n, _ := file.Read(chunk)
			if n == 0 {
				return false
			}
			got, err = reader.feed(chunk[:n])
			got = slices.DeleteFunc(got, func(d Datagram) bool { return !want(d) })
		}
		return true
	})
	switch {
	case err != nil:
		c.lab.t.Fatalf("%s: %v", c.Path, err)
	case !ok:
		c.lab.t.Fatalf("no %s was seen within %v; recorded in %s", what, timeout, c.Path)
	}
	return got[0]
}

// CheckDHCP has tshark, Wireshark's own decoder, read every DHCP message that
// server sent, and ends the test if it finds one malformed or has a warning
// about it, or finds none at all.
func (c *Capture) CheckDHCP(server netip.Addr) {
	c.lab.t.Helper()
	from := "dhcp && ip.src == " + server.String()
	if n := len(c.tshark(from)); n == 0 {
		c.lab.t.Fatalf("%s has no DHCP message from %s", c.Path, server)
	}
	faulty := from + " && (_ws.malformed || _ws.expert.severity >= warning)"
	if lines := c.tshark(faulty); len(lines) > 0 {
		c.lab.t.Fatalf("tshark finds fault with DHCP messages of %s:\n%s\nin %s",
			server, strings.Join(lines, "\n"), c.Path)
	}
}

// tshark gives one line for each frame that the display filter selects: frame
// number, message type, destination, what Wireshark says of it.
func (c *Capture) tshark(filter string) []string {
	c.lab.t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", c.Path, "-Y", filter, "-T", "fields",
		"-e", "frame.number", "-e", "dhcp.option.dhcp", "-e", "ip.dst", "-e", "_ws.expert.message")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	// A recording that still runs may be cut short in its last packet; tshark
	// has then read all the others.
	if err := cmd.Run(); err != nil && !strings.Contains(errs.String(), "cut short") {
		c.lab.t.Fatalf("tshark %s: %v: %s", c.Path, err, errs.String())
	}
	text := strings.TrimRight(out.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// From makes a condition for WaitFor: a datagram from this address and port.
func From(addr netip.Addr, port uint16) func(Datagram) bool {
	return func(d Datagram) bool { return d.Src == netip.AddrPortFrom(addr, port) }
}

// String is the datagram on one line.
func (d Datagram) String() string {
	return fmt.Sprintf("%s %s > %s %d octets", d.Time.Format("15:04:05.000"), d.Src, d.Dst, len(d.Payload))
}
