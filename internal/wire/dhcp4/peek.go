package dhcp4

// PeekType gives the message type of a datagram that nobody has parsed yet, to
// sort what waits: BOOTP (0) where it finds none. It allocates nothing and
// believes nothing.
func PeekType(b []byte) MessageType {
	for at := headerLen; at+2 < len(b); {
		switch OptionCode(b[at]) {
		case OptPad:
			at++
		case OptEnd:
			return BOOTP
		case OptMessageType:
			return MessageType(b[at+2])
		default:
			at += 2 + int(b[at+1])
		}
	}
	return BOOTP
}
