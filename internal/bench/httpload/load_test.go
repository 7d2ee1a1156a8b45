package httpload

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Bodies of every size are counted in full, whether they fit the reader or are
// thrown away in the kernel, and connections are used again.
func TestRun(t *testing.T) {
	body := strings.Repeat("x", 3<<20)
	var conns atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x", time.Time{}, strings.NewReader(body))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	at := netip.MustParseAddrPort(srv.Listener.Addr().String())
	for _, tt := range []struct {
		ask  string
		size int64
	}{{"", 3 << 20}, {"bytes=0-0", 1}, {"bytes=5-4100", 4096}, {"bytes=0-8191", 8192}, {"bytes=1-20000", 20000}} {
		r, err := Run(t.Context(), Plan{Server: at, Path: "/", Range: tt.ask, Requests: 3})
		if err != nil || r.Requests != 3 || r.Bytes != 3*tt.size {
			t.Errorf("%q: %+v, %v", tt.ask, r, err)
		}
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections", n)
	}
	if _, err := Run(t.Context(), Plan{Server: at, Path: "/", Range: "bytes=4000000-", Requests: 1}); err == nil || !strings.Contains(err.Error(), "status 416") {
		t.Error(err)
	}
}
