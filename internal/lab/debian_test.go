//go:build lab && install

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDebianInstalls: a disc of Debian is added to a running server and an
// install of one machine is ordered. The machine installs itself with nobody
// at the keyboard, by the built-in answer file and from the disc as its mirror,
// calls home, restarts with the network still first, and runs what is on its
// own disk. Another start from the network installs nothing.
//
// The first half of the installer is Debian's own. What it loads then from the
// mirror, to divide the disk and to unpack the system, stands in for Debian's
// (udebs.go says why): the whole takes minutes, not an hour, in emulation. The
// disk is named, for the stand-in has no list of disks to take the first of.
//
// It takes ten minutes and an archive that is made for it (make proof-install).
// In make lab TestInstallerReadsItsAnswers goes as far as its first
// half.
func TestDebianInstalls(t *testing.T) {
	disc := debianDisc(t)
	for _, kind := range []Kind{BIOS, UEFIx64Secure} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			Slot(t)
			debianInstalls(t, kind, disc)
		})
	}
}

// ownDisk is how each kind of machine gets to its own disk although it starts
// from the network.
var ownDisk = map[Kind][]string{
	BIOS:          {`Starting from the local disk`, installedLogin},
	UEFIx64Secure: {`Starting \(hd0,gpt1\)/EFI/debian/shimx64\.efi`, `secureboot: Secure boot enabled`, installedLogin},
}

// installedLogin is what the console of a machine shows that runs what was
// installed on its disk.
const installedLogin = `Debian GNU/Linux 12 box ttyS0`

func debianInstalls(t *testing.T, kind Kind, disc string) {
	l := New(t)
	lan := l.Link("lan")
	server, _ := sameLink(l, lan, handsFree)
	server.command("images", "add", disc)
	server.command("machines", "add", "box", "--mac", machineMAC)
	server.command("machines", "install", "box", "--image", "debian-disc")

	start := time.Now()
	m := l.Machine(kind, lan, MachineOpts{MAC: machineMAC, Disk: 2 << 30})
	home := func() bool { return strings.Contains(server.Output(), "code=install.done") }
	if !poll(25*time.Minute, func() bool { return !m.proc.Running() || home() }) || !home() {
		t.Fatalf("no call home within 25 minutes; the install is %+v", server.installs()["box"])
	}
	server.checkInstall("box", "done", 1)
	t.Logf("%s: installed after %v", kind, time.Since(start).Round(time.Second))
	m.WaitFor(installedLogin, 10*time.Minute)
	t.Logf("%s: runs from its disk after %v", kind, time.Since(start).Round(time.Second))

	m.Reset()
	for _, pattern := range ownDisk[kind] {
		m.WaitFor(pattern, 10*time.Minute)
	}
	server.checkInstall("box", "done", 1)
}

// debianDisc packs the archive; it is kept from one run to the next.
func debianDisc(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../build/debian-mirror")
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := BuildDebianMirror(dir)
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "debian-disc.iso")
	if err := mirror.ISO(image); err != nil {
		t.Fatal(err)
	}
	return image
}

// TestDebianDisc: the disc has what a DVD of Debian's is known by, and the
// archive with it.
func TestDebianDisc(t *testing.T) {
	image := debianDisc(t)
	out, err := exec.Command("xorriso", "-indev", image, "-find", "/", "-type", "f").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/.disk/info", "/install.amd/vmlinuz", "/dists/bookworm/Release", "/lab/system.tar"} {
		if !strings.Contains(string(out), "'"+name+"'") {
			t.Errorf("the disc has no %s:\n%s", name, lastLines(string(out), 20))
		}
	}
	if info, err := os.Stat(image); err != nil || info.Size() < 50<<20 {
		t.Errorf("the disc: %v, %v", info, err)
	}
}
