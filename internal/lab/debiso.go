//go:build lab

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ISO packs the mirror into an image of a disc that is laid out as Debian's
// DVDs are, and is taken for one by the same marks: .disk/info and
// install.amd/vmlinuz. Its own installer is the one of the network image, for
// nothing of a DVD's is here.
func (m *DebianMirror) ISO(image string) error {
	work, err := os.MkdirTemp("", "debian-iso-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for name, text := range map[string]string{
		"info":             `Debian GNU/Linux 12.0.0 "Bookworm" - Unofficial amd64 DVD Binary-1 20230610-08:00`,
		"base_installable": "",
		"base_components":  "main\n",
		"cd_type":          "dvd\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	args := []string{"-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-V", "Debian 12.0.0 amd64 1", "-o", image, "-graft-points",
		"/.disk=" + work,
		"/install.amd/vmlinuz=" + amd64Dir + "linux",
		"/install.amd/initrd.gz=" + amd64Dir + "initrd.gz"}
	for _, d := range []string{"dists", "pool", "lab"} {
		args = append(args, "/"+d+"="+filepath.Join(m.Dir, d))
	}
	if out, err := exec.Command("xorriso", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("packing %s into %s: %v: %s", m.Dir, image, err, lastLines(string(out), 5))
	}
	return nil
}
