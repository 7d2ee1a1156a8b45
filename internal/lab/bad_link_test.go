//go:build lab

package lab

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// badRow is a machine whose server is at the end of a bad link. It reads by
// TFTP alone.
type badRow struct {
	name    string
	kind    Kind
	loader  string  // of a rule; empty: hobnail chooses
	most    float64 // loss that it bears
	blksize int     // that its loader asks for; 0: it takes one initrd only
	shows   string
	always  bool // in make test, on the worst link that it bears
}

// TestFirmwareOnABadLink: firmware and loaders read what they start over a link
// that loses, doubles and reorders, files of every kind of size among it. Linux
// unpacks those and says their hashes on the console. Some of it is in make
// test, all in make proof-loss.
//
// U-Boot (2023.01, net/tftp.c) acknowledges a block once more when it comes
// again, then only every five seconds, and gives up after ten such pauses in a
// file. At 5 % that is after 4,000 blocks, of 22,000 that a kernel has.
func TestFirmwareOnABadLink(t *testing.T) {
	t.Parallel()
	rows := []badRow{
		{"bios-ipxe", BIOS, "ipxe", 0.05, 1432, ipxe, false},
		{"uefi-x64-ipxe", UEFIx64, "ipxe", 0.05, 1432, ipxe, true},
		{"uefi-x64-secure-grub", UEFIx64Secure, "", 0.05, 1024, grub, true},
		{"uboot-arm64", UBootARM64, "", 0.01, 0, `U-Boot 20`, false},
	}
	for _, on := range badLinks() {
		for _, r := range rows {
			if on.faults.Loss == r.most && r.always || on.faults.Loss <= r.most && os.Getenv("HOBNAIL_LOSS") != "" {
				r.run(t, on)
			}
		}
	}
}

func (r badRow) run(t *testing.T, on badLink) {
	t.Run(on.name+"/"+r.name, func(t *testing.T) {
		t.Parallel()
		Slot(t)
		l := New(t)
		lan := l.Link("lan")
		conf, shows := r.files(l)
		srv := l.Router("srv").wired(localAddr)
		faults := on.faults
		faults.Seed = 1
		wire := lan.WireTo(srv, localAddr+"/24", faults)
		server := srv.Hobnail("http = \"off\"\n" + gives + conf)
		m := l.Machine(r.kind, lan, MachineOpts{MAC: machineMAC, Wait: 6 * time.Minute})
		m.Expect(r.shows)
		for _, line := range shows {
			m.Expect(line)
		}
		m.Stop()
		counts, err := wire.Close()
		if err != nil {
			t.Error(err)
		}
		for _, c := range counts {
			if (c.Lost > 0) != (on.faults.Loss > 0) || c.Doubled == 0 || c.Reordered == 0 {
				t.Errorf("the link was as good as others: %+v", c)
			}
		}
		for _, b := range server.Boots() {
			t.Logf("%+v; %s", counts, b.Verdict)
		}
	})
}

// files writes what the row's machine reads, and gives the configuration for it
// and what the console must show then.
func (r badRow) files(l *Lab) (conf string, shows []string) {
	if r.blksize == 0 {
		return boots("kernel-arm64") + images, []string{kernelLine}
	}
	packed, err := standInInitrd("loss", `for f in /sizes/*; do say "${f##*/} $($b sha256sum $f | $b cut -c1-64)"; done`)
	if err != nil {
		l.t.Fatalf("making an initramfs: %v", err)
	}
	initrds := []string{strconv.Quote(l.WriteFile("initrd", string(packed)))}
	for blocks := 1; blocks <= 5; blocks++ {
		for _, size := range []int{blocks*r.blksize - 1, blocks * r.blksize, blocks*r.blksize + 1} {
			archive, sum := archiveOf(l, size)
			initrds = append(initrds, strconv.Quote(l.WriteFile(fmt.Sprintf("size-%d", size), archive)))
			shows = append(shows, regexp.QuoteMeta(fmt.Sprintf("hobnail-lab: loss: %05d %x", size, sum)))
		}
	}
	if r.loader != "" {
		conf = fmt.Sprintf("\n[[rule]]\nloader = %q\n", r.loader)
	}
	return boots("sizes") + conf + fmt.Sprintf("\n[[image]]\nname = \"sizes\"\nkernel = %q\ncmdline = \"console=ttyS0\"\ninitrd = [%s]\n",
		installer+"linux", strings.Join(initrds, ", ")), append(shows, "hobnail-lab: loss: done")
}

// archiveSize is what the cpio archive of one file has beside it.
const archiveSize = 368

// archiveOf makes a cpio archive of that many octets, of a file of chance, and
// gives the file's SHA-256.
func archiveOf(l *Lab, size int) (archive string, sum [sha256.Size]byte) {
	l.t.Helper()
	content := make([]byte, size-archiveSize)
	rand.NewChaCha8([32]byte{1: byte(size), 2: byte(size >> 8)}).Read(content)
	var b bytes.Buffer
	if err := writeCPIO(&b, map[string]cpioFile{fmt.Sprintf("sizes/%05d", size): {0o100644, content}}); err != nil {
		l.t.Fatalf("making an archive: %v", err)
	}
	if b.Len() > size {
		l.t.Fatalf("an archive of %d octets has no room in %d", b.Len(), size)
	}
	return b.String() + strings.Repeat("\x00", size-b.Len()), sha256.Sum256(content)
}
