package bcd

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
	"hobnail/internal/regf"
	"hobnail/internal/regf/regftest"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func mustGUID(t testing.TB, s string) GUID {
	t.Helper()
	g, err := ParseGUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// zeros writes octets of zero in hexadecimal.
func zeros(n int) string { return strings.Repeat("00", n) }

// The octets of devices, as bcdedit writes them.
func TestDevices(t *testing.T) {
	partition, disk := mustGUID(t, "00112233-4455-6677-8899-aabbccddeeff"), mustGUID(t, "{DEADBEEF-0102-0304-0506-0708090A0B0C}")
	boot := "05000000" + "00000000" + "48000000" + zeros(0x48-12)
	for _, tt := range []struct {
		name string
		got  Device
		size int
		want string
	}{
		{"boot", Boot(), 88, zeros(16) + boot},
		{"a partition of a GPT disk", GPTPartition(partition, disk), 88, zeros(16) +
			"06000000" + "00000000" + "48000000" + "00000000" + "33221100554477668899aabbccddeeff" + zeros(4) + "00000000" +
			"efbeadde020104030506" + "0708090a0b0c" + zeros(16)},
		{"where winload.efi is", Locate(ElementPath), 46, zeros(16) + "08000000" + "00000000" + "1e000000" + zeros(8) + "02000012" + zeros(6)},
		{"where Windows is", Locate(ElementSystemRoot), 46, zeros(16) + "08000000" + "00000000" + "1e000000" + zeros(8) + "02000022" + zeros(6)},
		{"a RAM disk over the network", RAMDisk(Boot(), `\a`, RAMDiskOptions()), 0x8c + 6,
			"e03455ae24a96c46b836758539a3ee3a" + "00000000" + "01000000" + "82000000" + "00000000" + "03000000" + zeros(0x38-0x24) +
				"01000000" + "5a000000" + "05000000" + boot + "5c0061000000"},
		{"a RAM disk from a partition", RAMDisk(GPTPartition(partition, disk), "", GUID{}), 0x8e,
			zeros(16) + "00000000" + "01000000" + "7e000000" + "00000000" + "03000000" + zeros(0x38-0x24) +
				"01000000" + "56000000" + "05000000" + "06000000" + "00000000" + "48000000" + "00000000" +
				"33221100554477668899aabbccddeeff" + zeros(4) + "00000000" + "efbeadde020104030506" + "0708090a0b0c" + zeros(16) + "0000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.got) != tt.size {
				t.Errorf("%d octets, want %d", len(tt.got), tt.size)
			}
			if diff := cmp.Diff(tt.want, hex.EncodeToString(tt.got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A RAM disk that bcdedit made, with a path of 254 characters, has 650 octets
// and these two lengths in them.
func TestRAMDiskLengths(t *testing.T) {
	d := RAMDisk(Boot(), strings.Repeat("x", 254), RAMDiskOptions())
	if len(d) != 650 || le.Uint32(d[0x18:]) != 0x27a || le.Uint32(d[0x3c:]) != 0x252 {
		t.Errorf("%d octets, lengths %#x and %#x", len(d), le.Uint32(d[0x18:]), le.Uint32(d[0x3c:]))
	}
}

func TestGUIDs(t *testing.T) {
	for _, tt := range []struct {
		g    GUID
		want string
	}{
		{BootManager(), "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"},
		{RAMDiskOptions(), "{ae5534e0-a924-466c-b836-758539a3ee3a}"},
		{SetupLoader(), "{7619dcc9-fafe-11d9-b411-000476eba25f}"},
	} {
		if tt.g.String() != tt.want || mustGUID(t, strings.ToUpper(tt.want)) != tt.g {
			t.Errorf("%v, want %s", tt.g, tt.want)
		}
	}
	for _, s := range []string{"", "{}", "9dea862c5cdd4e70acc1f32b344d4795", "9dea862c-5cdd-4e70-acc1-f32b344d479", "{9dea862c-5cdd-4e70-acc1-f32b344d4795",
		"9dea862-c5cdd-4e70-acc1-f32b344d4795", "gdea862c-5cdd-4e70-acc1-f32b344d4795"} {
		if g, err := ParseGUID(s); err == nil {
			t.Errorf("%q is taken for %v", s, g)
		}
	}
}

// text16 reads a text in UTF-16 with its NUL.
func text16(b []byte) string {
	var u []uint16
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, le.Uint16(b[i:]))
	}
	return string(utf16.Decode(u))
}

// lines writes a hive as one line a value, by its path.
func lines(k regf.Key, above string) []string {
	var all []string
	path := above + `\` + k.Name
	for _, v := range k.Values {
		data := hex.EncodeToString(v.Data)
		if v.Type == regf.TypeSZ || v.Type == regf.TypeMultiSZ {
			data = fmt.Sprintf("%q", text16(v.Data))
		}
		all = append(all, fmt.Sprintf("%s %s:%d=%s", path, v.Name, v.Type, data))
	}
	for _, c := range k.Keys {
		all = append(all, lines(c, path)...)
	}
	return all
}

// store is every value of a store that has the usual options.
func store() []string {
	boot := "05000000" + "00000000" + "48000000" + zeros(0x48-12)
	bootDevice := zeros(16) + boot
	ramDisk := "e03455ae24a96c46b836758539a3ee3a" + "00000000" + "01000000" + "9a000000" + "00000000" + "03000000" + zeros(0x38-0x24) +
		"01000000" + "72000000" + "05000000" + boot + "5c0042006f006f0074005c0062006f006f0074002e00770069006d000000"
	const (
		objects = `\NewStoreRoot\Objects\`
		loader  = objects + `{7619dcc9-fafe-11d9-b411-000476eba25f}\`
		manager = objects + `{9dea862c-5cdd-4e70-acc1-f32b344d4795}\`
		options = objects + `{ae5534e0-a924-466c-b836-758539a3ee3a}\`
	)
	return []string{
		`\NewStoreRoot\Description KeyName:1="BCD00000001\x00"`,
		loader + `Description Type:4=03002010`,
		loader + `Elements\11000001 Element:3=` + ramDisk,
		loader + `Elements\12000002 Element:1="\\windows\\system32\\boot\\winload.efi\x00"`,
		loader + `Elements\12000004 Element:1="Windows PE\x00"`,
		loader + `Elements\21000001 Element:3=` + ramDisk,
		loader + `Elements\22000002 Element:1="\\Windows\x00"`,
		loader + `Elements\26000010 Element:3=01`,
		loader + `Elements\26000022 Element:3=01`,
		manager + `Description Type:4=02001010`,
		manager + `Elements\12000004 Element:1="Windows Boot Manager\x00"`,
		manager + `Elements\23000003 Element:1="{7619dcc9-fafe-11d9-b411-000476eba25f}\x00"`,
		manager + `Elements\24000001 Element:7="{7619dcc9-fafe-11d9-b411-000476eba25f}\x00\x00"`,
		manager + `Elements\25000004 Element:3=0000000000000000`,
		manager + `Elements\26000020 Element:3=00`,
		options + `Description Type:4=00000030`,
		options + `Elements\12000004 Element:1="Ramdisk Options\x00"`,
		options + `Elements\31000003 Element:3=` + bootDevice,
		options + `Elements\32000004 Element:1="\\Boot\\boot.sdi\x00"`,
		options + `Elements\35000007 Element:3=b005000000000000`,
		options + `Elements\35000008 Element:3=0800000000000000`,
	}
}

func TestStore(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options Options
		changed map[string]string // old text to new text
	}{
		{"a UEFI machine", Options{Arch: model.ArchX64}, nil},
		{"a BIOS machine", Options{Arch: model.ArchBIOS}, map[string]string{`winload.efi`: `winload.exe`}},
		{"all options", Options{Arch: model.ArchARM64, Title: "Büro", SDI: `\x.sdi`, Block: 8192, Window: 64}, map[string]string{
			`Windows PE`: `Büro`, `\\Boot\\boot.sdi`: `\\x.sdi`, `b005000000000000`: `0020000000000000`, `0800000000000000`: `4000000000000000`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Modified = noon()
			b, err := Store(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := regftest.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, line := range store() {
				for from, to := range tt.changed {
					line = strings.ReplaceAll(line, from, to)
				}
				want = append(want, line)
			}
			if diff := cmp.Diff(want, lines(got.Root, "")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := Store(tt.options)
			if err != nil || !bytes.Equal(b, again) {
				t.Errorf("the same options gave other octets (%v)", err)
			}
		})
	}
}

// The path of the WIM stands in both devices of the loader.
func TestStoreOfAnotherWIM(t *testing.T) {
	b, err := Store(Options{Arch: model.ArchX64, WIM: `\install\0123\boot.wim`})
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, regf.UTF16("\\install\\0123\\boot.wim\x00")); n != 2 {
		t.Errorf("it stands there %d times", n)
	}
}

// The second digit of an element tells how its value is stored.
func TestFormats(t *testing.T) {
	for _, o := range objects(Options{Arch: model.ArchX64}.complete()) {
		for _, s := range o.settings {
			want := map[Element]regf.Type{1: regf.TypeBinary, 2: regf.TypeSZ, 3: regf.TypeSZ, 4: regf.TypeMultiSZ, 5: regf.TypeBinary, 6: regf.TypeBinary}[s.element>>24&0xf]
			if s.value.Type != want || s.value.Name != "Element" {
				t.Errorf("element %08x has %+v", uint32(s.element), s.value)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{}, `architecture "" has no Windows boot manager`},
		{Options{Arch: model.ArchRPi}, `architecture "rpi" has no Windows boot manager`},
		{Options{Arch: model.ArchX64, WIM: `boot.wim`}, `WIM "boot.wim" is not a path that begins with \ and has neither / nor ,`},
		{Options{Arch: model.ArchX64, SDI: `\a/b`}, `SDI "\\a/b" is not a path`},
		{Options{Arch: model.ArchX64, Title: "a\x00b"}, `title "a\x00b" has a control character`},
		{Options{Arch: model.ArchX64, WIM: `\` + strings.Repeat("x", 1024)}, `WIM has 1025 octets, more than 1024`},
		{Options{Arch: model.ArchX64, Block: 511}, `a TFTP block of 511 octets; 512 to 65464 are allowed`},
		{Options{Arch: model.ArchX64, Window: 65}, `a TFTP window of 65 blocks; 1 to 64 are allowed`},
		{Options{Arch: model.ArchX64, Window: -1}, `a TFTP window of -1 blocks`},
	} {
		b, err := Store(tt.options)
		if err == nil || b != nil || !strings.HasPrefix(err.Error(), "writing a boot configuration: "+tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// Whatever is asked for: an error, or a hive in which all of it is found.
func FuzzStore(f *testing.F) {
	f.Add(true, "Windows PE", `\Boot\boot.wim`, `\Boot\boot.sdi`, 1456, 8, int64(0))
	f.Add(false, "\xff", `\`+strings.Repeat("ü", 400), `\`, 0, 0, int64(-1<<62))
	f.Add(true, "😀", `\x`, `\..\..`, 65464, 64, int64(1<<62))
	f.Fuzz(func(t *testing.T, uefi bool, title, wim, sdi string, block, window int, seconds int64) {
		o := Options{model.ArchBIOS, title, wim, sdi, block, window, time.Unix(seconds, 0)}
		if uefi {
			o.Arch = model.ArchX64
		}
		b, err := Store(o)
		if err != nil {
			return
		}
		got, err := regftest.Read(b)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		o = o.complete()
		all := strings.Join(lines(got.Root, ""), "\n")
		for element, want := range map[string]string{"12000004": o.Title, "32000004": o.SDI} {
			if !strings.Contains(all, fmt.Sprintf("%s Element:1=%q\n", element, text16(regf.UTF16(want+"\x00")))) {
				t.Errorf("%q is not there:\n%s", want, all)
			}
		}
	})
}
