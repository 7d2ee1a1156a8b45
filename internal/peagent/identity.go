package peagent

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"hobnail/internal/model"
)

// Identity is how a machine is told from others. Fields are empty where nothing
// is known.
type Identity struct {
	UUID   model.UUID  `json:"uuid,omitempty"`   // SMBIOS's
	MACs   []model.MAC `json:"macs,omitempty"`   // of its network cards
	Serial string      `json:"serial,omitempty"` // SMBIOS's
}

// Differs says why this machine is not the one that is wanted, by the best that
// is known of both: a card may sit in a dock, and a UUID may not. Empty: it is
// the one, or nothing was said of it.
func (want Identity) Differs(have Identity) string {
	switch {
	case want.UUID != "" && have.UUID != "":
		if !want.UUID.Same(have.UUID) {
			return fmt.Sprintf("its UUID is %s, and the order is for %s", have.UUID, want.UUID)
		}
	case len(want.MACs) > 0 && len(have.MACs) > 0:
		if !slices.ContainsFunc(want.MACs, func(m model.MAC) bool { return slices.Contains(have.MACs, m) }) {
			return fmt.Sprintf("its network cards are %v, and the order is for %v", have.MACs, want.MACs)
		}
	case want.Serial != "" && have.Serial != "":
		if want.Serial != have.Serial {
			return fmt.Sprintf("its serial number is %s, and the order is for %s", plain(have.Serial), plain(want.Serial))
		}
	case want.UUID != "" || len(want.MACs) > 0 || want.Serial != "":
		return "it tells nothing of itself to know it by"
	}
	return ""
}

// String is an identity as it stands on the screen.
func (i Identity) String() string {
	var words []string
	if i.UUID != "" {
		words = append(words, "UUID "+string(i.UUID))
	}
	for _, m := range i.MACs {
		words = append(words, "MAC "+string(m))
	}
	if i.Serial != "" {
		words = append(words, "serial number "+plain(i.Serial))
	}
	return or(strings.Join(words, ", "), "nothing that tells it from others")
}

// ParseSMBIOS reads UUID and serial number out of what Windows gives for the
// provider RSMB: RawSMBIOSData, 8 octets and then the table of SMBIOS (DSP0134
// section 6.1). What is not there, or shared by many boards, stays empty.
func ParseSMBIOS(raw []byte) (id Identity) {
	const system, header = 1, 4 // System Information, section 7.2
	if len(raw) < 8 {
		return id
	}
	table := raw[8:]
	if n := binary.LittleEndian.Uint32(raw[4:]); uint64(n) < uint64(len(table)) {
		table = table[:n]
	}
	for len(table) >= header {
		kind, n := table[0], int(table[1])
		if n < header || n > len(table) {
			return id
		}
		fields, rest := table[:n], table[n:]
		texts, end := smbiosTexts(rest)
		if kind == system {
			if n > 7 {
				id.Serial = textAt(texts, int(fields[7]))
			}
			if n >= 24 {
				if u := model.UUIDFromWire([16]byte(fields[8:24])); !u.Junk() {
					id.UUID = u
				}
			}
			return id
		}
		table = rest[end:]
	}
	return id
}

// smbiosTexts are the texts behind a structure, and where they end: each with a
// NUL, and all with another; of none there are two.
func smbiosTexts(b []byte) (all []string, end int) {
	for {
		n := slices.Index(b[end:], 0)
		switch {
		case n < 0:
			return all, len(b)
		case n == 0 && len(all) == 0:
			return nil, min(end+2, len(b))
		case n == 0:
			return all, end + 1
		}
		all = append(all, string(b[end:end+n]))
		end += n + 1
	}
}

// textAt is the text of a number, which counts from 1.
func textAt(all []string, n int) string {
	if n < 1 || n > len(all) {
		return ""
	}
	return strings.TrimSpace(all[n-1])
}
