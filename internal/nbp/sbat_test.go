package nbp

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testSBAT is in the form that Debian's GRUB has, padded as linkers do.
const testSBAT = "sbat,1,SBAT Version,sbat,1,https://example.org/SBAT.md\n" +
	"grub,5,Example Foundation,grub,2.06,https://example.org/grub/\n" +
	"grub.debian,5,Debian,grub2,2.06-13+deb12u2,https://example.org/grub2\n" +
	"\x00\x00\x00"

func testSBATLevel(previous, latest string) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0)
	b = le.AppendUint32(b, 8)
	b = le.AppendUint32(b, uint32(8+len(previous)+1))
	return append(b, previous+"\x00"+latest+"\x00"...)
}

func TestParseSBAT(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		want    []SBATEntry
		version string
	}{
		{"a distribution's version comes last and counts", testSBAT, []SBATEntry{
			{"sbat", 1, "sbat", "1"}, {"grub", 5, "grub", "2.06"}, {"grub.debian", 5, "grub2", "2.06-13+deb12u2"},
		}, "2.06-13+deb12u2"},
		{"a project's own build has one line", "sbat,1,V,sbat,1,u\r\nshim,4,V,shim,16.1,u", []SBATEntry{
			{"sbat", 1, "sbat", "1"}, {"shim", 4, "shim", "16.1"},
		}, "16.1"},
		{"another component's version does not count", "systemd-boot,1,V,systemd,255,u\ngrub.x,1,V,g,2,u\n", []SBATEntry{
			{"systemd-boot", 1, "systemd", "255"}, {"grub.x", 1, "g", "2"},
		}, "255"},
		{"revocations carry a date", "sbat,1,2025051000\nshim,4\n", []SBATEntry{
			{"sbat", 1, "", "2025051000"}, {"shim", 4, "", ""},
		}, ""},
		{"lines without a generation are left out", "garbage\nshim,four\n,\nshim,4\n", []SBATEntry{{"shim", 4, "", ""}}, ""},
		{"control characters do not get out", "sh\x1bim,4,V,p,1\x072,u\n", []SBATEntry{{"sh?im", 4, "p", "1?2"}}, "1?2"},
		{"nothing is nothing", "", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parseSBAT([]byte(tt.text))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if v := sbatVersion(got); v != tt.version {
				t.Errorf("version %q, want %q", v, tt.version)
			}
		})
	}
	if n := len(parseSBAT([]byte(strings.Repeat("shim,1\n", 1000)))); n != maxSBAT {
		t.Errorf("%d entries are kept of 1000", n)
	}
}

func TestParseSBATLevel(t *testing.T) {
	level := testSBATLevel("sbat,1,2024\nshim,3\n", "sbat,1,2025\nshim,4\ngrub,5\n")
	want := []SBATEntry{{"sbat", 1, "", "2025"}, {"shim", 4, "", ""}, {"grub", 5, "", ""}}
	if diff := cmp.Diff(want, parseSBATLevel(level)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	otherFormat := append([]byte{1}, level[1:]...)
	behind := testSBATLevel("", "")
	binary.LittleEndian.PutUint32(behind[8:], 0xfffffffe)
	for name, b := range map[string][]byte{"too short": level[:11], "another format": otherFormat, "behind the end": behind, "empty": nil} {
		if got := parseSBATLevel(b); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestVersionIn(t *testing.T) {
	for _, tt := range []struct {
		loader  Loader
		content string
		want    string
	}{
		{LoaderIPXE, "iPXE\x001.0.0+git-20190125.36a4c85-5.1\x00UUUU", "1.0.0+git-20190125.36a4c85-5.1"},
		{LoaderIPXE, "iPXE\x001.21.1+ (g988d2)\x00", "1.21.1+ (g988d2)"},
		{LoaderIPXE, "iPXE\x002.0.0\x00", "2.0.0"},
		{LoaderIPXE, "address 10.0.0.1 is not one", ""},
		{LoaderIPXE, "\x00192.168.0.1\x00", ""},
		{LoaderGRUB, "GNU GRUB  version %s\x002.06-13+deb12u2\x00prefix\x00", "2.06-13+deb12u2"},
		{LoaderGRUB, "GNU GRUB  version %s\x00\x00\x002.12\x00", "2.12"},
		{LoaderPXELINUX, "\r\nPXELINUX 6.04 PXE 20200816 Copyright", "6.04"},
		{LoaderPXELINUX, "\r\nPXELINUX 4.05 0x4f0e2b3c ", "4.05"},
		{LoaderCustom, "PXELINUX 6.04 PXE", ""},
	} {
		if got := versionIn(tt.loader, []byte(tt.content)); got != tt.want {
			t.Errorf("version of %s in %q is %q, want %q", tt.loader, tt.content, got, tt.want)
		}
	}
}
