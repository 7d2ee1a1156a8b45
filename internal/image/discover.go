package image

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"hobnail/internal/model"
)

// installers is where the Debian packages debian-installer-<release>-netboot-<arch>
// put a kernel. The text front end is the one that any console can show.
const installers = "usr/lib/debian-installer/images/*/*/text/debian-installer/*/linux"

// pcConsoles makes Debian's installer show itself on the first serial line and
// on the screen; without it a PC's kernel uses the screen alone. Firmware of
// other architectures tells the kernel which console there is.
const pcConsoles = "console=ttyS0,115200 console=tty0"

// Discover finds the Debian installers on a host. root is its file system from
// "/". Images are named debian-12 for x64, debian-12-arm64 and so on for
// others; newer releases come first, x64 before others.
func Discover(root fs.FS) []model.Image {
	kernels, err := fs.Glob(root, installers)
	if err != nil {
		return nil // only a malformed pattern can be the cause
	}
	var found []installer
	for _, kernel := range kernels {
		if in, ok := inspect(root, kernel); ok {
			found = append(found, in)
		}
	}
	slices.SortFunc(found, func(a, b installer) int {
		return cmp.Or(cmp.Compare(b.release, a.release), cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.arch, b.arch))
	})
	images := make([]model.Image, len(found))
	for i, in := range found {
		images[i] = in.image()
	}
	return images
}

// installer is one that was found.
type installer struct {
	release        int
	arch           string // Debian's name
	cpu            model.CPU
	kernel, initrd string // from the root, without a slash
}

// inspect looks at what lies around a kernel; ok is false where that is no
// whole installer of a numbered release for a processor that we know.
func inspect(root fs.FS, kernel string) (in installer, ok bool) {
	dir := path.Dir(kernel)
	parts := strings.Split(dir, "/") // usr lib debian-installer images 12 amd64 text …
	in = installer{arch: parts[5], kernel: kernel, initrd: path.Join(dir, "initrd.gz")}
	release, err := strconv.ParseUint(parts[4], 10, 16)
	in.release = int(release)
	in.cpu, ok = debianCPU(in.arch)
	return in, ok && err == nil && path.Base(dir) == in.arch && isFile(root, in.kernel) && isFile(root, in.initrd)
}

func isFile(root fs.FS, name string) bool {
	info, err := fs.Stat(root, name)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

func (in installer) rank() int {
	if in.cpu == model.CPUX64 {
		return 0
	}
	return 1
}

func (in installer) image() model.Image {
	img := model.Image{
		Name:   fmt.Sprintf("debian-%d", in.release),
		Title:  fmt.Sprintf("Debian %d installer", in.release),
		CPU:    in.cpu,
		Kernel: "/" + in.kernel,
		Initrd: []string{"/" + in.initrd},
		Answer: string(AnswerPreseed), System: "debian", Version: strconv.Itoa(in.release),
		Source: fmt.Sprintf("Debian package debian-installer-%d-netboot-%s", in.release, in.arch),
	}
	if in.cpu != model.CPUX64 {
		img.Name += "-" + string(in.cpu)
		img.Title += " (" + in.arch + ")"
	}
	if in.cpu == model.CPUX64 || in.cpu == model.CPUIA32 {
		img.Cmdline = pcConsoles
	}
	img.Install = strings.TrimSpace(img.Cmdline + " " + debianInstall)
	return img
}

// debianCPU tells a processor family by the name of Debian's architecture.
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
