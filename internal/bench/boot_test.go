package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"hobnail/internal/lab"
)

// TestTransfers reads a capture: a question for a size, a file whose request
// was sent twice, one that begins before the first has ended, one that is not
// there, and the first once more from another port.
func TestTransfers(t *testing.T) {
	client, server := netip.MustParseAddr("10.77.2.50"), netip.MustParseAddr(serverAddr)
	begun := time.Unix(1000, 0)
	at := func(seconds int, from, to netip.AddrPort, payload string) lab.Datagram {
		return lab.Datagram{Time: begun.Add(time.Duration(seconds) * time.Second), Src: from, Dst: to, Payload: []byte(payload)}
	}
	up := func(seconds int, port, to uint16, payload string) lab.Datagram {
		return at(seconds, netip.AddrPortFrom(client, port), netip.AddrPortFrom(server, to), payload)
	}
	down := func(seconds int, port uint16, payload string) lab.Datagram {
		return at(seconds, netip.AddrPortFrom(server, 4000), netip.AddrPortFrom(client, port), payload)
	}
	const (
		shim, menu, none = "\x00\x01shim\x00octet\x00", "\x00\x01menu\x00octet\x00", "\x00\x01none\x00octet\x00"
		data, oack, ack  = "\x00\x03\x00\x01abc", "\x00\x06tsize\x003\x00", "\x00\x04\x00\x01"
	)
	all := transfersOf([]lab.Datagram{
		up(0, 9, 69, shim), down(1, 9, oack), up(1, 9, 4000, "\x00\x05\x00\x08\x00"),
		up(10, 10, 69, shim), up(12, 10, 69, shim), down(13, 10, data),
		up(13, 11, 69, menu), up(14, 10, 4000, ack), down(15, 11, data), up(16, 11, 4000, ack),
		up(20, 12, 69, none), down(20, 12, "\x00\x05\x00\x01no\x00"),
		up(30, 13, 69, shim), down(31, 13, data),
		down(40, 99, data),
	})
	type read struct {
		name                    string
		port                    uint16
		seconds, octets, waited int
	}
	var got []read
	for _, r := range all {
		got = append(got, read{r.name, r.client.Port(), int(r.last.Sub(r.first).Seconds()), r.octets, int(r.waited.Seconds())})
	}
	want := []read{{"shim", 9, 1, 0, 1}, {"shim", 10, 4, 3, 3}, {"menu", 11, 3, 3, 2}, {"none", 12, 0, 0, 0}, {"shim", 13, 1, 3, 1}}
	if !slices.Equal(got, want) {
		t.Errorf("transfers %+v, want %+v", got, want)
	}
	if got, want := underWay(all), 8*time.Second; got != want {
		t.Errorf("files were under way for %v, want %v", got, want)
	}
	if got, want := namesOf(all), []string{"shim", "menu"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}
