//go:build lab

package lab

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a lab of two links with a router between them.
type small struct {
	*Lab
	lan, core *Link
	router    *Host
}

func newSmall(t TB) small {
	l := New(t)
	s := small{Lab: l, lan: l.Link("lan"), core: l.Link("core")}
	s.router = l.Router("rtr", At(s.core, "10.77.1.1/24"), At(s.lan, "10.77.2.1/24"))
	return s
}

// plan is for the machines of lan.
func (s small) plan() Plan {
	return Plan{Subnet: "10.77.2.0/24", First: "10.77.2.50", Last: "10.77.2.99", Router: "10.77.2.1"}
}

func TestRouterForwards(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	pc := s.Host("pc", s.lan, "10.77.2.7/24", "10.77.2.1")
	s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	pc.Run("busybox", "ping", "-c", "1", "-W", "5", "10.77.1.2")
}

// TestRelayForwards has busybox's DHCP client get an address through the
// relay, from each of the DHCP servers that scenarios use.
func TestRelayForwards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		server string
		start  func(*Host, Plan) *Proc
		agent  bool // the relay adds option 82
	}{
		{"dnsmasq", (*Host).DnsmasqPlain, false},
		{"Kea", (*Host).Kea, true},
		{"ISC dhcpd", (*Host).ISCDHCPD, true},
	} {
		t.Run(tt.server, func(t *testing.T) {
			t.Parallel()
			s := newSmall(t)
			srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
			tt.start(srv, s.plan())
			s.router.Relay(s.lan, tt.agent, "10.77.1.2")
			record := s.Capture(s.core)

			pc := s.Host("pc", s.lan, "10.77.2.7/24", "")
			udhcpc := pc.Start("udhcpc", "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-s", "/bin/true")
			udhcpc.WaitFor(`lease of 10\.77\.2\.[5-9][0-9] obtained`, 30*time.Second)

			discover := record.WaitFor("relayed DISCOVER", time.Second, From(netip.MustParseAddr("10.77.1.1"), 67))
			if giaddr := netip.AddrFrom4([4]byte(discover.Payload[24:28])); giaddr.String() != "10.77.2.1" {
				t.Errorf("giaddr of the relayed DISCOVER is %s, want 10.77.2.1", giaddr)
			}
			circuit := []byte("\x01\x04eth1") // option 82.1 as dhcrelay writes it
			if got := bytes.Contains(discover.Payload, circuit); got != tt.agent {
				t.Errorf("relayed DISCOVER has the circuit id: %v, want %v", got, tt.agent)
			}
			record.CheckDHCP(srv.Addr())
		})
	}
}

// TestCaptureAgreesWithTshark compares what the lab reads out of a capture
// with what Wireshark's decoder does.
func TestCaptureAgreesWithTshark(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	a := s.Host("a", s.core, "10.77.1.3/24", "")
	record := s.Capture(s.core)
	for _, text := range []string{"first", "", strings.Repeat("long ", 250), "last"} {
		a.Run("bash", "-c", `printf '%s' "$1" >/dev/udp/10.77.1.1/4011`, "bash", text)
	}
	a.Run("bash", "-c", "printf last >/dev/udp/10.77.1.1/9")
	record.WaitFor("datagram to port 9", 10*time.Second, func(d Datagram) bool { return d.Dst.Port() == 9 })

	out, err := exec.Command("tshark", "-n", "-r", record.Path, "-Y", "udp.port == 4011 && !icmp", "-T", "fields",
		"-e", "ip.src", "-e", "udp.srcport", "-e", "ip.dst", "-e", "udp.dstport", "-e", "udp.payload").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var got strings.Builder
	for _, d := range record.Datagrams(4011) {
		fmt.Fprintf(&got, "%s\t%d\t%s\t%d\t%s\n", d.Src.Addr(), d.Src.Port(), d.Dst.Addr(), d.Dst.Port(), hex.EncodeToString(d.Payload))
	}
	if diff := cmp.Diff(string(out), got.String()); diff != "" {
		t.Errorf("datagrams (-tshark +ours):\n%s", diff)
	}
	if got.Len() == 0 {
		t.Error("no datagrams were read")
	}
}

// TestCheckDHCPFindsFault sends half an OFFER: the check has to end its test.
func TestCheckDHCPFindsFault(t *testing.T) {
	t.Parallel()
	if os.Getenv("HOBNAIL_LAB_KEEP") == "" {
		t.Cleanup(func() { removeLabs(t) })
	}
	offer := make([]byte, 240)
	copy(offer, []byte{2, 1, 6, 0})
	copy(offer[236:], []byte{0x63, 0x82, 0x53, 0x63})
	offer = append(offer, 53, 1, 2, 51, 4, 0) // the lease time is cut off
	var log strings.Builder
	err := Play(t.Name(), &log, func(tb TB) {
		s := newSmall(tb)
		srv := s.Host("srv", s.core, "10.77.1.2/24", "")
		record := s.Capture(s.core)
		srv.Run("bash", "-c", `cat "$1" >/dev/udp/10.77.1.1/67`, "bash", s.WriteFile("offer", string(offer)))
		record.WaitFor("the OFFER", 10*time.Second, func(d Datagram) bool { return d.Dst.Port() == 67 })
		record.CheckDHCP(srv.Addr())
	})
	if err != ErrFailed || !strings.Contains(log.String(), "tshark finds fault with DHCP messages of 10.77.1.2") {
		t.Errorf("a malformed OFFER passed the check: %v\n%s", err, log.String())
	}
}

// TestLabLeavesNothing looks for what is left of a lab that failed: its
// directory, and nothing else.
func TestLabLeavesNothing(t *testing.T) {
	t.Parallel()
	var (
		id, dir string
		pid     int
	)
	err := Play(t.Name(), io.Discard, func(tb TB) {
		s := newSmall(tb)
		id, dir = s.id, s.dir
		pid = s.router.Start("sleep", "sleep", "600").Pid()
		tb.Fatalf("as planned")
	})
	if err != ErrFailed {
		t.Errorf("Play gave %v, want ErrFailed", err)
	}
	if alive(pid) {
		t.Errorf("process %d still runs", pid)
	}
	if out, err := exec.Command("ip", "netns", "list").Output(); err != nil || strings.Contains(string(out), id) {
		t.Errorf("namespaces of %s are left (%v):\n%s", id, err, out)
	}
	if _, err := os.Stat(dir + "/sleep.log"); err != nil {
		t.Errorf("the log of a lab that failed is gone: %v", err)
	}
	os.RemoveAll(dir)
}

// TestWaitForEndedProcess must not wait the time out.
func TestWaitForEndedProcess(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	start := time.Now()
	err := Play(t.Name(), &log, func(tb TB) {
		l := New(tb)
		h := l.Host("h", l.Link("lan"), "10.77.2.2/24", "")
		h.Start("short", "sh", "-c", "echo some words").WaitFor("other words", time.Minute)
	})
	removeLabs(t)
	if err != ErrFailed || !strings.Contains(log.String(), "some words") {
		t.Errorf("got %v, want ErrFailed and the process's last words in:\n%s", err, log.String())
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %v to see that the process had ended", d)
	}
}

// TestMachineTakesKeys switches a machine on, speaks with its firmware, and
// presses the reset button.
func TestMachineTakesKeys(t *testing.T) {
	t.Parallel()
	Slot(t)
	l := New(t)
	m := l.Machine(BIOS, l.Link("lan"), MachineOpts{})
	m.Expect("Press Ctrl-B for the iPXE command line")
	m.Type("\x02")
	m.Expect("iPXE>")
	m.Type("echo my address is ${net0/mac} and ${uuid}\n")
	m.Expect("my address is " + m.MAC + " and " + m.UUID)
	m.Reset()
	m.Expect("SeaBIOS")
}

// removeLabs removes the directories of this test's labs, which Play keeps
// because their scenes fail as planned.
func removeLabs(t *testing.T) {
	entries, err := os.ReadDir(baseDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fileName(t.Name())+"-") {
			os.RemoveAll(baseDir() + "/" + e.Name())
		}
	}
}
