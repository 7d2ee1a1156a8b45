package record_test

import (
	"net/netip"
	"testing"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/wire/dhcp4"
)

// TestAHobnailThatAsksIsNoMachine: in mode auto it asks the site's servers
// itself, as a machine behind a relay with its own address.
func TestAHobnailThatAsksIsNoMachine(t *testing.T) {
	relay := netip.MustParseAddr("10.77.1.2")
	f := classify.Facts{Message: dhcp4.Discover, MAC: model.ProbeMAC(relay), Relay: relay, Class: classify.ClassPXE}
	if _, _, ok := record.Request(time.Now(), &f); ok {
		t.Error("hobnail's own question is a step of a boot")
	}
	f.Relay = netip.MustParseAddr("10.77.1.3")
	if _, _, ok := record.Request(time.Now(), &f); !ok {
		t.Error("a machine whose MAC address looks like it is none")
	}
}
