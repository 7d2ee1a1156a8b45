//go:build lab

package lab

import (
	"os"
	"strings"
	"testing"
)

// merges makes hobnail complete the answers of the site's DHCP server.
const merges = "dhcp = \"merge\"\n"

// mergeRow is a machine that starts beside a DHCP server that nobody has
// touched; the lease is that server's, in its own file.
type mergeRow struct {
	row
	leases string // in the lab's directory, where the site's server keeps them
}

// TestMerge switches on machines in mode merge. What they show can only be
// reached with an ACK that has our boot data: GRUB takes its server from the
// ACK, and Secure Boot accepts nothing else on UEFI.
func TestMerge(t *testing.T) {
	for _, r := range []mergeRow{
		{row{"01-uefi-x64-secure-boot-beside-dnsmasq", UEFIx64Secure, besideDnsmasq, merges + menu("kernel") + images,
			[]string{grub, kernelLine, `secureboot: Secure boot enabled`}}, "dnsmasq-dhcp.leases"},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			Slot(t)
			l := New(t)
			lan := l.Link("lan")
			server, record := r.network(l, lan, r.conf)
			m := l.Machine(r.kind, lan, MachineOpts{MAC: machineMAC})
			for _, pattern := range r.shows {
				m.Expect(pattern)
			}
			m.Stop()
			record.CheckDHCP(server.Host.Addr())
			hasLease(t, l, r.leases, machineMAC)
		})
	}
}

// hasLease reads the site's server's own file.
func hasLease(t *testing.T, l *Lab, file, mac string) {
	t.Helper()
	b, err := os.ReadFile(l.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), mac) {
		t.Errorf("the site's DHCP server has no lease for %s:\n%s", mac, b)
	}
}
