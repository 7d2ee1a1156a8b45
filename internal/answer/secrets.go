package answer

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	encxml "encoding/xml"
)

// Warning is a secret in an answer file: whoever can read the network can read
// it too.
type Warning struct {
	Line int    // from 1
	Key  string // what it stands under, as the file says it
	// Hashed says that it is the hash of a password, which has to be guessed
	// before it is of use.
	Hashed bool
}

// String is the warning for people; it does not repeat the secret.
func (w Warning) String() string {
	if w.Hashed {
		return fmt.Sprintf("line %d: %s is the hash of a password, and goes over the network in the clear", w.Line, w.Key)
	}
	return fmt.Sprintf("line %d: %s IS A SECRET, and goes over the network in the clear", w.Line, w.Key)
}

// Secrets finds what has the name of a password in an answer file or in its
// template. It knows the formats of Kinds, and what it does not see is not
// thereby safe. Loud warnings come first, each sort by line.
func Secrets(file []byte) []Warning {
	all := lineSecrets(string(file))
	if xml := xmlSecrets(file); xml != nil {
		all = xml
	}
	slices.SortStableFunc(all, func(a, b Warning) int {
		if a.Hashed != b.Hashed {
			if a.Hashed {
				return 1
			}
			return -1
		}
		return a.Line - b.Line
	})
	return slices.Compact(all)
}

// secretWord is what a key that holds a secret is called.
const secretWord = `(?:pass(?:word|wd|phrase)|secret|psk|pre[-_]?shared|private[-_]?key|auth[-_]?token|(?:join|machine|bootstrap|access)?[-_]?token|account[-_]?data|registration[-_]?code)`

var (
	isSecretKey = regexp.MustCompile(`(?i)` + secretWord)
	// owner question type value
	preseedLine = regexp.MustCompile(`^\s*[a-z0-9.+-]+\s+(\S+/\S+)\s+(password|string)\s+(\S.*)$`)
	// key: value, "key": "value", key = "value"; also several on one line
	keyValue = regexp.MustCompile(`(?i)["']?([a-z0-9_./-]*` + secretWord + `[a-z0-9_-]*)["']?\s*[:=]\s*(\{\{.*?\}\}|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,}\]#]+)`)
	// --password=x, --passphrase x, as kickstart and commands have it
	option = regexp.MustCompile(`(?i)--([a-z-]*(?:password|passphrase|secret|key))[= ]\s*("[^"]*"|'[^']*'|[^\s"'-]\S*)`)
	rootpw = regexp.MustCompile(`^\s*(rootpw|sshpw)\s+(.*)$`)
	pem    = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	// crypt(5), and what locks an account
	hashed = regexp.MustCompile(`^(?:\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|argon2[id]*)\$|[!*]$|[!*]\$|grub\.pbkdf2\.)`)
	// what is no secret though its key says so
	harmless = regexp.MustCompile(`(?i)^(?:|true|false|yes|no|on|off|null|none|~|\{|\[|[|>][-+0-9]*)$`)
)

func lineSecrets(file string) []Warning {
	var all []Warning
	n := 0
	for line := range strings.SplitSeq(file, "\n") {
		n++
		if t := strings.TrimSpace(line); strings.HasPrefix(t, "#") || len(line) > MaxSource {
			continue
		}
		for _, w := range secretsOf(line) {
			w.Line = n
			all = append(all, w)
		}
	}
	return all
}

func secretsOf(line string) []Warning {
	if pem.MatchString(line) {
		return []Warning{{Key: "a private key"}}
	}
	if m := preseedLine.FindStringSubmatch(line); m != nil {
		if m[2] == "password" || isSecretKey.MatchString(m[1][strings.LastIndexByte(m[1], '/'):]) {
			return judged(m[1], m[3])
		}
	}
	if m := rootpw.FindStringSubmatch(line); m != nil {
		return rootSecret(m[1], m[2])
	}
	var all []Warning
	for _, m := range option.FindAllStringSubmatch(line, -1) {
		all = append(all, judged("--"+m[1], m[2])...)
	}
	if all != nil {
		return all
	}
	for _, m := range keyValue.FindAllStringSubmatch(line, -1) {
		if !strings.HasSuffix(m[1], "NOPASSWD") { // sudoers(5)
			all = append(all, judged(m[1], m[2])...)
		}
	}
	return all
}

// rootSecret is a rootpw of kickstart: options, and the password last.
func rootSecret(key, rest string) []Warning {
	words := strings.Fields(rest)
	i := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "--") })
	if i < 0 { // rootpw --lock
		return nil
	}
	return judged(key, strings.Join(words[i:], " "))
}

// judged is the warning about a key with a value, if it is worth one.
func judged(key, v string) []Warning {
	v = strings.Trim(strings.TrimSpace(v), `"'`)
	if harmless.MatchString(v) {
		return nil
	}
	// A template's own field says in its name what it holds.
	if strings.Contains(v, "{{") {
		return []Warning{{Key: key, Hashed: strings.Contains(v, "hash")}}
	}
	return []Warning{{Key: key, Hashed: hashed.MatchString(v)}}
}

// xmlSecrets walks an XML file; nil if it is none. Windows has the secret in
// Value below Password, and AutoYaST in user_password itself.
func xmlSecrets(file []byte) []Warning {
	if !bytes.HasPrefix(bytes.TrimSpace(file), []byte("<")) {
		return nil
	}
	d := encxml.NewDecoder(bytes.NewReader(file))
	all := []Warning{}
	var path []string
	for {
		token, err := d.Token()
		if err != nil {
			if len(path) > 0 {
				return nil // a template, say: the lines have to do
			}
			return all
		}
		switch t := token.(type) {
		case encxml.StartElement:
			if path = append(path, t.Name.Local); len(path) > 1000 {
				return all
			}
		case encxml.EndElement:
			path = path[:len(path)-1]
		case encxml.CharData:
			line, _ := d.InputPos()
			all = append(all, elementSecret(path, string(t), line)...)
		}
	}
}

func elementSecret(path []string, content string, line int) []Warning {
	if len(path) == 0 || strings.TrimSpace(content) == "" {
		return nil
	}
	key := path[len(path)-1]
	if key == "Value" && len(path) > 1 {
		key = path[len(path)-2]
	}
	if pem.MatchString(content) {
		key = "a private key"
	} else if !isSecretKey.MatchString(key) {
		return nil
	}
	found := judged(key, content)
	for i := range found {
		found[i].Line = line
	}
	return found
}
