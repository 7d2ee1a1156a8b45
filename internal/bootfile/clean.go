package bootfile

import "strings"

// maxName is longer than any name in a tree, and than a TFTP request that a
// client can send without options.
const maxName = 512

// Clean brings a name as a client spelled it to the one form that trees hold:
// forward slashes, no slash at either end, no empty or "." parts. ok is false
// for names that can mean nothing in a tree: empty or too long ones, those
// with a ".." part, a colon (drive letters, URLs, alternate streams) or an
// octet outside printable ASCII.
//
// What Unterminated speaks of is cut off first. Percent-encoding means nothing
// here; HTTP has undone it once before.
func Clean(name string) (clean string, ok bool) {
	name = name[:len(name)-trailing(name)]
	if len(name) > maxName {
		return "", false
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == ':' {
			return "", false
		}
	}
	var parts []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return "", false
		}
		if part != "." {
			parts = append(parts, part)
		}
	}
	clean = strings.Join(parts, "/")
	return clean, clean != ""
}

// Unterminated reports whether a name ends in octets that Clean cuts off:
// 0xff, spaces, carriage returns. Nobody names a file so. They come from
// firmware that found no NUL at the end of option 67 and read on into what
// followed, usually the end option, 255; the remedy is a NUL there, or the
// name in the file field.
func Unterminated(name string) bool { return trailing(name) > 0 }

// trailing counts the octets at the end that are no part of a name.
func trailing(name string) int {
	i := len(name)
	for i > 0 && (name[i-1] == 0xff || name[i-1] == ' ' || name[i-1] == '\r') {
		i--
	}
	return len(name) - i
}
