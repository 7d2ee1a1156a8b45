package dhcpsim

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"hobnail/internal/boots"
	"hobnail/internal/event"
	"hobnail/internal/lease"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/serve/dhcp"
	"hobnail/internal/wire/dhcp4"
)

// server is a host that runs hobnail: its address, disk and clock stay, the
// process comes and goes.
type server struct {
	w    *world
	name string
	n    int
	addr netip.Addr
	link netip.Prefix
	disk *disk

	wall   time.Duration // how far the host's clock is ahead
	before time.Duration // as wall, before it was set last
	setAt  time.Duration
	cut    bool // off the network

	up      bool
	life    int // counts processes: what belongs to an earlier one does nothing
	clock   *lease.Clock
	fuse    int // how many more steps the process does; 0: any number
	table   *lease.Table
	hobnail *dhcp.Server
	leases  dhcp.Leases
	inbox   []netio.Packet
	taking  bool
	held    []dhcp.Held
	settle  settling
	owed    ledger
}

// settling is Settle under way: it waits for the disk while Take goes on.
type settling struct {
	busy bool
	wait func(time.Duration) bool // gives way until the disk is done; false: the process has died
	stop func()
}

// died is what ends a process wherever it is.
type died struct{}

func newServer(w *world, n int) *server {
	s := &server{
		w: w, n: n, name: fmt.Sprintf("server%d", n+1), link: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 1, byte(11 + n)}), 24),
		owed: ledger{},
	}
	if !w.site.routed {
		s.link = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 2, byte(11 + n)}), 24)
	}
	s.addr = s.link.Addr()
	s.disk = newDisk(s)
	s.disk.sick, s.disk.slow = w.weather.sick, w.weather.slow
	s.start()
	s.trouble()
	return s
}

// hostTime is what the host's clocks say.
func (s *server) hostTime() (wall time.Time, passed time.Duration) {
	return epoch.Add(s.w.now + s.wall), s.w.now
}

// set sets the host's clock.
func (s *server) set(wall time.Duration) {
	s.before, s.wall, s.setAt = s.wall, wall, s.w.now
	s.w.says(s.name, "the host's clock is now %v ahead", wall)
	s.w.judge.clockSet(s)
}

// ahead is how far the host's clock was ahead when what is sent now was
// decided: a moment ago.
func (s *server) ahead() time.Duration {
	if s.w.now-s.setAt < 3*time.Second {
		return min(s.wall, s.before)
	}
	return s.wall
}

// start starts a process, which reads what its disk has.
func (s *server) start() {
	if s.up {
		return
	}
	s.life++
	s.up, s.fuse = true, 0
	s.disk.failed = false
	if s.w.weather.crash > 0 && s.w.chance(0.2) {
		s.fuse = 1 + s.w.rng.IntN(12) // not even the start is safe
	}
	s.inbox, s.taking, s.held, s.settle = nil, false, nil, settling{}
	var err error
	s.guarded(func() { s.table, err = lease.OpenIn(s.w.opts.Bug.folder(s.disk), logName) })
	switch {
	case !s.up:
		return // died while it started; somebody will try again
	case err != nil && s.disk.failed:
		s.w.says(s.name, "does not start: %v", err)
		s.stop()
		s.w.after(s.w.between(time.Second, 5*time.Second), s.start)
		return
	case err != nil:
		s.w.violates("%s does not start, although its disk is sound: %v", s.name, err)
		return
	}
	s.w.says(s.name, "starts with %d records, its clock %v ahead", len(s.table.All()), s.wall)
	s.leases = s.w.opts.Bug.leasesOf(s, s.table)
	s.w.judge.started(s)
	compiled := s.w.configuration(s.n)
	s.clock = lease.NewClock(s.hostTime, s.w.opts.Bug.longest(compiled.LongestLease))
	link := netio.Interface{Name: "eth0", Index: 2, Prefixes: []netip.Prefix{s.link}}
	s.hobnail = &dhcp.Server{
		View: func() policy.View {
			return policy.View{Policy: compiled, Leases: s.leases, Own: []netip.Addr{s.addr}, Ahead: s.clock.Ahead()}
		},
		Leases: s.leases, Boots: boots.NewMemory(), Events: overseer{s, s.life}, Clock: s.clock.Now,
		Interface: func(index int) (netio.Interface, bool) { return link, index == link.Index },
	}
}

const logName = "leases.log"

// overseer is who reads the server's log: after a fault of the disk that needs
// a restart, there is one.
type overseer struct {
	s    *server
	life int
}

func (o overseer) Emit(e event.Event) {
	s := o.s
	if e.Code != event.LeaseFault || s.disk.full || !s.up || s.life != o.life {
		return
	}
	s.w.says(s.name, "%s %v", e.Code, e.Attrs)
	s.w.after(s.w.between(5*time.Second, 20*time.Second), func() {
		if s.up && s.life == o.life {
			s.w.says(s.name, "is restarted, because of its disk")
			s.stop()
			s.start()
		}
	})
}

// receive is a datagram at the host.
func (s *server) receive(p netio.Packet) {
	if !s.up || s.cut || s.hobnail == nil {
		return
	}
	p.Data = append([]byte(nil), p.Data...)
	p.IfIndex, p.Port = 2, dhcp4.ServerPort
	s.inbox = append(s.inbox, p)
	if !s.taking {
		s.taking = true
		life := s.life
		s.w.after(s.w.between(0, time.Millisecond), func() {
			if s.life == life && s.up {
				s.take()
			}
		})
	}
}

// take is a turn of the loop.
func (s *server) take() {
	s.taking = false
	batch := s.inbox
	s.inbox = nil
	s.w.stats.Packets += len(batch)
	for i := range batch {
		s.owed.hears(batch[i].Data)
		batch[i].Data = s.w.opts.Bug.ingressOf(s, batch[i].Data)
	}
	s.guarded(func() { s.held = append(s.held, s.hobnail.Take(conn{s: s}, batch)...) })
	for i := range batch {
		clear(batch[i].Data) // the loop's memory is used again
	}
	s.settleNext()
}

// settleNext settles what has gathered, unless that goes on already.
func (s *server) settleNext() {
	if !s.up || s.settle.busy || len(s.held) == 0 {
		return
	}
	held, life := s.held, s.life
	s.held, s.settle.busy = nil, true
	next, stop := iter.Pull(func(yield func(time.Duration) bool) {
		s.settle.wait = yield
		defer func() {
			s.settle.wait = nil
			if r := recover(); r != nil && r != (died{}) {
				panic(r)
			}
		}()
		s.hobnail.Settle(conn{s: s}, held)
	})
	s.settle.stop = stop
	var step func()
	step = func() {
		if s.life != life || !s.up {
			return
		}
		d, waits := next()
		switch {
		case s.life != life:
		case !s.up: // died in there
			s.buried()
		case waits:
			s.w.after(d, step)
		default:
			s.settle.busy = false
			s.settleNext()
		}
	}
	step()
}

// waitForDisk lets others act while the disk works for Settle.
func (s *server) waitForDisk() {
	wait := s.settle.wait
	if wait == nil {
		return // at the start, nobody waits for an answer
	}
	if !wait(s.w.between(s.disk.slow/10, s.disk.slow)) {
		panic(died{})
	}
}

// mayDie is called wherever a process does something that lasts.
func (s *server) mayDie() {
	if s.fuse == 0 {
		return
	}
	if s.fuse--; s.fuse == 0 {
		s.up = false
		panic(died{})
	}
}

// guarded runs a part of the process that may die in it.
func (s *server) guarded(do func()) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case died{}:
			s.buried()
		default:
			panic(r)
		}
	}()
	do()
}

// stop ends the process.
func (s *server) stop() {
	s.up = false
	s.life++
	s.leave()
}

// leave ends what a process has under way.
func (s *server) leave() {
	if s.settle.stop != nil && s.settle.wait != nil {
		s.settle.stop()
	}
	s.settle, s.table, s.hobnail = settling{}, nil, nil
}

// buried is the end of a process that died, by itself or with its host.
func (s *server) buried() {
	s.w.stats.Crashes++
	s.stop()
	power := s.w.chance(0.5)
	if power {
		s.disk.cutPower()
	}
	s.w.says(s.name, "died, its host lost power: %v", power)
	s.w.after(s.w.between(100*time.Millisecond, 20*time.Second), s.start)
}

// trouble has the server die, its network go, its clock jump and its disk
// fill, now and then.
func (s *server) trouble() {
	w := s.w
	again := func(mean time.Duration, do func()) {
		if mean == 0 {
			return
		}
		var turn func()
		turn = func() {
			if !w.calm {
				do()
				w.after(w.between(mean/4, 2*mean), turn)
			}
		}
		w.after(w.between(0, 2*mean), turn)
	}
	again(w.weather.crash, func() {
		if s.up && s.fuse == 0 {
			s.fuse = 1 + w.rng.IntN(30)
		}
	})
	again(w.weather.cut, func() {
		s.cut = true
		w.says(s.name, "is cut off")
		w.after(w.between(time.Second, w.weather.cut), func() { s.cut = false; w.says(s.name, "is back") })
	})
	if w.weather.clock > 0 {
		again(20*time.Second, func() {
			s.set(w.between(-w.weather.clock, w.weather.clock))
		})
	}
	if w.weather.fills {
		again(40*time.Second, func() {
			s.disk.full = true
			w.says(s.name, "the disk is full")
			w.after(w.between(time.Second, 20*time.Second), func() { s.disk.full = false; w.says(s.name, "the disk has space") })
		})
	}
}

// recover ends the trouble for good. A process that cannot write any more is
// started again.
func (s *server) recover() {
	s.cut, s.fuse = false, 0
	s.disk.full, s.disk.sick, s.disk.slow = false, 0, time.Millisecond
	if s.disk.failed && s.up {
		s.stop()
	}
	s.start()
}

// conn is the server's port 67.
type conn struct {
	netio.Conn
	s *server
}

func (c conn) Port() uint16 { return dhcp4.ServerPort }

func (c conn) WriteBatch(out []netio.Datagram) []error {
	for _, d := range out {
		c.s.mayDie()
		p, err := dhcp4.Parse(d.Data)
		if err != nil {
			c.s.w.violates("%s sent what cannot be read: %v", c.s.name, err)
			return nil
		}
		c.s.w.judge.sent(c.s, p)
		if !c.s.cut {
			d.Data = append([]byte(nil), d.Data...)
			c.s.w.deliver(d)
		}
	}
	return nil
}
