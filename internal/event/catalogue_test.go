package event_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hobnail/internal/event"
)

// codes reads the constants of type Code out of the source, so that none can
// be forgotten here.
func codes(t *testing.T) []event.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, event.Code(text))
		}
		return true
	})
	if len(all) == 0 {
		t.Fatal("no codes found in catalogue.go")
	}
	return all
}

// TestEveryCodeHasItsEntry: log, console and manual are made from the
// catalogue, so it may lack nothing.
func TestEveryCodeHasItsEntry(t *testing.T) {
	seen := map[event.Code]bool{}
	for _, code := range codes(t) {
		if seen[code] {
			t.Errorf("%s is the code of two events", code)
		}
		seen[code] = true
		if _, ok := event.Lookup(code); !ok {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
	if got := len(event.Catalogue()); got != len(seen) {
		t.Errorf("the catalogue has %d entries for %d codes", got, len(seen))
	}
	if e, ok := event.Lookup("none.such"); ok {
		t.Errorf("none.such is %+v", e)
	}
}

// TestEntriesAreWhole: stable code, one sentence each, and a remedy wherever a
// person is to do something.
func TestEntriesAreWhole(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+)*$`)
	titles := map[string]event.Code{}
	for _, e := range event.Catalogue() {
		if !form.MatchString(string(e.Code)) {
			t.Errorf("%s is not of the form room.what", e.Code)
		}
		if other, twice := titles[e.Title]; twice {
			t.Errorf("%s and %s have the title %q", other, e.Code, e.Title)
		}
		titles[e.Title] = e.Code
		for _, text := range []string{e.Title, e.Meaning} {
			if text == "" || text != strings.TrimSpace(text) || strings.HasSuffix(text, ".") {
				t.Errorf("%s says %q", e.Code, text)
			}
		}
		if e.Level >= slog.LevelError && e.Remedy == "" {
			t.Errorf("%s is an error and says no remedy", e.Code)
		}
	}
}

func TestCatalogueIsACopy(t *testing.T) {
	event.Catalogue()[0].Title = "changed"
	if event.Catalogue()[0].Title == "changed" {
		t.Error("whoever lists the catalogue can change it")
	}
}

func TestDiscardTakesAnything(t *testing.T) {
	var sink event.Sink = event.Discard{}
	sink.Emit(event.Event{})
}
