package netio

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestLocal: our address for a packet is the one it was sent to, wherever that
// is configured.
func TestLocal(t *testing.T) {
	eth0 := Interface{Name: "eth0", Prefixes: []netip.Prefix{
		netip.MustParsePrefix("10.77.2.2/24"), netip.MustParsePrefix("192.168.1.4/16"),
	}}
	for _, tc := range []struct{ name, dst, want string }{
		{"the first address", "10.77.2.2", "10.77.2.2/24"},
		{"the second address", "192.168.1.4", "192.168.1.4/16"},
		{"everybody", "255.255.255.255", "10.77.2.2/24"},
		{"everybody on the first network", "10.77.2.255", "10.77.2.2/24"},
		{"everybody on the second network", "192.168.255.255", "10.77.2.2/24"},
		{"everybody, the old way", "10.77.2.0", "10.77.2.2/24"},
		{"a group", "224.0.0.1", "10.77.2.2/24"},
		{"nobody", "0.0.0.0", "10.77.2.2/24"},
		{"another interface's address", "10.99.0.1", "10.99.0.1/32"},
		{"an address of ours within the network that is another interface's", "10.77.2.3", "10.77.2.3/32"},
	} {
		if got := eth0.Local(netip.MustParseAddr(tc.dst)).String(); got != tc.want {
			t.Errorf("%s: a packet to %s is for %s, want %s", tc.name, tc.dst, got, tc.want)
		}
	}
	if got := eth0.Local(netip.Addr{}); got != eth0.Prefixes[0] {
		t.Errorf("a packet to nowhere known is for %s", got)
	}
	if got := (Interface{}).Local(netip.MustParseAddr("255.255.255.255")); got.IsValid() {
		t.Errorf("an interface without addresses has %s", got)
	}
}

// TestDirectory runs on the loopback interface, which every machine has.
func TestDirectory(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d, err := NewDirectory([]string{"lo"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	all := d.All()
	if len(all) != 1 || all[0].Name != "lo" || !all[0].Loopback || all[0].MTU == 0 {
		t.Fatalf("the interfaces are %+v, want lo", all)
	}
	lo := all[0]
	if !slices.Contains(d.Addresses(), netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("our addresses are %v, without 127.0.0.1", d.Addresses())
	}
	if got, ok := d.Lookup(lo.Index); !ok || got.Name != "lo" {
		t.Errorf("interface %d is %+v, there %v", lo.Index, got, ok)
	}
	if got, ok := d.Lookup(1 << 30); ok {
		t.Errorf("an interface that is not there is %+v", got)
	}

	// What was read is forgotten and found again when it is old, when the
	// clock was set back, and when an index is not known.
	for _, tc := range []struct {
		name  string
		later time.Duration
		found bool
	}{
		{"at once", 0, false},
		{"after half a second", 500 * time.Millisecond, false},
		{"after two seconds", 2 * time.Second, true},
		{"after the clock was set back", -time.Hour, true},
	} {
		d.byIndex, d.read = map[int]Interface{}, now
		clock := now.Add(tc.later)
		d.clock = func() time.Time { return clock }
		if _, ok := d.Lookup(lo.Index); ok != tc.found {
			t.Errorf("%s: found %v, want %v", tc.name, ok, tc.found)
		}
	}
	stale := Interface{Name: "gone", Index: 1 << 30}
	d.byIndex, d.read = map[int]Interface{stale.Index: stale}, now
	d.clock = func() time.Time { return now.Add(directoryAge + time.Second) }
	if _, ok := d.Lookup(stale.Index); ok {
		t.Error("an interface that went away is still there after ten seconds")
	}
}

func TestDirectoryWithoutNamesLeavesLoopbackOut(t *testing.T) {
	d, err := NewDirectory(nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range d.All() {
		if i.Loopback || len(i.Prefixes) == 0 {
			t.Errorf("%+v is served", i)
		}
	}
}

func TestDirectoryWantsWhatIsNamed(t *testing.T) {
	_, err := NewDirectory([]string{"lo", "nonesuch0"}, time.Now)
	if want := "interface nonesuch0 is not there, not up, or has no IPv4 address"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}
