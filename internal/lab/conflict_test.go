//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestConflict: hosts with fixed addresses inside the pools, one on the
// server's link that answers no ping, one behind a router. Of two clients on
// each link, one gets the other address of the pool and one gets none.
func TestConflict(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	near := s.Host("near", s.core, "10.77.1.50/24", "10.77.1.1")
	s.sysctl(near.ns, "net.ipv4.icmp_echo_ignore_all", "1")
	s.Host("far", s.lan, "10.77.2.50/24", "10.77.2.1")
	srv := s.Host("srv", s.core, "10.77.1.2/24", "10.77.1.1")
	s.router.Relay(s.lan, true, "10.77.1.2")
	record := s.Capture(s.core)
	hobnail := srv.Hobnail(`
[[subnet]]
cidr   = "10.77.1.0/24"
dhcp   = "server"
pool   = "10.77.1.50-10.77.1.51"
router = "10.77.1.1"

[[subnet]]
cidr   = "10.77.2.0/24"
dhcp   = "server"
pool   = "10.77.2.50-10.77.2.51"
router = "10.77.2.1"
`)
	mac := near.Run("cat", "/sys/class/net/eth0/address")
	hobnail.WaitFor(`address found in use.*mac=`+mac+`.*address=10\.77\.1\.50`, 10*time.Second)
	hobnail.WaitFor(`address found in use.*address=10\.77\.2\.50`, 10*time.Second)

	for _, link := range []struct {
		*Link
		net string
	}{{s.core, "10.77.1"}, {s.lan, "10.77.2"}} {
		var got []string
		for i := range 2 {
			name := fmt.Sprintf("%s-%d", link.Name, i)
			h := s.Host(name, link.Link, fmt.Sprintf("%s.%d/24", link.net, 240+i), "")
			p := h.Start("udhcpc-"+name, "busybox", "udhcpc", "-f", "-q", "-n", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true")
			got = append(got, p.WaitFor(`lease of \S+ obtained|no lease, failing`, 20*time.Second))
		}
		if want := "lease of " + link.net + ".51 obtained, no lease, failing"; strings.Join(got, ", ") != want {
			t.Errorf("on %s: %s, want %s", link.Name, strings.Join(got, ", "), want)
		}
	}
	record.CheckDHCP(srv.Addr())
}
