package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/model"
)

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestManualExamplesLoad parses every block of TOML in the manual.
func TestManualExamplesLoad(t *testing.T) {
	manual := read(t, "../../docs/configuration.md")
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatchIndex(manual, -1)
	if len(blocks) < 7 {
		t.Fatalf("found %d blocks of TOML, want one for each section and one at the start", len(blocks))
	}
	for _, b := range blocks {
		line := strings.Count(manual[:b[2]], "\n") + 1
		t.Run(fmt.Sprintf("line %d", line), func(t *testing.T) {
			mustParse(t, "configuration.md", manual[b[2]:b[3]])
		})
	}
}

// TestManualHasEveryKey wants a row of the section's table for each key.
func TestManualHasEveryKey(t *testing.T) {
	manual := read(t, "../../docs/configuration.md")
	for _, name := range append(sections(), "match") {
		heading := "## [[rule]]" // where match is
		switch {
		case single(name):
			heading = "## [" + name + "]"
		case repeats(name):
			heading = "## [[" + name + "]]"
		}
		part := chapter(t, manual, heading)
		for _, k := range keysOf(name) {
			if !strings.Contains(part, "\n| `"+k.name+"` |") {
				t.Errorf("the manual has no row for %s in %s", k.name, name)
			}
		}
	}
	for _, a := range model.Archs() {
		if !strings.Contains(manual, "`"+string(a)+"`") {
			t.Errorf("the manual does not name the architecture %s", a)
		}
	}
}

func chapter(t *testing.T, manual, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(manual, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("the manual has no heading %q", heading)
	}
	text, _, _ := strings.Cut(after, "\n## ")
	return text
}

// TestManualDefaults wants the defaults of the tables to be those of an empty
// file.
func TestManualDefaults(t *testing.T) {
	manual := read(t, "../../docs/configuration.md")
	d := Default()
	subnet := mustParse(t, "hobnail.toml", "[[subnet]]\ncidr = '10.0.0.0/8'").Subnets[0]
	image := mustParse(t, "hobnail.toml", "[[image]]\nname = 'x'\nkernel = 'x'").Images[0]
	for _, tc := range []struct{ key, documented string }{
		{"data", d.Server.Data},
		{"http", d.Server.HTTP},
		{"share", fmt.Sprintf("%d/%d", d.Server.Share.Index, d.Server.Share.Of)},
		{"unknown", d.Boot.Unknown},
		{"default", d.Boot.Default},
		{"timeout", d.Boot.Timeout.String()},
		{"lease", strings.TrimSuffix(subnet.Lease.String(), "0m0s")},
		{"arch", string(image.CPU)},
	} {
		if row := fmt.Sprintf("\n| `%s` | `%s` |", tc.key, tc.documented); !strings.Contains(manual, row) {
			t.Errorf("the manual has no row that begins %q", row)
		}
	}
}

// TestManualFaults wants the faults that the manual shows to be real.
func TestManualFaults(t *testing.T) {
	manual := read(t, "../../docs/configuration.md")
	_, faults := Parse("hobnail.toml", []byte("[[subnet]]\ncdir = '10.77.2.0/24'\n\n\n\n\nlease = '5s'\n"))
	if len(faults) != 2 {
		t.Fatalf("got %v, want the two faults of the manual", faults)
	}
	for _, f := range faults {
		if !strings.Contains(manual, "\n"+f.String()+"\n") {
			t.Errorf("the manual does not show %s", f)
		}
	}
}

// TestExampleShowsEveryKey loads examples/hobnail.toml, and wants it to use
// each key there is.
func TestExampleShowsEveryKey(t *testing.T) {
	text := read(t, "../../examples/hobnail.toml")
	mustParse(t, "hobnail.toml", text)
	src := newSource("hobnail.toml", []byte(text))
	used := map[string]bool{}
	collectKeys(buildTree(src, &report{src: src}), "", used)
	for _, name := range append(sections(), "match") {
		path := name + "."
		if name == "match" {
			path = "rule.match."
		}
		for _, k := range keysOf(name) {
			if !used[path+k.name] {
				t.Errorf("examples/hobnail.toml does not show %s", path+k.name)
			}
		}
	}
}

// collectKeys notes the dotted names of all keys below a table.
func collectKeys(t *table, path string, used map[string]bool) {
	for _, k := range t.keys {
		used[path+k] = true
		val := t.entries[k].val
		for _, n := range append([]*node{val}, val.items...) {
			if n.kind == kindTable {
				collectKeys(n.table, path+k+".", used)
			}
		}
	}
}

// TestKeyExamplesAreValid puts the example of each key, as faults show it,
// into a file.
func TestKeyExamplesAreValid(t *testing.T) {
	around := map[string]string{
		"server":  "[server]\n%s",
		"boot":    "[boot]\n%s",
		"tftp":    "[tftp]\n%s",
		"http":    "[http]\n%s",
		"history": "[history]\n%s",
		"install": "[install]\n%s",
		"subnet":  "[[machine]]\nname='m'\nmac='525400000001'\naddress='10.77.2.9'\n[[subnet]]\n%s",
		"machine": "[[machine]]\n%s",
		"rule":    "[[rule]]\n%s",
		"image":   "[[image]]\n%s",
		"match":   "[[machine]]\nname='lab-01'\nmac='525400000001'\n[[rule]]\nboot='menu'\n[rule.match]\n%s",
	}
	for _, name := range append(sections(), "match") {
		var lines strings.Builder
		for _, k := range keysOf(name) {
			fmt.Fprintf(&lines, "%s = %s\n", k.name, k.example)
		}
		t.Run(name, func(t *testing.T) {
			mustParse(t, "hobnail.toml", fmt.Sprintf(around[name], lines.String()))
		})
	}
}
