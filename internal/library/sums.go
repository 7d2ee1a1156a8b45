package library

import (
	"bytes"
	"encoding/hex"
	"path"
	"regexp"
	"strings"
)

// sum is a line of a list of checksums.
type sum struct {
	File      string // as the list names it, without "./" in front; "" in a list of one sum alone
	Algorithm string // "sha256" or "sha512"
	Hex       string // lower case
}

// bsdLine is what BSD's sha256 writes, and coreutils with --tag: Fedora's
// CHECKSUM files have it. OpenSSL writes it without spaces.
var bsdLine = regexp.MustCompile(`^(?:SHA|SHA2-)(256|512) ?\((.+)\) ?= ?([0-9a-fA-F]+)$`)

// parseSums reads a list of checksums: coreutils' form, BSD's form, one sum
// alone, all of them also inside of a signed message (RFC 9580 section 7).
// Sums of other algorithms and all other lines are left out.
func parseSums(list []byte) []sum {
	var all []sum
	for _, line := range bytes.Split(list, []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		text = strings.TrimPrefix(text, "\xef\xbb\xbf")
		if s, ok := parseSum(text); ok {
			all = append(all, s)
		}
	}
	return all
}

func parseSum(line string) (sum, bool) {
	// coreutils marks a line with a backslash in front where it wrote \n and \\
	// for what the name has.
	line, escaped := strings.CutPrefix(strings.TrimLeft(line, " \t"), `\`)
	plain := strings.NewReplacer()
	if escaped {
		plain = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\\`, `\`)
	}
	if m := bsdLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
		return newSum(plain.Replace(m[2]), m[3], "sha"+m[1])
	}
	digits, name, _ := strings.Cut(line, " ")
	digits = strings.TrimSpace(digits)
	// A second space is for text, an asterisk for binary; the name is the rest.
	if len(name) > 0 && (name[0] == ' ' || name[0] == '*') {
		name = name[1:]
	}
	name = plain.Replace(name)
	switch len(digits) {
	case 64:
		return newSum(name, digits, "sha256")
	case 128:
		return newSum(name, digits, "sha512")
	}
	return sum{}, false
}

func newSum(name, digits, algorithm string) (sum, bool) {
	want := map[string]int{"sha256": 32, "sha512": 64}[algorithm]
	octets, err := hex.DecodeString(digits)
	return sum{strings.TrimPrefix(name, "./"), algorithm, strings.ToLower(digits)}, err == nil && len(octets) == want
}

// sumsFor gives what a list says of a file: by its name, else by the last part
// of the names in the list if all of those are the same sum, as in lists for a
// whole tree.
func sumsFor(list []sum, file string) []sum {
	var exact, below []sum
	for _, s := range list {
		switch {
		case s.File == file, s.File == "" && len(list) == 1:
			exact = append(exact, s)
		case path.Base(s.File) == file:
			below = append(below, s)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	by := map[string]string{}
	for _, s := range below {
		if have, ok := by[s.Algorithm]; ok && have != s.Hex {
			return nil
		}
		by[s.Algorithm] = s.Hex
	}
	return below
}
