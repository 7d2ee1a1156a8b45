package host

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hobnail/internal/diag"
	"hobnail/internal/wire/tftp"
)

// TestFolder: whether a data folder can be written, and one that the first
// start would make.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "not", "yet")} {
		d := folder(path)
		if d.Fault != "" || d.Free == 0 || d.Total < d.Free {
			t.Errorf("%s: %+v", path, d)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("something is left behind: %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d := folder(file); d.Fault == "" {
		t.Error("a file passes for a folder")
	}
}

// TestSelfTests: any answer of TFTP and HTTP will do; none will not.
func TestSelfTests(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := make(chan bool, 8)
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if _, err := tftp.ParseRequest(buf[:n]); err == nil && <-answers {
				conn.WriteTo(tftp.AppendError(nil, tftp.ErrorNotFound, "no such file"), from)
			}
		}
	}()
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	answers <- true
	if fault := askTFTP(to, ""); fault != "" {
		t.Errorf("a server that answers: %s", fault)
	}
	for range 3 {
		answers <- false
	}
	if fault := askTFTP(to, ""); fault == "" {
		t.Error("a server that is silent passes")
	}
	web := httptest.NewServer(http.NotFoundHandler())
	at := netip.MustParseAddrPort(strings.TrimPrefix(web.URL, "http://"))
	if fault := askHTTP(t.Context(), at); fault != "" {
		t.Errorf("a web server that answers: %s", fault)
	}
	web.Close()
	if fault := askHTTP(t.Context(), at); fault == "" {
		t.Error("a web server that is gone passes")
	}
}

// TestPorts: a port of this very program is a hobnail's, as it runs the same
// file.
func TestPorts(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	p := ports([]diag.Port{{Network: "udp", Port: port, What: "DHCP"}})[0]
	if !p.Bound || !p.Ours {
		t.Errorf("our own port is %+v", p)
	}
}

// TestRoute: loopback has a route whatever the host is joined to.
func TestRoute(t *testing.T) {
	if why := route(netip.MustParseAddr("127.0.0.1")); why != "" {
		t.Errorf("loopback cannot be reached: %s", why)
	}
}
