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
	wait := lab("uefi-x64")
	wait.Wait = &Wait{Number: 7, Script: "grub/grub.cfg", Ready: "m/525400123456/uefi-x64/ready"}
	cmd := exec.Command("grub-script-check")
	cmd.Stdin = bytes.NewReader(GRUB(wait))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the screen that waits: %v\n%s", err, out)
	}
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
