package record

import (
	"strconv"
	"strings"
)

// maxText bounds what is kept of one text from the network.
const maxText = 255

// Printable makes a text from the network fit to be shown on any line: what
// does not print is escaped as in Go's strings, and no more than 255 octets
// are kept. Backslashes stay single, since Windows loaders write paths with
// them. Steps hold such text only.
func Printable(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x`)
			b.WriteString(strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
