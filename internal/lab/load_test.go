//go:build lab

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// load is many DHCP clients behind one relay address, and what they know: the
// history of every address, written by those who got it.
type load struct {
	host    *Host
	conn    *net.UDPConn
	servers []netip.AddrPort // all that the relay passes broadcasts on to
	relay   netip.Addr

	mu      sync.Mutex
	waiting map[uint32]chan answer // by transaction id
	clients []*loadClient
	made    int // clients, ever
	history map[netip.Addr][]*tenure
	faults  []string
	counts  struct{ tried, offered, acked, released atomic.Int64 }
}

// loadClient is one machine. It does one thing at a time.
type loadClient struct {
	mac  [6]byte
	busy bool
	has  *tenure // nil: no address
}

// tenure is an address in one client's hands, by its own clock.
type tenure struct {
	client    *loadClient
	addr      netip.Addr
	server    [4]byte // who gave it
	from, end time.Time
}

// answer is what clients read of a server's message.
type answer struct {
	kind   byte // option 53
	yiaddr netip.Addr
	server [4]byte       // option 54
	lease  time.Duration // option 51
}

// DHCP message types.
const (
	discover, offer, request, ack, nak, release = 1, 2, 3, 5, 6, 7
)

// Load makes machines on a host. The host's address is their relay's; theirs
// will be in pool.
func (h *Host) Load(machines int, pool netip.Prefix, servers ...netip.Addr) *load {
	h.lab.t.Helper()
	// What machines send from their own addresses leaves by this host, which
	// does not answer for them when the server asks whether they are in use.
	h.lab.sysctl(h.ns, "net.ipv4.conf.all.arp_ignore", "1")
	h.lab.ip("-n", string(h.ns), "route", "add", "local", pool.String(), "dev", "lo")
	conn, err := h.listen(netip.AddrPortFrom(h.Addr(), 67))
	if err != nil {
		h.lab.t.Fatalf("listening for the load: %v", err)
	}
	h.lab.onClose(func() { conn.Close() })
	g := &load{
		host: h, conn: conn, relay: h.Addr(),
		waiting: map[uint32]chan answer{}, history: map[netip.Addr][]*tenure{},
	}
	for _, s := range servers {
		g.servers = append(g.servers, netip.AddrPortFrom(s, 67))
	}
	for range machines {
		g.clients = append(g.clients, g.newClient())
	}
	go g.receive()
	return g
}

// newClient makes one whose like was not there before.
func (g *load) newClient() *loadClient {
	i := g.made
	g.made++
	return &loadClient{mac: [6]byte{0x52, 0x54, 0, byte(i >> 16), byte(i >> 8), byte(i)}}
}

// listen opens a socket inside the host's namespace: a thread goes in and comes
// back. It must not end there: processes of the lab die with the thread that
// started them.
func (h *Host) listen(at netip.AddrPort) (*net.UDPConn, error) {
	there, err := os.Open("/run/netns/" + string(h.ns))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // a thread that is elsewhere would start the next process there
	}
	return conn, err
}

func (g *load) receive() {
	b := make([]byte, 2048)
	for {
		n, _, err := g.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		a, xid, ok := readAnswer(b[:max(n, 0)])
		if !ok {
			continue
		}
		g.mu.Lock()
		if to := g.waiting[xid]; to != nil {
			select {
			case to <- a:
			default: // a second answer to one question
			}
		}
		g.mu.Unlock()
	}
}

func readAnswer(b []byte) (a answer, xid uint32, ok bool) {
	if len(b) < 241 || b[0] != 2 {
		return a, 0, false
	}
	a.yiaddr = netip.AddrFrom4([4]byte(b[16:20]))
	for o := b[240:]; len(o) >= 2 && o[0] != 255 && len(o) >= 2+int(o[1]); o = o[2+int(o[1]):] {
		v := o[2 : 2+o[1]]
		switch {
		case o[0] == 53 && len(v) == 1:
			a.kind = v[0]
		case o[0] == 54 && len(v) == 4:
			a.server = [4]byte(v)
		case o[0] == 51 && len(v) == 4:
			a.lease = time.Duration(binary.BigEndian.Uint32(v)) * time.Second
		}
	}
	return a, binary.BigEndian.Uint32(b[4:]), a.kind != 0
}

// message is what a client says, as its relay passes it on.
func (g *load) message(c *loadClient, kind byte, xid uint32, ciaddr netip.Addr, options ...byte) []byte {
	b := make([]byte, 240, 320)
	b[0], b[1], b[2], b[3] = 1, 1, 6, 1
	binary.BigEndian.PutUint32(b[4:], xid)
	if ciaddr.IsValid() {
		copy(b[12:], ciaddr.AsSlice())
	}
	copy(b[24:], g.relay.AsSlice())
	copy(b[28:], c.mac[:])
	copy(b[236:], []byte{0x63, 0x82, 0x53, 0x63})
	b = append(b, 53, 1, kind)
	return append(append(b, options...), 255)
}

// ask broadcasts a message and waits a second for an answer.
func (g *load) ask(c *loadClient, kind byte, options ...byte) (answer, bool) {
	return g.askFor(time.Second, c, kind, options...)
}

func (g *load) askFor(wait time.Duration, c *loadClient, kind byte, options ...byte) (answer, bool) {
	return g.askFrom(wait, c, kind, netip.Addr{}, options...)
}

// askFrom is askFor of a client that has an address.
func (g *load) askFrom(wait time.Duration, c *loadClient, kind byte, ciaddr netip.Addr, options ...byte) (answer, bool) {
	xid, got := rand.Uint32(), make(chan answer, 1)
	g.mu.Lock()
	g.waiting[xid] = got
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.waiting, xid)
		g.mu.Unlock()
	}()
	// While the server is down its host refuses what is sent, which the
	// socket may tell with the next write.
	g.send(g.message(c, kind, xid, ciaddr, options...))
	select {
	case a := <-got:
		return a, true
	case <-time.After(wait):
		return answer{}, false
	}
}

func (g *load) send(b []byte) {
	for _, s := range g.servers {
		g.conn.WriteToUDPAddrPort(b, s)
	}
}

// run has so many exchanges begun in a second, by clients that are idle, until
// stop is closed; then it waits for those that are under way.
func (g *load) run(rate int, turn func(*loadClient), stop <-chan struct{}) {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	begun, started := time.Now(), 0
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			for ; started < int(time.Since(begun).Seconds()*float64(rate)); started++ {
				c := g.idle()
				running.Go(func() {
					turn(c)
					g.mu.Lock()
					c.busy = false
					g.mu.Unlock()
				})
			}
		}
	}
}

// idle gives a client that does nothing yet. There are always some: an
// exchange takes two seconds at most.
func (g *load) idle() *loadClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if c := g.clients[rand.IntN(len(g.clients))]; !c.busy {
			c.busy = true
			return c
		}
	}
}

// turn is one exchange of a client; one in eight that have an address then
// gives it back.
func (g *load) turn(c *loadClient) {
	if g.exchange(c) && rand.IntN(8) == 0 {
		g.gives(c, c.has.server)
	}
}

// exchange is DISCOVER, OFFER, REQUEST, ACK; it says whether it came to that.
func (g *load) exchange(c *loadClient) bool {
	g.counts.tried.Add(1)
	o, ok := g.ask(c, discover)
	if !ok || o.kind != offer {
		return false
	}
	g.counts.offered.Add(1)
	if c.has != nil && time.Now().Before(c.has.end) && o.server == c.has.server && o.yiaddr != c.has.addr {
		g.fault("%x has %s until %s and was offered %s", c.mac, c.has.addr, c.has.end, o.yiaddr)
	}
	asked := time.Now()
	y := o.yiaddr.As4()
	a, ok := g.ask(c, request, append(append([]byte{54, 4}, o.server[:]...), append([]byte{50, 4}, y[:]...)...)...)
	if !ok || a.kind != ack {
		return false
	}
	g.counts.acked.Add(1)
	g.holds(c, a, asked)
	return true
}

// holds notes an ACK. From now on nobody else may hear one for the address,
// until the lease ends by the client's clock, which began when it asked.
func (g *load) holds(c *loadClient, a answer, asked time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	end := asked.Add(a.lease)
	if c.has != nil && c.has.addr == a.yiaddr && c.has.server == a.server && c.has.end.After(asked) {
		c.has.end = end // renewed
		return
	}
	c.has = &tenure{client: c, addr: a.yiaddr, server: a.server, from: time.Now(), end: end}
	g.history[a.yiaddr] = append(g.history[a.yiaddr], c.has)
}

// gives sends a RELEASE, from the address that it gives back; nobody answers.
func (g *load) gives(c *loadClient, server [4]byte) {
	from, err := g.host.listen(netip.AddrPortFrom(c.has.addr, 68))
	if err != nil {
		g.fault("sending a RELEASE from %s: %v", c.has.addr, err)
		return
	}
	defer from.Close()
	g.mu.Lock()
	t := c.has
	c.has, t.end = nil, time.Now()
	g.mu.Unlock()
	g.counts.released.Add(1)
	b := g.message(c, release, rand.Uint32(), t.addr, append([]byte{54, 4}, server[:]...)...)
	b[3] = 0
	clear(b[24:28]) // no relay
	from.WriteToUDPAddrPort(b, netip.AddrPortFrom(netip.AddrFrom4(server), 67))
}

func (g *load) fault(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// verify has every client that has an address come back with it, as after a
// restart of its own, and looks through the history for addresses that two
// clients had at a time. It gives how many leases were asked for again.
func (g *load) verify() int {
	var wg sync.WaitGroup
	room, held := make(chan struct{}, 64), 0
	for _, c := range g.clients {
		if c.has == nil || time.Now().After(c.has.end) {
			continue
		}
		held++
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			y := c.has.addr.As4()
			var a answer
			for range 5 {
				var ok bool
				if a, ok = g.ask(c, request, append([]byte{50, 4}, y[:]...)...); ok {
					break
				}
			}
			if a.kind != ack || a.yiaddr != c.has.addr {
				g.fault("%x has %s until %s, and the server answers its request with %+v", c.mac, c.has.addr, c.has.end, a)
			}
		})
	}
	wg.Wait()
	for addr, all := range g.history {
		for i, t := range all[1:] {
			if before := all[i]; before.client != t.client && t.from.Before(before.end) {
				g.fault("%s was %x's until %s and was acknowledged to %x at %s", addr, before.client.mac, before.end, t.client.mac, t.from)
			}
		}
	}
	return held
}
