package pxe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"
)

// TestOracleAgreesOnSubOptions: options 43 and 175 are built like the options
// area of DHCP, which another decoder reads too. Where both accept, both find
// the same.
func TestOracleAgreesOnSubOptions(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		for range rapid.IntRange(0, 8).Draw(t, "sub-options") {
			value := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
			b = append(b, rapid.Byte().Draw(t, "code"), byte(len(value)))
			b = append(b, value...)
		}
		b = b[:len(b)-rapid.IntRange(0, min(3, len(b))).Draw(t, "cut")]

		ours := dhcpv4.Options{}
		err := walk("test", b, func(code byte, value []byte) error {
			ours[code] = append(ours[code], value...)
			return nil
		})
		theirs := dhcpv4.Options{}
		if oracleErr := theirs.FromBytes(b); err != nil || oracleErr != nil {
			return
		}
		compared++
		if diff := cmp.Diff(theirs, ours, sameOptions); diff != "" {
			t.Errorf("sub-options (-oracle +ours):\n%s\n%x", diff, b)
		}
	})
	if compared == 0 {
		t.Error("nothing could be compared")
	}
}
