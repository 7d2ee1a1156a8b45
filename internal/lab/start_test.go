//go:build lab

package lab

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestFirstOfferAfterACrash: with 250,000 leases, a server that was killed and
// is started again makes its first offer within two seconds.
func TestFirstOfferAfterACrash(t *testing.T) {
	const leases, most = 250_000, 2 * time.Second
	l := New(t)
	lan := l.Link("lan")
	srv := l.Host("srv", lan, "10.64.0.2/12", "")
	conf := l.WriteFile("hobnail.toml", fmt.Sprintf(`
[server]
data = %q
http = "off"
[[subnet]]
cidr  = "10.64.0.0/12"
dhcp  = "server"
pool  = "10.65.0.0-10.69.255.255"
lease = "12h"
`, l.Path("data")))
	writeLeases(t, l.Path("data/leases.log"), leases)
	start := func() *Proc { return srv.Start("hobnail", hobnailBinary(t), "serve", "-c", conf) }
	g := l.Host("relay", lan, "10.64.0.9/12", "").Load(1, netip.MustParsePrefix("10.65.0.0/16"), srv.Addr())

	p := start() // writes the log anew, in the form that it has from then on
	p.WaitFor(`(?m)^ready: `, startup)
	p.Signal(syscall.SIGKILL)
	p.Wait(stopTime)

	began := time.Now()
	start()
	for {
		if a, ok := g.askFor(20*time.Millisecond, g.clients[0], discover); ok && a.kind == offer {
			break
		}
		if time.Since(began) > startup {
			t.Fatal("no offer")
		}
	}
	took := time.Since(began)
	t.Logf("the first offer came after %v, with %d leases", took.Round(time.Millisecond), leases)
	if took > most {
		t.Errorf("the first offer came after %v, allowed are %v", took, most)
	}
}

// writeLeases writes a log as the first builds of hobnail did, which is text.
func writeLeases(t *testing.T, path string, n int) {
	t.Helper()
	if err := os.MkdirAll(path[:len(path)-len("/leases.log")], 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	now := time.Now().UTC()
	for i := range n {
		body := fmt.Sprintf(`{"address":"10.%d.%d.%d","mac":"02:00:00:%02x:%02x:%02x","client_id":"01020000%06x","hostname":"pc-%06d","start":%q,"expires":%q,"state":"bound"}`,
			65+i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255, i, i, now.Format(time.RFC3339Nano), now.Add(time.Hour).Format(time.RFC3339Nano))
		fmt.Fprintf(w, "%08x %s\n", crc32.ChecksumIEEE([]byte(body)), body)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
