package bootscript

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUBootScript compares the script with what "mkimage -A arm64 -T script -C
// none -n hobnail" of u-boot-tools makes of the same commands, its time being
// 0 (SOURCE_DATE_EPOCH).
func TestUBootScript(t *testing.T) {
	const want = "2705195680a1c4f4000000000000004a00000000000000006b28ba0c05160600686f626e61696c00000000000000000000000000000000000000000000000000"
	got := hex.EncodeToString(UBoot()[:ubootHeader])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-mkimage +ours):\n%s", diff)
	}
	data := string(UBoot()[ubootHeader:])
	if diff := cmp.Diff("\x00\x00\x00\x42\x00\x00\x00\x00"+ubootCommands, data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}
