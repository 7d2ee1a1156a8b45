package main

import (
	"strings"
	"testing"
)

// An unfinished line waits for its end, unless nothing more will come.
func TestLines(t *testing.T) {
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
		p := printer{w: &out, name: "box"}
		if n := p.lines(text, tc.all); n != tc.octets || out.String() != tc.printed {
			t.Errorf("all %v: %d octets printed as %q; want %d, %q", tc.all, n, out.String(), tc.octets, tc.printed)
		}
	}
}

// TestLinesLeaveOut: frames, repetitions, and lines for debugging.
func TestLinesLeaveOut(t *testing.T) {
	var out strings.Builder
	p := printer{w: &out, name: "box"}
	for _, text := range []string{"\xda\xc4\xc4\xbf\n", "\xb3*debian \xb3\n", "status 1\nstatus 1\n", "status 1\n",
		"time=1 level=DEBUG msg=x\n", "time=1 level=INFO msg=x\n"} {
		p.lines(text, false)
	}
	const want = "box     | *debian\nbox     | status 1\nbox     | time=1 level=INFO msg=x\n"
	if got := out.String(); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
