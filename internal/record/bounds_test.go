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

// TestForgedRequests: a flood of requests by TFTP, each in the name of another
// address, leaves room for the boots of machines.
func TestForgedRequests(t *testing.T) {
	j := NewJoiner()
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	forged := func(at time.Time, i int, kind model.StepKind) *model.Boot {
		from := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		return j.Add(Who{}, model.Step{Time: at, Kind: kind, Client: from,
			File: &model.FileStep{Name: fmt.Sprintf("m/0200%08x/uefi-x64/ipxe.efi", i), Via: "tftp", Role: model.RoleLoader}})
	}
	kinds := []model.StepKind{model.StepStalled, model.StepAborted, model.StepMissing, model.StepRefused, model.StepFault}
	began := 0
	for i := range 100_000 {
		if forged(start.Add(time.Duration(i)*time.Second/2000), i, kinds[i%len(kinds)]) != nil {
			began++
		}
	}
	if began != maxUnproven {
		t.Errorf("%d boots began in a minute, want %d", began, maxUnproven)
	}
	discover := model.Step{Time: start.Add(50 * time.Second), Kind: model.StepDiscover, DHCP: &model.DHCPStep{Class: "PXEClient", Stage: "firmware"}}
	if j.Add(Who{MAC: "02:00:00:00:00:01"}, discover) == nil {
		t.Error("a machine's DISCOVER began none")
	}
	read := model.Step{Time: start.Add(51 * time.Second), Kind: model.StepRead, Client: netip.MustParseAddr("10.1.2.3"),
		File: &model.FileStep{Name: "ipxe.efi", Via: "tftp", Role: model.RoleLoader, Octets: 1000, Heard: true}}
	if j.Add(Who{}, read) == nil {
		t.Error("a file that was read began none")
	}
	if forged(start.Add(61*time.Second), 200_000, model.StepStalled) == nil {
		t.Error("a minute later none may begin")
	}
}
