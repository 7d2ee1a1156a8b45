package httpserve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// tree is an Opener of contents in memory, and remembers what it was asked.
type tree struct {
	files map[string]bootfile.File
	mu    sync.Mutex
	asked []bootfile.Request
}

func (t *tree) Open(_ context.Context, r bootfile.Request) (*bootfile.File, error) {
	t.mu.Lock()
	t.asked = append(t.asked, r)
	t.mu.Unlock()
	name, ok := bootfile.Clean(r.Name)
	f, found := t.files[name]
	if !ok || !found {
		return nil, bootfile.ErrNotFound
	}
	if f.Content == nil {
		return nil, errors.New("opening boot file: disk error")
	}
	f.Name = name
	f.Close = func() error { return nil }
	return &f, nil
}

func contents(s string) bootfile.File {
	return bootfile.File{Size: int64(len(s)), Content: strings.NewReader(s), ETag: `"e"`, ModTime: time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC)}
}

// faulty can be read up to an offset.
type faulty struct{ upTo int64 }

func (f faulty) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.upTo {
		return 0, errors.New("input/output error")
	}
	return len(p), nil
}

// large is the size of a file that no socket buffer holds.
const large = 64 << 20

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func newTree() *tree {
	generated := contents("#!ipxe\n")
	generated.ETag, generated.ModTime, generated.ContentType = "", time.Time{}, "text/plain; charset=utf-8"
	unknown := contents("stream")
	unknown.Size = -1
	return &tree{files: map[string]bootfile.File{
		"img/debian-12/linux": contents("0123456789"),
		"nbp/shimx64.efi":     contents("MZ"),
		"nbp/UPPER.EFI":       contents("MZ"),
		"boot.img":            contents("disk"),
		"boot.iso":            contents("disc"),
		"grub/grub.cfg":       contents("set"),
		"m/boot.ipxe":         generated,
		"empty":               contents(""),
		"stream":              unknown,
		"broken":              {},
		"damaged":             {Size: 1 << 20, Content: faulty{upTo: 256 << 10}},
		"large":               {Size: large, Content: zeros{}},
		"damaged-stream":      {Size: -1, Content: faulty{upTo: 256 << 10}},
		"%41":                 contents("literal"),
	}}
}

// record keeps events as lines, without their times.
type record struct {
	mu    sync.Mutex
	lines []string
	added chan struct{} // takes one per event; never full in these tests
}

func newRecord() *record { return &record{added: make(chan struct{}, 1000)} }

func (r *record) Emit(e event.Event) {
	if e.Code == event.FileBegun {
		return // has a test of its own
	}
	line := string(e.Code)
	for _, a := range e.Attrs {
		if a.Key != "duration" && a.Key != "via" {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		if a.Key == "duration" && a.Value.Kind() != slog.KindDuration {
			line += " duration is " + a.Value.String()
		}
	}
	r.mu.Lock()
	r.lines = append(r.lines, line)
	r.mu.Unlock()
	r.added <- struct{}{}
}

// next waits for an event.
func (r *record) next(t *testing.T) string {
	t.Helper()
	return r.nextAfter(t, 10*time.Second)
}

func (r *record) nextAfter(t *testing.T, d time.Duration) string {
	t.Helper()
	select {
	case <-r.added:
	case <-time.After(d):
		t.Fatal("no event came")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.lines[0]
	r.lines = r.lines[1:]
	return line
}

// serve runs a server on loopback until the test ends.
func serve(t *testing.T, files *tree, events event.Sink) (address string) {
	t.Helper()
	return serveWith(t, &Server{Opener: files, Events: events})
}

func serveWith(t *testing.T, s *Server) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// exchange sends octets on a new connection and reads until the server closes
// it, as it does after a request that asks for that.
func exchange(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, c); err != nil {
		t.Fatalf("reading the answer to %q: %v", request, err)
	}
	return b.String()
}

// get is a request that ends its connection.
func get(target string, headers ...string) string {
	return method("GET", target, headers...)
}

func method(m, target string, headers ...string) string {
	lines := append([]string{m + " " + target + " HTTP/1.1", "Host: boot1", "Connection: close"}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func status(answer string) string {
	line, _, _ := strings.Cut(answer, "\r\n")
	return strings.TrimPrefix(strings.TrimPrefix(line, "HTTP/1.1 "), "HTTP/1.0 ")
}

func netipAddr(s string) netip.Addr { return netip.MustParseAddr(s) }
