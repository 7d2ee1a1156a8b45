package history

import (
	"fmt"
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

var (
	storyBegins = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	server      = netip.MustParseAddr("10.77.1.2")
	relay       = netip.MustParseAddr("10.77.2.1")
)

// told is one step as Keeper.Step takes it.
type told struct {
	who  record.Who
	step model.Step
}

// story is what a healthy UEFI machine does behind a relay: 29 steps, which the
// record joins to some 25, from its DISCOVER to the installer's last word. No
// two machines' are alike.
func story(i int, begin time.Time) []told {
	mac := model.MAC(fmt.Sprintf("52:54:00:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255))
	addr := netip.AddrFrom4([4]byte{10, 78, byte(i >> 8), byte(i)})
	vendor := "PXEClient:Arch:00007:UNDI:003016"
	var all []told
	at := begin
	add := func(after time.Duration, client bool, s model.Step) {
		at = at.Add(after + time.Duration(i%97)*time.Microsecond)
		s.Time = at
		who := record.Who{MAC: mac, Place: "relay " + relay.String()}
		if client {
			who.UUID, who.Vendor = model.UUID(fmt.Sprintf("4c4c4544-0044-4d10-8052-b4c04f%06x", i)), vendor
			who.Arch, who.Firmware = model.ArchX64, model.FirmwareUEFI
		}
		if s.File != nil {
			who.Addr, s.Client = addr, addr
		}
		if s.Server.IsValid() {
			s.Ours = true
		}
		all = append(all, told{who, s})
	}
	dhcp := func(after time.Duration, kind model.StepKind, d model.DHCPStep) {
		d.Xid, d.Relay = uint32(i)*2654435761+7, relay
		client := kind == model.StepDiscover || kind == model.StepRequest
		s := model.Step{Kind: kind, DHCP: &d}
		if client {
			d.Arch, d.Firmware = model.ArchX64, model.FirmwareUEFI
			if d.Stage == "" {
				d.Stage, d.Class, d.Vendor = "firmware", "PXEClient", vendor
			}
		} else {
			s.Server = server
			d.Reasons = []string{"hobnail.toml:31 rule: machines of 10.77.2.0/24 start debian-12", "built in: UEFI x64 starts by shim with Secure Boot", "hobnail.toml:12 subnet: DHCP is server there"}
			d.Target, d.Vendor = "debian-12", "PXEClient"
		}
		add(after, client, s)
	}
	file := func(after time.Duration, kind model.StepKind, role model.FileRole, name, via string, size int64) {
		f := &model.FileStep{Name: name, Via: via, Role: role, Size: size}
		if kind == model.StepRead {
			f.Octets, f.Duration, f.RoundTrip, f.Heard = size, time.Duration(size*11+int64(i)*997), 430*time.Microsecond+time.Duration(i), true
			if via == "tftp" {
				f.Blocks, f.Blksize, f.Window = size/1468+1, 1468, 4
			}
			if role == model.RoleLoader {
				f.Arch, f.Signer = model.ArchX64, "Microsoft Windows UEFI Driver Publisher"
			}
		}
		add(after, true, model.Step{Kind: kind, File: f})
	}
	base := "boot/" + mac.Hex() + "/"
	for try := range 2 {
		dhcp(time.Duration(3+try*4)*time.Second, model.StepDiscover, model.DHCPStep{Secs: uint16(4 * try)})
		dhcp(300*time.Microsecond, model.StepOffer, model.DHCPStep{Address: addr, File: base + "shimx64.efi", NextServer: server, Loader: "grub", Style: "whole"})
	}
	dhcp(time.Millisecond, model.StepRequest, model.DHCPStep{Chosen: server, Address: addr})
	dhcp(2*time.Millisecond, model.StepAck, model.DHCPStep{Address: addr, File: base + "shimx64.efi", NextServer: server, Loader: "grub", Style: "whole"})
	file(50*time.Millisecond, model.StepProbe, model.RoleLoader, base+"shimx64.efi", "tftp", 949424)
	file(time.Millisecond, model.StepRead, model.RoleLoader, base+"shimx64.efi", "tftp", 949424)
	file(200*time.Millisecond, model.StepMissing, model.RoleOther, base+"revocations.efi", "tftp", 0)
	file(time.Millisecond, model.StepRead, model.RoleLoader, base+"grubx64.efi", "tftp", 2525424)
	for _, list := range []string{"command.lst", "fs.lst", "crypto.lst", "terminal.lst"} {
		file(3*time.Millisecond, model.StepMissing, model.RoleOther, base+"grub/x86_64-efi/"+list, "tftp", 0)
	}
	for _, module := range []string{"http.mod", "gzio.mod", "part_gpt.mod", "font.mod"} {
		file(3*time.Millisecond, model.StepRead, model.RoleOther, base+"grub/x86_64-efi/"+module, "tftp", 9000)
	}
	file(3*time.Millisecond, model.StepRead, model.RoleConfig, base+"grub/grub.cfg", "tftp", 1834)
	file(3*time.Millisecond, model.StepRead, model.RoleConfig, base+"menu.cfg", "tftp", 914)
	file(5*time.Second, model.StepRead, model.RoleKernel, "image/debian-12/linux", "http", 8224640)
	file(100*time.Millisecond, model.StepRead, model.RoleInitrd, "image/debian-12/initrd.gz", "http", 41224640)
	file(12*time.Second, model.StepRead, model.RoleAnswer, "preseed/lab-01", "http", 4410)
	dhcp(time.Second, model.StepDiscover, model.DHCPStep{Stage: "os", Vendor: "d-i", Hostname: fmt.Sprintf("lab-%d", i)})
	dhcp(time.Millisecond, model.StepOffer, model.DHCPStep{Address: addr})
	dhcp(time.Millisecond, model.StepRequest, model.DHCPStep{Stage: "os", Vendor: "d-i", Hostname: fmt.Sprintf("lab-%d", i), Chosen: server, Address: addr})
	dhcp(time.Millisecond, model.StepAck, model.DHCPStep{Address: addr})
	file(2*time.Second, model.StepRead, model.RoleAnswer, "preseed/late.sh", "http", 1204)
	file(2*time.Second, model.StepRead, model.RoleAnswer, "preseed/done", "http", 104)
	return all
}
