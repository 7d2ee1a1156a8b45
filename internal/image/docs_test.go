package image

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "../../docs/images.md"

// wayWords say how something starts, for people.
func wayWords(r row) string {
	words := map[Way]string{
		WayLinux: "kernel and RAM disk", WayEFI: "its program", WayWIM: "Windows boot manager, boot WIM",
		WayESXi: "mboot", WaySANBoot: "as a disc, by iPXE",
	}
	text := words[r.way]
	if r.isoInitrd {
		text += ", with the ISO in it"
	}
	if r.bios != "" && r.bios != r.way {
		text += "; BIOS: " + words[r.bios]
	}
	return text
}

// systems is the table of the page: a line for each system, in the order in
// which they are tried.
func systems() string {
	var b strings.Builder
	b.WriteString("| system | name | starts as | answer file | Secure Boot | needs | tried |\n|---|---|---|---|---|---|---|\n")
	seen := map[string]bool{}
	for _, r := range rows() {
		if seen[r.system] {
			continue
		}
		seen[r.system] = true
		answer := "none"
		if r.answer != AnswerNone {
			answer = fmt.Sprintf("%s (`%s`)", r.answer, r.answer.File())
		}
		needs := r.needs
		if needs == "" {
			needs = "little"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", r.system, r.name, wayWords(r), answer, r.secureBoot, needs, r.tried)
	}
	return b.String()
}

// TestPageHasTheTable compares the page with the rows; -update writes it.
func TestPageHasTheTable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- the table of internal/image -->\n", "<!-- end -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", page, begin, end)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+systems()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(systems(), table); diff != "" {
		t.Errorf("go test ./internal/image -update writes it (-want +got)\n%s", diff)
	}
}
