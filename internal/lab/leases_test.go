//go:build lab

package lab

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestLeasesOfARunningServer: what it gave is listed while it runs, and it sets
// addresses free when it is asked to, at once and for good.
func TestLeasesOfARunningServer(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	hobnail := srv.Hobnail(serverConf)
	s.router.Relay(s.lan, true, "10.77.1.2")
	pc := s.Host("pc", s.lan, "10.77.2.7/24", "")
	obtain := func(from string) string {
		p := pc.Start("udhcpc", "busybox", "udhcpc", "-f", "-q", "-n", "-i", "eth0", "-x", "hostname:pc-7", "-s", "/bin/true")
		line := p.WaitFor(`lease of 10\.77\.2\.[5-9][0-9] obtained from `+regexp.QuoteMeta(from), 30*time.Second)
		return strings.Fields(line)[2]
	}
	leases := func(args ...string) string {
		return srv.Run(append([]string{hobnailBinary(t), "leases"}, append(args, "-c", hobnail.Config)...)...)
	}
	address := obtain("10.77.1.2")
	if list := leases("list", "pc-7"); !strings.Contains(list, "\n"+address+" ") {
		t.Errorf("%s is not listed:\n%s", address, list)
	}
	if said := leases("release", address); !strings.HasPrefix(said, address+" is free, it was ") {
		t.Errorf("the release says %q", said)
	}
	if list := leases("list"); strings.Contains(list, address) {
		t.Errorf("%s is still listed:\n%s", address, list)
	}
	if again := obtain("10.77.1.2"); again != address {
		t.Errorf("the machine had %s and comes back to %s", address, again)
	}
	if list := leases("list", "pc-7"); !strings.Contains(list, "\n"+address+" ") {
		t.Errorf("%s is not listed again:\n%s", address, list)
	}
}
