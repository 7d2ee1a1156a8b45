package verdict_test

import (
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// TestWhyAReadWasSlow: what was sent again says little where the round trips
// alone took the time.
func TestWhyAReadWasSlow(t *testing.T) {
	for _, c := range []struct {
		name  string
		trip  time.Duration
		again int64
		cause string
	}{
		{"a long line, and a server that is impatient at first", 120 * time.Millisecond, 95, "round trip of 120ms"},
		{"a short line that loses", time.Millisecond, 400, "lost on the way"},
		{"a long line that loses much", 20 * time.Millisecond, 400, "lost on the way"},
		{"neither", time.Millisecond, 0, "much to do"},
	} {
		start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		at := func(d time.Duration) time.Time { return start.Add(d) }
		read := func(name string, role model.FileRole, from, took time.Duration, blocks, again int64) model.Step {
			return model.Step{Time: at(from), Last: at(from + took), Kind: model.StepRead, Ours: true, File: &model.FileStep{
				Name: name, Via: "tftp", Role: role, Octets: blocks * 512, Blocks: blocks, Blksize: 512, Window: 1,
				Duration: took, RoundTrip: c.trip, Retransmissions: again, Heard: true}}
		}
		b := &model.Boot{MAC: "52:54:00:12:34:56", Arch: model.ArchX64, Start: start, Last: at(300 * time.Second), Steps: []model.Step{
			read("nbp/uefi-x64/ipxe.efi", model.RoleLoader, 0, 235*time.Second, 1662, c.again),
			read("img/debian-12/linux", model.RoleKernel, 240*time.Second, time.Second, 10, 0),
			{Time: at(300 * time.Second), Kind: model.StepHome, DHCP: &model.DHCPStep{}},
		}}
		v := verdict.Judge(verdict.Case{Boot: b, Now: at(301 * time.Second)})
		if v.Code != verdict.Slow || v.Detail != "loader" || !strings.Contains(v.Cause, c.cause) {
			t.Errorf("%s: %s/%s, cause %q; want slow/loader, %q", c.name, v.Code, v.Detail, v.Cause, c.cause)
		}
	}
}
