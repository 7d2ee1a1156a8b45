// Package dhcpload is many DHCP clients in one process: it drives a server as
// fast as it goes, or at a rate, and says how many exchanges were completed
// and how long the offers took.
package dhcpload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hobnail/internal/netio"
	"hobnail/internal/wire/dhcp4"
)

// Plan says what to do.
type Plan struct {
	Server netip.Addr // whom to ask; 255.255.255.255 asks as a machine on the link does
	Relay  netip.Addr // giaddr, an address of this host; not used where the link is asked
	Boot   bool       // ask as UEFI firmware that boots; without it as a plain client
	Offers bool       // an exchange ends with the OFFER

	Clients  int           // as many machines take turns; 0: every exchange is a new one
	First    int           // number of the first machine
	InFlight int           // exchanges under way at a time
	Rate     float64       // exchanges begun in a second, whatever comes back; 0: as soon as one ends
	Count    int           // stop after so many; 0: by time
	Warm     time.Duration // not counted
	Time     time.Duration // counted
}

// Result is what came of it, in the time that counts.
type Result struct {
	Begun     int     `json:"begun"`
	Completed int     `json:"completed"`
	Lost      int     `json:"lost"` // no answer within Patience
	Seconds   float64 `json:"seconds"`
	OfferP50  float64 `json:"offer_p50_ms"` // from DISCOVER to OFFER
	OfferP99  float64 `json:"offer_p99_ms"`
}

// PerSecond is the rate of completed exchanges.
func (r Result) PerSecond() float64 { return float64(r.Completed) / r.Seconds }

// Patience is how long a machine waits for an answer before it counts as lost.
const Patience = time.Second

// slots is how many exchanges are remembered; older ones are over.
const slots = 1 << 18

// slot is one exchange under way.
type slot struct {
	seq    uint32 // 0: free
	begun  time.Time
	expect dhcp4.MessageType
}

// load is a run.
type load struct {
	plan     Plan
	conn     netio.Conn
	to       netio.Outgoing
	discover []byte // templates
	request  []byte

	mu        sync.Mutex
	next      uint32 // number of the next exchange, which is its xid
	oldest    uint32 // no exchange before it is under way
	underWay  int
	table     []slot
	start     time.Time
	from      time.Time // when counting began
	until     time.Time
	result    Result
	latencies []time.Duration
	out       []netio.Datagram
	packets   []netio.Packet
}

// Run does what the plan says. It needs UDP port 67 of its host, or 68 where
// it asks the link.
func Run(ctx context.Context, plan Plan) (Result, error) {
	l := &load{plan: plan, table: make([]slot, slots), next: 1, oldest: 1}
	err := l.makeTemplates()
	if err != nil {
		return Result{}, err
	}
	if l.conn, err = netio.Listen(ctx, l.port(), false); err != nil {
		return Result{}, err
	}
	l.out = make([]netio.Datagram, 0, netio.MaxBatch)
	l.to = netio.Outgoing{To: netip.AddrPortFrom(plan.Server, dhcp4.ServerPort), From: plan.Relay}
	if l.broadcasts() {
		l.to.From = netip.Addr{}
		if l.to.IfIndex, err = onlyLink(); err != nil {
			return Result{}, err
		}
	}
	l.packets = make([]netio.Packet, netio.MaxBatch)
	for i := range l.packets {
		l.packets[i].Data = make([]byte, 2048)
	}
	if plan.Rate > 0 {
		err = l.pace(ctx)
		l.conn.Close()
		return l.sum(), err
	}
	received := make(chan error)
	go func() { received <- l.receive() }()
	l.drive(ctx)
	l.conn.Close()
	if err := <-received; err != nil && !errors.Is(err, net.ErrClosed) {
		return Result{}, err
	}
	return l.sum(), nil
}

// onlyLink is the index of the host's one interface besides the loopback.
func onlyLink() (int, error) {
	all, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	all = slices.DeleteFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 })
	if len(all) != 1 {
		return 0, fmt.Errorf("a machine on the link needs one interface, this host has %d", len(all))
	}
	return all[0].Index, nil
}

func (l *load) broadcasts() bool {
	return l.plan.Server == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func (l *load) port() uint16 {
	if l.broadcasts() {
		return dhcp4.ClientPort
	}
	return dhcp4.ServerPort
}

// makeTemplates makes the messages of all machines.
func (l *load) makeTemplates() error {
	p := l.packet(dhcp4.Discover)
	p.Options.Add(dhcp4.OptParameterList, wishes)
	if l.plan.Boot {
		p.Options.AddString(dhcp4.OptVendorClass, "PXEClient:Arch:00007:UNDI:003016")
		p.Options.AddUint16(dhcp4.OptArch, 7)
		p.Options.Add(dhcp4.OptMachineID, make([]byte, 17))
	}
	var err error
	if l.discover, err = p.Append(nil); err != nil {
		return fmt.Errorf("making a DISCOVER: %v", err)
	}
	p = l.packet(dhcp4.Request)
	p.Options.Add(dhcp4.OptServerID, make([]byte, 4)) // at atServerID
	p.Options.Add(dhcp4.OptRequestedAddr, make([]byte, 4))
	p.Options.Add(dhcp4.OptParameterList, wishes)
	if l.request, err = p.Append(nil); err != nil {
		return fmt.Errorf("making a REQUEST: %v", err)
	}
	return nil
}

var wishes = []byte{1, 3, 6, 12, 15, 28}

// Offsets in a message (RFC 2131 section 2), and of what a REQUEST fills in.
const (
	atXid       = 4
	atYIAddr    = 16
	atCHAddr    = 28
	atOptions   = 240
	atServerID  = atOptions + 3 + 2
	atRequested = atServerID + 4 + 2
)

func (l *load) packet(m dhcp4.MessageType) *dhcp4.Packet {
	p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: dhcp4.HTypeEthernet, HLen: 6}
	if l.broadcasts() {
		p.Flags = dhcp4.FlagBroadcast
	} else {
		p.GIAddr, p.Hops = l.plan.Relay, 1
	}
	p.Options.AddUint8(dhcp4.OptMessageType, uint8(m))
	return p
}

// nap is short against the latencies that are measured: a tick of a millisecond
// would make bursts of what is due, and latencies of the bursts. Without any
// pause a virtual machine that may not use all of its processors all the time
// is stopped for ten milliseconds of every hundred, and that is measured.
const nap = 200 * time.Microsecond

// pace begins exchanges at a rate.
func (l *load) pace(ctx context.Context) error {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	l.begins()
	begun := 0.0
	for now := l.start; ctx.Err() == nil && now.Before(l.until.Add(Patience)); now = time.Now() {
		n, err := l.conn.ReadBatch(l.packets, false)
		if err != nil {
			return err
		}
		for _, p := range l.packets[:n] {
			l.answer(now, p.Data)
		}
		for due := l.plan.Rate * now.Sub(l.start).Seconds(); begun < due && now.Before(l.until); begun++ {
			l.begin(now)
		}
		l.flush()
		l.expire(now)
		if n < len(l.packets) {
			t := unix.NsecToTimespec(int64(nap))
			unix.Nanosleep(&t, nil) // time.Sleep takes a millisecond at the least
		}
	}
	return ctx.Err()
}

func (l *load) begins() {
	l.start = time.Now()
	l.from, l.until = l.start.Add(l.plan.Warm), l.start.Add(l.plan.Warm+l.plan.Time)
}

// drive has as many exchanges under way as there may be until the time is over,
// and gives up those that get no answer.
func (l *load) drive(ctx context.Context) {
	const tick = time.Millisecond
	l.begins()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for now := l.start; ; now = time.Now() {
		l.mu.Lock()
		l.expire(now)
		over := l.plan.Count > 0 && l.result.Completed >= l.plan.Count || l.plan.Count == 0 && now.After(l.until)
		if !over {
			l.refill(now)
		}
		l.flush()
		l.mu.Unlock()
		if over || ctx.Err() != nil {
			break
		}
		<-ticker.C
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	if l.plan.Count > 0 {
		l.until = time.Now()
	}
}

func (l *load) refill(now time.Time) {
	for l.underWay < l.plan.InFlight {
		l.begin(now)
	}
}

// machine is the number of an exchange's machine.
func (l *load) machine(seq uint32) uint32 {
	if l.plan.Clients > 0 {
		seq %= uint32(l.plan.Clients)
	}
	return seq + uint32(l.plan.First)
}

// begin sends a DISCOVER.
func (l *load) begin(now time.Time) {
	seq := l.next
	l.next++
	l.table[seq%slots] = slot{seq: seq, begun: now, expect: dhcp4.Offer}
	l.underWay++
	if l.counts(now) {
		l.result.Begun++
	}
	l.send(l.discover, seq)
}

func (l *load) counts(t time.Time) bool {
	return l.plan.Count > 0 || !t.Before(l.from) && t.Before(l.until)
}

// send queues a message of an exchange, and gives it to be filled in further.
func (l *load) send(template []byte, seq uint32) []byte {
	if len(l.out) == netio.MaxBatch {
		l.flush()
	}
	n := len(l.out)
	l.out = l.out[:n+1]
	b := append(l.out[n].Data[:0], template...)
	binary.BigEndian.PutUint32(b[atXid:], seq)
	b[atCHAddr], b[atCHAddr+1] = 0x02, 0x4c
	binary.BigEndian.PutUint32(b[atCHAddr+2:], l.machine(seq))
	l.out[n] = netio.Datagram{Data: b, Outgoing: l.to}
	return b
}

func (l *load) flush() {
	if len(l.out) > 0 {
		l.conn.WriteBatch(l.out) // what is lost here counts as lost
		l.out = l.out[:0]
	}
}

// expire gives up what has waited too long.
func (l *load) expire(now time.Time) {
	for ; l.oldest < l.next; l.oldest++ {
		s := &l.table[l.oldest%slots]
		if s.seq != l.oldest {
			continue
		}
		if now.Sub(s.begun) < Patience {
			return
		}
		if l.counts(s.begun) {
			l.result.Lost++
		}
		s.seq = 0
		l.underWay--
	}
}

// receive takes answers until the connection is closed.
func (l *load) receive() error {
	for {
		n, err := l.conn.ReadBatch(l.packets, true)
		if err != nil {
			return err
		}
		now := time.Now()
		l.mu.Lock()
		for _, p := range l.packets[:n] {
			l.answer(now, p.Data)
		}
		if l.plan.Count > 0 || now.Before(l.until) {
			l.refill(now)
		}
		l.flush()
		l.mu.Unlock()
	}
}

// answer goes on with an exchange.
func (l *load) answer(now time.Time, b []byte) {
	if len(b) < 240 || b[0] != dhcp4.OpReply {
		return
	}
	seq := binary.BigEndian.Uint32(b[4:])
	s := &l.table[seq%slots]
	if s.seq != seq || seq == 0 || dhcp4.PeekType(b) != s.expect {
		return
	}
	if s.expect == dhcp4.Offer {
		if l.counts(s.begun) {
			l.latencies = append(l.latencies, now.Sub(s.begun))
		}
		if !l.plan.Offers {
			s.expect = dhcp4.Ack
			l.take(seq, b)
			return
		}
	}
	s.seq = 0
	l.underWay--
	if l.plan.Rate > 0 && l.counts(s.begun) || l.plan.Rate == 0 && l.counts(now) {
		l.result.Completed++
	}
}

// take takes an offer.
func (l *load) take(seq uint32, offer []byte) {
	b := l.send(l.request, seq)
	copy(b[atRequested:], offer[atYIAddr:atYIAddr+4])
	for o := offer[atOptions:]; len(o) > 2 && o[0] != byte(dhcp4.OptEnd); o = o[min(len(o), 2+int(o[1])):] {
		if o[0] == byte(dhcp4.OptServerID) && len(o) >= 6 {
			copy(b[atServerID:], o[2:6])
			return
		}
	}
}

func (l *load) sum() Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.result
	r.Seconds = l.until.Sub(l.from).Seconds()
	slices.Sort(l.latencies)
	if n := len(l.latencies); n > 0 {
		r.OfferP50 = l.latencies[n/2].Seconds() * 1000
		r.OfferP99 = l.latencies[n*99/100].Seconds() * 1000
	}
	return r
}
