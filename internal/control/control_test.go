package control_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/control"
	"hobnail/internal/model"
)

// serve runs a server that releases whatever it is asked to, until the test
// ends, and gives the name of its socket.
func serve(t *testing.T) string {
	t.Helper()
	return serveAt(t, filepath.Join(t.TempDir(), "control"))
}

func serveAt(t *testing.T, path string) string {
	t.Helper()
	ln, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- control.Serve(ctx, ln, func(ctx context.Context, r control.Request, send func(control.Answer) error) {
			if r.Boots != nil {
				boots(ctx, r.Boots, send)
				return
			}
			a, err := netip.ParseAddr(r.Release)
			if err != nil {
				send(control.Answer{Error: "no address"})
				return
			}
			send(control.Answer{Released: []model.Lease{{Address: a, Hostname: "a\nb"}}})
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

// boots sends three boots, and with follow more until the asker goes away.
func boots(ctx context.Context, r *control.Boots, send func(control.Answer) error) {
	for n := 0; n < 3 || r.Follow && ctx.Err() == nil; n++ {
		if send(control.Answer{Boot: &model.Boot{ID: fmt.Sprint(n)}}) != nil {
			gone <- true
			return
		}
	}
	if r.Follow {
		gone <- true
	}
}

var gone = make(chan bool, 1)

// TestAskAll: as many answers as there are, and the other side hears when
// nobody wants more.
func TestAskAll(t *testing.T) {
	path := serve(t)
	n := 0
	err := control.AskAll(t.Context(), path, control.Request{Boots: &control.Boots{}}, func(a control.Answer) bool {
		if a.Boot == nil || a.Boot.ID != fmt.Sprint(n) {
			t.Errorf("answer %d is %+v", n, a)
		}
		n++
		return true
	})
	if err != nil || n != 3 {
		t.Errorf("%d answers, error %v", n, err)
	}
	n = 0
	err = control.AskAll(t.Context(), path, control.Request{Boots: &control.Boots{Follow: true}}, func(control.Answer) bool {
		n++
		return n < 100
	})
	if err != nil || n != 100 {
		t.Errorf("%d answers, error %v", n, err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the server goes on answering nobody")
	}
}

func TestAsk(t *testing.T) {
	path := serve(t)
	got, err := control.Ask(path, control.Request{Release: "10.77.2.51"})
	want := control.Answer{Released: []model.Lease{{Address: netip.MustParseAddr("10.77.2.51"), Hostname: "a\nb"}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if got, err := control.Ask(path, control.Request{Release: "x"}); err != nil || got.Error != "no address" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAFolderWithALongName: the kernel takes 107 octets for a socket's name.
func TestAFolderWithALongName(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 50))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := control.Ask(serveAt(t, filepath.Join(folder, "control")), control.Request{Release: "x"}); err != nil || got.Error != "no address" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestOnlyTheOwnerMayAsk: the socket's mode is what keeps others out.
func TestOnlyTheOwnerMayAsk(t *testing.T) {
	info, err := os.Stat(serve(t))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

// TestASocketThatWasLeftIsReplaced: a server that was killed removes nothing.
func TestASocketThatWasLeftIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	for range 2 {
		ln, err := control.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := control.Ask(path, control.Request{}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("asking nobody: %v", err)
	}
}

// TestNonsense: what is no request gets an answer, or nothing, and the server
// goes on.
func TestNonsense(t *testing.T) {
	path := serve(t)
	for text, want := range map[string]string{
		"hello\n": "is no JSON of ours",
		"{}\n":    "no address",
		"":        "",
	} {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(text))
		conn.CloseWrite()
		b := make([]byte, 1000)
		n, _ := conn.Read(b)
		if got := string(b[:n]); !strings.Contains(got, want) || want == "" && n > 0 {
			t.Errorf("%q is answered with %q, want %q", text, got, want)
		}
		conn.Close()
	}
}

func TestListenSaysWhatFailed(t *testing.T) {
	if _, err := control.Listen(filepath.Join(t.TempDir(), "nowhere", "control")); err == nil || !strings.HasPrefix(err.Error(), "listening for commands: ") {
		t.Errorf("error %v", err)
	}
}
