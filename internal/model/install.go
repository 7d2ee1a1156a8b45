package model

import "time"

// InstallState says how far an install has come.
type InstallState string

// States of an install. From armed and running a machine may get an installer;
// from the others it never does.
const (
	InstallArmed     InstallState = "armed"     // the next network boot installs
	InstallRunning   InstallState = "running"   // a kernel was read, and nothing called home yet
	InstallDone      InstallState = "done"      // it called home
	InstallFailed    InstallState = "failed"    // the installer said that it failed
	InstallGaveUp    InstallState = "gave-up"   // it came back without a call home too often, or too late
	InstallCancelled InstallState = "cancelled" // a person took the order back
	InstallExpired   InstallState = "expired"   // no machine came for it in time
)

// Open reports whether a machine may still get an installer.
func (s InstallState) Open() bool { return s == InstallArmed || s == InstallRunning }

// Install is a person's order to install one machine once, and what became of
// it. Times are UTC.
type Install struct {
	ID      string `json:"id"` // of the order: 32 hexadecimal digits
	Machine string `json:"machine"`
	// UUID is the machine's, as soon as it is known: one that sends another, or
	// none, is another machine.
	UUID    UUID              `json:"uuid,omitempty"`
	Image   string            `json:"image"`
	Edition string            `json:"edition,omitempty"` // of an image that has several: its name or number
	Answer  string            `json:"answer,omitempty"`  // kind of answer file, or the absolute path of a template
	Vars    map[string]string `json:"vars,omitempty"`    // over the machine's own

	State InstallState `json:"state"`
	// Token is the newest attempt's: 32 hexadecimal digits, in the names of the
	// files that the attempt reads. Empty until a machine has asked.
	Token    string         `json:"token,omitempty"`
	Attempts int            `json:"attempts"`         // tokens whose kernel was read
	Begins   []InstallBegin `json:"begins,omitempty"` // one for each of Attempts
	Home     int            `json:"home,omitempty"`   // number of the attempt that called home, from 1
	Retries  int            `json:"retries"`          // so many more attempts may follow the first

	Armed   time.Time     `json:"armed"`
	Expires time.Time     `json:"expires"` // the first attempt begins before that
	Begun   time.Time     `json:"begun,omitzero"`
	Ended   time.Time     `json:"ended,omitzero"`
	By      string        `json:"by"` // who ordered it
	Steps   []InstallStep `json:"steps,omitempty"`
	Note    string        `json:"note,omitempty"` // why it is in its state, in a sentence
}

// InstallBegin is an attempt whose kernel was read.
type InstallBegin struct {
	Token string    `json:"token"`
	Time  time.Time `json:"time"`
}

// InstallStep is something that an installer said of itself: untrusted, made
// printable.
type InstallStep struct {
	Time time.Time `json:"time"`
	Name string    `json:"name"`
}
