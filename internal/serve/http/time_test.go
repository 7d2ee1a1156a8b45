package httpserve

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network, on which time can be simulated.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial gives the client's end; false if nobody lets it in.
func (p *pipes) dial() (net.Conn, bool) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, true
	case <-time.After(time.Hour):
		return nil, false
	}
}

// simulated runs a server in a bubble of simulated time.
func simulated(t *testing.T, lim *limits, test func(ln *pipes, events *record, stop func() error)) {
	simulatedServer(t, &Server{limits: lim}, test)
}

func simulatedServer(t *testing.T, s *Server, test func(ln *pipes, events *record, stop func() error)) {
	synctest.Test(t, func(t *testing.T) {
		ln, events := newPipes(), newRecord()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		s.Opener, s.Events = newTree(), events
		go func() { done <- s.Serve(ctx, ln) }()
		stop := sync.OnceValue(func() error {
			cancel()
			return <-done
		})
		test(ln, events, stop)
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func ask(t *testing.T, c net.Conn, r *bufio.Reader, target string) *http.Response {
	t.Helper()
	go io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: boot1\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	return resp
}

// closedAfter reads until the server closes the connection and says how long
// that took.
func closedAfter(c net.Conn) time.Duration {
	start := time.Now()
	io.Copy(io.Discard, c)
	return time.Since(start)
}

func TestClientThatSendsNoRequest(t *testing.T) {
	simulated(t, nil, func(ln *pipes, _ *record, _ func() error) {
		c, _ := ln.dial()
		go io.WriteString(c, "GET / HTTP/1.1\r\nHost: ")
		if got := closedAfter(c); got != 10*time.Second {
			t.Errorf("closed after %v", got)
		}
	})
}

func TestIdleConnection(t *testing.T) {
	simulated(t, nil, func(ln *pipes, _ *record, _ func() error) {
		c, _ := ln.dial()
		r := bufio.NewReader(c)
		for range 3 {
			io.Copy(io.Discard, ask(t, c, r, "/healthz").Body)
			time.Sleep(119 * time.Second)
		}
		if got := closedAfter(c); got != time.Second {
			t.Errorf("closed %v after the last answer", 119*time.Second+got)
		}
	})
}

func TestSlowClientIsServedToTheEnd(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		resp := ask(t, c, bufio.NewReader(c), "/large")
		buf := make([]byte, 1<<20)
		var n int64
		for start := time.Now(); n < large; time.Sleep(50 * time.Second) {
			got, err := io.ReadFull(resp.Body, buf)
			if n += int64(got); err != nil {
				t.Fatalf("after %v and %d octets: %v", time.Since(start), n, err)
			}
		}
		if got := events.next(t); !strings.HasPrefix(got, "file.read name=large bytes=67108864") {
			t.Error(got)
		}
	})
}

func TestClientThatTakesNothing(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		resp := ask(t, c, bufio.NewReader(c), "/large")
		if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		synctest.Wait()
		got := events.nextAfter(t, 2*time.Minute)
		if took := time.Since(start); !strings.HasPrefix(got, "file.stalled name=large") || took != time.Minute {
			t.Errorf("after %v: %s", took, got)
		}
	})
}

func TestConnectionOutlivesAStallDeadline(t *testing.T) {
	simulated(t, nil, func(ln *pipes, _ *record, _ func() error) {
		c, _ := ln.dial()
		r := bufio.NewReader(c)
		io.Copy(io.Discard, ask(t, c, r, "/img/debian-12/linux").Body)
		time.Sleep(90 * time.Second)
		if b, err := io.ReadAll(ask(t, c, r, "/none").Body); err != nil || string(b) != "There is no such boot file.\n" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func few(n int) *limits {
	lim := standard()
	lim.connections = n
	return lim
}

func TestIdleConnectionMakesRoom(t *testing.T) {
	simulated(t, few(2), func(ln *pipes, _ *record, _ func() error) {
		first, _ := ln.dial()
		firstReader := bufio.NewReader(first)
		io.Copy(io.Discard, ask(t, first, firstReader, "/healthz").Body)
		second, _ := ln.dial()
		busy := ask(t, second, bufio.NewReader(second), "/large")
		third, ok := ln.dial()
		if !ok {
			t.Fatal("the third connection was not let in")
		}
		if b, err := io.ReadAll(ask(t, third, bufio.NewReader(third), "/healthz").Body); string(b) != "ok\n" {
			t.Errorf("third: %q, %v", b, err)
		}
		if _, err := firstReader.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection: %v", err)
		}
		if n, err := io.Copy(io.Discard, busy.Body); n != large {
			t.Errorf("the busy one: %d octets, %v", n, err)
		}
	})
}

func TestNobodyIsPutOutOfATransfer(t *testing.T) {
	simulated(t, few(2), func(ln *pipes, _ *record, _ func() error) {
		var busy []*http.Response
		for range 2 {
			c, _ := ln.dial()
			busy = append(busy, ask(t, c, bufio.NewReader(c), "/large"))
		}
		let := make(chan net.Conn)
		go func() {
			c, _ := ln.dial()
			let <- c
		}()
		synctest.Wait()
		select {
		case <-let:
			t.Fatal("the third connection was let in")
		default:
		}
		if n, err := io.Copy(io.Discard, busy[0].Body); n != large {
			t.Errorf("%d octets, %v", n, err)
		}
		third := <-let
		if b, err := io.ReadAll(ask(t, third, bufio.NewReader(third), "/healthz").Body); string(b) != "ok\n" {
			t.Errorf("third: %q, %v", b, err)
		}
		if n, err := io.Copy(io.Discard, busy[1].Body); n != large {
			t.Errorf("%d octets, %v", n, err)
		}
	})
}

func TestStopWaitsForTransfers(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, stop func() error) {
		idle, _ := ln.dial()
		io.Copy(io.Discard, ask(t, idle, bufio.NewReader(idle), "/healthz").Body)
		short, _ := ln.dial()
		resp := ask(t, short, bufio.NewReader(short), "/large")
		start := time.Now()
		done := make(chan error)
		go func() { done <- stop() }()
		if took := closedAfter(idle); took != 0 {
			t.Errorf("the idle connection closed after %v", took)
		}
		time.Sleep(3 * time.Second)
		if n, err := io.Copy(io.Discard, resp.Body); n != large {
			t.Errorf("the transfer: %d octets, %v", n, err)
		}
		if err := <-done; err != nil || time.Since(start) > 4*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(start), err)
		}
		if got := events.next(t); !strings.HasPrefix(got, "file.read name=large") {
			t.Error(got)
		}
	})
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	simulated(t, nil, func(ln *pipes, events *record, stop func() error) {
		c, _ := ln.dial()
		ask(t, c, bufio.NewReader(c), "/large")
		start := time.Now()
		if err := stop(); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(start), err)
		}
		if got := events.next(t); !strings.HasPrefix(got, "file.aborted name=large") {
			t.Error(got)
		}
	})
}

func TestStopWhileTheGateIsFull(t *testing.T) {
	simulated(t, few(1), func(ln *pipes, _ *record, stop func() error) {
		c, _ := ln.dial()
		ask(t, c, bufio.NewReader(c), "/large")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
