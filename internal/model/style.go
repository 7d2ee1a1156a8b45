package model

import "slices"

// Style is the form of a proxy's offer. Firmware differs in which of them it
// takes.
type Style string

// Forms of a proxy's offer. All say PXEClient in option 60 and the boot server
// in siaddr.
const (
	// StyleAuto is no form: what earlier boots have taught decides.
	StyleAuto Style = "auto"
	// StyleBypass has the boot file and, in option 43, "take it".
	StyleBypass Style = "bypass"
	// StyleMenu has no boot file but a menu of two lines in option 43, whose
	// first is taken at once; the boot service on port 4011 names the file.
	StyleMenu Style = "menu"
	// StyleNo43 has the boot file and no option 43: firmware asks port 4011, or
	// takes the file.
	StyleNo43 Style = "no43"
	// StyleBINL has neither: firmware has to ask port 4011.
	StyleBINL Style = "binl"
	// StyleDelayed is StyleBypass a while later: some firmware does not hear an
	// answer that comes at once.
	StyleDelayed Style = "delayed"
)

// Styles lists the forms in the order in which they are tried.
func Styles() []Style {
	return []Style{StyleBypass, StyleMenu, StyleNo43, StyleBINL, StyleDelayed}
}

// Known reports whether it is one of Styles.
func (s Style) Known() bool { return slices.Contains(Styles(), s) }

// NamesFile reports whether the boot file stands in the offer itself.
func (s Style) NamesFile() bool { return s != StyleMenu && s != StyleBINL }

// Asks reports whether firmware that follows the offer asks port 4011 before it
// loads anything.
func (s Style) Asks() bool { return s == StyleMenu || s == StyleNo43 || s == StyleBINL }
