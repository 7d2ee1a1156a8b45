package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/wire/dhcp4"
)

// TestOptions: which options an answer has, and which of them are sent
// unasked: those with a "!".
func TestOptions(t *testing.T) {
	const site = `
[server]
options = { ntp-servers = "10.77.1.5", domain-name = "server.example", wpad = "server" }
[[subnet]]
cidr    = "10.77.2.0/24"
dhcp    = "server"
pool    = "10.77.2.50-10.77.2.59"
router  = "10.77.2.1"
ntp     = "10.77.2.5"
options = { wpad = "subnet", 224 = "subnet" }
[[subnet]]
cidr = "10.77.3.0/24"
dhcp = "server"
pool = "10.77.3.50-10.77.3.59"
[[subnet]]
cidr = "10.77.4.0/24"
dhcp = "proxy"
[[rule]]
match   = { vendor_class = "ArubaAP" }
options = { vendor-specific = "hex:0a4d0109", 224 = "first" }
[[rule]]
name    = "phones and access points"
match   = { vendor_class = ["Aruba*", "Cisco*"] }
options = { tftp-server-address = "10.77.1.9", 224 = "second", 225 = "second" }
[[rule]]
match   = { subnet = "10.77.3.0/24" }
options = { routers = "10.77.3.254" }
[[rule]]
match   = { firmware = "uefi" }
options = { bootfile-name = "other.efi", 226 = "uefi" }
[[machine]]
name    = "lab-02"
mac     = "52:54:00:00:00:02"
options = { 225 = "machine", routers = "10.77.2.254" }
`
	x64 := boots(model.ArchX64, model.FirmwareUEFI)
	for _, tc := range []struct {
		name    string
		request *classify.Facts
		want    string
	}{
		{"a plain machine gets its subnet's, over the server's", asks(lab1),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d0201 28=0a4d02ff 224=subnet"},
		{"in a subnet that says little it gets the server's", asks(lab1, relayedBy("10.77.3.1")),
			"42=0a4d0105 15=server.example 252=server 28=0a4d03ff 3=0a4d03fe!"},
		{"a rule gives its kind more, and of two rules the first counts", asks(lab1, classes("ArubaAP", "")),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d0201 28=0a4d02ff 224=first! 150=0a4d0109! 225=second! 43=0a4d0109!"},
		{"a machine's own count before a rule's", asks(lab2, classes("CiscoPhone", "")),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d02fe! 28=0a4d02ff 224=second! 150=0a4d0109! 225=machine!"},
		{"a boot client is not told another boot file", asks(lab1, x64),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d0201 28=0a4d02ff 224=subnet 226=uefi!"},
		{"an ACK has what the OFFER had", asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.55")),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d0201 28=0a4d02ff 224=subnet"},
		{"an INFORM gets them too", asks(lab1, message(dhcp4.Inform), unicast("10.77.2.99")),
			"42=0a4d0205 15=server.example 252=subnet 3=0a4d0201 28=0a4d02ff 224=subnet"},
		{"a NAK has none", asks(lab1, message(dhcp4.Request), fromServer("10.77.2.2"), wants("10.77.2.99")), ""},
		{"beside another DHCP server there are none", asks(lab1, x64, relayedBy("10.77.4.1")), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newWorld(t, site).Decide(noon, tc.request)
			var got []string
			for _, o := range d.Options {
				s := fmt.Sprintf("%d=%x", o.Code, o.Data)
				if o.Data[0] >= 'A' {
					s = fmt.Sprintf("%d=%s", o.Code, o.Data)
				}
				if o.Always {
					s += "!"
				}
				got = append(got, s)
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("%s with options\n%s, want\n%s", d.Answer, text, tc.want)
			}
		})
	}
}

// TestOptionsAreReasons: what a rule or a machine gave is said, with the line.
func TestOptionsAreReasons(t *testing.T) {
	w := newWorld(t, serverSite+"[[rule]]\nname = \"phones\"\nmatch = { vendor_class = \"Cisco*\" }\noptions = { tftp-server-address = \"10.77.1.9\", 225 = \"x\" }\n")
	d := w.Decide(noon, asks(lab1, classes("CiscoPhone", "")))
	want := policy.Reason{Rule: "phones", At: "hobnail.toml:10", Text: "matches: options tftp-server-address, 225"}
	if got := d.Reasons()[len(d.Reasons())-1]; got != want {
		t.Errorf("the last reason is %+v, want %+v", got, want)
	}
}
