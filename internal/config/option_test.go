package config

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"hobnail/internal/wire/dhcp4"
)

// TestOptions: what stands in the file, and its octets on the wire.
func TestOptions(t *testing.T) {
	for _, tc := range []struct {
		line string
		code uint8
		want string // hexadecimal
	}{
		{`ntp-servers = "10.77.1.5"`, 42, "0a4d0105"},
		{`ntp-servers = ["10.77.1.5", "10.77.1.6"]`, 42, "0a4d01050a4d0106"},
		{`broadcast-address = "255.255.255.255"`, 28, "ffffffff"},
		{`host-name = "lab-01"`, 12, "6c61622d3031"},
		{`wpad = "http://10.77.1.5/wpad.dat"`, 252, "687474703a2f2f31302e37372e312e352f777061642e646174"},
		{`default-ip-ttl = 64`, 23, "40"},
		{`mtu-interface = 1_400`, 26, "0578"},
		{`mtu-plateau = [68, 1500]`, 25, "004405dc"},
		{`arp-timeout = 0x10e10`, 35, "00010e10"},
		{`time-offset = -3600`, 2, "fffff1f0"},
		{`forward = true`, 19, "01"},
		{`trailers = false`, 34, "00"},
		{`static-routes = ["10.1.0.0 10.77.2.1", "10.2.0.0 10.77.2.3"]`, 33, "0a0100000a4d02010a0200000a4d0203"},
		{`classless-static-routes = ["0.0.0.0/0 via 10.77.2.1", "10.1.128.0/17 via 10.77.2.3"]`, 121, "000a4d0201110a01800a4d0203"},
		{`ms-classless-static-routes = "10.1.2.3/32 via 10.77.2.1"`, 249, "200a0102030a4d0201"},
		{`domain-search = ["lab.example", "example."]`, 119, "036c6162076578616d706c6500076578616d706c6500"},
		{`vendor-specific = "hex:f1 04 0a:4d:01:05"`, 43, "f1040a4d0105"},
		{`42 = "10.77.1.5"`, 42, "0a4d0105"},
		{`ntp-servers = "hex:0a4d0105"`, 42, "0a4d0105"},
		{`128 = "hex:0102"`, 128, "0102"},
		{`128 = "any text"`, 128, "616e792074657874"},
		{`"150" = "10.77.1.5"`, 150, "0a4d0105"},
	} {
		cfg := mustParse(t, "hobnail.toml", "[server]\nshare = '1/1'\n[server.options]\n"+tc.line+"\n")
		got := cfg.Server.Options
		if len(got) != 1 || got[0].Code != tc.code || hex.EncodeToString(got[0].Data) != tc.want {
			t.Errorf("%s gives %+v, want option %d %s", tc.line, got, tc.code, tc.want)
		}
	}
}

// TestOptionFaults: each fault says what is wrong and what is allowed.
func TestOptionFaults(t *testing.T) {
	long := strings.Repeat(`"10.77.1.5", `, 64)
	for _, tc := range []struct{ line, want string }{
		{`ntp-server = "10.77.1.5"`, `5:1: there is no option "ntp-server"; allowed are names such as ntp-servers and numbers 2 to 254; did you mean ntp-servers?`},
		{`256 = "hex:01"`, `5:1: there is no option "256"; allowed are names such as ntp-servers and numbers 2 to 254`},
		{`1 = "255.255.255.0"`, `5:1: option 1 cannot be configured: it follows from cidr`},
		{`51 = 3600`, `5:1: option 51 cannot be configured: it follows from lease`},
		{`13 = 7`, `5:1: option 13 cannot be configured: UEFI would take it for the size of its buffer`},
		{`60 = "PXEClient"`, `5:1: option 60 cannot be configured: it belongs to the exchange itself`},
		{`255 = "hex:01"`, `5:1: option 255 cannot be configured: it only lays out the message`},
		{`routers = "10.77.2.1"`, `5:1: option routers has a key of its own; write it as router = "10.77.2.1"`},
		{`ntp-servers = "10.77.1.5"`, `5:1: option ntp-servers has a key of its own; write it as ntp = ["10.77.1.2"]`},
		{"time-servers = \"10.77.1.5\"\n4 = \"10.77.1.5\"", `6:1: option 4 is already given on line 5; give it once`},
		{`time-servers = "boot1"`, `5:16: option time-servers "boot1" is not an IPv4 address; write it as 10.77.2.1`},
		{`time-servers = ["10.77.1.5", 7]`, `5:30: option time-servers is a number; allowed is a list of addresses`},
		{`time-servers = []`, `5:16: option time-servers is empty; leave it out`},
		{`time-servers = [` + long + `]`, `5:16: option time-servers has 256 octets; allowed are 255`},
		{`swap-server = ["10.77.1.5"]`, `5:15: option swap-server is a list; allowed is an address`},
		{`mtu-interface = 65536`, `5:17: option mtu-interface is 65536; allowed is a number, 0 to 65535`},
		{`mtu-interface = "1400"`, `5:17: option mtu-interface is text; allowed is a number, 0 to 65535`},
		{`mtu-interface = "hex:01"`, `5:17: option mtu-interface is not as UEFI takes it: option 26 (interface-mtu): 1 octets, at least 2 needed`},
		{`forward = "yes"`, `5:11: option forward is text; allowed is true or false`},
		{`forward = "hex:02"`, `5:11: option forward is not as UEFI takes it: option 19 (option 19): value 2, must be 0 to 1`},
		{`root-path = ""`, `5:13: option root-path is empty; leave it out`},
		{`root-path = "a\nb"`, `5:13: option root-path has control characters; allowed is one line of printable text`},
		{`vendor-specific = "\u0001"`, `5:19: option vendor-specific is text; allowed is octets, "hex:0102ff"`},
		{`128 = "hex:012"`, `5:7: option 128 is not hexadecimal; write whole octets as in "hex:0102ff"`},
		{`128 = 7`, `5:7: option 128 is a number; allowed are a text and octets, "hex:0102ff"`},
		{`static-routes = "10.1.0.0"`, `5:17: option static-routes "10.1.0.0" is not a pair of IPv4 addresses; write it as 10.1.0.0 10.77.2.1`},
		{`classless-static-routes = "10.1.0.0/16"`, `5:27: option classless-static-routes "10.1.0.0/16" is not a route; write it as 10.1.0.0/16 via 10.77.2.1`},
		{`domain-search = "a..b"`, `5:17: option domain-search "a..b" is not a domain name; write it as example.net`},
	} {
		_, faults := Parse("hobnail.toml", []byte("[[subnet]]\ncidr = '10.77.2.0/24'\n\n[subnet.options]\n"+tc.line+"\n"))
		if len(faults) != 1 || faults[0].String() != "hobnail.toml:"+tc.want {
			t.Errorf("%s\ngives %v\nwant  hobnail.toml:%s", tc.line, faults, tc.want)
		}
	}
	_, faults := Parse("hobnail.toml", []byte("[[rule]]\noptions = {}\n"))
	if want := "hobnail.toml:2:11: options is empty; leave it out"; len(faults) != 1 || faults[0].String() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
	_, faults = Parse("hobnail.toml", []byte("[server]\noptions = 7\n"))
	if want := `hobnail.toml:2:11: options is a number (7); write it as options = { ntp-servers = ["10.77.1.5"] }`; len(faults) != 1 || faults[0].String() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
}

// TestOptionTypes: no two options have one name or number, and a value of each
// one's type is of a length that UEFI takes.
func TestOptionTypes(t *testing.T) {
	sample := map[optionKind]string{
		oneAddress: `"10.77.1.5"`, manyAddrs: `["10.77.1.5", "10.77.1.6"]`, addressPairs: `"10.1.0.0 10.77.2.1"`,
		oneText: `"x"`, oneOctet: "1", twoOctets: "600", manyNumbers: "[68, 1500]", fourOctets: "7", signed: "-7",
		onOrOff: "true", manyRoutes: `"0.0.0.0/0 via 10.77.2.1"`, manyDomains: `"lab.example"`, anyOctets: `"hex:01"`,
	}
	names, codes := map[string]bool{}, map[uint8]bool{}
	for _, o := range optionTypes() {
		if names[o.name] || codes[o.code] || ownOption(o.code) != "" {
			t.Errorf("option %d %s is there twice or not to be configured", o.code, o.name)
		}
		names[o.name], codes[o.code] = true, true
		cfg, faults := Parse("hobnail.toml", fmt.Appendf(nil, "[server]\noptions = { %s = %s }\n", o.name, sample[o.kind]))
		if len(faults) > 0 {
			t.Errorf("%s = %s: %v", o.name, sample[o.kind], faults)
			continue
		}
		got := cfg.Server.Options[0]
		if err := dhcp4.ValidateOption(dhcp4.OptionCode(got.Code), got.Data); err != nil || got.Code != o.code {
			t.Errorf("%s gives option %d % x: %v", o.name, got.Code, got.Data, err)
		}
	}
}

// TestManualHasEveryOption wants the manual's table of options to be the
// code's.
func TestManualHasEveryOption(t *testing.T) {
	part := chapter(t, read(t, "../../docs/configuration.md"), "## Options")
	for _, o := range optionTypes() {
		row := ""
		for _, line := range strings.Split(part, "\n") {
			if strings.HasPrefix(line, "| "+string(o.kind)) {
				row = line
			}
		}
		if want := fmt.Sprintf("`%s` (%d)", o.name, o.code); !strings.Contains(row, want) {
			t.Errorf("the manual does not name %s among those that are %s", want, o.kind)
		}
	}
}
