//go:build lab

package lab

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checkSimulation takes every DISCOVER that reached the server during a boot
// to "hobnail simulate", which has to make the very octets that went over the
// wire. Only the address may differ where it is not reserved: the simulator
// knows no leases. What the server asked itself, to learn whether the link has
// a DHCP server, is no machine's DISCOVER.
func checkSimulation(t *testing.T, server *Server, record *Capture) {
	t.Helper()
	compared := 0
	all := record.Datagrams(67)
	for i, request := range all {
		own := request.Src.Addr() == server.Host.Addr()
		if own || !isDiscover(request.Payload) || !reaches(request.Dst, server.Host.Addr()) {
			continue
		}
		want := replyTo(request, all[i+1:], server.Host.Addr())
		var got struct{ Answer, Reply string }
		out := server.Simulate(request.Payload, 67)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("simulate --json: %v: %s", err, out)
		}
		reply, err := hex.DecodeString(got.Reply)
		if err != nil {
			t.Fatalf("simulate --json: %v: %s", err, out)
		}
		if diff := cmp.Diff(withoutAddress(want), withoutAddress(reply), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("reply to the DISCOVER of %s (-wire +simulate):\n%s\nsimulate says:\n%s", request.Time, diff, out)
		}
		compared++
	}
	if compared == 0 {
		t.Errorf("no DISCOVER reached the server; recorded in %s", record.Path)
	}
}

// isDiscover reports whether a message is a BOOTREQUEST with option 53 = 1.
func isDiscover(message []byte) bool { return dhcpType(message) == 1 && message[0] == 1 }

// dhcpType is the value of option 53 (RFC 2132 section 9.6), 0 if there is
// none.
func dhcpType(message []byte) byte {
	if len(message) < 240 {
		return 0
	}
	for o := message[240:]; len(o) > 2 && o[0] != 255; {
		switch {
		case o[0] == 0:
			o = o[1:]
		case o[0] == 53:
			return o[2]
		case len(o) < 2+int(o[1]):
			return 0
		default:
			o = o[2+int(o[1]):]
		}
	}
	return 0
}

func reaches(dst netip.AddrPort, server netip.Addr) bool {
	return dst.Port() == 67 && (dst.Addr() == server || dst.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
}

// replyTo finds the server's reply to a request among what came later: nil if
// the request was repeated first, or never answered. A reply has the request's
// transaction id and hardware address.
func replyTo(request Datagram, later []Datagram, server netip.Addr) []byte {
	for _, d := range later {
		same := len(d.Payload) >= 240 && bytes.Equal(d.Payload[4:8], request.Payload[4:8]) &&
			bytes.Equal(d.Payload[28:44], request.Payload[28:44])
		switch {
		case !same:
		case isDiscover(d.Payload) && reaches(d.Dst, server): // not the copy that a relay sends to another server
			return nil
		case d.Src.Addr() == server && d.Payload[0] == 2:
			return d.Payload
		}
	}
	return nil
}

// withoutAddress blanks yiaddr (RFC 2131 section 2), unless it is the
// reservation.
func withoutAddress(message []byte) []byte {
	if len(message) < 20 || netip.AddrFrom4([4]byte(message[16:20])).String() == reservation {
		return message
	}
	m := bytes.Clone(message)
	clear(m[16:20])
	return m
}
