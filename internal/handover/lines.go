package handover

import (
	"fmt"
	"strings"
)

// Lines says for a DHCP server of any make what one kind of client is to be
// told, option by option, where no room is for a whole snippet.
func (b Boot) Lines() []string {
	codes := make([]string, len(b.Codes))
	for i, c := range b.Codes {
		codes[i] = fmt.Sprint(c)
	}
	lines := []string{fmt.Sprintf("where option 93 is %s (%s)", strings.Join(codes, " or "), b.Arch)}
	if b.Next.IsValid() {
		lines = append(lines, fmt.Sprintf("next server (siaddr) and option 66 %s", b.Next))
	}
	lines = append(lines, "boot file (file) and option 67 "+b.File)
	if b.Client == ClientHTTP {
		return append(lines, "option 60 HTTPClient")
	}
	// With PXEClient alone firmware asks that server's port 4011 (EDK2,
	// PxeBcDhcp4.c).
	return append(lines, "no option 60 and no option 43")
}
