package dhcp4

import "fmt"

// ValidateOption reports why EDK2 would drop a whole packet for this option:
// its DHCP driver checks a table of legal lengths (Dhcp4Option.c
// DhcpOptionFormats, DhcpOptionIsValid; seen with OVMF 2022.11 for options 28
// and 42 of 3 octets). Options that the table lacks are always legal. Data is
// the joined value where an option is split.
//
// Whatever an operator configures and whatever a reply holds must pass.
func ValidateOption(code OptionCode, data []byte) error {
	l := lengthOf(code)
	n := len(data)
	switch {
	case n < l.least:
		return fmt.Errorf("option %d (%v): %d octets, at least %d needed", uint8(code), code, n, l.least)
	case l.most > 0 && n > l.most:
		return fmt.Errorf("option %d (%v): %d octets, at most %d allowed", uint8(code), code, n, l.most)
	case l.unit > 1 && n%l.unit != 0:
		return fmt.Errorf("option %d (%v): %d octets, not a multiple of %d", uint8(code), code, n, l.unit)
	case l.lastValue > 0 && (data[0] < l.firstValue || data[0] > l.lastValue):
		return fmt.Errorf("option %d (%v): value %d, must be %d to %d",
			uint8(code), code, data[0], l.firstValue, l.lastValue)
	}
	return nil
}

// length is a row of EDK2's table, in octets. Zero fields do not restrict.
type length struct {
	least, most, unit     int
	firstValue, lastValue uint8 // of an option of one octet; unchecked if lastValue is 0
}

// lengthOf is EDK2's table.
func lengthOf(code OptionCode) length {
	switch code {
	case 1, 2, 16, 24, 28, 32, 35, 38, 50, 51, 54, 58, 59: // one address or number
		return length{least: 4, most: 4}
	case 3, 4, 5, 6, 7, 8, 9, 10, 11, 41, 42, 44, 45, 48, 49, 65, 69, 70, 71, 72, 73, 74, 75, 76: // addresses
		return length{least: 4, unit: 4}
	case 68: // addresses, or none
		return length{unit: 4}
	case 21, 33: // pairs of addresses
		return length{least: 8, unit: 8}
	case 13, 22, 26, 57:
		return length{least: 2, most: 2}
	case 25:
		return length{least: 2, unit: 2}
	case 23, 37, 46:
		return length{least: 1, most: 1}
	case 19, 20, 27, 29, 30, 31, 34, 36, 39: // switches
		return length{least: 1, most: 1, lastValue: 1}
	case OptOverload:
		return length{least: 1, most: 1, firstValue: 1, lastValue: 3}
	case OptMessageType:
		return length{least: 1, most: 1, firstValue: 1, lastValue: 9}
	case 12, 14, 15, 17, 18, 40, 43, 47, 55, 56, 60, 64, 66, 67: // texts and lists
		return length{least: 1}
	case OptClientID:
		return length{least: 2}
	case OptClasslessRoutes:
		return length{least: 5}
	}
	return length{}
}
