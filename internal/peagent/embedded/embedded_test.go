package embedded

import (
	"bytes"
	"debug/pe"
	"strings"
	"testing"

	"hobnail/internal/model"
)

// What make build embeds are console programs for the right processors.
func TestAgents(t *testing.T) {
	for c, machine := range map[model.CPU]uint16{model.CPUX64: pe.IMAGE_FILE_MACHINE_AMD64, model.CPUARM64: pe.IMAGE_FILE_MACHINE_ARM64} {
		b, err := Agent(c)
		if err != nil {
			t.Fatal(err)
		}
		f, err := pe.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		o, ok := f.OptionalHeader.(*pe.OptionalHeader64)
		if !ok || f.Machine != machine || o.Subsystem != pe.IMAGE_SUBSYSTEM_WINDOWS_CUI {
			t.Errorf("%s: machine %#x, %+v", c, f.Machine, o)
		}
		if len(b) > 9<<20 { // it is loaded into a RAM disk, and by TFTP
			t.Errorf("%s: it has %d octets", c, len(b))
		}
	}
}

func TestNoAgent(t *testing.T) {
	_, err := Agent(model.CPURISCV64)
	if err == nil || !strings.Contains(err.Error(), "there is none for riscv64; there is for x64 and arm64") {
		t.Errorf("got %v", err)
	}
}
