package bootscript

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRAMDiskGRUB(t *testing.T) {
	got := RAMDiskGRUB(netip.MustParseAddr("10.77.1.2"), "m/525400123456/uefi-x64/grub.cfg")
	file := filepath.Join("testdata", "ramdisk.grub.golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRAMDiskGRUBFitsTheScreen(t *testing.T) {
	longest := netip.MustParseAddr("255.255.255.255")
	for _, words := range grubCommands(t, string(RAMDiskGRUB(longest, "m/525400123456/uefi-loongarch64/grub.cfg"))) {
		if words[0] == "echo" && len(words) > 1 && len(words[1]) > 80 {
			t.Errorf("%d columns: %s", len(words[1]), words[1])
		}
	}
}

// TestRAMDiskGRUBHostile: names are only names, in whatever they are used.
func TestRAMDiskGRUBHostile(t *testing.T) {
	server := netip.MustParseAddr("10.77.1.2")
	plain := grubCommands(t, string(RAMDiskGRUB(server, "a/grub.cfg")))
	for _, h := range hostileStrings(t) {
		got := grubCommands(t, string(RAMDiskGRUB(server, "a/"+h.text+"grub.cfg")))
		if diff := cmp.Diff(commandWords(plain), commandWords(got)); diff != "" {
			t.Errorf("%s changes the commands (-plain +got):\n%s", h.name, diff)
		}
	}
	if got := string(RAMDiskGRUB(netip.MustParseAddr("::ffff:10.77.1.2"), "x")); !strings.Contains(got, "'(tftp,10.77.1.2)/x'") {
		t.Errorf("an IPv4 address in IPv6 form is not written as IPv4:\n%s", got)
	}
}

// commandWords keeps of each command its name and how many words it has.
func commandWords(commands [][]string) [][2]any {
	var out [][2]any
	for _, words := range commands {
		out = append(out, [2]any{words[0], len(words)})
	}
	return out
}
