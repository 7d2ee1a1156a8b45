package verdict_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/wiretest"
)

// chapter is a code's part of the manual.
func chapter(e verdict.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### `%s`: %s\n\n", e.Code, e.Title)
	field := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "- **%s:** %s\n", name, text)
		}
	}
	if !e.Note {
		field("Outcome", string(e.Outcome))
	}
	field("Seen", e.Seen)
	field("Likely cause", e.Cause)
	field("What to do", e.Remedy)
	field("Who", e.Who)
	field("On the machine's screen", e.Screen)
	if len(e.Details) > 0 {
		b.WriteString("\n| detail | which is |\n|---|---|\n")
		for _, d := range e.Details {
			fmt.Fprintf(&b, "| `%s` | %s |\n", d.Detail, d.Seen)
		}
	}
	return b.String()
}

// manual is the part of docs/verdicts.md that is made from the catalogue.
func manual() string {
	var b strings.Builder
	b.WriteString("## Verdicts\n")
	notes := false
	for _, e := range verdict.Catalogue() {
		if e.Note && !notes {
			notes = true
			b.WriteString("\n## Notes\n\nThey stand beside a verdict. No boot ends in one.\n")
		}
		b.WriteString("\n" + chapter(e))
	}
	return b.String()
}

// TestManual: the page's second half is what the catalogue says. -update writes
// it anew.
func TestManual(t *testing.T) {
	file := filepath.Join(wiretest.Root(t), "docs", "verdicts.md")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(old), "## Verdicts\n")
	if !ok {
		t.Fatal("the page has no chapter on verdicts")
	}
	want := wiretest.Golden(t, file, head+manual())
	if diff := cmp.Diff(want, head+manual()); diff != "" {
		t.Errorf("docs/verdicts.md is not what the catalogue says (-page +catalogue):\n%s", diff)
	}
}

// TestCatalogueIsWhole: every code of the source has one entry, in words that
// a person reads at three in the morning.
func TestCatalogueIsWhole(t *testing.T) {
	seen, titles := map[string]bool{}, map[string]bool{}
	form := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
	for _, e := range verdict.Catalogue() {
		if seen[e.Code] || titles[e.Title] || !form.MatchString(e.Code) {
			t.Errorf("%q: %q is there twice, or is no code", e.Code, e.Title)
		}
		seen[e.Code], titles[e.Title] = true, true
		if e.Title == "" || utf8.RuneCountInString(e.Title) > 48 || e.Seen == "" {
			t.Errorf("%s lacks a title of few words, or what is seen", e.Code)
		}
		if e.Outcome != model.OutcomeOK && (e.Cause == "" || e.Remedy == "" || e.Who == "") {
			t.Errorf("%s lacks cause, remedy or who", e.Code)
		}
		if e.Outcome == model.OutcomeOK && e.Who != verdict.Nobody {
			t.Errorf("%s is in order, and somebody has to do something", e.Code)
		}
		texts := []string{e.Title, e.Seen, e.Cause, e.Remedy}
		details := map[string]bool{}
		for _, d := range e.Details {
			if details[d.Detail] || !form.MatchString(d.Detail) {
				t.Errorf("%s/%s is there twice, or is no word", e.Code, d.Detail)
			}
			details[d.Detail] = true
			texts = append(texts, d.Seen)
		}
		for _, text := range texts {
			if text != strings.TrimSpace(text) || strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n|") {
				t.Errorf("%s says %q", e.Code, text)
			}
		}
	}
	source, err := os.ReadFile("catalogue.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t[A-Z]\w+ += "([a-z0-9-]+)"$`).FindAllSubmatch(source, -1) {
		if code := string(m[1]); code != verdict.You && code != verdict.Vendor && !seen[code] {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
}

func TestCatalogueIsACopy(t *testing.T) {
	verdict.Catalogue()[0].Details[0].Seen = "changed"
	if verdict.Catalogue()[0].Details[0].Seen == "changed" {
		t.Error("whoever lists the catalogue can change it")
	}
	if e, ok := verdict.Lookup("none-such"); ok {
		t.Errorf("none-such is %+v", e)
	}
}

// TestRemediesNameKeysThatExist: what a person is to write into hobnail.toml
// stands in the manual of the configuration.
func TestRemediesNameKeysThatExist(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join(wiretest.Root(t), "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\b([a-z_]+) = \\"`).FindAllSubmatch(text, -1) {
			found++
			if !strings.Contains(string(manual), "`"+string(m[1])+"`") {
				t.Errorf("%s tells people to write %s, which docs/configuration.md does not know", file, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d keys were found", found)
	}
}
