package policy_test

import (
	"strings"
	"testing"

	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// refusedShim is a site's own shim that is too old to be served.
var refusedShim = policy.Refused{
	Program: policy.Program{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"},
	Why:     "has the SBAT level shim,3; shim,4 is needed",
}

// TestRefusedProgram: a program that is refused counts as absent, and who would
// have got it is told why not.
func TestRefusedProgram(t *testing.T) {
	grub := policy.Program{Arch: model.ArchX64, Loader: policy.LoaderGRUB, File: "grubx64.efi"}
	shim := policy.Program{Arch: model.ArchX64, Loader: policy.LoaderShim, File: "shimx64.efi"}
	const because = "shimx64.efi is there but not served: it has the SBAT level shim,3; shim,4 is needed"
	for _, tc := range []struct {
		name    string
		site    string
		have    []policy.Program
		boot    string // what the boot file ends in; "" for none
		missing string
		told    bool // among the reasons
	}{
		{"another kind takes its place", serverSite, []policy.Program{grub}, "grubx64.efi", "", true},
		{"one of its name takes its place", serverSite, []policy.Program{shim, grub}, "shimx64.efi", "", false},
		{"nothing else is there", serverSite, nil, "", "no boot program for uefi-x64: put shimx64.efi, grubx64.efi or snponly.efi into /srv/nbp/uefi-x64; " + because, true},
		{"it is asked for by its kind", "[[rule]]\nloader = \"shim\"\n", []policy.Program{grub}, "", "no boot program for uefi-x64: put shimx64.efi into /srv/nbp/uefi-x64; " + because, true},
		{"it is asked for by its name", "[[rule]]\nloader = \"shimx64.efi\"\n", []policy.Program{grub}, "", "no boot program for uefi-x64: put shimx64.efi into /srv/nbp/uefi-x64; " + because, true},
		{"who would not have got it is told nothing", proxySite, []policy.Program{grub}, "", "no boot program for uefi-x64: put snponly.efi into /srv/nbp/uefi-x64", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorldWith(t, tc.site)
			programs := programs(tc.have...)
			programs.Refused = []policy.Refused{refusedShim}
			w.Policy = policy.Compile(w.Policy.Config, images[:], programs)
			d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)))
			if (d.Boot != nil) != (tc.boot != "") || d.Boot != nil && !strings.HasSuffix(d.Boot.File, "/"+tc.boot) {
				t.Errorf("boot %+v, want %q", d.Boot, tc.boot)
			}
			if (d.Missing != nil) != (tc.missing != "") || d.Missing != nil && d.Missing.String() != tc.missing {
				t.Errorf("missing %v\nwant %q", d.Missing, tc.missing)
			}
			told := false
			for _, r := range d.Reasons() {
				told = told || strings.Contains(r.Text, because)
			}
			if told != tc.told {
				t.Errorf("reasons %v; want them to name the refused file: %v", d.Reasons(), tc.told)
			}
		})
	}
}

// TestRefusedProgramsOfARAMDisk: it is made of shim and GRUB, and starts GRUB
// alone where there is no shim.
func TestRefusedProgramsOfARAMDisk(t *testing.T) {
	w := newWorldWith(t, serverSite)
	programs := programs(policy.Program{Arch: model.ArchX64, Loader: policy.LoaderRAMDisk, File: model.RAMDiskFile})
	programs.Refused = []policy.Refused{refusedShim}
	w.Policy = policy.Compile(w.Policy.Config, images[:], programs)
	d := w.Decide(noon, asks(lab1, boots(model.ArchX64, model.FirmwareHTTP)))
	if d.Boot == nil || d.Boot.Loader != policy.LoaderRAMDisk {
		t.Fatalf("boot %+v, reasons %v", d.Boot, d.Reasons())
	}
	for _, r := range d.Reasons() {
		if strings.HasPrefix(r.Text, "shimx64.efi is there but not served") {
			return
		}
	}
	t.Errorf("reasons %v do not name the refused shim", d.Reasons())
}
