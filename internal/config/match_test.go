package config

import (
	"testing"

	"hobnail/internal/model"
)

func TestMatches(t *testing.T) {
	subject := Subject{
		MAC: "52:54:00:12:34:56", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532",
		Archs: []model.Arch{model.ArchX64, model.ArchIA32}, Firmware: model.FirmwareUEFI,
		Place: addr("10.77.2.1"), Relay: addr("10.77.2.1"),
		CircuitID: "\x00\x04\x00\x01", RemoteID: "switch 7",
		VendorClass: "PXEClient:Arch:00007:UNDI:003000", UserClass: "iPXE", Machine: "0xa1",
	}
	for _, tc := range []struct {
		name, match string
		want        bool
	}{
		{"nothing asked for", ``, true},
		{"its MAC", `mac = "5254.0012.3456"`, true},
		{"the beginning of its MAC", `mac = "52-54-00-*"`, true},
		{"the beginning of its MAC, to half an octet", `mac = "52:54:00:1*"`, true},
		{"the beginning of another MAC", `mac = "52:54:01*"`, false},
		{"one of two MACs", `mac = ["52:54:00:00:00:00", "52:54:00:12:34:56"]`, true},
		{"its UUID in the other byte order", `uuid = "44454c4c-4300-1030-8052-b4c04f4d3532"`, true},
		{"an architecture it named second", `arch = "uefi-ia32"`, true},
		{"an architecture it did not name", `arch = "bios"`, false},
		{"its firmware", `firmware = ["http", "uefi"]`, true},
		{"the subnet around its place", `subnet = "10.77.0.0/16"`, true},
		{"another subnet", `subnet = "10.78.0.0/16"`, false},
		{"its relay", `relay = "10.77.2.1"`, true},
		{"another relay", `relay = "10.77.2.2"`, false},
		{"its circuit in hexadecimal", `circuit_id = "0x00040001"`, true},
		{"the beginning of its circuit in hexadecimal", `circuit_id = "0x0004*"`, true},
		{"the beginning of its circuit without the asterisk", `circuit_id = "0x0004"`, false},
		{"its remote id as text", `remote_id = "switch 7"`, true},
		{"its remote id in another case", `remote_id = "Switch 7"`, false},
		{"the beginning of its vendor class", `vendor_class = "PXEClient*"`, true},
		{"its user class", `user_class = "iPXE"`, true},
		{"its name, which looks hexadecimal", `machine = "0xa1"`, true},
		{"two things, of which one does not hold", "user_class = \"iPXE\"\narch = \"bios\"", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := mustParse(t, "hobnail.toml",
				"[[machine]]\nname = \"0xa1\"\nmac = \"52:54:00:12:34:56\"\n[[rule]]\nboot = \"menu\"\n[rule.match]\n"+tc.match)
			if got := cfg.Rules[0].Match.Matches(subject); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestMatchAsksForWhatIsMissing(t *testing.T) {
	cfg := mustParse(t, "hobnail.toml", "[[rule]]\nboot = \"menu\"\nmatch.relay = \"10.77.2.1\"\n")
	if cfg.Rules[0].Match.Matches(Subject{MAC: "52:54:00:12:34:56"}) {
		t.Error("a request without a relay matches one")
	}
}

func TestRange(t *testing.T) {
	r := ranges("10.77.2.250-10.77.3.4")[0]
	if got := r.Size(); got != 11 {
		t.Errorf("%v has %d addresses, want 11", r, got)
	}
	for n, want := range map[int64]string{0: "10.77.2.250", 6: "10.77.3.0", 10: "10.77.3.4"} {
		if got := r.Nth(n); got != addr(want) {
			t.Errorf("address %d of %v is %v, want %s", n, r, got, want)
		}
	}
	for a, want := range map[string]bool{"10.77.2.249": false, "10.77.2.250": true, "10.77.3.4": true, "10.77.3.5": false, "::1": false} {
		if got := r.Contains(addr(a)); got != want {
			t.Errorf("%v contains %s: %v, want %v", r, a, got, want)
		}
	}
}
