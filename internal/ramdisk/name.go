package ramdisk

import (
	"errors"
	"fmt"
	"strings"
)

// shortName is a name as directory entries hold it: eight octets and three,
// filled up with spaces, without the dot (FAT spec, "FAT Directory
// Structure").
type shortName [11]byte

const (
	maxPart = 255 // of a long name (FAT spec, "Name Limits and Character Sets")
	maxPath = 259 // the same section's 260 with the NUL
)

// fold brings names that are the same to FAT to one form.
func fold(name string) string { return strings.ToUpper(name) }

// splitPath takes a path apart and refuses what no volume can hold.
func splitPath(path string) ([]string, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path has %d octets; %d are allowed", len(path), maxPath)
	}
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if err := checkPart(part); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func checkPart(part string) error {
	switch {
	case part == "":
		return errors.New("a part of the path is empty; paths have no slash at either end and no two together")
	case len(part) > maxPart:
		return fmt.Errorf("a part of the path has %d octets; %d are allowed", len(part), maxPart)
	case part[0] == ' ' || strings.HasSuffix(part, " ") || strings.HasSuffix(part, "."):
		return fmt.Errorf("the part %q begins or ends with a space or ends with a dot", part)
	}
	for i := range len(part) {
		if c := part[i]; c < ' ' || c > '~' || strings.IndexByte(`\:*?"<>|`, c) >= 0 {
			return fmt.Errorf(`the part %q contains %q; allowed is printable ASCII without \ : * ? " < > |`, part, c)
		}
	}
	return nil
}

// newLabel gives a volume's label; all spaces if there is none.
func newLabel(label string) (shortName, error) {
	out := blankName()
	if len(label) > len(out) {
		return out, fmt.Errorf("labelling a RAM disk %q: it has %d octets; %d are allowed", label, len(label), len(out))
	}
	for i, c := range []byte(strings.ToUpper(label)) {
		if !shortByte(c) && (c != ' ' || i == 0) {
			return out, fmt.Errorf("labelling a RAM disk %q: %q is not allowed there", label, c)
		}
		out[i] = c
	}
	return out, nil
}

// shortByte reports whether short names may contain c (FAT spec, "Name Limits
// and Character Sets"). Lower-case letters are not among them.
func shortByte(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("$%'-_@~`!(){}^#&", c) >= 0
}

func blankName() shortName {
	var s shortName
	copy(s[:], "           ")
	return s
}

// exactShort gives the short name that is the same name but for its case; ok
// is false where there is none.
func exactShort(name string) (s shortName, ok bool) {
	base, ext, dot := strings.Cut(fold(name), ".")
	if base == "" || len(base) > 8 || len(ext) > 3 || dot && ext == "" {
		return s, false
	}
	for _, c := range []byte(base + ext) {
		if !shortByte(c) {
			return s, false
		}
	}
	s = blankName()
	copy(s[:8], base)
	copy(s[8:], ext)
	return s, true
}

// String is the name with its dot.
func (s shortName) String() string {
	base, ext := strings.TrimRight(string(s[:8]), " "), strings.TrimRight(string(s[8:]), " ")
	if ext == "" {
		return base
	}
	return base + "." + ext
}

// shortNames hands out the short names of one directory.
type shortNames struct {
	taken map[shortName]bool
	next  map[shortName]int // numeric tails used up, by basis name
}

func newShortNames() shortNames {
	return shortNames{taken: map[shortName]bool{}, next: map[shortName]int{}}
}

// invent makes a short name for a name that has none of its own: its basis
// name with a numeric tail, GRUBRI~1.EFI for grubriscv64.efi (FAT spec, "The
// Basis-Name Generation Algorithm" and "The Numeric-Tail Generation
// Algorithm"). Nobody looks files up by it.
func (n shortNames) invent(name string) shortName {
	basis := basisName(name)
	for {
		n.next[basis]++
		tail := fmt.Sprintf("~%d", n.next[basis])
		base := strings.TrimRight(string(basis[:8]), " ")
		s := blankName()
		copy(s[8:], basis[8:])
		copy(s[:8], base[:min(len(base), 8-len(tail))]+tail)
		if !n.taken[s] {
			n.taken[s] = true
			return s
		}
	}
}

// basisName keeps of a name what fits, with '_' for what short names cannot
// contain. As Windows does it, dots and spaces before the last dot vanish.
func basisName(name string) shortName {
	name = strings.TrimLeft(fold(name), ".")
	base, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		base, ext = name[:i], name[i+1:]
	}
	s := blankName()
	copy(s[:8], shortBytes(base))
	copy(s[8:], shortBytes(ext))
	return s
}

func shortBytes(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		switch {
		case c == '.' || c == ' ':
		case shortByte(c):
			b = append(b, c)
		default:
			b = append(b, '_')
		}
	}
	return string(b)
}
