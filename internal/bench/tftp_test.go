package main

import (
	"strings"
	"testing"
)

func TestSNMP(t *testing.T) {
	const text = "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 5 1 42\nUdpLite: InDatagrams NoPorts RcvbufErrors\nUdpLite: 0 0 7\n"
	if got := snmpUDP(text, "RcvbufErrors"); got != 42 {
		t.Errorf("%v, want 42", got)
	}
	if got := snmpUDP("", "RcvbufErrors"); got != 0 {
		t.Errorf("%v of nothing", got)
	}
}

func TestPortDrops(t *testing.T) {
	const text = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  10: 00000000:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 11
  11: 0100007F:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 4
  12: 00000000:0046 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 99
`
	if got := portDrops(text, 69); got != 15 {
		t.Errorf("%v, want 15", got)
	}
}

// TestWants: a part runs by its name, and by the word of its group.
func TestWants(t *testing.T) {
	for _, c := range []struct {
		only, part string
		want       bool
	}{
		{"", "tftp-one", true}, {"tftp", "tftp-one", true}, {"tftp-one", "tftp-one", true},
		{"tftp-one", "tftp-many", false}, {"tftp", "dora", false}, {"dora,tftp", "dora", true},
	} {
		b := &bench{}
		if c.only != "" {
			b.only = strings.Split(c.only, ",")
		}
		if got := b.wants(c.part); got != c.want {
			t.Errorf("-only %q, %s: %v", c.only, c.part, got)
		}
	}
}
