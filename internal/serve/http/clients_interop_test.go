//go:build interop

package httpserve

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"
)

// TestInteropSendfile looks from outside how files leave: by sendfile(2), each
// from its own place (Debian package strace).
func TestInteropSendfile(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "strace")
	out, err := exec.Command("strace", "-f", "-e", "trace=sendfile,sendfile64", "-o", log, self, "-test.run", "^TestFilesAreSent$", "-test.count=1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// net/http copies the first 512 octets of a body by itself.
	for name, at := range map[string]int64{
		"a file": 512, "a range": 12345 + 512, "the end of a file": 1<<20 + 77 - 70000 + 512,
		"a section": sectionAt + 512, "a range of a section": sectionAt + 11 + 512,
	} {
		if !strings.Contains(string(calls), fmt.Sprintf(" [%d] => [", at)) {
			t.Errorf("%s was not sent from %d:\n%.2000s", name, at, calls)
		}
	}
}

// serveTLS is serve for HTTPS, with a certificate for 127.0.0.1 and the file
// of its CA.
func serveTLS(t *testing.T, files *tree) (address, ca string) {
	t.Helper()
	source := httptest.NewTLSServer(nil) // for its certificate
	source.Close()
	cert := source.TLS.Certificates[0]
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&Server{Opener: files, Events: event.Discard{}}).ServeTLS(ctx, ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ServeTLS: %v", err)
		}
	})
	return ln.Addr().String(), ca
}

// TestInteropClients fetches a file of this host with other people's clients.
func TestInteropClients(t *testing.T) {
	files, content, _ := disc(t)
	plain := "http://" + serve(t, files, event.Discard{}) + "/whole"
	address, ca := serveTLS(t, files)
	secure := "https://" + address + "/whole"
	const python = "import ssl,sys,urllib.request as u\nc=ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv)>2 else None\nsys.stdout.buffer.write(u.urlopen(sys.argv[1],context=c).read())"
	for _, tt := range []struct {
		name string
		argv []string
	}{
		{"curl", []string{"curl", "-sSf", plain}},
		{"curl, HTTPS", []string{"curl", "-sSf", "--cacert", ca, secure}},
		{"curl, TLS 1.2", []string{"curl", "-sSf", "--tls-max", "1.2", "--cacert", ca, secure}},
		{"wget", []string{"wget", "-q", "-O", "-", plain}},
		{"wget, HTTPS", []string{"wget", "-q", "--ca-certificate", ca, "-O", "-", secure}},
		{"busybox wget", []string{"busybox", "wget", "-q", "-O", "-", plain}},
		{"Python", []string{"python3", "-c", python, plain}},
		{"Python, HTTPS", []string{"python3", "-c", python, secure, ca}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.Command(tt.argv[0], tt.argv[1:]...).Output()
			if err != nil || sha256.Sum256(out) != sha256.Sum256(content) {
				t.Errorf("%d octets that are not the file's, %v", len(out), err)
			}
		})
	}
}

// slowReaders is the other process of TestInteropSlowReaders: it connects so
// often to an address, from 100 addresses or one, asks for a large file and
// takes a little of it now and then, until its standard input ends.
func slowReaders(address string, count int, oneSource bool) {
	var open atomic.Int64
	conns := make([]net.Conn, count)
	for i := range conns {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 6, byte(1+i%100))}, Timeout: 20 * time.Second}
		if oneSource {
			d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 6, 1)}
		}
		c, err := d.Dial("tcp", address)
		if err != nil {
			continue
		}
		c.(*net.TCPConn).SetReadBuffer(4096)
		io.WriteString(c, "GET /disc HTTP/1.1\r\nHost: boot1\r\n\r\n")
		conns[i] = c
		open.Add(1)
	}
	fmt.Println(open.Load())
	go func() {
		for b := make([]byte, 2000); ; time.Sleep(time.Second) {
			for _, c := range conns {
				if c != nil {
					c.SetReadDeadline(time.Now().Add(time.Microsecond))
					c.Read(b)
				}
			}
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

// TestInteropSlowReaders: beside 5,000 clients that take a few octets now and
// then, of one address or a hundred, a normal one gets 1 MiB within 3 seconds,
// 99 times of 100.
func TestInteropSlowReaders(t *testing.T) {
	if text := os.Getenv("HOBNAIL_SLOW_READERS"); text != "" {
		var plan struct {
			Address   string
			OneSource bool
		}
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			t.Fatal(err)
		}
		slowReaders(plan.Address, 5000, plan.OneSource)
		os.Exit(0)
	}
	if spareFiles() < 10_000+1000 {
		t.Skipf("this process may open %d files only; raise ulimit -n", spareFiles())
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disc")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	mib := filepath.Join(t.TempDir(), "mib")
	if err := os.WriteFile(mib, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := bootfile.NewTable(false, bootfile.Part{Files: map[string]string{"disc": path, "mib": mib}})
	if err != nil {
		t.Fatal(err)
	}
	for name, oneSource := range map[string]bool{"of one address": true, "of a hundred addresses": false} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			srv := &Server{Opener: table, Events: event.Discard{}}
			go func() { done <- srv.Serve(ctx, ln) }()
			plan, _ := json.Marshal(map[string]any{"Address": ln.Addr().String(), "OneSource": oneSource})
			before := resident()
			cmd := exec.Command(self, "-test.run", "^TestInteropSlowReaders$")
			cmd.Env = append(os.Environ(), "HOBNAIL_SLOW_READERS="+string(plan))
			in, _ := cmd.StdinPipe()
			out, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			connected, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var times []time.Duration
			for range 100 {
				start := time.Now()
				got := body(exchange(t, ln.Addr().String(), get("/mib")))
				if times = append(times, time.Since(start)); len(got) != 1<<20 {
					t.Fatalf("%d octets", len(got))
				}
			}
			slices.Sort(times)
			srv.door.mu.Lock()
			inside := srv.door.inside
			srv.door.mu.Unlock()
			t.Logf("%s connected, %d inside, p50 %v, p99 %v, memory %d MiB more", strings.TrimSpace(connected), inside, times[50], times[98], (resident()-before)>>20)
			if times[98] > 3*time.Second {
				t.Errorf("p99 is %v", times[98])
			}
			if !oneSource && inside < 5000 {
				t.Errorf("%d of 5,000 were let in", inside)
			}
			in.Close()
			cmd.Wait()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// resident is the memory of this process, in octets.
func resident() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}
