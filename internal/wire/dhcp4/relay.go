package dhcp4

import (
	"fmt"
	"net/netip"
	"slices"
)

// Sub-options of option 82 that a relay sets or leaves out.
const (
	RelayLinkSelection  = 5  // RFC 3527
	RelayServerOverride = 11 // RFC 5107
	RelaySourcePort     = 19 // RFC 8357
)

// Sub-options of option 82 that are only read.
const (
	relayCircuitID    = 1   // RFC 3046 section 3.1
	relayRemoteID     = 2   // RFC 3046 section 3.2
	relaySubscriberID = 6   // RFC 3993
	relayFlags        = 10  // RFC 5010
	relayVSS          = 151 // RFC 6607
)

// RelayInfo is what option 82 says in the sub-options that hobnail knows. An
// answer echoes the option's own octets, not this.
type RelayInfo struct {
	CircuitID    []byte // switch port or VLAN, in the relay's own format; nil if absent
	RemoteID     []byte // the relay, in its own format; nil if absent
	SubscriberID []byte // nil if absent

	// LinkSelection is an address on the client's link where that is not
	// giaddr's. It chooses the subnet; replies still go to giaddr. Invalid
	// if absent.
	LinkSelection netip.Addr

	// ServerOverride is the address that the relay wants as server
	// identifier (option 54). Invalid if absent.
	ServerOverride netip.Addr

	// VSS is type and name of a VPN or VRF; nil if absent.
	VSS []byte

	Unicast   bool // the client sent its message by unicast (RFC 5010 section 3)
	RelayPort bool // replies go to the request's source port instead of 67
}

// ParseRelayInfo reads the value of option 82. Unknown sub-options are passed
// over. An error means that nothing of it may be used: a sub-option that runs
// past the end, one of wrong length, or a known one twice. The slices are
// into data.
func ParseRelayInfo(data []byte) (RelayInfo, error) {
	var info RelayInfo
	var seen [256]bool
	for at := 0; at < len(data); {
		if at+1 >= len(data) {
			return RelayInfo{}, fmt.Errorf("read option 82: sub-option %d has no length", data[at])
		}
		code, next := data[at], at+2+int(data[at+1])
		if next > len(data) {
			return RelayInfo{}, fmt.Errorf("read option 82: sub-option %d runs past the end", code)
		}
		known, err := info.set(code, data[at+2:next:next])
		if err != nil {
			return RelayInfo{}, err
		}
		if known && seen[code] {
			return RelayInfo{}, fmt.Errorf("read option 82: sub-option %d twice", code)
		}
		seen[code] = true
		at = next
	}
	return info, nil
}

// set stores one sub-option; known is false for one that hobnail does not
// use.
func (r *RelayInfo) set(code byte, value []byte) (known bool, err error) {
	want := -1
	switch code {
	case relayCircuitID:
		r.CircuitID = value
	case relayRemoteID:
		r.RemoteID = value
	case relaySubscriberID:
		r.SubscriberID = value
	case relayVSS:
		r.VSS = value
	case RelayLinkSelection:
		want = 4
		r.LinkSelection, _ = netip.AddrFromSlice(value)
	case RelayServerOverride:
		want = 4
		r.ServerOverride, _ = netip.AddrFromSlice(value)
	case relayFlags:
		want = max(1, len(value)) // RFC 5010 section 5: of a longer one the first octet counts
		r.Unicast = len(value) > 0 && value[0]&0x80 != 0
	case RelaySourcePort:
		want = 0
		r.RelayPort = true
	default:
		return false, nil
	}
	if want >= 0 && len(value) != want {
		return true, fmt.Errorf("read option 82: sub-option %d has %d octets, not %d", code, len(value), want)
	}
	return true, nil
}

// RelayInfoWithout gives option 82 without some of its sub-options, in memory
// of its own. data must be what ParseRelayInfo accepts; of anything else the
// part that can be read is given.
func RelayInfoWithout(data []byte, codes ...byte) []byte {
	var kept []byte
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		n := 2 + int(data[1])
		if !slices.Contains(codes, data[0]) {
			kept = append(kept, data[:n]...)
		}
		data = data[n:]
	}
	return kept
}
