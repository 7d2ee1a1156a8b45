package treeinfo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	const text = "name = before any section\n[checksums]\r\nimages/install.img = sha256:0a1b\r\nimages/pxeboot/vmlinuz = sha256:2c3d=\n\n" +
		"# a comment\n; another\n[general]\nname = Rocky Linux 9.4\narch=x86_64\n  version:  9.4  \nno value\n= no key\n[general]\nname = Rocky Linux 9.5\n[ stage2 ]\nmainimage = images/install.img\n[open"
	want := File{
		"checksums": {"images/install.img": "sha256:0a1b", "images/pxeboot/vmlinuz": "sha256:2c3d="},
		"general":   {"name": "Rocky Linux 9.5", "arch": "x86_64", "version": "9.4"},
		"stage2":    {"mainimage": "images/install.img"},
	}
	got := Parse([]byte(text))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Get("general", "arch") != "x86_64" || got.Get("none", "arch") != "" || File(nil).Get("a", "b") != "" {
		t.Error("Get")
	}
}

func TestBounded(t *testing.T) {
	long := Parse([]byte("[a]\n" + strings.Repeat("x = 1\n", maxLines) + "y = 2\n"))
	if long.Get("a", "x") != "1" || long.Get("a", "y") != "" {
		t.Error("lines past the bound count, or those before do not")
	}
}

// Whatever is in it, nothing panics and keys are trimmed.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[\[\]=:#; a\n\r\x00]{0,60}`).Draw(t, "text")
		for section, values := range Parse([]byte(text)) {
			for key, value := range values {
				if key == "" || key != strings.TrimSpace(key) || value != strings.TrimSpace(value) || section != strings.TrimSpace(section) {
					t.Errorf("%q: [%q] %q = %q", text, section, key, value)
				}
			}
		}
	})
}
