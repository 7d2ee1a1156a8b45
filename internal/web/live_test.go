package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hobnail/internal/model"
	httpserve "hobnail/internal/serve/http"
	"hobnail/internal/verdict"
)

// pipes is a listener of connections in memory, which time is simulated with.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// local is a pipe whose ends are both on this host.
type local struct{ net.Conn }

func (local) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

// simulated runs a console behind the HTTP server, with its real limits, in
// simulated time.
func simulated(t *testing.T, k *keeper, run func(dial func() net.Conn, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		ln := &pipes{conns: make(chan net.Conn), ended: make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		c := console(t, k)
		c.pace = time.Second
		s := &httpserve.Server{Opener: noFiles{}, Events: deaf{}, Console: c.Answer}
		go func() { done <- s.Serve(ctx, ln) }()
		stop := func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
			done <- nil
		}
		defer stop()
		run(func() net.Conn {
			ours, theirs := net.Pipe()
			ln.conns <- local{theirs}
			return ours
		}, stop)
	})
}

// watch asks for a live page and gives its events.
func watch(t *testing.T, c net.Conn, path string) *events {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s %s", path, resp.Status, resp.Header.Get("Content-Type"))
	}
	return &events{bufio.NewReader(resp.Body)}
}

// events reads server-sent events.
type events struct{ r *bufio.Reader }

// next gives the next event that is one.
func (e *events) next() (name, data string, err error) {
	for {
		l, err := e.r.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		l = strings.TrimSuffix(l, "\n")
		switch {
		case l == "" && name != "":
			return name, data, nil
		case strings.HasPrefix(l, "event: "):
			name = l[7:]
		case strings.HasPrefix(l, "data: "):
			data += l[6:] + "\n"
		}
	}
}

func (e *events) want(t *testing.T, name string, parts ...string) string {
	t.Helper()
	got, data, err := e.next()
	if err != nil || got != name {
		t.Fatalf("event %q, %v; want %s", got, err, name)
	}
	for _, p := range parts {
		if !strings.Contains(data, p) {
			t.Fatalf("%s lacks %q:\n%s", name, p, data)
		}
	}
	return data
}

func TestLiveList(t *testing.T) {
	boots := many(pageSize + 3)
	k := newKeeper(boots[1:]...)
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live")
		first := e.want(t, "put", "pc-0001", fmt.Sprintf("pc-%04d", pageSize))
		if n := strings.Count(first, "<li "); n != pageSize {
			t.Errorf("%d boots at first, want %d", n, pageSize)
		}
		e.want(t, "only", "boot-"+boots[1].ID)
		// A new one pushes the oldest out.
		k.set(boots[0])
		if put := e.want(t, "put", "pc-0000"); strings.Count(put, "<li ") != 1 {
			t.Errorf("more than what changed was sent:\n%s", put)
		}
		if only := e.want(t, "only", "boot-"+boots[0].ID); strings.Contains(only, boots[pageSize].ID) {
			t.Error("the oldest stays")
		}
		e.want(t, "say", "pc-0000: booted")
		// One that is older than the page is none of its affair; one on it is.
		k.set(boots[pageSize+2])
		changed := copyOf(boots[2])
		changed.Name = "renamed"
		k.set(changed)
		if put := e.want(t, "put", "renamed"); strings.Count(put, "<li ") != 1 {
			t.Errorf("more than what changed was sent:\n%s", put)
		}
	})
}

func copyOf(b *model.Boot) *model.Boot { c := *b; return &c }

// The live part lets through what the page's filter does.
func TestLiveFilter(t *testing.T) {
	k := newKeeper()
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live?outcome=failed")
		e.want(t, "only", "parts")
		boots := many(2)
		k.set(boots[0])
		failed := copyOf(boots[1])
		failed.Verdict = model.Verdict{Code: verdict.NoLease, Outcome: model.OutcomeFailed, Final: true, Text: "none"}
		k.set(failed)
		if put := e.want(t, "put", failed.ID); strings.Contains(put, boots[0].ID) {
			t.Error("the other came as well")
		}
		e.want(t, "say", "no DHCP server gave an address")
		k.set(boots[1]) // it went well in the end
		if only := e.want(t, "only"); strings.Contains(only, failed.ID) {
			t.Error("it stays")
		}
	})
}

// A page that is open for hours, while little happens or nothing, lives: the
// limits for transfers are not for it.
func TestLiveForHours(t *testing.T) {
	boots := many(20)
	k := newKeeper()
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live")
		e.want(t, "only")
		got := make(chan string)
		go func() {
			for {
				name, data, err := e.next()
				if err != nil {
					close(got)
					return
				}
				if name == "put" {
					got <- data
				}
			}
		}()
		for _, b := range boots {
			time.Sleep(7 * time.Minute)
			k.set(b)
			if data, ok := <-got; !ok || !strings.Contains(data, b.Name) {
				t.Fatalf("%s did not come", b.Name)
			}
		}
	})
}

// Who takes nothing is dropped, and its place is free again.
func TestSlowReaderIsDropped(t *testing.T) {
	k := newKeeper(many(3)...)
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live")
		e.want(t, "put")
		e.want(t, "only")
		start := time.Now()
		for i := range 3 { // read by nobody
			time.Sleep(time.Second)
			b := many(5)[4]
			b.Name = fmt.Sprint("change ", i)
			k.set(b)
		}
		for k.watchers() > 0 {
			time.Sleep(time.Second)
			if time.Since(start) > time.Minute {
				t.Fatal("it has its place for a minute")
			}
		}
		if took := time.Since(start); took < takeTime {
			t.Errorf("it was dropped after %v", took)
		}
	})
}

// A server that stops does not wait for those who watch.
func TestStopWhileWatched(t *testing.T) {
	k := newKeeper()
	simulated(t, k, func(dial func() net.Conn, stop func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live")
		e.want(t, "only")
		ended := make(chan error, 1)
		go func() { _, err := io.ReadAll(e.r); ended <- err }()
		start := time.Now()
		stop()
		if took := time.Since(start); took > time.Second {
			t.Errorf("stopping took %v", took)
		}
		if err := <-ended; err != nil {
			t.Errorf("the stream ended with %v", err)
		}
	})
}

// Live pages are bounded, for one address and for all; who leaves makes room.
func TestNumberOfLivePages(t *testing.T) {
	k := newKeeper()
	c := console(t, k)
	c.live.mostOfOne = 2
	base := serve(t, c)
	open := func() *http.Response {
		resp, err := http.Get(base + "/live")
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first, second := open(), open()
	defer second.Body.Close()
	third := open()
	third.Body.Close()
	if first.StatusCode != 200 || second.StatusCode != 200 || third.StatusCode != 503 || third.Header.Get("Retry-After") == "" {
		t.Errorf("got %s, %s, %s", first.Status, second.Status, third.Status)
	}
	first.Body.Close()
	for {
		resp := open()
		resp.Body.Close()
		if resp.StatusCode == 200 {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

func TestNumberOfLivePagesOfAll(t *testing.T) {
	s := streams{most: 3, mostOfOne: 2}
	a, b := addr("10.77.1.1"), addr("10.77.1.2")
	got := fmt.Sprint(s.enter(a), s.enter(a), s.enter(a), s.enter(b), s.enter(b))
	if got != "true true false true false" {
		t.Error(got)
	}
	s.leave(a)
	if !s.enter(b) {
		t.Error("the place of one who left is not free")
	}
}

// Changes that were lost on the way are made up for.
func TestMissedChanges(t *testing.T) {
	k := newKeeper()
	k.depth = 2
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, "/live")
		e.want(t, "only")
		boots := many(40)
		for _, b := range boots {
			k.set(b)
		}
		seen := ""
		for range 2 {
			seen += e.want(t, "put")
			e.want(t, "say")
			if strings.Count(seen, "<li ") >= len(boots) {
				return
			}
			for {
				name, data, err := e.next()
				if err != nil {
					t.Fatal(err)
				}
				if name == "put" {
					seen += data
					break
				}
			}
			if strings.Count(seen, "<li ") >= len(boots) {
				return
			}
		}
		t.Errorf("%d of %d boots came", strings.Count(seen, "<li "), len(boots))
	})
}

func TestLiveBoot(t *testing.T) {
	s := begin(0, "52:54:00:12:34:99", "", "eth0", "uefi-x64").discover(0, "firmware", 1)
	first := copyOf(s.done(false))
	k := newKeeper(first, many(1)[0])
	simulated(t, k, func(dial func() net.Conn, _ func()) {
		conn := dial()
		defer conn.Close()
		e := watch(t, conn, bootPath(first.ID)+"/live")
		e.want(t, "put", `id="verdict"`, `id="machine"`, `id="why"`, `id="scale"`, `id="step-00001"`)
		e.want(t, "only")
		k.set(many(1)[0]) // another boot
		s.offer(time.Second, "10.77.1.2", "", "m/x/uefi-x64/shimx64.efi")
		k.set(s.done(true))
		title := titleOf(&s.b.Verdict)
		put := e.want(t, "put", `id="step-00002"`, title, "hobnail.toml:12")
		if strings.Contains(put, "pc-0000") {
			t.Error("another boot came")
		}
		e.want(t, "say", title)
	})
}

// Another site's page can neither read a live page nor hold a place.
func TestForeignPages(t *testing.T) {
	c := console(t, newKeeper())
	for _, tc := range []struct {
		name, header, value string
		want                int
	}{
		{"another site", "Sec-Fetch-Site", "cross-site", 403},
		{"a neighbour", "Sec-Fetch-Site", "same-site", 403},
		{"another origin", "Origin", "http://evil.example", 403},
		{"another port", "Origin", "http://localhost:9999", 403},
		{"an origin that hides", "Origin", "null", 403},
		{"our own page", "Sec-Fetch-Site", "same-origin", 200},
		{"our own origin", "Origin", "http://localhost:8080", 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := ask(c, "/live", func(r *http.Request) {
				r.Header.Set(tc.header, tc.value)
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				*r = *r.WithContext(ctx)
			})
			if w.Code != tc.want {
				t.Errorf("got %d, want %d", w.Code, tc.want)
			}
		})
	}
}

// A line of data has no end of line in it, of any kind: what it would begin is
// an event of somebody else's.
func TestEventIsOneEvent(t *testing.T) {
	var b strings.Builder
	sendEvent(&b, "say", "a\r\nevent: put\rdata: x\n\ny")
	want := "event: say\ndata: a\ndata: \ndata: event: put\ndata: data: x\ndata: \ndata: y\n\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
