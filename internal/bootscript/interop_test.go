//go:build interop

package bootscript

import (
	"bytes"
	"os/exec"
	"testing"
)

// GRUB's own parser (grub-script-check, Debian package grub-common) takes
// every grub.cfg, whatever text is in it.
func TestInteropGRUBParsesEveryMenu(t *testing.T) {
	texts := append(hostileStrings(t), hostile{"plain", "x"})
	for _, h := range texts {
		for sink, m := range sinks(h.text) {
			cmd := exec.Command("grub-script-check")
			cmd.Stdin = bytes.NewReader(GRUB(m))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s as %s: %v\n%s\n%s", h.name, sink, err, out, GRUB(m))
			}
		}
	}
}
