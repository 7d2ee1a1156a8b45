package dhcp4

import "strconv"

// OptionCode is the code of an option (IANA, "BOOTP Vendor Extensions and
// DHCP Options").
type OptionCode uint8

// Options that hobnail reads or writes.
const (
	OptPad                OptionCode = 0
	OptSubnetMask         OptionCode = 1
	OptRouter             OptionCode = 3
	OptDNS                OptionCode = 6
	OptHostName           OptionCode = 12
	OptBootFileSize       OptionCode = 13 // never sent: EDK2 sizes its buffer by it
	OptDomainName         OptionCode = 15
	OptRootPath           OptionCode = 17
	OptInterfaceMTU       OptionCode = 26
	OptBroadcastAddr      OptionCode = 28
	OptNTP                OptionCode = 42
	OptVendorSpecific     OptionCode = 43 // PXE sub-options, see package pxe
	OptRequestedAddr      OptionCode = 50
	OptLeaseTime          OptionCode = 51 // seconds
	OptOverload           OptionCode = 52
	OptMessageType        OptionCode = 53
	OptServerID           OptionCode = 54
	OptParameterList      OptionCode = 55 // codes that the client asks for
	OptMessage            OptionCode = 56 // text of NAK and DECLINE
	OptMaxMessageSize     OptionCode = 57 // octets; OVMF sends 65280
	OptRenewalTime        OptionCode = 58 // T1, seconds
	OptRebindingTime      OptionCode = 59 // T2, seconds
	OptVendorClass        OptionCode = 60 // "PXEClient…", "HTTPClient…"
	OptClientID           OptionCode = 61
	OptTFTPServerName     OptionCode = 66
	OptBootFileName       OptionCode = 67
	OptUserClass          OptionCode = 77 // RFC 3004; "iPXE"
	OptClientFQDN         OptionCode = 81 // RFC 4702
	OptRelayInfo          OptionCode = 82 // RFC 3046
	OptArch               OptionCode = 93 // RFC 4578 section 2.1
	OptNetworkInterface   OptionCode = 94 // RFC 4578 section 2.2: UNDI version
	OptMachineID          OptionCode = 97 // RFC 4578 section 2.3: UUID
	OptSubnetSelection    OptionCode = 118
	OptDomainSearch       OptionCode = 119
	OptClasslessRoutes    OptionCode = 121
	OptVendorIdentifying  OptionCode = 125
	OptTFTPServerAddr     OptionCode = 150 // RFC 5859
	OptIPXE               OptionCode = 175 // encapsulated, see package pxe
	OptPXELINUXMagic      OptionCode = 208 // RFC 5071
	OptPXELINUXConfigFile OptionCode = 209
	OptPXELINUXPathPrefix OptionCode = 210
	OptPXELINUXRebootTime OptionCode = 211 // seconds
	OptWDS                OptionCode = 250 // WDSNBP, encapsulated
	OptBCDPath            OptionCode = 252 // Windows boot manager
	OptEnd                OptionCode = 255
)

// optionNames is indexed by code; it is never written.
var optionNames = [256]string{
	OptPad:                "pad",
	OptSubnetMask:         "subnet-mask",
	OptRouter:             "router",
	OptDNS:                "dns",
	OptHostName:           "host-name",
	OptBootFileSize:       "boot-file-size",
	OptDomainName:         "domain-name",
	OptRootPath:           "root-path",
	OptInterfaceMTU:       "interface-mtu",
	OptBroadcastAddr:      "broadcast-address",
	OptNTP:                "ntp",
	OptVendorSpecific:     "vendor-specific",
	OptRequestedAddr:      "requested-address",
	OptLeaseTime:          "lease-time",
	OptOverload:           "overload",
	OptMessageType:        "message-type",
	OptServerID:           "server-id",
	OptParameterList:      "parameter-list",
	OptMessage:            "message",
	OptMaxMessageSize:     "max-message-size",
	OptRenewalTime:        "renewal-time",
	OptRebindingTime:      "rebinding-time",
	OptVendorClass:        "vendor-class",
	OptClientID:           "client-id",
	OptTFTPServerName:     "tftp-server-name",
	OptBootFileName:       "boot-file-name",
	OptUserClass:          "user-class",
	OptClientFQDN:         "client-fqdn",
	OptRelayInfo:          "relay-info",
	OptArch:               "architecture",
	OptNetworkInterface:   "network-interface",
	OptMachineID:          "machine-id",
	OptSubnetSelection:    "subnet-selection",
	OptDomainSearch:       "domain-search",
	OptClasslessRoutes:    "classless-routes",
	OptVendorIdentifying:  "vendor-identifying",
	OptTFTPServerAddr:     "tftp-server-address",
	OptIPXE:               "ipxe",
	OptPXELINUXMagic:      "pxelinux-magic",
	OptPXELINUXConfigFile: "pxelinux-config-file",
	OptPXELINUXPathPrefix: "pxelinux-path-prefix",
	OptPXELINUXRebootTime: "pxelinux-reboot-time",
	OptWDS:                "wds",
	OptBCDPath:            "bcd-path",
	OptEnd:                "end",
}

// String gives the name as people write it, "router"; "option 200" for a
// code without one here.
func (c OptionCode) String() string {
	if name := optionNames[c]; name != "" {
		return name
	}
	return "option " + strconv.Itoa(int(c))
}
