package record_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"hobnail/internal/record"
	"hobnail/internal/wire/wiretest"
)

// checkTexts wants texts that fit on a line.
func checkTexts(t testing.TB, where string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if len(s) > 255 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q", where, s)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"m/x/shimx64.efi":         "m/x/shimx64.efi",
		`\Boot\BCD`:               `\Boot\BCD`,
		"pxe.efi\xff":             `pxe.efi\xff`,
		"a\x00b\nc\x1b[31m\x7f":   `a\x00b\nc\x1b[31m\x7f`,
		"Büro 3":                  "Büro 3",
		"\u202egnp.exe":           `\u202egnp.exe`,
		"a\u200bb":                `a\u200bb`,
		"\ufffd":                  "\ufffd",
		strings.Repeat("x", 300):  strings.Repeat("x", 255),
		strings.Repeat("\n", 300): strings.Repeat(`\n`, 127),
	} {
		if got := record.Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
	if long := strings.Repeat("ä\n", 500); record.Line(long) != strings.Repeat(`ä\n`, 500) {
		t.Error("Line shortens")
	}
}

func TestPrintableHoldsForAnything(t *testing.T) {
	for _, h := range wiretest.HostileStrings(t) {
		checkTexts(t, h.Name, record.Printable(string(h.Text)))
	}
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "octets"))
		once := record.Printable(in)
		if again := record.Printable(once); again != once {
			t.Fatalf("%q becomes %q and then %q", in, once, again)
		}
		if len(once) > 255 || strings.ContainsFunc(once, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q becomes %q", in, once)
		}
	})
}
