//go:build interop

package image

import (
	"os"
	"testing"
)

// The packages debian-installer-12-netboot-amd64 and -arm64, as Debian 12 has
// them.
func TestInteropDiscoverOnThisHost(t *testing.T) {
	found := map[string]bool{}
	for _, img := range Discover(os.DirFS("/")) {
		found[img.Name] = true
		for _, f := range Files(img) {
			if info, err := os.Stat(f.Path); err != nil || info.Size() < 1<<20 {
				t.Errorf("%s: %v, %v", f.Path, info, err)
			}
		}
	}
	if !found["debian-12"] || !found["debian-12-arm64"] {
		t.Errorf("found %v", found)
	}
}
