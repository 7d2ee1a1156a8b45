package nbp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The digest is over what firmware takes, in firmware's order. Real programs
// are compared with other people's tools in the interop tests.
func TestDigest(t *testing.T) {
	two := []peSection{{Name: ".a", Data: []byte("first")}, {Name: ".b", Data: []byte("second")}}
	for _, plus := range []bool{false, true} {
		b := pe{machine: 0x8664, plus: plus, sections: two, certs: []byte("8 octets")}.bytes()
		countAt := 92
		if plus {
			countAt = 108
		}
		checksum, directory := testPEHeader+24+64, testPEHeader+24+countAt+4+4*8
		signed := append(append(append([]byte{}, b[:checksum]...), b[checksum+4:directory]...), b[directory+8:len(b)-8]...)
		want := sha256.Sum256(signed)
		if got := imageDigest(t, b); !bytes.Equal(got, want[:]) {
			t.Errorf("PE32+ %v: %x, want %x", plus, got, want)
		}

		// The headers may name the sections in any order.
		swapped := bytes.Clone(b)
		copy(swapped[testTable:], b[testTable+sectionHeaderSize:testTable+2*sectionHeaderSize])
		copy(swapped[testTable+sectionHeaderSize:], b[testTable:testTable+sectionHeaderSize])
		signed = append(append(append([]byte{}, swapped[:checksum]...), swapped[checksum+4:directory]...), swapped[directory+8:len(b)-8]...)
		want = sha256.Sum256(signed)
		if got := imageDigest(t, swapped); !bytes.Equal(got, want[:]) {
			t.Errorf("PE32+ %v, sections in another order: %x, want %x", plus, got, want)
		}
	}
}

func TestNoDigest(t *testing.T) {
	le := binary.LittleEndian
	whole := pe{machine: 0x8664, plus: true, sections: []peSection{{Name: ".a", Data: make([]byte, 4096)}, {Name: ".b", Data: []byte("second")}}}.bytes()
	for _, tt := range []struct {
		name   string
		change func([]byte)
		want   string
	}{
		{"no headers", func(b []byte) { le.PutUint32(b[testPEHeader+24+60:], 0) }, "size of its headers"},
		{"headers behind the end", func(b []byte) { le.PutUint32(b[testPEHeader+24+60:], 1<<31) }, "size of its headers"},
		{"headers that end before the directory", func(b []byte) { le.PutUint32(b[testPEHeader+24+60:], testPEHeader+24+68) }, "outside the headers"},
		{"sections over each other", func(b []byte) {
			copy(b[testTable+sectionHeaderSize+16:], b[testTable+16:testTable+24])
		}, "overlap"},
	} {
		b := bytes.Clone(whole)
		tt.change(b)
		p, err := parsePE(b)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := p.digest(b, sha256.New()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}
