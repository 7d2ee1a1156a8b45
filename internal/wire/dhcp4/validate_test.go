package dhcp4

import (
	"testing"

	"hobnail/internal/wire/wiretest"
)

func TestValidateOption(t *testing.T) {
	for _, tc := range []struct {
		name string
		code OptionCode
		data []byte
		want string // "" if legal
	}{
		{"a mask", OptSubnetMask, make([]byte, 4), ""},
		{"a broadcast address of 3 octets", OptBroadcastAddr, make([]byte, 3),
			"option 28 (broadcast-address): 3 octets, at least 4 needed"},
		{"a mask of 5 octets", OptSubnetMask, make([]byte, 5),
			"option 1 (subnet-mask): 5 octets, at most 4 allowed"},
		{"two routers", OptRouter, make([]byte, 8), ""},
		{"no router", OptRouter, nil, "option 3 (router): 0 octets, at least 4 needed"},
		{"time servers of 6 octets", OptNTP, make([]byte, 6), "option 42 (ntp): 6 octets, not a multiple of 4"},
		{"no mobile IP agent", 68, nil, ""},
		{"a mobile IP agent of 3 octets", 68, make([]byte, 3), "option 68 (option 68): 3 octets, not a multiple of 4"},
		{"a static route of 12 octets", 33, make([]byte, 12), "option 33 (option 33): 12 octets, not a multiple of 8"},
		{"an MTU of 2 octets", OptInterfaceMTU, make([]byte, 2), ""},
		{"an MTU of 4 octets", OptInterfaceMTU, make([]byte, 4), "option 26 (interface-mtu): 4 octets, at most 2 allowed"},
		{"no plateau table", 25, nil, "option 25 (option 25): 0 octets, at least 2 needed"},
		{"a plateau table of 3 octets", 25, make([]byte, 3), "option 25 (option 25): 3 octets, not a multiple of 2"},
		{"a TTL of any value", 23, []byte{200}, ""},
		{"a switch that is on", 19, []byte{1}, ""},
		{"a switch of value 2", 19, []byte{2}, "option 19 (option 19): value 2, must be 0 to 1"},
		{"overload 3", OptOverload, []byte{3}, ""},
		{"overload 4", OptOverload, []byte{4}, "option 52 (overload): value 4, must be 1 to 3"},
		{"message type 0", OptMessageType, []byte{0}, "option 53 (message-type): value 0, must be 1 to 9"},
		{"message type 9", OptMessageType, []byte{9}, ""},
		{"an empty boot file name", OptBootFileName, nil, "option 67 (boot-file-name): 0 octets, at least 1 needed"},
		{"an empty domain", OptDomainName, []byte{}, "option 15 (domain-name): 0 octets, at least 1 needed"},
		{"a long text", OptDomainName, make([]byte, 600), ""},
		{"a client identifier of 1 octet", OptClientID, []byte{1}, "option 61 (client-id): 1 octets, at least 2 needed"},
		{"a route of 4 octets", OptClasslessRoutes, make([]byte, 4), "option 121 (classless-routes): 4 octets, at least 5 needed"},
		{"a default route", OptClasslessRoutes, make([]byte, 5), ""},
		{"an empty option that EDK2 does not check", OptUserClass, nil, ""},
		{"a search list of any length", OptDomainSearch, make([]byte, 3), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if err := ValidateOption(tc.code, tc.data); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRealServersPass: replies that booted real machines must not be called
// illegal.
func TestRealServersPass(t *testing.T) {
	for _, name := range []string{
		"02-pixiecore-proxy-offer", "03-dnsmasq-offer", "05-dnsmasq-ack", "07-pixiecore-4011-ack",
		"11-relayed-type2", "13-relayed-type5",
	} {
		for _, o := range mustParse(t, wiretest.Packet(t, name)).Options {
			if err := ValidateOption(o.Code, o.Data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestValidateOptionTakesAnything(t *testing.T) {
	for code := range 256 {
		legal := 0
		for size := range 20 {
			if ValidateOption(OptionCode(code), repeat(size, 1)) == nil {
				legal++
			}
		}
		if legal == 0 {
			t.Errorf("option %d has no legal length", code)
		}
	}
}
