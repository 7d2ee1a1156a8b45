// Package bootscript writes what a machine may boot in the languages of the
// loaders that ask: an iPXE script, a grub.cfg, a pxelinux.cfg. It is pure:
// the same menu gives the same bytes. It fetches nothing, and no text that it
// is given can become a command of a loader.
package bootscript

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/model"
)

// Menu is what one machine is shown, or starts without being asked.
type Menu struct {
	Machine Machine
	Server  Server
	Entries []Entry // in the order they are shown; local disk comes after them
	// Default is the ID of the entry that starts when the countdown ends, or
	// model.TargetLocal. An ID that is not there means local disk: a machine
	// is never installed by mistake.
	Default string
	Timeout time.Duration // the countdown; 0 or less waits for a key
	// Direct is the ID of the entry, or model.TargetLocal, that starts at
	// once; empty shows the menu. An ID that is not there shows the menu
	// without a countdown, so that a person decides.
	Direct string
	Local  model.LocalWay // how it leaves for its own disk; empty: LocalAuto
	Why    string         // the decision in one sentence, with its place in the configuration
	NoHTTP bool           // iPXE only: this build knows no HTTP, so files come by TFTP
	// Wait is what stands on the screen of a machine that waits until a person
	// has approved it; nil: it does not. Nothing else is shown then.
	Wait *Wait
}

// Wait is a machine's wait for a person.
type Wait struct {
	Number int // by which the person knows it
	// Script is the name under which this script is asked for again, and Ready that
	// of Waits, which says whether this screen is still true.
	Script, Ready string
}

// lines are what a person reads at the machine.
func (m Menu) lines() []string {
	if m.Wait.Number == 0 {
		return []string{m.heading(), "This machine waits for approval, and has no number yet: too many wait.", "It goes on by itself."}
	}
	return []string{
		m.heading(),
		fmt.Sprintf("This machine waits for approval. Its number is %d.", m.Wait.Number),
		fmt.Sprintf("On the server: hobnail machines approve %d=NAME", m.Wait.Number),
		"It goes on by itself.",
	}
}

// waitPace is how often a waiting machine asks, in seconds.
const waitPace = 5

// Machine is what a menu and a command line may say about a machine. Name is
// untrusted where it is a host name that the machine sent.
type Machine struct {
	Name    string
	MAC     model.MAC
	UUID    model.UUID
	Arch    model.Arch
	Address netip.Addr
}

// Server is this server as the machine reaches it.
type Server struct {
	Name    string
	Address netip.Addr
	URL     string // "http://10.77.1.2:8080", without a slash at the end
}

// Entry is one thing to boot. The names of its files are those of the
// boot-file tree ("img/debian-12/linux"), of letters, digits and ._+~-/ only;
// see package image. In any other name those bytes become '_': it will not be
// found, and it breaks nothing.
type Entry struct {
	ID      string   // as rules name it
	Title   string   // for people; ID if empty
	Kernel  string   // what WayEFI starts, what WaySANBoot reads as a disk
	Initrd  []string // in order; may be empty
	Cmdline string   // from ExpandCmdline
	Way     model.Way
	// Wimboot, of WayWindows, is what iPXE starts in Kernel's place, with Files;
	// empty: there is none, and under BIOS nothing that starts Windows.
	Wimboot string
	Files   []Named
}

// Named is a file under another name than its own.
type Named struct{ Name, File string }

// only gives the menu without what a loader has no way to start.
func (m Menu) only(ways ...model.Way) Menu {
	can := func(e Entry) bool { return slices.Contains(ways, e.Way) }
	if slices.ContainsFunc(m.Entries, func(e Entry) bool { return !can(e) }) {
		m.Entries = slices.DeleteFunc(slices.Clone(m.Entries), func(e Entry) bool { return !can(e) })
	}
	return m
}

// local reports whether the menu comes down to the local disk at once.
func (m Menu) local() bool { return m.Direct == model.TargetLocal }

// direct gives the entry that starts at once; ok is false where a menu is
// shown instead.
func (m Menu) direct() (e Entry, ok bool) {
	if m.Direct == "" {
		return Entry{}, false
	}
	return m.entry(m.Direct)
}

func (m Menu) entry(id string) (Entry, bool) {
	for _, e := range m.Entries {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

// defaultIndex counts entries from 0; len(Entries) is local disk.
func (m Menu) defaultIndex() int {
	for i, e := range m.Entries {
		if e.ID == m.Default {
			return i
		}
	}
	return len(m.Entries)
}

// countdown gives the countdown in whole units, rounded up, for zero means
// another thing: the menu waits for a person.
func (m Menu) countdown(unit time.Duration) int64 {
	if m.Timeout <= 0 || m.missing() != "" {
		return 0
	}
	const longest = 35996 * 100 * time.Millisecond // pxelinux's, just below an hour
	return int64((min(m.Timeout, longest) + unit - 1) / unit)
}

// missing names the target that was chosen for this machine and is not here.
func (m Menu) missing() string {
	if _, ok := m.direct(); ok || m.Direct == "" || m.local() {
		return ""
	}
	return m.Direct
}

// heading says on one line which server talks to which machine.
func (m Menu) heading() string {
	words := []string{"hobnail " + orElse(m.Server.Name, "boot server") + ":"}
	words = append(words, m.Machine.Name, string(m.Machine.MAC), string(m.Machine.Arch))
	if m.Machine.Address.IsValid() {
		words = append(words, m.Machine.Address.String())
	}
	return plain(strings.Join(words, " "))
}

// notes are the lines a script begins with: who it is for, and why.
func (m Menu) notes() []string {
	notes := []string{m.heading()}
	if m.Why != "" {
		notes = append(notes, plain("why: "+m.Why))
	}
	if id := m.missing(); id != "" {
		notes = append(notes, plain("there is no "+id+" here for this machine; choose"))
	}
	return notes
}

func (e Entry) title() string { return plain(orElse(e.Title, e.ID)) }

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
