package machines

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"hobnail/internal/model"
)

// Record is a machine as the store and JSON files have it.
type Record struct {
	Name      string            `json:"name"`
	MACs      []model.MAC       `json:"mac,omitempty"`
	UUID      model.UUID        `json:"uuid,omitempty"`
	Serial    string            `json:"serial,omitempty"`
	ClientIDs []string          `json:"client_id,omitempty"` // option 61 in hexadecimal digits
	Address   netip.Addr        `json:"address,omitzero"`    // its reservation
	Boot      string            `json:"boot,omitempty"`
	Loader    string            `json:"loader,omitempty"`
	Vars      map[string]string `json:"vars,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Notes     string            `json:"notes,omitempty"`
	By        string            `json:"by,omitempty"`      // who named or approved it
	Approved  time.Time         `json:"approved,omitzero"` // when, UTC
}

// Source is model.Machine's Source of machines in the store.
const Source = "the store"

// Machine is the record as the rest of hobnail sees it.
func (r Record) Machine() model.Machine {
	return model.Machine{
		Name: r.Name, MACs: r.MACs, UUID: r.UUID, Serial: r.Serial, ClientIDs: r.ClientIDs, Address: r.Address,
		Boot: r.Boot, Loader: r.Loader, Source: Source, Vars: r.Vars, Tags: r.Tags, Notes: r.Notes, By: r.By, Approved: r.Approved,
	}
}

const (
	maxName = 63
	// maxText bounds serial numbers, variables and tags, in octets.
	maxText = 255
	// maxNotes bounds notes, in octets.
	maxNotes = 4096
	// maxEach bounds the MAC addresses, client ids, tags and variables of one
	// machine.
	maxEach = 64
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// plainWord reports whether s is made of letters, digits and what else is
// allowed, and begins with a letter or digit.
func plainWord(s, also string) bool {
	return s != "" && len(s) <= maxName && strings.IndexByte(letters+digits, s[0]) >= 0 &&
		strings.Trim(s, letters+digits+also) == "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(letters+digits+also, r) })
}

func checkName(s string) error {
	if !plainWord(s, "._-") {
		return fmt.Errorf("name %q is no name; allowed are letters and digits, after the first also '.', '_' and '-', up to %d", s, maxName)
	}
	return nil
}

func checkText(what, s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%s is too long; allowed are %d octets", what, most)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s %q has characters that cannot be printed; allowed is one line of text", what, s)
	}
	return nil
}

// junkSerials are what boards have for a serial number that nobody filled in,
// in lower case. From SMBIOS tables of real boards.
var junkSerials = []string{
	"to be filled by o.e.m.", "to be filled by oem", "default string", "system serial number", "system-serial-number",
	"not specified", "not applicable", "not available", "none", "n/a", "na", "unknown", "invalid", "oem", "o.e.m.",
	"serial number", "chassis serial number", "base board serial number", "1234567890", "123456789", "0123456789",
	"12345678", "empty", "null", "xxxxxxxxxx", "type2 - board serial number",
}

// JunkSerial reports whether a serial number is one that many boards share, so
// that it identifies nothing.
func JunkSerial(s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	return len(s) < 3 || slices.Contains(junkSerials, s) || strings.Trim(s, s[:1]) == ""
}

// check reports all that is wrong with a record by itself.
func (r *Record) check() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(checkName(r.Name))
	if len(r.MACs) == 0 && r.UUID == "" && r.Serial == "" && len(r.ClientIDs) == 0 {
		add(errors.New("there is nothing to know the machine by; give it mac, uuid, serial or client_id"))
	}
	if r.UUID != "" && r.UUID.Junk() {
		add(fmt.Errorf("uuid %s is one that many boards share; name the machine by its MAC address", r.UUID))
	}
	if r.Serial != "" && JunkSerial(r.Serial) {
		add(fmt.Errorf("serial %q is one that many boards share; leave it empty", r.Serial))
	}
	add(checkText("serial", r.Serial, maxText))
	add(checkText("notes", r.Notes, maxNotes))
	if r.Boot != "" && (!plainWord(r.Boot, "._-") || strings.ToLower(r.Boot) != r.Boot) {
		add(fmt.Errorf("boot %q is no target; allowed are menu, local, deny and the name of an image", r.Boot))
	}
	if l := strings.ReplaceAll(r.Loader, "/", ""); r.Loader != "" && (!plainWord(l, "._+-") || strings.Count(r.Loader, "/") > 1) {
		add(fmt.Errorf("loader %q is no boot program; write it as ipxe, shimx64.efi or uefi-x64/shimx64.efi", r.Loader))
	}
	for name, value := range r.Vars {
		add(checkVar(name, value))
	}
	for _, tag := range r.Tags {
		if !plainWord(tag, "._-") {
			add(fmt.Errorf("tag %q is no tag; allowed are letters, digits, '.', '_' and '-'", tag))
		}
	}
	for what, n := range map[string]int{"mac": len(r.MACs), "client_id": len(r.ClientIDs), "tags": len(r.Tags), "vars": len(r.Vars)} {
		if n > maxEach {
			add(fmt.Errorf("%s has %d values; allowed are %d", what, n, maxEach))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) }) // of maps
	return errors.Join(errs...)
}

func checkVar(name, value string) error {
	if !plainWord(name, "_") || strings.IndexByte(digits, name[0]) >= 0 {
		return fmt.Errorf("variable %q is no name; allowed are letters, digits and '_', a letter first", name)
	}
	return checkText("variable "+name, value, maxNotes)
}

// good is a UUID as it was sent; "" of one that identifies nothing.
func good(u model.UUID) model.UUID {
	if u.Junk() {
		return ""
	}
	return u
}

// canonical is a UUID in the one of its two byte orders that is smaller: both
// are one machine.
func canonical(u model.UUID) model.UUID {
	if u == "" || u.Junk() {
		return ""
	}
	return min(u, u.Swapped())
}

// serialKey is what serial numbers are compared by; "" of one that identifies
// nothing.
func serialKey(s string) string {
	if JunkSerial(s) {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(s))
}
