package record

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/model"
)

// TestFloodOfSteps: many machines that ask for ever new names are kept within
// the bound on all steps together, and the count of those is right.
func TestFloodOfSteps(t *testing.T) {
	j := NewJoiner()
	j.most = 5000
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for round := range 200 {
		for i := range 100 {
			mac := model.MACFromBytes([]byte{2, 0, 0, 0, 0, byte(i)})
			j.Add(Who{MAC: mac}, model.Step{Time: start.Add(time.Duration(round) * time.Second), Kind: model.StepMissing,
				File: &model.FileStep{Name: fmt.Sprintf("%d/%d", i, round), Via: "tftp", Role: model.RoleOther}})
		}
		all := 0
		for _, b := range j.open {
			all += len(b.Steps)
		}
		if all != j.steps || all > j.most {
			t.Fatalf("%d steps are kept, %d are counted, %d are allowed", all, j.steps, j.most)
		}
	}
	j.EndAll()
	if j.steps != 0 {
		t.Errorf("%d steps are counted of no boots", j.steps)
	}
}

// TestClaimsAreBounded: addresses that somebody invents do not fill the memory,
// nor push out those of machines that boot now.
func TestClaimsAreBounded(t *testing.T) {
	j := NewJoiner()
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	real := netip.MustParseAddr("10.99.0.50")
	mac := model.MACFromBytes([]byte{2, 0, 0, 0, 0, 1})
	discover := model.Step{Time: start, Kind: model.StepDiscover, DHCP: &model.DHCPStep{Class: "PXEClient", Stage: "firmware"}}
	b := j.Add(Who{MAC: mac}, discover)
	j.claim(real, claim{mac: mac, at: start})
	for i := range maxClaims + 1000 {
		j.claim(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), claim{mac: "02:00:00:00:00:99", at: start})
	}
	if len(j.addrs) > maxClaims {
		t.Errorf("%d addresses are remembered", len(j.addrs))
	}
	read := model.Step{Time: start.Add(time.Second), Kind: model.StepRead, Client: real, File: &model.FileStep{Name: "a.efi", Via: "tftp", Role: model.RoleLoader}}
	if got := j.Add(Who{}, read); got != b {
		t.Errorf("the file goes to %+v", got)
	}
	j.Expire(start.Add(claimAge + time.Minute))
	if len(j.addrs) != 0 {
		t.Errorf("%d addresses are remembered after a day", len(j.addrs))
	}
}
