package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// proxySite is the configuration of a server that was given none.
const proxySite = ""

// onlyFile is a name without the folders that say for which machine it is.
func onlyFile(b *policy.Boot) string {
	if b == nil {
		return ""
	}
	return b.File[strings.LastIndexByte(b.File, '/')+1:]
}

// TestBootPrograms: which program each architecture gets, from whom it has its
// address, and what is said where there is none.
func TestBootPrograms(t *testing.T) {
	const (
		bios, uefi, http, uboot, other = model.FirmwareBIOS, model.FirmwareUEFI, model.FirmwareHTTP, model.FirmwareUBoot, model.FirmwareOther
	)
	for _, tc := range []struct {
		arch     model.Arch
		firmware model.Firmware
		server   string // the file; "" for silence
		proxy    string
	}{
		{model.ArchBIOS, bios, "undionly.kpxe", "undionly.kpxe"},
		{model.ArchIA32, uefi, "grubia32.efi", "snponly.efi"},
		{model.ArchX64, uefi, "shimx64.efi", "snponly.efi"},
		{model.ArchX64, http, "boot.img", "boot.img"}, // GRUB alone finds no server by HTTP
		{model.ArchIA32, http, "boot.img", "boot.img"},
		{model.ArchARM32, uefi, "grubarm.efi", ""},
		{model.ArchARM64, uefi, "shimaa64.efi", "snponly.efi"},
		{model.ArchARM64, http, "snponly.efi", "snponly.efi"}, // no RAM disk here
		{model.ArchARM64, uboot, "boot.scr.uimg", ""},         // a script; U-Boot takes no proxy's offer
		{model.ArchRISCV64, uefi, "grubriscv64.efi", ""},
		{model.ArchRISCV64, http, "boot.img", "boot.img"},
		{model.ArchLoongArch64, uefi, "snponly.efi", "snponly.efi"},
		{model.ArchLoongArch64, http, "snponly.efi", "snponly.efi"},
		{model.ArchIA64, uefi, "", ""},
		{model.ArchSunway64, uefi, "", ""},
		{model.ArchPowerOF, other, "", ""},
		{model.ArchRPi, other, "", ""},
		{model.ArchS390, other, "", ""},
	} {
		for mode, want := range map[string]string{serverSite: tc.server, proxySite: tc.proxy} {
			d := newWorld(t, mode).Decide(noon, asks(lab1, boots(tc.arch, tc.firmware)))
			if got := onlyFile(d.Boot); got != want {
				t.Errorf("%s by %s in mode %s gets %q, want %q; %s", tc.arch, tc.firmware, d.Mode, got, want, lastReason(d))
			}
			if (d.Answer == policy.Offer) != (want != "") {
				t.Errorf("%s by %s in mode %s: answer %s with program %q", tc.arch, tc.firmware, d.Mode, d.Answer, want)
			}
			if tc.firmware != uboot && (d.Missing != nil) != (want == "") {
				t.Errorf("%s by %s in mode %s: program %q and missing %v", tc.arch, tc.firmware, d.Mode, want, d.Missing)
			}
		}
	}
}

// TestNoBIOSFileForAnythingElse: whatever a client says, in every mode, it
// gets a file from the folder of an architecture that it named.
func TestNoBIOSFileForAnythingElse(t *testing.T) {
	for _, site := range []string{serverSite, proxySite} {
		w := newWorld(t, site)
		for code := range uint16(60) {
			for _, class := range []string{pxe.PXEClient, pxe.HTTPClient, "U-Boot.armv8"} {
				for _, port := range []uint16{67, 4011} {
					p := &dhcp4.Packet{Op: dhcp4.OpRequest, HType: 1, HLen: 6, CHAddr: [16]byte{0x52, 0x54}, CIAddr: netip.MustParseAddr("10.77.2.99")}
					p.Options.AddUint8(dhcp4.OptMessageType, uint8(dhcp4.Discover))
					p.Options.AddUint16(dhcp4.OptArch, code)
					p.Options.AddString(dhcp4.OptVendorClass, class)
					f := classify.DHCP(p, classify.Ingress{Local: ours, Dst: ours, Port: port, Src: netip.MustParseAddrPort("10.77.2.99:68")})
					d := w.Decide(noon, &f)
					row, _ := model.LookupArchCode(code)
					if d.Boot != nil && d.Boot.Arch != row.Arch {
						t.Errorf("code %d (%s), class %s, port %d gets a file for %s", code, row.Name, class, port, d.Boot.Arch)
					}
					if d.Boot != nil && strings.Contains(d.Boot.File, "://") != (class == pxe.HTTPClient) {
						t.Errorf("code %d, class %s gets %s", code, class, d.Boot.File)
					}
				}
			}
		}
	}
}

// TestBootFileNames: the whole of what goes into the reply.
func TestBootFileNames(t *testing.T) {
	for _, tc := range []struct {
		name    string
		site    string
		request *classify.Facts
		want    policy.Boot
	}{
		{"PXE", serverSite, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)),
			policy.Boot{File: "m/525400000001/uefi-x64/shimx64.efi", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchX64, Loader: "shim"}},
		{"PXE without an Ethernet address", proxySite, asks("", boots(model.ArchX64, model.FirmwareUEFI)),
			policy.Boot{File: "nbp/uefi-x64/snponly.efi", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchX64, Loader: "ipxe"}},
		{"HTTP boot", serverSite, asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)),
			policy.Boot{File: "http://10.77.2.2:8080/m/525400000001/uefi-x64/boot.img", NextServer: ours, Class: classify.ClassHTTP, Arch: model.ArchX64, Loader: "ramdisk"}},
		{"HTTP boot where GRUB is chosen", serverSite + "[[rule]]\nloader = \"grub\"\n", asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)),
			policy.Boot{File: "http://10.77.2.2:8080/m/525400000001/uefi-x64/boot.img", NextServer: ours, Class: classify.ClassHTTP, Arch: model.ArchX64, Loader: "ramdisk"}},
		{"iPXE", serverSite, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI), iPXE, features(pxe.FeatureHTTP, pxe.FeatureTFTP)),
			policy.Boot{File: "http://10.77.2.2:8080/m/525400000001/uefi-x64/boot.ipxe", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchX64, Loader: "script"}},
		{"iPXE that does not say what it knows", proxySite, asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS), iPXE),
			policy.Boot{File: "http://10.77.2.2:8080/m/525400000001/bios/boot.ipxe", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchBIOS, Loader: "script"}},
		{"iPXE without HTTP", proxySite, asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS), iPXE, features(pxe.FeatureTFTP)),
			policy.Boot{File: "tftp://10.77.2.2/m/525400000001/bios/boot.ipxe", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchBIOS, Loader: "script"}},
		{"iPXE where HTTP is off", "[server]\nhttp = \"off\"\n", asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS), iPXE),
			policy.Boot{File: "tftp://10.77.2.2/m/525400000001/bios/boot.ipxe", NextServer: ours, Class: classify.ClassPXE, Arch: model.ArchBIOS, Loader: "script"}},
		{"a server that names another address of its own", "[server]\naddress = \"192.0.2.9\"\n", asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)),
			policy.Boot{File: "http://192.0.2.9:8080/m/525400000001/uefi-x64/boot.img", NextServer: netip.MustParseAddr("192.0.2.9"), Class: classify.ClassHTTP, Arch: model.ArchX64, Loader: "ramdisk"}},
		{"a subnet that names another boot server", serverSite + "next_server = \"10.77.1.9\"\n", asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)),
			policy.Boot{File: "m/525400000001/uefi-x64/shimx64.efi", NextServer: netip.MustParseAddr("10.77.1.9"), Class: classify.ClassPXE, Arch: model.ArchX64, Loader: "shim"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newWorld(t, tc.site).Decide(noon, tc.request)
			if d.Boot == nil {
				t.Fatalf("no boot data: %+v", d.Reasons())
			}
			if diff := cmp.Diff(tc.want, *d.Boot, cmp.Comparer(sameAddr)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }

// features makes iPXE say what is compiled in.
func features(list ...pxe.Feature) func(*classify.Facts) {
	return func(f *classify.Facts) {
		var raw []byte
		for _, code := range list {
			raw = append(raw, byte(code), 1, 1)
		}
		f.IPXE, _ = pxe.ParseIPXE(raw)
	}
}

func TestHTTPBootNeedsHTTP(t *testing.T) {
	d := newWorld(t, "[server]\nhttp = \"off\"\n").Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)))
	if d.Answer != policy.Ignore || lastReason(d) != "the machine boots by HTTP and [server] http is off" {
		t.Errorf("answer %s, because %s", d.Answer, lastReason(d))
	}
}

// TestMissingPrograms: silence, with the file and the folder named.
func TestMissingPrograms(t *testing.T) {
	for _, tc := range []struct {
		name string
		site string
		arch model.Arch
		want string
	}{
		{"nothing for x64", serverSite, model.ArchX64, "no boot program for uefi-x64: put shimx64.efi, grubx64.efi or snponly.efi into /srv/nbp/uefi-x64"},
		{"nothing for x64 behind another server", proxySite, model.ArchX64, "no boot program for uefi-x64: put snponly.efi into /srv/nbp/uefi-x64"},
		{"nothing for BIOS", proxySite, model.ArchBIOS, "no boot program for bios: put undionly.kpxe or pxelinux.0 into /srv/nbp/bios"},
		{"GRUB alone will not do behind another server", proxySite, model.ArchRISCV64, "nothing is known that could boot uefi-riscv64 here"},
		{"a Raspberry Pi", serverSite, model.ArchRPi, "nothing is known that could boot rpi here"},
		{"a kind that is not there", "[[rule]]\nloader = \"grub\"\n", model.ArchX64, "no boot program for uefi-x64: put grubx64.efi into /srv/nbp/uefi-x64"},
		{"a kind that cannot be", "[[rule]]\nloader = \"pxelinux\"\n", model.ArchX64, "no boot program of kind pxelinux is known for uefi-x64"},
		{"a file that is not there", "[[rule]]\nloader = \"bootmgfw.efi\"\n", model.ArchX64, "no boot program for uefi-x64: put bootmgfw.efi into /srv/nbp/uefi-x64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			firmware := model.FirmwareUEFI
			switch tc.arch {
			case model.ArchBIOS:
				firmware = model.FirmwareBIOS
			case model.ArchRPi:
				firmware = model.FirmwareOther
			}
			d := newWorldWith(t, tc.site).Decide(noon, asks(lab1, boots(tc.arch, firmware)))
			if d.Missing == nil || d.Answer != policy.Ignore || d.Change.Kind != policy.NoChange {
				t.Fatalf("answer %s, change %+v, missing %v; want silence", d.Answer, d.Change, d.Missing)
			}
			if got := d.Missing.String(); got != tc.want || lastReason(d) != tc.want {
				t.Errorf("says %q, because %q\nwant %q", got, lastReason(d), tc.want)
			}
		})
	}
}

// TestUnreadableArchitecture: what cannot be told is not taken for BIOS.
func TestUnreadableArchitecture(t *testing.T) {
	for name, want := range map[string]string{
		"":                                   "the client names no architecture that can be read",
		"unassigned architecture code 65535": "no boot program can exist for unassigned architecture code 65535",
	} {
		f := asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))
		f.Archs, f.Arch, f.Firmware, f.ArchName = nil, "", "", name
		d := newWorld(t, serverSite).Decide(noon, f)
		if d.Answer != policy.Ignore || lastReason(d) != want || d.Missing != nil {
			t.Errorf("answer %s, because %q, missing %v; want silence because %q", d.Answer, lastReason(d), d.Missing, want)
		}
	}
}

// TestFirstArchitectureThatCanBeServed: RFC 4578 section 2.1 lets a client list
// several.
func TestFirstArchitectureThatCanBeServed(t *testing.T) {
	f := asks(lab1, boots(model.ArchIA64, model.FirmwareUEFI))
	x64, _ := model.LookupArchCode(7)
	f.Archs = append(f.Archs, x64)
	d := newWorld(t, serverSite).Decide(noon, f)
	if d.Boot == nil || d.Boot.File != "m/525400000001/uefi-x64/shimx64.efi" {
		t.Errorf("gets %+v, want the x64 program: %+v", d.Boot, d.Reasons())
	}
}

// TestUsersPrograms: a program of a kind that hobnail has no name for is used
// where it is the only one, and by name.
func TestUsersPrograms(t *testing.T) {
	custom := func(file string) policy.Program {
		return policy.Program{Arch: model.ArchX64, Loader: policy.LoaderCustom, File: file}
	}
	signed := policy.Program{Arch: model.ArchX64, Loader: policy.LoaderIPXEShim, File: "ipxe-shim.efi"}
	for _, tc := range []struct {
		name string
		site string
		have []policy.Program
		want string
	}{
		{"one of them comes before the embedded ones", serverSite, []policy.Program{custom("bootmgfw.efi")}, "bootmgfw.efi"},
		{"of two none is preferred", serverSite, []policy.Program{custom("bootmgfw.efi"), custom("wdsmgfw.efi")}, "shimx64.efi"},
		{"a rule names one of two", serverSite + "[[rule]]\nloader = \"wdsmgfw.efi\"\n", []policy.Program{custom("bootmgfw.efi"), custom("wdsmgfw.efi")}, "wdsmgfw.efi"},
		{"a signed iPXE comes before the unsigned behind another server", proxySite, []policy.Program{signed}, "ipxe-shim.efi"},
		{"a signed iPXE does not take shim's place where we give the address", serverSite, []policy.Program{signed}, "shimx64.efi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorldWith(t, tc.site, append(tc.have, everything[:]...)...)
			d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)))
			if got := onlyFile(d.Boot); got != tc.want {
				t.Errorf("gets %q, want %q: %+v", got, tc.want, d.Reasons())
			}
		})
	}
}

// TestWindowsManager: where a rule names the boot manager of Windows, it comes out
// of the image that the machine boots; a machine that boots something else gets
// what boots that.
func TestWindowsManager(t *testing.T) {
	t.Run("no rule names it", func(t *testing.T) {
		for loader, want := range map[string]string{"": "bootmgfw.efi", "shim": "shimx64.efi", "ipxe": "snponly.efi"} {
			site := serverSite
			if loader != "" {
				site += "[[rule]]\nloader = \"" + loader + "\"\n"
			}
			w := newWorld(t, site)
			w.Policy = policy.Compile(w.Policy.Config, []model.Image{{Name: "win11", CPU: model.CPUX64, Kernel: model.Inside + "sources/boot.wim", Way: model.WayWindows}}, programs(everything[:]...))
			w.Registry = says(policy.Known{Order: policy.Order{State: policy.OrderInstall, Image: "win11", Why: "an install is armed"}})
			if d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))); onlyFile(d.Boot) != want {
				t.Errorf("loader %q gets %q, want %q: %+v", loader, onlyFile(d.Boot), want, d.Reasons())
			}
			if d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI), iPXE)); d.Boot == nil || loader == "" && d.Boot.Loader != policy.LoaderScript {
				t.Errorf("iPXE, loader %q, gets %+v", loader, d.Boot)
			}
		}
	})
	windows := model.Image{Name: "win11", CPU: model.CPUX64, Kernel: model.Inside + "sources/boot.wim", Way: model.WayWindows}
	own := policy.Program{Arch: model.ArchX64, Loader: policy.LoaderCustom, File: "bootmgfw.efi"}
	const rule = "[[rule]]\nloader = \"bootmgfw.efi\"\n"
	install := policy.Order{State: policy.OrderInstall, Image: "win11", Why: "an install is armed"}
	over := policy.Order{State: policy.OrderOver, Why: "it was installed"}
	for _, tc := range []struct {
		name     string
		images   []model.Image
		order    policy.Order
		firmware model.Firmware
		have     []policy.Program
		want     string
	}{
		{"an order for Windows", []model.Image{windows}, install, model.FirmwareUEFI, nil, "m/525400000001/uefi-x64/bootmgfw.efi"},
		{"the local disk afterwards", []model.Image{windows}, over, model.FirmwareUEFI, nil, "m/525400000001/uefi-x64/shimx64.efi"},
		{"the menu", []model.Image{windows}, policy.Order{}, model.FirmwareUEFI, nil, "m/525400000001/uefi-x64/shimx64.efi"},
		{"UEFI HTTP boot", []model.Image{windows}, install, model.FirmwareHTTP, nil, "http://10.77.2.2:8080/m/525400000001/uefi-x64/boot.img"},
		{"the user's own", []model.Image{windows}, policy.Order{}, model.FirmwareUEFI, []policy.Program{own}, "m/525400000001/uefi-x64/bootmgfw.efi"},
		{"no image has one", nil, policy.Order{}, model.FirmwareUEFI, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, serverSite+rule)
			w.Policy = policy.Compile(w.Policy.Config, append(tc.images, images[:]...), programs(append(tc.have, everything[:]...)...))
			w.Registry = says(policy.Known{Order: tc.order})
			d := w.Decide(noon, asks(lab1, boots(model.ArchX64, tc.firmware)))
			got := ""
			if d.Boot != nil {
				got = d.Boot.File
			}
			if got != tc.want {
				t.Errorf("gets %q, want %q: %+v", got, tc.want, d.Reasons())
			}
		})
	}
}

// TestIPXEIsNeverHandedItself: however the boot program is chosen.
func TestIPXEIsNeverHandedItself(t *testing.T) {
	for _, loader := range []string{"", "ipxe", "ipxe-shim", "snponly.efi", "undionly.kpxe"} {
		for _, a := range []model.Arch{model.ArchX64, model.ArchBIOS} {
			for _, site := range []string{serverSite, proxySite} {
				if loader != "" {
					site += fmt.Sprintf("[[rule]]\nloader = %q\n", loader)
				}
				firmware := model.FirmwareUEFI
				if a == model.ArchBIOS {
					firmware = model.FirmwareBIOS
				}
				d := newWorld(t, site).Decide(noon, asks(lab1, boots(a, firmware), iPXE))
				if d.Boot != nil && d.Boot.Loader != policy.LoaderScript {
					t.Errorf("iPXE on %s, loader %q, gets %+v", a, loader, *d.Boot)
				}
				if d.Boot == nil && (loader == "" || strings.HasPrefix(loader, "ipxe")) {
					t.Errorf("iPXE on %s, loader %q, gets nothing: %+v", a, loader, d.Reasons())
				}
			}
		}
	}
	d := newWorld(t, "[[rule]]\nloader = \"pxelinux\"\n").Decide(noon, asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS), iPXE))
	if onlyFile(d.Boot) != "pxelinux.0" {
		t.Errorf("iPXE where pxelinux is chosen gets %+v, want pxelinux.0", d.Boot)
	}
}

// TestImageThatOnlyIPXEStarts: GRUB, which a UEFI machine gets otherwise, shows
// a menu without it.
func TestImageThatOnlyIPXEStarts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		conf     string
		arch     model.Arch
		firmware model.Firmware
		have     []policy.Program
		want     string
		says     bool // why iPXE
	}{
		{"by UEFI it is iPXE", "", model.ArchX64, model.FirmwareUEFI, everything[:], "snponly.efi", true},
		{"by HTTP it is iPXE", "", model.ArchX64, model.FirmwareHTTP, everything[:], "snponly.efi", true},
		{"under BIOS it is iPXE in any case", "", model.ArchBIOS, model.FirmwareBIOS, everything[:], "undionly.kpxe", false},
		{"signed iPXE before one that is not", "", model.ArchX64, model.FirmwareUEFI,
			append([]policy.Program{{Arch: model.ArchX64, Loader: policy.LoaderIPXEShim, File: "ipxe-shim.efi"}}, everything[:]...), "ipxe-shim.efi", true},
		{"what a rule says stands", "[[rule]]\nmatch = { arch = \"uefi-x64\" }\nloader = \"shim\"\n", model.ArchX64, model.FirmwareUEFI, everything[:], "shimx64.efi", false},
		{"without an iPXE it is what there is", "", model.ArchX64, model.FirmwareUEFI,
			[]policy.Program{{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"}}, "shimx64.efi", true},
	} {
		cfg, faults := config.Parse("hobnail.toml", []byte(serverSite+tc.conf+"[[machine]]\nname = \"one\"\nmac = \""+string(lab1)+"\"\nboot = \"debian-12\"\n"))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		w := newWorld(t, serverSite)
		w.Policy = policy.Compile(cfg, []model.Image{{Name: "debian-12", CPU: model.CPUX64, Way: model.WaySANBoot, Source: "image library"}}, programs(tc.have...))
		d := w.Decide(noon, asks(lab1, boots(tc.arch, tc.firmware)))
		if got := onlyFile(d.Boot); got != tc.want || hasReason(d, "started by iPXE alone") != tc.says {
			t.Errorf("%s: %s, %+v; want %s", tc.name, got, d.Reasons(), tc.want)
		}
	}
}

// TestImageOfTheOtherFirmware: it is not started, and the menu does not show
// it.
func TestImageOfTheOtherFirmware(t *testing.T) {
	w := newWorld(t, serverSite+"[[machine]]\nname = \"one\"\nmac = \""+string(lab1)+"\"\nboot = \"debian-12\"\n")
	w.Policy = policy.Compile(w.Policy.Config, []model.Image{{Name: "debian-12", CPU: model.CPUX64, Firmware: model.FirmwareUEFI, Source: "image library"}}, programs(everything[:]...))
	d := w.Decide(noon, asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS)))
	if d.Target != model.TargetMenu || !hasReason(d, "image debian-12 starts under UEFI alone and cannot on bios: the menu instead") {
		t.Errorf("target %s, %+v", d.Target, d.Reasons())
	}
	if s := w.Script(asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS))); len(s.Images) > 0 {
		t.Errorf("the menu has %+v", s.Images)
	}
	if s := w.Script(asks(lab1, boots(model.ArchX64, model.FirmwareUEFI))); s.Target != "debian-12" || len(s.Images) != 1 {
		t.Errorf("under UEFI: %s, %+v", s.Target, s.Images)
	}
}
