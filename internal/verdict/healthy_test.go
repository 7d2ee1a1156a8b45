package verdict_test

import (
	"strings"
	"testing"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record/recordtest"
	"hobnail/internal/verdict"
)

// healthy boots go well, as machines in the lab and in captures did. want is
// the last verdict.
var healthy = []struct{ name, script, want string }{
	{"BIOS with iPXE in its ROM, through a relay", `
		0s    discover ipxe bios relay 10.1.0.1 secs 4
		0s    offer here lease 10.1.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		1s    request for here
		1s    ack here lease 10.1.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		2s    read ~/boot.ipxe 2K http
		4s    read img/kernel/linux 8M http took 300ms
		30s   discover os
		30s   offer here lease 10.1.0.50
		31s   request os for here
		31s   ack here lease 10.1.0.50
	`, "booted"},
	{"BIOS beside dnsmasq", `
		0s    discover firmware bios
		0s    offer here proxy boots ~/undionly.kpxe
		3s    offer dhcp lease 10.0.0.50
		4s    discover again secs 4
		4s    offer here proxy boots ~/undionly.kpxe
		4s    offer dhcp lease 10.0.0.50
		8s    request for dhcp
		8s    ack dhcp lease 10.0.0.50
		8s    probe ~/undionly.kpxe code 0 says "TFTP Aborted"
		8s    read ~/undionly.kpxe 80K blksize 1456
		12s   discover ipxe bios secs 4
		12s   offer dhcp lease 10.0.0.50
		12s   offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		13s   discover again secs 10
		13s   offer dhcp lease 10.0.0.50
		14s   request for dhcp
		14s   ack dhcp lease 10.0.0.50
		15s   read ~/boot.ipxe 2K http
		15s   read img/installer/linux 8M http
		16s   read img/installer/initrd.gz 30M http
		60s   discover os
	`, "booted"},
	{"UEFI: shim and GRUB through a relay", strings.ReplaceAll(kernel, "uefi-x64", "uefi-x64 relay 10.1.0.1") + `
		70s   discover os
	`, "booted"},
	{"UEFI beside Kea, both behind a relay, Kea not heard", `
		0s    discover firmware uefi-x64 relay 10.1.0.1
		0s    offer here proxy boots ~/snponly.efi
		4s    discover again secs 4
		4s    offer here proxy boots ~/snponly.efi
		8s    request for dhcp
		9s    probe ~/snponly.efi by 10.1.0.50
		9s    read ~/snponly.efi 200K by 10.1.0.50
		20s   discover ipxe
		20s   offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		22s   request for dhcp
		23s   read ~/boot.ipxe 2K http by 10.1.0.50
		24s   read img/installer/linux 8M http by 10.1.0.50
		25s   read img/installer/initrd.gz 30M http by 10.1.0.50
		80s   request os for dhcp address 10.1.0.50
	`, "booted"},
	{"HTTP boot with a RAM disk, whose GRUB asks for an address", `
		0s    discover firmware uefi-x64
		0s    silent not-ours "answered by HTTP alone"
		0s    discover firmware uefi-x64 http
		0s    offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
		4s    request for here
		4s    ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.img
		5s    probe ~/boot.img http
		5s    read ~/boot.img 12M http took 1s
		20s   discover os
		20s   offer here lease 10.0.0.50
		20s   request os for here
		20s   ack here lease 10.0.0.50
		22s   read ~/grub.cfg 2K
		25s   read img/kernel/linux 8M
		60s   discover os
	`, "booted"},
	{"U-Boot asks twice", `
		0s    discover firmware uefi-arm64 uboot
		0s    offer here lease 10.0.0.50 boots ~/boot.scr.uimg
		0s    request for here
		0s    ack here lease 10.0.0.50 boots ~/boot.scr.uimg
		1s    missing pxelinux.cfg/01-52-54-00-12-34-56
		1s    missing pxelinux.cfg/default-arm
		20s   discover firmware uefi-arm64
		20s   offer here lease 10.0.0.50 boots ~/grubaa64.efi
		20s   request for here
		20s   ack here lease 10.0.0.50 boots ~/grubaa64.efi
		21s   missing dtb/
		21s   read ~/grubaa64.efi 3M
		24s   read grub/grub.cfg 2K
		26s   read img/kernel-arm64/linux 8M
		60s   discover os
	`, "booted"},
	{"pxelinux looks for its configuration", `
		0s    discover firmware bios
		0s    offer here lease 10.0.0.50 boots ~/pxelinux.0
		4s    request for here
		4s    ack here lease 10.0.0.50 boots ~/pxelinux.0
		5s    read ~/pxelinux.0 40K
		5s    read ~/ldlinux.c32 100K
		5s    missing ~/pxelinux.cfg/4c4c4544-0043-3010-8052-b4c04f4d3532
		5s    missing ~/pxelinux.cfg/01-52-54-00-12-34-56
		5s    missing ~/pxelinux.cfg/0A000032
		5s    missing ~/pxelinux.cfg/0A00003
		5s    missing ~/pxelinux.cfg/0
		5s    read ~/pxelinux.cfg/default 1K
		5s    read ~/menu.c32 20K
		20s   read img/kernel/linux 8M
		60s   discover os
	`, "booted"},
	{"two hobnails give addresses, the other is taken", `
		0s    discover firmware uefi-x64
		0s    offer here lease 10.0.0.50 boots ~/shimx64.efi
		0s    offer hobnail lease 10.0.0.150 boots ~/shimx64.efi
		4s    request for hobnail
		4s    ack hobnail lease 10.0.0.150 boots ~/shimx64.efi
		90s   discover os
	`, "other-boot-server"},
	{"the other hobnail dies after the boot program was read", `
		0s    discover firmware uefi-x64
		0s    offer hobnail lease 10.0.0.150 boots ~/snponly.efi
		0s    offer here lease 10.0.0.50 boots ~/snponly.efi
		4s    request for hobnail
		4s    ack hobnail lease 10.0.0.150 boots ~/snponly.efi
		12s   discover ipxe
		12s   offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		14s   request for here
		14s   ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		15s   read ~/boot.ipxe 2K http
		16s   read img/kernel/linux 8M http
		50s   discover os
	`, "booted"},
	{"two hobnails beside a DHCP server, and the files are read here", `
		0s    discover firmware uefi-x64
		0s    offer dhcp lease 10.0.0.50
		0s    offer hobnail boots ~/snponly.efi
		0s    offer here proxy boots ~/snponly.efi
		4s    request for dhcp
		4s    ack dhcp lease 10.0.0.50
		5s    read ~/snponly.efi 200K
		8s    discover ipxe
		8s    offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		9s    request for dhcp
		9s    ack dhcp lease 10.0.0.50
		9s    read ~/boot.ipxe 2K http
	`, "handed-over"},
	{"merge: our OFFER and dnsmasq's are heard", `
		0s    discover firmware uefi-x64
		0s    offer dhcp lease 10.0.0.50 relay here
		0s    offer here merge lease 10.0.0.50 boots ~/shimx64.efi direct
		3s    offer dhcp lease 10.0.0.50 direct
		4s    request for here direct
		4s    ack dhcp lease 10.0.0.50 relay here
		4s    ack here merge lease 10.0.0.50 boots ~/shimx64.efi direct
		5s    read ~/shimx64.efi 900K
		6s    read ~/grubx64.efi 3M
		8s    read grub/grub.cfg 2K
		9s    read img/kernel/linux 8M
		40s   discover os
	`, "booted"},
	{"merge beside Kea, which offers another address directly", `
		0s    discover firmware uefi-x64
		0s    offer here merge lease 10.0.0.50 boots ~/shimx64.efi
		0s    offer dhcp lease 10.0.0.51
		4s    request for here
		4s    ack here merge lease 10.0.0.50 boots ~/shimx64.efi
		5s    read ~/shimx64.efi 900K
		6s    read ~/grubx64.efi 3M
		8s    read grub/grub.cfg 2K
		9s    read img/kernel/linux 8M
		40s   discover os
	`, "booted"},
	{"DHCP is off here: the site's server names our file", `
		0s    begin shimx64.efi by 10.0.0.50
		0s    read shimx64.efi 900K by 10.0.0.50
		1s    missing revocations_sku.efi by 10.0.0.50
		1s    read grubx64.efi 3M by 10.0.0.50
		3s    read grub/grub.cfg 2K by 10.0.0.50
		9s    read img/kernel/linux 8M by 10.0.0.50
	`, "installer-silent"},
	{"a Raspberry Pi", `
		0s    discover firmware rpi xid 653460281
		0s    offer here lease 10.0.0.50 boots ~/bootcode.bin
		5s    discover again
		5s    offer here lease 10.0.0.50 boots ~/bootcode.bin
		6s    read bootcode.bin 50K by 10.0.0.50
		7s    missing bootsig.bin by 10.0.0.50
		7s    missing 1a2b3c4d/start.elf by 10.0.0.50
		7s    missing autoboot.txt by 10.0.0.50
		8s    read config.txt 1K by 10.0.0.50
		9s    read start.elf 3M by 10.0.0.50
		10s   read kernel.img 6M by 10.0.0.50
	`, "installer-silent"},
	{"WDS answers alone, and hobnail has nothing for it", `
		0s    discover firmware uefi-x64
		0s    silent not-ours "WDS"
		0s    offer dhcp lease 10.0.0.50 pxe
		4s    request for dhcp
		4s    ack dhcp lease 10.0.0.50 pxe
		5s    ask dhcp
		5s    told dhcp boots boot/wdsmgfw.efi
	`, "foreign-boot-file/uncontested warning"},
	{"a capture of WDS", `
		capture
		0s    discover firmware uefi-x64
		0s    offer dhcp lease 10.0.0.50 pxe
		4s    request for dhcp
		4s    ack dhcp lease 10.0.0.50 pxe
		5s    ask dhcp
		5s    told dhcp boots boot/wdsmgfw.efi
		6s    read boot/wdsmgfw.efi 1M at dhcp
		8s    read boot/Boot/BCD 16K at dhcp
		9s    read boot/boot.sdi 3M at dhcp
		9s    read boot/boot.wim 500M took 40s at dhcp
		90s   discover os
	`, "booted"},
	{"firmware that asks long for an address, behind a port that comes up late", `
		0s    discover firmware uefi-x64 secs 28
		0s    offer here lease 10.0.0.50 boots ~/shimx64.efi
		32s   request for here
		32s   ack here lease 10.0.0.50 boots ~/shimx64.efi
		60s   read ~/shimx64.efi 900K
		61s   read ~/grubx64.efi 3M
		62s   read grub/grub.cfg 2K
	`, "handed-over"},
	{"a menu in which somebody thinks for ten minutes", kernelAfter("600s", "602s") + `
		640s  discover os
	`, "booted"},
	{"iPXE goes on with a script beside itself that is not there", `
		0s    discover firmware uefi-x64
		0s    offer dhcp lease 10.0.0.50
		0s    offer here proxy boots ~/snponly.efi
		4s    request for dhcp
		4s    ack dhcp lease 10.0.0.50
		5s    read ~/snponly.efi 200K
		7s    missing ~/autoexec.ipxe
		42s   discover ipxe
		42s   offer dhcp lease 10.0.0.50
		42s   offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
		44s   request for dhcp
		44s   ack dhcp lease 10.0.0.50
		45s   read ~/boot.ipxe 2K http
	`, "handed-over"},
	{"a large image takes a quarter of an hour", `
		0s    discover firmware uefi-x64
		0s    offer here lease 10.0.0.50 boots ~/bootmgfw.efi
		4s    request for here
		4s    ack here lease 10.0.0.50 boots ~/bootmgfw.efi
		5s    read ~/bootmgfw.efi 2M
		6s    read ~/Boot/BCD 16K
		8s    begin ~/sources/boot.wim
		8s    read ~/sources/boot.wim 500M took 900s
		1000s discover os
	`, "slow/kernel"},
	{"the boot service on port 4011 names the file", beside4011, "handed-over"},
	{"NAK for an old address, then a new one", `
		0s    request ipxe bios address 10.7.0.5
		0s    nak here
		1s    discover
		1s    offer here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		2s    request for here
		2s    ack here lease 10.0.0.50 boots http://10.0.0.2:8080/~/boot.ipxe
		3s    read ~/boot.ipxe 2K http
	`, "handed-over"},
}

const beside4011 = `
	0s    discover firmware bios
	0s    offer dhcp lease 10.0.0.50
	0s    offer here proxy menu
	4s    request for dhcp
	4s    ack dhcp lease 10.0.0.50
	5s    ask here
	5s    told here boots ~/undionly.kpxe
	6s    probe ~/undionly.kpxe
	6s    read ~/undionly.kpxe 80K
	9s    discover ipxe
	9s    offer dhcp lease 10.0.0.50
	9s    offer here proxy boots http://10.0.0.2:8080/~/boot.ipxe
	10s   request for dhcp
	10s   ack dhcp lease 10.0.0.50
	11s   read ~/boot.ipxe 2K http
`

// kernelAfter is the boot of kernel with its last two reads at other times.
func kernelAfter(linux, initrd string) string {
	s := strings.Replace(kernel, "20s read img", linux+" read img", 1)
	return strings.Replace(s, "22s read img", initrd+" read img", 1)
}

// TestHealthyBootsNeverFail judges every beginning of a boot that went well, at
// every moment at which more came: no final verdict may say that it failed.
func TestHealthyBootsNeverFail(t *testing.T) {
	for _, h := range healthy {
		t.Run(h.name, func(t *testing.T) {
			s, err := recordtest.Parse(h.script)
			if err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= len(s.Events); n++ {
				now, over := s.End().Add(40*time.Minute), s.Capture
				if n < len(s.Events) {
					now, over = s.Events[n].Step.Time, false
				}
				boots := s.Join(n)
				for i, b := range boots {
					v := verdict.Judge(verdict.Case{Boot: b, Now: now, Over: over})
					if v.Final && v.Outcome == model.OutcomeFailed && !passing(h.name, i) {
						t.Errorf("after %q, before %s: %s is final: %s", s.Events[n-1].Line, now.Sub(recordtest.Start), name(v), v.Text)
					}
					if n == len(s.Events) && i == len(boots)-1 {
						if got := name(v); got != h.want || !v.Final {
							t.Errorf("ends as %s (%s), want %s", got, v.Text, h.want)
						}
					}
				}
			}
		})
	}
}

// passing are boots before the healthy one that may fail: a machine that does
// HTTP boot tries PXE first.
func passing(name string, i int) bool { return strings.HasPrefix(name, "HTTP boot") && i == 0 }
