package bcd

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is a GUID as it lies on disk: its first three groups little endian, the
// rest as written (RFC 9562 section 4 calls that Microsoft's order).
type GUID [16]byte

// order tells which octet of the text stands at which place.
var order = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// ParseGUID reads a GUID, in braces or not, in any case.
func ParseGUID(s string) (GUID, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	groups := strings.Split(bare, "-")
	b, err := hex.DecodeString(strings.Join(groups, ""))
	if err != nil || len(b) != 16 || len(bare) != 36 || len(groups) != 5 || len(groups[0]) != 8 || len(groups[4]) != 12 ||
		len(groups[1]) != 4 || len(groups[2]) != 4 || (len(s) != 36 && len(s) != 38) {
		return GUID{}, fmt.Errorf("parsing GUID %q: it is not of the form 12345678-1234-1234-1234-123456789abc", s)
	}
	var g GUID
	for i, from := range order {
		g[i] = b[from]
	}
	return g, nil
}

// String writes the GUID in braces, as keys and values of a store have it.
func (g GUID) String() string {
	var b [16]byte
	for i, from := range order {
		b[from] = g[i]
	}
	return fmt.Sprintf("{%x-%x-%x-%x-%x}", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// guid is a GUID of this package's own tables.
func guid(a uint32, b, c uint16, d [8]byte) GUID {
	g := GUID{byte(a), byte(a >> 8), byte(a >> 16), byte(a >> 24), byte(b), byte(b >> 8), byte(c), byte(c >> 8)}
	copy(g[8:], d[:])
	return g
}

// BootManager is {bootmgr}, an object that every store has under this name.
func BootManager() GUID {
	return guid(0x9dea862c, 0x5cdd, 0x4e70, [8]byte{0xac, 0xc1, 0xf3, 0x2b, 0x34, 0x4d, 0x47, 0x95})
}

// RAMDiskOptions is {ramdiskoptions}, whose name is as fixed.
func RAMDiskOptions() GUID {
	return guid(0xae5534e0, 0xa924, 0x466c, [8]byte{0xb8, 0x36, 0x75, 0x85, 0x39, 0xa3, 0xee, 0x3a})
}

// SetupLoader names the one system that a store of ours starts. Any GUID would
// do; this is what Windows' own setup media have.
func SetupLoader() GUID {
	return guid(0x7619dcc9, 0xfafe, 0x11d9, [8]byte{0xb4, 0x11, 0x00, 0x04, 0x76, 0xeb, 0xa2, 0x5f})
}
