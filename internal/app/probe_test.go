package app

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hobnail/internal/config"
	"hobnail/internal/lease"
	"hobnail/internal/model"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
)

// TestWhoIsAskedFor: our part of the pools of those subnets that want it, and
// there what somebody could be given.
func TestWhoIsAskedFor(t *testing.T) {
	cfg, faults := config.Parse("hobnail.toml", []byte(`
[server]
share = "1/2"
[[subnet]]
cidr = "198.18.7.0/24"
dhcp = "server"
pool = ["198.18.7.50-198.18.7.51", "198.18.7.60-198.18.7.61"]
[[subnet]]
cidr  = "198.51.100.0/24"
dhcp  = "server"
pool  = "198.51.100.50-198.51.100.51"
probe = "off"
[[subnet]]
cidr = "203.0.113.0/24"
dhcp = "proxy"
pool = "203.0.113.50-203.0.113.51"
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	dir, err := netio.NewDirectory(nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{ifaces: dir, leases: lease.NewTable()}
	s.current.Store(&running{Loaded: &Loaded{Config: cfg, Policy: policy.Compile(cfg, nil, policy.Programs{})}})

	var got []string
	for _, p := range s.places() {
		for _, a := range p.Addrs {
			got = append(got, fmt.Sprintf("%s by %d", a, p.IfIndex))
		}
	}
	if want := "198.18.7.50 by 0, 198.18.7.51 by 0"; strings.Join(got, ", ") != want {
		t.Errorf("asks for %s, want %s", strings.Join(got, ", "), want)
	}
	for a, want := range map[string]bool{"198.18.7.200": true, "198.51.100.50": false, "203.0.113.50": false, "10.0.0.1": false} {
		if _, ok := s.link(netip.MustParseAddr(a)); ok != want {
			t.Errorf("an offer of %s is asked for: %v, want %v", a, ok, want)
		}
	}

	a := netip.MustParseAddr("198.18.7.50")
	for state, want := range map[string]bool{policy.StateBound: false, policy.StateOffered: true, policy.StateReleased: true, policy.StateDeclined: true} {
		record := model.Lease{Address: a, MAC: "52:54:00:12:34:56", State: state, Expires: time.Now().Add(time.Hour)}
		if err := s.leases.Apply(policy.LeaseChange{Kind: policy.Bind, Lease: record}); err != nil {
			t.Fatal(err)
		}
		if s.free(a) != want {
			t.Errorf("an address that is %s is asked for: %v, want %v", state, !want, want)
		}
	}
}
