package dhcp4

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRelayInfo(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []byte
		want RelayInfo
	}{
		{"nothing", nil, RelayInfo{}},
		{"circuit and remote", []byte("\x01\x03p12\x02\x06\x00\x11\x22\x33\x44\x55"),
			RelayInfo{CircuitID: []byte("p12"), RemoteID: []byte("\x00\x11\x22\x33\x44\x55")}},
		{"an empty circuit", []byte{1, 0}, RelayInfo{CircuitID: []byte{}}},
		{"link selection and server override", []byte{5, 4, 10, 1, 2, 0, 11, 4, 10, 1, 2, 1},
			RelayInfo{LinkSelection: netip.MustParseAddr("10.1.2.0"), ServerOverride: netip.MustParseAddr("10.1.2.1")}},
		{"a message that came by unicast", []byte{10, 1, 0x80}, RelayInfo{Unicast: true}},
		{"a message that came by broadcast", []byte{10, 1, 0x7f}, RelayInfo{}},
		{"flags of two octets", []byte{10, 2, 0x80, 0}, RelayInfo{Unicast: true}},
		{"a relay with its own port", []byte{19, 0}, RelayInfo{RelayPort: true}},
		{"a VRF and a subscriber", []byte("\x97\x04\x00red\x06\x02ab"),
			RelayInfo{VSS: []byte("\x00red"), SubscriberID: []byte("ab")}},
		{"unknown sub-options, repeated", []byte{200, 1, 1, 200, 1, 2, 1, 1, 'x'}, RelayInfo{CircuitID: []byte("x")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseRelayInfo(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRelayInfoRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []byte
		want string
	}{
		{"a code as last octet", []byte{1, 1, 'x', 2}, "read option 82: sub-option 2 has no length"},
		{"a sub-option past the end", []byte{1, 32, 'a', 'b'}, "read option 82: sub-option 1 runs past the end"},
		{"a link of 3 octets", []byte{5, 3, 10, 1, 2}, "read option 82: sub-option 5 has 3 octets, not 4"},
		{"a link of 16 octets", append([]byte{5, 16}, make([]byte, 16)...), "read option 82: sub-option 5 has 16 octets, not 4"},
		{"flags of no octets", []byte{10, 0}, "read option 82: sub-option 10 has 0 octets, not 1"},
		{"a relay port with a value", []byte{19, 2, 0, 67}, "read option 82: sub-option 19 has 2 octets, not 0"},
		{"two circuits", []byte{1, 1, 'x', 1, 1, 'y'}, "read option 82: sub-option 1 twice"},
		{"a good sub-option before a bad one", []byte{1, 1, 'x', 5, 9}, "read option 82: sub-option 5 runs past the end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseRelayInfo(tc.in)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if diff := cmp.Diff(RelayInfo{}, got, samePacket); diff != "" {
				t.Errorf("info beside an error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMalformedRelayInfoCanStillBeEchoed: the raw value outlives the error.
func TestMalformedRelayInfoCanStillBeEchoed(t *testing.T) {
	raw := []byte{1, 32, 'a', 'b'}
	p := mustParse(t, datagram(append(append([]byte{53, 1, 1, 82, 4}, raw...), 255)...))
	got, ok := p.Options.Get(OptRelayInfo)
	if diff := cmp.Diff(raw, got); diff != "" || !ok {
		t.Errorf("option 82, present %v (-want +got):\n%s", ok, diff)
	}
}

func TestRelayInfoWithout(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want string
	}{
		{"what is not there is not missed", "\x01\x03p12\x02\x01r", "\x01\x03p12\x02\x01r"},
		{"first, middle and last", "\x05\x04\x0a\x00\x00\x01\x01\x03p12\x13\x00\x02\x01r\x0b\x04\x0a\x00\x00\x01", "\x01\x03p12\x02\x01r"},
		{"nothing is left", "\x13\x00", ""},
		{"nothing", "", ""},
		{"what runs past the end is left out", "\x01\x03p12\x02\x09r", "\x01\x03p12"},
	} {
		got := RelayInfoWithout([]byte(tc.in), RelayLinkSelection, RelayServerOverride, RelaySourcePort)
		if string(got) != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
