package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/event"
)

// TestProgramEvents: what is not served, and what cannot be read, is told with
// its reason, and counted by state.
func TestProgramEvents(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nbp/uefi-x64/readme.txt": "no program",
		"dbx.bin":                 "no list",
		"hobnail.toml":            "[server]\ndata = '" + dir + "'\ndbx = 'dbx.bin'\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Load(filepath.Join(dir, "hobnail.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range programEvents(l) {
		if _, ok := event.Lookup(e.Code); !ok {
			t.Errorf("%s is not in the catalogue", e.Code)
		}
		got = append(got, fmt.Sprintf("%s %s", e.Code, strings.ReplaceAll(fmt.Sprint(e.Attrs), dir, "DIR")))
	}
	want := []string{
		"nbp.dbx-fault [file=DIR/dbx.bin error=reading the revocation list DIR/dbx.bin: at offset 0x0: 7 octets are no signature list]",
		"nbp.refused [program=DIR/nbp/uefi-x64/readme.txt arch=uefi-x64 reason=has neither a PE nor an ELF header (a BIOS program, or no program at all), but machines of uefi-x64 need x86-64 PE32+]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	n := countStates(l)
	if n["refused"] != 1 || n["warned"] != 0 || n["served"] != len(l.Programs.Programs()) || len(n) != 3 {
		t.Errorf("states %v", n)
	}
}
