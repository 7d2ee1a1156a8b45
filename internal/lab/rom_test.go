//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/tftp"
)

// rom plays a machine on the wire, from its firmware to its system, where real
// firmware would take minutes or cannot be had. Which offer it takes is decided
// as EDK2 and iPXE decide it, by package sim. Its pauses are shorter than
// theirs: how long nothing is heard matters only where a verdict waits.
type rom struct {
	t     TB
	host  *Host
	mac   [6]byte
	conn  *net.UDPConn // port 68
	class string       // option 60
	arch  uint16       // option 93
	opts  dhcp4.Options
	xid   uint32
	round time.Duration // for which offers are collected; EDK2 takes 4 s, 8 s, …
	asked *dhcp4.Packet // the newest DISCOVER
	heard []sim.Received
	addr  netip.Addr // that it has

	firmware dhcp4.Options // what it sends when it is switched on
}

// Firmware, by what it sends.
var (
	edk2x64   = romKind{"PXEClient:Arch:00007:UNDI:003016", 7}
	edk2arm64 = romKind{"PXEClient:Arch:00011:UNDI:003000", 11}
	edk2riscv = romKind{"PXEClient:Arch:00027:UNDI:003000", 27}
	edk2HTTP  = romKind{"HTTPClient:Arch:00016:UNDI:003000", 16}
	biosROM   = romKind{"PXEClient:Arch:00000:UNDI:002001", 0}
	uboot     = romKind{"U-Boot.armv8", 22}
)

type romKind struct {
	class string
	arch  uint16
}

// rom plays a machine on a host's first port. The host gives up the address
// that it has: firmware has none.
func (h *Host) rom(kind romKind, mac string) *rom {
	t := h.lab.t
	t.Helper()
	h.Run("ip", "link", "set", "eth0", "address", mac)
	h.Run("ip", "address", "flush", "dev", "eth0")
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r := &rom{
		t: t, host: h, mac: [6]byte(hw), class: kind.class, arch: kind.arch, round: time.Second,
		xid: 0x52000000 + uint32(hw[5])<<8, opts: firmwareOptions(kind.class, kind.arch),
	}
	r.firmware = r.opts
	r.conn = h.udp(68)
	return r
}

// udp opens a UDP port of the host's, 0 for any; broadcasts may be sent.
func (h *Host) udp(port int) *net.UDPConn {
	t := h.lab.t
	t.Helper()
	conn, err := h.udpIn(port)
	if err != nil {
		t.Fatalf("opening port %d on %s: %v", port, h.Name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (h *Host) udpIn(port int) (*net.UDPConn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + string(h.ns))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) {
			serr = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
				unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
		})
		return errors.Join(err, serr)
	}}
	conn, err := listenPatiently(lc, fmt.Sprintf("0.0.0.0:%d", port))
	if serr := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); serr != nil {
		panic("a thread is lost in " + string(h.ns) + ": " + serr.Error())
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// message is a client's message of this kind.
func (r *rom) message(m dhcp4.MessageType, fill func(*dhcp4.Packet)) *dhcp4.Packet {
	zero := netip.IPv4Unspecified()
	p := &dhcp4.Packet{
		Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6, Xid: r.xid, Flags: dhcp4.FlagBroadcast,
		CIAddr: zero, YIAddr: zero, SIAddr: zero, GIAddr: zero,
	}
	copy(p.CHAddr[:], r.mac[:])
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
	if m == dhcp4.Discover || m == dhcp4.Request {
		p.Options = append(p.Options, r.opts...)
	}
	if fill != nil {
		fill(p)
	}
	return p
}

// send sends a message to a server's port 67 or 4011, or to everybody.
func (r *rom) send(p *dhcp4.Packet, to string, port int) {
	r.t.Helper()
	b, err := p.Append(nil)
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	if _, err := r.conn.WriteTo(b, &net.UDPAddr{IP: net.ParseIP(to), Port: port}); err != nil {
		r.t.Logf("%s sends %s to %s: %v", r.host.Name, p.Type(), to, err)
	}
}

// hear collects the answers to this machine for that long, or until enough.
func (r *rom) hear(wait time.Duration, enough func(*dhcp4.Packet) bool) (all []sim.Received) {
	r.t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(wait))
	for {
		buf := make([]byte, 2048)
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		if err != nil {
			r.t.Fatalf("%v", err)
		}
		p, err := dhcp4.Parse(buf[:n])
		if err != nil || p.Op != dhcp4.OpReply || p.Xid != r.xid || [6]byte(p.HardwareAddr()) != r.mac {
			continue
		}
		all = append(all, sim.Received{Src: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Data: buf[:n]})
		if enough != nil && enough(p) {
			return all
		}
	}
}

// discover asks up to that many times, as firmware does after 0, 4, 12 and 28
// seconds, until good says that the offers will do.
func (r *rom) discover(tries int, good func() bool) bool {
	r.t.Helper()
	r.host.Run("ip", "address", "flush", "dev", "eth0")
	r.addr = netip.Addr{}
	r.xid++
	r.heard = nil
	for try := range tries {
		r.asked = r.message(dhcp4.Discover, func(p *dhcp4.Packet) { p.Secs = []uint16{0, 4, 12, 28}[try%4] })
		r.send(r.asked, "255.255.255.255", 67)
		r.heard = append(r.heard, r.hear(r.round, nil)...)
		if good != nil && good() {
			return true
		}
	}
	return false
}

// offers are those that EDK2 takes for one.
func (r *rom) offers() (all []sim.EDK2Offer) {
	for _, h := range r.heard {
		if o, err := sim.ReadEDK2Offer(r.asked, h.Data); err == nil {
			all = append(all, o)
		}
	}
	return all
}

// of is the offer of one server that gives an address; nil for none.
func (r *rom) of(server string) *dhcp4.Packet {
	for _, h := range r.heard {
		p, err := dhcp4.Parse(h.Data)
		if err == nil && serverOf(p) == server && p.Type() == dhcp4.Offer && !p.YIAddr.IsUnspecified() {
			return p
		}
	}
	return nil
}

// take requests what an offer gives, and has the address if it is
// acknowledged. It gives the answer; nil for none.
func (r *rom) take(offer *dhcp4.Packet) *dhcp4.Packet {
	r.t.Helper()
	server, _ := offer.Options.Addr(dhcp4.OptServerID)
	return r.request(server.String(), offer.YIAddr)
}

func (r *rom) request(server string, addr netip.Addr) *dhcp4.Packet {
	r.t.Helper()
	answers := func(p *dhcp4.Packet) bool { return p.Type() != dhcp4.Offer && serverOf(p) == server }
	for range 2 {
		r.send(r.message(dhcp4.Request, func(p *dhcp4.Packet) {
			p.Options.AddAddr(dhcp4.OptRequestedAddr, addr)
			p.Options.AddAddr(dhcp4.OptServerID, netip.MustParseAddr(server))
		}), "255.255.255.255", 67)
		all := r.hear(2*time.Second, answers)
		if len(all) == 0 {
			continue
		}
		p, err := dhcp4.Parse(all[len(all)-1].Data)
		if err != nil || !answers(p) {
			continue
		}
		if p.Type() == dhcp4.Ack {
			r.configure(p)
		}
		return p
	}
	return nil
}

// configure gives the host the address and the router of an ACK.
func (r *rom) configure(ack *dhcp4.Packet) {
	r.addr = ack.YIAddr
	r.host.Run("ip", "address", "replace", ack.YIAddr.String()+"/24", "dev", "eth0")
	if router, ok := ack.Options.Get(dhcp4.OptRouter); ok && len(router) >= 4 {
		r.host.Run("sh", "-c", "ip route replace default via "+netip.AddrFrom4([4]byte(router[:4])).String()+" || true")
	}
}

// bootService asks a server's port 4011, as often as EDK2 does, and gives its
// answer; nil for none. item is the type of boot server that is asked for
// (option 43.71), 0 for none.
func (r *rom) bootService(server string, item uint16) *dhcp4.Packet {
	r.t.Helper()
	r.xid++
	for range 4 {
		r.send(r.message(dhcp4.Request, func(p *dhcp4.Packet) {
			p.CIAddr, p.Flags = r.addr, 0
			if item != 0 {
				p.Options.Add(dhcp4.OptVendorSpecific, []byte{71, 4, byte(item >> 8), byte(item), 0, 0, 255})
			}
		}), server, 4011)
		if all := r.hear(time.Second, func(*dhcp4.Packet) bool { return true }); len(all) > 0 {
			p, err := dhcp4.Parse(all[0].Data)
			if err == nil {
				return p
			}
		}
	}
	return nil
}

// program is a boot program, and where firmware is told to read it.
type program struct{ server, file string }

// pxe does what EDK2's PXE driver does before it reads: offers, address, boot
// service. ok is false where it gives up.
func (r *rom) pxe() (program, bool) {
	r.t.Helper()
	var choice sim.EDK2Choice
	if !r.discover(4, func() (ok bool) {
		choice, ok = sim.ChooseEDK2(r.offers())
		return ok
	}) {
		return program{}, false
	}
	ack := r.take(choice.DHCP.Packet)
	if ack == nil || ack.Type() != dhcp4.Ack {
		return program{}, false
	}
	if choice.Boot == nil {
		told := r.bootService(choice.AskFirst.String(), 0)
		if told == nil {
			return program{}, false
		}
		return program{told.SIAddr.String(), told.File}, told.File != ""
	}
	return program{choice.Boot.Server.String(), choice.Boot.File}, choice.Boot.File != ""
}

// load asks for the size of a boot program and reads it, as EDK2 does.
func (r *rom) load(p program) error {
	r.t.Helper()
	if _, err := r.tftp(p, reading{probe: true, blksize: 1468, window: 4}); err != nil {
		return err
	}
	_, err := r.tftp(p, reading{blksize: 1468, window: 4})
	return err
}

// boots goes from the first DISCOVER to the end of the boot program.
func (r *rom) boots() {
	r.t.Helper()
	p, ok := r.pxe()
	if !ok {
		r.t.Fatalf("the firmware gave up")
	}
	if err := r.load(p); err != nil {
		r.t.Fatalf("reading %s of %s: %v", p.file, p.server, err)
	}
}

// ipxe is what iPXE does once it was started: DHCP in its own name. It gives
// the URL of its script.
func (r *rom) ipxe() string {
	r.t.Helper()
	r.opts = append(firmwareOptions(r.class, r.arch),
		dhcp4.Option{Code: dhcp4.OptUserClass, Data: []byte("iPXE")},
		dhcp4.Option{Code: dhcp4.OptIPXE, Data: []byte{0x13, 1, 1, 0x15, 1, 1}})
	var choice sim.IPXEChoice
	r.discover(4, func() bool {
		choice = sim.ChooseIPXE(r.asked, r.heard)
		return choice.Offer != nil
	})
	if choice.Offer == nil || r.take(choice.Offer) == nil {
		r.t.Fatalf("iPXE got no address")
	}
	if choice.File == "" {
		r.t.Fatalf("iPXE was given nothing to boot")
	}
	if !strings.Contains(choice.File, "://") {
		return "tftp://" + choice.Server.String() + "/" + choice.File
	}
	return choice.File
}

// get reads a URL by HTTP, as iPXE does; the status is 0 where nobody answers.
func (r *rom) get(url string) (status int, body string) {
	r.t.Helper()
	out := r.host.Run("sh", "-c", `curl -s -m 60 --connect-timeout 4 -A iPXE/1.0.0 -o "$1" -w '%{http_code}' "$2"; true`, "sh",
		r.host.lab.Path(r.host.Name+".body"), url)
	status, _ = strconv.Atoi(out)
	if status == 200 {
		b, _ := os.ReadFile(r.host.lab.Path(r.host.Name + ".body"))
		body = string(b)
	}
	return status, body
}

var scriptURL = regexp.MustCompile(`(?m)^\s*(?:kernel|initrd|module)\b.*?(https?://\S+)`)

// follow reads iPXE's script and all that it names, in its order, until one
// cannot be had.
func (r *rom) follow(url string) {
	r.t.Helper()
	status, script := r.get(url)
	if status != 200 {
		r.t.Fatalf("%s: status %d", url, status)
	}
	found := scriptURL.FindAllStringSubmatch(script, -1)
	if found == nil {
		r.t.Fatalf("the script names no files:\n%s", script)
	}
	for _, m := range found {
		if status, _ := r.get(m[1]); status != 200 {
			return
		}
	}
}

// system is what the system that was booted does first: DHCP in its own name.
func (r *rom) system() {
	r.t.Helper()
	r.opts = nil
	r.discover(1, nil)
}

// wholly goes the whole way with iPXE as the boot program.
func (r *rom) wholly() {
	r.t.Helper()
	r.opts = r.firmware
	r.boots()
	r.follow(r.ipxe())
	r.system()
}

// reading says how a file is read by TFTP.
type reading struct {
	probe           bool // ask for the size, and break off
	blksize, window int  // 0: without the option
	stop            int  // fall silent after so many blocks; 0: never
	breakOff        int  // break off after so many blocks; 0: never
	code            tftp.ErrorCode
	text            string
	tries           int           // how often the same is said, 6 by default
	wait            time.Duration // between these, 1 s by default; EDK2 waits 4 s
}

var errSilent = errors.New("the server is silent")

// tftp reads a file and counts its octets.
func (r *rom) tftp(p program, how reading) (octets int, err error) {
	r.t.Helper()
	if how.tries == 0 {
		how.tries = 6
	}
	how.wait = max(how.wait, time.Second)
	conn := r.host.udp(0)
	defer conn.Close()
	server, err := netip.ParseAddr(p.server)
	if err != nil {
		return 0, err
	}
	req := tftp.Request{Op: tftp.OpRead, Name: p.file, Mode: "octet"}
	option := func(name string, n int) {
		req.Options = append(req.Options, tftp.Option{Name: name, Value: strconv.Itoa(n)})
	}
	if how.probe {
		option("tsize", 0)
	}
	if how.blksize > 0 {
		option("blksize", how.blksize)
	}
	if how.window > 0 {
		option("windowsize", how.window)
	}
	last, err := req.Append(nil)
	if err != nil {
		return 0, err
	}
	peer, heard := netip.AddrPortFrom(server, 69), false
	blksize, window, expected, unacked, gap := 512, 1, 1, 0, false
	say := func(b []byte) { last = b; conn.WriteToUDPAddrPort(b, peer) }
	conn.WriteToUDPAddrPort(last, peer)
	for tries := how.tries; tries > 0; {
		conn.SetReadDeadline(time.Now().Add(how.wait))
		buf := make([]byte, 1<<16)
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			tries--
			conn.WriteToUDPAddrPort(last, peer)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if heard && from != peer || from.Addr() != server {
			continue
		}
		peer, heard, tries = from, true, how.tries
		b := buf[:n]
		if code, text, err := tftp.ParseError(b); err == nil {
			return octets, fmt.Errorf("error %d: %s", code, text)
		}
		if opts, err := tftp.ParseOAck(b); err == nil {
			if how.probe {
				say(tftp.AppendError(nil, 8, "User aborted the transfer"))
				return 0, nil
			}
			if v, ok := opts.Get("blksize"); ok {
				blksize, _ = strconv.Atoi(v)
			}
			if v, ok := opts.Get("windowsize"); ok {
				window, _ = strconv.Atoi(v)
			}
			if expected == 1 {
				say(tftp.AppendAck(nil, 0))
			}
			continue
		}
		block, contents, err := tftp.ParseData(b)
		if err != nil || block != uint16(expected) {
			if err == nil && !gap {
				gap, unacked = true, 0
				say(tftp.AppendAck(nil, uint16(expected-1)))
			}
			continue
		}
		gap = false
		octets += len(contents)
		switch {
		case how.stop > 0 && expected >= how.stop:
			return octets, nil
		case how.breakOff > 0 && expected >= how.breakOff:
			say(tftp.AppendError(nil, how.code, how.text))
			return octets, nil
		}
		expected, unacked = expected+1, unacked+1
		if len(contents) < blksize {
			say(tftp.AppendAck(nil, block))
			return octets, nil
		}
		if unacked == window {
			unacked = 0
			say(tftp.AppendAck(nil, block))
		}
	}
	return octets, errSilent
}
