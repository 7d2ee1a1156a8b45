package image

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// installers is where Debian's debian-installer-<release>-netboot-<arch>
// packages put a kernel and an initial RAM disk. The text front end works on
// any console, graphical or serial.
const installers = "usr/lib/debian-installer/images/*/*/text/debian-installer/*/linux"

// Discover finds the Debian installers on a host. root is its file system from
// "/". The newest release comes first; images are named debian-12 for x64 and
// debian-12-arm64 and so on for others.
func Discover(root fs.FS) []model.Image {
	kernels, err := fs.Glob(root, installers)
	if err != nil {
		return nil // only a malformed pattern can be the cause
	}
	var found []model.Image
	for _, kernel := range kernels {
		dir := path.Dir(kernel)
		parts := strings.Split(dir, "/") // usr lib debian-installer images 12 amd64 text …
		release, arch := parts[4], parts[5]
		cpu, ok := debianCPU(arch)
		initrd := path.Join(dir, "initrd.gz")
		if _, err := fs.Stat(root, initrd); !ok || err != nil {
			continue
		}
		found = append(found, debianInstaller(release, arch, cpu, "/"+kernel, "/"+initrd))
	}
	slices.SortStableFunc(found, func(a, b model.Image) int { return strings.Compare(b.Source, a.Source) })
	slices.SortStableFunc(found, func(a, b model.Image) int { return strings.Compare(string(b.CPU), string(a.CPU)) })
	return found
}

func debianInstaller(release, arch string, cpu model.CPU, kernel, initrd string) model.Image {
	name := "debian-" + release
	title := fmt.Sprintf("Debian %s installer", release)
	if cpu != model.CPUX64 {
		name += "-" + string(cpu)
		title += " (" + arch + ")"
	}
	return model.Image{
		Name: name, Title: title, CPU: cpu, Kernel: kernel, Initrd: []string{initrd},
		Source: fmt.Sprintf("Debian package debian-installer-%s-netboot-%s", release, arch),
	}
}

func debianCPU(arch string) (model.CPU, bool) {
	switch arch {
	case "amd64":
		return model.CPUX64, true
	case "i386":
		return model.CPUIA32, true
	case "arm64":
		return model.CPUARM64, true
	case "armhf":
		return model.CPUARM32, true
	case "riscv64":
		return model.CPURISCV64, true
	case "loong64":
		return model.CPULoongArch64, true
	case "ppc64el":
		return model.CPUPower, true
	case "s390x":
		return model.CPUS390, true
	}
	return "", false
}
