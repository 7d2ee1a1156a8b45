package nbp

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pe describes a PE image to build for a test. The zero value of a field
// means what a boot program has.
type pe struct {
	machine   uint16
	plus      bool
	subsystem uint16 // 0: EFI application
	sections  []peSection
	certs     []byte
}

const (
	testPEHeader     = 0x80
	testOptionalSize = 240
	testTable        = testPEHeader + 24 + testOptionalSize
)

// bytes lays the image out: headers up to 0x400, then the sections' content,
// the string table for long names, the certificate table.
func (p pe) bytes() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0x400)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], testPEHeader)
	h := b[testPEHeader:]
	copy(h, "PE\x00\x00")
	le.PutUint16(h[4:], p.machine)
	le.PutUint16(h[6:], uint16(len(p.sections)))
	le.PutUint16(h[20:], testOptionalSize)
	o := h[24:]
	magic, countAt := uint16(0x10b), 92
	if p.plus {
		magic, countAt = 0x20b, 108
	}
	le.PutUint16(o, magic)
	le.PutUint32(o[60:], uint32(len(b))) // size of headers
	le.PutUint16(o[68:], subsystemEFIApplication)
	if p.subsystem != 0 {
		le.PutUint16(o[68:], p.subsystem)
	}
	le.PutUint32(o[countAt:], 16)

	names := make([]byte, 4)
	for i, s := range p.sections {
		name := s.Name
		if len(name) > 8 {
			name = "/" + itoa(len(names))
			names = append(append(names, s.Name...), 0)
		}
		t := b[testTable+i*sectionHeaderSize:]
		copy(t[:8], name)
		le.PutUint32(t[8:], uint32(len(s.Data)))
		padded := append(append([]byte{}, s.Data...), make([]byte, 16)...)
		le.PutUint32(t[16:], uint32(len(padded)))
		le.PutUint32(t[20:], uint32(len(b)))
		b = append(b, padded...)
	}
	le.PutUint32(names, uint32(len(names)))
	le.PutUint32(b[testPEHeader+12:], uint32(len(b)))
	b = append(b, names...)
	if p.certs != nil {
		directory := testPEHeader + 24 + countAt + 4 + 4*8
		le.PutUint32(b[directory:], uint32(len(b)))
		le.PutUint32(b[directory+4:], uint32(len(p.certs)))
		b = append(b, p.certs...)
	}
	return b
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestParsePE(t *testing.T) {
	sections := []peSection{
		{Name: ".text", Data: []byte{0xc3}},
		{Name: ".sbatlevel", Data: []byte("in the string table")},
		{Name: ".sbat", Data: []byte("sbat,1\n")},
	}
	for _, plus := range []bool{false, true} {
		got, err := parsePE(pe{machine: 0xaa64, plus: plus, sections: sections, certs: []byte("certificates")}.bytes())
		if err != nil {
			t.Fatal(err)
		}
		want := &peImage{Machine: 0xaa64, Plus: plus, Subsystem: 10, Sections: sections, Certs: []byte("certificates")}
		want.Layout = got.Layout // see TestDigest
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("PE32+ %v (-want +got):\n%s", plus, diff)
		}
		if string(got.section(".sbat")) != "sbat,1\n" || got.section(".none") != nil {
			t.Errorf("section finds %q and %q", got.section(".sbat"), got.section(".none"))
		}
	}
}

func TestDamagedPE(t *testing.T) {
	le := binary.LittleEndian
	section := []peSection{{Name: ".text", Data: []byte("code")}}
	for _, tt := range []struct {
		name  string
		spoil func(b []byte) []byte
		want  string // part of the error; "not a PE image" is errNotPE
	}{
		{"an empty file is no PE image", func(b []byte) []byte { return nil }, "not a PE image"},
		{"a file cut off in the DOS header is no PE image", func(b []byte) []byte { return b[:0x3f] }, "not a PE image"},
		{"a DOS program is no PE image", func(b []byte) []byte { b[testPEHeader] = 'N'; return b }, "not a PE image"},
		{"a PE offset behind the end is no PE image", func(b []byte) []byte { le.PutUint32(b[0x3c:], 0xffffffff); return b }, "not a PE image"},
		{"97 sections are too many", func(b []byte) []byte { b[testPEHeader+6] = 97; return b }, "97 sections"},
		{"a file can end in the optional header", func(b []byte) []byte { return b[:testPEHeader+30] }, "optional header"},
		{"an optional header can be missing", func(b []byte) []byte { b[testPEHeader+20] = 0; return b }, "no optional header"},
		{"an optional header can be too short for its kind", func(b []byte) []byte { b[testPEHeader+20] = 100; return b }, "optional header too short"},
		{"an optional header for ROMs is not known", func(b []byte) []byte { b[testPEHeader+24] = 7; return b }, "unknown kind 0x0207"},
		{"a file can end in the section table", func(b []byte) []byte { return b[:testTable+39] }, "section table"},
		{"a section can lie behind the end", func(b []byte) []byte { b[testTable+22] = 1; return b }, `section ".text"`},
		{"a section's size can overflow", func(b []byte) []byte { le.PutUint32(b[testTable+16:], 0xffffffff); return b }, `section ".text"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parsePE(tt.spoil(pe{machine: 0x8664, plus: true, sections: section}.bytes()))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if errors.Is(err, errNotPE) != (tt.want == "not a PE image") {
				t.Errorf("error %v: errNotPE is %v", err, errors.Is(err, errNotPE))
			}
		})
	}
}

// A certificate table outside the file spoils the signature, not the program:
// firmware without Secure Boot starts it.
func TestPEWithBadCertificateTable(t *testing.T) {
	b := pe{machine: 0x8664, plus: true, certs: []byte("12345678")}.bytes()
	image, err := parsePE(b[:len(b)-1])
	if err != nil {
		t.Fatal(err)
	}
	if image.CertsErr == nil || image.Certs != nil {
		t.Errorf("certificates %x, error %v", image.Certs, image.CertsErr)
	}
}

// Section names are as hostile as the rest of a file.
func TestSectionName(t *testing.T) {
	names := []byte("\x20\x00\x00\x00.sbatlevel\x00" + strings.Repeat("x", 100))
	for _, tt := range []struct{ field, want string }{
		{".text\x00\x00\x00", ".text"},
		{".dynamic", ".dynamic"},
		{"/4\x00\x00\x00\x00\x00\x00", ".sbatlevel"},
		{"/15\x00\x00\x00\x00\x00", strings.Repeat("x", maxSectionName)},
		{"/9999999", "/9999999"},
		{"/-1\x00\x00\x00\x00\x00", "/-1"},
		{"/\x00\x00\x00\x00\x00\x00\x00", "/"},
		{"\x00\x00\x00\x00\x00\x00\x00\x00", ""},
	} {
		if got := sectionName([]byte(tt.field), names); got != tt.want {
			t.Errorf("sectionName(%q) = %q, want %q", tt.field, got, tt.want)
		}
	}
}

// FuzzDescribe feeds hostile content through everything that reads content:
// headers, sections, signatures, SBAT, versions.
func FuzzDescribe(f *testing.F) {
	f.Add(0, pe{machine: 0x8664, plus: true}.bytes())
	f.Add(2, pe{machine: 0x8664, plus: true, certs: winCertificate(2, []byte("\x30\x03\x02\x01\x01")),
		sections: []peSection{{Name: ".sbat", Data: []byte(testSBAT)}, {Name: ".sbatlevel", Data: testSBATLevel("sbat,1,1\n", "sbat,1,2\nshim,4\n")}},
	}.bytes())
	f.Add(1, []byte("\x7fELF\x01\x01\x01"))
	f.Add(0, []byte("PXELINUX 6.04 "))
	names := []string{"shimx64.efi", "grubx64.efi", "snponly.efi", "pxelinux.0", "menu.c32"}
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		name := names[uint(which)%uint(len(names))]
		for _, a := range []string{"bios", "uefi-x64", "uefi-ia32", "uefi-arm64", "power-of"} {
			p, err := describe(archOf(t, a), name, b)
			if p.Size != int64(len(b)) || len(p.SHA256) != 64 {
				t.Fatalf("size %d, hash %q", p.Size, p.SHA256)
			}
			if err == nil && p.Machine == "" {
				t.Fatal("accepted without a machine")
			}
			for _, s := range []string{p.Machine, p.Signer, p.Version} {
				if s != printable(s) {
					t.Fatalf("%q is not printable", s)
				}
			}
		}
		image, err := parsePE(b)
		if err != nil {
			return
		}
		for _, s := range image.Sections {
			if len(s.Data) > len(b) || len(s.Name) > maxSectionName {
				t.Fatalf("section %q has %d octets of %d", s.Name, len(s.Data), len(b))
			}
		}
	})
}
