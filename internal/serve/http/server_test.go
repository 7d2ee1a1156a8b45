package httpserve

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/event"

	"github.com/google/go-cmp/cmp"
)

// The whole answer, octet for octet but for the date.
func TestAnswers(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	date := regexp.MustCompile(`Date: [^\r]*\r\n`)
	kernel := []string{"Accept-Ranges: bytes", "Content-Length: 10", "Content-Type: application/octet-stream", `Etag: "e"`, "Last-Modified: Thu, 02 Jul 2026 12:00:00 GMT", "Connection: close"}
	textual := func(length int) []string {
		return []string{fmt.Sprintf("Content-Length: %d", length), "Content-Type: text/plain; charset=utf-8", "Connection: close"}
	}
	tests := []struct {
		name, request, status string
		headers               []string
		body                  string
	}{
		{"a file", get("/img/debian-12/linux"), "200 OK", kernel, "0123456789"},
		{"its size", method("HEAD", "/img/debian-12/linux"), "200 OK", kernel, ""},
		{"a query, which means nothing", get("/img/debian-12/linux?x=../y"), "200 OK", kernel, "0123456789"},
		{"through a proxy", get("http://boot1/img/debian-12/linux"), "200 OK", kernel, "0123456789"},
		{"a script made for the moment", get("/m/boot.ipxe"), "200 OK", []string{"Accept-Ranges: bytes", "Content-Length: 7", "Content-Type: text/plain; charset=utf-8", "Connection: close"}, "#!ipxe\n"},
		{"an empty file", get("/empty"), "200 OK", []string{"Accept-Ranges: bytes", "Content-Length: 0", "Content-Type: application/octet-stream", `Etag: "e"`, "Last-Modified: Thu, 02 Jul 2026 12:00:00 GMT", "Connection: close"}, ""},
		{"the first octets", get("/img/debian-12/linux", "Range: bytes=0-3"), "206 Partial Content",
			[]string{"Accept-Ranges: bytes", "Content-Length: 4", "Content-Range: bytes 0-3/10", "Content-Type: application/octet-stream", `Etag: "e"`, "Last-Modified: Thu, 02 Jul 2026 12:00:00 GMT", "Connection: close"}, "0123"},
		{"the last octets", get("/img/debian-12/linux", "Range: bytes=-2"), "206 Partial Content",
			[]string{"Accept-Ranges: bytes", "Content-Length: 2", "Content-Range: bytes 8-9/10", "Content-Type: application/octet-stream", `Etag: "e"`, "Last-Modified: Thu, 02 Jul 2026 12:00:00 GMT", "Connection: close"}, "89"},
		{"a rest of another version", get("/img/debian-12/linux", "Range: bytes=5-", `If-Range: "other"`), "200 OK", kernel, "0123456789"},
		{"beyond the end", get("/img/debian-12/linux", "Range: bytes=10-"), "416 Requested Range Not Satisfiable",
			[]string{"Content-Range: bytes */10", "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff", "Content-Length: 33", "Connection: close"}, "invalid range: failed to overlap\n"},
		{"a copy that is current", get("/img/debian-12/linux", `If-None-Match: "e"`), "304 Not Modified", []string{`Etag: "e"`, "Connection: close"}, ""},
		{"what is not there", get("/img/none"), "404 Not Found", textual(28), "There is no such boot file.\n"},
		{"the size of what is not there", method("HEAD", "/img/none"), "404 Not Found", textual(28), ""},
		{"what cannot be read", get("/broken"), "500 Internal Server Error", textual(55), "The file could not be read; the server's log says why.\n"},
		{"the front page", get("/"), "200 OK", textual(77), "This is hobnail, a network boot server. Machines read their boot files here.\n"},
		{"health", get("/healthz"), "200 OK", textual(3), "ok\n"},
		{"an upload", method("PUT", "/x", "Content-Length: 0"), "405 Method Not Allowed", append([]string{"Allow: GET, HEAD"}, textual(37)...), "Only GET and HEAD are answered here.\n"},
		{"a form", method("POST", "/"), "405 Method Not Allowed", append([]string{"Allow: GET, HEAD"}, textual(37)...), "Only GET and HEAD are answered here.\n"},
		{"options of the server", method("OPTIONS", "*"), "405 Method Not Allowed", append([]string{"Allow: GET, HEAD"}, textual(37)...), "Only GET and HEAD are answered here.\n"},
		{"a tunnel", method("CONNECT", "192.0.2.1:25"), "405 Method Not Allowed", append([]string{"Allow: GET, HEAD"}, textual(37)...), "Only GET and HEAD are answered here.\n"},
		{"a file of unknown size", get("/stream"), "200 OK", []string{"Content-Type: application/octet-stream", `Etag: "e"`, "Content-Length: 6", "Connection: close"}, "stream"},
		{"HTTP/1.0", "GET /img/debian-12/linux HTTP/1.0\r\n\r\n", "200 OK", kernel[:5], "0123456789"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := date.ReplaceAllString(exchange(t, address, tt.request), "")
			version := "HTTP/1.1 "
			if strings.Contains(tt.request, "HTTP/1.0") {
				version = "HTTP/1.0 "
			}
			want := version + tt.status + "\r\n" + strings.Join(tt.headers, "\r\n") + "\r\n\r\n" + tt.body
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestContentTypes(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	for name, want := range map[string]string{
		"nbp/shimx64.efi": "application/efi",
		"nbp/UPPER.EFI":   "application/efi",
		"boot.img":        "application/vnd.efi-img",
		"boot.iso":        "application/vnd.efi-iso",
		"grub/grub.cfg":   "text/plain; charset=utf-8",
		"empty":           "application/octet-stream",
	} {
		answer := exchange(t, address, get("/"+name))
		if !strings.Contains(answer, "\r\nContent-Type: "+want+"\r\n") {
			t.Errorf("%s: want %s\n%s", name, want, answer)
		}
	}
}

func TestNamesInAnySpelling(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	for target, want := range map[string]string{
		"//img/debian-12/linux":       "200 OK",
		"/img//debian-12/./linux":     "200 OK",
		"/./img/debian-12/linux/":     "200 OK",
		`/img\debian-12\linux`:        "200 OK",
		"/%69mg%2Fdebian-12/linux":    "200 OK",
		"/%2541":                      "200 OK", // the name is %41: decoded once
		"/%41":                        "404 Not Found",
		"/img/../img/debian-12/linux": "404 Not Found",
		"/img":                        "404 Not Found",
		"/IMG/debian-12/linux":        "404 Not Found",
		"//":                          "404 Not Found",
		"/%00":                        "404 Not Found",
		"/%":                          "400 Bad Request",
		"/%zz":                        "400 Bad Request",
		"x":                           "400 Bad Request",
	} {
		if got := status(exchange(t, address, get(target))); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// Nothing of the host leaves the tree, and nothing is redirected, whatever is
// asked for.
func TestHostilePaths(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	inside := filepath.Join(dir, "linux")
	for path, content := range map[string]string{secret: "secret", inside: "kernel"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	table, err := bootfile.NewTable(true, bootfile.Part{Files: map[string]string{"boot/linux": inside}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: &Server{Opener: table, Events: event.Discard{}}}
	go web.Serve(ln)
	defer web.Close()

	list, err := os.ReadFile("testdata/tftp-http-paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	targets := []string{secret, "boot/.." + secret, "boot/../secret", "boot/%2e%2e/secret", "boot%2f..%2fsecret", "boot/%252e%252e/secret", "boot/linux%00.efi", "boot/linux/../../secret", `boot\..\secret`}
	targets = append(targets, strings.Split(strings.TrimSpace(string(list)), "\n")...)
	for _, target := range targets {
		escaped := strings.NewReplacer("%", "%25", " ", "%20").Replace(target)
		for _, form := range []string{target, "/" + target, "//" + target, "/boot/" + target, "/" + escaped, "/boot/" + strings.ReplaceAll(target, ".", "%2e")} {
			answer := exchange(t, ln.Addr().String(), get(form))
			got := status(answer)
			if form == "/" { // the front page
				continue
			}
			if got != "404 Not Found" && got != "400 Bad Request" || strings.Contains(answer, "secret") || strings.Contains(answer, "root:") {
				t.Errorf("%q: %s", form, answer)
			}
		}
	}
}

func TestNoHeaderIsEmpty(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	for _, request := range []string{
		get("/"), get("/img/debian-12/linux"), get("/m/boot.ipxe"), get("/none"), get("/broken"), get("/stream"),
		get("/img/debian-12/linux", "Range: bytes=99-"), method("POST", "/"), method("HEAD", "/m/boot.ipxe"),
	} {
		head, _, _ := strings.Cut(exchange(t, address, request), "\r\n\r\n")
		for _, line := range strings.Split(head, "\r\n")[1:] {
			if _, value, ok := strings.Cut(line, ":"); !ok || strings.TrimSpace(value) == "" {
				t.Errorf("%q: header %q", request, line)
			}
		}
	}
}

func TestConnectionIsKept(t *testing.T) {
	c, err := net.Dial("tcp", serve(t, newTree(), event.Discard{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	for _, step := range []struct{ method, target, body string }{
		{"HEAD", "/img/debian-12/linux", ""}, {"GET", "/img/debian-12/linux", "0123456789"},
		{"GET", "/none", "There is no such boot file.\n"}, {"POST", "/", "Only GET and HEAD are answered here.\n"},
		{"GET", "/broken", "The file could not be read; the server's log says why.\n"}, {"GET", "/m/boot.ipxe", "#!ipxe\n"},
	} {
		io.WriteString(c, step.method+" "+step.target+" HTTP/1.1\r\nHost: boot1\r\n\r\n")
		resp, err := http.ReadResponse(r, &http.Request{Method: step.method})
		if err != nil {
			t.Fatalf("%s %s: %v", step.method, step.target, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != step.body || resp.Close {
			t.Errorf("%s %s: %q, %v, close %v", step.method, step.target, b, err, resp.Close)
		}
	}
}

func TestOpenerIsToldWhoAsks(t *testing.T) {
	files := newTree()
	address := serve(t, files, event.Discard{})
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, get("//img%2Fdebian-12/linux%ff", "User-Agent: UefiHttpBoot/1.0"))
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	want := []bootfile.Request{{
		Name:   "//img/debian-12/linux\xff",
		Client: netip.MustParseAddrPort(c.LocalAddr().String()),
		Local:  netip.MustParseAddr("127.0.0.1"),
		Via:    "http", Agent: "UefiHttpBoot/1.0",
	}}
	if diff := cmp.Diff(want, files.asked, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEvents(t *testing.T) {
	events := newRecord()
	address := serve(t, newTree(), events)
	tests := []struct{ name, request, want string }{
		{"a file", get("/img//debian-12/linux"), "file.read name=img/debian-12/linux bytes=10 status=200 method=GET"},
		{"a range", get("/img/debian-12/linux", "Range: bytes=2-4"), "file.read name=img/debian-12/linux bytes=3 status=206 range=bytes=2-4 method=GET"},
		{"a size", method("HEAD", "/img/debian-12/linux"), "file.probe name=img/debian-12/linux bytes=0 status=200 method=HEAD"},
		{"a current copy", get("/img/debian-12/linux", `If-None-Match: "e"`), "file.probe name=img/debian-12/linux bytes=0 status=304 method=GET"},
		{"an empty file", get("/empty"), "file.read name=empty bytes=0 status=200 method=GET"},
		{"a file of unknown size", get("/stream"), "file.read name=stream bytes=6 status=200 method=GET"},
		{"what is not there", get("/none"), "file.not-found name=/none method=GET"},
		{"what cannot be opened", get("/broken"), "file.fault name=/broken error=opening boot file: disk error method=GET"},
		{"what cannot be read to its end", get("/damaged"), "file.fault name=damaged bytes=262144 status=200 error=input/output error method=GET"},
		{"beyond the end", get("/img/debian-12/linux", "Range: bytes=99-"), "file.refused name=img/debian-12/linux bytes=33 status=416 reason=the range is not in the file range=bytes=99- method=GET"},
		{"a way up", get("/a/%2e%2e/b"), "file.refused name=/a/../b reason=no file can have such a name method=GET"},
		{"a forged line", get("/a%0Alevel=ERROR"), `file.refused name=/a\nlevel=ERROR reason=no file can have such a name method=GET`},
		{"a terminal's escape", get("/%1b%5b2J"), `file.refused name=/\x1b[2J reason=no file can have such a name method=GET`},
		{"a long name", get("/" + strings.Repeat("a", 600)), "file.refused name=/" + strings.Repeat("a", 255) + "... reason=no file can have such a name method=GET"},
		{"an upload", method("PUT", "/x"), "file.refused name=/x reason=only GET and HEAD are answered method=PUT"},
		{"no path", get("x:y"), "file.refused name=x:y reason=the path is malformed method=GET"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, tt.request)
			io.Copy(io.Discard, c) // ends early where the file does
			if got := events.next(t); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestReadBrokenOff(t *testing.T) {
	events := newRecord()
	c, err := net.Dial("tcp", serve(t, newTree(), events))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, get("/large"))
	if _, err := io.ReadFull(c, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := events.next(t); !strings.HasPrefix(got, "file.aborted name=large bytes=") {
		t.Error(got)
	}
}

func TestLargeFile(t *testing.T) {
	events := newRecord()
	resp, err := http.Get("http://" + serve(t, newTree(), events) + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != large || resp.ContentLength != large {
		t.Errorf("%d octets of %d, %v", n, resp.ContentLength, err)
	}
	if got, want := events.next(t), "file.read name=large bytes=67108864 status=200 method=GET"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRequestTooLarge(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	if got := status(exchange(t, address, get("/", "X: "+strings.Repeat("x", 40<<10)))); got != "431 Request Header Fields Too Large" {
		t.Error(got)
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := (&Server{Opener: newTree(), Events: event.Discard{}}).Serve(t.Context(), ln); err == nil {
		t.Error("no error")
	}
}

// An answer without a length that cannot be sent whole does not look whole.
func TestStreamThatIsCutOff(t *testing.T) {
	events := newRecord()
	c := from(t, "127.0.0.1", serve(t, newTree(), events))
	if n, err := io.Copy(io.Discard, answerTo(t, c, get("/damaged-stream")).Body); err == nil {
		t.Errorf("%d octets ended as if they were all", n)
	}
	if got := events.next(t); !strings.HasPrefix(got, "file.fault name=damaged-stream") {
		t.Error(got)
	}
}
