package record

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText bounds what is kept of one text from the network, in octets.
const maxText = 255

// Printable makes a text from the network fit to be shown on any line: what
// does not print is escaped as in Go's strings, and no more than 255 octets
// are kept. Backslashes stay single, since Windows loaders write paths with
// them. Steps hold such text only. What is printable already stays as it is.
func Printable(s string) string { return printable(s, maxText) }

// Line is Printable for texts of any length.
func Line(s string) string { return printable(s, len(s)*4+4) }

func printable(s string, most int) string {
	if len(s) <= most && plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		part := s[i : i+n]
		switch {
		case r == utf8.RuneError && n == 1:
			part = `\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:]
		case !strconv.IsPrint(r):
			part = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if b.Len()+len(part) > most {
			break
		}
		b.WriteString(part)
		i += n
	}
	return b.String()
}

// plain reports whether a text is of printable ASCII alone.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
