package model_test

import (
	"net/netip"
	"testing"

	"hobnail/internal/model"
)

func TestMaskAndBroadcastAddress(t *testing.T) {
	for _, tc := range []struct{ network, mask, broadcast string }{
		{"10.77.2.0/24", "255.255.255.0", "10.77.2.255"},
		{"10.77.2.17/24", "255.255.255.0", "10.77.2.255"},
		{"10.0.0.0/8", "255.0.0.0", "10.255.255.255"},
		{"192.168.1.4/30", "255.255.255.252", "192.168.1.7"},
		{"192.168.1.4/31", "255.255.255.254", "invalid IP"},
		{"192.168.1.4/32", "255.255.255.255", "invalid IP"},
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"2001:db8::/64", "invalid IP", "invalid IP"},
	} {
		p := netip.MustParsePrefix(tc.network)
		if mask, last := model.Netmask(p).String(), model.BroadcastAddr(p).String(); mask != tc.mask || last != tc.broadcast {
			t.Errorf("%s has mask %s and broadcast address %s, want %s and %s", p, mask, last, tc.mask, tc.broadcast)
		}
	}
	if a := model.BroadcastAddr(netip.Prefix{}); a.IsValid() {
		t.Errorf("no network has broadcast address %s", a)
	}
}
