package bootscript

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"hobnail/internal/model"

	"github.com/google/go-cmp/cmp"
)

type hostile struct{ name, text string }

func hostileStrings(t testing.TB) []hostile {
	t.Helper()
	data, err := os.ReadFile("testdata/hostile-strings.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name string
		B64  []byte
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 29 {
		t.Fatalf("the list has %d strings", len(rows))
	}
	all := make([]hostile, len(rows))
	for i, r := range rows {
		all[i] = hostile{r.Name, string(r.B64)}
	}
	return all
}

// sinks puts one text into each place of a menu that takes text.
func sinks(text string) map[string]Menu {
	set := func(change func(*Menu)) Menu {
		m := lab(model.ArchX64)
		m.Entries = append([]Entry(nil), m.Entries...)
		change(&m)
		return m
	}
	return map[string]Menu{
		"machine name":   set(func(m *Menu) { m.Machine.Name = text }),
		"MAC":            set(func(m *Menu) { m.Machine.MAC = model.MAC(text) }),
		"server name":    set(func(m *Menu) { m.Server.Name = text }),
		"server URL":     set(func(m *Menu) { m.Server.URL = "http://h/" + text }),
		"why":            set(func(m *Menu) { m.Why = text }),
		"title":          set(func(m *Menu) { m.Entries[0].Title = text }),
		"title, direct":  set(func(m *Menu) { m.Entries[0].Title, m.Direct = text, "debian-12" }),
		"entry":          set(func(m *Menu) { m.Entries[0].ID = text }),
		"kernel name":    set(func(m *Menu) { m.Entries[0].Kernel = text }),
		"initrd name":    set(func(m *Menu) { m.Entries[0].Initrd = []string{text} }),
		"default":        set(func(m *Menu) { m.Default = text }),
		"missing target": set(func(m *Menu) { m.Direct = "not here " + text }),
	}
}

// Whatever text stands where, each loader reads the commands that it reads
// where an x stands, and the script is printable ASCII.
func TestHostileTextIsOnlyText(t *testing.T) {
	plain := sinks("x")
	for _, h := range hostileStrings(t) {
		for sink, m := range sinks(h.text) {
			sameCommands(t, h.name+" as "+sink, plain[sink], m)
		}
	}
}

func sameCommands(t *testing.T, what string, plain, got Menu) {
	t.Helper()
	printable(t, what, IPXE(got), GRUB(got), PXELinux(got))
	if diff := cmp.Diff(ipxeShape(t, IPXE(plain)), ipxeShape(t, IPXE(got))); diff != "" {
		t.Errorf("%s, iPXE (-want +got)\n%s", what, diff)
	}
	if diff := cmp.Diff(grubShape(t, GRUB(plain)), grubShape(t, GRUB(got))); diff != "" {
		t.Errorf("%s, GRUB (-want +got)\n%s", what, diff)
	}
	if diff := cmp.Diff(pxelinuxKeywords(string(PXELinux(plain))), pxelinuxKeywords(string(PXELinux(got)))); diff != "" {
		t.Errorf("%s, pxelinux (-want +got)\n%s", what, diff)
	}
}

// ipxeShape keeps the first word of every command and what ended it.
func ipxeShape(t *testing.T, script []byte) []string {
	t.Helper()
	var shape []string
	for _, c := range ipxeCommands(t, string(script)) {
		first := c.words[0]
		if strings.HasPrefix(first, ":image-") {
			first = ":image"
		}
		shape = append(shape, first+" "+c.end)
	}
	return shape
}

// grubShape keeps the first word of every command, and of text that is quoted
// how many words there are.
func grubShape(t *testing.T, script []byte) []string {
	t.Helper()
	var shape []string
	for _, c := range grubCommands(t, string(script)) {
		shape = append(shape, c[0]+strings.Repeat(" w", len(c)-1))
	}
	return shape
}

func printable(t *testing.T, what string, scripts ...[]byte) {
	t.Helper()
	for _, s := range scripts {
		for _, c := range s {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Errorf("%s: the script contains %#02x", what, c)
				return
			}
		}
	}
}

func FuzzMenuText(f *testing.F) {
	for _, h := range hostileStrings(f) {
		f.Add(h.text)
	}
	for _, s := range []string{`\`, "a\\", "# x", "|| shell", "a ; shell", "${shell}", "$${{x}}", "'", `'"'`, "-- --gap", "^a", "\x7f\u0085"} {
		f.Add(s)
	}
	plain := sinks("x")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1500 {
			return
		}
		for sink, m := range sinks(text) {
			sameCommands(t, sink, plain[sink], m)
		}
	})
}

func TestPlain(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"Debian 12 installer", "Debian 12 installer"},
		{"  a \t b\n", "a ? b?"},
		{"\x1b]0;pwn\x07", "?]0;pwn?"},
		{"pc\u202egnp", "pc?gnp"},
		{"\xff\xfe", "?"},
		{`a\`, "a/"},
		{strings.Repeat("x", 73), strings.Repeat("x", 69) + "..."},
	}
	for _, tt := range tests {
		if got := plain(tt.in); got != tt.want {
			t.Errorf("plain(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
