package wim

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxName is how many UTF-16 units a part of a path may have (NTFS).
const maxName = 255

// component is one part of a path, in UTF-16.
type component struct {
	text   string
	units  []uint16
	folded []uint16
}

// splitPath takes \ and / alike, and any number of them at the start.
func splitPath(name string) ([]component, error) {
	var parts []component
	trimmed := strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/")
	if trimmed == "" {
		return nil, nil
	}
	for _, part := range strings.Split(trimmed, "/") {
		c, err := newComponent(part)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	return parts, nil
}

// newComponent refuses what no file under Windows is called.
func newComponent(part string) (component, error) {
	switch {
	case part == "" || part == "." || part == "..":
		return component{}, fmt.Errorf("%q is no name", part)
	case !utf8.ValidString(part):
		return component{}, fmt.Errorf("the name %q is not UTF-8", part)
	case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " "):
		return component{}, fmt.Errorf("the name %q ends with a dot or a space", part)
	}
	if i := strings.IndexFunc(part, func(r rune) bool { return r < ' ' || strings.ContainsRune(`:*?"<>|`, r) }); i >= 0 {
		return component{}, fmt.Errorf("the name %q has a character that Windows does not allow", part)
	}
	c := component{text: part, units: utf16.Encode([]rune(part))}
	if len(c.units) > maxName {
		return component{}, fmt.Errorf("the name %q has %d UTF-16 units; %d are allowed", part, len(c.units), maxName)
	}
	c.folded = make([]uint16, len(c.units))
	for i, u := range c.units {
		c.folded[i] = fold(u)
	}
	return c, nil
}

// is and folds compare with a name as it is stored.
func (c component) is(raw []byte) bool {
	return len(raw) == 2*len(c.units) && equalUnits(c.units, raw, plain)
}
func (c component) folds(raw []byte) bool {
	return len(raw) == 2*len(c.units) && equalUnits(c.folded, raw, fold)
}

// before reports whether the name comes before another, as Windows sorts
// directories: upper case, unit by unit.
func (c component) before(raw []byte) bool {
	for i, u := range c.folded {
		if 2*i >= len(raw) {
			return false
		}
		if other := fold(u16(raw[2*i:])); u != other {
			return u < other
		}
	}
	return 2*len(c.folded) < len(raw)
}

func (c component) octets() []byte {
	b := make([]byte, 0, 2*len(c.units))
	for _, u := range c.units {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func compareComponents(a, b component) int { return slices.Compare(a.folded, b.folded) }

func equalUnits(units []uint16, raw []byte, as func(uint16) uint16) bool {
	for i, u := range units {
		if as(u16(raw[2*i:])) != u {
			return false
		}
	}
	return true
}

func plain(u uint16) uint16 { return u }

// fold is upper case, unit by unit, as NTFS does it: what has no single unit
// in upper case stays. Unicode's table stands for the volume's $UpCase.
func fold(u uint16) uint16 {
	if u < 0x80 {
		if 'a' <= u && u <= 'z' {
			return u - 'a' + 'A'
		}
		return u
	}
	if utf16.IsSurrogate(rune(u)) {
		return u
	}
	if r := unicode.ToUpper(rune(u)); r <= 0xffff {
		return uint16(r)
	}
	return u
}
