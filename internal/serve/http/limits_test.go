package httpserve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/event"
)

// limited runs a server with limits of its own on loopback.
func limited(t *testing.T, events event.Sink, change func(*limits)) string {
	t.Helper()
	lim := standard()
	change(lim)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Server{Opener: newTree(), Events: events, limits: lim}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// from connects by an address of its own: all of 127.0.0.0/8 is loopback.
func from(t *testing.T, source, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func answerTo(t *testing.T, c net.Conn, request string) *http.Response {
	t.Helper()
	io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return resp
}

const health = "GET /healthz HTTP/1.1\r\nHost: boot1\r\n\r\n"

func TestConnectionsOfOneAddress(t *testing.T) {
	lim := standard()
	lim.sourceConnections = 2 // all pipes have one address
	simulated(t, lim, func(ln *pipes, events *record, _ func() error) {
		idle, _ := ln.dial()
		io.Copy(io.Discard, ask(t, idle, bufio.NewReader(idle), "/healthz").Body)
		busy, _ := ln.dial()
		transfer := ask(t, busy, bufio.NewReader(busy), "/large")
		synctest.Wait()
		third, _ := ln.dial()
		if resp := ask(t, third, bufio.NewReader(third), "/large"); resp.StatusCode != http.StatusOK {
			t.Errorf("beside an idle connection: %s", resp.Status)
		}
		if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the idle connection: %v", err)
		}
		fourth, _ := ln.dial()
		if resp, err := http.ReadResponse(bufio.NewReader(fourth), nil); err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("beside busy ones: %v, %v", resp, err)
		}
		if got, want := events.next(t), "file.busy reason=too many connections of one address"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if n, err := io.Copy(io.Discard, transfer.Body); n != large || err != nil {
			t.Errorf("the transfer: %d octets, %v", n, err)
		}
	})
}

func TestTransfersOfOneAddress(t *testing.T) {
	events := newRecord()
	address := limited(t, events, func(l *limits) { l.sourceTransfers = 2 })
	for range 2 {
		answerTo(t, from(t, "127.0.5.1", address), "GET /large HTTP/1.1\r\nHost: boot1\r\n\r\n")
	}
	resp := answerTo(t, from(t, "127.0.5.1", address), "GET /empty HTTP/1.1\r\nHost: boot1\r\n\r\n")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third: %s", resp.Status)
	}
	if got, want := events.next(t), "file.busy name=/empty reason=too many transfers of one address at a time method=GET"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if resp := answerTo(t, from(t, "127.0.5.2", address), health); resp.StatusCode != http.StatusOK {
		t.Errorf("another address: %s", resp.Status)
	}
}

// Who asks too often waits, and is refused where he does not wait himself.
func TestRequestsOfOneAddress(t *testing.T) {
	d := newDoor(&limits{sourceConnections: 9, sourceTransfers: 1000, sourceRate: 100, waitTime: time.Second}, rates{})
	a := netipAddr("10.77.1.2")
	waited, refused := 0, 0
	for range 250 {
		wait, end, refusal := d.begin(a)
		switch {
		case refusal != "":
			refused++
			continue
		case wait > 0:
			waited++
		}
		end()
	}
	if waited < 95 || waited > 105 || refused < 45 || refused > 51 {
		t.Errorf("of 250 at once, at 100 a second: %d waited, %d were refused", waited, refused)
	}
	if wait, _, refusal := d.begin(netipAddr("10.77.1.3")); wait > 0 || refusal != "" {
		t.Errorf("another address: %v, %s", wait, refusal)
	}
}

// All addresses of an IPv6 network are one: a machine has as many as it likes.
func TestAddressesOfOneIPv6Network(t *testing.T) {
	d := newDoor(standard(), rates{})
	if d.source(netipAddr("2001:db8::1")) != d.source(netipAddr("2001:db8::2:3")) {
		t.Error("two addresses of one /64 count by themselves")
	}
	if d.source(netipAddr("2001:db8::1")) == d.source(netipAddr("2001:db8:0:1::1")) {
		t.Error("two networks count together")
	}
}

func TestAddressesAreForgotten(t *testing.T) {
	d := newDoor(standard(), rates{})
	for i := range 1000 {
		_, end, _ := d.begin(netipAddr(fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)))
		end()
	}
	d.swept = time.Time{}
	for _, s := range d.sources {
		s.free = s.free.Add(-time.Hour)
	}
	d.source(netipAddr("10.77.1.2"))
	if len(d.sources) != 1 {
		t.Errorf("%d addresses are remembered", len(d.sources))
	}
}

// A body is not waited for: it is not read, and a client that drips one loses
// its connection after two seconds.
func TestBodyThatDrips(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: boot1\r\nContent-Length: 100000\r\n\r\n")
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		start := time.Now()
		answer, _ := io.ReadAll(c)
		if took := time.Since(start); took > 3*time.Second || !strings.Contains(string(answer), " 405 ") {
			t.Errorf("after %v: %q", took, answer)
		}
		c.Close()
		<-dripped
	})
}

// A client that takes a little now and then holds its place no longer than one
// that takes nothing.
func TestClientThatTrickles(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		resp := ask(t, c, bufio.NewReader(c), "/large")
		start := time.Now()
		for {
			if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
				break
			}
			time.Sleep(2 * time.Second)
		}
		if took := time.Since(start); took > 70*time.Second {
			t.Errorf("500 octets a second were put up with for %v", took)
		}
		if got := events.nextAfter(t, time.Minute); !strings.HasPrefix(got, "file.stalled ") {
			t.Error(got)
		}
	})
}
