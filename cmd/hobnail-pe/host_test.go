package main

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/peagent"
)

// What programs write comes as lines, however it is cut, bars among them.
func TestLines(t *testing.T) {
	text := "Applying image\r\n[== 5.0% ]\r[== 50.0% ]\r\n\r\nlast"
	for size := 1; size <= len(text); size++ {
		var got []string
		l := lines{give: func(s string) { got = append(got, s) }}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := l.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		l.flush()
		if diff := cmp.Diff([]string{"Applying image", "[== 5.0% ]", "[== 50.0% ]", "last"}, got); diff != "" {
			t.Errorf("in pieces of %d (-want +got):\n%s", size, diff)
		}
	}
}

func TestRun(t *testing.T) {
	h := host{&bytes.Buffer{}, &bytes.Buffer{}}
	var got []string
	err := h.Run(t.Context(), peagent.Command{Name: "sh", Args: []string{"-c", "echo a b; echo c >&2; exit 3"}}, func(s string) { got = append(got, s) })
	if err == nil || err.Error() != "sh ended with 3 (0x3)" || strings.Join(got, "|") != "a b|c" {
		t.Errorf("%v, %q", err, got)
	}
	err = h.Run(t.Context(), peagent.Command{Name: "no-such-program"}, func(string) {})
	if err == nil || !strings.HasPrefix(err.Error(), "no-such-program: ") {
		t.Error(err)
	}
}

// With certificates of its own a server is believed by these alone.
func TestClientBelievesItsAuthority(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	own := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for ca, want := range map[string]bool{own: true, "": false} {
		c, err := newClient(ca)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Get(s.URL)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("with authority %t: %v", ca != "", err)
		}
		c.CloseIdleConnections()
	}
	if _, err := newClient("x"); err == nil {
		t.Error("no certificate, and no error")
	}
}
