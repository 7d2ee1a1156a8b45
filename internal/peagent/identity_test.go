package peagent

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/model"
)

// smbios is what Windows gives of a table of these structures.
func smbios(structures ...string) []byte {
	table := strings.Join(structures, "")
	raw := binary.LittleEndian.AppendUint32([]byte{0, 3, 0, 0}, uint32(len(table)))
	return append(raw, table...)
}

// Structures as a board of Dell's has them: BIOS, System, end of the table. The
// UUID stands in the order of the table.
const (
	smbiosBIOS   = "\x00\x12\x00\x00\x01\x02\x00\xf0\x03\xff\x00\x00\x00\x00\x00\x00\x00\x00Dell Inc.\x001.30.0\x0001/01/2024\x00\x00"
	smbiosSystem = "\x01\x1b\x00\x01\x01\x02\x00\x03\x44\x45\x4c\x4c\x43\x00\x10\x30\x80\x52\xb4\xc0\x4f\x4d\x35\x32\x06\x00\x00Dell Inc.\x00OptiPlex 7090\x00 C0RMM52 \x00\x00"
	smbiosEmpty  = "\x20\x04\x00\x02\x00\x00"
	smbiosEnd    = "\x7f\x04\x00\x03\x00\x00"
)

func TestParseSMBIOS(t *testing.T) {
	dell := Identity{UUID: "4c4c4544-0043-3010-8052-b4c04f4d3532", Serial: "C0RMM52"}
	junk := strings.Replace(smbiosSystem, "\x44\x45\x4c\x4c\x43\x00\x10\x30\x80\x52\xb4\xc0\x4f\x4d\x35\x32", strings.Repeat("\xff", 16), 1)
	for _, tt := range []struct {
		name string
		raw  []byte
		want Identity
	}{
		{"a board's", smbios(smbiosBIOS, smbiosSystem, smbiosEnd), dell},
		{"behind a structure without texts", smbios(smbiosEmpty, smbiosSystem), dell},
		{"a UUID of all ones, which is none", smbios(junk, smbiosEnd), Identity{Serial: "C0RMM52"}},
		{"SMBIOS 2.0, without a UUID", smbios("\x01\x08\x00\x01\x00\x00\x00\x01A1\x00\x00"), Identity{Serial: "A1"}},
		{"a number of a text that is not there", smbios("\x01\x08\x00\x01\x00\x00\x00\x09A1\x00\x00"), Identity{}},
		{"no system", smbios(smbiosBIOS, smbiosEnd), Identity{}},
		{"a structure longer than the table", smbios("\x01\xff\x00\x01"), Identity{}},
		{"a structure shorter than its header", smbios("\x00\x00\x00\x01" + smbiosSystem), Identity{}},
		{"nothing", nil, Identity{}},
	} {
		if diff := cmp.Diff(tt.want, ParseSMBIOS(tt.raw)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func FuzzParseSMBIOS(f *testing.F) {
	f.Add(smbios(smbiosBIOS, smbiosSystem, smbiosEnd))
	f.Add(smbios(smbiosEmpty, smbiosSystem)[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		before := slices.Clone(b)
		if id := ParseSMBIOS(b); id.UUID != "" && id.UUID.Junk() || len(id.Serial) > len(b) || !slices.Equal(before, b) {
			t.Errorf("%+v", id)
		}
	})
}

func TestDiffers(t *testing.T) {
	const one, other = model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3532"), model.UUID("4c4c4544-0043-3010-8052-b4c04f4d3533")
	a, b := []model.MAC{"52:54:00:00:00:01"}, []model.MAC{"52:54:00:00:00:02"}
	both := []model.MAC{"52:54:00:00:00:02", "52:54:00:00:00:01"}
	for _, tt := range []struct {
		name       string
		want, have Identity
		why        string
	}{
		{"nothing is said of it", Identity{}, Identity{UUID: one, MACs: a}, ""},
		{"the UUID", Identity{UUID: one}, Identity{UUID: one}, ""},
		{"the UUID in the other byte order", Identity{UUID: one}, Identity{UUID: one.Swapped()}, ""},
		{"the UUID, in another dock", Identity{UUID: one, MACs: a}, Identity{UUID: one, MACs: b}, ""},
		{"another UUID in the same dock", Identity{UUID: one, MACs: a}, Identity{UUID: other, MACs: a}, "its UUID is " + string(other) + ", and the order is for " + string(one)},
		{"one of its cards", Identity{MACs: a}, Identity{UUID: one, MACs: both}, ""},
		{"none of its cards", Identity{MACs: a}, Identity{UUID: one, MACs: b}, "its network cards are [52:54:00:00:00:02], and the order is for [52:54:00:00:00:01]"},
		{"a board without a UUID, by its card", Identity{UUID: one, MACs: a}, Identity{MACs: both}, ""},
		{"the serial number", Identity{Serial: "A1"}, Identity{UUID: one, Serial: "A1"}, ""},
		{"another serial number", Identity{Serial: "A1"}, Identity{UUID: one, Serial: "A2"}, "its serial number is A2, and the order is for A1"},
		{"nothing to know it by", Identity{UUID: one}, Identity{}, "it tells nothing of itself to know it by"},
		{"nothing that both have", Identity{UUID: one}, Identity{MACs: a}, "it tells nothing of itself to know it by"},
	} {
		if got := tt.want.Differs(tt.have); got != tt.why {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.why)
		}
	}
}
