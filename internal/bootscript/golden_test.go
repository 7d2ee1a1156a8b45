package bootscript

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hobnail/internal/model"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func lab(arch model.Arch) Menu {
	return Menu{
		Machine: Machine{Name: "lab-01", MAC: "52:54:00:12:34:56", Arch: arch, Address: netip.MustParseAddr("10.77.2.10")},
		Server:  Server{Name: "boot1", Address: netip.MustParseAddr("10.77.1.2"), URL: "http://10.77.1.2:8080"},
		Entries: []Entry{
			{
				ID: "debian-12", Title: "Debian 12 installer",
				Kernel:  "img/debian-12/linux",
				Initrd:  []string{"img/debian-12/initrd.gz"},
				Cmdline: `console=ttyS0 url=http://10.77.1.2:8080/preseed/lab-01 note="two words" --- quiet`,
			},
			{ID: "rescue", Kernel: "img/rescue/vmlinuz.img", Initrd: []string{"img/rescue/initrd", "img/rescue/2-initrd"}},
			{ID: "memtest", Title: "Memory test", Kernel: "img/memtest/memtest.efi"},
		},
		Default: model.TargetLocal,
		Timeout: 10 * time.Second,
		Why:     "[boot] unknown = \"menu\", hobnail.toml:14",
	}
}

func with(m Menu, change func(*Menu)) Menu {
	change(&m)
	return m
}

func TestGolden(t *testing.T) {
	bios, uefi := lab(model.ArchBIOS), lab(model.ArchX64)
	direct := func(m *Menu) { m.Direct = "debian-12" }
	local := func(m *Menu) { m.Direct = model.TargetLocal }
	leaves := func(way model.LocalWay) func(*Menu) {
		return func(m *Menu) { m.Direct, m.Local = model.TargetLocal, way }
	}
	gone := func(m *Menu) { m.Direct = "debian-11" }
	waits := func(script string) func(*Menu) {
		return func(m *Menu) {
			m.Wait = &Wait{Number: 7, Script: "m/525400123456/" + string(m.Machine.Arch) + "/" + script, Ready: "m/525400123456/" + string(m.Machine.Arch) + "/ready"}
		}
	}
	ways := func(m *Menu) {
		m.Entries = []Entry{
			{ID: "memtest", Title: "Memory test", Kernel: "img/memtest/memtest86+x64.efi", Way: model.WayEFI},
			{ID: "rescue", Title: "A rescue disk", Kernel: "iso/rescue.iso", Way: model.WaySANBoot},
			{ID: "windows", Title: "Windows Setup", Kernel: "win/windows/open/bootmgfw.efi", Cmdline: "gui", Way: model.WayWindows, Wimboot: "nbp/bios/wimboot",
				Files: []Named{{"BCD", "win/windows/open/wimboot-bios/BCD"}, {"boot.wim", "win/windows/open/wimboot-bios/boot.wim"}}},
			{ID: "windows-2", Title: "Windows without wimboot", Kernel: "win/windows-2/open/bootmgfw.efi", Way: model.WayWindows},
		}
	}
	tests := []struct {
		name string
		got  []byte
	}{
		{"menu-bios.ipxe", IPXE(bios)},
		{"menu-uefi.ipxe", IPXE(uefi)},
		{"menu-waits-default-image.ipxe", IPXE(with(uefi, func(m *Menu) { m.Timeout, m.Default = 0, "debian-12" }))},
		{"menu-target-is-gone.ipxe", IPXE(with(uefi, gone))},
		{"direct-bios.ipxe", IPXE(with(bios, direct))},
		{"direct-uefi.ipxe", IPXE(with(uefi, direct))},
		{"direct-two-initrds-by-tftp.ipxe", IPXE(with(uefi, func(m *Menu) { m.Direct, m.NoHTTP = "rescue", true }))},
		{"local.ipxe", IPXE(with(uefi, local))},
		{"local-exit.ipxe", IPXE(with(uefi, leaves(model.LocalExit)))},
		{"local-disk.ipxe", IPXE(with(uefi, leaves(model.LocalDisk)))},
		{"local-disk-bios.ipxe", IPXE(with(bios, leaves(model.LocalDisk)))},
		{"local-exit.grub", GRUB(with(uefi, leaves(model.LocalExit)))},
		{"local-exit.pxelinux", PXELinux(with(bios, leaves(model.LocalExit)))},
		{"menu.grub", GRUB(uefi)},
		{"menu-waits-default-image.grub", GRUB(with(uefi, func(m *Menu) { m.Timeout, m.Default = 0, "debian-12" }))},
		{"menu-target-is-gone.grub", GRUB(with(uefi, gone))},
		{"direct.grub", GRUB(with(uefi, direct))},
		{"local.grub", GRUB(with(uefi, local))},
		{"waits.ipxe", IPXE(with(uefi, waits("boot.ipxe")))},
		{"waits.grub", GRUB(with(uefi, waits("grub.cfg")))},
		{"waits.pxelinux", PXELinux(with(bios, waits("pxelinux.cfg/default")))},
		{"ways.ipxe", IPXE(with(uefi, ways))},
		{"ways-bios.ipxe", IPXE(with(bios, ways))},
		{"ways.grub", GRUB(with(uefi, ways))},
		{"menu.pxelinux", PXELinux(bios)},
		{"menu-waits-default-image.pxelinux", PXELinux(with(bios, func(m *Menu) { m.Timeout, m.Default = 0, "debian-12" }))},
		{"menu-target-is-gone.pxelinux", PXELinux(with(bios, gone))},
		{"direct.pxelinux", PXELinux(with(bios, direct))},
		{"local.pxelinux", PXELinux(with(bios, local))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(file, tt.got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(tt.got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestServerByIPv6(t *testing.T) {
	m := lab(model.ArchX64)
	m.Direct, m.NoHTTP, m.Server.Address = "memtest", true, netip.MustParseAddr("fe80::1%eth0")
	want := "kernel tftp://[fe80::1]/img/memtest/memtest.efi || goto failed\n"
	if got := string(IPXE(m)); !contains(got, want) {
		t.Errorf("script lacks %q:\n%s", want, got)
	}
}

func TestCountdownRoundsUp(t *testing.T) {
	tests := []struct {
		timeout        time.Duration
		ipxe, grub, px string
	}{
		{1, " --timeout 1 ", "set timeout=1\n", "TIMEOUT 1\n"},
		{1500 * time.Millisecond, " --timeout 1500 ", "set timeout=2\n", "TIMEOUT 15\n"},
		{48 * time.Hour, " --timeout 3599600 ", "set timeout=3600\n", "TIMEOUT 35996\n"},
		{-1, "choose --default local target", "set timeout=-1\n", "TIMEOUT 0\n"},
	}
	for _, tt := range tests {
		m := lab(model.ArchBIOS)
		m.Timeout = tt.timeout
		for want, got := range map[string][]byte{tt.ipxe: IPXE(m), tt.grub: GRUB(m), tt.px: PXELinux(m)} {
			if !contains(string(got), want) {
				t.Errorf("%v: script lacks %q:\n%s", tt.timeout, want, got)
			}
		}
	}
}
