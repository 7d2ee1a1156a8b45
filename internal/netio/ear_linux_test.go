package netio

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestEar: a reply from a server's port is heard by somebody who has bound none,
// and nothing else is: no request from there, as relays send, no other port.
func TestEar(t *testing.T) {
	if err := rawSocketAllowed(); err != nil {
		t.Skipf("packet sockets are not allowed here: %v", err)
	}
	ear, err := OpenEar()
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- ear.Listen(func(h Overheard) {
			if h.Dst.Addr() == netip.MustParseAddr("127.7.7.7") {
				heard <- h.Src.String() + " " + string(h.Payload)
			}
		})
	}()
	for _, sent := range []struct{ from, what string }{
		{"127.0.0.1:4012", "\x02other port"}, {"127.0.0.1:4011", "\x01request"}, {"127.0.0.1:4011", "\x02answer"},
	} {
		from := sent.from
		local, _ := net.ResolveUDPAddr("udp", from)
		c, err := net.DialUDP("udp", local, &net.UDPAddr{IP: net.IPv4(127, 7, 7, 7), Port: 6868})
		if err != nil {
			t.Skipf("port of %s is taken: %v", from, err)
		}
		c.Write([]byte(sent.what))
		c.Close()
	}
	select {
	case got := <-heard:
		if got != "127.0.0.1:4011 \x02answer" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("a server's packet was not heard")
	}
	if err := ear.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("Listen did not end")
	}
}
