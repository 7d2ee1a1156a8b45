package answer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The functions below make one text of a language out of any text, or refuse
// what the language cannot say. None lets a newline through bare: most answer
// files are read line by line, and a section of kickstart ends at a line.

// plainLine refuses what no single line can hold.
func plainLine(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("the text is not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("the text contains %U, which has no place on one line; base64 takes it", r)
		}
	}
	return nil
}

// sh is one word of a POSIX shell (2.2.2, single quotes), and of kickstart,
// which is split as a shell would (Python's shlex).
func sh(s string) (string, error) {
	if err := plainLine(s); err != nil {
		return "", err
	}
	return shellQuote(s), nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// preseed is the value of a line of preseed: the rest of the line as it
// stands. A backslash at the end would join the next line to it, and debconf
// drops spaces around.
func preseed(s string) (string, error) {
	if err := plainLine(s); err != nil {
		return "", err
	}
	if strings.HasSuffix(s, `\`) {
		return "", errors.New(`the text ends in \, which continues a line of preseed`)
	}
	if strings.TrimSpace(s) != s {
		return "", errors.New("the text has spaces around it, which preseed drops")
	}
	return s, nil
}

// escaped is a double-quoted string: what is not printable goes through
// escape.
func escaped(s string, escape func(r rune) string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("the text is not UTF-8")
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r):
			b.WriteString(escape(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// yaml is a double-quoted scalar (YAML 1.2, 7.3.1), which every YAML reads
// alike: a bare yes, 012 or 1:30 would be something else than text.
func yaml(s string) (string, error) { return escaped(s, wide) }

// toml is a basic string (TOML 1.0), whose escapes are YAML's.
func toml(s string) (string, error) { return escaped(s, wide) }

func wide(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// json is a string of RFC 8259, section 7.
func json(s string) (string, error) {
	return escaped(s, func(r rune) string {
		if r > 0xffff {
			r -= 0x10000
			return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// xml is character data or the value of an attribute (XML 1.0, 2.2 and 2.4).
// Line ends are kept as references, so that a parser does not normalise them.
func xml(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("the text is not UTF-8")
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune("<>&\"'\t\n\r", r):
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case r < ' ' || r == 0xfffe || r == 0xffff:
			return "", fmt.Errorf("the text contains %U, which XML has no way to say", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}

// powershell is a single-quoted string for a command line: PowerShell takes
// typographic quotes for quotes too, and a " would end the argument of
// powershell.exe -Command.
func powershell(s string) (string, error) {
	if err := plainLine(s); err != nil {
		return "", err
	}
	if strings.Contains(s, `"`) {
		return "", errors.New(`the text contains ", which ends the argument of -Command`)
	}
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		if strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String(), nil
}

func base64Text(s string) (string, error) {
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

// host is a host name's first label (RFC 1123, 2.1): letters, digits and
// hyphens between them. All else becomes a hyphen.
func host(s string, most int) (string, error) {
	label, _, _ := strings.Cut(s, ".")
	label = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, label)
	label = strings.Trim(label, "-")
	label = strings.TrimRight(label[:min(len(label), most)], "-")
	if label == "" {
		return "", fmt.Errorf("%.40q has no letter or digit to make a host name of", s)
	}
	return label, nil
}

// netbios is a computer's name in Windows: a host name of at most 15
// characters that is not a number.
func netbios(s string) (string, error) {
	name, err := host(s, 15)
	if err != nil {
		return "", err
	}
	if strings.Trim(name, "0123456789") == "" {
		return "", fmt.Errorf("%q is a number, which Windows does not take for a computer's name", name)
	}
	return name, nil
}

// login is a user's name as all systems take it, useradd's default rule. It
// stands in file names and in sudoers, where quoting does not help.
func login(s string) (string, error) {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r == '_'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-')) {
			return "", fmt.Errorf("%.40q is no user's name: a letter, then letters, digits, _ and -, all lower case", s)
		}
	}
	if s == "" || len(s) > 31 {
		return "", fmt.Errorf("%.40q is no user's name: it has 1 to 31 characters", s)
	}
	return s, nil
}

// packageName is the name of a package, of a group (@core, @^minimal) or of a
// pattern.
func packageName(s string) (string, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(s, "@"), "^")
	for i := range len(name) {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || strings.IndexByte("+._:~-", c) < 0) {
			return "", fmt.Errorf("%.40q is no package's name", s)
		}
	}
	if name == "" {
		return "", fmt.Errorf("%.40q is no package's name", s)
	}
	return s, nil
}
