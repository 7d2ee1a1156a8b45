// Package dhcp4 turns DHCPv4 datagrams into structs and back (RFC 2131,
// options of RFC 2132). It keeps the order of options, because relays, boot
// ROMs and switches care about it. It never decides whether or how to answer.
//
// The layout of a message, RFC 2131 section 2, offsets in octets:
//
//	  0  op | htype | hlen | hops
//	  4  xid
//	  8  secs | flags
//	 12  ciaddr
//	 16  yiaddr
//	 20  siaddr
//	 24  giaddr
//	 28  chaddr (16)
//	 44  sname  (64)
//	108  file   (128)
//	236  cookie 63 82 53 63
//	240  options: code, length, data …; code 0 is padding, 255 the end
package dhcp4

// Offsets and sizes of the fixed header, in octets.
const (
	offOp     = 0
	offHType  = 1
	offHLen   = 2
	offHops   = 3
	offXid    = 4
	offSecs   = 8
	offFlags  = 10
	offCIAddr = 12
	offYIAddr = 16
	offSIAddr = 20
	offGIAddr = 24
	offCHAddr = 28
	offSName  = 44
	offFile   = 108
	offCookie = 236

	headerLen = 240 // up to the first option

	// minLen is the least a message may measure: BOOTP's fixed size, below
	// which some relays and ROMs discard it (RFC 1542 section 2.1).
	minLen = 300

	// maxHLen is the room that chaddr has.
	maxHLen = 16

	// maxOptions bounds the work that one datagram can cause. The longest
	// request of real firmware has 14 options; no code space is larger.
	maxOptions = 256
)

// cookie marks the options area as DHCP's (RFC 2131 section 3).
const cookie = 0x63825363

// Values of Packet.Op.
const (
	OpRequest = 1 // from a client
	OpReply   = 2 // from a server
)

// FlagBroadcast in Packet.Flags asks for replies by broadcast (RFC 2131
// section 2, figure 2).
const FlagBroadcast = 0x8000

// HTypeEthernet is the hardware type of Ethernet in Packet.HType.
const HTypeEthernet = 1

// Ports of DHCP and of PXE's boot service (PXE 2.1 section 2.2).
const (
	ServerPort = 67
	ClientPort = 68
	BootPort   = 4011
)
