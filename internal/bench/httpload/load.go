// Package httpload puts load on an HTTP server and costs little itself: bodies
// are counted where the kernel has them and thrown away there.
package httpload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Plan is what to ask for.
type Plan struct {
	Server netip.AddrPort
	Path   string
	Range  string // value of a Range header; "" for none
	// From are the addresses of the clients, one each; there is one client
	// where it is empty.
	From []netip.Addr
	// Requests is how often each client asks, on one connection; 0: until Time
	// is over.
	Requests int
	Time     time.Duration
}

// Result is what came of it.
type Result struct {
	Requests int
	Bytes    int64   // of bodies
	Seconds  float64 // from the first request to the last answer
	P50, P99 float64 // of an answer, from request to last octet, in milliseconds
}

// PerSecond is how many requests a second were answered.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Seconds }

// Rate is how much was received, in MiB a second.
func (r Result) Rate() float64 { return float64(r.Bytes) / (1 << 20) / r.Seconds }

// Run carries out a plan. One client that fails fails the whole.
func Run(ctx context.Context, p Plan) (Result, error) {
	from := p.From
	if len(from) == 0 {
		from = []netip.Addr{{}}
	}
	clients := make([]*client, len(from))
	for i, addr := range from {
		c, err := dial(ctx, p, addr)
		if err != nil {
			return Result{}, err
		}
		defer c.conn.Close()
		clients[i] = c
	}
	var wg sync.WaitGroup
	errs := make([]error, len(clients))
	start := time.Now()
	for i, c := range clients {
		wg.Go(func() { errs[i] = c.run(p, start) })
	}
	wg.Wait()
	r := Result{Seconds: time.Since(start).Seconds()}
	var times []float64
	for _, c := range clients {
		r.Requests += len(c.times)
		r.Bytes += c.bytes
		times = append(times, c.times...)
	}
	if len(times) > 0 {
		slices.Sort(times)
		r.P50, r.P99 = times[len(times)/2], times[len(times)*99/100]
	}
	return r, errors.Join(errs...)
}

type client struct {
	conn *net.TCPConn
	in   *bufio.Reader
	raw  interface {
		Read(func(uintptr) bool) error
	}
	ask   []byte
	trash []byte // never written to: the kernel throws away what is "read" into it
	bytes int64
	times []float64 // milliseconds
}

func dial(ctx context.Context, p Plan, from netip.Addr) (*client, error) {
	d := net.Dialer{}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	d.SetMultipathTCP(false)
	conn, err := d.DialContext(ctx, "tcp", p.Server.String())
	if err != nil {
		return nil, fmt.Errorf("connecting: %v", err)
	}
	tcp := conn.(*net.TCPConn)
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("connecting: %v", err)
	}
	var ask strings.Builder
	fmt.Fprintf(&ask, "GET %s HTTP/1.1\r\nHost: %s\r\n", p.Path, p.Server)
	if p.Range != "" {
		fmt.Fprintf(&ask, "Range: %s\r\n", p.Range)
	}
	ask.WriteString("\r\n")
	return &client{conn: tcp, in: bufio.NewReaderSize(conn, 8<<10), raw: raw, ask: []byte(ask.String()), trash: make([]byte, 1<<20)}, nil
}

func (c *client) run(p Plan, start time.Time) error {
	for n := 0; p.Requests == 0 || n < p.Requests; n++ {
		before := time.Now()
		if p.Requests == 0 && before.Sub(start) > p.Time {
			return nil
		}
		if err := c.one(p); err != nil {
			return fmt.Errorf("request %d: %v", n+1, err)
		}
		c.times = append(c.times, float64(time.Since(before).Microseconds())/1000)
	}
	return nil
}

// one asks once and throws the answer away.
func (c *client) one(p Plan) error {
	if _, err := c.conn.Write(c.ask); err != nil {
		return err
	}
	status, length, err := header(c.in)
	if err != nil {
		return err
	}
	if want := map[bool]int{false: http.StatusOK, true: http.StatusPartialContent}[p.Range != ""]; status != want {
		return fmt.Errorf("status %d, want %d", status, want)
	}
	inside := min(length, int64(c.in.Buffered()))
	if _, err := c.in.Discard(int(inside)); err != nil {
		return err
	}
	// What fits the reader comes with the next header's read; the rest is
	// thrown away in the kernel.
	if rest := length - inside; rest > 0 && rest <= 8<<10 {
		if _, err := c.in.Discard(int(rest)); err != nil {
			return err
		}
	} else if rest > 0 {
		if err := c.discard(rest); err != nil {
			return err
		}
	}
	c.bytes += length
	return nil
}

// header reads status line and header as far as they matter here; net/http's
// reader would cost as much as many a server.
func header(in *bufio.Reader) (status int, length int64, err error) {
	length = -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		switch {
		case first:
			if _, err := fmt.Sscanf(string(line), "HTTP/1.1 %d", &status); err != nil {
				return 0, 0, fmt.Errorf("status line %q", line)
			}
		case len(line) <= 2:
			if length < 0 {
				return 0, 0, errors.New("no Content-Length")
			}
			return status, length, nil
		case len(line) > 16 && strings.EqualFold(string(line[:15]), "Content-Length:"):
			if _, err := fmt.Sscan(string(line[15:]), &length); err != nil {
				return 0, 0, err
			}
		}
	}
}

// discard throws away so many octets of the stream without copying them
// (MSG_TRUNC, tcp(7)).
func (c *client) discard(n int64) error {
	for n > 0 {
		var got int
		var err error
		failed := c.raw.Read(func(fd uintptr) bool {
			got, _, err = unix.Recvfrom(int(fd), c.trash[:min(n, int64(len(c.trash)))], unix.MSG_TRUNC|unix.MSG_DONTWAIT)
			return err != unix.EAGAIN && err != unix.EINTR
		})
		switch {
		case failed != nil:
			return failed
		case err != nil:
			return err
		case got == 0:
			return io.ErrUnexpectedEOF
		}
		n -= int64(got)
	}
	return nil
}
