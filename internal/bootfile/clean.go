package bootfile

import "strings"

// maxName is longer than any name that a table holds.
const maxName = 512

// Clean brings a name as a client spelled it to the one form that tables hold:
// no leading slash, forward slashes, no empty or "." parts. ok is false for
// names that can mean nothing in the tree: empty, with "..", with a colon
// (drive letters, alternate streams), or with octets outside printable ASCII.
//
// Trailing 0xff, spaces and carriage returns are cut off first: firmware that
// finds option 67 without its NUL reads on into the next option, 255.
// Percent-encoding means nothing here; HTTP undoes it once before.
func Clean(name string) (clean string, ok bool) {
	name = strings.TrimRight(name, "\xff \r")
	if name == "" || len(name) > maxName {
		return "", false
	}
	var parts []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		switch part {
		case ".":
			continue
		case "..":
			return "", false
		}
		parts = append(parts, part)
	}
	clean = strings.Join(parts, "/")
	for i := range len(clean) {
		if c := clean[i]; c < 0x20 || c > 0x7e || c == ':' {
			return "", false
		}
	}
	return clean, clean != ""
}
