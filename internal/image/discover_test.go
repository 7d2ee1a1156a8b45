package image

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"hobnail/internal/model"

	"github.com/google/go-cmp/cmp"
)

const images = "usr/lib/debian-installer/images/"

// host is a file system with these files, each of one octet.
func host(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, f := range files {
		m[f] = &fstest.MapFile{Data: []byte{1}}
	}
	return m
}

// installed is what the netboot package of a release and architecture has, as
// far as it matters.
func installed(release, arch string) []string {
	var files []string
	for _, front := range []string{"text", "gtk"} {
		dir := images + release + "/" + arch + "/" + front + "/debian-installer/" + arch + "/"
		files = append(files, dir+"linux", dir+"initrd.gz", dir+"bootnetx64.efi", dir+"grub/grub.cfg")
	}
	return append(files, images+release+"/"+arch+"/text/version.info")
}

func TestDiscoverDebian12(t *testing.T) {
	const amd64, arm64 = "/" + images + "12/amd64/text/debian-installer/amd64/", "/" + images + "12/arm64/text/debian-installer/arm64/"
	want := []model.Image{
		{
			Name: "debian-12", Title: "Debian 12 installer", CPU: model.CPUX64,
			Kernel: amd64 + "linux", Initrd: []string{amd64 + "initrd.gz"},
			Cmdline: "console=ttyS0,115200 console=tty0", Install: "console=ttyS0,115200 console=tty0 " + debianInstall, Answer: "preseed", System: "debian", Version: "12",
			Source: "Debian package debian-installer-12-netboot-amd64",
		},
		{
			Name: "debian-12-arm64", Title: "Debian 12 installer (arm64)", CPU: model.CPUARM64,
			Kernel: arm64 + "linux", Initrd: []string{arm64 + "initrd.gz"},
			Install: debianInstall, Answer: "preseed", System: "debian", Version: "12",
			Source: "Debian package debian-installer-12-netboot-arm64",
		},
	}
	got := Discover(host(append(installed("12", "arm64"), installed("12", "amd64")...)...))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDiscoverOrder(t *testing.T) {
	var files []string
	for _, release := range []string{"9", "12", "13"} {
		for _, arch := range []string{"arm64", "amd64", "i386", "riscv64"} {
			files = append(files, installed(release, arch)...)
		}
	}
	var got []string
	for _, img := range Discover(host(files...)) {
		got = append(got, img.Name)
	}
	want := []string{
		"debian-13", "debian-13-arm64", "debian-13-ia32", "debian-13-riscv64",
		"debian-12", "debian-12-arm64", "debian-12-ia32", "debian-12-riscv64",
		"debian-9", "debian-9-arm64", "debian-9-ia32", "debian-9-riscv64",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDiscoverEveryArchitecture(t *testing.T) {
	want := map[string]model.CPU{
		"amd64": model.CPUX64, "i386": model.CPUIA32, "arm64": model.CPUARM64, "armhf": model.CPUARM32,
		"riscv64": model.CPURISCV64, "loong64": model.CPULoongArch64, "ppc64el": model.CPUPower, "s390x": model.CPUS390,
	}
	for arch, cpu := range want {
		got := Discover(host(installed("13", arch)...))
		if len(got) != 1 || got[0].CPU != cpu {
			t.Errorf("%s: %+v", arch, got)
		}
	}
}

func TestDiscoverPassesOver(t *testing.T) {
	dir := images + "12/amd64/text/debian-installer/amd64/"
	empty := host(installed("12", "amd64")...)
	empty[dir+"initrd.gz"] = &fstest.MapFile{}
	folder := host(dir+"initrd.gz", dir+"linux/x")
	tests := map[string]fs.FS{
		"a host without packages":      host("usr/lib/os-release"),
		"a kernel without an initrd":   host(dir + "linux"),
		"an initrd without a kernel":   host(dir + "initrd.gz"),
		"an empty initrd":              empty,
		"a folder named linux":         folder,
		"an unknown processor":         host(installed("12", "m68k")...),
		"a release without a number":   host(installed("daily", "amd64")...),
		"a kernel of another one":      host(images+"12/amd64/text/debian-installer/i386/linux", images+"12/amd64/text/debian-installer/i386/initrd.gz"),
		"only the graphical installer": host(images+"12/amd64/gtk/debian-installer/amd64/linux", images+"12/amd64/gtk/debian-installer/amd64/initrd.gz"),
	}
	for what, root := range tests {
		if got := Discover(root); len(got) != 0 {
			t.Errorf("%s: found %+v", what, got)
		}
	}
}
