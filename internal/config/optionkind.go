package config

import "slices"

// optionKind is the type of an option's value in the file.
type optionKind string

const (
	oneAddress   optionKind = "an address"
	manyAddrs    optionKind = "a list of addresses"
	addressPairs optionKind = `a list of pairs of addresses, "10.1.0.0 10.77.2.1"`
	oneText      optionKind = "a text"
	oneOctet     optionKind = "a number, 0 to 255"
	twoOctets    optionKind = "a number, 0 to 65535"
	manyNumbers  optionKind = "a list of numbers, 0 to 65535"
	fourOctets   optionKind = "a number, 0 to 4294967295"
	signed       optionKind = "a number, -2147483648 to 2147483647"
	onOrOff      optionKind = "true or false"
	manyRoutes   optionKind = `a list of routes, "10.1.0.0/16 via 10.77.2.1"`
	manyDomains  optionKind = "a list of domain names"
	anyOctets    optionKind = `octets, "hex:0102ff"`
)

// optionType is one option that can be given by name.
type optionType struct {
	code uint8
	name string
	kind optionKind
}

// optionTypes lists options with the names of IANA's registry and the types of
// RFC 2132 and the RFCs that it names there. How long each may be is in
// wire/dhcp4, ValidateOption.
func optionTypes() []optionType {
	return []optionType{
		{2, "time-offset", signed},
		{3, "routers", manyAddrs},
		{4, "time-servers", manyAddrs},
		{5, "name-servers", manyAddrs},
		{6, "domain-name-servers", manyAddrs},
		{7, "log-servers", manyAddrs},
		{8, "quotes-servers", manyAddrs},
		{9, "lpr-servers", manyAddrs},
		{10, "impress-servers", manyAddrs},
		{11, "rlp-servers", manyAddrs},
		{12, "host-name", oneText},
		{14, "merit-dump-file", oneText},
		{15, "domain-name", oneText},
		{16, "swap-server", oneAddress},
		{17, "root-path", oneText},
		{18, "extension-file", oneText},
		{19, "forward", onOrOff},
		{20, "source-routing", onOrOff},
		{21, "policy-filter", addressPairs},
		{22, "max-dg-assembly", twoOctets},
		{23, "default-ip-ttl", oneOctet},
		{24, "mtu-timeout", fourOctets},
		{25, "mtu-plateau", manyNumbers},
		{26, "mtu-interface", twoOctets},
		{27, "mtu-subnet", onOrOff},
		{28, "broadcast-address", oneAddress},
		{29, "mask-discovery", onOrOff},
		{30, "mask-supplier", onOrOff},
		{31, "router-discovery", onOrOff},
		{32, "router-request", oneAddress},
		{33, "static-routes", addressPairs},
		{34, "trailers", onOrOff},
		{35, "arp-timeout", fourOctets},
		{36, "ethernet", onOrOff},
		{37, "default-tcp-ttl", oneOctet},
		{38, "keepalive-time", fourOctets},
		{39, "keepalive-data", onOrOff},
		{40, "nis-domain", oneText},
		{41, "nis-servers", manyAddrs},
		{42, "ntp-servers", manyAddrs},
		{43, "vendor-specific", anyOctets},
		{44, "netbios-name-servers", manyAddrs},
		{45, "netbios-dist-servers", manyAddrs},
		{46, "netbios-node-type", oneOctet},
		{47, "netbios-scope", oneText},
		{48, "x-window-font", manyAddrs},
		{49, "x-window-manager", manyAddrs},
		{64, "nis-domain-name", oneText},
		{65, "nis-server-addresses", manyAddrs},
		{66, "tftp-server-name", oneText},
		{67, "bootfile-name", oneText},
		{68, "home-agents", manyAddrs},
		{69, "smtp-servers", manyAddrs},
		{70, "pop3-servers", manyAddrs},
		{71, "nntp-servers", manyAddrs},
		{72, "www-servers", manyAddrs},
		{73, "finger-servers", manyAddrs},
		{74, "irc-servers", manyAddrs},
		{75, "streettalk-servers", manyAddrs},
		{76, "stda-servers", manyAddrs},
		{100, "pcode", oneText},
		{101, "tcode", oneText},
		{108, "ipv6-only-preferred", fourOctets},
		{114, "captive-portal", oneText},
		{116, "auto-config", oneOctet},
		{119, "domain-search", manyDomains},
		{121, "classless-static-routes", manyRoutes},
		{138, "capwap-ac", manyAddrs},
		{150, "tftp-server-address", manyAddrs},
		{209, "configuration-file", oneText},
		{210, "path-prefix", oneText},
		{211, "reboot-time", fourOctets},
		{249, "ms-classless-static-routes", manyRoutes},
		{252, "wpad", oneText},
	}
}

// ownOption says why an option cannot be configured; "" for one that can.
func ownOption(code uint8) string {
	switch code {
	case 0, 255:
		return "it only lays out the message"
	case 1:
		return "it follows from cidr"
	case 51, 58, 59:
		return "it follows from lease"
	case 13:
		return "UEFI would take it for the size of its buffer"
	case 50, 52, 53, 54, 55, 56, 57, 60, 61, 82, 93, 94, 97, 118, 175:
		return "it belongs to the exchange itself"
	}
	return ""
}

// subnetKey is the key of [[subnet]] that gives an option; "" if none does.
func subnetKey(code uint8) string {
	switch code {
	case 3:
		return "router"
	case 6:
		return "dns"
	case 15:
		return "domain"
	case 42:
		return "ntp"
	}
	return ""
}

// joined reports whether clients of an option join its parts (RFC 3396
// section 4): only such an option may be longer than 255 octets.
func joined(code uint8) bool { return slices.Contains([]uint8{119, 121, 249}, code) }
