package image

import (
	"strings"
	"testing"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	tests := []struct {
		name   string
		kernel string
		initrd []string
		want   string
	}{
		{"a kernel alone", "/srv/linux", nil, "linux"},
		{"kernel and initrd", "/srv/debian/linux", []string{"/srv/debian/initrd.gz"}, "linux initrd.gz"},
		{"two initrds of one name", "/a/linux", []string{"/a/initrd.gz", "/b/initrd.gz"}, "linux initrd.gz 2-initrd.gz"},
		{"a name that such a one would take", "/a/linux", []string{"/a/2-x", "/a/x", "/b/x"}, "linux 2-x x 3-x"},
		{"that one taken too", "/a/2-x", []string{"/a/x", "/b/x"}, "2-x x 2-2-x"},
		{"kernel and initrd of one name", "/a/boot", []string{"/b/boot"}, "boot 1-boot"},
		{"URLs", "http://192.0.2.1/debian/linux?x=1#y", []string{"https://host:8443/a/initrd.gz"}, "linux initrd.gz"},
		{"URLs without a path", "http://192.0.2.1", []string{"http://192.0.2.1/", "http://192.0.2.1/?x=/y"}, "file 1-file 2-file"},
		{"a name that loaders split", "/srv/my kernel.img", []string{"/srv/a,b;c$d"}, "my_kernel.img a_b_c_d"},
		{"a name that no loader shows", "/srv/\u0434\u0435\u0431", []string{"/srv/..", "/"}, "file 1-file 2-file"},
		{"a question mark in a local path", "/srv/linux?", nil, "linux_"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img := model.Image{Name: "x", Kernel: tt.kernel, Initrd: tt.initrd}
			kernel, initrd := Names(img)
			want := strings.Fields(tt.want)
			for i := range want {
				want[i] = "img/x/" + want[i]
			}
			if diff := cmp.Diff(want, append([]string{kernel}, initrd...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			paths := append([]string{tt.kernel}, tt.initrd...)
			for i, f := range Files(img) {
				if f.Name != want[i] || f.Path != paths[i] {
					t.Errorf("file %d: %+v", i, f)
				}
			}
		})
	}
}

// Whatever files are called, their names are clean, differ, and end as their
// paths do where those are fit to be names.
func TestNamesProperties(t *testing.T) {
	part := rapid.StringMatching(`[a-c0-3./ -]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		img := model.Image{Name: "x", Kernel: "/" + part.Draw(t, "kernel")}
		for _, p := range rapid.SliceOfN(part, 0, 6).Draw(t, "initrd") {
			img.Initrd = append(img.Initrd, "/"+p)
		}
		seen := map[string]bool{}
		for _, f := range Files(img) {
			if clean, ok := bootfile.Clean(f.Name); !ok || clean != f.Name || strings.Count(f.Name, "/") != 2 {
				t.Errorf("%q of %q is not a clean name", f.Name, f.Path)
			}
			if seen[f.Name] {
				t.Errorf("%q twice", f.Name)
			}
			seen[f.Name] = true
		}
	})
}

// Files of a start under BIOS that are others than those of UEFI are named too,
// and of one name they are one file.
func TestFilesOfTwoStarts(t *testing.T) {
	img := model.Image{
		Name: "x", CPU: model.CPUX64, Volume: "/srv/x.iso", Way: model.WayEFI, Kernel: "inside:memtest.efi",
		BIOS: &model.Start{Kernel: "inside:memtest.bin", Initrd: []string{"inside:memtest.efi"}},
	}
	want := []FileRef{
		{Name: "img/x/memtest.efi", Path: "/srv/x.iso", Inside: "memtest.efi"},
		{Name: "img/x/memtest.bin", Path: "/srv/x.iso", Inside: "memtest.bin"},
	}
	if diff := cmp.Diff(want, Files(img)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	bios, _ := img.On(model.ArchBIOS)
	if kernel, initrd := Names(bios); kernel != "img/x/memtest.bin" || len(initrd) != 1 || initrd[0] != "img/x/memtest.efi" {
		t.Errorf("under BIOS: %s, %v", kernel, initrd)
	}
}

// What two starts have under one name must be one file: there is one tree.
func TestStartsOfARowDoNotCollide(t *testing.T) {
	for _, s := range samples() {
		f := recognise(t, s.fsys(), s.label)
		if f.BIOS == "" || f.BIOS == f.Way {
			continue
		}
		for _, p := range append([]string{f.Kernel}, f.Initrd...) {
			if baseName(p) == baseName(f.EFI) && p != f.EFI {
				t.Errorf("%s: %s and %s have one name", s.name, p, f.EFI)
			}
		}
	}
}

// A whole volume as an initial RAM disk has the name that its initramfs looks
// for, and a program that looks beside itself lies among the image's files.
func TestNamesOfVolumes(t *testing.T) {
	img := model.Image{Name: "x", Volume: "/srv/x.iso", Kernel: "inside:boot/linux26", Initrd: []string{"inside:boot/initrd.img", model.Packed + ISOName}}
	want := []FileRef{
		{Name: "img/x/linux26", Path: "/srv/x.iso", Inside: "boot/linux26"},
		{Name: "img/x/initrd.img", Path: "/srv/x.iso", Inside: "boot/initrd.img"},
		{Name: "img/x/proxmox.iso", Path: "/srv/x.iso", Member: "proxmox.iso"},
	}
	if diff := cmp.Diff(want, Files(img)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	esxi := model.Image{Name: "x", Volume: "/srv/x.iso", Way: model.WayESXi, Kernel: "inside:EFI/BOOT/BOOTX64.EFI"}
	if kernel, _ := Names(esxi); kernel != "iso/x/EFI/BOOT/BOOTX64.EFI" {
		t.Errorf("mboot is %s", kernel)
	}
}
