package model_test

import (
	"testing"

	"pgregory.net/rapid"

	"hobnail/internal/model"
)

func TestParseMAC(t *testing.T) {
	for _, tc := range []struct {
		text string
		want model.MAC // "" is refused
	}{
		{"52:54:00:12:34:56", "52:54:00:12:34:56"},
		{"52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"},
		{"5254.0012.3456", "52:54:00:12:34:56"},
		{"525400123456", "52:54:00:12:34:56"},
		{"", ""},
		{"52:54:00:12:34", ""},
		{"52:54:00:12:34:56:78", ""},
		{"52:54:00:12:34:5g", ""},
		{"00112233445566778899", ""},
	} {
		got, err := model.ParseMAC(tc.text)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%q is %q, error %v; want %q", tc.text, got, err, tc.want)
		}
	}
}

// TestMACForms: each spelling of an address leads back to it.
func TestMACForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "octets")
		mac := model.MACFromBytes(raw)
		for _, text := range []string{string(mac), mac.Hex(), mac.Dashed()} {
			if got, err := model.ParseMAC(text); got != mac || err != nil {
				t.Fatalf("%x is %s; %q leads to %q, error %v", raw, mac, text, got, err)
			}
		}
	})
}

func TestMACFromBytesOfOddLengths(t *testing.T) {
	if got := model.MACFromBytes(nil); got != "" {
		t.Errorf("no octets give %q, want the empty address", got)
	}
	if got := model.MACFromBytes(make([]byte, 17)); got != "" {
		t.Errorf("17 octets give %q, want the empty address", got)
	}
	if got := model.MACFromBytes([]byte{1, 0xab}); got != "01:ab" {
		t.Errorf("01 ab give %q, want 01:ab", got)
	}
}

// TestUUIDFromWire: SMBIOS sends the first three fields with their lowest
// octet first, which leaves the word DELL readable on the wire.
func TestUUIDFromWire(t *testing.T) {
	wire := [16]byte{0x44, 0x45, 0x4c, 0x4c, 0x43, 0x00, 0x10, 0x30, 0x80, 0x52, 0xb4, 0xc0, 0x4f, 0x4d, 0x35, 0x32}
	const want = model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3532")
	got := model.UUIDFromWire(wire)
	if got != want || got.Wire() != wire {
		t.Errorf("% x is %s and back % x, want %s", wire, got, got.Wire(), want)
	}
	if got := model.UUID("nonsense").Wire(); got != [16]byte{} {
		t.Errorf("nonsense is % x on the wire, want zeros", got)
	}
}

func TestUUIDsOfOneMachineAreTheSameInEitherByteOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := model.UUIDFromWire([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "octets")))
		parsed, err := model.ParseUUID(string(u))
		if parsed != u || err != nil {
			t.Fatalf("%s is read as %s, error %v", u, parsed, err)
		}
		if !u.Same(u) || !u.Same(u.Swapped()) || !u.Swapped().Same(u) || u.Swapped().Swapped() != u {
			t.Fatalf("%s and %s are not taken for one machine's", u, u.Swapped())
		}
	})
	if model.UUID("").Same("") {
		t.Error("two machines without a UUID are taken for one")
	}
}

func TestParseUUID(t *testing.T) {
	for _, tc := range []struct {
		text string
		want model.UUID // "" is refused
	}{
		{"4C4C4544-0043-3010-8052-B4C04F4D3532", "4c4c4544-0043-3010-8052-b4c04f4d3532"},
		{"4c4c4544-0043-3010-8052-b4c04f4d3532", "4c4c4544-0043-3010-8052-b4c04f4d3532"},
		{"4c4c454400433010-8052-b4c04f4d3532", ""},
		{"4c4c45440-043-3010-8052-b4c04f4d3532", ""},
		{"4c4c4544004330108052b4c04f4d3532", ""},
		{"{4c4c4544-0043-3010-8052-b4c04f4d3532}", ""},
		{"", ""},
	} {
		got, err := model.ParseUUID(tc.text)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%q is %q, error %v; want %q", tc.text, got, err, tc.want)
		}
	}
}

func TestJunkUUIDs(t *testing.T) {
	for _, u := range []model.UUID{
		"", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
	} {
		if !u.Junk() {
			t.Errorf("%q is taken for a machine's own", u)
		}
	}
	if model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3532").Junk() {
		t.Error("a Dell's UUID is taken for one that many boards share")
	}
}

// TestImageOn: an image starts on some machines, and on some in another way.
func TestImageOn(t *testing.T) {
	memtest := model.Image{CPU: model.CPUX64, Way: model.WayEFI, Kernel: "a.efi", BIOS: &model.Start{Kernel: "a.bin"}}
	linux := model.Image{CPU: model.CPUX64, Kernel: "linux"}
	uefi := model.Image{CPU: model.CPUX64, Kernel: "a.efi", Way: model.WayEFI, Firmware: model.FirmwareUEFI}
	bios := model.Image{CPU: model.CPUX64, Kernel: "a.bin", Firmware: model.FirmwareBIOS}
	arm := model.Image{CPU: model.CPUARM64, Kernel: "linux"}
	for _, tc := range []struct {
		name   string
		img    model.Image
		arch   model.Arch
		way    model.Way
		kernel string
		ok     bool
	}{
		{"the program of UEFI", memtest, model.ArchX64, model.WayEFI, "a.efi", true},
		{"the kernel of BIOS", memtest, model.ArchBIOS, model.WayLinux, "a.bin", true},
		{"one way for both, UEFI", linux, model.ArchX64, model.WayLinux, "linux", true},
		{"one way for both, BIOS", linux, model.ArchBIOS, model.WayLinux, "linux", true},
		{"UEFI alone", uefi, model.ArchX64, model.WayEFI, "a.efi", true},
		{"UEFI alone, not by BIOS", uefi, model.ArchBIOS, model.WayEFI, "a.efi", false},
		{"BIOS alone", bios, model.ArchBIOS, model.WayLinux, "a.bin", true},
		{"BIOS alone, not by UEFI", bios, model.ArchX64, model.WayLinux, "a.bin", false},
		{"another processor", arm, model.ArchX64, model.WayLinux, "linux", false},
		{"its processor", arm, model.ArchARM64, model.WayLinux, "linux", true},
		{"a machine of which nothing is known", uefi, "", model.WayEFI, "a.efi", true},
	} {
		got, ok := tc.img.On(tc.arch)
		if got.Way != tc.way || got.Kernel != tc.kernel || ok != tc.ok {
			t.Errorf("%s: %q %s, %v; want %q %s, %v", tc.name, got.Way, got.Kernel, ok, tc.way, tc.kernel, tc.ok)
		}
	}
}
