package isofs

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// goodName tells whether a name may stand in a tree that is served and logged.
func goodName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > maxName || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r == '/' || r == '\\'
	})
}

// plainName is a file identifier as Linux shows it: lower case, without version
// 1 and the dot of an empty extension; ';' and '/' become dots.
func plainName(id []byte) string {
	s := strings.TrimSuffix(latin1(id), ";1")
	if len(s) < len(id) {
		s = strings.TrimSuffix(s, ".")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case r == ';' || r == '/':
			return '.'
		}
		return r
	}, s)
}

// jolietName is a file identifier in UCS-2, without version 1 and without dots
// at its end, as Linux shows it.
func jolietName(id []byte) string {
	s := strings.TrimSuffix(utf16be(id), ";1")
	if t := strings.TrimRight(s, "."); t != "" {
		return t
	}
	return s
}

// posixName is a Rock Ridge name: UTF-8 in practice, ISO 8859-1 otherwise.
func posixName(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return latin1(b)
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func utf16be(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// cs0 decodes OSTA compressed Unicode (UDF 2.1.1): an octet that says how wide
// characters are, then the characters. ok is false for another compression.
func cs0(b []byte) (s string, ok bool) {
	if len(b) == 0 {
		return "", true
	}
	switch b[0] {
	case 8:
		return latin1(b[1:]), true
	case 16:
		return utf16be(b[1:]), true
	}
	return "", false
}

// dstring is a CS0 text in a field of fixed length, whose last octet says how
// much of it is used (ECMA-167 1/7.2.12).
func dstring(field []byte) string {
	n := int(field[len(field)-1])
	s, _ := cs0(field[:min(n, len(field)-1)])
	return label(s)
}

// label is a text of an image that people will read: one line, no padding.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
