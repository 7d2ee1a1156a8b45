package netio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peer is the other end of a connection under test.
type peer struct {
	addr    netip.AddrPort
	deliver func(data []byte)
	receive func() (data []byte, from netip.AddrPort)
}

// conns makes each kind of Conn, with a peer to talk to.
var conns = [...]struct {
	name string
	make func(t *testing.T) (Conn, peer)
}{
	{"in memory", memory},
	{"UDP", loopback},
}

func memory(*testing.T) (Conn, peer) {
	c := NewMemConn(67)
	addr := netip.MustParseAddrPort("127.0.0.1:68")
	return c, peer{
		addr: addr,
		deliver: func(data []byte) {
			go c.Deliver(Packet{Data: data, Src: addr, Dst: addr.Addr(), IfIndex: 1})
		},
		receive: func() ([]byte, netip.AddrPort) {
			s := <-c.Sent()
			return s.Data, netip.AddrPortFrom(s.From, c.Port())
		},
	}
}

func loopback(t *testing.T) (Conn, peer) {
	t.Helper()
	c, err := Listen(context.Background(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if err := other.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, peer{
		addr: other.LocalAddr().(*net.UDPAddr).AddrPort(),
		deliver: func(data []byte) {
			if _, err := other.WriteToUDPAddrPort(data, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.Port())); err != nil {
				t.Error(err)
			}
		},
		receive: func() ([]byte, netip.AddrPort) {
			buf := make([]byte, 100)
			n, from, err := other.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Error(err)
			}
			return buf[:n], from
		},
	}
}

// read waits for one packet, with room for so many octets.
func read(c Conn, room int) (Packet, error) {
	p := []Packet{{Data: make([]byte, room)}}
	_, err := c.ReadBatch(p, true)
	return p[0], err
}

// TestConns: both kinds of Conn keep the same promises.
func TestConns(t *testing.T) {
	for _, kind := range conns {
		t.Run(kind.name, func(t *testing.T) {
			t.Run("reads a packet with its ends", func(t *testing.T) {
				c, p := kind.make(t)
				p.deliver([]byte("discover"))
				got, err := read(c, 100)
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Data) != "discover" || got.Src != p.addr || got.Dst != p.addr.Addr() || got.IfIndex == 0 || got.Port != c.Port() {
					t.Errorf("read %q from %s to %s by interface %d at port %d; sent from %s", got.Data, got.Src, got.Dst, got.IfIndex, got.Port, p.addr)
				}
			})
			t.Run("cuts what is longer than the buffer", func(t *testing.T) {
				c, p := kind.make(t)
				p.deliver([]byte("discover"))
				if got, err := read(c, 4); err != nil || string(got.Data) != "disc" {
					t.Errorf("read %q, error %v", got.Data, err)
				}
			})
			t.Run("does not wait unless told to", func(t *testing.T) {
				c, _ := kind.make(t)
				p := []Packet{{Data: make([]byte, 100)}}
				if n, err := c.ReadBatch(p, false); n != 0 || err != nil {
					t.Errorf("read %d packets, error %v, where there is none", n, err)
				}
			})
			t.Run("writes a batch, and says what it could not send", func(t *testing.T) {
				c, p := kind.make(t)
				here := Outgoing{To: p.addr, From: netip.MustParseAddr("127.0.0.1")}
				var out []Datagram
				for i := range 3 * MaxBatch / 2 {
					out = append(out, Datagram{fmt.Appendf(nil, "offer %d", i), here})
				}
				if kind.name == "UDP" {
					out[1].To = netip.MustParseAddrPort("127.0.0.1:0") // the kernel refuses port 0
				}
				done := make(chan []error)
				go func() { done <- c.WriteBatch(out) }()
				for i := range out {
					if kind.name == "UDP" && i == 1 {
						continue
					}
					if got, _ := p.receive(); string(got) != fmt.Sprintf("offer %d", i) {
						t.Fatalf("datagram %d is %q", i, got)
					}
				}
				for i, err := range <-done {
					if (err != nil) != (i == 1) {
						t.Errorf("datagram %d: error %v", i, err)
					}
				}
			})
			t.Run("writes from its own port", func(t *testing.T) {
				c, p := kind.make(t)
				data := []byte("offer")
				if err := c.Write(data, Outgoing{To: p.addr, From: netip.MustParseAddr("127.0.0.1")}); err != nil {
					t.Fatal(err)
				}
				copy(data, "XXXXX") // whoever writes may use his buffer again
				got, from := p.receive()
				if string(got) != "offer" || from != netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.Port()) {
					t.Errorf("%q arrived from %s, want it from port %d", got, from, c.Port())
				}
			})
			t.Run("ends a waiting read when it is closed", func(t *testing.T) {
				c, _ := kind.make(t)
				done := make(chan error)
				go func() {
					_, err := read(c, 100)
					done <- err
				}()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Errorf("read ends with %v, want net.ErrClosed", err)
				}
				if err := c.Write([]byte("late"), Outgoing{To: netip.MustParseAddrPort("127.0.0.1:9")}); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a write after closing: %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// TestPortTaken: a port that is in use is named together with its holder, here
// this very process.
func TestPortTaken(t *testing.T) {
	first, err := Listen(context.Background(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = Listen(context.Background(), first.Port(), false)
	var taken *PortTaken
	if !errors.As(err, &taken) {
		t.Fatalf("listening twice: %v, want *PortTaken", err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	holder := fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(comm)), os.Getpid())
	if taken.Network != "udp" || taken.Port != first.Port() || taken.Holder != holder {
		t.Errorf("%+v, want UDP port %d held by %s", taken, first.Port(), holder)
	}
	if want := fmt.Sprintf("UDP port %d is taken by %s", first.Port(), holder); taken.Error() != want {
		t.Errorf("says %q, want %q", taken, want)
	}
}

func TestListenErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, "binding UDP port 67: permission denied; run as root, or with CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN"},
		{syscall.ENETDOWN, "binding UDP port 67: network is down"},
		{&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, "UDP port 67 is taken by another process"},
	} {
		err := ListenError("udp", 67, tc.err)
		var taken *PortTaken
		if errors.As(err, &taken) {
			taken.Holder = "" // whoever it is on this machine
		}
		if err.Error() != tc.want {
			t.Errorf("%v is told as %q, want %q", tc.err, err, tc.want)
		}
	}
}

// TestSocketInodes reads /proc/net as the kernel writes it (proc_net(5)).
func TestSocketInodes(t *testing.T) {
	const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1187: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 24680 2 0000000000000000 0
 1188: 0100007F:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 24681 2 0000000000000000 0
 1190: 00000000:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 24682 2 0000000000000000 0
`
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13579 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 13580 1 0000000000000000 100 0 0 10 0
`
	for _, tc := range []struct {
		network, table string
		port           uint16
		want           string
	}{
		{"udp", udp, 67, "[24680 24681]"},
		{"udp", udp, 69, "[24682]"},
		{"udp", udp, 4011, "[]"},
		{"tcp", tcp, 8080, "[13579]"}, // not the connection to it
		{"udp", "", 67, "[]"},
		{"udp", "header\nshort line\n", 67, "[]"},
	} {
		if got := fmt.Sprint(socketInodes(tc.table, tc.network, tc.port)); got != tc.want {
			t.Errorf("%s port %d: %s, want %s", tc.network, tc.port, got, tc.want)
		}
	}
}

// TestFrames sends a frame over loopback, where a packet socket sees it. It
// needs CAP_NET_RAW, and without it the error has to say so.
func TestFrames(t *testing.T) {
	c, err := Listen(context.Background(), 0, true)
	if errors.Is(rawSocketAllowed(), os.ErrPermission) {
		if err == nil || !strings.Contains(err.Error(), "it needs CAP_NET_RAW") {
			t.Errorf("without CAP_NET_RAW: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	frames := listenFrames(t, lo.Index)
	from, to := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddrPort("10.99.0.50:68")
	out := Outgoing{To: to, From: from, IfIndex: lo.Index, HW: make([]byte, 6)}
	if err := c.Write([]byte("hobnail"), out); err != nil {
		t.Fatal(err)
	}
	want := udpPacket(netip.AddrPortFrom(from, c.Port()), to, []byte("hobnail"))
	for got := range frames {
		if bytes.Equal(got, want) {
			break // other frames of this machine may come between
		}
	}

	for name, bad := range map[string]Outgoing{
		"no interface is named":          {To: to, From: from, HW: make([]byte, 6)},
		"a hardware address of 9 octets": {To: to, From: from, IfIndex: lo.Index, HW: make([]byte, 9)},
		"both have to be IPv4":           {To: to, IfIndex: lo.Index, HW: make([]byte, 6)},
		"message too long":               {To: to, From: from, IfIndex: lo.Index, HW: make([]byte, 6)},
	} {
		data := []byte("hobnail")
		if name == "message too long" {
			data = make([]byte, lo.MTU)
		}
		if err := c.Write(data, bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: error %v, want one that says %q", bad, err, name)
		}
	}
	c.Close()
	if err := c.Write([]byte("late"), out); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a frame after closing: %v, want net.ErrClosed", err)
	}
}

// TestBound finds the port that this very process has.
func TestBound(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	bound, name, pid := Bound("udp", port)
	if want := fmt.Sprintf("(process %d)", os.Getpid()); !bound || pid != os.Getpid() || !strings.HasSuffix(name, want) {
		t.Errorf("port %d: bound %v by %q, process %d; want one that ends in %q", port, bound, name, pid, want)
	}
	conn.Close()
	if bound, name, pid := Bound("udp", port); bound || name != "" || pid != 0 {
		t.Errorf("a closed port is bound by %q, process %d", name, pid)
	}
}
