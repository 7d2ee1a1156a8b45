package capture

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/history"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/verdict"
)

// Options of Explain.
type Options struct {
	// Boot takes each boot when it has ended, judged; those that go on until
	// the capture ends come last, the earliest first. An error ends the work.
	Boot func(*model.Boot) error
	// Progress is told now and then how many octets of the file were read; may
	// be nil.
	Progress func(octets int64)
}

// Summary says what was in a capture beside boots.
type Summary struct {
	Packets     int
	First, Last time.Time // of the packets
	Boots       int
	DHCP        int // messages, copies included
	DHCPv6      int // messages; boots by IPv6 are not followed
	Malformed   int // DHCP messages that nobody can read
	Cut         int // DHCP messages that were not captured whole
	// Foreign counts packets of links that are not known, by the number of one.
	Foreign     int
	ForeignType int
}

const (
	// maxSteps bounds the steps of boots that go on, all together: beyond, those
	// that were heard longest ago are ended. It is less than the joiner's own
	// bound: 170 MiB or so, and as much again until the collector has run.
	maxSteps = 300_000
	// pace is how often time is looked at, in the capture's own.
	pace = time.Second
	// packetsPerTick is how often it is done in any case.
	packetsPerTick = 4096
)

// Ports of DHCPv6 (RFC 8415 section 7.2).
const (
	dhcpv6Client = 546
	dhcpv6Server = 547
)

// explainer is what is known while a capture is read.
type explainer struct {
	opt     Options
	source  *source
	decoder decoder
	queue   queue
	files   transfers
	web     web
	joiner  *record.Joiner
	around  *history.Around
	sum     Summary

	now     time.Time // the latest packet's
	ticked  time.Time
	expired time.Time
	steps   int           // of the boots that go on
	ended   []*model.Boot // and not handed over yet
	own     addrSet       // hobnail servers
	servers addrSet       // boot servers of any kind
	claims  map[netip.Addr]model.MAC
	addrOf  map[model.MAC]netip.Addr
}

// Explain finds the boots in a capture. If the file is damaged, those that came
// before are handed over all the same; the error is then an *Error.
func Explain(r io.Reader, opt Options) (Summary, error) {
	counted := &counter{r: r}
	src, err := open(counted)
	if err != nil {
		return Summary{}, err
	}
	e := &explainer{
		opt: opt, source: src, queue: newQueue(), joiner: record.NewJoiner(), around: history.NewAround(),
		own: addrSet{}, servers: addrSet{}, claims: map[netip.Addr]model.MAC{}, addrOf: map[model.MAC]netip.Addr{},
	}
	e.files = newTransfers(e.file, e.servers.add)
	e.web = newWeb(e.file, e.servers)
	e.joiner.Closed = func(b *model.Boot) { e.ended = append(e.ended, b) }
	damage := e.read(counted)
	if err := e.finish(); err != nil {
		return e.sum, err
	}
	return e.sum, damage
}

// read takes all packets.
func (e *explainer) read(counted *counter) error {
	var f frame
	for {
		err := e.source.next(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e.sum.Packets++
		e.clock(f.at)
		if p := e.decoder.decode(&f); p != nil {
			e.packet(p)
		}
		if e.sum.Packets%packetsPerTick == 0 && e.opt.Progress != nil {
			e.opt.Progress(counted.n)
		}
		if e.now.Sub(e.ticked) >= pace || e.sum.Packets%packetsPerTick == 0 {
			if err := e.tick(); err != nil {
				return err
			}
		}
	}
}

// clock notes a packet's time. The capture's time never goes back.
func (e *explainer) clock(t time.Time) {
	if e.sum.First.IsZero() {
		e.sum.First = t
	}
	if t.After(e.now) {
		e.now = t
	}
}

func (e *explainer) packet(p *packet) {
	switch {
	case p.kind == isTCP:
		e.web.segment(p)
	case p.kind == isRefused:
		e.files.refused(p)
	case isDHCP(p):
		e.sum.DHCP++
		e.dhcp(p)
	case p.dst.Port() == dhcpv6Server || p.dst.Port() == dhcpv6Client:
		e.sum.DHCPv6++
	default:
		e.files.packet(p)
	}
}

// tick does what time asks for.
func (e *explainer) tick() error {
	e.ticked = e.now
	e.files.expire(e.now)
	e.web.expire(e.now)
	if err := e.join(e.now.Add(-lag)); err != nil {
		return err
	}
	if e.now.Sub(e.expired) > time.Minute {
		e.expired = e.now
		e.joiner.Expire(e.now)
	}
	e.shrink()
	return e.handOver(e.now)
}

// shrink ends boots where too many go on, by looking at the clock of later.
func (e *explainer) shrink() {
	if e.steps <= maxSteps {
		return
	}
	e.count() // steps that were joined to others count once
	for after := record.Idle / 2; e.steps > maxSteps && after > time.Second; after /= 2 {
		e.joiner.Expire(e.now.Add(record.Idle - after))
		e.count()
	}
	if e.steps > maxSteps {
		e.joiner.EndAll()
		e.count()
	}
}

// count counts the steps of the boots that go on.
func (e *explainer) count() {
	e.steps = 0
	for _, b := range e.joiner.Open() {
		e.steps += len(b.Steps)
	}
}

// join hands on the steps that have waited until then.
func (e *explainer) join(until time.Time) error {
	for w := e.queue.take(until); w != nil; w = e.queue.take(until) {
		e.settle(w)
		e.around.Hear(w.who, &w.step)
		e.joiner.Add(w.who, w.step)
		e.steps++
		if err := e.handOver(w.at); err != nil {
			return err
		}
	}
	return nil
}

// settle adds to a step what was learned while it waited.
func (e *explainer) settle(w *waiting) {
	d := w.step.DHCP
	if d == nil {
		w.step.Ours = e.own[w.step.Server]
		return
	}
	// What hobnail passes on to another DHCP server in its own name came
	// through no relay.
	if w.relay.IsValid() && !e.own[w.relay] {
		d.Relay = w.relay
		w.who.Place = record.Place(w.relay, "")
	}
}

// handOver judges the boots that have ended. now is when the last of them did.
func (e *explainer) handOver(now time.Time) error {
	if len(e.ended) == 0 {
		return nil
	}
	slices.SortFunc(e.ended, func(a, b *model.Boot) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, b := range e.ended {
		e.steps -= len(b.Steps)
		c := e.around.Case(b, now)
		c.Over = true
		b.Verdict = verdict.Judge(c)
		e.around.Learn(b)
		e.sum.Boots++
		if err := e.opt.Boot(b); err != nil {
			return err
		}
	}
	e.ended = nil
	return nil
}

// finish ends what is open.
func (e *explainer) finish() error {
	e.sum.Last = e.now
	e.sum.Foreign, e.sum.ForeignType = e.decoder.foreign, int(e.decoder.foreignType)
	e.files.expire(e.now)
	e.web.expire(e.now)
	e.files.endAll(e.now)
	e.web.endAll(e.now)
	if err := e.join(e.now); err != nil {
		return err
	}
	e.joiner.EndAll()
	return e.handOver(e.now)
}

// file takes the step of a file.
func (e *explainer) file(at time.Time, s model.Step) {
	who := record.Who{}
	if record.MACOf(s.File.Name) == "" {
		who.MAC = e.claims[s.Client]
	}
	e.queue.put(at, who, s)
}

// claim notes whose an address is.
func (e *explainer) claim(a netip.Addr, mac model.MAC) {
	if len(e.claims) >= maxAddrs || len(e.addrOf) >= maxAddrs {
		clear(e.claims)
		clear(e.addrOf)
	}
	e.claims[a], e.addrOf[mac] = mac, a
}

// startsOver ends the transfers of a machine that asks for an address again.
func (e *explainer) startsOver(mac model.MAC) {
	if a, ok := e.addrOf[mac]; ok && e.claims[a] == mac {
		e.files.gone(a)
		e.web.gone(a)
	}
}

// counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
