package answer

import (
	"bytes"
	"encoding/base64"
	encjson "encoding/json"
	encxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	gotoml "github.com/pelletier/go-toml/v2"
)

// hostile are texts that mean something in one of the languages, by name.
func hostile(t testing.TB) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../bootscript/testdata/hostile-strings.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name string
		B64  []byte
	}
	if err := encjson.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range rows {
		all[r.Name] = string(r.B64)
	}
	if len(all) < 29 {
		t.Fatalf("the list has %d strings", len(all))
	}
	for _, s := range []string{
		"]]>", "<a/>", "</hostname><x>", "&amp;", "&x;", "a: b", "- a", "a\n  b: c", "%end", "x\n%end\n%pre\nrm -rf /", "%include /etc/passwd",
		`a\`, `\`, `"`, `\"`, `'`, `''`, `'\''`, "$(reboot)", "`reboot`", "${IFS}", "; reboot", "| sh", "&& reboot", "> /dev/sda", "#", " # x", "a\r\nb",
		"yes", "null", "~", "1e3", "0x10", "1:30", "*a", "&a b", "!a b", "{{.Vars.x}}", "\u2019; reboot", "\u2028", "\u0085", "\x00", "\x1b[2J", "\xff",
		"\U0001f600", "\ufeff", "--password=x", "-x", "*", "~root", "!", "\t", " ", "a ", " a", "../../etc/passwd", "/etc/passwd", "%u", "[x]", "{x}",
		"a,b", "a b c", strings.Repeat("x", 300), strings.Repeat("'", 300),
	} {
		all[fmt.Sprintf("%.20q", s)] = s
	}
	return all
}

// sinks puts a text into each place of the data that takes text.
func sinks(s string) map[string]Data {
	all := map[string]Data{}
	set := func(name string, change func(*Data)) {
		d := full()
		change(&d)
		all[name] = d
	}
	set("name", func(d *Data) { d.Machine.Name = s; d.Vars["hostname"] = "{name}" })
	set("MAC", func(d *Data) { d.Machine.MAC = s })
	set("MAC alone", func(d *Data) {
		d.Machine.Name, d.Machine.UUID, d.Machine.MAC = "", "", s
		d.Vars["hostname"] = "{name}"
	})
	set("UUID", func(d *Data) { d.Machine.UUID = s })
	set("serial", func(d *Data) { d.Machine.Serial = s; d.Vars["hostname"] = "{serial}" })
	set("address", func(d *Data) { d.Machine.Address = s })
	set("image", func(d *Data) { d.Image = Image{s, s, s, s, "x64", s, s} })
	set("CPU", func(d *Data) { d.Image.CPU, d.Machine.CPU = s, s })
	set("server", func(d *Data) { d.Server = Server{s, s, s} })
	set("install URL", func(d *Data) { d.Install.URL = s })
	set("mirror URL", func(d *Data) { d.Mirror.URL = "http://h/" + s; delete(d.Vars, "mirror") })
	for name := range full().Vars {
		set("variable "+name, func(d *Data) { d.Vars[name] = s })
	}
	set("mirror", func(d *Data) { d.Vars["mirror"] = "http://h/" + s })
	set("locale", func(d *Data) { d.Vars["locale"] = "en_US" + s })
	return all
}

// Whatever text stands where, each format reads the same structure and as many
// commands as where a plain word stands; or the template is refused.
func TestHostileTextIsOnlyText(t *testing.T) {
	plain, shapes := map[string]map[string][]byte{}, map[string][]string{}
	for sink, d := range sinks("x1") {
		plain[sink] = executeAll(t, d, nil)
	}
	base := executeAll(t, full(), nil)
	refused, taken := 0, 0
	for name, s := range hostile(t) {
		if s == "" {
			continue
		}
		for sink, d := range sinks(s) {
			if isName(sink, s) || strings.Trim(s, " \t") == "" && strings.HasPrefix(sink, "variable ") {
				continue
			}
			for file, tmpl := range builtins() {
				if v, ok := strings.CutPrefix(sink, "variable "); ok && !slices.Contains(tmpl.Vars(), v) {
					continue
				}
				got, err := tmpl.Execute(d)
				if err != nil {
					refused++
					continue
				}
				taken++
				want, ok := plain[sink][file]
				if !ok { // the place does not take a plain word
					want = base[file]
				}
				if bytes.Equal(want, got) {
					continue
				}
				key := sink + " " + file
				if shapes[key] == nil {
					shapes[key] = shape(t, file, want)
				}
				if b := shape(t, file, got); !slices.Equal(shapes[key], b) {
					t.Errorf("%s as %s in %s (-want +got)\n%s\n%s", name, sink, file, cmp.Diff(shapes[key], b), got)
				}
			}
		}
	}
	if taken < 1000 || refused < 100 {
		t.Errorf("taken %d, refused %d: the table shows nothing", taken, refused)
	}
}

// isName reports whether a text is what the place is for: names of users and
// packages are checked and stand unquoted.
func isName(sink, s string) bool {
	switch sink {
	case "variable user":
		_, err := login(s)
		return err == nil
	case "variable password_hash":
		return s == "!" // no password at all
	case "variable packages", "variable tasks":
		for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) }) {
			if _, err := packageName(word); err != nil {
				return false
			}
		}
		return true
	}
	return false
}

// executeAll fills in all built-in answers and leaves out those that refuse.
func executeAll(t *testing.T, d Data, refused func(error)) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, tmpl := range builtins() {
		out, err := tmpl.Execute(d)
		if err == nil {
			all[name] = out
		} else if refused != nil {
			refused(err)
		}
	}
	return all
}

// builtins are all built-in templates, by "kind/file".
var builtins = sync.OnceValue(func() map[string]*Template {
	all := map[string]*Template{}
	for _, k := range Kinds() {
		if k.Without != "" {
			continue
		}
		files, err := Builtin(k.Name)
		if err != nil {
			panic(err)
		}
		for name, t := range files {
			all[k.Name+"/"+name] = t
		}
	}
	return all
})

// shape is what a format reads without the texts: keys, elements, commands and
// how many words they have.
func shape(t *testing.T, file string, answer []byte) []string {
	t.Helper()
	switch {
	case strings.HasSuffix(file, ".json"), strings.HasSuffix(file, ".ign"):
		var v any
		if err := encjson.Unmarshal(answer, &v); err != nil {
			t.Errorf("%s: %v\n%s", file, err, answer)
		}
		return treeShape(t, "", v)
	case strings.HasSuffix(file, ".toml"):
		var v map[string]any
		if err := gotoml.Unmarshal(answer, &v); err != nil {
			t.Errorf("%s: %v\n%s", file, err, answer)
		}
		return treeShape(t, "", v)
	case strings.HasSuffix(file, ".xml"):
		return xmlShape(t, file, answer)
	case strings.HasSuffix(file, "-data"):
		return yamlShape(t, file, answer)
	case strings.HasSuffix(file, ".sh"):
		return shellShape(t, string(answer))
	case strings.HasSuffix(file, "preseed.cfg"):
		return preseedShape(t, answer)
	case strings.HasSuffix(file, "ks.cfg"):
		return shellShape(t, string(answer))
	}
	t.Fatalf("no parser for %s", file)
	return nil
}

// treeShape lists the paths of a tree, sorted; a list of texts counts as one.
func treeShape(t *testing.T, path string, v any) []string {
	t.Helper()
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			all = append(all, treeShape(t, path+"."+key, inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, treeShape(t, path+"[]", inner)...)
		}
	case string:
		if rest, ok := strings.CutPrefix(v, "data:;base64,"); ok {
			b, err := base64.StdEncoding.DecodeString(rest)
			if err != nil {
				t.Error(err)
			}
			v = string(b)
		}
		if strings.HasPrefix(v, "#!/bin/sh") {
			return shellShape(t, v)
		}
		return []string{path + " text"}
	default:
		return []string{fmt.Sprintf("%s %T", path, v)}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func xmlShape(t *testing.T, file string, answer []byte) []string {
	t.Helper()
	var all, path []string
	d := encxml.NewDecoder(bytes.NewReader(answer))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return slices.Compact(all)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", file, err, answer)
			return all
		}
		switch token := token.(type) {
		case encxml.StartElement:
			path = append(path, token.Name.Local)
			all = append(all, strings.Join(path, "/"))
		case encxml.EndElement:
			path = path[:len(path)-1]
		case encxml.CharData:
			if len(path) > 0 && path[len(path)-1] == "source" {
				all = append(all, shellShape(t, string(token))...)
			}
		}
	}
}

// yamlShape keeps each line up to its first quote, and takes what is quoted
// for JSON, whose strings are YAML's. PyYAML reads them in the interop tests.
func yamlShape(t *testing.T, file string, answer []byte) []string {
	t.Helper()
	var all []string
	for line := range strings.SplitSeq(string(answer), "\n") {
		before, rest, quoted := strings.Cut(line, `"`)
		all = append(all, before)
		if !quoted || strings.Contains(before, "[") {
			continue
		}
		var s string
		if err := encjson.Unmarshal([]byte(`"`+strings.ReplaceAll(rest, `\U`, `\\U`)), &s); err != nil {
			t.Errorf("%s: %v: %s", file, err, line)
		}
	}
	return all
}

// preseedShape reads as debconf does: lines joined at a backslash, then owner,
// question and type.
func preseedShape(t *testing.T, answer []byte) []string {
	t.Helper()
	var all []string
	joined := strings.ReplaceAll(string(answer), "\\\n", "")
	for line := range strings.SplitSeq(joined, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		all = append(all, strings.Join(words[:3], " "))
		if strings.HasSuffix(words[1], "_command") {
			all = append(all, shellShape(t, strings.Join(words[3:], " "))...)
		}
	}
	return all
}

// shellShape reads as a POSIX shell does, as far as this needs it: words with
// what is quoted taken out, so that operators and expansions stay visible. A run
// of quoted words is one.
func shellShape(t *testing.T, script string) []string {
	t.Helper()
	var all []string
	for line := range strings.SplitSeq(script, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		all = append(all, wordShape(t, line))
	}
	return slices.Compact(all)
}

func wordShape(t *testing.T, line string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				t.Errorf("a quote is open: %s", line)
				return line
			}
			i += end + 1
			b.WriteByte('Q')
		case '\\':
			i++
			b.WriteByte('Q')
		default:
			b.WriteByte(line[i])
		}
	}
	s := b.String()
	for strings.Contains(s, "QQ") {
		s = strings.ReplaceAll(s, "QQ", "Q")
	}
	for strings.Contains(s, "Q Q") {
		s = strings.ReplaceAll(s, "Q Q", "Q")
	}
	return s
}

// The test above finds what it is there for.
func TestShapeCanFail(t *testing.T) {
	for _, tt := range []struct{ file, a, b string }{
		{"x/agama.json", `{"a":"x"}`, `{"a":"x","b":"y"}`},
		{"x/answer.toml", "a = \"x\"\n", "a = \"x\"\nb = \"y\"\n"},
		{"x/unattend.xml", "<a><b>x</b></a>", "<a><b>x</b><c/></a>"},
		{"x/user-data", `a: "x"`, "a: \"x\"\nb: \"y\""},
		{"x/install.sh", "echo 'x'", "echo 'x'; reboot"},
		{"x/install.sh", "echo 'x'", "echo '$(x)'$(reboot)"},
		{"x/ks.cfg", "lang 'x'", "lang 'x'\n%pre"},
		{"x/preseed.cfg", "d-i a/b string x", "d-i a/b string x\nd-i c/d string y"},
		{"x/preseed.cfg", "d-i a/b string x\nd-i c/d string y", "d-i a/b string x\\\nd-i c/d string y"},
	} {
		if cmp.Equal(shape(t, tt.file, []byte(tt.a)), shape(t, tt.file, []byte(tt.b))) {
			t.Errorf("%s: %q and %q look the same", tt.file, tt.a, tt.b)
		}
	}
}
