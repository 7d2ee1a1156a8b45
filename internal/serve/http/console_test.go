package httpserve

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// consoleOf answers one path, to whoever asks from one address.
func consoleOf(w http.ResponseWriter, r *http.Request, path string, client, local netip.Addr) bool {
	if path != "/" || client != netipAddr("127.0.5.1") {
		return false
	}
	fmt.Fprintf(w, "%s reached %s", client, local)
	return true
}

// Who may see the console gets it, and the others what there is without one;
// boot files are everybody's.
func TestConsole(t *testing.T) {
	address := serveWith(t, &Server{Opener: newTree(), Events: newRecord(), Console: consoleOf})
	for _, tc := range []struct{ name, source, target, method, want string }{
		{"who may see it", "127.0.5.1", "/", "GET", "127.0.5.1 reached 127.0.0.1"},
		{"who may not", "127.0.5.2", "/", "GET", "This is hobnail, a network boot server. Machines read their boot files here.\n"},
		{"a boot file of who may", "127.0.5.1", "/nbp/shimx64.efi", "GET", "MZ"},
		{"a boot file of who may not", "127.0.5.2", "/nbp/shimx64.efi", "GET", "MZ"},
		{"what would change something", "127.0.5.1", "/", "POST", "Only GET and HEAD are answered here.\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := from(t, tc.source, address)
			resp := answerTo(t, c, method(tc.method, tc.target))
			var b strings.Builder
			if err := resp.Write(&b); err != nil {
				t.Fatal(err)
			}
			if _, body, _ := strings.Cut(b.String(), "\r\n\r\n"); body != tc.want {
				t.Errorf("got %q, want %q", body, tc.want)
			}
		})
	}
}
