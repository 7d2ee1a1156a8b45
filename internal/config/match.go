package config

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Subject is what a Match is held against: the facts of one request, without
// the packet.
type Subject struct {
	MAC         model.MAC
	UUID        model.UUID
	Archs       []model.Arch // all that the client named
	Firmware    model.Firmware
	Place       netip.Addr // an address on the client's link
	Relay       netip.Addr // zero value if not relayed
	CircuitID   string     // raw octets, as are the three below
	RemoteID    string
	VendorClass string
	UserClass   string
	Machine     string // name of the [[machine]], if it has one
}

// Matches reports whether a subject has everything that m asks for.
func (m *Match) Matches(s Subject) bool {
	return anyText(m.MAC, string(s.MAC)) &&
		any1(m.UUID, func(u model.UUID) bool { return u.Same(s.UUID) }) &&
		any1(m.Arch, func(a model.Arch) bool { return slices.Contains(s.Archs, a) }) &&
		any1(m.Firmware, func(f model.Firmware) bool { return f == s.Firmware }) &&
		any1(m.Subnet, func(p netip.Prefix) bool { return p.Contains(s.Place) }) &&
		any1(m.Relay, func(a netip.Addr) bool { return a == s.Relay }) &&
		anyText(m.CircuitID, s.CircuitID) &&
		anyText(m.RemoteID, s.RemoteID) &&
		anyText(m.VendorClass, s.VendorClass) &&
		anyText(m.UserClass, s.UserClass) &&
		any1(m.Machine, func(name string) bool { return name == s.Machine })
}

// any1 is true for an empty list and when one of its items holds.
func any1[T any](list []T, holds func(T) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, holds)
}

func anyText(patterns []string, have string) bool {
	return any1(patterns, func(p string) bool { return matchText(p, have) })
}

// matchText compares a pattern with octets: "0x…" is hexadecimal, a "*" at
// the end matches the rest, anything else is literal.
func matchText(pattern, have string) bool {
	rest, prefix := strings.CutSuffix(pattern, "*")
	if digits, ok := strings.CutPrefix(rest, "0x"); ok {
		if raw, err := hex.DecodeString(digits); err == nil {
			rest = string(raw)
		}
	}
	if prefix {
		return strings.HasPrefix(have, rest)
	}
	return have == rest
}
