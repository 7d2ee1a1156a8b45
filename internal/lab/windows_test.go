//go:build lab

package lab

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standInManager is what a stand-in for Windows' boot manager does: it asks for
// what the real one asks for, where and as that spells it, by the network that
// it was started with, and tells the hash of what it gets. It is GRUB, of which
// every chainloader thinks the same.
const standInManager = `echo STAND-IN is started, its server is $net_default_server
sha256sum '(tftp)/\Boot\BCD'
sha256sum '(tftp)/\Boot\Fonts\WGL4_boot.ttf'
sha256sum '(tftp)/\boot\boot.sdi'
sha256sum '(tftp)/\Boot\boot.wim'
echo STAND-IN has read all
sleep 600
`

// windowsStandIn makes an ISO that is recognised as Windows', with that as boot
// manager, and gives the hashes of files in its boot.wim.
func windowsStandIn(t TB, dir string) (iso string, sums map[string]string) {
	t.Helper()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	sums = map[string]string{}
	write := func(tree, name string, content []byte) {
		t.Helper()
		path := filepath.Join(dir, tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatalf("making a stand-in of Windows: %v", err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatalf("making a stand-in of Windows: %v", err)
		}
		sums[filepath.Base(name)] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	noise := make([]byte, 200_000)
	rand.New(rand.NewSource(1)).Read(noise)
	write("", "early.cfg", []byte(standInManager))
	write("wim", "Windows/Boot/EFI/bootmgfw.efi", nil)
	run("grub-mkimage", "-O", "x86_64-efi", "-p", "/none", "-c", filepath.Join(dir, "early.cfg"), "-o", filepath.Join(dir, "wim/Windows/Boot/EFI/bootmgfw.efi"),
		"echo", "tftp", "efinet", "net", "hashsum", "gcry_sha256", "sleep")
	write("wim", "Windows/Boot/Fonts/wgl4_boot.ttf", noise[:50_000])
	write("wim", "Windows/Boot/DVD/EFI/boot.sdi", bytes.Repeat(noise, 5))
	write("wim", "Windows/System32/winload.efi", noise)
	write("pro", "Windows/System32/a", noise)
	write("iso", "bootmgr", noise[:1000])
	write("iso", "boot/bcd", noise[:1000])
	if err := os.MkdirAll(filepath.Join(dir, "iso/sources"), 0o755); err != nil {
		t.Fatalf("making a stand-in of Windows: %v", err)
	}
	run("wimcapture", filepath.Join(dir, "wim"), filepath.Join(dir, "iso/sources/boot.wim"), "Setup", "--boot", "--threads=1")
	run("wimcapture", filepath.Join(dir, "pro"), filepath.Join(dir, "iso/sources/install.wim"), "Windows 11 Pro", "--threads=1")
	boot, err := os.ReadFile(filepath.Join(dir, "iso/sources/boot.wim"))
	if err != nil {
		t.Fatalf("making a stand-in of Windows: %v", err)
	}
	sums["boot.wim"] = fmt.Sprintf("%x", sha256.Sum256(boot))
	iso = filepath.Join(dir, "win11.iso")
	run("genisoimage", "-quiet", "-udf", "-allow-limited-size", "-V", "CCCOMA_X64FRE", "-o", iso, filepath.Join(dir, "iso"))
	return iso, sums
}

// TestWindowsManagerOutOfAWIM: firmware starts what stands in for Windows' boot
// manager, out of a WIM within an ISO, as its boot program; that finds its server
// through the firmware, and gets at the root what is its machine's own.
func TestWindowsManagerOutOfAWIM(t *testing.T) {
	t.Parallel()
	Slot(t)
	server, m, sums := orderedWindows(t, "")
	m.Expect(`STAND-IN is started, its server is \d`)
	m.Expect(`[0-9a-f]{64}\s+\S*BCD`)
	m.Expect(sums["wgl4_boot.ttf"])
	m.Expect(sums["boot.sdi"])
	got := m.Expect(`[0-9a-f]{64}\s+\S*boot\.wim`)
	m.Expect(`STAND-IN has read all`)
	m.Stop()
	if strings.Contains(got, sums["boot.wim"]) {
		t.Error("boot.wim is the ISO's, without the agent")
	}
	server.checkInstall("box", "running", 1)
}

// TestWindowsManagerFromGRUB: where a rule names shim, GRUB chainloads it. It
// starts, and is told of the network card alone: the handle that GRUB gives it
// has no server (OVMF), which is why firmware gets it at once otherwise.
func TestWindowsManagerFromGRUB(t *testing.T) {
	t.Parallel()
	Slot(t)
	server, m, _ := orderedWindows(t, "\n[[rule]]\nloader = \"shim\"\n")
	m.Expect(grub)
	m.Expect(`MacAddr`)
	m.Expect(`bootmgfw\.efi`)
	m.Expect(`STAND-IN is started`)
	m.Stop()
	server.checkInstall("box", "armed", 0)
}

// orderedWindows switches on a machine that is to be installed with a stand-in of
// Windows.
func orderedWindows(t *testing.T, rule string) (*Server, *Machine, map[string]string) {
	t.Helper()
	l := New(t)
	lan := l.Link("lan")
	server, _ := sameLink(l, lan, gives+rule)
	iso, sums := windowsStandIn(t, t.TempDir())
	server.command("images", "add", iso, "--name", "win11")
	server.command("machines", "add", "box", "--mac", machineMAC)
	server.command("machines", "install", "box", "--image", "win11", "--edition", "Windows 11 Pro")
	return server, l.Machine(UEFIx64, lan, MachineOpts{MAC: machineMAC}), sums
}
