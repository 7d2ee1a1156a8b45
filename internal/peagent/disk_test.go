package peagent

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	ssd := Disk{0, 500e9, "Samsung 980", "S64D", false}
	stick := Disk{1, 64e9, "Stick", "U1", true}
	hdd := Disk{2, 2000e9, "WDC", "W9", false}
	twin := Disk{3, 2000e9, "WDC", "w9 ", false}
	for _, tt := range []struct {
		name  string
		rule  DiskRule
		disks []Disk
		need  int64
		want  Disk
		err   string
	}{
		{"the first", DiskRule{By: "first"}, []Disk{ssd, stick, hdd}, 1, ssd, ""},
		{"the first is no stick", DiskRule{By: "first"}, []Disk{stick, hdd}, 1, hdd, ""},
		{"only a stick", DiskRule{By: "first"}, []Disk{stick}, 1, Disk{}, "no disk is the first that is not removable; there are: disk 1: 64.0 GB, Stick, serial U1, removable"},
		{"no disk", DiskRule{By: "first"}, nil, 1, Disk{}, "no disk is the first that is not removable; there are: none"},
		{"the first is too small: the next is not taken instead", DiskRule{By: "first"}, []Disk{ssd, hdd}, 600e9, Disk{}, "disk 0: 500.0 GB, Samsung 980, serial S64D: too small, 600.0 GB are needed"},
		{"by number", DiskRule{By: "number", Number: 2}, []Disk{ssd, stick, hdd}, 1, hdd, ""},
		{"by a number that is a stick's", DiskRule{By: "number", Number: 1}, []Disk{ssd, stick, hdd}, 1, Disk{}, "a removable disk is taken only by its serial"},
		{"by a number that is not there", DiskRule{By: "number", Number: 7}, []Disk{ssd}, 1, Disk{}, "no disk is number 7"},
		{"by serial", DiskRule{By: "serial", Serial: "w9"}, []Disk{ssd, stick, hdd}, 1, hdd, ""},
		{"by a stick's serial", DiskRule{By: "serial", Serial: "U1"}, []Disk{ssd, stick, hdd}, 1, stick, ""},
		{"by a serial that two have", DiskRule{By: "serial", Serial: "W9"}, []Disk{hdd, twin}, 1, Disk{}, "2 disks are the one with serial W9: disk 2"},
		{"by a serial that none has", DiskRule{By: "serial", Serial: "S64"}, []Disk{ssd}, 1, Disk{}, "no disk is the one with serial S64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.rule.Choose(tt.disks, tt.need)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	d := Disk{Number: 2, Size: 256 << 30}
	dism := Instructions{Way: WayDISM}
	setup := Instructions{Way: WaySetup, WIM: WIM{Size: 5 << 30}}
	for _, tt := range []struct {
		name string
		f    Firmware
		in   Instructions
		want []string
	}{
		{"UEFI", UEFI, dism, []string{"select disk 2", "clean", "convert gpt",
			"create partition efi size=300", `format quick fs=fat32 label="System"`, "assign letter=S",
			"create partition msr size=16",
			"create partition primary", `format quick fs=ntfs label="Windows"`, "assign letter=W", "exit"}},
		{"BIOS", BIOS, dism, []string{"select disk 2", "clean", "convert mbr",
			"create partition primary size=300", `format quick fs=ntfs label="System"`, "assign letter=S", "active",
			"create partition primary", `format quick fs=ntfs label="Windows"`, "assign letter=W", "exit"}},
		{"UEFI, with a partition for Setup to read", UEFI, setup, []string{"select disk 2", "clean", "convert gpt",
			"create partition efi size=300", `format quick fs=fat32 label="System"`, "assign letter=S",
			"create partition msr size=16",
			"create partition primary size=255684", `format quick fs=ntfs label="Windows"`, "assign letter=W",
			"create partition primary", `format quick fs=ntfs label="Hobnail"`, "assign letter=V", "exit"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.Join(tt.want, "\r\n")+"\r\n", script(d, tt.f, tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDescriptors(t *testing.T) {
	head := func(removable, bus byte, vendor, product, serial byte) []byte {
		return []byte{40, 0, 0, 0, 200, 0, 0, 0, 0, 0, removable, 0, vendor, 0, 0, 0, product, 0, 0, 0, 0, 0, 0, 0, serial, 0, 0, 0, bus, 0, 0, 0}
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want Disk
	}{
		{"NVMe", append(head(0, 17, 0, 32, 44), "Samsung 980\x00  S64D 1 \x00"...), Disk{Model: "Samsung 980", Serial: "S64D 1"}},
		{"USB", append(head(0, 7, 32, 36, 0), "WD \x00Disk\x00"...), Disk{Model: "WD Disk", Removable: true}},
		{"a card", head(1, 12, 0, 0, 0), Disk{Removable: true}},
		{"a place behind the end", head(0, 17, 0, 200, 32), Disk{}},
		{"a text without an end, and with an order for a screen", append(head(0, 17, 0, 32, 0), "a\x1b[2J"...), Disk{Model: "a?[2J"}},
		{"too short", make([]byte, 31), Disk{}},
	} {
		if got := ParseDescriptor(tt.b); got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
