package bootscript

import "strings"

// maxText is the longest text shown on one line: a console has 80 columns,
// and menus put a frame around it.
const maxText = 72

// plain makes untrusted text fit to show on one console line: printable ASCII
// stays, every run of anything else becomes one '?' (the loaders' consoles
// agree on no other character set), runs of spaces become one. A backslash
// becomes a slash: at the end of a line, even of a comment, iPXE joins the
// next line to it.
func plain(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	strange := false
	for _, r := range s {
		if r < ' ' || r > '~' {
			if !strange {
				b.WriteByte('?')
			}
			strange = true
			continue
		}
		strange = false
		if r == '\\' {
			r = '/'
		}
		b.WriteRune(r)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if len(text) > maxText {
		text = text[:maxText-3] + "..."
	}
	return text
}

// isPlain reports whether plain would change nothing, as of most texts: it is
// much quicker to look than to write.
func isPlain(s string) bool { return len(s) <= maxText && isTidy(s) }

// isTidy reports whether a text is printable ASCII with single spaces.
func isTidy(s string) bool {
	space := true // a text does not begin with one
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || c == '\\' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || s == ""
}

// safe replaces every byte that is not a letter, a digit or in also by '_',
// so that the result is one word to every loader.
func safe(s, also string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || !alphanumeric(byte(r)) && strings.IndexByte(also, byte(r)) < 0
	}) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if !alphanumeric(c) && strings.IndexByte(also, c) < 0 {
			b[i] = '_'
		}
	}
	return string(b)
}

// urlBytes are what a base URL is made of beside letters and digits.
const urlBytes = "._-~:/[]"

// label makes an entry's ID a word that scripts can jump to.
func label(id string) string { return safe(id, "._-") }

// fileName makes a name of the boot-file tree a word. Names do not begin with
// a slash.
func fileName(name string) string { return strings.TrimLeft(safe(name, "._+~-/"), "/") }

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// base is the last component of a file name.
func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
