//go:build lab

package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/wire/dhcp4"
)

// client is a DHCP client that a test plays itself, where a machine would take
// a minute to say the same: it hears every offer and chooses among them.
type client struct {
	t    *testing.T
	host *Host
	conn *net.UDPConn
	mac  [6]byte
	xid  uint32
	opts dhcp4.Options // of every DISCOVER and REQUEST, after option 53
	sent time.Time     // when it last sent something
}

// client plays a client on a host's first port.
func (h *Host) client(t *testing.T, mac byte, opts dhcp4.Options) *client {
	t.Helper()
	return &client{
		t: t, host: h, conn: h.socket(t), mac: [6]byte{0x52, 0x54, 0, 0x4c, 0x43, mac},
		xid: 0x4c430000 + uint32(mac), opts: opts,
	}
}

// socket opens port 68 inside the host's namespace.
func (h *Host) socket(t *testing.T) *net.UDPConn {
	t.Helper()
	return h.bind(t, "0.0.0.0:68")
}

// bind opens a UDP port inside the host's namespace, on its first port.
func (h *Host) bind(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := enter(t, "/run/netns/"+string(h.ns))
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) {
			serr = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
		})
		return errors.Join(err, serr)
	}}
	conn, err := listenPatiently(lc, addr)
	home()
	if err != nil {
		t.Fatalf("opening %s on %s: %v", addr, h.Name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UDPConn)
}

// listenPatiently opens a UDP socket where one was closed a moment ago: a
// process that is being started beside this keeps a copy of all that is open
// until its program runs.
func listenPatiently(lc net.ListenConfig, addr string) (conn net.PacketConn, err error) {
	for range 50 {
		conn, err = lc.ListenPacket(context.Background(), "udp4", addr)
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(40 * time.Millisecond)
	}
	return conn, err
}

// enter takes the calling thread, which is locked, into a namespace, and gives
// the way back. The thread must not end instead of going back: the kernel would
// kill the processes that it has started (PR_SET_PDEATHSIG).
func enter(t *testing.T, namespace string) (back func()) {
	t.Helper()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ns, err := os.Open(namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatalf("entering %s: %v", namespace, err)
	}
	return func() {
		defer home.Close()
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic("a thread is lost in " + namespace + ": " + err.Error())
		}
	}
}

// send broadcasts a message to port 67, or sends it to an address.
func (c *client) send(m dhcp4.MessageType, to string, fill func(*dhcp4.Packet)) {
	c.t.Helper()
	c.sendTo(m, to, dhcp4.ServerPort, fill)
}

func (c *client) sendTo(m dhcp4.MessageType, to string, port int, fill func(*dhcp4.Packet)) {
	c.t.Helper()
	zero := netip.IPv4Unspecified()
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Xid: c.xid, Flags: dhcp4.FlagBroadcast,
		CIAddr: zero, YIAddr: zero, SIAddr: zero, GIAddr: zero,
	}
	copy(p.CHAddr[:], c.mac[:])
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
	if m == dhcp4.Discover || m == dhcp4.Request {
		p.Options = append(p.Options, c.opts...)
	}
	if fill != nil {
		fill(p)
	}
	b, err := p.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sent = time.Now()
	if _, err := c.conn.WriteTo(b, &net.UDPAddr{IP: net.ParseIP(to), Port: port}); err != nil {
		c.t.Fatalf("sending %s: %v", m, err)
	}
}

// hear collects the answers to this client until the time is over, or until
// enough says that there are enough.
func (c *client) hear(wait time.Duration, enough func(*dhcp4.Packet) bool) []*dhcp4.Packet {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(wait))
	var all []*dhcp4.Packet
	for {
		buf := make([]byte, 2048)
		n, _, err := c.conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		if err != nil {
			c.t.Fatal(err)
		}
		p, err := dhcp4.Parse(buf[:n])
		if err != nil || p.Op != dhcp4.OpReply || p.Xid != c.xid || [6]byte(p.HardwareAddr()) != c.mac {
			continue
		}
		all = append(all, p)
		if enough != nil && enough(p) {
			return all
		}
	}
}

// discover asks as often as firmware does, every few seconds, until offers of
// all these servers are there, and gives them by server.
func (c *client) discover(servers ...string) map[string]*dhcp4.Packet {
	c.t.Helper()
	offers := map[string]*dhcp4.Packet{}
	c.ask(func(p *dhcp4.Packet) bool {
		offers[serverOf(p)] = p
		return hasAll(offers, servers)
	})
	return offers
}

// ask sends a DISCOVER up to three times and hands over each offer, until
// enough says that there are enough.
func (c *client) ask(enough func(*dhcp4.Packet) bool) {
	c.t.Helper()
	c.xid++
	done := false
	for try := 0; try < 3 && !done; try++ {
		c.send(dhcp4.Discover, "255.255.255.255", nil)
		c.hear(4*time.Second, func(p *dhcp4.Packet) bool {
			done = p.Type() == dhcp4.Offer && enough(p)
			return done
		})
	}
}

func hasAll(offers map[string]*dhcp4.Packet, servers []string) bool {
	for _, s := range servers {
		if offers[s] == nil {
			return false
		}
	}
	return true
}

// request takes an offer and gives the answer to that; nil if there is none.
// Like EDK2 and iPXE it passes over answers of servers that it did not choose:
// ISC dhcpd acknowledges what it has offered whichever server the REQUEST
// names.
func (c *client) request(offer *dhcp4.Packet) *dhcp4.Packet {
	c.t.Helper()
	c.send(dhcp4.Request, "255.255.255.255", func(p *dhcp4.Packet) {
		server, _ := offer.Options.Addr(dhcp4.OptServerID)
		p.Options.AddAddr(dhcp4.OptRequestedAddr, offer.YIAddr)
		p.Options.AddAddr(dhcp4.OptServerID, server)
	})
	answers := func(p *dhcp4.Packet) bool {
		return p.Type() != dhcp4.Offer && serverOf(p) == serverOf(offer)
	}
	all := c.hear(3*time.Second, answers)
	if len(all) == 0 || !answers(all[len(all)-1]) {
		return nil
	}
	return all[len(all)-1]
}

func serverOf(p *dhcp4.Packet) string {
	a, _ := p.Options.Addr(dhcp4.OptServerID)
	return a.String()
}

// firmwareOptions are those of a boot client: class, architecture, and the
// parameters that EDK2 asks for.
func firmwareOptions(class string, arch uint16, more ...dhcp4.Option) dhcp4.Options {
	var o dhcp4.Options
	o.Add(dhcp4.OptParameterList, []byte{1, 3, 6, 15, 28, 43, 51, 54, 58, 59, 60, 66, 67, 97})
	o.AddUint16(dhcp4.OptMaxMessageSize, 1472)
	o.AddString(dhcp4.OptVendorClass, class)
	o.AddUint16(dhcp4.OptArch, arch)
	return append(o, more...)
}
