package peagent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const token = "0123456789abcdef0123456789abcdef"

func TestFiles(t *testing.T) {
	got, err := Files([]byte("MZ…"), Config{Server: "http://10.77.1.2:8080", Token: token, Image: "windows-11", Index: 6})
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{"Windows/System32/hobnail-pe.exe", []byte("MZ…")},
		{"Windows/System32/hobnail.json", []byte(`{
	"server": "http://10.77.1.2:8080",
	"token": "` + token + `",
	"image": "windows-11",
	"index": 6
}
`)},
		{"Windows/System32/winpeshl.ini", []byte("[LaunchApps]\r\n%SYSTEMROOT%\\System32\\hobnail-pe.exe\r\n")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c, err := ParseConfig(got[1].Content)
	if err != nil || c.Image != "windows-11" || c.Index != 6 {
		t.Errorf("read again: %+v, %v", c, err)
	}
	if _, err := Files([]byte("#!"), c); err == nil || !strings.Contains(err.Error(), "no Windows program") {
		t.Errorf("got %v", err)
	}
}

// Server and token get into a command file on the new disk.
func TestConfigsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ json, want string }{
		{`{}`, `server "" is not of the form http://HOST:PORT`},
		{`{"server": "http://a/b"}`, `server "http://a/b" is not`},
		{`{"server": "http://a/"}`, `server "http://a/" is not`},
		{`{"server": "http://u@a"}`, `server "http://u@a" is not`},
		{`{"server": "http://a&calc"}`, `server "http://a&calc" is not`},
		{`{"server": "http://%41"}`, `is not of the form`},
		{`{"server": "ftp://a"}`, `server "ftp://a" is not`},
		{`{"server": "http://a", "token": "x"}`, `token "x" is not 32 hexadecimal digits`},
		{`{"server": "http://a", "token": "` + strings.ToUpper(token) + `"}`, `is not 32 hexadecimal digits`},
		{`{"server": "http://a", "tokens": 1}`, `unknown field "tokens"`},
		{`{"server": "http://a", "token": "` + token + `"} {}`, `something stands behind its end`},
		{``, `EOF`},
	} {
		_, err := ParseConfig([]byte(tt.json))
		if err == nil || !strings.HasPrefix(err.Error(), "reading hobnail.json: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.json, err, tt.want)
		}
	}
	for _, server := range []string{"http://[fd00::1]:8080", "https://boot1.example", "http://10.0.0.1"} {
		if _, err := ParseConfig([]byte(`{"server": "` + server + `", "token": "` + token + `"}`)); err != nil {
			t.Error(err)
		}
	}
}

const sum64 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// orders are instructions that can be followed; pairs of texts are replaced.
func orders(pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(`{"machine": "lab-01", "image": "Windows 11 Pro", "way": "dism", "firmware": "uefi", "wipe": true,
		"disk": {"by": "first"}, "wim": {"url": "/iso/win11/sources/install.wim", "size": 5000, "sha256": "` + sum64 + `", "index": 6}, "unattend": true}`)
}

func TestInstructionsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`"machine"`, `"machin"`, `unknown field "machin"`},
		{`"index"`, `"indx"`, `unknown field "indx"`},
		{`"first"`, `"first", "model": "x"`, `unknown field "model"`},
		{`"dism"`, `"copy"`, `way is "copy"; dism and setup are known`},
		{`"uefi"`, `"efi"`, `firmware is "efi"; uefi and bios are known`},
		{`"first"`, `"any"`, `disk is chosen by "any"; first, number and serial are known`},
		{`"first"`, `"first", "number": 1`, `disk by first takes neither`},
		{`"first"`, `"number", "number": -1`, `disk by number takes a number from 0 to 255 and no serial`},
		{`"first"`, `"serial", "serial": " "`, `disk by serial takes a serial`},
		{`"/iso/win11/sources/install.wim"`, `"iso/install.wim"`, `wim.url "iso/install.wim" is neither`},
		{`"/iso/win11/sources/install.wim"`, `"file:///c:/x"`, `is neither`},
		{`"/iso/win11/sources/install.wim"`, `"//other/x"`, `is neither`},
		{`5000`, `0`, `wim.size 0 or wim.unpacked 0 is no size`},
		{sum64, `E3`, `wim.sha256 "E3" is not 64 hexadecimal digits in lower case`},
		{`"index": 6`, `"index": 0`, `wim.index 0 is no index`},
		{`true}`, `true} x`, `something stands behind its end`},
	} {
		_, err := ParseInstructions([]byte(orders(tt.from, tt.to)))
		if err == nil || !strings.HasPrefix(err.Error(), "reading the instructions: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s for %s: %v, want %s", tt.to, tt.from, err, tt.want)
		}
	}
	in, err := ParseInstructions([]byte(orders()))
	if err != nil {
		t.Fatal(err)
	}
	want := Instructions{Machine: "lab-01", Image: "Windows 11 Pro", Way: WayDISM, Firmware: UEFI, Wipe: true, Disk: DiskRule{By: "first"},
		WIM: WIM{URL: "/iso/win11/sources/install.wim", Size: 5000, SHA256: sum64, Index: 6}, Unattend: true}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInstructionsThatSayWait need nothing else.
func TestInstructionsThatSayWait(t *testing.T) {
	in, err := ParseInstructions([]byte(`{"machine": "lab-01", "wait": 20, "why": "a sum is made"}`))
	if err != nil || in.Wait != 20 || in.Why != "a sum is made" {
		t.Errorf("%+v, %v", in, err)
	}
	for _, bad := range []string{`{"wait": -1}`, `{"wait": 3601}`, `{"wait": 0}`, `{"wait": 2.5}`} {
		if in, err := ParseInstructions([]byte(bad)); err == nil {
			t.Errorf("%s is taken for %+v", bad, in)
		}
	}
}

func FuzzParseInstructions(f *testing.F) {
	f.Add([]byte(orders()))
	f.Add([]byte(orders(`"/iso/win11/sources/install.wim"`, `"http://h/%zz/install.ESD"`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := ParseInstructions(b)
		if err != nil {
			return
		}
		s := script(Disk{Number: 3, Size: 1 << 40}, UEFI, in)
		if !strings.HasPrefix(s, "select disk 3\r\nclean\r\n") || strings.Count(s, "select disk") != 1 {
			t.Errorf("%s", s)
		}
		_, _ = in.Disk.Choose(nil, in.need())
		_ = in.WIM.file() + in.WIM.from("http://a")
	})
}
