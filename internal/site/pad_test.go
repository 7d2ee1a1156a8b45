package site

import (
	"errors"
	"os"
	"testing"

	"hobnail/internal/bootfile"
)

// TestPads: what is put behind a RAM disk makes it end at a multiple of four
// octets, and to read it begins no install.
func TestPads(t *testing.T) {
	s := newSite(t)
	b := &booked{}
	s.Orders = b
	file := s.Policy.Config.Images[0].Kernel
	for _, tc := range []struct{ content, want string }{
		{"", "\x00\x00\x00\x00"}, {"1", "\x00\x00\x00"}, {"22", "\x00\x00"}, {"333", "\x00"}, {"4444", "\x00\x00\x00\x00"}, {"55555", "\x00\x00\x00"},
	} {
		if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"img/debian/linux.pad", "m/525400000001/uefi-x64/img/debian/linux.pad", "install/" + goodToken + "/linux.pad"} {
			if got, _, err := read(t, s, name); err != nil || got != tc.want {
				t.Errorf("%s of %q: %q, %v; want %q", name, tc.content, got, err, tc.want)
			}
		}
	}
	if len(b.asked) > 0 {
		t.Errorf("the order was asked %q", b.asked)
	}
	for _, name := range []string{"img/debian/other.pad", "img/debian/.pad", "img/debian/linux.pad.pad"} {
		if got, _, err := read(t, s, name); !errors.Is(err, bootfile.ErrNotFound) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
