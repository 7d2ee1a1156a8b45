package classify

import (
	"fmt"
	"net/netip"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/wire/dhcp4"
	"hobnail/internal/wire/pxe"
)

// Ingress says where a packet arrived.
type Ingress struct {
	Interface string       // name, for people
	IfIndex   int          // as the kernel counts interfaces; 0 in simulations
	Local     netip.Addr   // our address on that interface: what replies come from
	Prefix    netip.Prefix // the link's network, of Local
	Dst       netip.Addr   // where the packet was sent: ours, or a broadcast address
	Src       netip.AddrPort
	Port      uint16 // our port: 67 or 4011
}

// Class is the boot protocol a client asked for in option 60.
type Class string

// Classes. A client without one wants an address and nothing else.
const (
	ClassNone Class = ""
	ClassPXE  Class = "PXEClient"
	ClassHTTP Class = "HTTPClient"
	// ClassUBoot is U-Boot's own DHCP client: no PXE class, but an
	// architecture in option 93, and it boots what `file` names.
	ClassUBoot Class = "U-Boot"
)

// Stage is how far a machine has come: which program is asking.
type Stage string

// Stages.
const (
	StageFirmware Stage = "firmware" // the PXE ROM, UEFI or U-Boot
	StageIPXE     Stage = "ipxe"     // iPXE, as a ROM or after it was served
	StageOS       Stage = "os"       // an operating system or an appliance: no boot data
)

// Facts is what one DHCP request says about a machine. Text that the client
// chose (VendorClass, UserClass, Hostname, CircuitID, RemoteID) is untrusted
// and may hold any octet.
type Facts struct {
	Ingress   Ingress
	Message   dhcp4.MessageType // 0: BOOTP without option 53
	Xid       uint32
	Secs      uint16
	Broadcast bool

	MAC      model.MAC  // empty when the hardware is not Ethernet with six octets
	HWType   uint8      // htype, 1 Ethernet
	HWAddr   string     // chaddr in hexadecimal digits where it is no MAC; empty if it names nobody
	ClientID string     // option 61 in hexadecimal digits; empty if not sent
	UUID     model.UUID // empty if absent or one that many boards share
	Hostname string

	CIAddr       netip.Addr    // the address the client says it has; zero value if none
	Requested    netip.Addr    // option 50; zero value if absent
	LeaseWish    time.Duration // option 51; 0 if absent
	ServerID     netip.Addr    // option 54; zero value if absent
	Relay        netip.Addr    // giaddr; zero value if not relayed
	LinkSelect   netip.Addr    // option 82.5 (RFC 3527), from a relay; zero value if absent
	SubnetSelect netip.Addr    // option 118 (RFC 3011), from who has giaddr; zero value if absent
	CircuitID    string        // option 82.1
	RemoteID     string        // option 82.2
	BadRelayInfo bool          // option 82 is malformed: echoed, not used
	Override     netip.Addr    // option 82.11 (RFC 5107): what the relay wants as server id
	RelayPort    bool          // option 82.19 (RFC 8357): replies go to the request's source port
	DeclineText  string        // option 56 of a DECLINE

	Class       Class
	Stage       Stage
	VendorClass string
	UserClass   string
	Archs       []model.ArchCode // option 93 in the client's order; from option 60 if 93 is absent
	Arch        model.Arch       // the first of Archs that exists
	ArchName    string           // as the registry names it
	Firmware    model.Firmware
	IPXE        pxe.IPXE      // what option 175 says; zero value outside iPXE
	Item        *pxe.BootItem // 43.71, the chosen boot server type; nil if not sent
	Quirks      []Quirk       // what this client is known to do differently
}

// Boots reports whether the request is a network boot client's.
func (f *Facts) Boots() bool { return f.Class != ClassNone }

// Relayed reports whether a relay agent sent the request on.
func (f *Facts) Relayed() bool { return f.Relay.IsValid() }

// Key is what a lease is kept under: one machine keeps one address although
// firmware, iPXE and the operating system send three different client ids, so
// the hardware address counts. Hardware that does not boot here has the key of
// RFC 2131 section 4.2: option 61, which InfiniBand has to send (RFC 4390),
// else type and address of the hardware.
func (f *Facts) Key() model.MAC {
	switch {
	case f.MAC != "":
		return f.MAC
	case f.ClientID != "":
		return model.MAC("id-" + f.ClientID)
	case f.HWAddr != "":
		return model.MAC(fmt.Sprintf("hw-%d-%s", f.HWType, f.HWAddr))
	}
	return ""
}

// Who names the machine for people: its MAC, or what it has instead.
func (f *Facts) Who() string {
	switch {
	case f.MAC != "":
		return string(f.MAC)
	case f.ClientID != "":
		return "client id " + f.ClientID
	case f.HWAddr != "":
		return fmt.Sprintf("hardware type %d address %s", f.HWType, f.HWAddr)
	}
	return fmt.Sprintf("hardware type %d without an address", f.HWType)
}
