//go:build lab

package lab

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ISO is a small image that boots, made out of Debian packages in seconds. It
// has the marker files of a real one. Memtest86+ and the disk of grub-mkrescue
// are real; Debian's has the real netboot installer and no packages. The
// others have Debian's kernel and a stand-in for the maker's initramfs, which
// reads the maker's words off the command line, fetches what they name as the
// real one would, and tells its hash: it shows that the files are served and
// the line arrives, not that the real system starts.
type ISO struct {
	System  string   // what it has to be recognised as
	Label   string   // the volume's
	File    string   // absolute
	Console []string // what the first serial line shows, in this order, once it has started
	Serial  string   // what its command line needs for that; empty: nothing
}

// ISOs are the kinds that BuildISO makes.
func ISOs() []string {
	return []string{"memtest86+", "efi-disk", "debian", "debian-live", "arch", "systemrescue", "alpine", "proxmox"}
}

// installer is where Debian's netboot package of amd64 has its kernel.
const installer = "/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/"

// BuildISO makes an image of one kind in dir.
func BuildISO(t TB, dir, kind string) ISO {
	t.Helper()
	b := isoBuilder{t, filepath.Join(dir, kind)}
	if err := os.MkdirAll(b.tree, 0o755); err != nil {
		t.Fatalf("making an ISO: %v", err)
	}
	iso := ISO{System: kind, File: b.tree + ".iso"}
	switch kind {
	case "memtest86+":
		b.copy("/usr/lib/memtest86+/memtest86+x64.iso", iso.File)
		iso.Label, iso.Console, iso.Serial = "MT86PLUS_64", []string{"Memtest86+"}, "console=ttyS0,115200"
		return iso
	case "efi-disk":
		b.write("boot/grub/grub.cfg", rescueMenu)
		b.run("grub-mkrescue", "-o", iso.File, b.tree)
		iso.Label, iso.Console = "ISOIMAGE", []string{rescueText}
		return iso
	case "debian":
		iso.Label, iso.Console = "Debian 12 amd64 n", []string{"Select a language"}
		b.write(".disk/info", `Debian GNU/Linux 12.0.0 "Bookworm" - Unofficial amd64 NETINST`+"\n")
		b.write("dists/bookworm/Release", "Suite: stable\nCodename: bookworm\n")
		b.copy(installer+"linux", b.at("install.amd/vmlinuz"))
		b.copy(installer+"initrd.gz", b.at("install.amd/initrd.gz"))
	case "debian-live":
		iso.Label = "d-live 12.0.0 st amd64"
		b.write(".disk/info", "Official Debian GNU/Linux Live 12.0.0 standard 2023-06-10T08:12:47Z\n")
		iso.Console = b.standIn(kind, "live/vmlinuz", "live/initrd.img", `get "$fetch"`, "live/filesystem.squashfs")
	case "arch":
		iso.Label = "ARCH_202601"
		b.write("arch/version", "2026.01.01\n")
		iso.Console = b.standIn(kind, "arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img",
			`get "$archiso_http_srv$archisobasedir/x86_64/airootfs.sfs"; [ "$cms_verify" = y ] && get "$archiso_http_srv$archisobasedir/x86_64/airootfs.sfs.cms.sig"`,
			"arch/x86_64/airootfs.sfs", "arch/x86_64/airootfs.sfs.cms.sig")
	case "systemrescue":
		iso.Label = "RESCUE1101"
		b.write("sysresccd/VERSION", "11.01\n")
		iso.Console = b.standIn(kind, "sysresccd/boot/x86_64/vmlinuz", "sysresccd/boot/x86_64/sysresccd.img",
			`get "$archiso_http_srv$archisobasedir/x86_64/airootfs.sfs"; [ -n "$checksum" ] && get "$archiso_http_srv$archisobasedir/x86_64/airootfs.sha512"`,
			"sysresccd/x86_64/airootfs.sfs", "sysresccd/x86_64/airootfs.sha512")
	case "alpine":
		iso.Label = "alpine-std 3.20.1 x86_64"
		b.write(".alpine-release", "alpine-std 3.20.1 240620\n")
		iso.Console = b.standIn(kind, "boot/vmlinuz-lts", "boot/initramfs-lts",
			`get "$modloop"; get "$alpine_repo/x86_64/APKINDEX.tar.gz"`,
			"boot/modloop-lts", "apks/x86_64/APKINDEX.tar.gz")
	case "proxmox":
		iso.Label = "PVE"
		b.write(".cd-info", "PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='8.2'\nISORELEASE='1'\n")
		b.standIn(kind, "boot/linux26", "boot/initrd.img", `say "proxmox.iso $($b sha256sum /proxmox.iso | $b cut -c1-64)"`)
	default:
		t.Fatalf("making an ISO: no kind %q; there are %v", kind, ISOs())
	}
	b.run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-joliet-long", "-V", iso.Label, "-o", iso.File, b.tree)
	if kind == "proxmox" { // the ISO itself is what its initramfs is to have
		data, err := os.ReadFile(iso.File)
		if err != nil {
			t.Fatalf("making an ISO: %v", err)
		}
		iso.Console = []string{fmt.Sprintf("hobnail-lab: proxmox: proxmox.iso %x", sha256.Sum256(data)), "hobnail-lab: proxmox: done"}
	}
	return iso
}

const (
	rescueText = "hobnail-lab: the rescue disk is up"
	rescueMenu = `serial --unit=0 --speed=115200
terminal_output --append serial
echo "` + rescueText + `"
sleep --verbose 600
`
)

// isoBuilder fills a folder with what an image has. Its methods end the test
// on failure.
type isoBuilder struct {
	t    TB
	tree string
}

func (b isoBuilder) at(name string) string {
	file := filepath.Join(b.tree, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatalf("making an ISO: %v", err)
	}
	return file
}

func (b isoBuilder) write(name, text string) {
	if err := os.WriteFile(b.at(name), []byte(text), 0o644); err != nil {
		b.t.Fatalf("making an ISO: %v", err)
	}
}

func (b isoBuilder) copy(from, to string) {
	b.t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o644)
	}
	if err != nil {
		b.t.Fatalf("making an ISO (scripts/setup test installs the packages): %v", err)
	}
}

func (b isoBuilder) run(argv ...string) {
	b.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.t.Fatalf("making an ISO: %s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// standIn puts in Debian's kernel, an initramfs that fetches as the script
// says, and files of octets without meaning; it gives what the console shows
// when each was fetched whole.
func (b isoBuilder) standIn(kind, kernel, initrd, script string, payloads ...string) (console []string) {
	b.t.Helper()
	b.copy(installer+"linux", b.at(kernel))
	for i, name := range payloads {
		octets := make([]byte, 1<<20>>(4*i)) // a root, and smaller things beside it
		seed := sha256.Sum256([]byte(kind + name))
		_, _ = rand.NewChaCha8(seed).Read(octets) // never fails
		b.write(name, string(octets))
		console = append(console, fmt.Sprintf("hobnail-lab: %s: %s %x", kind, path.Base(name), sha256.Sum256(octets)))
	}
	packed, err := standInInitrd(kind, script)
	if err != nil {
		b.t.Fatalf("making an initramfs: %v", err)
	}
	b.write(initrd, string(packed))
	return append(console, "hobnail-lab: "+kind+": done")
}

// standInModules are the drivers of the machines' network cards, in the order
// in which they are loaded.
func standInModules() []string {
	return []string{"virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover", "virtio_net", "e1000", "e1000e"}
}

// standInInitrd takes busybox, its libraries and drivers out of the installer's
// initramfs and puts an init of its own beside them. The result is a gzipped
// cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst).
func standInInitrd(kind, script string) ([]byte, error) {
	data, err := os.ReadFile(installer + "initrd.gz")
	if err != nil {
		return nil, err
	}
	all, err := readCPIO(data)
	if err != nil {
		return nil, fmt.Errorf("reading the installer's initramfs: %v", err)
	}
	files := map[string]cpioFile{
		"init":        {0o100755, []byte(standInInit(kind, script))},
		"dhcp.script": {0o100755, []byte(dhcpScript)},
	}
	for name, f := range all {
		base := path.Base(name)
		module, isModule := strings.CutSuffix(base, ".ko")
		switch {
		case isModule && slices.Contains(standInModules(), module):
			files["modules/"+base] = f
		case name == "bin/busybox", strings.HasPrefix(base, "ld-linux"), base == "libc.so.6", base == "libm.so.6", base == "libresolv.so.2":
			files[name] = f
		}
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := writeCPIO(z, files); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

const dhcpScript = `#!/bin/busybox sh
b=/bin/busybox
case "$1" in
bound | renew)
	$b ip addr replace "$ip/$mask" dev "$interface"
	for r in $router; do $b ip route replace default via "$r"; break; done
	;;
esac
`

// standInInit is the init of a stand-in. Names of the kernel's parameters
// become variables, as in the makers' own scripts; only those it knows.
func standInInit(kind, script string) string {
	return `#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /tmp
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
say() {
	echo "hobnail-lab: ` + kind + `: $*" >/dev/console
	echo "hobnail-lab: ` + kind + `: $*" >/dev/ttyS0
}
for m in ` + strings.Join(standInModules(), " ") + `; do
	[ -e /modules/$m.ko ] && $b insmod /modules/$m.ko 2>/dev/null
done
for word in $($b cat /proc/cmdline); do
	case "$word" in
	fetch=* | archiso_http_srv=* | archisobasedir=* | cms_verify=* | modloop=* | alpine_repo=* | BOOTIF=*) eval "${word%%=*}=\${word#*=}" ;;
	checksum) checksum=y ;;
	esac
done
say "BOOTIF=$BOOTIF"
for i in /sys/class/net/*; do
	i=${i##*/}
	[ "$i" = lo ] && continue
	mac=$($b cat /sys/class/net/$i/address | $b tr : -)
	[ -n "$BOOTIF" ] && [ "01-$mac" != "$BOOTIF" ] && continue
	$b ip link set "$i" up
	$b udhcpc -q -n -t 10 -T 2 -i "$i" -s /dhcp.script && break
done
get() {
	if $b wget -q -O /tmp/file "$1"; then
		sum=$($b sha256sum /tmp/file)
		say "${1##*/} ${sum%% *}"
	else
		say "could not fetch $1"
	fi
}
` + script + `
say done
$b sleep 5
$b poweroff -f
$b sleep 600
`
}
