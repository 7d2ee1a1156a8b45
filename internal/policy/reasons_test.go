package policy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoReasonHasTooManyArguments: a step of a decision has room for four, and
// one with more would stop the server.
func TestNoReasonHasTooManyArguments(t *testing.T) {
	const most = 4
	before := map[string]int{"because": 3, "ignore": 3, "refuse": 2} // the arguments that are none of the text's
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || call.Ellipsis.IsValid() {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && before[f.Sel.Name] > 0 {
				seen++
				if got := len(call.Args) - before[f.Sel.Name]; got > most {
					t.Errorf("%s: %d arguments, %d fit", set.Position(call.Pos()), got, most)
				}
			}
			return true
		})
	}
	if seen < 50 {
		t.Errorf("only %d reasons were found", seen)
	}
}
