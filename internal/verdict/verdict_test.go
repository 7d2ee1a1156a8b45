package verdict_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"hobnail/internal/model"
	"hobnail/internal/record/recordtest"
	"hobnail/internal/verdict"
)

// row is a boot that ends in a verdict. Rows that stand together are
// neighbours: alike but for what tells them apart.
type row struct {
	name   string
	script string
	want   string // code, code/detail, and a word for the outcome where it is not the catalogue's
	with   func(*verdict.Case)
}

const (
	// Beginnings that many rows share.
	dora = `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		4s  ack here lease 10.0.0.50 boots ~/shimx64.efi
	`
	beside = `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		0s  offer here proxy boots ~/snponly.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50
	`
	shim = dora + `
		5s  probe ~/shimx64.efi
		5s  read ~/shimx64.efi 900K took 200ms
		6s  missing ~/revocations_sku.efi
		6s  missing ~/revocations_sbat.efi
		6s  missing ~/shim_certificate_0.efi
		6s  read ~/grubx64.efi 3M took 1s
		8s  missing grub/x86_64-efi/command.lst
		8s  read grub/grub.cfg 2K
	`
	kernel = shim + `
		20s read img/debian-12/linux 8M took 1s
		22s read img/debian-12/initrd.gz 30M took 3s
	`
)

var rows = []row{
	// How it should end.
	{"the installer asks for an address", kernel + `
		60s discover os
	`, "booted", nil},
	{"the installer reads its answers", kernel + `
		60s read user-data 1K http
	`, "booted", nil},
	{"its answers are not there", kernel + `
		60s missing user-data http
	`, "answer-file-not-found", nil},
	{"cloud-init's vendor data are not there, which is normal", kernel + `
		60s read user-data 1K http
		60s missing vendor-data http
	`, "booted", nil},
	{"what the installed system looks for is its own affair", kernel + `
		60s missing casper/filesystem.size http
	`, "answer-file-not-found", nil},
	{"nothing after the kernel", kernel, "installer-silent", nil},
	{"nothing after the kernel, and it is early", "capture\n" + kernel, "handed-over", nil},
	{"kernel read, its initial RAM disk not there", shim + `
		20s read img/debian-12/linux 8M took 1s
		22s missing img/debian-12/initrd.gz
	`, "boot-file-not-found", nil},
	{"a menu in which nothing happens", shim, "handed-over", nil},
	{"a menu, then the machine's own disk", shim + `
		40s discover os
	`, "handed-over", nil},
	{"the script starts an image, and its kernel is never asked for", strings.ReplaceAll(shim, "lease 10.0.0.50 boots", "target debian-12 lease 10.0.0.50 boots"), "script-not-followed", nil},
	{"the script starts an image whose kernel is somewhere else, and the system is heard", strings.ReplaceAll(shim, "lease 10.0.0.50 boots", "target debian-12 lease 10.0.0.50 boots") + `
		60s discover os
	`, "handed-over", nil},
	{"WinPE asks for an address", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/bootmgfw.efi
		4s  request for here
		4s  ack here lease 10.0.0.50 boots ~/bootmgfw.efi
		5s  read ~/bootmgfw.efi 2M
		6s  read ~/Boot/BCD 16K
		6s  missing ~/Boot/Fonts/wgl4_boot.ttf
		7s  read ~/sources/boot.sdi 3M
		8s  read ~/sources/boot.wim 500M took 40s
		90s discover os vendor "MSFT 5.0"
	`, "booted", nil},
	{"WinPE's image was read, and nothing since", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/bootmgfw.efi
		4s  ack here lease 10.0.0.50 boots ~/bootmgfw.efi
		5s  read ~/bootmgfw.efi 2M
		6s  read ~/Boot/BCD 16K
		8s  read ~/sources/boot.wim 500M took 40s
	`, "installer-silent", nil},
	{"a kernel with a name that says nothing", dora + `
		5s  read ~/shimx64.efi 900K
		6s  read grub/grub.cfg 2K
		9s  read img/thing/payload 8M
		60s discover os
	`, "booted", nil},
	{"an ISO by HTTP boot, and what is on it asks for an address", `
		0s  discover firmware uefi-x64 http
		0s  offer here lease 10.0.0.50 boots http://10.0.0.2:8080/some.iso
		4s  request for here
		4s  ack here lease 10.0.0.50 boots http://10.0.0.2:8080/some.iso
		5s  read some.iso 600M http took 20s
		50s discover os
	`, "booted", nil},
	{"slow by what is usual there", kernel + `
		60s discover os
	`, "slow/kernel", func(c *verdict.Case) {
		c.Usual = usual{"kernel": 500 * time.Millisecond}
		c.Boot.Steps = slower(c.Boot.Steps)
	}},
	{"as fast as is usual there", kernel + `
		60s discover os
	`, "booted", func(c *verdict.Case) { c.Usual = usual{"kernel": 4 * time.Second} }},
	{"slow to get an address", strings.ReplaceAll(kernel, "\t4s ", "\t250s ") + `
		460s discover os
	`, "slow/address", nil},
	{"slow to read the boot program", strings.ReplaceAll(kernel, "3M took 1s", "3M took 200s again 300") + `
		360s discover os
	`, "slow/loader", nil},
	{"slow to start its system", kernel + `
		900s discover os
	`, "slow/system", func(c *verdict.Case) { c.Usual = usual{"system": 30 * time.Second} }},
	{"slow to start its system, where nobody knows what is usual", kernel + `
		900s discover os
	`, "booted", nil},

	// Nobody answers.
	{"denied", `
		0s  discover firmware uefi-x64
		0s  silent deny "the target is deny"
	`, "no-answer/deny warning", nil},
	{"denied, and another server boots it", `
		0s  discover firmware uefi-x64
		0s  silent deny "the target is deny"
		0s  offer dhcp lease 10.0.0.50 boots pxelinux.0
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots pxelinux.0
	`, "no-answer/deny warning", nil},
	{"no boot program", `
		0s  discover firmware uefi-riscv64
		0s  silent no-boot-program "no boot program for uefi-riscv64"
	`, "no-answer/no-boot-program", nil},
	{"pool empty", `
		0s  discover firmware uefi-x64
		0s  silent pool-empty "all 10 addresses are taken"
	`, "no-answer/pool-empty", nil},
	{"circuit full", `
		0s  discover firmware uefi-x64
		0s  silent circuit-full "16 addresses at that port"
	`, "no-answer/circuit-full", nil},
	{"wrong subnet", `
		0s  discover firmware uefi-x64 relay 10.9.0.1
		0s  silent wrong-subnet "no subnet has 10.9.0.1"
	`, "no-answer/wrong-subnet", nil},
	{"off", `
		0s  discover firmware uefi-x64 http
		0s  silent off "[server] http is off"
	`, "no-answer/off", nil},
	{"lease not stored", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		4s  silent lease-not-stored "no space left on device"
	`, "no-answer/lease-not-stored", nil},
	{"send failed", `
		0s  discover firmware uefi-x64
		0s  silent send-failed "operation not permitted"
	`, "no-answer/send-failed", nil},
	{"nothing at all", `
		0s  discover firmware uefi-x64
		4s  discover again secs 4
		12s discover again secs 12
		28s discover again secs 28
	`, "no-answer/nobody", nil},
	{"an address and no boot data, and UEFI asks for neither", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		4s  discover again
		4s  offer dhcp lease 10.0.0.50
	`, "no-answer/no-boot-data", nil},
	{"an address and no boot data, which iPXE takes", `
		capture
		0s  discover ipxe bios
		0s  offer dhcp lease 10.0.0.50
		2s  request for dhcp
		2s  ack dhcp lease 10.0.0.50
	`, "no-answer/no-boot-data", nil},
	{"the offered address was asked for, and no ACK came", `
		0s  discover firmware uefi-x64
		0s  offer here merge lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		6s  request for here
	`, "no-answer/no-ack", nil},

	// Offers that are not taken.
	{"no DHCP server", `
		0s  discover firmware uefi-x64
		0s  offer here proxy boots ~/snponly.efi
		4s  discover again
		4s  offer here proxy boots ~/snponly.efi
	`, "no-lease", nil},
	{"no DHCP server, though there was one this morning", `
		0s  discover firmware uefi-x64
		0s  offer here proxy boots ~/snponly.efi
	`, "no-lease", func(c *verdict.Case) { c.Neighbours = []verdict.Neighbour{leases("10.0.0.1", -20*time.Minute)} }},
	{"a DHCP server that is not heard gives others their addresses meanwhile", `
		0s  discover firmware uefi-x64
		0s  offer here proxy boots ~/snponly.efi
	`, "offer-not-taken/split-offer", func(c *verdict.Case) { c.Neighbours = []verdict.Neighbour{leases("10.0.0.1", time.Minute)} }},
	{"both offers are there, and the firmware takes neither", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		0s  offer here proxy boots ~/snponly.efi
		4s  discover again
		12s discover again
	`, "offer-not-taken/split-offer", nil},
	{"a complete offer is not taken", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		4s  discover again
		4s  offer here lease 10.0.0.50 boots ~/shimx64.efi
	`, "offer-not-taken/reply-lost", nil},
	{"a complete offer is not taken behind a relay", `
		0s  discover firmware uefi-x64 relay 10.1.0.1
		0s  offer here lease 10.1.0.50 boots ~/shimx64.efi
		4s  discover again
	`, "offer-not-taken/reply-lost", nil},
	{"another server's address is taken, which is not heard here", `
		0s  discover firmware uefi-x64 relay 10.1.0.1
		0s  offer here lease 10.1.0.50 boots ~/shimx64.efi
		4s  request for rogue
	`, "offer-not-taken/other-server warning", nil},
	{"U-Boot takes the DHCP server's own offer and not the complete one", `
		0s  discover firmware uefi-arm64 uboot
		0s  offer dhcp lease 10.0.0.50
		0s  offer here merge lease 10.0.0.50 boots ~/boot.scr.uimg
		0s  request for dhcp
		0s  ack dhcp lease 10.0.0.50
	`, "offer-not-taken/other-server warning", nil},
	{"two servers' addresses, and the one without boot data is taken", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		0s  offer rogue lease 10.0.0.99
		4s  request for rogue
		4s  ack rogue lease 10.0.0.99
	`, "second-dhcp-server", nil},
	{"two servers' addresses, and one refuses", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		0s  offer rogue lease 10.0.0.99
		4s  request for here
		4s  nak rogue says "wrong server-ID"
	`, "second-dhcp-server", nil},
	{"two servers' addresses, and ours is taken", strings.Replace(kernel, "4s  request", "1s offer rogue lease 10.0.0.99\n4s request", 1) + `
		60s discover os
	`, "booted", nil},
	{"two servers' addresses, and neither is taken", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		0s  offer rogue lease 10.0.0.99
		4s  discover again
	`, "second-dhcp-server", nil},
	{"two servers' addresses, and no boot data", `
		capture
		0s  discover ipxe bios
		0s  offer dhcp lease 10.0.0.50
		0s  offer rogue lease 10.0.0.99
		2s  request for rogue
		2s  ack rogue lease 10.0.0.99
	`, "second-dhcp-server", nil},
	{"the DHCP server's offer has no end, so UEFI drops it", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 no-end
		0s  offer here proxy boots ~/snponly.efi
		4s  discover again
	`, "offer-not-taken/bad-offer", nil},
	{"the same for BIOS, which does not care", `
		0s  discover firmware bios
		0s  offer dhcp lease 10.0.0.50 no-end
		0s  offer here proxy boots ~/undionly.kpxe
		4s  discover again
	`, "offer-not-taken/split-offer", nil},
	{"an option of a wrong length", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi bad-option "option 42: 3 octets"
		4s  discover again
	`, "offer-not-taken/bad-offer", nil},
	{"an offer that lacks option 54", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi no-id
	`, "offer-not-taken/bad-offer", nil},
	{"a proxy that does not say PXEClient", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		0s  offer rogue boots pxe.efi
	`, "offer-not-taken/bad-offer", nil},
	{"a PXE answer for a machine that boots by HTTP", `
		capture
		0s  discover firmware uefi-x64 http
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi bypass
	`, "offer-not-taken/bad-offer", nil},
	{"a file that is no URL for a machine that boots by HTTP", `
		capture
		0s  discover firmware uefi-x64 http
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi http
	`, "offer-not-taken/bad-offer", nil},

	// Another server says PXEClient.
	{"option 60 without 43 beside our offer", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 pxe
		0s  offer here proxy boots ~/snponly.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 pxe
	`, "foreign-option-60", nil},
	{"the same in a capture that shows port 4011", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 pxe
		0s  offer here proxy boots ~/snponly.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 pxe
		5s  ask dhcp
		6s  ask dhcp
	`, "foreign-option-60", nil},
	{"option 60 with 43 beside our offer: that server's boot data win", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots wds.efi bypass
		0s  offer here proxy boots ~/snponly.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots wds.efi bypass
	`, "foreign-boot-file", nil},
	{"option 60 without 43, and ours is taken all the same", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 pxe
		0s  offer here merge lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		4s  ack here merge lease 10.0.0.50 boots ~/shimx64.efi
	`, "boot-file-never-asked", nil},
	{"iPXE does not care for option 60", `
		0s  discover ipxe bios
		0s  offer dhcp lease 10.0.0.50 pxe
		0s  offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		2s  request for dhcp
		2s  ack dhcp lease 10.0.0.50 pxe
	`, "boot-file-never-asked/http", nil},
	{"option 60 and nobody on port 4011, without us", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 pxe boots pxe.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 pxe boots pxe.efi
		5s  ask dhcp
		7s  ask dhcp
	`, "foreign-option-60", nil},
	{"a proxy that promises port 4011 and does not answer there", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		0s  offer rogue pxe
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50
		5s  ask rogue
		7s  ask rogue
	`, "boot-service-silent", nil},
	{"the same, and somebody answers there", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 pxe
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 pxe
		5s  ask dhcp
		5s  told dhcp boots wdsmgfw.efi
		6s  read wdsmgfw.efi 1M at dhcp
	`, "loader-silent", nil},
	{"this server's boot service stays silent for a reason", beside + `
		5s  ask here
		5s  silent no-boot-program "no boot program for it"
	`, "no-answer/no-boot-program", nil},
	{"the boot service answers without a boot file", `
		capture
		0s  discover firmware bios
		0s  offer dhcp lease 10.0.0.50
		0s  offer rogue menu
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50
		5s  ask rogue
		5s  told rogue
	`, "boot-file-not-named", nil},
	{"boot data without a boot file", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 bypass
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 bypass
	`, "boot-file-not-named", nil},
	{"a menu that leads nowhere", `
		capture
		0s  discover firmware bios
		0s  offer dhcp lease 10.0.0.50 menu menu-fault "the list is empty"
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 menu menu-fault "the list is empty"
	`, "boot-menu-fault", nil},

	// Another server's boot file.
	{"the DHCP server's boot file is asked for here and is not there", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxelinux.0 next here
		0s  offer here proxy boots ~/snponly.efi
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots pxelinux.0 next here
		5s  missing pxelinux.0
	`, "foreign-boot-file", nil},
	{"the same without an offer of ours: the name is wrong", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxelinux.0
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots pxelinux.0
		5s  missing pxelinux.0 at dhcp
	`, "boot-file-not-found", nil},
	{"the DHCP server's boot file is read there, and then nothing", strings.Replace(beside, "lease 10.0.0.50\n", "lease 10.0.0.50 boots old.efi\n", 1) + `
		5s  read old.efi 900K at dhcp
	`, "foreign-boot-file/read", nil},
	{"our boot file is asked for at the router", "capture\n" + beside + `
		5s  stalled ~/snponly.efi at router unheard unanswered
	`, "foreign-boot-file/next-server", nil},
	{"GRUB asks the router", "capture\n" + beside + `
		5s  read ~/grubx64.efi 3M
		7s  stalled grub/grub.cfg at router unheard unanswered
	`, "foreign-boot-file/next-server", nil},
	{"the DHCP server boots it, and we never offered", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxelinux.0
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots pxelinux.0
	`, "foreign-boot-file/uncontested warning", nil},
	{"the same where DHCP is off here, so that somebody else has to name the file", `
		0s  discover firmware uefi-x64
		0s  silent off "DHCP is off there"
		0s  offer dhcp lease 10.0.0.50 boots shimx64.efi next here
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots shimx64.efi next here
	`, "foreign-boot-file/uncontested warning", nil},
	{"another hobnail's address is taken", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		0s  offer hobnail lease 10.0.0.150 boots ~/shimx64.efi
		4s  request for hobnail
		4s  ack hobnail lease 10.0.0.150 boots ~/shimx64.efi
	`, "other-boot-server", nil},
	{"another hobnail's address is taken behind a relay, and it is known", `
		0s  discover firmware uefi-x64 relay 10.1.0.1
		0s  offer here lease 10.1.0.50 boots ~/shimx64.efi
		4s  request for hobnail
	`, "other-boot-server", func(c *verdict.Case) {
		c.Neighbours = []verdict.Neighbour{{Addr: netip.MustParseAddr("10.0.0.3"), Leases: true, Ours: true, Last: c.Now}}
	}},
	{"two hobnails beside a DHCP server, and the other is asked for the file", beside + `
		0s  offer hobnail proxy boots ~/snponly.efi
	`, "other-boot-server", nil},

	// Relays.
	{"no DHCP server hears the relay", `
		0s  discover firmware uefi-x64 relay 10.1.0.1
		0s  offer here proxy boots ~/snponly.efi
		4s  discover again
	`, "helper-missing/dhcp-server", nil},
	{"a DHCP server is known to be behind that relay", `
		0s  discover firmware uefi-x64 relay 10.1.0.1
		0s  offer here proxy boots ~/snponly.efi
		4s  discover again
	`, "offer-not-taken/split-offer", func(c *verdict.Case) { c.Neighbours = []verdict.Neighbour{leases("10.0.0.1", -20*time.Minute)} }},
	{"DISCOVER does not come to us, and port 4011 does", `
		0s  ask here
		1s  ask here
	`, "helper-missing/discover", nil},

	// Addresses.
	{"NAK by the server that offered", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		4s  nak here
	`, "address-refused/taken", nil},
	{"NAK by another", `
		0s  discover firmware uefi-x64
		0s  offer here lease 10.0.0.50 boots ~/shimx64.efi
		4s  request for here
		4s  nak rogue
	`, "address-refused/other-server", nil},
	{"NAK to an address of elsewhere", `
		0s  request firmware uefi-x64 address 10.7.0.5
		0s  nak here
	`, "address-refused/moved", nil},
	{"NAK, and then it begins anew", `
		0s  request ipxe uefi-x64 address 10.7.0.5
		0s  nak here
		1s  discover
		1s  offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		2s  request for here
		2s  ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		3s  read ~/boot.ipxe 2K http
	`, "handed-over", nil},
	{"the address is in use", dora + `
		5s  decline for here
	`, "declined/in-use", nil},
	{"the answer has no subnet mask", `
		capture
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi no-mask
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50 boots pxe.efi no-mask
		4s  decline for dhcp says "Lease is denied upon entering bound"
	`, "declined/bad-offer", nil},
	{"the answer is refused for another reason", dora + `
		4s  decline for here says "Lease is denied upon entering bound"
	`, "declined/bad-offer", nil},

	// The way to the boot file.
	{"no request comes", dora, "boot-file-never-asked", nil},
	{"no request comes for the boot data of a proxy", beside, "boot-file-never-asked/split-offer", nil},
	{"no request comes by HTTP", `
		0s  discover firmware uefi-x64 http
		0s  offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
		4s  request for here
		4s  ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
	`, "boot-file-never-asked/http", nil},
	{"the machine has no router", strings.ReplaceAll(beside, "lease 10.0.0.50", "lease 10.0.0.50 no-route"), "boot-file-never-asked/no-router", nil},
	{"no request comes to port 4011", `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50
		0s  offer here proxy no43
		4s  request for dhcp
		4s  ack dhcp lease 10.0.0.50
	`, "boot-file-never-asked/boot-service", nil},
	{"the request is seen and not answered", "capture\n" + dora + `
		5s  stalled ~/shimx64.efi unheard unanswered
	`, "boot-file-never-asked/unanswered", nil},
	{"the request is refused by the host", "capture\n" + dora + `
		5s  stalled ~/shimx64.efi unheard port-closed
	`, "boot-file-never-asked/port-closed", nil},
	{"the answer comes from another address", "capture\n" + dora + `
		5s  stalled ~/shimx64.efi unheard answered-from-elsewhere
	`, "transfer-stalled/answered-from-elsewhere", nil},
	{"nothing of the answer arrives", dora + `
		5s  stalled ~/shimx64.efi unheard
	`, "transfer-stalled/data-port", nil},
	{"no full block arrives", dora + `
		5s  stalled ~/shimx64.efi 0 blksize 1468
	`, "transfer-stalled/mtu", nil},
	{"no small block arrives", dora + `
		5s  stalled ~/shimx64.efi 0 blksize 512
	`, "transfer-stalled/loss", nil},
	{"it stops in the middle", dora + `
		5s  stalled ~/shimx64.efi 300K blksize 1468
	`, "transfer-stalled/loss", nil},
	{"it stops in the middle by HTTP", shim + `
		20s stalled img/debian-12/linux 2M http
	`, "transfer-stalled/loss", nil},
	{"it stops, and goes on the second time", dora + `
		5s  stalled ~/shimx64.efi 300K
		40s read ~/shimx64.efi 900K
		41s read ~/grubx64.efi 3M
		42s read grub/grub.cfg 1K
	`, "handed-over", nil},
	{"it is being read", "capture\n" + dora + `
		5s  begin ~/shimx64.efi
	`, "transfer-stalled/open warning", nil},

	{"a capture of ports 67 to 69, which has requests and no data", "capture\n" + dora + `
		5s  begin ~/shimx64.efi
		6s  begin ~/grubx64.efi
		8s  begin grub/grub.cfg
		9s  begin img/a/linux
	`, "transfer-stalled/open warning", nil},

	// The boot file itself.
	{"not found", dora + `
		5s  missing shimx46.efi near shimx64.efi
	`, "boot-file-not-found", nil},
	{"a name that reads on", "capture\n" + `
		0s  discover firmware uefi-x64
		0s  offer dhcp lease 10.0.0.50 boots pxe.efi
		4s  ack dhcp lease 10.0.0.50 boots pxe.efi
		5s  missing pxe.efi\xff at dhcp
	`, "boot-file-not-found/unterminated", nil},
	{"pxelinux finds no configuration", `
		capture
		0s  discover firmware bios
		0s  offer dhcp lease 10.0.0.50 boots pxelinux.0
		4s  ack dhcp lease 10.0.0.50 boots pxelinux.0
		5s  read pxelinux.0 40K at dhcp
		5s  read ldlinux.c32 100K at dhcp
		6s  missing pxelinux.cfg/01-52-54-00-12-34-56 at dhcp
		6s  missing pxelinux.cfg/0A630032 at dhcp
		6s  missing pxelinux.cfg/default at dhcp
	`, "boot-file-not-found", nil},
	{"nothing but harmless searches", `
		0s  missing pxelinux.cfg/01-52-54-00-12-34-56 by 10.0.0.50
		0s  missing pxelinux.cfg/0A630032 by 10.0.0.50
	`, "boot-file-not-found/searches", nil},
	{"access denied", dora + `
		5s  refused ~/shimx64.efi code 2 says "permission denied"
	`, "boot-file-fault/forbidden", nil},
	{"too many at a time", dora + `
		5s  refused ~/shimx64.efi says "64 transfers of this client run"
	`, "boot-file-fault/refused", nil},
	{"a fault of the disk", dora + `
		5s  fault ~/shimx64.efi says "input/output error"
	`, "boot-file-fault", nil},
	{"a redirect", `
		capture
		0s  discover firmware uefi-x64 http
		0s  offer dhcp lease 10.0.0.50 boots http://10.0.0.1//boot.efi http
		4s  ack dhcp lease 10.0.0.50 boots http://10.0.0.1//boot.efi http
		5s  refused boot.efi http code 301 at dhcp
	`, "boot-file-fault/redirect", nil},
	{"ARM64 reads a program for x64", strings.ReplaceAll(dora, "uefi-x64", "uefi-arm64") + `
		5s  read bootx64.efi 900K
	`, "boot-file-wrong-arch", nil},
	{"x64 reads a program for ia32, as its PE header says", dora + `
		5s  read loader.efi 900K arch uefi-ia32
	`, "boot-file-wrong-arch", nil},
	{"BIOS reads a program for UEFI, and gives up", strings.ReplaceAll(dora, "uefi-x64", "bios") + `
		5s  aborted ipxe.efi 600K
	`, "boot-file-wrong-arch", nil},
	{"UEFI reads pxelinux", dora + `
		5s  read pxelinux.0 40K
	`, "boot-file-wrong-arch", nil},
	{"BIOS reads pxelinux", strings.ReplaceAll(dora, "uefi-x64", "bios") + `
		5s  read pxelinux.0 40K
	`, "loader-silent", nil},
	{"option 13 is too small", strings.ReplaceAll(beside, "lease 10.0.0.50", "lease 10.0.0.50 size 1") + `
		5s  aborted ~/snponly.efi 100K code 3 says "User provided memory block is too small"
	`, "read-broken-off/too-small", nil},
	{"broken off by the machine", dora + `
		5s  aborted ~/shimx64.efi 100K code 8 says "User aborted the transfer"
	`, "read-broken-off", nil},
	{"closed by the machine", dora + `
		5s  aborted ~/shimx64.efi 100K code 0 says "TFTP Aborted"
	`, "read-broken-off/closed", nil},
	{"only the size was asked for", dora + `
		5s  probe ~/shimx64.efi
	`, "read-broken-off/after-size", nil},
	{"the size, and then the file", dora + `
		5s  probe ~/shimx64.efi
		5s  read ~/shimx64.efi 900K
	`, "loader-silent", nil},
	{"GRUB closes a file before its end, and goes on", shim + `
		9s  aborted img/debian-12/linux 32K code 0
		9s  read img/debian-12/linux 8M
	`, "installer-silent", nil},

	// The boot program.
	{"a program that Secure Boot refuses", beside + `
		5s  read ~/snponly.efi 200K refusal "it is not signed"
	`, "secure-boot-refused", nil},
	{"the same on BIOS, which does not care", strings.ReplaceAll(beside, "uefi-x64", "bios") + `
		5s  read ~/undionly.kpxe 80K refusal "it is not signed"
	`, "loader-silent", nil},
	{"the same program, which goes on", beside + `
		5s  read ~/snponly.efi 200K refusal "it is not signed"
		8s  discover ipxe
		8s  offer dhcp lease 10.0.0.50
		8s  offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		9s  request for dhcp
		9s  ack dhcp lease 10.0.0.50
		9s  read ~/boot.ipxe 2K http
	`, "handed-over", nil},
	{"a signed program, then nothing", dora + `
		5s  read ~/shimx64.efi 900K signer "Microsoft Corporation UEFI CA 2011"
	`, "loader-silent", nil},
	{"a boot program, then the machine's own disk", dora + `
		5s  read ~/shimx64.efi 900K
		40s discover os
	`, "loader-silent", nil},
	{"the RAM disk of HTTP boot, then nothing", `
		0s  discover firmware uefi-x64 http
		0s  offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
		4s  request for here
		4s  ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
		5s  read ~/boot.img 8M http
	`, "loader-silent", nil},
	{"iPXE gets itself again and again", dora + `
		5s  read ~/snponly.efi 200K
		8s  discover ipxe
		8s  offer dhcp lease 10.0.0.50 boots snponly.efi
		9s  read ~/snponly.efi 200K
		12s discover ipxe
		12s offer dhcp lease 10.0.0.50 boots snponly.efi
		13s read ~/snponly.efi 200K
	`, "loader-loop/ipxe", nil},
	{"iPXE gets itself again and again from a server that answers instead of us", `
		0s  read nbp/bios/undionly.kpxe 80K by 10.0.0.50
		9s  read nbp/bios/undionly.kpxe 80K by 10.0.0.50
		18s read nbp/bios/undionly.kpxe 80K by 10.0.0.50
	`, "loader-loop/unheard", nil},
	{"iPXE runs and is not answered", dora + `
		5s  read ~/snponly.efi 200K
		8s  discover ipxe
		9s  discover again
		8s  silent pool-empty "no address is free"
	`, "no-answer/pool-empty", nil},
	{"iPXE runs, and nobody gives it an address", strings.ReplaceAll(beside, "10.0.0.50", "10.0.0.50") + `
		5s  read ~/snponly.efi 200K
		8s  discover ipxe
		8s  offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		9s  discover again
	`, "no-lease", nil},
	{"iPXE runs, and its script is never asked for", dora + `
		5s  read ~/snponly.efi 200K
		8s  discover ipxe
		8s  offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		9s  request for here
		9s  ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
	`, "boot-file-never-asked/http", nil},
	{"U-Boot's second try is not answered", `
		0s  discover firmware uefi-arm64 uboot
		0s  offer here lease 10.0.0.50 boots ~/boot.scr.uimg
		0s  request for here
		0s  ack here lease 10.0.0.50 boots ~/boot.scr.uimg
		1s  missing boot.scr.uimg
		20s discover pxe
		20s silent no-boot-program "none for it"
	`, "no-answer/no-boot-program", nil},
	{"iPXE is read twice, by shim's habit", dora + `
		5s  read ~/ipxe.efi 900K
		6s  read ~/ipxe.efi 900K
		7s  read ~/ipxe.efi 900K
	`, "loader-silent", nil},
	{"attempt after attempt ends after the same program", dora + `
		5s  read ~/shimx64.efi 900K
	`, "loader-loop/restarts", func(c *verdict.Case) {
		c.Before = []verdict.Past{{Code: verdict.LoaderSilent, Last: c.Boot.Start.Add(-time.Minute)}, {Code: verdict.LoaderSilent, Last: c.Boot.Start.Add(-3 * time.Minute)}}
	}},
	{"the attempts before are of yesterday", dora + `
		5s  read ~/shimx64.efi 900K
	`, "loader-silent", func(c *verdict.Case) {
		c.Before = []verdict.Past{{Code: verdict.LoaderSilent, Last: c.Boot.Start.Add(-24 * time.Hour)}, {Code: verdict.LoaderSilent, Last: c.Boot.Start.Add(-25 * time.Hour)}}
	}},
}

type usual map[string]time.Duration

func (u usual) Of(_, step string) (time.Duration, int) {
	d, ok := u[step]
	if !ok {
		return 0, 0
	}
	return d, 10
}

// slower makes the kernel take a minute.
func slower(steps []model.Step) []model.Step {
	steps = slices.Clone(steps)
	for i := range steps {
		if f := steps[i].File; f != nil && f.Role == model.RoleKernel {
			copied := *f
			copied.Duration = time.Minute
			steps[i].File = &copied
		}
	}
	return steps
}

func leases(addr string, at time.Duration) verdict.Neighbour {
	return verdict.Neighbour{Addr: netip.MustParseAddr(addr), Leases: true, Last: recordtest.Start.Add(at)}
}

// judge judges a script's last boot as it ends.
func judge(t *testing.T, r row) model.Verdict {
	t.Helper()
	s, err := recordtest.Parse(r.script)
	if err != nil {
		t.Fatal(err)
	}
	boots := s.Join(len(s.Events))
	if len(boots) != 1 {
		t.Fatalf("the script makes %d boots", len(boots))
	}
	c := verdict.Case{Boot: boots[0], Now: s.End(), Over: s.Capture}
	if !s.Capture {
		c.Now = c.Now.Add(40 * time.Minute)
	}
	if r.with != nil {
		r.with(&c)
	}
	return verdict.Judge(c)
}

// name is a verdict as rows write it.
func name(v model.Verdict) string {
	s := v.Code
	if v.Detail != "" {
		s += "/" + v.Detail
	}
	if e, _ := verdict.Lookup(v.Code); e.Outcome != v.Outcome {
		s += " " + string(v.Outcome)
	}
	return s
}

func TestVerdicts(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			v := judge(t, r)
			if got := name(v); got != r.want {
				t.Errorf("judged %s (%s), want %s", got, v.Text, r.want)
			}
			if !v.Final {
				t.Error("the verdict is not final")
			}
			checkWords(t, v)
		})
	}
}

// checkWords wants whole sentences that fit on a line, evidence, and whatever
// a person needs who is to do something.
func checkWords(t *testing.T, v model.Verdict) {
	t.Helper()
	for what, text := range map[string]string{"text": v.Text, "cause": v.Cause, "remedy": v.Remedy} {
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s has what does not print: %q", what, text)
		}
		for _, gap := range []string{"  ", "invalid IP", " ,", ": :", "%!"} {
			if strings.Contains(text, gap) || strings.HasSuffix(text, " ") {
				t.Errorf("%s reads badly: %q", what, text)
			}
		}
	}
	if v.Text == "" || strings.HasSuffix(v.Text, ".") {
		t.Errorf("the text is %q", v.Text)
	}
	if v.Outcome == model.OutcomeFailed && (v.Cause == "" || v.Remedy == "" || v.Who == "" || len(v.Evidence) == 0) {
		t.Errorf("a failure lacks cause, remedy, who or evidence: %+v", v)
	}
	e, ok := verdict.Lookup(v.Code)
	if !ok {
		t.Errorf("%s is not in the catalogue", v.Code)
	}
	if v.Detail != "" && !slices.ContainsFunc(e.Details, func(d verdict.Detail) bool { return d.Detail == v.Detail }) {
		t.Errorf("%s/%s is not in the catalogue", v.Code, v.Detail)
	}
}

// TestEveryCodeHasItsRows: each code of the catalogue, and each kind of it, is
// given by a row.
func TestEveryCodeHasItsRows(t *testing.T) {
	have := map[string]bool{}
	for _, r := range rows {
		want, _, _ := strings.Cut(r.want, " ")
		have[want] = true
		code, _, _ := strings.Cut(want, "/")
		have[code] = true
	}
	for _, e := range verdict.Catalogue() {
		if !e.Note && !have[e.Code] {
			t.Errorf("no row ends in %s", e.Code)
		}
		for _, d := range e.Details {
			if !have[e.Code+"/"+d.Detail] {
				t.Errorf("no row ends in %s/%s", e.Code, d.Detail)
			}
		}
	}
}

func TestNotes(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"a healthy boot", kernel, "size-probe harmless-search"},
		{"a DHCP server with faults", strings.ReplaceAll(beside, "lease 10.0.0.50", "lease 10.0.0.50 size 4"), "stray-options"},
		{"a DHCP server without", beside, ""},
		{"the first packets were lost", strings.Replace(dora, "uefi-x64", "uefi-x64 secs 28", 1), "late-start"},
		{"asked four times, and heard from the first", `
			0s  discover firmware uefi-x64 secs 0
			4s  discover again secs 4
			12s discover again secs 12
			28s discover again secs 28
		`, ""},
		{"something else starts", dora + `
			60s discover os
		`, "other-system"},
		{"a second DHCP server that does no harm", strings.Replace(dora, "4s  request", "1s offer rogue lease 10.0.0.99\n4s request", 1), "second-dhcp-server"},
		{"merge, where two offers are one server's", `
			0s  discover firmware uefi-x64
			0s  offer dhcp lease 10.0.0.51
			0s  offer here merge lease 10.0.0.50 boots ~/shimx64.efi
		`, ""},
		{"another server says PXEClient, and it does no harm", `
			0s  discover firmware uefi-x64
			0s  offer dhcp lease 10.0.0.50 pxe
			0s  offer here merge lease 10.0.0.50 boots ~/shimx64.efi
			4s  request for here
			4s  ack here merge lease 10.0.0.50 boots ~/shimx64.efi
		`, "foreign-option-60"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := judge(t, row{script: tc.script})
			var got []string
			for _, n := range v.Notes {
				got = append(got, n.Code)
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("notes %q, want %q", s, tc.want)
			}
		})
	}
}
