package bootscript

import (
	"strings"
	"testing"

	"hobnail/internal/model"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

func TestExpandCmdline(t *testing.T) {
	tests := []struct{ name, tmpl, want string }{
		{"nothing", "", ""},
		{"spaces only", "   ", ""},
		{"plain text", "console=ttyS0 --- quiet", "console=ttyS0 --- quiet"},
		{"runs of spaces are joined", "  a   b ", "a b"},
		{"every field", "{{.Machine.Name}} {{.Machine.MAC}} {{.Machine.UUID}} {{.Machine.Arch}} {{.Machine.Address}} {{.Server.Name}} {{.Server.Address}} {{.Server.URL}} {{.Image.Name}}{{.Install.URL}}",
			"lab-01 52:54:00:12:34:56 4c4c4544-0043-3010-8052-b4c04f4d3532 uefi-x64 192.0.2.10 boot1 192.0.2.10 http://192.0.2.1:8080 debian-12"},
		{"if and eq", `{{if eq .Machine.Arch "bios"}}a{{else if eq .Machine.Arch "uefi-x64"}}b{{else}}c{{end}}`, "b"},
		{"not and or", `{{if and (not .Machine.Name) .Machine.MAC}}a{{else}}b{{end}}`, "b"},
		{"functions and pipes", `{{.Machine.MAC | replace ":" "-" | upper}} {{lower "ABC"}} {{default "none" .Machine.Name}}`, "52-54-00-12-34-56 abc lab-01"},
		{"comment", "a{{/* why */}}b", "ab"},
		{"only a comment", "{{/* why */}}", ""},
		{"crypted password", "root-password-crypted=$6$salt$hash", "root-password-crypted=$6$salt$hash"},
		{"quoted words", `a="b c"`, `a="b c"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := CheckTemplate(tt.tmpl); err != nil {
				t.Fatalf("CheckTemplate: %v", err)
			}
			got, err := ExpandCmdline(tt.tmpl, sample())
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestExpandCmdlineOfAnUnknownMachine(t *testing.T) {
	got, err := ExpandCmdline(`a={{.Machine.Address}} b={{.Machine.Name}} c={{default "x" .Machine.UUID}}`, TemplateData{})
	if want := "a= b= c=x"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestTemplateRefused(t *testing.T) {
	long := strings.Repeat("x", MaxCmdline)
	grow := `replace "x" "xxxxxxxx" `
	tests := []struct{ name, tmpl, want string }{
		{"field that is not there", "{{.Machine.Nmae}}", "there is no .Machine.Nmae; there are .Machine.Name, "},
		{"half a field", "{{.Machine}}", "there is no .Machine;"},
		{"field in a branch not taken", "{{if false}}{{.Server.Key}}{{end}}", "there is no .Server.Key;"},
		{"all data", "{{.}}", ". is not allowed"},
		{"root variable", "{{$.Machine.Name}}", "$.Machine.Name is not allowed"},
		{"variable", "{{$x := .Machine.Name}}", "variable $x is not allowed"},
		{"loop", "{{range 1000000000000}}{{end}}", "is not allowed"},
		{"with", "{{with .Machine.Name}}{{.}}{{end}}", "is not allowed"},
		{"number", "{{1000}}", "1000 is not allowed"},
		{"printf", `{{printf "%1000000d" 1}}`, "the function printf is not allowed; allowed are and, or, not, eq, ne, default, lower, replace, upper"},
		{"call", "{{call .Machine.Name}}", "the function call is not allowed"},
		{"unknown function", "{{exec}}", `function "exec" not defined`},
		{"definition", `{{define "x"}}a{{end}}`, `"x" is defined`},
		{"definition beside text", `a {{define "x"}}a{{end}}`, `"x" is defined`},
		{"use of a definition", `{{template "x"}}`, "is not allowed"},
		{"chain", `{{(lower "a").Name}}`, "is not allowed"},
		{"broken syntax", "a {{.Machine", "unclosed action"},
		{"nested growth", "{{" + grow + "(" + grow + "(" + grow + "(" + grow + `"xxxxxxxx")))}}`, "makes more than"},
		{"replace of nothing", `{{replace "" "a" "b"}}`, "replace needs a text to look for"},
		{"two lines", "a\nb", "contains the byte 0x0a"},
		{"NUL", "a\x00b", "contains the byte 0x00"},
		{"tab", "a\tb", "contains the byte 0x09"},
		{"beyond ASCII", "a=\u00e9", "contains the byte 0xc3"},
		{"too long", long + "x", "has 2048 bytes; 2047 are allowed"},
		{"much too long", long + long + long, "longer than 2047 bytes"},
		{"backslash", `a=\b`, `contains \, which cannot reach the kernel unchanged`},
		{"single quote", `a='b'`, "contains ', which"},
		{"iPXE setting", "a=${net0/mac}", "contains ${, which"},
		{"U-Boot variable", "a=$(x)", "contains $(, which"},
		{"odd quotes", `a="b`, "odd number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckTemplate(tt.tmpl)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("CheckTemplate: %v; want %q", err, tt.want)
			}
			if _, err := ExpandCmdline(tt.tmpl, sample()); err == nil {
				t.Error("ExpandCmdline took it")
			}
		})
	}
	if err := CheckTemplate(long); err != nil {
		t.Errorf("the longest command line: %v", err)
	}
}

// A host name is whatever a machine sends. It may stay one word of the
// command line, or the command line is not made at all.
func TestHostileNameAddsNoKernelParameter(t *testing.T) {
	accepted := map[string]bool{"embedded_empty_labels": true, "len255": true, "len300_rfc3396": true, "len0": true, "punycode": true, "proto": true}
	for _, h := range hostileStrings(t) {
		data := sample()
		data.Machine.Name = h.text
		got, err := ExpandCmdline("a=1 name={{.Machine.Name}} b=2", data)
		if (err == nil) != accepted[h.name] {
			t.Errorf("%s: got %q, %v", h.name, got, err)
		}
		if err == nil && (len(strings.Fields(got)) != 3 || got != "a=1 name="+h.text+" b=2") {
			t.Errorf("%s: got %q", h.name, got)
		}
	}
}

func TestHostileServerURL(t *testing.T) {
	data := sample()
	data.Server.URL = "http://192.0.2.1/ init=/bin/sh"
	if got, err := ExpandCmdline("", data); err == nil {
		t.Errorf("got %q", got)
	}
}

func FuzzExpandCmdline(f *testing.F) {
	f.Add("console=ttyS0 url={{.Server.URL}}/{{.Machine.Name}}", "lab-01")
	f.Add(`{{if eq .Machine.Arch "bios"}}a{{end}}`, "")
	f.Add(`{{replace ":" "-" .Machine.MAC | default "x"}} "a b" # || ;`, "pc")
	f.Fuzz(func(t *testing.T, tmpl, name string) {
		if len(tmpl)+len(name) > 1500 {
			return
		}
		data := sample()
		data.Machine.Name = name
		got, err := ExpandCmdline(tmpl, data)
		if err != nil {
			return
		}
		if again, err := oneLine(got); err != nil || again != got {
			t.Errorf("result %q is not a command line: %v", got, err)
		}
		survives(t, got)
	})
}

// survives checks that a command line reaches the kernel unchanged through
// each loader's reading of our script.
func survives(t *testing.T, cmdline string) {
	t.Helper()
	m := lab(model.ArchX64)
	m.Entries = []Entry{{ID: "x", Kernel: "k", Cmdline: cmdline}}
	m.Direct = "x"
	if got := ipxeKernelArguments(t, string(IPXE(m))); got != cmdline {
		t.Errorf("through iPXE: got %q, want %q", got, cmdline)
	}
	if got, want := grubKernelArguments(t, string(GRUB(m))), kernelWords(cmdline); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("through GRUB: got %q, want %q", got, want)
	}
}

func TestCmdlineSurvivesEveryLoader(t *testing.T) {
	for _, cmdline := range []string{
		"",
		"console=ttyS0 --- quiet",
		`a="b c" d="" "e f"=g`,
		"#a || && ; $6$x # |",
		"-d --default -- x",
		"(hd0) {a} [b] *?~!^`<>%",
	} {
		if _, err := oneLine(cmdline); err != nil {
			t.Fatalf("%q: %v", cmdline, err)
		}
		survives(t, cmdline)
	}
}

// A command line that is put together without text/template is the same.
func TestPiecesSayWhatTheTemplateSays(t *testing.T) {
	data := sample()
	for _, text := range []string{
		"", "quiet", "  quiet   splash ", "a={{.Machine.Name}} b={{.Machine.MAC}}{{.Machine.UUID}}", "{{.Machine.Arch}}",
		"url={{.Server.URL}}/{{.Image.Name}}?ip={{ .Machine.Address }} {{- /* a comment */ -}} x", "{{.Server.Name}}.{{.Server.Address}}",
	} {
		c, err := ParseCmdline(text)
		if err != nil {
			t.Fatal(err)
		}
		v := NewValues(data.Machine, data.Server)
		got, err := c.Expand(v, data.Image)
		want, wantErr := expand(c.t, v, data.Image)
		if got != want || err != nil || wantErr != nil {
			t.Errorf("%q: %q, %v; text/template says %q, %v", text, got, err, want, wantErr)
		}
	}
	if c, err := ParseCmdline("{{.Machine.Name}}"); err != nil || c.pieces == nil {
		t.Errorf("a field alone is not taken apart: %v", err)
	}
}
