package bootfile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// origin is a web server whose files a test changes while it runs.
type origin struct {
	*httptest.Server
	mu      sync.Mutex
	handler http.HandlerFunc
	asked   []*http.Request
}

func newOrigin(t *testing.T, h http.HandlerFunc) *origin {
	o := &origin{handler: h}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.asked = append(o.asked, r)
		h := o.handler
		o.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *origin) answer(h http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handler = h
}

func (o *origin) requests() []*http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// versioned answers with a content and its ETag, or 304.
func versioned(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", "v-"+content))
		http.ServeContent(w, r, "", time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC), strings.NewReader(content))
	}
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// mirror is a Remote of one file, "linux", and what it noted.
type mirror struct {
	*Remote
	clock clock
	mu    sync.Mutex
	notes []error
}

func newMirror(t *testing.T, dir, url string) *mirror {
	t.Helper()
	m := &mirror{clock: clock{t: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}}
	remote, err := NewRemote(dir, map[string]string{"linux": url}, true, func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.notes = append(m.notes, err)
	})
	if err != nil {
		t.Fatal(err)
	}
	remote.now = m.clock.now
	m.Remote = remote
	return m
}

func (m *mirror) noted() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprint(m.notes)
}

func TestRemoteDownloadsOnceForManyMachines(t *testing.T) {
	release := make(chan struct{})
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		versioned("kernel")(w, r)
	})
	m := newMirror(t, t.TempDir(), o.URL+"/linux")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if b, _ := read(t, m, "/linux"); string(b) != "kernel" {
				t.Errorf("got %q", b)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := len(o.requests()); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	_, f := read(t, m, "linux")
	if f.Size != 6 || f.Name != "linux" || len(f.ETag) != 66 || !f.ModTime.Equal(time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", f)
	}
}

func TestRemoteComparesOnceAMinute(t *testing.T) {
	o := newOrigin(t, versioned("one"))
	m := newMirror(t, t.TempDir(), o.URL)
	steps := []struct {
		what     string
		do       func()
		want     string
		requests int
	}{
		{"first time", func() {}, "one", 1},
		{"within the minute", func() { o.answer(versioned("two")); m.clock.pass(59 * time.Second) }, "one", 1},
		{"after it, when it has changed", func() { m.clock.pass(time.Second) }, "two", 2},
		{"after another, when it has not", func() { m.clock.pass(time.Minute) }, "two", 3},
	}
	for _, s := range steps {
		s.do()
		if b, _ := read(t, m, "linux"); string(b) != s.want || len(o.requests()) != s.requests {
			t.Errorf("%s: %q after %d requests; want %q after %d", s.what, b, len(o.requests()), s.want, s.requests)
		}
	}
	last := o.requests()[2].Header
	if last.Get("If-None-Match") != `"v-two"` || last.Get("If-Modified-Since") != "Thu, 02 Jul 2026 12:00:00 GMT" {
		t.Errorf("the last request's conditions: %v", last)
	}
	if m.noted() != "[]" {
		t.Errorf("noted %s", m.noted())
	}
}

func TestRemoteServesItsCopyWhileTheOriginIsAway(t *testing.T) {
	o := newOrigin(t, versioned("kernel"))
	m := newMirror(t, t.TempDir(), o.URL)
	read(t, m, "linux")
	for _, away := range []struct {
		how     string
		handler http.HandlerFunc
		noted   string
	}{
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "500 Internal Server Error"},
		{"moved away", http.NotFound, "404 Not Found"},
		{"ends in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "6")
			w.Write([]byte("new"))
		}, "unexpected EOF"},
	} {
		o.answer(away.handler)
		m.clock.pass(time.Minute)
		if b, _ := read(t, m, "linux"); string(b) != "kernel" {
			t.Errorf("%s: got %q", away.how, b)
		}
		if !strings.Contains(m.noted(), away.noted) {
			t.Errorf("%s: noted %s; want %q", away.how, m.noted(), away.noted)
		}
	}
	asked := len(o.requests())
	read(t, m, "linux")
	if n := len(o.requests()); n != asked {
		t.Error("an origin that is away is asked again within the minute")
	}
}

func TestRemoteDoesNotWaitForASlowComparison(t *testing.T) {
	o := newOrigin(t, versioned("kernel"))
	m := newMirror(t, t.TempDir(), o.URL)
	read(t, m, "linux")
	release := make(chan struct{})
	o.answer(func(w http.ResponseWriter, r *http.Request) { <-release; versioned("newer")(w, r) })
	m.wait = time.Millisecond
	m.clock.pass(time.Minute)
	if b, _ := read(t, m, "linux"); string(b) != "kernel" {
		t.Errorf("got %q", b)
	}
	close(release)
	if err := m.Fetch(context.Background()); err != nil {
		t.Fatal(err)
	}
	if b, _ := read(t, m, "linux"); string(b) != "newer" {
		t.Errorf("after the comparison: got %q", b)
	}
}

func TestRemoteWithoutACopyFails(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	tests := []struct {
		what, url, want string
		handler         http.HandlerFunc
		change          func(*Remote)
	}{
		{what: "nothing listens", url: dead.URL, want: "connection refused"},
		{what: "not there", handler: http.NotFound, want: "the server answers 404 Not Found"},
		{what: "password in the URL", handler: http.NotFound, url: "user:secret@", want: "user:xxxxx@"},
		{what: "says that it is too large", handler: versioned("kernel"), change: func(r *Remote) { r.limit = 5 }, want: "it has 6 octets; at most 5 are taken"},
		{what: "is too large without saying so", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("ker"))
			w.(http.Flusher).Flush()
			w.Write([]byte("nel"))
		}, change: func(r *Remote) { r.limit = 5 }, want: "it has more than 5 octets"},
		{what: "stops in the middle", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("ker"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, change: func(r *Remote) { r.stall = 20 * time.Millisecond }, want: "nothing came for 20ms"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			url := tt.url
			if tt.handler != nil {
				url = strings.Replace(newOrigin(t, tt.handler).URL, "http://", "http://"+tt.url, 1)
			}
			dir := t.TempDir()
			m := newMirror(t, dir, url)
			if tt.change != nil {
				tt.change(m.Remote)
			}
			_, err := m.Open(context.Background(), request("linux"))
			if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in %v", err)
			}
			if left := list(t, dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestRemoteTriesAgainAfterAFailure(t *testing.T) {
	o := newOrigin(t, http.NotFound)
	m := newMirror(t, t.TempDir(), o.URL)
	if _, err := m.Open(context.Background(), request("linux")); err == nil {
		t.Fatal("opened what is not there")
	}
	o.answer(versioned("kernel"))
	if b, _ := read(t, m, "linux"); string(b) != "kernel" {
		t.Errorf("got %q", b)
	}
}

func TestRemoteOpenEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) { <-release; versioned("kernel")(w, r) })
	m := newMirror(t, t.TempDir(), o.URL)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Open(ctx, request("linux")); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v", err)
	}
	close(release)
	if b, _ := read(t, m, "linux"); string(b) != "kernel" || len(o.requests()) != 1 {
		t.Errorf("got %q after %d requests; want the first download to have gone on", b, len(o.requests()))
	}
}

func TestRemoteAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	o := newOrigin(t, versioned("kernel"))
	read(t, newMirror(t, dir, o.URL), "linux")
	write(t, filepath.Join(dir, "half.part"), "half a download")
	if b, _ := read(t, newMirror(t, dir, o.URL), "linux"); string(b) != "kernel" {
		t.Errorf("got %q", b)
	}
	if r := o.requests(); len(r) != 2 || r[1].Header.Get("If-None-Match") == "" {
		t.Errorf("the copy was not compared but loaded again, or not looked at: %d requests", len(r))
	}
	if files := list(t, dir); len(files) != 2 {
		t.Errorf("the folder holds %v", files)
	}
}

func TestRemoteDistrustsADamagedCopy(t *testing.T) {
	data := func(t *testing.T, dir, suffix string) string {
		t.Helper()
		for _, name := range list(t, dir) {
			if strings.HasSuffix(name, suffix) {
				return filepath.Join(dir, name)
			}
		}
		t.Fatalf("no %s in %v", suffix, list(t, dir))
		return ""
	}
	for what, damage := range map[string]func(t *testing.T, dir string){
		"data cut short":        func(t *testing.T, dir string) { write(t, data(t, dir, ".data"), "ker") },
		"data gone":             func(t *testing.T, dir string) { os.Remove(data(t, dir, ".data")) },
		"description malformed": func(t *testing.T, dir string) { write(t, data(t, dir, ".json"), "{") },
		"description leads out of the folder": func(t *testing.T, dir string) {
			b, _ := os.ReadFile(data(t, dir, ".json"))
			write(t, data(t, dir, ".json"), strings.Replace(string(b), `"file": "`, `"file": "../`, 1))
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			o := newOrigin(t, versioned("kernel"))
			read(t, newMirror(t, dir, o.URL), "linux")
			damage(t, dir)
			if b, _ := read(t, newMirror(t, dir, o.URL), "linux"); string(b) != "kernel" {
				t.Errorf("got %q", b)
			}
			if r := o.requests(); len(r) != 2 || r[1].Header.Get("If-None-Match") != "" {
				t.Errorf("the second of %d requests was a comparison", len(r))
			}
		})
	}
}

func TestRemoteCopyRemovedWhileRunning(t *testing.T) {
	dir := t.TempDir()
	o := newOrigin(t, versioned("kernel"))
	m := newMirror(t, dir, o.URL)
	read(t, m, "linux")
	for _, name := range list(t, dir) {
		os.Remove(filepath.Join(dir, name))
	}
	if _, err := m.Open(context.Background(), request("linux")); err == nil {
		t.Fatal("opened a file that was removed")
	}
	if b, _ := read(t, m, "linux"); string(b) != "kernel" {
		t.Errorf("got %q", b)
	}
}

func TestRemoteReaderKeepsTheOldFile(t *testing.T) {
	o := newOrigin(t, versioned("old kernel"))
	m := newMirror(t, t.TempDir(), o.URL)
	f, err := m.Open(context.Background(), request("linux"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o.answer(versioned("new"))
	m.clock.pass(time.Minute)
	if b, _ := read(t, m, "linux"); string(b) != "new" {
		t.Fatalf("got %q", b)
	}
	b := make([]byte, f.Size)
	if _, err := f.Content.ReadAt(b, 0); err != nil || string(b) != "old kernel" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestRemoteKnowsNothingElse(t *testing.T) {
	o := newOrigin(t, versioned("kernel"))
	m := newMirror(t, t.TempDir(), o.URL)
	for _, name := range append(corpusPaths(t), o.URL, "linux/x", "") {
		if f, err := m.Open(context.Background(), request(name)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %+v, %v", name, f, err)
		}
	}
	if n := len(o.requests()); n != 0 {
		t.Errorf("the origin was asked %d times", n)
	}
}

func TestRemoteFetchReportsWhatFailed(t *testing.T) {
	good, bad := newOrigin(t, versioned("kernel")), newOrigin(t, http.NotFound)
	remote, err := NewRemote(t.TempDir(), map[string]string{"linux": good.URL, "initrd": bad.URL}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), bad.URL) {
		t.Errorf("got %v", err)
	}
	if b, _ := read(t, remote, "linux"); string(b) != "kernel" || len(good.requests()) != 1 {
		t.Errorf("got %q after %d requests", b, len(good.requests()))
	}
}

func TestNewRemoteRefuses(t *testing.T) {
	if _, err := NewRemote(t.TempDir(), map[string]string{"/linux": "http://192.0.2.1/"}, true, nil); err == nil {
		t.Error("a name that is not clean was taken")
	}
	file := write(t, filepath.Join(t.TempDir(), "file"), "")
	if _, err := NewRemote(file, nil, true, nil); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
