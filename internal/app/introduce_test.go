package app

import (
	"strings"
	"testing"
)

func TestGuardText(t *testing.T) {
	for _, tc := range []struct {
		about         string
		wanted, there bool
		want          string
	}{
		{"wanted and there", true, true, "and the kernel guards it (Landlock)"},
		{"an old kernel", true, false, "this kernel has no Landlock to guard that as well"},
		{"switched off", false, true, "is off ([server] landlock)"},
		{"switched off on an old kernel", false, false, "is off ([server] landlock)"},
	} {
		if got := guardText(tc.wanted, tc.there); !strings.HasSuffix(got, tc.want) {
			t.Errorf("%s: %q, want it to end with %q", tc.about, got, tc.want)
		}
	}
}
