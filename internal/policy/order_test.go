package policy_test

import (
	"slices"
	"strings"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// says is a registry that says the same of every machine.
type says policy.Known

func (s says) Known(*classify.Facts, *model.Machine) policy.Known { return policy.Known(s) }

// TestOrders: what a person ordered for a machine comes before its own target
// and before every rule; an order that has come to its end means the local
// disk, however the machine is configured.
func TestOrders(t *testing.T) {
	const named = `
[[machine]]
name = "lab-01"
mac  = "52:54:00:00:00:01"
boot = "debian-12"
`
	const denying = "[[rule]]\nboot = \"deny\"\n"
	registered := &model.Machine{Name: "lab-02", MACs: []model.MAC{lab2}, Boot: "local", Source: "hobnail machines"}
	install := policy.Order{State: policy.OrderInstall, Image: "debian-12", Why: "an install is armed"}
	over := policy.Order{State: policy.OrderOver, Why: "it was installed"}
	x64, arm := boots(model.ArchX64, model.FirmwareUEFI), boots(model.ArchARM64, model.FirmwareUEFI)
	for _, tc := range []struct {
		name    string
		config  string
		known   policy.Known
		request *classify.Facts
		target  string
		install bool
		over    bool
		because string
	}{
		{"an order installs a machine that nobody configured", "", policy.Known{Order: install}, asks(lab2, x64), "debian-12", true, false, "an install is armed"},
		{"an order comes before the machine's own target", strings.Replace(named, "debian-12", "local", 1), policy.Known{Order: install}, asks(lab1, x64), "debian-12", true, false, "an install is armed"},
		{"an order comes before rules", denying, policy.Known{Order: install}, asks(lab2, x64), "debian-12", true, false, "an install is armed"},
		{"a rule still chooses the boot program", "[[rule]]\nloader = \"ipxe\"\n", policy.Known{Order: install}, asks(lab2, x64), "debian-12", true, false, "matches: boot program ipxe"},
		{"after the end the machine's own disk starts, whatever its target is", named, policy.Known{Order: over}, asks(lab1, x64), "local", false, true, "it was installed"},
		{"an order for an image that is gone installs nothing", "", policy.Known{Order: policy.Order{State: policy.OrderInstall, Image: "plan-9", Why: "an install is armed"}}, asks(lab2, x64), "local", false, false, "image plan-9 is not there: the local disk"},
		{"an order for another processor installs nothing", "", policy.Known{Order: install}, asks(lab2, arm), "local", false, false, "is for x64 processors and cannot run on uefi-arm64: the local disk"},
		{"a machine of the registry has its target", "", policy.Known{Machine: registered}, asks(lab2, x64), "local", false, false, "machine lab-02 boots local"},
		{"a configured machine comes before one of the registry", named, policy.Known{Machine: registered}, asks(lab1, x64), "debian-12", false, false, "machine lab-01 boots debian-12"},
		{"a denied machine gets no answer", "", policy.Known{Denied: true}, asks(lab2, x64), "deny", false, false, "somebody denied this machine"},
		{"a stranger waits", "[boot]\nunknown = \"approve\"\n", policy.Known{}, asks(lab2, x64), "approve", false, false, "no rule matches: approve"},
		{"a note is a reason", "", policy.Known{Notes: []string{"two machines use this address"}}, asks(lab2, x64), "menu", false, false, "two machines use this address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, serverSite+tc.config)
			v := w.View
			v.Registry = says(tc.known)
			s := v.Script(tc.request)
			said := slices.ContainsFunc(s.Reasons, func(r policy.Reason) bool { return strings.Contains(r.Text, tc.because) })
			if s.Target != tc.target || s.Install != tc.install || s.Over != tc.over || !said {
				t.Errorf("target %s, install %v, over %v, reasons %v; want %s, %v, %v, %q", s.Target, s.Install, s.Over, s.Reasons, tc.target, tc.install, tc.over, tc.because)
			}
		})
	}
}
