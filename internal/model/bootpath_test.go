package model_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hobnail/internal/model"
)

func TestParseBootPath(t *testing.T) {
	for _, tc := range []struct {
		name string
		want model.BootPath
		ok   bool
	}{
		{"m/525400123456/uefi-x64/shimx64.efi", model.BootPath{MAC: "52:54:00:12:34:56", Arch: model.ArchX64, File: "shimx64.efi"}, true},
		{"m/525400123456/bios/pxelinux.cfg/01-52-54-00-12-34-56", model.BootPath{MAC: "52:54:00:12:34:56", Arch: model.ArchBIOS, File: "pxelinux.cfg/01-52-54-00-12-34-56"}, true},
		{"nbp/uefi-arm64/snponly.efi", model.BootPath{Arch: model.ArchARM64, File: "snponly.efi"}, true},
		{"m/525400123456", model.BootPath{}, false},
		{"m/525400123456/uefi-x64", model.BootPath{}, false},
		{"m/525400123456/uefi-x64/", model.BootPath{}, false},
		{"m/525400123456//shimx64.efi", model.BootPath{}, false},
		{"m/5254001234/uefi-x64/shimx64.efi", model.BootPath{}, false},
		{"m//uefi-x64/shimx64.efi", model.BootPath{}, false},
		{"nbp/", model.BootPath{}, false},
		{"grub/grub.cfg", model.BootPath{}, false},
		{"", model.BootPath{}, false},
	} {
		got, ok := model.ParseBootPath(tc.name)
		if !ok {
			got = model.BootPath{}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
			t.Errorf("%q is a boot path: %v, want %v (-want +got):\n%s", tc.name, ok, tc.ok, diff)
		}
	}
}

// TestBootPathThereAndBack: what goes into a reply is understood when it comes
// back as a file name, and fits the header field of a reply.
func TestBootPathThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := model.BootPath{
			Arch: rapid.SampledFrom(model.Archs()).Draw(t, "architecture"),
			File: rapid.StringMatching(`[a-z0-9][a-zA-Z0-9._/-]{0,60}`).Draw(t, "file"),
		}
		if rapid.Bool().Draw(t, "known MAC") {
			p.MAC = model.MACFromBytes(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "octets"))
		}
		got, ok := model.ParseBootPath(p.String())
		if diff := cmp.Diff(p, got); diff != "" || !ok {
			t.Fatalf("%s is read: %v (-want +got):\n%s", p, ok, diff)
		}
		if len(p.String()) > 127 {
			t.Fatalf("%s has %d octets, more than `file` holds", p, len(p.String()))
		}
	})
}
