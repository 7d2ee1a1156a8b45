// Package pxe reads and writes what boot firmware packs into DHCP options:
// the sub-options of option 43 (PXE 2.1 specification, section 2.1), the
// class strings of option 60, iPXE's option 175 and the user class of option
// 77. It knows nothing of sockets and decides nothing.
package pxe

import "fmt"

// Codes that end and fill option 43 and option 175.
const (
	codePad = 0
	codeEnd = 255
)

// walk calls f for every code-length-value in data until a 255 or the end;
// the 255 may be missing (EDK2 accepts that too). option names the container
// in errors.
func walk(option string, data []byte, f func(code byte, value []byte) error) error {
	for at := 0; at < len(data); {
		code := data[at]
		if code == codeEnd {
			return nil
		}
		if code == codePad {
			at++
			continue
		}
		if at+1 >= len(data) {
			return fmt.Errorf("read %s: sub-option %d has no length", option, code)
		}
		next := at + 2 + int(data[at+1])
		if next > len(data) {
			return fmt.Errorf("read %s: sub-option %d runs past the end", option, code)
		}
		if err := f(code, data[at+2:next:next]); err != nil {
			return fmt.Errorf("read %s: sub-option %d: %v", option, code, err)
		}
		at = next
	}
	return nil
}
