package answer

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func render(t testing.TB, source string, d Data) (string, error) {
	t.Helper()
	tmpl, err := Parse("t.cfg", []byte(source))
	if err != nil {
		return "", err
	}
	out, err := tmpl.Execute(d)
	return string(out), err
}

func TestTemplates(t *testing.T) {
	d := sample()
	d.Vars["list"] = "a, b  c"
	d.Vars["empty"] = ""
	d.Vars["odd"] = `it's "x" <&> \`
	d.Vars["two"] = "one\n\n two \r\n"
	tests := []struct{ source, want string }{
		{"", ""},
		{"plain { text }\n", "plain { text }\n"},
		{"{{/* nothing */}}x", "x"},
		// Fields.
		{"{{.Machine.Name}} {{.Machine.MAC}} {{.Machine.UUID}} {{.Machine.Serial}} {{.Machine.Arch}} {{.Machine.CPU}} {{.Machine.Address}} {{.Machine.Firmware}}",
			"lab-01 52:54:00:12:34:56 4c4c4544-0043-3010-8052-b4c04f4d3532 SN-0042 uefi-x64 x64 10.77.2.10 uefi"},
		{"{{.Image.Name}} {{.Image.System}} {{.Image.Version}} {{.Image.CPU}} {{.Image.Edition}} {{.Image.Index}} {{raw .Image.Title}}", "image-1 system 1 x64 Pro 6 An image"},
		{"{{.Server.Name}} {{.Server.Address}} {{.Server.URL}}", "boot1 10.77.1.2 http://10.77.1.2:8080"},
		{"{{.Install.Done}} {{.Install.Failed}}", "http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/done http://10.77.1.2:8080/install/0123456789abcdef0123456789abcdef/failed"},
		{"{{with .Vars.list}}{{.Machine.Name}}{{$.Machine.Name}}{{end}}", "lab-01lab-01"},
		{"{{.Mirror.URL}}", ""},
		// Choices.
		{`{{default "x" .Vars.gone}} {{default "x" .Vars.empty}} {{.Vars.gone | default "y"}} {{default "x" .Machine.Name}}`, "x x y lab-01"},
		{`{{default .Vars.gone .Machine.Name}}`, "lab-01"},
		{`{{if .Vars.empty}}a{{else if eq .Machine.Arch "bios"}}b{{else}}c{{end}}`, "c"},
		{`{{if and .Machine.Name (not .Vars.empty) (ne .Machine.CPU "x")}}a{{end}}`, "a"},
		{`{{or .Vars.empty .Machine.Name}} {{and .Vars.empty .Machine.Name}}.`, "lab-01 ."},
		{`{{eq .Machine.CPU "arm64" "x64"}} {{has "lab" .Machine.Name}} {{true}}`, "true true true"},
		{`{{with default "" .Vars.gone}}a{{.}}{{else}}b{{end}}`, "b"},
		// Variables and lists.
		{`{{$x := "a"}}{{if true}}{{$x = "b"}}{{$x := "c"}}{{end}}{{$x}}`, "b"},
		{`{{range $i, $x := words .Vars.list}}{{$i}}{{$x}};{{end}}`, "0a;1b;2c;"},
		{`{{range split "," .Vars.list}}[{{sh (trim .)}}]{{end}}`, "['a']['b  c']"},
		{`{{range lines .Vars.two}}{{.}},{{end}}`, "one,two,"},
		{`{{range words .Vars.empty}}a{{else}}none{{end}}`, "none"},
		{`{{range words .Vars.list}}{{if eq . "b"}}{{continue}}{{end}}{{if eq . "c"}}{{break}}{{end}}{{.}}{{end}}!`, "a!"},
		{`{{join "-" (words .Vars.list)}}`, "a-b-c"},
		{`{{$s := ""}}{{range words .Vars.list}}{{$s = concat $s . "+"}}{{end}}{{sh $s}}`, "'a+b+c+'"},
		// Texts.
		{`{{upper .Machine.Name}} {{lower "ABC"}} {{replace ":" "-" .Machine.MAC}}`, "LAB-01 abc 52-54-00-12-34-56"},
		{`{{indent 2 "a\nb"}}`, "a\n  b"},
		{`{{fill "{name}.{mac}.{mac6}.{serial}.{arch}.{address}"}}`, "lab-01.525400123456.123456.SN-0042.uefi-x64.10.77.2.10"},
		{`{{urlscheme "https://h:1/p/q"}} {{urlhost "https://h:1/p/q"}} {{urlpath "https://h:1/p/q"}}`, "https h:1 /p/q"},
		// Quoting.
		{`{{sh .Vars.odd}}`, `'it'\''s "x" <&> \'`},
		{`{{kickstart .Vars.odd}}`, `'it'\''s "x" <&> \'`},
		{`{{json .Vars.odd}}`, `"it's \"x\" <&> \\"`},
		{`{{yaml .Vars.odd}}`, `"it's \"x\" <&> \\"`},
		{`{{toml .Vars.two}}`, `"one\n\n two \u000d\n"`},
		{`{{xml .Vars.odd}}`, `it&#39;s &#34;x&#34; &#60;&#38;&#62; \`},
		{`{{xml (sh "it's")}}`, `&#39;it&#39;\&#39;&#39;s&#39;`},
		{`{{powershell "it's ‘so’"}}`, `'it''s ‘‘so’’'`},
		{`{{base64 .Vars.two}}`, "b25lCgogdHdvIA0K"},
		{`{{preseed "it's \"x\""}}`, `it's "x"`},
		{`{{host "Lab_01.example.org"}} {{netbios "a-very-long-name-indeed"}} {{login "ann"}} {{package "@^server"}}`, "lab-01 a-very-long-nam ann @^server"},
		{`{{json "\u0001\U0001f600\u2028"}} {{yaml "\U000e0001"}}`, `"\u0001😀\u2028" "\U000e0001"`},
		{`{{json "\U000e0001"}}`, `"\udb40\udc01"`},
	}
	for _, tt := range tests {
		got, err := render(t, tt.source, d)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.source, diff)
		}
	}
}

// Whatever is wrong names the file, the line and what can be done.
func TestFaults(t *testing.T) {
	d := sample()
	d.Vars["odd"] = "a; b"
	d.Vars["bad"] = "a\nb"
	d.Machine.Serial = ""
	tests := []struct{ source, want string }{
		// The grammar.
		{"a\n{{if}}", "t.cfg:2: missing value for if"},
		{"a\n{{nope .Machine.Name}}", `t.cfg:2: function "nope" not defined`},
		{"a\n{{if true}}", "t.cfg:2: unexpected EOF"},
		{"\xff", "t.cfg:1: the template is not UTF-8"},
		{"a\n\nb\xffc", "t.cfg:3: the template is not UTF-8"},
		{`{{define "x"}}{{end}}`, `t.cfg: "x" is defined; a template cannot be called here`},
		{"\n{{template \"x\"}}", "t.cfg:2:11: a template cannot be called here"},
		{`{{block "x" .}}{{end}}`, `t.cfg: "x" is defined; a template cannot be called here`},
		// What does not exist.
		{"{{.Machine.Nmae}}", "t.cfg:1:10: there is no .Machine.Nmae; there are .Image.CPU "},
		{"{{.Machine}}", "t.cfg:1:2: there is no .Machine;"},
		{"{{.Vars.a.b}}", "t.cfg:1:7: there is no .Vars.a.b;"},
		{"{{$}}", "t.cfg:1:2: $ alone has no value"},
		{"{{.}}", "t.cfg:1:2: . has no value outside of with and range"},
		{`{{$x := "a"}}{{$x.Name}}`, "t.cfg:1:17: $x is a text or a list and has no fields"},
		{"{{printf \"%d\" 1}}", `t.cfg:1: function "printf" not defined`},
		{"{{html .Machine.Name}}", `t.cfg:1: function "html" not defined`},
		{"{{call .Machine.Name}}", `t.cfg:1: function "call" not defined`},
		{"{{index .Vars.a 1}}", `t.cfg:1: function "index" not defined`},
		{"{{len .Vars.a}}", `t.cfg:1: function "len" not defined`},
		{"{{1.5}}", "t.cfg:1:2: 1.5 is not a whole number"},
		{"{{nil}}", "t.cfg:1:2: nil is not allowed here"},
		{"{{.Machine.Name 1}}", "t.cfg:1:10: .Machine.Name is no function"},
		{"{{\"a\" | .Machine.Name}}", "t.cfg:1:16: .Machine.Name is no function"},
		{"{{upper}}", "t.cfg:1:2: upper takes TEXT; here are 0 arguments"},
		{"{{replace \"a\" \"b\"}}", "t.cfg:1:2: replace takes OLD NEW TEXT; here are 2 arguments"},
		{"{{sh upper}}", "t.cfg:1:5: upper takes TEXT; here are 0 arguments"},
		{"{{(.Machine).Name}}", "t.cfg:1:12: (.Machine).Name is not allowed here"},
		{"{{range 10}}{{end}}", "t.cfg:1:8: range goes over a list, as split makes it; this is a text"},
		{"{{range .Machine.Name}}{{end}}", "t.cfg:1:8: range goes over a list"},
		// What is known of this machine only.
		{"a\nb {{.Vars.disk}}", `t.cfg:2:4: the variable disk is not set; (default "…" .Vars.disk) allows that`},
		{"{{if .Vars.disk}}{{end}}", "t.cfg:1:5: the variable disk is not set;"},
		{"{{sh .Vars.disk}}", "t.cfg:1:2: the variable disk is not set;"},
		{"{{range .Vars.disk}}{{end}}", "t.cfg:1:8: the variable disk is not set;"},
		{"{{range words .Vars.disk}}{{end}}", "t.cfg:1:8: the variable disk is not set;"},
		{"{{default .Vars.a .Vars.b}}", "t.cfg:1:2: default: the variable a is not set;"},
		{"{{$x := .Vars.disk}}{{$x}}", "t.cfg:1:22: the variable disk is not set;"},
		{"a\n  {{.Vars.odd}}", `t.cfg:2:4: "a; b" is not a plain word and has to be quoted: sh, preseed,`},
		{"{{upper .Vars.odd}}", `t.cfg:1:2: "A; B" is not a plain word`},
		{`{{concat "x" .Vars.odd}}`, `t.cfg:1:2: "xa; b" is not a plain word`},
		{`{{join ";" (words .Vars.odd)}}`, `t.cfg:1:2: "a;;b" is not a plain word`},
		{`{{sh .Vars.bad}}`, "t.cfg:1:2: sh: the text contains U+000A"},
		{`{{preseed "a\\"}}`, `t.cfg:1:2: preseed: the text ends in \`},
		{`{{preseed " a"}}`, "t.cfg:1:2: preseed: the text has spaces around it"},
		{`{{xml "\x00"}}`, "t.cfg:1:2: xml: the text contains U+0000"},
		{`{{powershell "\""}}`, `t.cfg:1:2: powershell: the text contains "`},
		{`{{host "---"}}`, `t.cfg:1:2: host: "---" has no letter or digit`},
		{`{{netbios "12345"}}`, `t.cfg:1:2: netbios: "12345" is a number`},
		{`{{login "Ann"}}`, `t.cfg:1:2: login: "Ann" is no user's name`},
		{`{{login ""}}`, `t.cfg:1:2: login: "" is no user's name`},
		{`{{package "a b"}}`, `t.cfg:1:2: package: "a b" is no package's name`},
		{`{{fill "{serial}"}}`, "t.cfg:1:2: fill: this machine's serial is not known"},
		{`{{fill "{nope}"}}`, "t.cfg:1:2: fill: {nope} is none of {name}"},
		{`{{urlhost "nope"}}`, `t.cfg:1:2: urlhost: "nope" is no URL with a host`},
		{`{{replace "" "a" "b"}}`, "t.cfg:1:2: replace: there is no text to look for"},
		{`{{split "" "b"}}`, "t.cfg:1:2: split: there is no text to split at"},
		{`{{indent 100 "b"}}`, "t.cfg:1:2: indent: spaces are a number from 0 to 80"},
		{`{{join "," "b"}}`, "t.cfg:1:2: join: a list is needed here, and this is a text"},
		{`{{words "a"}}`, "t.cfg:1:2: a text is needed here, and this is a list"},
		{`{{fail "set the variable x"}}`, "t.cfg:1:2: fail: set the variable x"},
	}
	for _, tt := range tests {
		out, err := render(t, tt.source, d)
		if err == nil {
			t.Errorf("%q gives %q, want the fault %s", tt.source, out, tt.want)
		} else if !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q\n got  %v\n want %s", tt.source, err, tt.want)
		}
	}
}

func TestURLsArePlain(t *testing.T) {
	for _, change := range []func(*Data){
		func(d *Data) { d.Install.URL = "http://h/'; reboot; '" },
		func(d *Data) { d.Server.URL = "http://h/\n" },
		func(d *Data) { d.Mirror.URL = "http://h/a b" },
		func(d *Data) { d.Install.URL = "http://h/$(reboot)" },
	} {
		d := sample()
		change(&d)
		if out, err := render(t, "x", d); err == nil || !strings.Contains(err.Error(), "is not a plain URL") {
			t.Errorf("%q, %v", out, err)
		}
	}
}

func TestVars(t *testing.T) {
	tmpl, err := Parse("t", []byte(`{{if .Vars.b}}{{default "" .Vars.a}}{{end}}{{range words $.Vars.c}}{{end}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, tmpl.Vars()); diff != "" {
		t.Error(diff)
	}
}

func TestVerbatim(t *testing.T) {
	k, _ := KindOf("ignition")
	tmpl, err := k.Parse("x.ign", []byte("{{ not a template"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tmpl.Execute(sample()); err != nil || string(out) != "{{ not a template" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := Verbatim("x", make([]byte, MaxOutput+1)); err == nil {
		t.Error("a file of more than 1 MiB is taken")
	}
}

// evil are templates that would work for ever, or make no end of text.
func evil() map[string]string {
	list := `(split "," "` + strings.Repeat("a,", 1000) + `a")`
	nested := func(n int, inner string) string {
		return strings.Repeat("{{range $l}}", n) + inner + strings.Repeat("{{end}}", n)
	}
	long := `{{$x := "` + strings.Repeat("'<é", 16<<10) + `"}}`
	all := map[string]string{
		"10^9 rounds of nothing":   "{{$l := " + list + "}}" + nested(3, ""),
		"10^15 rounds of nothing":  "{{$l := " + list + "}}" + nested(5, "{{/**/}}"),
		"10^9 rounds of a text":    "{{$l := " + list + "}}" + nested(3, "x"),
		"10^9 rounds of an if":     "{{$l := " + list + "}}" + nested(3, `{{if eq . "b"}}x{{end}}`),
		"10^9 rounds of variables": "{{$l := " + list + "}}" + nested(3, `{{$a := .}}{{$b := $a}}{{$a = $b}}`),
		"a list of lists":          "{{$l := " + list + "}}" + nested(2, `{{$x := split "," .Vars.big}}`),
		"doubling":                 `{{$x := "ab"}}` + strings.Repeat(`{{$x = concat $x $x}}`, 100) + `{{raw $x}}`,
		"doubling by replace":      `{{$x := "aa"}}` + strings.Repeat(`{{$x = replace "a" "aa" $x}}`, 100) + `{{raw $x}}`,
		"long output":              "{{$l := " + list + "}}{{range $l}}{{range $l}}" + strings.Repeat("x", 1000) + "{{end}}{{end}}",
		"2,000 parentheses":        "{{sh " + strings.Repeat("(lower ", 2000) + `"a"` + strings.Repeat(")", 2000) + "}}",
		"2,400 blocks":             strings.Repeat("{{if true}}", 2400) + strings.Repeat("{{end}}", 2400),
		"4,900 else ifs":           "{{if false}}" + strings.Repeat("{{else if false}}", 4900) + "{{end}}",
		"20,000 actions":           strings.Repeat("{{true}}", 20000),
		"open parentheses":         "{{" + strings.Repeat("(", 200_000),
	}
	for f, is := range functions {
		switch {
		case f == "fail":
		case is.least <= 1:
			all["all day "+f] = "{{$l := " + list + "}}" + long + nested(3, "{{$y := "+f+" $x}}")
		case is.least == 2:
			all["all day "+f] = "{{$l := " + list + "}}" + long + nested(3, "{{$y := "+f+" \"'\" $x}}")
		default:
			all["all day "+f] = "{{$l := " + list + "}}" + long + nested(3, "{{$y := "+f+" \"'\" \"''\" $x}}")
		}
	}
	return all
}

// timed runs a template as an installer's request does. On a host that does
// other things as well the quickest of a few times is what the work takes.
func timed(source string, d Data) (out []byte, took time.Duration, err error) {
	tmpl, err := Parse("t", []byte(source)) // at the start, and bounded by MaxSource
	if err != nil {
		return nil, 0, err
	}
	for i := range 10 {
		began := time.Now()
		out, err = tmpl.Execute(d)
		if now := time.Since(began); i == 0 || now < took {
			took = now
		}
		if took < maxTime {
			break
		}
	}
	return out, took, err
}

const maxTime = 100 * time.Millisecond

// What a template may do is over within 100 ms, whatever it does.
func TestBudgetIsTime(t *testing.T) {
	d := sample()
	d.Vars["big"] = strings.Repeat("a,", 5000)
	for name, source := range evil() {
		out, took, err := timed(source, d)
		t.Logf("%-30s %8v %.150v", name, took.Round(100*time.Microsecond), err)
		if err == nil {
			t.Errorf("%s: no fault, and %d bytes", name, len(out))
		} else if !strings.HasPrefix(err.Error(), "t:") {
			t.Errorf("%s: the fault has no place: %v", name, err)
		}
		if took > maxTime && !raced {
			t.Errorf("%s: %v", name, took)
		}
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse("t", make([]byte, MaxSource+1)); err == nil || err.Error() != fmt.Sprintf("t: the template has %d bytes; %d are allowed", MaxSource+1, MaxSource) {
		t.Error(err)
	}
	d := sample()
	d.Vars["x"] = strings.Repeat("x", MaxSource)
	if out, err := render(t, strings.Repeat("{{.Vars.x}}", 4), d); err != nil || len(out) != MaxOutput {
		t.Errorf("1 MiB: %d bytes, %v", len(out), err)
	}
	if out, err := render(t, strings.Repeat("{{.Vars.x}}", 4)+"x", d); err == nil || !strings.HasPrefix(err.Error(), "t.cfg:1:44: the answer file is longer than 1048576 bytes") {
		t.Errorf("more than 1 MiB: %d bytes, %v", len(out), err)
	}
	d.Vars["x"] += "x"
	if out, err := render(t, "a", d); err == nil || !strings.Contains(err.Error(), "the variable x has 262145 bytes") {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// The same template and data make the same text, and no two machines share any.
func TestEachMachineItsOwn(t *testing.T) {
	tmpl := builtins()["preseed/preseed.cfg"]
	t.Run("all", func(t *testing.T) {
		for i := range 500 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				d := sample()
				d.Machine.Name = fmt.Sprintf("pc-%03d", i)
				d.Install.URL = fmt.Sprintf("http://10.77.1.2/install/%032x", i)
				out, err := tmpl.Execute(d)
				if err != nil {
					t.Fatal(err)
				}
				if s := string(out); strings.Count(s, d.Machine.Name) != 2 || strings.Count(s, d.Install.URL+"/done") != 2 || strings.Count(s, "pc-") != 2 {
					t.Errorf("machine %d has another's text", i)
				}
			})
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, source := range evil() {
		if len(source) < 10_000 {
			f.Add(source, "x")
		}
	}
	for _, t := range builtins() {
		f.Add(t.tree.Root.String(), "a'b")
	}
	f.Add(`{{range $i, $x := words .Vars.x}}{{$i}}{{yaml $x}}{{else}}{{break}}{{end}}`, "a b")
	f.Fuzz(func(t *testing.T, source, x string) {
		d := sample()
		d.Vars["x"], d.Machine.Name = x, x
		out, took, err := timed(source, d)
		if len(out) > MaxOutput {
			t.Errorf("%d bytes", len(out))
		}
		if err != nil && !strings.HasPrefix(err.Error(), "t:") {
			t.Errorf("the fault has no place: %v", err)
		}
		// The fuzzer runs instrumented code, on all processors.
		if took > 5*maxTime && !raced {
			t.Errorf("%v", took)
		}
	})
}

func TestHostName(t *testing.T) {
	unnamed := sample()
	unnamed.Machine.Name = ""
	pattern := sample()
	pattern.Vars["hostname"] = "PC-{serial}.example.org"
	for want, d := range map[string]Data{"lab-01": sample(), "525400123456": unnamed, "pc-sn-0042": pattern} {
		if got, err := HostName(d); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	pattern.Vars["hostname"] = "{no}"
	if got, err := HostName(pattern); err == nil {
		t.Errorf("%s, want a fault", got)
	}
}

// The manual names every function, field, kind, file and variable, and no
// other kind.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/hands-free.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range functions {
		want = append(want, "`"+name)
	}
	for name := range fields {
		want = append(want, "`."+name+"`")
	}
	for _, k := range Kinds() {
		want = append(want, "| `"+k.Name+"` |")
		for _, file := range k.Files {
			want = append(want, "`"+file+"`")
		}
	}
	for _, tmpl := range builtins() {
		for _, name := range tmpl.Vars() {
			want = append(want, "| `"+name+"` |")
		}
	}
	for _, word := range want {
		if !strings.Contains(string(page), word) {
			t.Errorf("docs/hands-free.md does not name %s", word)
		}
	}
}
