package sim_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/sim"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/wiretest"
)

// TestEveryArchitectureCanBeDescribed: and is recognised for what it was
// described as.
func TestEveryArchitectureCanBeDescribed(t *testing.T) {
	for _, a := range model.Archs() {
		for _, http := range []bool{false, true} {
			for _, stage := range []classify.Stage{"", classify.StageFirmware, classify.StageIPXE} {
				m := sim.Machine{Arch: a, HTTP: http, Stage: stage, MAC: "52:54:00:12:34:56", UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532"}
				p, err := m.Discover()
				if err != nil {
					if _, ok := model.CodeFor(a, model.FirmwareHTTP); http && !ok {
						continue
					}
					t.Errorf("%+v: %v", m, err)
					continue
				}
				f := classify.DHCP(p, classify.Ingress{Port: 67})
				if stage == "" {
					stage = classify.StageFirmware
				}
				if f.Arch != a || f.Stage != stage || (f.Class == classify.ClassHTTP) != http || f.MAC != m.MAC || f.UUID != m.UUID {
					t.Errorf("%+v is taken for %s, stage %s, class %s, MAC %s, UUID %s", m, f.Arch, f.Stage, f.Class, f.MAC, f.UUID)
				}
				if stage == classify.StageIPXE && !policy.SpeaksHTTP(&f) {
					t.Errorf("%+v knows no HTTP", m)
				}
			}
		}
	}
}

func TestDescribedMachines(t *testing.T) {
	for _, tc := range []struct {
		name    string
		machine sim.Machine
		holds   func(classify.Facts) bool
	}{
		{"any MAC", sim.Machine{Arch: model.ArchX64}, func(f classify.Facts) bool { return f.MAC == sim.AnyMAC && f.UUID == "" && !f.Relayed() }},
		{"an operating system", sim.Machine{Stage: classify.StageOS}, func(f classify.Facts) bool { return !f.Boots() && f.Stage == classify.StageOS }},
		{"behind a relay", sim.Machine{Arch: model.ArchX64, Relay: netip.MustParseAddr("10.77.2.1"), CircuitID: "ge-0/0/7", RemoteID: "r7"},
			func(f classify.Facts) bool {
				return f.Relay.String() == "10.77.2.1" && f.CircuitID == "ge-0/0/7" && f.RemoteID == "r7" && !f.BadRelayInfo
			}},
		{"other classes", sim.Machine{Arch: model.ArchX64, VendorClass: "PXEClient:Arch:00007:x", UserClass: "kiosk"},
			func(f classify.Facts) bool {
				return f.VendorClass == "PXEClient:Arch:00007:x" && f.UserClass == "kiosk"
			}},
		{"iPXE with another user class, still known by option 175", sim.Machine{Arch: model.ArchX64, Stage: classify.StageIPXE, UserClass: "kiosk"},
			func(f classify.Facts) bool { return f.UserClass == "kiosk" && f.Stage == classify.StageIPXE }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := tc.machine.Discover()
			if err != nil {
				t.Fatal(err)
			}
			if f := classify.DHCP(p, classify.Ingress{Port: 67}); !tc.holds(f) {
				t.Errorf("taken for %+v", f)
			}
			if _, err := p.Append(nil); err != nil {
				t.Errorf("it could not be sent: %v", err)
			}
		})
	}
}

func TestWhatCannotBeDescribed(t *testing.T) {
	for want, m := range map[string]sim.Machine{
		`describing a machine: "x" is not a MAC address`:                              {Arch: model.ArchX64, MAC: "x"},
		"describing a machine: no firmware is known that boots s390 by http":          {Arch: model.ArchS390, HTTP: true},
		"describing a machine: no firmware is known that boots uefi-sunway64 by http": {Arch: model.ArchSunway64, HTTP: true},
	} {
		if _, err := m.Discover(); err == nil || err.Error() != want {
			t.Errorf("%+v: error %v, want %q", m, err, want)
		}
	}
}

// TestReadPacket: raw or in digits, and only a client's.
func TestParsePacket(t *testing.T) {
	raw := wiretest.Packet(t, "30-ovmf-x64-pxe-discover")
	upper := strings.ToUpper(hex.EncodeToString(raw))
	for _, tc := range []struct {
		name    string
		content string
		err     string // at its end; "" for none
	}{
		{"raw octets", string(raw), ""},
		{"digits with remarks", "# OVMF\n# UDP payload\n" + hex.EncodeToString(raw[:100]) + "\n" + hex.EncodeToString(raw[100:]) + "\n", ""},
		{"digits with spaces and Windows' line ends", upper[:4] + " " + upper[4:] + "\r\n", ""},
		{"a server's packet", string(wiretest.Packet(t, "03-dnsmasq-offer")), "it is a server's reply; a machine's request is wanted"},
		{"another protocol's", string(wiretest.Packet(t, "42-ipxe-tftp-rrq")), "not a DHCPv4 message: parse DHCP message: datagram shorter than header and cookie at octet 43"},
		{"nothing", "", "not a DHCPv4 message: parse DHCP message: datagram shorter than header and cookie at octet 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := sim.ParsePacket("box.hex", []byte(tc.content))
			switch {
			case tc.err == "" && (err != nil || p.Xid != 0x4a14f4ae || p.Type() != dhcp4.Discover):
				t.Errorf("read as %+v, error %v", p, err)
			case tc.err != "" && (err == nil || err.Error() != "reading a packet from box.hex: "+tc.err):
				t.Errorf("error %v, want one that ends with %q", err, tc.err)
			}
		})
	}
}

// TestAssumptions: what a server takes from its interfaces has to be assumed
// here, and is said.
func TestAssumptions(t *testing.T) {
	const firstTaken = `
[[subnet]]
cidr   = "10.77.2.0/24"
dhcp   = "server"
pool   = "10.77.2.1-10.77.2.9"
router = "10.77.2.10"
`
	for _, tc := range []struct {
		name   string
		toml   string
		at     sim.Place
		relay  string
		server string
		says   string // the first reason, "" if nothing was assumed
	}{
		{"a server address that was given", networks, sim.Place{Server: serverS}, "", "10.99.0.1", ""},
		{"a server address that is configured", "[server]\naddress = \"192.0.2.9\"\n", sim.Place{}, "", "192.0.2.9", ""},
		{"the first subnet's link", networks, sim.Place{}, "", "10.99.0.1", "no relay is given: the machine is taken to be on the link of 10.99.0.0/24, where we have 10.99.0.1"},
		{"an address there that is nobody's", firstTaken, sim.Place{}, "", "10.77.2.11", "no relay is given: the machine is taken to be on the link of 10.77.2.0/24, where we have 10.77.2.11"},
		{"nothing to go by", "", sim.Place{}, "", "192.0.2.1", "the server's address is not known here: 192.0.2.1 stands for it"},
		{"behind a relay", networks, sim.Place{}, "10.99.0.254", "192.0.2.1", "the server's address is not known here: 192.0.2.1 stands for it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := sim.Machine{Arch: model.ArchX64}
			if tc.relay != "" {
				m.Relay = netip.MustParseAddr(tc.relay)
			}
			p, err := m.Discover()
			if err != nil {
				t.Fatal(err)
			}
			trace, err := sim.Run(newView(t, tc.toml), p, tc.at, noon)
			if err != nil {
				t.Fatal(err)
			}
			assumed := ""
			if trace.Reasons[0].Rule == "simulate" {
				assumed = trace.Reasons[0].Text
			}
			if trace.NextServer != tc.server || assumed != tc.says {
				t.Errorf("next server %s, assumed %q; want %s, %q", trace.NextServer, assumed, tc.server, tc.says)
			}
		})
	}
}

// TestRunLeavesTheViewAlone: the caller's list of addresses is not written to.
func TestRunLeavesTheViewAlone(t *testing.T) {
	own := append(make([]netip.Addr, 0, 4), serverP)
	v := newView(t, networks)
	v.Own = own
	p, err := sim.Machine{Arch: model.ArchX64}.Discover()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(v, p, sim.Place{Server: serverS}, noon); err != nil {
		t.Fatal(err)
	}
	if spare := own[:2][1]; spare.IsValid() {
		t.Errorf("the caller's list has %s behind its end", spare)
	}
}

// TestMissingInTrace: what a person has to do is in the outcome.
func TestMissingInTrace(t *testing.T) {
	p, err := sim.Machine{Arch: model.ArchRISCV64}.Discover()
	if err != nil {
		t.Fatal(err)
	}
	trace, err := sim.Run(newView(t, networks+"[[rule]]\nloader = \"my.efi\"\n"), p, sim.Place{Server: serverS}, noon)
	if err != nil {
		t.Fatal(err)
	}
	m := trace.Missing
	if trace.Answer != "ignore" || m == nil || m.Arch != "uefi-riscv64" || m.Folder != "/srv/nbp/uefi-riscv64" || len(m.Files) != 1 || m.Files[0] != "my.efi" ||
		m.Text != "no boot program for uefi-riscv64: put my.efi into /srv/nbp/uefi-riscv64" {
		t.Errorf("answer %s, missing %+v", trace.Answer, m)
	}
}
