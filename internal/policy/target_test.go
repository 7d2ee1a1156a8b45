package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// TestTargets: a machine's own target, then the rules in the order of the
// file, then what the server does with strangers.
func TestTargets(t *testing.T) {
	const named = `
[[machine]]
name = "lab-01"
mac  = "52:54:00:00:00:01"
boot = "debian-12"
`
	const nameless = `
[[machine]]
name = "lab-01"
mac  = "52:54:00:00:00:01"
`
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	for _, tc := range []struct {
		name    string
		rules   string
		request *classify.Facts
		want    string // target
		file    string // boot program; "" for no answer
		because string // some reason says so
	}{
		{"a stranger gets the menu", "", asks(lab2, x64), "menu", "shimx64.efi", "nobody named this machine and no rule matches: menu"},
		{"a stranger gets what [boot] unknown says", "[boot]\nunknown = \"local\"\n", asks(lab2, x64), "local", "shimx64.efi", "nobody named this machine and no rule matches: local"},
		{"a stranger is denied", "[boot]\nunknown = \"deny\"\n", asks(lab2, x64), "deny", "", "the target is deny: no answer"},
		{"a named machine boots its own target", named, asks(lab1, x64), "debian-12", "shimx64.efi", "machine lab-01 boots debian-12"},
		{"a named machine without a target gets the menu", nameless + "[boot]\nunknown = \"deny\"\n", asks(lab1, x64), "menu", "shimx64.efi", "a named machine without a target gets the menu"},
		{"a machine's own target comes before every rule", named + "[[rule]]\nboot = \"deny\"\n", asks(lab1, x64), "debian-12", "shimx64.efi", "machine lab-01 boots debian-12"},
		{"a named machine without a target obeys the rules", nameless + "[[rule]]\nmatch = {machine = \"lab-01\"}\nboot = \"local\"\n", asks(lab1, x64), "local", "shimx64.efi", "matches: boots local"},
		{"a machine is known by its UUID in either byte order", strings.ReplaceAll(named, `mac  = "52:54:00:00:00:01"`, `uuid = "4c4c4544-0043-3010-8052-b4c04f4d3532"`),
			asks(lab2, x64, uuid("44454c4c-4300-1030-8052-b4c04f4d3532")), "debian-12", "shimx64.efi", "machine lab-01 boots debian-12"},

		{"the first rule that matches decides", "[[rule]]\nboot = \"local\"\n[[rule]]\nboot = \"deny\"\n", asks(lab2, x64), "local", "shimx64.efi", "matches: boots local"},
		{"a rule that does not match is passed over", "[[rule]]\nmatch = {arch = \"bios\"}\nboot = \"deny\"\n[[rule]]\nboot = \"local\"\n", asks(lab2, x64), "local", "shimx64.efi", "matches: boots local"},
		{"a rule's name is the reason", "[[rule]]\nname = \"front desk\"\nboot = \"local\"\n", asks(lab2, x64), "local", "shimx64.efi", "matches: boots local"},
		{"a rule that only names a boot program goes on", "[[rule]]\nloader = \"grub\"\n[[rule]]\nboot = \"local\"\n", asks(lab2, x64), "local", "grubx64.efi", "matches: boot program grub"},
		{"the first boot program named counts", "[[rule]]\nloader = \"grub\"\n[[rule]]\nboot = \"local\"\nloader = \"ipxe\"\n", asks(lab2, x64), "local", "grubx64.efi", "matches: boots local"},
		{"a rule gives target and boot program together", "[[rule]]\nboot = \"local\"\nloader = \"ipxe\"\n", asks(lab2, x64), "local", "snponly.efi", "matches: boot program ipxe"},
		{"nothing after the deciding rule counts", "[[rule]]\nboot = \"local\"\n[[rule]]\nloader = \"ipxe\"\n", asks(lab2, x64), "local", "shimx64.efi", "matches: boots local"},
		{"a boot program reaches a machine with its own target", named + "[[rule]]\nloader = \"ipxe\"\n", asks(lab1, x64), "debian-12", "snponly.efi", "matches: boot program ipxe"},
		{"a rule for another target does not lend its boot program", named + "[[rule]]\nboot = \"local\"\nloader = \"ipxe\"\n", asks(lab1, x64), "debian-12", "shimx64.efi", "machine lab-01 boots debian-12"},
		{"a machine's own boot program comes before a rule's", named + "loader = \"grub\"\n[[rule]]\nloader = \"ipxe\"\n", asks(lab1, x64), "debian-12", "grubx64.efi", "machine lab-01 boots debian-12"},

		{"by MAC", rule(`mac = "52:54:00:00:00:02"`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by a part of the MAC", rule(`mac = "52:54:00:*"`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by another MAC", rule(`mac = "52:54:00:00:00:03"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by UUID", rule(`uuid = "4c4c4544-0043-3010-8052-b4c04f4d3532"`), asks(lab2, x64, uuid("4c4c4544-0043-3010-8052-b4c04f4d3532")), "local", "shimx64.efi", "matches"},
		{"by another UUID", rule(`uuid = "4c4c4544-0043-3010-8052-b4c04f4d3532"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by architecture", rule(`arch = ["bios", "uefi-x64"]`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by another architecture", rule(`arch = "uefi-arm64"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by firmware", rule(`firmware = "uefi"`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by other firmware", rule(`firmware = "http"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by subnet", rule(`subnet = "10.77.2.0/24"`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by another subnet", rule(`subnet = "10.99.0.0/24"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by relay", rule(`relay = "10.77.2.1"`), asks(lab2, x64, relayedBy("10.77.2.1")), "local", "shimx64.efi", "matches"},
		{"by another relay", rule(`relay = "10.77.2.1"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},
		{"by circuit id", rule(`circuit_id = "0x00040001*"`), asks(lab2, x64, circuit("\x00\x04\x00\x01\x00\x07", "")), "local", "shimx64.efi", "matches"},
		{"by another circuit id", rule(`circuit_id = "ge-0/0/7"`), asks(lab2, x64, circuit("ge-0/0/8", "")), "menu", "shimx64.efi", "no rule matches"},
		{"by remote id", rule(`remote_id = "switch-7"`), asks(lab2, x64, circuit("", "switch-7")), "local", "shimx64.efi", "matches"},
		{"by another remote id", rule(`remote_id = "switch-7"`), asks(lab2, x64, circuit("switch-7", "")), "menu", "shimx64.efi", "no rule matches"},
		{"by vendor class", rule(`vendor_class = "PXEClient:Arch:00007*"`), asks(lab2, x64, classes("PXEClient:Arch:00007:UNDI:003016", "")), "local", "shimx64.efi", "matches"},
		{"by another vendor class", rule(`vendor_class = "HTTPClient*"`), asks(lab2, x64, classes("PXEClient:Arch:00007:UNDI:003016", "")), "menu", "shimx64.efi", "no rule matches"},
		{"by user class", rule(`user_class = "kiosk"`), asks(lab2, x64, classes("", "kiosk")), "local", "shimx64.efi", "matches"},
		{"by another user class", rule(`user_class = "kiosk"`), asks(lab2, x64, classes("", "kiosks")), "menu", "shimx64.efi", "no rule matches"},
		{"by everything at once", rule(`mac = "52:54:00:*", arch = "uefi-x64", subnet = "10.77.2.0/24"`), asks(lab2, x64), "local", "shimx64.efi", "matches"},
		{"by all but one", rule(`mac = "52:54:00:*", arch = "bios", subnet = "10.77.2.0/24"`), asks(lab2, x64), "menu", "shimx64.efi", "no rule matches"},

		{"an image for another processor becomes the menu", "[[rule]]\nboot = \"debian-12-arm64\"\n", asks(lab2, x64), "menu", "shimx64.efi",
			"image debian-12-arm64 is for arm64 processors and cannot run on uefi-x64: the menu instead"},
		{"an x64 image starts from 32-bit firmware", "[[rule]]\nboot = \"debian-12\"\n", asks(lab2, boots(model.ArchIA32, model.FirmwareUEFI)), "debian-12", "grubia32.efi", "matches: boots debian-12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newWorld(t, serverSite+tc.rules).Decide(noon, tc.request)
			if d.Target != tc.want || onlyFile(d.Boot) != tc.file || !hasReason(d, tc.because) {
				t.Errorf("target %q by %q\nwant %q by %q because %q\nreasons %+v", d.Target, onlyFile(d.Boot), tc.want, tc.file, tc.because, d.Reasons())
			}
			if (d.Answer == policy.Offer) != (tc.file != "") {
				t.Errorf("answer %s with boot program %q", d.Answer, tc.file)
			}
		})
	}
}

// rule is a [[rule]] that sends whom it matches to the local disk.
func rule(match string) string { return "[[rule]]\nmatch = {" + match + "}\nboot = \"local\"\n" }

func uuid(u model.UUID) func(*classify.Facts) { return func(f *classify.Facts) { f.UUID = u } }

func circuit(id, remote string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.CircuitID, f.RemoteID = id, remote }
}

func classes(vendor, user string) func(*classify.Facts) {
	return func(f *classify.Facts) { f.VendorClass, f.UserClass = vendor, user }
}

// TestReasonsSayWhere: every step names the line that it comes from.
func TestReasonsSayWhere(t *testing.T) {
	d := newWorld(t, serverSite+"[[rule]]\nname = \"front desk\"\nboot = \"local\"\n").Decide(noon, asks(lab2, boots(model.ArchX64, model.FirmwareUEFI), wants("10.77.2.55")))
	want := []policy.Reason{
		{Rule: "subnet", At: "hobnail.toml:4", Text: "our address on eth0 10.77.2.2 is in subnet 10.77.2.0/24, mode server"},
		{Rule: "front desk", At: "hobnail.toml:10", Text: "matches: boots local"},
		{Rule: "boot-program", At: "built-in", Text: "shimx64.efi starts with Secure Boot on or off, and DHCP never says which"},
		{Rule: "address", At: "RFC 2131 section 4.3.1", Text: "10.77.2.55 is what the machine asked for, and free"},
	}
	if diff := cmp.Diff(want, d.Reasons()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestImageThatIsGone: images can be removed while a rule still names one.
func TestImageThatIsGone(t *testing.T) {
	w := newWorld(t, serverSite+"[[rule]]\nboot = \"debian-12\"\n")
	w.Policy = policy.Compile(w.Policy.Config, nil, programs(everything[:]...))
	d := w.Decide(noon, asks(lab2, boots(model.ArchX64, model.FirmwareUEFI)))
	if d.Target != model.TargetMenu || !hasReason(d, "image debian-12 is not there: the menu instead") {
		t.Errorf("target %q: %+v", d.Target, d.Reasons())
	}
}

// TestScript: what a loader shows is decided by the same rules.
func TestScript(t *testing.T) {
	w := newWorld(t, serverSite+`
[[machine]]
name = "lab-01"
mac  = "52:54:00:00:00:01"
boot = "debian-12"
`)
	names := func(s policy.Script) (all []string) {
		for _, img := range s.Images {
			all = append(all, img.Name)
		}
		return all
	}
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		target  string
		machine string
		images  []string
	}{
		{"a machine that was heard", asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)), "debian-12", "lab-01", []string{"debian-12"}},
		{"a machine known by its MAC alone", &classify.Facts{MAC: lab1}, "debian-12", "lab-01", []string{"debian-12", "debian-12-arm64"}},
		{"a machine known by MAC and architecture", &classify.Facts{MAC: lab2, Arch: model.ArchARM64}, "menu", "", []string{"debian-12-arm64"}},
		{"nobody in particular", &classify.Facts{}, "menu", "", []string{"debian-12", "debian-12-arm64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := w.Script(tc.request)
			machine := ""
			if s.Machine != nil {
				machine = s.Machine.Name
			}
			if s.Target != tc.target || machine != tc.machine || len(s.Reasons) == 0 {
				t.Errorf("target %q, machine %q, reasons %+v; want %q, %q", s.Target, machine, s.Reasons, tc.target, tc.machine)
			}
			if diff := cmp.Diff(tc.images, names(s)); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWayToTheDisk: how loaders leave for a machine's own disk.
func TestWayToTheDisk(t *testing.T) {
	w := newWorld(t, serverSite+`
[boot]
local = "exit"
[[rule]]
match = { firmware = "bios" }
boot  = "local"
[[rule]]
match = { mac = "52:54:00:*" }
local = "disk"
`)
	other := model.MAC("00:11:22:33:44:55")
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    model.LocalWay
	}{
		{"by a rule that decides nothing else", asks(lab1, boots(model.ArchX64, model.FirmwareUEFI)), model.LocalDisk},
		{"by a rule behind the one that decides the target", asks(lab1, boots(model.ArchBIOS, model.FirmwareBIOS)), model.LocalDisk},
		{"known by its MAC alone", &classify.Facts{MAC: lab1}, model.LocalDisk},
		{"no rule matches", &classify.Facts{MAC: other}, model.LocalExit},
	} {
		if got := w.Script(tc.request).Local; got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if got := newWorld(t, serverSite).Script(&classify.Facts{MAC: lab1}).Local; got != model.LocalAuto {
		t.Errorf("nothing is said: %s", got)
	}
}
