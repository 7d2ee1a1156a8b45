package machines

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"hobnail/internal/model"
)

// An install goes this way; every function here is one arrow, without a clock,
// a store or chance. None of them changes what it is given.
//
//	Arm ─▶ armed ─Script: a token─▶ armed ─Begin: a kernel is read─▶ running ─Done─▶ done
//	         │ ▲                                                     │    └───Failed─▶ failed
//	         │ └──── Script, attempts left: the next token ──────────┤
//	         └ Expire ▶ expired          Script, none left ▶ gave-up ┘      Cancel ▶ cancelled
//
// Why a machine is never installed more than 1+Retries times: a kernel is only
// served under a token that Begin has taken, Begin counts each token once, and
// only Script makes one, which it does not beyond the count. Whatever is lost
// between two of these costs an attempt, never adds one.

const (
	// keptSteps is how many of an installer's steps are kept, the newest.
	keptSteps = 32
	// maxStep bounds the text of one, in octets.
	maxStep = 200
	// MaxRetries bounds the attempts after the first.
	MaxRetries = 5
	// DefaultRetries is how often an install starts again by itself.
	DefaultRetries = 1
	// DefaultWithin is how long an order waits for its machine.
	DefaultWithin = 24 * time.Hour
	// againWithin is how long after the beginning of an attempt another may begin,
	// or a call home is waited for.
	againWithin = 24 * time.Hour
)

// Arming is what a person orders.
type Arming struct {
	Image   string            `json:"image"`
	Edition string            `json:"edition,omitempty"`
	Answer  string            `json:"answer,omitempty"`
	Vars    map[string]string `json:"vars,omitempty"`
	Retries int               `json:"retries"`
	Within  time.Duration     `json:"within"` // how long the order waits for the machine; nanoseconds in JSON
	By      string            `json:"by,omitempty"`
}

// Refused says why an install does not do what was asked.
type Refused struct {
	Code string // one of the codes below
	Text string // a sentence
}

func (r *Refused) Error() string { return r.Text }

func refuse(code, format string, args ...any) error {
	return &Refused{code, fmt.Sprintf(format, args...)}
}

// Codes of Verdict and Refused.
const (
	CodeInstall    = "install"             // here is the token
	CodeNobody     = "not-armed"           // nobody ordered an install, or the order is over
	CodeExpired    = "install-expired"     // the order waited long enough
	CodeDone       = "install-done"        // installed: local disk
	CodeFailed     = "install-failed"      // the installer said so: local disk
	CodeGaveUp     = "install-gave-up"     // too many attempts, or too late for another: local disk
	CodeCancelled  = "install-cancelled"   // a person stopped it on the way: local disk
	CodeAgain      = "install-again"       // it came back without a call home: another attempt
	CodeOther      = "install-not-for-it"  // it may be another machine than the one that is meant: local disk
	CodeToken      = "install-wrong-token" // the token is nobody's, another machine's, or an older attempt's
	CodeNotStarted = "install-not-started" // a call home from an attempt whose kernel was not read
	CodeBusy       = "install-is-open"     // there is an order already
)

// Arm makes the order for a machine that is known by uuid ("" for one that
// sends none, or has never been seen). old is the order before it, nil if there
// was none; one that is still open is not replaced.
func Arm(old *model.Install, machine string, uuid model.UUID, a Arming, id string, now time.Time) (model.Install, error) {
	if old != nil {
		if o, _ := Expire(*old, now); o.State.Open() {
			return *old, refuse(CodeBusy, "%s is %s with %s by order of %s; hobnail machines cancel %s takes that back",
				machine, o.State, o.Image, o.By, machine)
		}
	}
	if a.Retries < 0 || a.Retries > MaxRetries {
		return model.Install{}, fmt.Errorf("retries are from 0 to %d, not %d", MaxRetries, a.Retries)
	}
	if a.Within <= 0 {
		return model.Install{}, fmt.Errorf("the order must wait for the machine for some time, not %v", a.Within)
	}
	now = now.UTC()
	return model.Install{
		ID: id, Machine: machine, UUID: uuid, Image: a.Image, Edition: a.Edition, Answer: a.Answer, Vars: maps.Clone(a.Vars),
		State: model.InstallArmed, Retries: a.Retries, Armed: now, Expires: now.Add(a.Within), By: a.By,
	}, nil
}

// Act is what a machine that asks for its script gets.
type Act string

// What there is to do.
const (
	ActNothing Act = ""        // no order is about it: whatever it gets otherwise
	ActInstall Act = "install" // by the token
	ActLocal   Act = "local"   // its own disk, whatever it would get otherwise
)

// Verdict is what a machine that asks for its script gets, and why.
type Verdict struct {
	Do    Act
	Token string // of ActInstall
	Code  string
	Text  string // a sentence for screens and logs
	// News says that this answer changed the order's state, its token or its note:
	// worth an event, with Code and Text.
	News bool
}

// Who is the machine that asks, as Find saw it.
type Who struct {
	UUID  model.UUID // what it sent; empty: none, or a worthless one
	How   How
	Notes []Note
}

// Script says what the machine that an order is for gets when it asks for its
// script, and the order as it is then. newToken is used where an attempt begins.
func Script(i model.Install, who Who, now time.Time, newToken string) (model.Install, Verdict) {
	now = now.UTC()
	was := i.State
	i, _ = Expire(i, now)
	if !i.State.Open() {
		v := ended(i)
		v.News = was != i.State
		return i, v
	}
	if why := stranger(i, who); why != "" {
		v := Verdict{Do: ActLocal, Code: CodeOther, Text: why, News: i.Note != why}
		i.Note = why // told once, and seen by who looks why nothing happens
		return i, v
	}
	if i.UUID == "" {
		i.UUID = good(who.UUID) // from now on nobody else gets it
	}
	again := i.State == model.InstallRunning
	if again {
		// It asks for a script, so it does not run the installer any more.
		if i.Attempts > i.Retries {
			return giveUp(i, now, "it came back from attempt %d of %d without a call home", i.Attempts, 1+i.Retries), gaveUp(i, true)
		}
		i.State, i.Token = model.InstallArmed, newToken
		i.Note = fmt.Sprintf("came back without a call home; attempt %d of %d", i.Attempts+1, 1+i.Retries)
		return i, Verdict{ActInstall, i.Token, CodeAgain, fmt.Sprintf("%s came back without a call home: attempt %d of %d to install %s",
			i.Machine, i.Attempts+1, 1+i.Retries, i.Image), true}
	}
	news := i.Token == ""
	if news {
		i.Token = newToken
	}
	if i.Attempts == 0 {
		i.Note = "" // of others that asked in vain
	}
	return i, Verdict{ActInstall, i.Token, CodeInstall, fmt.Sprintf("%s installs %s by order of %s", i.Machine, i.Image, i.By), news}
}

// ended is the verdict of an order that is over.
func ended(i model.Install) Verdict {
	switch i.State {
	case model.InstallDone:
		return Verdict{Do: ActLocal, Code: CodeDone, Text: fmt.Sprintf("%s was installed with %s: its own disk", i.Machine, i.Image)}
	case model.InstallFailed:
		return Verdict{Do: ActLocal, Code: CodeFailed, Text: fmt.Sprintf("the installer of %s said that it failed: its own disk, until a person orders it anew", i.Machine)}
	case model.InstallGaveUp:
		return gaveUp(i, false)
	case model.InstallExpired:
		return Verdict{Code: CodeExpired, Text: fmt.Sprintf("the order to install %s waited until %s", i.Machine, i.Expires.Format(time.RFC3339))}
	}
	if i.Attempts > 0 {
		return Verdict{Do: ActLocal, Code: CodeCancelled, Text: fmt.Sprintf("the install of %s was cancelled on the way: its own disk", i.Machine)}
	}
	return Verdict{Code: CodeNobody, Text: fmt.Sprintf("the order to install %s was taken back", i.Machine)}
}

func gaveUp(i model.Install, news bool) Verdict {
	return Verdict{Do: ActLocal, Code: CodeGaveUp, News: news, Text: fmt.Sprintf(
		"%s began to install %s %d times and did not call home: its own disk, until a person orders it anew", i.Machine, i.Image, i.Attempts)}
}

func giveUp(i model.Install, now time.Time, format string, args ...any) model.Install {
	i.State, i.Ended, i.Note = model.InstallGaveUp, now.UTC(), fmt.Sprintf(format, args...)
	return i
}

// stranger says why a machine may not be the one that an order is for; "" if it
// is. A wrong yes wipes a disk, a wrong no is a line on a screen.
func stranger(i model.Install, who Who) string {
	sent := good(who.UUID)
	switch {
	case who.How == HowNone:
		return fmt.Sprintf("this is not known to be %s", i.Machine)
	case i.UUID != "" && sent != "" && !i.UUID.Same(sent):
		return fmt.Sprintf("this machine has UUID %s, and the install is for %s with %s", sent, i.Machine, i.UUID)
	case i.UUID != "" && sent == "" && who.How != HowSerial:
		return fmt.Sprintf("this machine sends no UUID, and the install is for %s with %s", i.Machine, i.UUID)
	}
	for _, n := range who.Notes {
		if n.Doubt {
			return n.Text
		}
	}
	return ""
}

// Begin takes a token under which a kernel is about to be served: only when the
// order that it gives is on stable storage may the first octet leave. One token
// is one attempt, however often it is read. The error is *Refused.
func Begin(i model.Install, token string, now time.Time) (model.Install, error) {
	now = now.UTC()
	i, _ = Expire(i, now)
	switch {
	case token == "" || token != i.Token:
		return i, refuse(CodeToken, "this token is not that of the newest attempt to install %s", i.Machine)
	case !i.State.Open():
		return i, refuse(ended(i).Code, "the install of %s is over: %s", i.Machine, i.State)
	case i.State == model.InstallRunning:
		return i, nil
	case i.Attempts > i.Retries: // Script gives no such token
		return i, refuse(CodeGaveUp, "%s has used up its attempts", i.Machine)
	}
	i.State, i.Begun = model.InstallRunning, now
	i.Attempts++
	i.Begins = append(slices.Clip(i.Begins), model.InstallBegin{Token: token, Time: now})
	return i, nil
}

// begun gives the number of the attempt that had a token and whose kernel was
// read, from 1; 0 if there is none.
func begun(i model.Install, token string) int {
	return 1 + slices.IndexFunc(i.Begins, func(b model.InstallBegin) bool { return token != "" && b.Token == token })
}

// fromInstaller finds the attempt that something comes from.
func fromInstaller(i model.Install, token string) (attempt int, err error) {
	if attempt = begun(i, token); attempt > 0 {
		return attempt, nil
	}
	if token != "" && token == i.Token {
		return 0, refuse(CodeNotStarted, "the kernel of this attempt to install %s was never read", i.Machine)
	}
	return 0, refuse(CodeToken, "this token is of no attempt to install %s", i.Machine)
}

// Done takes the call home of an installer that has finished.
//
// It also counts when it comes late: from an attempt that another has followed,
// or after the order was given up, cancelled, or said to have failed. That is
// safe because a call home only ever stops installs: the worst that a late or
// repeated one can do is leave a disk as it is. A token of another order of the
// same machine does not count.
func Done(i model.Install, token string, now time.Time) (model.Install, error) {
	attempt, err := fromInstaller(i, token)
	if err != nil || i.State == model.InstallDone {
		return i, err
	}
	note := ""
	switch {
	case attempt < i.Attempts:
		note = fmt.Sprintf("attempt %d called home while attempt %d ran: look whether the system starts", attempt, i.Attempts)
	case !i.State.Open():
		note = fmt.Sprintf("called home when it was %s already", i.State)
	case token != i.Token:
		note = fmt.Sprintf("attempt %d called home late", attempt)
	}
	i.State, i.Ended, i.Note, i.Home = model.InstallDone, now.UTC(), note, attempt
	return i, nil
}

// Failed takes the word of an installer that it failed. That ends the order,
// attempts left or not: an installer that can say what is wrong says it again.
// Of attempts before the newest it counts for nothing.
func Failed(i model.Install, token, why string, now time.Time) (model.Install, error) {
	attempt, err := fromInstaller(i, token)
	switch {
	case err != nil:
		return i, err
	case attempt < i.Attempts:
		return Step(i, token, "failed: "+why, now)
	case i.State == model.InstallDone && i.Home == attempt:
		return i, nil // it has called home before
	}
	i.State, i.Ended, i.Note = model.InstallFailed, now.UTC(), printable(why)
	return i, nil
}

// Reads reports whether a file other than the kernel may be read under a token:
// while the order is open, by the newest attempt. The error is *Refused.
func Reads(i model.Install, token string) error {
	switch {
	case token == "" || token != i.Token:
		return refuse(CodeToken, "this token is not that of the newest attempt to install %s", i.Machine)
	case !i.State.Open():
		return refuse(ended(i).Code, "the install of %s is over: %s", i.Machine, i.State)
	}
	return nil
}

// Step keeps a step that an installer reports.
func Step(i model.Install, token, name string, now time.Time) (model.Install, error) {
	if _, err := fromInstaller(i, token); err != nil {
		return i, err
	}
	name = printable(name)
	if n := len(i.Steps); n > 0 && i.Steps[n-1].Name == name {
		return i, nil
	}
	i.Steps = append(slices.Clone(i.Steps), model.InstallStep{Time: now.UTC(), Name: name})
	if n := len(i.Steps); n > keptSteps {
		i.Steps = i.Steps[n-keptSteps:]
	}
	return i, nil
}

// printable makes text of an installer fit for logs and screens.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	for len(s) > maxStep {
		s = s[:strings.LastIndexFunc(s[:maxStep], func(rune) bool { return true })]
	}
	return s
}

// Cancel takes an order back. If an installer may have run, the machine goes to
// its own disk when it comes back; else it gets what it would get without an
// order. drop says that the order was over, and is to be forgotten altogether:
// that is how a person ends "its own disk" of one that was carried out.
func Cancel(i model.Install, by string, now time.Time) (next model.Install, drop bool) {
	now = now.UTC()
	i, _ = Expire(i, now)
	if !i.State.Open() {
		return i, true
	}
	i.Note = fmt.Sprintf("cancelled by %s when it was %s", by, i.State)
	i.State, i.Ended = model.InstallCancelled, now
	return i, false
}

// Expire ends an order that no machine came for in time, and reports whether
// it did. Another attempt may begin within a day of the one before it: a machine
// that is switched on weeks after an installer whose call home was lost keeps
// what it has.
func Expire(i model.Install, now time.Time) (model.Install, bool) {
	switch {
	case !i.State.Open():
		return i, false
	case i.Attempts == 0:
		if now.Before(i.Expires) {
			return i, false
		}
		i.State, i.Ended, i.Note = model.InstallExpired, now.UTC(), "no machine came for it in time"
		return i, true
	case now.Before(i.Begun.Add(againWithin)):
		return i, false
	}
	return giveUp(i, now, "attempt %d did not call home in time", i.Attempts), true
}
