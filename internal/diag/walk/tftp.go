package walk

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/wire/tftp"
)

const (
	// firmwareBlock is what EDK2 asks for: what an Ethernet frame holds
	// (PxeBcBoot.c, MTU less the headers of IP, UDP and TFTP).
	firmwareBlock = 1468
	// firmwareWindow is EDK2's (PcdPxeTftpWindowSize).
	firmwareWindow = 4
	// maxRead is more than any boot program or script has.
	maxRead = 64 << 20

	requestTries = 3
	requestWait  = 2 * time.Second
	blockTries   = 5
	blockWait    = time.Second
)

// asking is one read request.
type asking struct {
	name            string
	port            uint16 // 0: 69
	blksize, window int
	probe           bool // only the size is wanted: broken off after the OACK, with ERROR 8 as EDK2 does
	first           bool // only the first block is wanted
	tries           int  // of a block; 0: blockTries
}

// got is how a request went.
type got struct {
	answered  bool // anything came
	oack      bool
	options   tftp.Options
	size      int64 // -1: not told
	data      []byte
	blocks    int64
	acked     bool // something came after our first ACK that shows it arrived
	again     int64
	done      bool
	refused   bool // by an ERROR, in code and text
	code      tftp.ErrorCode
	text      string
	unsent    error // why nothing could be sent, or what ICMP said
	took      time.Duration
	roundTrip time.Duration
	full      bool // the first block that came was full
}

// readTFTP carries out one request from an address of ours.
func readTFTP(ctx context.Context, from, server netip.Addr, a asking) (r got) {
	begin := time.Now()
	defer func() { r.took = time.Since(begin) }()
	r.size = -1
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		r.unsent = err
		return r
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	if a.port == 0 {
		a.port = 69
	}
	t := &transfer{ctx: ctx, conn: conn, ask: a, r: &r, peer: netip.AddrPortFrom(server, a.port)}
	t.run()
	return r
}

// transfer is a request on its way.
type transfer struct {
	ctx  context.Context
	conn *net.UDPConn
	ask  asking
	r    *got
	peer netip.AddrPort // port 69, and then the one that it answers from

	blksize, window int
	next            uint16 // the block that is wanted
	since           int    // blocks since the last ACK
	buf             []byte
}

func (t *transfer) run() {
	t.buf = make([]byte, 65536)
	if !t.request() {
		return
	}
	tries := t.ask.tries
	if tries == 0 {
		tries = blockTries
	}
	for left := tries; left > 0 && !t.r.done && !t.r.refused && t.ctx.Err() == nil; {
		if t.receive(blockWait) {
			left = tries
			continue
		}
		left--
		if left > 0 {
			t.r.again++
			t.ack()
		}
	}
}

// request sends the RRQ until something comes.
func (t *transfer) request() bool {
	req := tftp.Request{Op: tftp.OpRead, Name: t.ask.name, Mode: tftp.ModeOctet, Options: tftp.Options{{Name: tftp.OptionTsize, Value: "0"}}}
	if t.ask.blksize != tftp.DefaultBlksize && t.ask.blksize > 0 {
		req.Options = append(req.Options, tftp.Option{Name: tftp.OptionBlksize, Value: strconv.Itoa(t.ask.blksize)})
	}
	if t.ask.window > 1 {
		req.Options = append(req.Options, tftp.Option{Name: tftp.OptionWindowsize, Value: strconv.Itoa(t.ask.window)})
	}
	t.blksize, t.window, t.next = tftp.DefaultBlksize, 1, 1
	b, err := req.Append(nil)
	if err != nil {
		t.r.unsent = err
		return false
	}
	for range requestTries {
		sent := time.Now()
		if _, err := t.conn.WriteToUDPAddrPort(b, t.peer); err != nil {
			t.r.unsent = err
			return false
		}
		if t.receive(requestWait) {
			t.r.roundTrip = time.Since(sent)
			return !t.r.refused && !t.r.done
		}
		if t.ctx.Err() != nil {
			return false
		}
		t.r.again++
	}
	return false
}

// receive takes one packet, and reports whether it brought the transfer on.
func (t *transfer) receive(wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	t.conn.SetReadDeadline(deadline)
	for t.ctx.Err() == nil {
		n, from, err := t.conn.ReadFromUDPAddrPort(t.buf)
		if err != nil {
			return false
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if t.r.answered && from != t.peer {
			continue // RFC 1350 section 4: another transfer's
		}
		if t.take(t.buf[:n], from) {
			return true
		}
	}
	return false
}

func (t *transfer) take(b []byte, from netip.AddrPort) bool {
	op, _ := tftp.PeekOpcode(b)
	first := !t.r.answered
	if op == tftp.OpOAck || op == tftp.OpData || op == tftp.OpError {
		t.r.answered, t.peer = true, from
	}
	switch op {
	case tftp.OpError:
		t.r.refused = true
		t.r.code, t.r.text, _ = tftp.ParseError(b)
		return true
	case tftp.OpOAck:
		return t.options(b, first)
	case tftp.OpData:
		return t.block(b)
	}
	return false
}

func (t *transfer) options(b []byte, first bool) bool {
	if !first {
		// It came again: our answer to it was lost, or never arrives.
		t.r.again++
		t.ack()
		return false
	}
	o, err := tftp.ParseOAck(b)
	if err != nil {
		t.r.refused, t.r.text = true, err.Error()
		return true
	}
	t.r.oack, t.r.options = true, o
	number := func(name string, field *int) {
		if v, ok := o.Get(name); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 && n < 65536 {
				*field = n
			}
		}
	}
	number(tftp.OptionBlksize, &t.blksize)
	number(tftp.OptionWindowsize, &t.window)
	if v, ok := o.Get(tftp.OptionTsize); ok {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			t.r.size = n
		}
	}
	if t.ask.probe {
		t.stop(tftp.ErrorOptions, "User aborted the transfer")
		return true
	}
	t.ack()
	return true
}

func (t *transfer) block(b []byte) bool {
	n, contents, err := tftp.ParseData(b)
	if err != nil {
		return false
	}
	t.r.acked = t.r.acked || t.r.oack
	if t.ask.probe {
		t.stop(tftp.ErrorOptions, "User aborted the transfer")
		return true
	}
	if n != t.next {
		if n == t.next-1 && t.window == 1 {
			t.r.again++
			t.ack()
		}
		return false
	}
	t.r.blocks++
	t.next++
	t.since++
	if t.r.blocks == 1 {
		t.r.full = len(contents) >= t.blksize
	}
	if t.ask.first {
		t.stop(tftp.ErrorUndefined, "enough")
		return true
	}
	t.r.data = append(t.r.data, contents...)
	switch {
	case len(contents) < t.blksize:
		t.ack()
		t.r.done = true
	case len(t.r.data) > maxRead:
		t.stop(tftp.ErrorUndefined, "enough")
	case t.since >= t.window:
		t.ack()
	}
	return true
}

func (t *transfer) ack() {
	t.since = 0
	t.conn.WriteToUDPAddrPort(tftp.AppendAck(nil, t.next-1), t.peer)
}

// stop breaks off: all that was wanted is here.
func (t *transfer) stop(code tftp.ErrorCode, text string) {
	t.r.done = true
	t.conn.WriteToUDPAddrPort(tftp.AppendError(nil, code, text), t.peer)
}

// reach tells why a UDP port does not answer, as far as the network says: a
// socket that is connected is told what ICMP and ARP report.
type reach string

const (
	silent reach = ""        // nothing comes back
	closed reach = "closed"  // the host is there, and the port is not open
	away   reach = "away"    // nobody has the address
	barred reach = "barred"  // a router or firewall says that it is not allowed
	noWay  reach = "noroute" // there is no route
)

func reachOf(ctx context.Context, from netip.Addr, to netip.AddrPort, payload []byte) reach {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		// Without it only some of what ICMP reports is told (ip(7)).
		err := c.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) })
		return errors.Join(err, serr)
	}}
	conn, err := d.DialContext(ctx, "udp4", to.String())
	if err != nil {
		return reachText(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	// ARP gives up after three seconds.
	for range 5 {
		if _, err := conn.Write(payload); err != nil {
			return reachText(err)
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		_, err := conn.Read(make([]byte, 2048))
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return reachText(err)
		}
	}
	return silent
}

func reachText(err error) reach {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return closed
	case errors.Is(err, syscall.EHOSTUNREACH):
		return away
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return barred
	case errors.Is(err, syscall.ENETUNREACH):
		return noWay
	}
	return silent
}

// largestBlock finds the largest block that gets through, from a size that
// does to one that does not.
func largestBlock(ctx context.Context, from, server netip.Addr, a asking, passes, fails int) int {
	for fails-passes > 1 && ctx.Err() == nil {
		middle := (passes + fails) / 2
		a.blksize, a.first, a.tries = middle, true, 2
		r := readTFTP(ctx, from, server, a)
		if r.blocks > 0 {
			passes = middle
		} else {
			fails = middle
		}
	}
	return passes
}
