package httpserve

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hobnail/internal/event"
)

// What clients that boot are known to send, and what they need to hear.

// kept sends requests on one connection and gives the answers.
func kept(t *testing.T, address string, requests ...string) (answers []*http.Response, bodies []string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	for _, r := range requests {
		io.WriteString(c, r)
		method, _, _ := strings.Cut(r, " ")
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		answers, bodies = append(answers, resp), append(bodies, string(b))
	}
	return answers, bodies
}

func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

// EDK2's HttpBootDxe asks for the size, then for the file, on one connection,
// and needs a Content-Length in both answers, by which it sizes its buffer.
func TestEDK2(t *testing.T) {
	header := []string{"Host: 10.77.1.2:8080", "Accept: */*", "User-Agent: UefiHttpBoot/1.0"}
	answers, bodies := kept(t, serve(t, newTree(), event.Discard{}),
		lines(append([]string{"HEAD /nbp//shimx64.efi HTTP/1.1"}, header...)...),
		lines(append([]string{"GET /nbp//shimx64.efi HTTP/1.1"}, header...)...))
	for i, a := range answers {
		if a.StatusCode != 200 || a.ContentLength != 2 || a.Close || a.Header.Get("Content-Type") != "application/efi" || a.ProtoMinor != 1 ||
			len(a.Header.Values("Content-Length")) != 1 || len(a.TransferEncoding) > 0 {
			t.Errorf("answer %d: %+v", i, a)
		}
	}
	if bodies[1] != "MZ" {
		t.Errorf("%q", bodies[1])
	}
}

// BITS asks for the size, then for the file in parts, each with what it knows
// of the version it began with (Microsoft, HTTP Requirements for BITS
// Downloads).
func TestBITS(t *testing.T) {
	header := []string{"Host: boot1", "Connection: Keep-Alive", "Accept: */*", "Accept-Encoding: identity", "User-Agent: Microsoft BITS/7.8"}
	part := func(r, since string) string {
		return lines(append([]string{"GET /img/debian-12/linux HTTP/1.1", "Range: bytes=" + r, "If-Unmodified-Since: " + since}, header...)...)
	}
	const version = "Thu, 02 Jul 2026 12:00:00 GMT"
	answers, bodies := kept(t, serve(t, newTree(), event.Discard{}),
		lines(append([]string{"HEAD /img/debian-12/linux HTTP/1.1"}, header...)...),
		part("0-3", version), part("4-9", version), part("4-9", "Thu, 02 Jul 2026 11:00:00 GMT"))
	if h := answers[0]; h.ContentLength != 10 || h.Header.Get("Accept-Ranges") != "bytes" || h.Header.Get("Last-Modified") != version {
		t.Errorf("its size: %+v", h)
	}
	for i, want := range []string{"bytes 0-3/10", "bytes 4-9/10"} {
		if a := answers[i+1]; a.StatusCode != 206 || a.Header.Get("Content-Range") != want {
			t.Errorf("part %d: %+v", i, a)
		}
	}
	if bodies[1]+bodies[2] != "0123456789" {
		t.Errorf("%q", bodies)
	}
	if answers[3].StatusCode != 412 || answers[3].Close {
		t.Errorf("a part of another version: %s", answers[3].Status)
	}
}

// iPXE reads a disc by many small ranges on one connection.
func TestManySmallRanges(t *testing.T) {
	var requests []string
	for range 200 {
		requests = append(requests, lines("GET /large HTTP/1.1", "Host: 10.77.1.2:8080", "User-Agent: iPXE/1.21.1", "Range: bytes=2048-4095"))
	}
	answers, _ := kept(t, serve(t, newTree(), event.Discard{}), requests...)
	for _, a := range answers {
		if a.StatusCode != 206 || a.ContentLength != 2048 {
			t.Fatalf("%+v", a)
		}
	}
}

// U-Boot's wget of before lwIP, and other small clients: HTTP/1.0, nothing but
// the request line, and the end of the connection as the end of the file.
func TestHTTP10(t *testing.T) {
	answer := exchange(t, serve(t, newTree(), event.Discard{}), "GET /img/debian-12/linux HTTP/1.0\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\n0123456789") || strings.Contains(answer, "chunked") {
		t.Error(answer)
	}
}

// Several ranges in one request are answered by the whole.
func TestSeveralRanges(t *testing.T) {
	address := serve(t, newTree(), event.Discard{})
	for _, r := range []string{"bytes=0-1,3-4", "bytes=0-1, -1", "bytes=" + strings.Repeat("0-,", 500) + "0-"} {
		if answer := exchange(t, address, get("/img/debian-12/linux", "Range: "+r)); status(answer) != "200 OK" || body(answer) != "0123456789" {
			t.Errorf("%.40s: %s", r, answer)
		}
	}
}

// Which request of its connection it was is told.
func TestReuseIsTold(t *testing.T) {
	events := newRecord()
	ask := lines("GET /empty HTTP/1.1", "Host: boot1")
	kept(t, serve(t, newTree(), events), ask, ask)
	for _, want := range []string{"file.read name=empty bytes=0 status=200 method=GET", "file.read name=empty bytes=0 status=200 method=GET nth=2"} {
		if got := events.next(t); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
