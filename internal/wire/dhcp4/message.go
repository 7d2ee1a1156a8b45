package dhcp4

import "strconv"

// MessageType is the value of option 53. 0 stands for a BOOTP message, which
// has no option 53.
type MessageType uint8

// Message types: RFC 2131, RFC 3203 (FORCERENEW) and RFC 4388 (leasequery).
// Types from 14 up travel over TCP only (RFC 6926, RFC 7724).
const (
	BOOTP           MessageType = 0
	Discover        MessageType = 1
	Offer           MessageType = 2
	Request         MessageType = 3
	Decline         MessageType = 4
	Ack             MessageType = 5
	Nak             MessageType = 6
	Release         MessageType = 7
	Inform          MessageType = 8
	ForceRenew      MessageType = 9
	LeaseQuery      MessageType = 10
	LeaseUnassigned MessageType = 11
	LeaseUnknown    MessageType = 12
	LeaseActive     MessageType = 13

	lastUDPType = LeaseActive
)

// String gives the name as logs show it, without DHCP before it: "DISCOVER".
func (m MessageType) String() string {
	switch m {
	case BOOTP:
		return "BOOTP"
	case Discover:
		return "DISCOVER"
	case Offer:
		return "OFFER"
	case Request:
		return "REQUEST"
	case Decline:
		return "DECLINE"
	case Ack:
		return "ACK"
	case Nak:
		return "NAK"
	case Release:
		return "RELEASE"
	case Inform:
		return "INFORM"
	case ForceRenew:
		return "FORCERENEW"
	case LeaseQuery:
		return "LEASEQUERY"
	case LeaseUnassigned:
		return "LEASEUNASSIGNED"
	case LeaseUnknown:
		return "LEASEUNKNOWN"
	case LeaseActive:
		return "LEASEACTIVE"
	}
	return "type " + strconv.Itoa(int(m))
}

// fromServer reports whether only servers send messages of this type.
func (m MessageType) fromServer() bool {
	switch m {
	case Offer, Ack, Nak, ForceRenew, LeaseUnassigned, LeaseUnknown, LeaseActive:
		return true
	}
	return false
}

// fits reports whether op may carry this type. BOOTP goes both ways.
func (m MessageType) fits(op uint8) bool {
	return m == BOOTP || m.fromServer() == (op == OpReply)
}
