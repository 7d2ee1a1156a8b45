package tftpload

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tick is how often clients are asked whether they have waited too long, and
// slow ones whether their time has come.
const tick = 20 * time.Millisecond

// seat is a client's place: a socket for each of its transfers.
type seat struct {
	client
	number int
	fd     int
	known  bool      // the socket is connected to the server's port for this transfer
	owes   time.Time // a slow client's ACK is due then
	left   int       // transfers still to begin
	open   bool
}

// load is a run.
type load struct {
	plan   Plan
	server unix.RawSockaddrInet4
	batch  *batch
	epoll  int // -1 where there is one client, which blocks in its read
	seats  []seat
	active int
	sum    Result
	took   []time.Duration
	last   time.Time
}

// Run does what the plan says.
func Run(plan Plan) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	plan.Transfers, plan.Clients = max(1, plan.Transfers), max(1, plan.Clients)
	l := &load{plan: plan, server: sockaddr(plan.Server), batch: newBatch(), epoll: -1, seats: make([]seat, plan.Clients)}
	l.sum.Why = map[string]int{}
	if plan.Clients > 1 {
		var err error
		if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return Result{}, fmt.Errorf("making an epoll instance: %v", err)
		}
		defer unix.Close(l.epoll)
	}
	start := time.Now()
	l.last = start
	if err := l.drive(start); err != nil {
		return Result{}, err
	}
	l.sum.Seconds = l.last.Sub(start).Seconds()
	l.sum.times(l.took)
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return Result{}, fmt.Errorf("asking for processor time: %v", err)
	}
	l.sum.Own = time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	return l.sum, nil
}

func (l *load) drive(start time.Time) error {
	// Sockets first: making them is no part of what is measured, and clients
	// that power on together ask together.
	for i := range l.seats {
		s := &l.seats[i]
		s.number, s.left = i, l.plan.Transfers
		if err := l.openSeat(s); err != nil {
			return err
		}
	}
	for i := range l.seats {
		if err := l.begin(&l.seats[i]); err != nil {
			return err
		}
	}
	checked := start
	for l.active > 0 {
		if err := l.wait(); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(checked) >= tick {
			checked = now
			if err := l.overdue(now, l.plan.Until > 0 && now.Sub(start) > l.plan.Until); err != nil {
				return err
			}
		}
	}
	return nil
}

// openSeat gives a seat its socket.
func (l *load) openSeat(s *seat) error {
	var from netip.AddrPort
	if l.plan.From.IsValid() {
		from = netip.AddrPortFrom(plus(l.plan.From, s.number), 0)
	}
	var err error
	if s.fd, err = openUDP(from, l.plan.Window > 1); err != nil {
		return err
	}
	s.open, s.known = true, false
	if l.epoll >= 0 {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.number)}
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			return fmt.Errorf("watching a socket: %v", err)
		}
		return nil
	}
	pause := unix.NsecToTimeval(tick.Nanoseconds())
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &pause); err != nil {
		return fmt.Errorf("setting a timeout: %v", err)
	}
	return nil
}

// plus is the address that comes n after another.
func plus(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]) + uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// begin sends the request of a seat's next transfer.
func (l *load) begin(s *seat) error {
	s.client = client{plan: &l.plan, sum: &l.sum}
	s.all = l.plan.Whole || l.plan.Clients > 1 && (s.number == 0 || s.number == l.plan.Clients-1)
	s.left--
	s.owes = time.Time{}
	l.active++
	request, err := s.client.begin(time.Now())
	if err != nil {
		return fmt.Errorf("making a request: %v", err)
	}
	send(s.fd, request, &l.server)
	return nil
}

// wait waits for packets, no longer than a tick, and takes them.
func (l *load) wait() error {
	if l.epoll < 0 {
		return l.read(&l.seats[0], unix.MSG_WAITFORONE)
	}
	var events [256]unix.EpollEvent
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(tick/time.Millisecond), 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("waiting for packets: %v", errno)
	}
	for _, e := range events[:n] {
		if err := l.read(&l.seats[e.Fd], unix.MSG_DONTWAIT); err != nil {
			return err
		}
	}
	return nil
}

// read takes what has come for a seat. ECONNREFUSED is an ICMP message, which
// firmware does not hear.
func (l *load) read(s *seat, flags int) error {
	if !s.open {
		return nil
	}
	n, errno := l.batch.receive(s.fd, flags)
	switch {
	case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.EINTR), errors.Is(errno, unix.ECONNREFUSED):
		return nil
	case errno != 0:
		return fmt.Errorf("receiving: %v", errno)
	}
	ack := false
	for i := range n {
		if !s.known {
			from := l.batch.from(i)
			if from.Addr() != l.plan.Server.Addr() {
				continue
			}
			if err := connect(s.fd, from); err != nil {
				return err
			}
			s.known = true
		}
		l.batch.each(i, func(b []byte) {
			if s.done {
				return
			}
			if !s.take(b) {
				return
			}
			ack = true
			if l.plan.Slow == 0 {
				l.acknowledge(s)
			}
		})
	}
	if ack && l.plan.Slow > 0 && !s.done && s.owes.IsZero() {
		s.owes = time.Now().Add(l.plan.Slow)
	}
	if s.done {
		return l.end(s)
	}
	return nil
}

func (l *load) acknowledge(s *seat) {
	ack := s.ack(time.Now())
	send(s.fd, ack[:], nil)
}

// end counts a transfer that is over, and begins the seat's next.
func (l *load) end(s *seat) error {
	l.active--
	if s.why == "" {
		l.last = time.Now()
		l.sum.Completed++
		l.sum.Octets += l.plan.Size
		l.took = append(l.took, l.last.Sub(s.begun))
	} else {
		l.sum.Failed++
		l.sum.Why[s.why]++
	}
	unix.Close(s.fd)
	s.open = false
	if s.left == 0 {
		return nil
	}
	if err := l.openSeat(s); err != nil {
		return err
	}
	return l.begin(s)
}

// overdue sends again what was not answered in time, and what slow clients
// owe.
func (l *load) overdue(now time.Time, stop bool) error {
	for i := range l.seats {
		s := &l.seats[i]
		if !s.open {
			continue
		}
		switch {
		case stop:
			s.left = 0
			s.fail("out of time")
		case !s.owes.IsZero() && now.After(s.owes):
			s.owes = time.Time{}
			l.acknowledge(s)
		case s.owes.IsZero() && now.After(s.deadline):
			if err := l.again(s, now); err != nil {
				return err
			}
		}
		if s.done {
			if err := l.end(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *load) again(s *seat, now time.Time) error {
	request, ack := s.late(now)
	if request {
		b, err := s.request()
		if err != nil {
			return fmt.Errorf("making a request: %v", err)
		}
		send(s.fd, b, &l.server)
	}
	if ack && s.known {
		l.acknowledge(s)
	}
	return nil
}
