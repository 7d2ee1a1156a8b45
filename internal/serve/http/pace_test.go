package httpserve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/event"
)

// placed is a connection of a client with an address.
type placed struct {
	net.Conn
	address *net.TCPAddr
}

func (p placed) RemoteAddr() net.Addr { return p.address }

// dialFrom gives the client's end of a connection from an address.
func (p *pipes) dialFrom(address string) net.Conn {
	client, server := net.Pipe()
	p.conns <- placed{server, &net.TCPAddr{IP: net.ParseIP(address), Port: 50000}}
	return client
}

// part asks for the first octets of the large file.
func part(octets int) string {
	return lines("GET /large HTTP/1.1", "Host: boot1", fmt.Sprintf("Range: bytes=0-%d", octets-1))
}

// fetch sends a request, reads the body of its answer, and says how long that took.
func fetch(t *testing.T, c net.Conn, request string) (octets int64, took time.Duration) {
	t.Helper()
	start := time.Now()
	go io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("%q: %v", request, err)
		return 0, 0
	}
	octets, err = io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Errorf("%q: after %d octets: %v", request, octets, err)
	}
	return octets, time.Since(start)
}

// want compares what a transfer took with what it should take. It may be a
// second less: some may pass at once, and of several that take turns one is
// done first.
func want(t *testing.T, what string, octets, wantOctets int64, took, wantTook time.Duration) {
	t.Helper()
	if octets != wantOctets || took > wantTook || took < wantTook-time.Second {
		t.Errorf("%s: %d octets in %v; want %d in %v", what, octets, took, wantOctets, wantTook)
	}
}

func TestRateOfAll(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 100e3}, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		n, took := fetch(t, c, part(1e6))
		want(t, "1 MB at 100 kB/s", n, 1e6, took, 10*time.Second)
		if got := events.next(t); !strings.HasPrefix(got, "file.read name=large bytes=1000000") {
			t.Error(got)
		}
	})
}

// What is sent is spread evenly: no second has more than its worth, but for
// what may pass at once.
func TestRateIsEven(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 1e6}, func(ln *pipes, _ *record, _ func() error) {
		c, _ := ln.dial()
		body := ask(t, c, bufio.NewReader(c), "/large").Body
		start, buf := time.Now(), make([]byte, 10_000)
		for n := 0; n < 5e6; n += len(buf) {
			if _, err := io.ReadFull(body, buf); err != nil {
				t.Fatal(err)
			}
			if most := 200e3 + 1e6*time.Since(start).Seconds(); float64(n) > most {
				t.Fatalf("%d octets after %v", n, time.Since(start))
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("5 MB at 1 MB/s took %v", took)
		}
	})
}

func TestClientsShareTheRateOfAll(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 100e3}, func(ln *pipes, _ *record, _ func() error) {
		var wg sync.WaitGroup
		for _, address := range []string{"10.77.1.2", "10.77.1.3"} {
			c := ln.dialFrom(address)
			wg.Go(func() {
				n, took := fetch(t, c, part(1e6))
				want(t, address, n, 1e6, took, 20*time.Second)
			})
		}
		wg.Wait()
	})
}

// However many connections an address has, it has one rate, and slows down
// nobody else.
func TestRateOfOneAddress(t *testing.T) {
	simulatedServer(t, &Server{MaxClientRate: 100e3, MaxRate: 1e6}, func(ln *pipes, _ *record, _ func() error) {
		var wg sync.WaitGroup
		for i, address := range []string{"2001:db8::1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "10.77.1.2"} {
			alone := i > 2
			c := ln.dialFrom(address)
			wg.Go(func() {
				n, took := fetch(t, c, part(500e3))
				if alone {
					want(t, address, n, 500e3, took, 5*time.Second)
				} else {
					want(t, address, n, 500e3, took, 15*time.Second)
				}
			})
		}
		wg.Wait()
	})
}

// Only boot files are slowed down: who watches over the server, or asks for
// what is not there, has its answer at once.
func TestRateIsOfBootFiles(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 100}, func(ln *pipes, _ *record, _ func() error) {
		busy, _ := ln.dial()
		ask(t, busy, bufio.NewReader(busy), "/large")
		synctest.Wait()
		for _, name := range []string{"/", "/healthz", "/none"} {
			c, _ := ln.dial()
			if _, took := fetch(t, c, lines("GET "+name+" HTTP/1.1", "Host: boot1")); took > 0 {
				t.Errorf("%s took %v", name, took)
			}
		}
	})
}

// A client that the server keeps waiting for longer than it would wait for the
// client is served to the end: a piece of 16 KiB takes 164 s here.
func TestSlowServerIsNoStalledClient(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 100}, func(ln *pipes, events *record, _ func() error) {
		var wg sync.WaitGroup
		for range 3 {
			c, _ := ln.dial()
			wg.Go(func() {
				if n, took := fetch(t, c, part(50e3)); n != 50e3 || took < 10*time.Minute {
					t.Errorf("%d octets in %v", n, took)
				}
			})
		}
		wg.Wait()
		for range 3 {
			if got := events.next(t); !strings.HasPrefix(got, "file.read name=large bytes=50000") {
				t.Error(got)
			}
		}
	})
}

// Nor does a rate give a client more time that takes nothing, or too little.
func TestStalledClientWithARate(t *testing.T) {
	for name, taken := range map[string]int{"nothing": 0, "a trickle": 1000} {
		t.Run(name, func(t *testing.T) {
			simulatedServer(t, &Server{MaxRate: 64e3}, func(ln *pipes, events *record, _ func() error) {
				c, _ := ln.dial()
				resp := ask(t, c, bufio.NewReader(c), "/large")
				start, buf := time.Now(), make([]byte, taken)
				for {
					if _, err := io.ReadFull(resp.Body, buf); err != nil || len(buf) == 0 {
						break
					}
					time.Sleep(2 * time.Second)
				}
				got := events.nextAfter(t, 2*time.Minute)
				if took := time.Since(start); !strings.HasPrefix(got, "file.stalled name=large") || took > 70*time.Second {
					t.Errorf("after %v: %s", took, got)
				}
			})
		})
	}
}

func TestClientThatGoesWhileItWaits(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 100}, func(ln *pipes, events *record, _ func() error) {
		c, _ := ln.dial()
		resp := ask(t, c, bufio.NewReader(c), "/large")
		if _, err := io.ReadFull(resp.Body, make([]byte, leastPiece)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		c.Close()
		if got := events.nextAfter(t, time.Hour); !strings.HasPrefix(got, "file.aborted name=large bytes=16384") || time.Since(start) > 0 {
			t.Errorf("after %v: %s", time.Since(start), got)
		}
	})
}

// A transfer that waits ends with the server, also where net/http does not see
// the connection end: with a second request behind the first, or after a body.
func TestServerThatEndsWhileAClientWaits(t *testing.T) {
	for name, requests := range map[string][]string{
		"alone":       {part(1e6)},
		"pipelined":   {part(1e6), part(1e6)},
		"with a body": {lines("GET /large HTTP/1.1", "Host: boot1", "Content-Length: 1"), "x"},
	} {
		t.Run(name, func(t *testing.T) {
			simulatedServer(t, &Server{MaxRate: 100}, func(ln *pipes, events *record, stop func() error) {
				c, _ := ln.dial()
				go io.Copy(io.Discard, c)
				for _, r := range requests {
					go io.WriteString(c, r)
					time.Sleep(time.Second)
				}
				start := time.Now()
				if err := stop(); err != nil {
					t.Error(err)
				}
				got := events.nextAfter(t, time.Hour)
				if took := time.Since(start); !strings.HasPrefix(got, "file.aborted name=large") || took != 5*time.Second {
					t.Errorf("after %v: %s", took, got)
				}
			})
		})
	}
}

// The two seconds that a body may take are not for the answer.
func TestRateAfterABody(t *testing.T) {
	simulatedServer(t, &Server{MaxRate: 10e3, Takes: func(string) bool { return true }}, func(ln *pipes, events *record, _ func() error) {
		for _, method := range []string{"GET", "POST"} {
			c, _ := ln.dial()
			if n, took := fetch(t, c, lines(method+" /large HTTP/1.1", "Host: boot1", "Range: bytes=0-99999", "Content-Length: 5")+"hello"); took < 5*time.Second {
				t.Errorf("%s: %d octets in %v", method, n, took)
			}
			if got := events.next(t); !strings.HasPrefix(got, "file.read name=large bytes=100000") {
				t.Error(got)
			}
		}
	})
}

func TestRateOfHTTPS(t *testing.T) {
	source := httptest.NewTLSServer(nil) // for its certificate
	defer source.Close()
	conf := &tls.Config{Certificates: source.TLS.Certificates}
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		s := &Server{Opener: newTree(), Events: event.Discard{}, MaxRate: 100e3}
		go func() { done <- s.ServeTLS(ctx, ln, conf) }()
		// Both listeners of a server have one rate together.
		plain := newPipes()
		go func() { done <- s.Serve(ctx, plain) }()
		var wg sync.WaitGroup
		raw, _ := ln.dial()
		secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		open, _ := plain.dial()
		for _, c := range []net.Conn{secure, open} {
			wg.Go(func() {
				n, took := fetch(t, c, part(1e6))
				want(t, fmt.Sprintf("%T", c), n, 1e6, took, 20*time.Second)
			})
		}
		wg.Wait()
		raw.Close()
		open.Close()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// Files of this host come octet for octet, and not sooner than they may: 1 MB
// and a section of 300 kB, of which 100 kB may pass at once.
func TestFilesAreSentInPieces(t *testing.T) {
	files, content, _ := disc(t)
	address := serveWith(t, &Server{Opener: files, Events: event.Discard{}, MaxRate: 2e6, MaxClientRate: 1e6})
	start := time.Now()
	for name, want := range map[string][]byte{"/whole": content, "/section": content[sectionAt:][:sectionSize]} {
		if got := body(exchange(t, address, get(name))); !bytes.Equal([]byte(got), want) {
			t.Errorf("%s: %d octets that are not those of the file; want %d", name, len(got), len(want))
		}
	}
	if took := time.Since(start); took < 1200*time.Millisecond {
		t.Errorf("1.35 MB at 1 MB/s came in %v", took)
	}
}

// It is sendfile that sends the pieces: it is what notices here that the file
// has become shorter.
func TestPiecesLeaveBySendfile(t *testing.T) {
	files, content, file := disc(t)
	if err := os.Truncate(file.Name(), 500_000); err != nil {
		t.Fatal(err)
	}
	events := newRecord()
	answer := exchange(t, serveWith(t, &Server{Opener: files, Events: events, MaxRate: 2e6}), get("/whole"))
	if got := body(answer); got != string(content[:500_000]) {
		t.Errorf("%d octets", len(got))
	}
	if got, want := events.next(t), fmt.Sprintf("file.fault name=whole bytes=500000 status=200 error=sendfile %s: unexpected EOF method=GET", file.Name()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Where nothing is bounded, nothing is counted or waited for.
func TestNoRate(t *testing.T) {
	d := newDoor(standard(), newRates(0, 0))
	r := httptest.NewRequest("GET", "/large", nil)
	if p := d.pace(r); p != nil {
		t.Errorf("%+v", p)
	}
	if s := d.source(client(r).Addr()); s.limiter != nil {
		t.Error("an address has a limiter")
	}
	var none *pace
	if n, err := none.next(large); n != large || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestPieces(t *testing.T) {
	for _, tc := range []struct {
		name           string
		all, own, want int
	}{
		{"nothing is bounded", 0, 0, 0},
		{"a tenth of a second's worth", 5e6, 0, 500e3},
		{"of the lesser rate", 5e6, 1e6, 100e3},
		{"of an address's rate alone", 0, 1e6, 100e3},
		{"no less than 16 KiB", 64e3, 1e9, leastPiece},
		{"no more than 1 MiB", 100e9, 0, mostPiece},
	} {
		if got := newRates(tc.all, tc.own).piece; got != tc.want {
			t.Errorf("%s: %d octets, want %d", tc.name, got, tc.want)
		}
	}
}

// An address that has used up its rate is not forgiven by being forgotten.
func TestAddressInDebtIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(standard(), newRates(0, 10e3))
		a := netipAddr("10.77.1.2")
		s := d.source(a)
		s.limiter.AllowN(time.Now(), leastPiece) // which takes 1.6 s
		time.Sleep(1500 * time.Millisecond)
		d.source(netipAddr("10.77.1.3"))
		if d.sources[a] != s {
			t.Error("forgotten too early")
		}
		time.Sleep(1500 * time.Millisecond)
		d.source(netipAddr("10.77.1.4"))
		if d.sources[a] != nil {
			t.Error("not forgotten")
		}
	})
}
