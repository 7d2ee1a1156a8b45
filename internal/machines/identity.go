package machines

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
)

// Seen is what is known of a machine that asks.
type Seen struct {
	MAC      model.MAC  `json:"mac,omitempty"`
	UUID     model.UUID `json:"uuid,omitempty"`   // worthless ones count as none
	Serial   string     `json:"serial,omitempty"` // likewise
	ClientID string     `json:"client_id,omitempty"`
}

// How says by what a machine was found.
type How string

// What machines are known by, the surest first.
const (
	HowUUID     How = "uuid"
	HowSerial   How = "serial"
	HowMAC      How = "mac"
	HowClientID How = "client-id"
	HowNone     How = ""
)

// Note is something about the identity of a machine that a person should know.
type Note struct {
	Code  string
	Text  string
	Doubt bool // the machine may be another than was found: nothing is installed on it
}

// Codes of notes.
const (
	// NoteSharedMAC: the MAC address is that of an adapter or dock which several
	// machines use.
	NoteSharedMAC = "mac-shared"
	// NoteOtherSerial: UUID or MAC address are a machine's, the serial number is not.
	NoteOtherSerial = "serial-differs"
	// NoteOtherUUID: the serial number is a machine's, the UUID is not.
	NoteOtherUUID = "uuid-differs"
	// NoteNewMAC: a machine that is known by its UUID or serial number has a MAC
	// address that nobody wrote down. Harmless: another adapter.
	NoteNewMAC = "mac-new"
)

// sight is what a named machine was seen with.
type sight struct {
	// UUID is what it sent first, where nobody wrote down its own.
	UUID model.UUID `json:"uuid,omitempty"`
	// Others are machines that were seen with one of its MAC addresses.
	Others []other `json:"others,omitempty"`
}

// maxOthers bounds sight.Others.
const maxOthers = 16

type other struct {
	MAC  model.MAC  `json:"mac"`
	UUID model.UUID `json:"uuid"`
	Time time.Time  `json:"time"`
}

// known is a named machine with what is indexed of it.
type known struct {
	model.Machine
	sight  sight
	config bool // it is in the configuration
}

// uuid is the machine's: what a person wrote down, else what it was seen with;
// "" if neither.
func (k *known) uuid() model.UUID {
	if u := good(k.UUID); u != "" {
		return u
	}
	return good(k.sight.UUID)
}

// contradicts reports what speaks against being a machine, nil if nothing does.
func (k *known) contradicts(s Seen) *Note {
	uuid, serial := good(s.UUID), serialKey(s.Serial)
	if have := k.uuid(); have != "" && uuid != "" && !have.Same(uuid) {
		return &Note{NoteOtherUUID, fmt.Sprintf("%s has UUID %s, this machine %s", k.Name, have, s.UUID), true}
	}
	if have := serialKey(k.Serial); have != "" && serial != "" && have != serial {
		return &Note{NoteOtherSerial, fmt.Sprintf("%s has serial number %s, this machine %s", k.Name, k.Serial, s.Serial), true}
	}
	return nil
}

// Find says which named machine asks, and by what it is known; nil if it is
// none. The surest evidence comes first: UUID, serial number, MAC address,
// client id; where two machines have the same, that of the configuration. A
// machine is not found against evidence: one that is known with another UUID,
// or with another serial number, is another.
func (s *Snapshot) Find(seen Seen) (*model.Machine, How, []Note) {
	k, how, notes := s.find(seen)
	if k == nil {
		return nil, HowNone, notes
	}
	return &k.Machine, how, notes
}

func (s *Snapshot) find(seen Seen) (*known, How, []Note) {
	var notes []Note
	for _, by := range []struct {
		how  How
		list []*known
	}{{HowUUID, s.byUUID[canonical(seen.UUID)]}, {HowSerial, s.bySerial[serialKey(seen.Serial)]}} {
		for _, k := range by.list {
			n := k.contradicts(seen)
			if n == nil {
				return k, by.how, append(notes, s.aboutMAC(k, seen)...)
			}
			notes = append(notes, *n)
		}
	}
	if k, more := s.byAddress(seen); k != nil {
		return k, HowMAC, append(notes, more...)
	} else {
		notes = append(notes, more...)
	}
	for _, k := range s.byID[seen.ClientID] {
		if k.contradicts(seen) == nil {
			return k, HowClientID, notes
		}
	}
	return nil, HowNone, notes
}

// aboutMAC says what is to be known of the MAC address of a machine that was
// found by something surer.
func (s *Snapshot) aboutMAC(k *known, seen Seen) []Note {
	if seen.MAC == "" || len(k.MACs) == 0 {
		return nil
	}
	for _, o := range s.byMAC[seen.MAC] {
		if o != k {
			return []Note{{NoteSharedMAC, fmt.Sprintf("MAC address %s is also that of %s: an adapter or dock that both use", seen.MAC, o.Name), o.uuid() == ""}}
		}
	}
	if slices.Contains(k.MACs, seen.MAC) {
		return nil
	}
	return []Note{{NoteNewMAC, fmt.Sprintf("%s has MAC address %s, which nobody has written down: another adapter", k.Name, seen.MAC), false}}
}

// byAddress finds a machine by nothing but its MAC address.
func (s *Snapshot) byAddress(seen Seen) (*known, []Note) {
	if seen.MAC == "" {
		return nil, nil
	}
	var fits []*known
	var notes []Note
	for _, k := range s.byMAC[seen.MAC] {
		if k.contradicts(seen) == nil {
			fits = append(fits, k)
			continue
		}
		notes = append(notes, Note{NoteSharedMAC, fmt.Sprintf(
			"MAC address %s is that of %s, which %s: this is another machine with the same adapter or dock", seen.MAC, k.Name, k.traits()), true})
	}
	if len(fits) > 1 {
		names := make([]string, len(fits))
		for i, k := range fits {
			names[i] = k.Name
		}
		return nil, append(notes, Note{NoteSharedMAC, fmt.Sprintf("MAC address %s is that of %s, and this machine sends nothing to tell them apart",
			seen.MAC, strings.Join(names, " and ")), true})
	}
	if len(fits) == 0 {
		return nil, notes
	}
	k := fits[0]
	if len(k.sight.Others) > 0 && canonical(k.UUID) == "" {
		notes = append(notes, Note{NoteSharedMAC, fmt.Sprintf(
			"the MAC address of %s was seen with UUID %s and with %s: say which machine it is, by hobnail machines set %s --uuid UUID",
			k.Name, k.sight.UUID, k.sight.Others[0].UUID, k.Name), true})
	}
	return k, notes
}

// traits is what a machine is known with, for people.
func (k *known) traits() string {
	if u := k.uuid(); u != "" {
		return "has UUID " + string(u)
	}
	return "has serial number " + k.Serial
}

// learn takes what a machine was seen with, and reports whether that is new. It
// is called of each machine that has the MAC address.
func (k *known) learn(seen Seen, now time.Time) (sight, bool) {
	s, uuid := k.sight, good(seen.UUID)
	have := k.uuid()
	switch {
	case uuid == "" || have.Same(uuid) || !slices.Contains(k.MACs, seen.MAC):
		return s, false
	case have == "":
		if k.contradicts(seen) != nil {
			return s, false // its serial number says that it is another
		}
		s.UUID = uuid
		return s, true
	case len(s.Others) >= maxOthers || slices.ContainsFunc(s.Others, func(o other) bool { return o.UUID.Same(uuid) && o.MAC == seen.MAC }):
		return s, false
	}
	s.Others = append(slices.Clip(s.Others), other{seen.MAC, uuid, now.UTC()})
	return s, true
}
