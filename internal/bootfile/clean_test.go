package bootfile

import (
	"bufio"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	long := strings.Repeat("a/", 255) + "ab"
	tests := []struct {
		why, name, want string // want "": refused
	}{
		{"as it should be", "m/525400123456/uefi-x64/shimx64.efi", "m/525400123456/uefi-x64/shimx64.efi"},
		{"leading slash", "/grub/grub.cfg", "grub/grub.cfg"},
		{"leading slashes", "//grub/grub.cfg", "grub/grub.cfg"},
		{"bootmgr's slashes", `\Boot\BCD`, "Boot/BCD"},
		{"bootmgr's mixed slashes", `/boot\x64/BCD`, "boot/x64/BCD"},
		{"double slash inside", "m/x//img/linux", "m/x/img/linux"},
		{"dot parts", "./a/./b/.", "a/b"},
		{"trailing slash, as U-Boot asks for dtb/", "dtb/", "dtb"},
		{"end option read as a name", "undionly.kpxe\xff", "undionly.kpxe"},
		{"several octets behind the name", "undionly.kpxe \r\xff\xff", "undionly.kpxe"},
		{"0xff inside", "undi\xffonly.kpxe", ""},
		{"two dots at the end of a word", "a..", "a.."},
		{"three dots", "...", "..."},
		{"space inside", "boot program.efi", "boot program.efi"},
		{"percent-encoding is not undone", "%2e%2e/x", "%2e%2e/x"},
		{"empty", "", ""},
		{"only a slash", "/", ""},
		{"only a dot", ".", ""},
		{"only padding", " \xff", ""},
		{"up", "..", ""},
		{"up and down", "boot/../boot/x", ""},
		{"up by backslash", `boot\..\x`, ""},
		{"NUL", "a\x00b", ""},
		{"NUL at the end", "a\x00", ""},
		{"newline at the end", "a\n", ""},
		{"escape", "a\x1b[2J", ""},
		{"delete", "a\x7f", ""},
		{"beyond ASCII", "caf\u00e9", ""},
		{"division slash", "..\u2215x", ""},
		{"drive letter", `C:\boot.ini`, ""},
		{"URL", "http://192.0.2.1/x", ""},
		{"stream", "a:b", ""},
		{"as long as can be", long, long},
		{"one longer", long + "c", ""},
	}
	for _, tt := range tests {
		got, ok := Clean(tt.name)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: Clean(%q) = %q, %v; want %q", tt.why, tt.name, got, ok, tt.want)
		}
	}
}

func TestUnterminated(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "a": false, "a.efi": false, "a\xff": true, "a ": true, "a\r": true, "a\xffb": false, "\xff": true, "a\n": false,
	} {
		if got := Unterminated(name); got != want {
			t.Errorf("Unterminated(%q) = %v, want %v", name, got, want)
		}
	}
}

// corpusPaths are names that programs and people have tried on TFTP and web
// servers.
func corpusPaths(t testing.TB) []string {
	t.Helper()
	f, err := os.Open("testdata/tftp-http-paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		all = append(all, sc.Text())
	}
	if len(all) < 30 {
		t.Fatalf("the list has %d names", len(all))
	}
	return all
}

func TestCleanCorpus(t *testing.T) {
	want := map[string]string{
		"/etc/passwd": "etc/passwd", "//etc/passwd": "etc/passwd", "....//....//etc/passwd": "..../..../etc/passwd",
		"..%2f..%2fetc%2fpasswd": "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd": "%2e%2e/%2e%2e/etc/passwd",
		"link/": "link", "boot/./x": "boot/x", "boot//x": "boot/x", "/proc/self/environ": "proc/self/environ",
		"/proc/self/mem": "proc/self/mem", "/dev/zero": "dev/zero", "~root/.ssh/id_ed25519": "~root/.ssh/id_ed25519",
		"@etc/passwd": "@etc/passwd", "|id": "|id", "-rf": "-rf", "CON": "CON", "NUL": "NUL", "..;/etc/passwd": "..;/etc/passwd",
		`\\198.51.100.1\share\x`: "198.51.100.1/share/x",
	}
	got := map[string]string{}
	for _, name := range corpusPaths(t) {
		if clean, ok := Clean(name); ok {
			got[name] = clean
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names that mean something (-want +got)\n%s", diff)
	}
}

// isClean says what Clean promises, in other words than Clean.
func isClean(name string) bool {
	return name != "" && len(name) <= maxName && path.Clean("/"+name) == "/"+name &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == ':' || r == '\\' }) &&
		!strings.Contains("/"+name+"/", "/../")
}

func checkClean(t interface{ Errorf(string, ...any) }, name string) {
	clean, ok := Clean(name)
	if !ok {
		if clean != "" {
			t.Errorf("Clean(%q) refuses and gives %q", name, clean)
		}
		return
	}
	if !isClean(clean) {
		t.Errorf("Clean(%q) = %q, which is not clean", name, clean)
	}
	if len(name) >= maxName { // a slash more is too long
		return
	}
	if again, ok := Clean(clean + "/"); !ok || strings.TrimRight(again, " ") != strings.TrimRight(clean, " ") {
		t.Errorf("Clean(%q) = %q, but of that %q, %v", name, clean, again, ok)
	}
	if slashed, ok := Clean("/" + strings.ReplaceAll(name, "/", `\`)); !ok || slashed != clean {
		t.Errorf("Clean(%q) = %q, but with other slashes %q, %v", name, clean, slashed, ok)
	}
}

func TestCleanProperties(t *testing.T) {
	octets := []byte("ab.:/\\ \x00\r\n\xff~%")
	rapid.Check(t, func(t *rapid.T) {
		checkClean(t, string(rapid.SliceOfN(rapid.SampledFrom(octets), 0, 40).Draw(t, "name")))
	})
}

func FuzzClean(f *testing.F) {
	for _, name := range corpusPaths(f) {
		f.Add(name)
	}
	f.Add("a\xff")
	f.Add(`\Boot\BCD`)
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) <= 1500 {
			checkClean(t, name)
		}
	})
}
