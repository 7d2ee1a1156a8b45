package nbp

import (
	"testing"

	"hobnail/internal/model"
)

func TestLoaderOf(t *testing.T) {
	for _, tt := range []struct {
		file string
		want Loader
	}{
		{"undionly.kpxe", LoaderIPXE},
		{"ipxe.efi", LoaderIPXE},
		{"snponly.efi", LoaderIPXE},
		{"SNPONLY.EFI", LoaderIPXE},
		{"ipxe-shimx64.efi", LoaderIPXEShim},
		{"snponly-shimaa64.efi", LoaderIPXEShim},
		{"shimx64-ipxe.efi", LoaderIPXEShim},
		{"shimx64.efi", LoaderShim},
		{"shim.efi", LoaderShim},
		{"shim_certificate_0.efi", LoaderSupport},
		{"revocations_sku.efi", LoaderSupport},
		{"mmx64.efi", LoaderSupport},
		{"fbaa64.efi", LoaderSupport},
		{"grubx64.efi", LoaderGRUB},
		{"grubproxyaa64.efi", LoaderGRUBProxy},
		{"grub2.0", LoaderGRUB},
		{"core.0", LoaderGRUB},
		{"core.elf", LoaderGRUB},
		{"pxelinux.0", LoaderPXELINUX},
		{"lpxelinux.0", LoaderPXELINUX},
		{"syslinux.efi", LoaderPXELINUX},
		{"ldlinux.c32", LoaderSupport},
		{"ldlinux.e64", LoaderSupport},
		{"bootmgfw.efi", LoaderCustom},
		{"wdsmgfw.efi", LoaderCustom},
		{"bootx64.efi", LoaderCustom},
		{"", LoaderCustom},
	} {
		if got := LoaderOf(tt.file); got != tt.want {
			t.Errorf("LoaderOf(%q) = %s, want %s", tt.file, got, tt.want)
		}
	}
}

// A file put where Want says is one that hobnail finds by its kind.
func TestWantedFilesHaveAKind(t *testing.T) {
	for _, a := range model.Archs() {
		names := Want(a)
		if a.UEFI() && len(names) == 0 {
			t.Errorf("nothing is wanted for %s", a)
		}
		for _, name := range names {
			if l := LoaderOf(name); l == LoaderCustom || l == LoaderSupport {
				t.Errorf("%s wants %s, which is of kind %s", a, name, l)
			}
			if !servable(name) {
				t.Errorf("%s wants %s, which cannot be served", a, name)
			}
		}
	}
	for _, a := range []model.Arch{model.ArchPowerOPAL, model.ArchRPi, model.ArchS390} {
		if names := Want(a); names != nil {
			t.Errorf("%s wants %v", a, names)
		}
	}
}
