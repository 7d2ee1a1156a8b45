//go:build lab

package lab

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// udebs has a folder for each package of the installer: its maintainer script.
//
//go:embed udebs
var udebs embed.FS

// udeb is a package of the installer that the lab makes.
type udeb struct {
	name     string
	menu     int    // place in the installer's order of steps; 0: no step
	title    string // of the step
	depends  string
	provides string
	kernel   bool // has modules of the installer's kernel
	takes    []taken
}

// taken are files of an ordinary package.
type taken struct {
	deb   string
	files []string // "KERNEL" stands for the version of the installer's kernel
}

// installerSteps stand in for the second half of Debian's installer, which its
// network image loads from the mirror: what apt fetches has none of it, for it
// is in no ordinary package. What is of the network image is Debian's own: the
// kernel, how answers are read, the network, the choice of the mirror, the
// order of the steps, the last commands. Numbers are those of the packages in
// whose place these are: partman-base and bootstrap-base.
//
// Of the answers they read mirror/…, partman/early_command, partman-auto/disk
// and preseed/late_command. All others of partman, base-installer, apt-setup,
// user-setup, pkgsel and grub-installer nobody reads here.
var installerSteps = [...]udeb{
	{name: "lab-disk", menu: 4200, title: "Partition disks", kernel: true,
		provides: "harddrive-detection, created-fstab, mounted-partitions", takes: []taken{
			{"linux-image-KERNEL", []string{
				"lib/modules/KERNEL/kernel/drivers/block/virtio_blk.ko",
				"lib/modules/KERNEL/kernel/fs/ext4/ext4.ko",
				"lib/modules/KERNEL/kernel/fs/jbd2/jbd2.ko",
				"lib/modules/KERNEL/kernel/fs/efivarfs/efivarfs.ko",
			}},
			{"fdisk", []string{"sbin/sfdisk"}},
			{"libfdisk1", []string{"usr/lib/x86_64-linux-gnu/libfdisk.so.1*"}},
			{"libsmartcols1", []string{"usr/lib/x86_64-linux-gnu/libsmartcols.so.1*"}},
			{"e2fsprogs", []string{"sbin/mke2fs", "etc/mke2fs.conf"}},
			{"libext2fs2", []string{"lib/x86_64-linux-gnu/lib*.so.2*"}},
			{"libcom-err2", []string{"lib/x86_64-linux-gnu/libcom_err.so.2*"}},
			{"dosfstools", []string{"sbin/mkfs.fat"}},
		}},
	{name: "lab-system", menu: 6500, title: "Install the system", depends: "created-fstab, mounted-partitions",
		provides: "installed-base, kernel-installer, bootable-system"},
}

// installer makes the installer's packages, puts them into the pool and
// describes them as an index does.
func (a apt) installer(dir string) ([]stanza, error) {
	kernel, err := installerKernel()
	if err != nil {
		return nil, err
	}
	var made []stanza
	for _, u := range installerSteps {
		s, err := a.makeUdeb(dir, kernel, u)
		if err != nil {
			return nil, fmt.Errorf("making %s: %v", u.name, err)
		}
		made = append(made, s)
	}
	return made, nil
}

// script is the package's maintainer script.
func (u udeb) script() ([]byte, error) { return udebs.ReadFile("udebs/" + u.name + "/postinst") }

func (a apt) makeUdeb(dir, kernel string, u udeb) (stanza, error) {
	root := filepath.Join(a.dir, u.name)
	for _, t := range u.takes {
		if err := a.take(root, kernel, t); err != nil {
			return "", err
		}
	}
	script, err := u.script()
	if err != nil {
		return "", err
	}
	control := fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: amd64\nMaintainer: lab\nSection: debian-installer\nPriority: standard\n", u.name)
	for _, f := range [][2]string{{"Depends", u.depends}, {"Provides", u.provides}} {
		if f[1] != "" {
			control += f[0] + ": " + f[1] + "\n"
		}
	}
	if u.menu > 0 {
		control += fmt.Sprintf("Installer-Menu-Item: %d\n", u.menu)
	}
	if u.kernel {
		control += "Kernel-Version: " + kernel + "\n"
	}
	control += "Description: " + u.title + "\n"
	title := fmt.Sprintf("Template: debian-installer/%s/title\nType: text\nDescription: %s\n", u.name, u.title)
	if err := os.MkdirAll(filepath.Join(root, "DEBIAN"), 0o755); err != nil {
		return "", err
	}
	for name, text := range map[string]string{"control": control, "templates": title, "postinst": string(script)} {
		if err := os.WriteFile(filepath.Join(root, "DEBIAN", name), []byte(text), 0o755); err != nil {
			return "", err
		}
	}
	file := filepath.Join("pool/main/l/lab", u.name+"_1_amd64.udeb")
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755); err != nil {
		return "", err
	}
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Zxz", "-b", root, filepath.Join(dir, file)).CombinedOutput(); err != nil {
		return "", fmt.Errorf("dpkg-deb: %v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return "", err
	}
	return stanza(fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n", control, file, len(b), sha256.Sum256(b))), nil
}

// take puts files out of an ordinary package into a udeb's tree.
func (a apt) take(root, kernel string, t taken) error {
	version := strings.NewReplacer("KERNEL", kernel)
	whole := filepath.Join(a.dir, "whole", t.deb)
	if err := os.MkdirAll(whole, 0o755); err != nil {
		return err
	}
	if _, err := a.run(whole, "apt-get", "-q", "download", version.Replace(t.deb)); err != nil {
		return err
	}
	debs, _ := filepath.Glob(filepath.Join(whole, "*.deb"))
	if len(debs) != 1 {
		return fmt.Errorf("apt fetched %v for %s", debs, t.deb)
	}
	if out, err := exec.Command("dpkg-deb", "-x", debs[0], whole).CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %v: %s", debs[0], err, out)
	}
	for _, pattern := range t.files {
		files, _ := filepath.Glob(filepath.Join(whole, version.Replace(pattern)))
		if len(files) == 0 {
			return fmt.Errorf("%s has no %s", t.deb, pattern)
		}
		for _, f := range files {
			to := filepath.Join(root, strings.TrimPrefix(f, whole))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if out, err := exec.Command("cp", "-a", f, to).CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %s", err, out)
			}
		}
	}
	return nil
}
