//go:build lab

package lab

import (
	"fmt"
	"testing"

	"hobnail/internal/model"
)

// TestLocalDisk: a machine that is sent to its own disk gets there, whichever
// way the configuration has the loader leave. The console shows who started
// what is on the disk: the loader, or the firmware.
func TestLocalDisk(t *testing.T) {
	t.Parallel()
	disk := BuildISO(t, t.TempDir(), "efi-disk")
	for _, tc := range []struct {
		kind   Kind
		loader string
		local  model.LocalWay
		shows  []string
	}{
		{BIOS, "ipxe", model.LocalAuto, []string{ipxe, `Booting from SAN device 0x80`}},
		{BIOS, "ipxe", model.LocalExit, []string{ipxe, `Booting from Hard Disk`}},
		{BIOS, "pxelinux", model.LocalExit, []string{`PXELINUX \d`, `Booting from Hard Disk`}},
		// Debian's iPXE is older than drives of UEFI in iPXE: it leaves.
		{UEFIx64, "ipxe", model.LocalDisk, []string{ipxe, `SAN device 0x00 failed: No such device`, `BdsDxe: starting Boot\d+ "UEFI Misc Device`}},
		{UEFIx64, "grub", model.LocalAuto, []string{grub, `Starting \(hd\d`}},
	} {
		t.Run(fmt.Sprintf("%s-%s-%s", tc.kind, tc.loader, tc.local), func(t *testing.T) {
			t.Parallel()
			Slot(t)
			l := New(t)
			lan := l.Link("lan")
			server, record := sameLink(l, lan, gives+fmt.Sprintf("\n[[rule]]\nboot = \"local\"\nloader = %q\nlocal = %q\n", tc.loader, tc.local))
			m := l.Machine(tc.kind, lan, MachineOpts{MAC: machineMAC, DiskOf: disk.File})
			for _, pattern := range append(tc.shows, disk.Console...) {
				m.Expect(pattern)
			}
			m.Stop()
			record.CheckDHCP(server.Host.Addr())
		})
	}
}
