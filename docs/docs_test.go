// Package docs has no code, only the tests that keep the pages true to the
// tree they describe. The commands' own pages are tested in internal/cli, the
// configuration's in internal/config.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hobnail/internal/config"
)

// pages lists every Markdown file that people read, relative to this folder.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "adr/*.md", "../*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) < 15 {
		t.Fatalf("found %d pages, want more", len(all))
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLinksLeadSomewhere follows every link inside the repository, to the
// file and to the heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
				continue
			}
			if heading != "" && !hasHeading(read(t, target), heading) {
				t.Errorf("%s: link to %s: there is no such heading", page, m[1])
			}
		}
	}
}

// hasHeading reports whether a page has the anchor that forges make of a
// heading: lower case, punctuation left out, spaces as hyphens.
func hasHeading(page, anchor string) bool {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		have := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(have, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestExamplesAreConfigurations parses every block of TOML. Those of
// configuration.md are tested where the parser is.
func TestExamplesAreConfigurations(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```")
	for _, page := range pages(t) {
		for _, m := range blocks.FindAllStringSubmatch(read(t, page), -1) {
			if _, faults := config.Parse(page, []byte(m[1])); len(faults) > 0 {
				t.Errorf("%s: %v in\n%s", page, faults, m[1])
			}
		}
	}
}

// TestArchitectureNamesEveryRoom wants each package in the page's table, and
// each file that it sends the reader to.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	text := read(t, "architecture.md")
	packages := map[string]bool{}
	err := filepath.WalkDir("../internal", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.Contains(path, "testdata") {
			packages[strings.TrimPrefix(filepath.Dir(path), "../")] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range packages {
		if !strings.Contains(text, "`"+p+"`") {
			t.Errorf("docs/architecture.md does not name %s", p)
		}
	}
}

// TestFilesThatPagesNameAreThere checks the paths of source files in text.
func TestFilesThatPagesNameAreThere(t *testing.T) {
	path := regexp.MustCompile("`((?:internal|scripts|examples|cmd)/[\\w./-]*[\\w])`")
	for _, page := range pages(t) {
		for _, m := range path.FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
	}
}

// TestDecisionsHaveTheirParts wants the four parts of each decision.
func TestDecisionsHaveTheirParts(t *testing.T) {
	for _, page := range pages(t) {
		if !strings.HasPrefix(page, "adr/") {
			continue
		}
		text := read(t, page)
		number, _, _ := strings.Cut(strings.TrimPrefix(page, "adr/"), "-")
		if !strings.HasPrefix(text, "# "+number+": ") {
			t.Errorf("%s does not begin with its number", page)
		}
		for _, part := range []string{"Context", "Decision", "Consequences", "Revisit when"} {
			if !strings.Contains(text, "\n## "+part+"\n") {
				t.Errorf("%s has no part %q", page, part)
			}
		}
	}
}

// TestConformanceNamesTests wants every test that conformance.md names to be
// in the tree, every row that it quotes to be in the file of that test, and
// every requirement to have a test or a reason.
func TestConformanceNamesTests(t *testing.T) {
	files := map[string]string{} // by test, the texts of the files that have one of its name
	err := filepath.WalkDir("../internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text := read(t, path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(text, -1) {
			files[m[1]] += text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, "conformance.md")
	cited := regexp.MustCompile("`(Test\\w+)`((?:,? \"[^\"]+\")*)")
	for _, m := range cited.FindAllStringSubmatch(page, -1) {
		text, ok := files[m[1]]
		if !ok {
			t.Errorf("there is no test %s", m[1])
			continue
		}
		for _, row := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(text, `"`+row[1]+`"`) {
				t.Errorf("%s has no row %q", m[1], row[1])
			}
		}
	}
	rows := 0
	for _, line := range strings.Split(page, "\n") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || cells[1] == "a server" {
			continue
		}
		rows++
		if held := cells[3]; !cited.MatchString(held) && !strings.Contains(held, "differs: ") {
			t.Errorf("%s has neither test nor reason", line)
		}
	}
	if rows < 70 {
		t.Errorf("the page has %d requirements, want more", rows)
	}
}
