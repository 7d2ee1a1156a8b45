package app

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/image"
	"hobnail/internal/library"
	"hobnail/internal/model"
)

// TestLibraryImageStarts: what was recognised is what is started, under each
// firmware.
func TestLibraryImageStarts(t *testing.T) {
	both := []model.Firmware{model.FirmwareBIOS, model.FirmwareUEFI}
	uefi, bios := both[1:], both[:1]
	for _, tc := range []struct {
		name  string
		found image.Found
		want  model.Image
		why   string
	}{
		{"a kernel", image.Found{Kernel: "a/linux", Initrd: []string{"a/initrd"}, Way: image.WayLinux, Firmware: both},
			model.Image{Kernel: "inside:a/linux", Initrd: []string{"inside:a/initrd"}}, ""},
		{"a program that is a kernel to a BIOS", image.Found{EFI: "a.efi", Kernel: "a.bin", Way: image.WayEFI, BIOS: image.WayLinux, Firmware: both},
			model.Image{Way: model.WayEFI, Kernel: "inside:a.efi", BIOS: &model.Start{Kernel: "inside:a.bin"}}, ""},
		{"a program of UEFI alone", image.Found{EFI: "a.efi", Way: image.WayEFI, Firmware: uefi},
			model.Image{Way: model.WayEFI, Kernel: "inside:a.efi", Firmware: model.FirmwareUEFI}, ""},
		{"a kernel of BIOS alone", image.Found{Kernel: "a.bin", Way: image.WayLinux, Firmware: bios},
			model.Image{Kernel: "inside:a.bin", Firmware: model.FirmwareBIOS}, ""},
		{"BIOS alone, by its own way", image.Found{Kernel: "a.bin", EFI: "a.efi", Way: image.WayEFI, BIOS: image.WayLinux, Firmware: bios},
			model.Image{Kernel: "inside:a.bin", Firmware: model.FirmwareBIOS}, ""},
		{"the whole ISO in memory", image.Found{Kernel: "linux", Initrd: []string{"initrd"}, ISOInitrd: true, Way: image.WayLinux, Firmware: both},
			model.Image{Kernel: "inside:linux", Initrd: []string{"inside:initrd", "packed:proxmox.iso"}}, ""},
		{"a disc", image.Found{Way: image.WaySANBoot, Firmware: both}, model.Image{Way: model.WaySANBoot, Kernel: model.WholeVolume}, ""},
		{"ESXi", image.Found{Kernel: "mboot.c32", EFI: "efi/boot/bootx64.efi", Way: image.WayESXi, Firmware: uefi},
			model.Image{Way: model.WayESXi, Kernel: "inside:efi/boot/bootx64.efi", Firmware: model.FirmwareUEFI}, ""},
		{"ESXi without a program of UEFI", image.Found{Kernel: "mboot.c32", Way: image.WayESXi, Firmware: uefi},
			model.Image{Way: model.WayESXi, Kernel: "inside:", Firmware: model.FirmwareUEFI}, "no program for UEFI"},
		{"nothing", image.Found{Way: image.WayNone}, model.Image{Firmware: model.FirmwareUEFI}, "nothing is known"},
	} {
		detail, err := json.Marshal(recognised{Found: tc.found})
		if err != nil {
			t.Fatal(err)
		}
		got, why := libraryImage(library.Image{Name: "x", Path: "/srv/x.iso", Found: &library.Recognised{Detail: detail}})
		tc.want.Name, tc.want.Title, tc.want.CPU, tc.want.Volume, tc.want.Source = "x", "x", model.CPUX64, "/srv/x.iso", "image library"
		if diff := cmp.Diff(tc.want, got); diff != "" || !strings.Contains(why, tc.why) || (why == "") != (tc.why == "") {
			t.Errorf("%s: %q (-want +got)\n%s", tc.name, why, diff)
		}
	}
}

// TestReplacedImageIsNotOffered: another file in the place of one that was
// added is not given out as if it had been checked; nor is it between the
// change and its discovery, for each opening of the file asks.
func TestReplacedImageIsNotOffered(t *testing.T) {
	l := libraryOf(t)
	iso := imageFile(t, "disk.iso", sampleISO(t))
	if _, err := ChangeImages(t.Context(), l, addOf(iso, library.AddOptions{Name: "disk"}), nil); err != nil {
		t.Fatal(err)
	}
	l.findImages()
	fits := l.fits[image.VolumeName("disk")]
	if len(l.Images) == 0 || l.Images[0].Name != "disk" || fits == nil {
		t.Fatalf("it is not offered at all: %+v, %v", l.Images, l.BadImages)
	}
	info, err := os.Stat(iso)
	if err != nil || fits(info) != nil {
		t.Errorf("what was added does not fit: %v, %v", err, fits(info))
	}
	other := imageFile(t, "other.iso", "another")
	if err := os.Rename(other, iso); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(iso); err != nil || fits(info) == nil {
		t.Errorf("another file fits: %v", err)
	}
	l.BadImages = nil
	l.findImages()
	if len(l.Images) > 0 && l.Images[0].Name == "disk" || len(l.BadImages) != 1 || !strings.Contains(l.BadImages[0], "image disk is not offered: "+iso) {
		t.Errorf("it is offered: %+v, %q", l.Images, l.BadImages)
	}
}

// sampleISO is a small image of a disc that nobody knows.
func sampleISO(t *testing.T) string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "isofs", "testdata", "joliet.iso.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
