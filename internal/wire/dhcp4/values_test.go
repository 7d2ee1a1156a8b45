package dhcp4

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hobnail/internal/wire/wiretest"
)

func TestParseAddrs(t *testing.T) {
	got, err := ParseAddrs([]byte{10, 0, 0, 1, 10, 0, 0, 2})
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	if diff := cmp.Diff(want, got, samePacket); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	for _, n := range []int{0, 1, 3, 5} {
		if got, err := ParseAddrs(make([]byte, n)); err == nil {
			t.Errorf("%d octets give %v, want an error", n, got)
		}
	}
}

func TestParseArchs(t *testing.T) {
	got, err := ParseArchs([]byte{0, 7, 0, 16})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint16{7, 16}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	for _, n := range []int{0, 1, 3} {
		if got, err := ParseArchs(make([]byte, n)); err == nil {
			t.Errorf("%d octets give %v, want an error", n, got)
		}
	}
}

func TestParseMachineID(t *testing.T) {
	intel := mustParse(t, wiretest.Packet(t, "01-intel-bios-discover"))
	value, _ := intel.Options.Get(OptMachineID)
	got, err := ParseMachineID(value)
	if err != nil {
		t.Fatal(err)
	}
	want := [16]byte{0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9}
	if got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	for name, in := range map[string][]byte{
		"nothing":               nil,
		"a UUID without type":   make([]byte, 16),
		"an octet too many":     make([]byte, 18),
		"a type other than 0":   append([]byte{1}, make([]byte, 16)...),
		"a type without a UUID": {0},
	} {
		if got, err := ParseMachineID(in); err == nil {
			t.Errorf("%s gives %x, want an error", name, got)
		}
	}
}
