package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ParseAddrs reads a list of one or more IPv4 addresses, as options 3, 6 and
// 42 hold it.
func ParseAddrs(data []byte) ([]netip.Addr, error) {
	if len(data) == 0 || len(data)%4 != 0 {
		return nil, fmt.Errorf("read addresses: %d octets are not a list of IPv4 addresses", len(data))
	}
	addrs := make([]netip.Addr, 0, len(data)/4)
	for ; len(data) > 0; data = data[4:] {
		addrs = append(addrs, netip.AddrFrom4([4]byte(data)))
	}
	return addrs, nil
}

// ParseArchs reads option 93: one or more architecture codes of two octets,
// the client's preferred one first (RFC 4578 section 2.1).
func ParseArchs(data []byte) ([]uint16, error) {
	if len(data) == 0 || len(data)%2 != 0 {
		return nil, fmt.Errorf("read option 93: %d octets are not a list of architecture codes", len(data))
	}
	codes := make([]uint16, 0, len(data)/2)
	for ; len(data) > 0; data = data[2:] {
		codes = append(codes, binary.BigEndian.Uint16(data))
	}
	return codes, nil
}

// ParseMachineID reads option 97: type 0 and a UUID of 16 octets in the order
// in which firmware sends it (RFC 4578 section 2.3).
func ParseMachineID(data []byte) ([16]byte, error) {
	if len(data) != 17 {
		return [16]byte{}, fmt.Errorf("read option 97: %d octets, a UUID needs 17", len(data))
	}
	if data[0] != 0 {
		return [16]byte{}, fmt.Errorf("read option 97: identifier of type %d is not a UUID", data[0])
	}
	return [16]byte(data[1:]), nil
}
