//go:build lab

package lab

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// imageRow is a machine that starts a kind of image. Its console must show how
// it was loaded, then what the image shows.
type imageRow struct {
	kind   string
	on     Kind
	loader string   // of a rule; empty: hobnail chooses
	shows  []string // regular expressions
}

// TestImages: small images of many kinds are added to a running server by the
// command, and each starts. Where an initramfs fetches what its maker's would,
// the console shows the hashes of what it got. Debian's installer out of a disc
// is TestDebianInstalls' affair.
func TestImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	isos := map[string]ISO{}
	for _, kind := range ISOs() {
		isos[kind] = BuildISO(t, dir, kind)
	}
	t.Run("boot", func(t *testing.T) { // ends when all machines have
		for i, r := range []imageRow{
			{"memtest86+", BIOS, "", []string{ipxe}},
			{"memtest86+", UEFIx64, "", []string{grub}},
			{"efi-disk", BIOS, "", []string{ipxe}},
			{"efi-disk", UEFIx64, "", []string{ipxe}},
			{"debian-live", UEFIx64Secure, "", []string{grub}},
			{"systemrescue", BIOS, "", []string{ipxe}},
			{"alpine", UEFIx64, "ipxe", []string{ipxe}},
			{"arch", BIOS, "pxelinux", []string{`PXELINUX \d`}},
			{"proxmox", UEFIx64, "", []string{grub}},
			{"proxmox", BIOS, "", []string{ipxe}},
		} {
			r.run(t, fmt.Sprintf("%02d-%s-%s", i+1, r.kind, r.on), isos[r.kind])
		}
	})
}

func (r imageRow) run(t *testing.T, name string, iso ISO) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		Slot(t)
		l := New(t)
		lan := l.Link("lan")
		server, record := sameLink(l, lan, "http = \":80\"\n"+gives)
		addISO(t, server, iso)
		add := []string{"machines", "add", "box", "--mac", machineMAC, "--boot", imageName(iso)}
		if r.loader != "" {
			add = append(add, "--loader", r.loader)
		}
		server.command(add...)
		m := l.Machine(r.on, lan, MachineOpts{MAC: machineMAC, Memory: 2048, Wait: 6 * time.Minute})
		for _, pattern := range r.shows {
			m.Expect(pattern)
		}
		for _, line := range iso.Console {
			m.Expect(regexp.QuoteMeta(line))
		}
		m.Stop()
		record.CheckDHCP(server.Host.Addr())
	})
}

// imageName is what the image of an ISO is called here.
func imageName(iso ISO) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(iso.File), ".iso"), "+") + "-iso"
}

// addISO adds an image to a running server, by the command.
func addISO(t *testing.T, server *Server, iso ISO) {
	t.Helper()
	name := imageName(iso)
	server.command("images", "add", iso.File, "--name", name)
	if iso.Serial != "" {
		server.command("images", "set", name, "--cmdline", iso.Serial)
	}
	var shown struct {
		Kernel  string `json:"kernel_name"`
		Library struct{ System, State string }
	}
	server.ask(&shown, "images", "show", name, "--json")
	if shown.Kernel == "" || shown.Library.System != iso.System || shown.Library.State != "ok" {
		t.Errorf("image %s is shown as %+v", name, shown)
	}
}
