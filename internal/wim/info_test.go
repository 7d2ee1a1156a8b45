package wim

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// windowsXML has the elements of a Windows image, and some that are not read.
const windowsXML = `<WIM>
  <TOTALBYTES>4711</TOTALBYTES>
  <IMAGE INDEX="2">
    <NAME>Second</NAME>
    <WINDOWS><ARCH>12</ARCH></WINDOWS>
  </IMAGE>
  <IMAGE INDEX="1">
    <DIRCOUNT>3</DIRCOUNT><FILECOUNT>5</FILECOUNT><TOTALBYTES>15300000000</TOTALBYTES>
    <CREATIONTIME><HIGHPART>0x01DB5000</HIGHPART><LOWPART>0x00000000</LOWPART></CREATIONTIME>
    <WINDOWS>
      <ARCH>9</ARCH>
      <PRODUCTNAME>Product</PRODUCTNAME>
      <EDITIONID>Professional</EDITIONID>
      <INSTALLATIONTYPE>Client</INSTALLATIONTYPE>
      <SERVICINGDATA><IMAGESTATE>IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE</IMAGESTATE></SERVICINGDATA>
      <LANGUAGES><LANGUAGE>en-US</LANGUAGE><LANGUAGE>de-DE</LANGUAGE><DEFAULT>en-US</DEFAULT></LANGUAGES>
      <VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR><BUILD>26100</BUILD><SPBUILD>1742</SPBUILD></VERSION>
      <SYSTEMROOT>WINDOWS</SYSTEMROOT>
    </WINDOWS>
    <NAME>Client &amp; 💾</NAME><DESCRIPTION>text</DESCRIPTION><FLAGS>Professional</FLAGS>
    <DISPLAYNAME>Shown</DISPLAYNAME><DISPLAYDESCRIPTION>Shown text</DISPLAYDESCRIPTION>
  </IMAGE>
</WIM>`

func TestReadInfo(t *testing.T) {
	b := withXML(3, windowsXML)
	putU32(b[atBoot:], 2)
	putU32(b[atFlags:], flagCompressed|flagLZX)
	putU32(b[atChunk:], 32<<10)
	got, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Info{
		GUID: GUID([]byte("0123456789abcdef")), Part: 1, Parts: 1, Compression: LZX, ChunkSize: 32768, Boot: 2,
		Images: []ImageInfo{
			{
				Index: 1, Name: "Client & 💾", Description: "text", DisplayName: "Shown", DisplayText: "Shown text",
				Flags: "Professional", EditionID: "Professional", InstallationType: "Client", ProductName: "Product",
				CPU: model.CPUX64, Arch: 9, HasArch: true, Version: Version{10, 0, 26100, 1742},
				Languages: []string{"en-US", "de-DE"}, DefaultLanguage: "en-US",
				TotalBytes: 15300000000, Dirs: 3, Files: 5, Created: time.Date(2024, 12, 16, 21, 18, 6, 778368000, time.UTC),
			},
			{Index: 2, Name: "Second", CPU: model.CPUARM64, Arch: 12, HasArch: true},
			{Index: 3},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got)\n%s", diff)
	}
	if got, want := got.GUID.String(), "33323130-3534-3736-3839-616263646566"; got != want {
		t.Errorf("GUID %s, want %s", got, want)
	}
}

func TestHostileXML(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an image too many", `<WIM><IMAGE INDEX="2"/></WIM>`, `line 1: IMAGE has INDEX "2"; the header has 1 images`},
		{"an image twice", `<WIM><IMAGE INDEX="1"/>` + "\n" + `<IMAGE INDEX="1"/></WIM>`, "line 2: a second IMAGE has INDEX 1"},
		{"no index", `<WIM><IMAGE/></WIM>`, `IMAGE has INDEX ""`},
		{"an index of letters", `<WIM><IMAGE INDEX="` + strings.Repeat("x", 1000) + `"/></WIM>`, `has INDEX "` + strings.Repeat("x", 40) + `…"`},
		{"a negative number", `<WIM><IMAGE INDEX="1"><TOTALBYTES>-1</TOTALBYTES></IMAGE></WIM>`, `IMAGE 1: TOTALBYTES is "-1", not a number`},
		{"a number too large", `<WIM><IMAGE INDEX="1"><WINDOWS><ARCH>65536</ARCH></WINDOWS></IMAGE></WIM>`, `IMAGE 1: ARCH is "65536"`},
		{"an entity of its own", `<!DOCTYPE WIM [<!ENTITY a "aaaa">]><WIM><IMAGE INDEX="1"><NAME>&a;</NAME></IMAGE></WIM>`, "invalid character entity &a;"},
		{"an external entity", `<!DOCTYPE WIM SYSTEM "file:///etc/passwd"><WIM>&x;</WIM>`, "invalid character entity &x;"},
		{"an end that is missing", `<WIM><IMAGE INDEX="1">`, "unexpected EOF"},
		{"elements in elements", `<WIM><IMAGE INDEX="1">` + strings.Repeat("<NAME>", 20000), "unexpected EOF"},
		{"a control character", "<WIM><IMAGE INDEX=\"1\"><NAME>\x01</NAME></IMAGE></WIM>", "illegal character code U+0001"},
	} {
		b := withXML(1, row.text)
		_, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "reading the XML of a WIM, at octet 208 of the file: ") {
			t.Errorf("%s: %v, want …%s…", row.name, err, row.want)
		}
	}
}

func TestHostileUTF16(t *testing.T) {
	for _, row := range []struct {
		name, raw, want string
	}{
		{"an odd number of octets", "<\x00W", "3 octets are no UTF-16"},
		{"a high surrogate alone", "<\x00\x00\xd8<\x00", "octet 2 of the XML: half a surrogate pair, 0xd800"},
		{"a high surrogate at the end", "<\x00\x00\xd8", "octet 2 of the XML"},
		{"a low surrogate first", "\x00\xdc\x00\xd8", "octet 0 of the XML"},
	} {
		_, err := fromUTF16([]byte(row.raw))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.name, err, row.want)
		}
	}
}

func TestHostileHeader(t *testing.T) {
	u := putU32
	for _, row := range []struct {
		name string
		harm func(h []byte) []byte
		want string
	}{
		{"cut", func(h []byte) []byte { return h[:207] }, "the file has 207 octets, the header 208"},
		{"another file", func(h []byte) []byte { copy(h, "PK\x03\x04"); return h }, `it begins with "PK\x03\x04M\x00\x00\x00"`},
		{"pipable", func(h []byte) []byte { copy(h, "WLPWM"); return h }, "wimlib-imagex optimize --not-pipable"},
		{"length", func(h []byte) []byte { u(h[8:], 209); return h }, "at octet 8: a header of 209 octets"},
		{"version", func(h []byte) []byte { u(h[12:], 1); return h }, "at octet 12: version 0x1"},
		{"compression", func(h []byte) []byte { u(h[16:], 2|0x60000); return h }, "at octet 16: flags 0x60002"},
		{"chunk size", func(h []byte) []byte { u(h[16:], 0x40002); u(h[20:], 40000); return h }, "at octet 20: chunks of 40000 octets; lzx has powers of two from 32768 to 2097152"},
		{"no chunk size", func(h []byte) []byte { u(h[16:], 0x20002); return h }, "at octet 20: chunks of 0 octets"},
		{"part 0", func(h []byte) []byte { h[40] = 0; return h }, "at octet 40: part 0 of 1"},
		{"images", func(h []byte) []byte { u(h[44:], 1<<31); return h }, "at octet 44: 2147483648 images"},
		{"boot", func(h []byte) []byte { u(h[120:], 2); return h }, "at octet 120: image 2 is to boot, of 1"},
		{"blob table", func(h []byte) []byte { h[48+8+7] = 0x80; return h }, "at octet 48: the blob table has 0 octets at 9223372036854775808"},
		{"XML at the end", func(h []byte) []byte { h[72] = 1; h[72+8] = 208; return h }, "at octet 72: the XML has 1 octets at 208, in a file of 208"},
		{"XML of 1 GiB", func(h []byte) []byte { h[72+3] = 0x40; return h }, "at octet 72: the XML has 1073741824 octets"},
		{"XML of 1 GiB, compressed", func(h []byte) []byte { h[72] = 1; h[72+7] = 4; h[72+16+3] = 0x40; return h }, "it has 1073741824 octets; at most 4194304"},
		{"compressed without compression", func(h []byte) []byte { h[72] = 1; h[72+7] = 4; h[72+16] = 1; return h }, "it is compressed, in a WIM that says it has no compression"},
		{"a solid XML", func(h []byte) []byte { h[72] = 1; h[72+7] = 16; return h }, "wimlib-imagex export"},
		{"lengths that differ", func(h []byte) []byte { h[72] = 2; h[72+16] = 1; return h }, "2 octets as stored and 1 without compression"},
		{"integrity", func(h []byte) []byte { h[124+6] = 1; return h }, "at octet 124: the integrity table has"},
	} {
		b := row.harm(header(1, 1))
		_, err := ReadInfo(bytes.NewReader(b), int64(len(b)))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want …%s…", row.name, err, row.want)
		}
	}
	_, err := ReadInfo(bytes.NewReader(header(0, 0)[:100]), 4711)
	if err == nil || !strings.Contains(err.Error(), "at octet 100: unexpected EOF") {
		t.Errorf("a file shorter than it was said to be: %v", err)
	}
}

func TestFiletime(t *testing.T) {
	for _, when := range []time.Time{
		time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999900, time.UTC),
		time.Unix(0, 0).UTC(), time.Date(2026, 11, 25, 12, 0, 0, 123456700, time.UTC),
	} {
		f, err := toFiletime(when)
		if got := fromFiletime(f); err != nil || !got.Equal(when) {
			t.Errorf("%v becomes %d, becomes %v; %v", when, f, got, err)
		}
	}
	for _, when := range []time.Time{time.Date(1600, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(40000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if f, err := toFiletime(when); err == nil {
			t.Errorf("%v becomes %d", when, f)
		}
	}
}

func TestCPUs(t *testing.T) {
	for arch, want := range map[int64]model.CPU{0: model.CPUIA32, 5: model.CPUARM32, 6: "", 9: model.CPUX64, 12: model.CPUARM64} {
		if got := cpuOf(true, arch); got != want {
			t.Errorf("architecture %d is %q, want %q", arch, got, want)
		}
	}
	if got := cpuOf(false, 0); got != "" {
		t.Errorf("no architecture is %q", got)
	}
}
