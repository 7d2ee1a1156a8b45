package main

import (
	"strings"
	"testing"
)

// An unfinished line waits for its end, unless nothing more will come.
func TestPrintLines(t *testing.T) {
	const text = "GRUB\n\n  loading\nLinux ver"
	for _, tc := range []struct {
		all     bool
		printed string
		octets  int
	}{
		{false, "box     | GRUB\nbox     |   loading\n", 16},
		{true, "box     | GRUB\nbox     |   loading\nbox     | Linux ver\n", len(text)},
	} {
		var out strings.Builder
		if n := printLines(&out, "box", text, tc.all); n != tc.octets || out.String() != tc.printed {
			t.Errorf("all %v: %d octets printed as %q; want %d, %q", tc.all, n, out.String(), tc.octets, tc.printed)
		}
	}
}
