package bootscript

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUBootScript compares the script with what "mkimage -A arm64 -T script -C
// none -n hobnail" of u-boot-tools makes of the same commands, its time being
// 0 (SOURCE_DATE_EPOCH).
func TestUBootScript(t *testing.T) {
	const want = "2705195690015812000000000000004f00000000000000006329863a05160600686f626e61696c00000000000000000000000000000000000000000000000000"
	got := hex.EncodeToString(UBoot()[:ubootHeader])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-mkimage +ours):\n%s", diff)
	}
	data := string(UBoot()[ubootHeader:])
	if diff := cmp.Diff("\x00\x00\x00\x47\x00\x00\x00\x00"+ubootCommands, data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// TestUBootScriptQuotesNothing: an apostrophe in a message made the script a
// "syntax error" for U-Boot's shell, and the machine went on without a menu.
func TestUBootScriptQuotesNothing(t *testing.T) {
	if i := strings.IndexAny(ubootCommands, "'\"`$\\"); i >= 0 {
		t.Errorf("the script has %q at octet %d, which U-Boot's shell takes for a quotation", ubootCommands[i], i)
	}
}
