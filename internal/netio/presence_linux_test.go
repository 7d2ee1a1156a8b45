package netio

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// TestARPProbe: the octets of the question, and what answers say.
func TestARPProbe(t *testing.T) {
	got := hex.EncodeToString(arpProbe([6]byte{0x52, 0x54, 0, 1, 2, 3}, netip.MustParseAddr("10.77.2.53")))
	if want := "0001080006040001" + "525400010203" + "00000000" + "000000000000" + "0a4d0235"; got != want {
		t.Errorf("asks %s, want %s", got, want)
	}
	for _, tc := range []struct {
		name, packet string
		want         Present
		ok           bool
	}{
		{"a reply", "0001080006040002525400aabbcc0a4d0235525400010203000000000000000000000000000000000000000000000000",
			Present{netip.MustParseAddr("10.77.2.53"), "52:54:00:aa:bb:cc"}, true},
		{"an announcement", "0001080006040001525400aabbcc0a4d02350000000000000a4d0235",
			Present{netip.MustParseAddr("10.77.2.53"), "52:54:00:aa:bb:cc"}, true},
		{"another's probe", "0001080006040001525400aabbcc000000000000000000000a4d0235", Present{}, false},
		{"another hardware", "0006080006040002525400aabbcc0a4d02355254000102030a4d0201", Present{}, false},
		{"too short", "0001080006040002525400aabbcc0a4d0235525400010203", Present{}, false},
	} {
		b, err := hex.DecodeString(tc.packet)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseARP(b); ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s says %+v (%v), want %+v (%v)", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

// TestEcho: an echo request that any host answers, and only answers to ours.
func TestEcho(t *testing.T) {
	b := echoRequest(0x1234)
	if got := hex.EncodeToString(b); got != "0800e5cb12340000" {
		t.Errorf("asks %s", got)
	}
	b[0] = 0
	if !isEchoReply(b, 0x1234) || isEchoReply(b, 0x1235) || isEchoReply(echoRequest(0x1234), 0x1234) || isEchoReply(b[:7], 0x1234) {
		t.Error("an answer is not told from what is none")
	}
}

// TestPresenceOnLoopback asks the one host that is always there. It needs
// CAP_NET_RAW, and without it the error has to say so.
func TestPresenceOnLoopback(t *testing.T) {
	p, err := OpenPresence()
	if err != nil {
		if !strings.Contains(err.Error(), "it needs CAP_NET_RAW") {
			t.Errorf("without CAP_NET_RAW: %v", err)
		}
		return
	}
	defer p.Close()
	lo := netip.MustParseAddr("127.0.0.1")
	if err := p.AskFar(lo); err != nil {
		t.Fatal(err)
	}
	for {
		s, ok, err := p.HearFar()
		if err != nil {
			t.Fatal(err)
		}
		if ok && s.Addr == lo {
			break
		}
	}
	i, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AskLink(i.Index, lo); err == nil {
		t.Error("loopback has no Ethernet address, and was asked by ARP")
	}
	done := make(chan error)
	for _, hear := range []func() (Present, bool, error){p.HearLink, p.HearFar} {
		go func() {
			for {
				if _, _, err := hear(); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-done; err != net.ErrClosed {
			t.Errorf("hearing after the end gives %v", err)
		}
	}
}
