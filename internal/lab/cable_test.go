//go:build lab

package lab

import (
	"testing"
	"time"

	"hobnail/internal/lab/link"
)

// TestBadCable: firmware and loaders come to the kernel's first line though
// the cable to the server loses one packet of a hundred each way, doubles some
// and lets some overtake others. U-Boot is not among them: in QEMU it has a MAC
// address of its own making, at which a relay's answer does not reach it.
func TestBadCable(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"bios-ipxe", BIOS, nil, boots("kernel") + gives + images, []string{ipxe, kernelLine}},
		{"uefi-x64-secure-boot-grub", UEFIx64Secure, nil, boots("kernel") + gives + images, []string{grub, kernelLine}},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			Slot(t)
			l := New(t)
			lan := l.Link("lan")
			server, wire := behindABadCable(l, lan, r.conf)
			m := l.Machine(r.kind, lan, MachineOpts{MAC: machineMAC, Wait: 6 * time.Minute})
			for _, pattern := range r.shows {
				m.Expect(pattern)
			}
			m.Stop()
			checkVerdict(t, server)
			counts, err := wire.Close()
			if err != nil || counts[0].Lost+counts[1].Lost == 0 {
				t.Errorf("the cable: %+v, %v", counts, err)
			}
			t.Logf("the cable: %+v", counts)
		})
	}
}

// behindABadCable has a router with an IP helper on the machine's link, and
// the server at the other end of a bad cable.
func behindABadCable(l *Lab, lan *Link, conf string) (*Server, *link.Link) {
	rtr := l.Router("rtr", At(lan, routerAddr+"/24"))
	faults := link.Faults{Loss: 0.01, Duplicate: 0.01, Reorder: 0.02, Late: 2 * time.Millisecond, Seed: 1}
	srv, wire := l.Wire("srv", coreAddr+"/24", rtr, coreRouter+"/24", faults, -1)
	srv.Run("ip", "route", "add", "default", "via", coreRouter)
	relay := rtr.Start("dhcrelay-rtr", "dhcrelay", "-4", "-d", "--no-pid", "-id", "eth0", "-iu", "srv", "-a", coreAddr)
	relay.WaitFor("Sending on +Socket/fallback", startup)
	l.Capture(lan)
	return srv.Hobnail(conf), wire
}
