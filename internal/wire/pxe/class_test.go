package pxe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

func TestParseClass(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want Class
		ok   bool
	}{
		{"OVMF", "PXEClient:Arch:00007:UNDI:003000", Class{PXEClient, "00007", 3000}, true},
		{"UEFI HTTP boot", "HTTPClient:Arch:00016:UNDI:003001", Class{HTTPClient, "00016", 3001}, true},
		{"a reply", "PXEClient", Class{Name: PXEClient}, true},
		{"a Cisco switch", "PXEClient:Arch:00009:UNDI:003010:PID:NCS-5508", Class{PXEClient, "00009", 3010}, true},
		{"U-Boot's EFI code, hexadecimal", "HTTPClient:Arch:00013:UNDI:003000", Class{HTTPClient, "00013", 3000}, true},
		{"text that runs on without a colon", "PXEClientX", Class{Name: PXEClient}, true},
		{"no interface version", "PXEClient:Arch:00000", Class{PXEClient, "00000", 0}, true},
		{"an interface version of five digits", "PXEClient:Arch:00000:UNDI:03000", Class{PXEClient, "00000", 0}, true},
		{"a negative interface version", "PXEClient:Arch:00000:UNDI:-00001", Class{PXEClient, "00000", 0}, true},
		{"fields in another order", "PXEClient:UNDI:003000:Arch:00007", Class{Name: PXEClient}, true},
		{"a piece of the name", "PXECl", Class{}, false},
		{"another client", "MSFT 5.0", Class{}, false},
		{"the name in the middle", " PXEClient", Class{}, false},
		{"lower case", "pxeclient", Class{}, false},
		{"nothing", "", Class{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := ParseClass(tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.ok {
				t.Errorf("ok %v, want %v (-want +got):\n%s", ok, tc.ok, diff)
			}
		})
	}
}

func TestArchTextCanMeanTwoCodes(t *testing.T) {
	for text, want := range map[string][]uint16{
		"00000":       {0},
		"00007":       {7},
		"00011":       {11, 17}, // U-Boot's EFI code would write 0000b and 00011 for these
		"0000b":       {11},
		"0000B":       {11},
		"ffff":        {65535},
		"65535":       {65535},
		"99999":       nil,
		"99999999999": nil,
		"00000007":    nil,
		"-0001":       nil,
		"0x07":        nil,
		"":            nil,
	} {
		if diff := cmp.Diff(want, Class{ArchText: text}.Arch()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestClassOfEveryCapture: what real firmware says is written back octet for
// octet, and its text agrees with its option 93.
func TestClassOfEveryCapture(t *testing.T) {
	tested := 0
	for _, c := range wiretest.CapturesTo(t, dhcp4.ServerPort, dhcp4.BootPort) {
		p, err := dhcp4.Parse(c.Payload)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := p.Options.Get(dhcp4.OptVendorClass)
		class, ok := ParseClass(string(text))
		arch, hasArch := p.Options.Uint16(dhcp4.OptArch)
		if !ok || !hasArch {
			continue
		}
		tested++
		if got := FormatClass(class.Name, arch, class.UNDI); got != string(text) {
			t.Errorf("%s: %q became %q", c.Name, text, got)
		}
		if codes := class.Arch(); len(codes) == 0 || codes[0] != arch {
			t.Errorf("%s: text says %v, option 93 says %d", c.Name, codes, arch)
		}
	}
	if tested < 13 {
		t.Errorf("only %d captures have a class and an architecture", tested)
	}
}

func TestUserClasses(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want []string
	}{
		{"nothing", "", nil},
		{"bare text", "iPXE", []string{"iPXE"}},
		{"one counted item", "\x04iPXE", []string{"iPXE"}},
		{"two counted items", "\x04iPXE\x03lab", []string{"iPXE", "lab"}},
		{"a count past the end", "\x05iPXE", []string{"\x05iPXE"}},
		{"a count of nothing", "\x04iPXE\x00", []string{"\x04iPXE\x00"}},
		{"a count with nothing after it", "\x04", []string{"\x04"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, item := range UserClasses([]byte(tc.in)) {
				got = append(got, string(item))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsIPXEAndIsGPXE(t *testing.T) {
	for _, tc := range []struct {
		in         string
		ipxe, gpxe bool
	}{
		{"iPXE", true, false},
		{"\x04iPXE", true, false},
		{"\x03lab\x04iPXE", true, false},
		{"gPXE", false, true},
		{"\x04gPXE", false, true},
		{"ipxe", false, false},
		{"iPXE ", false, false},
		{"xiPXE", false, false},
		{"", false, false},
	} {
		if got := IsIPXE([]byte(tc.in)); got != tc.ipxe {
			t.Errorf("IsIPXE(%q) is %v", tc.in, got)
		}
		if got := IsGPXE([]byte(tc.in)); got != tc.gpxe {
			t.Errorf("IsGPXE(%q) is %v", tc.in, got)
		}
	}
}
