package learn

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"hobnail/internal/event"
	"hobnail/internal/model"
	"hobnail/internal/policy"
)

// What is learned about.
const (
	Offers  = "offer"
	Loaders = "loader"
)

// Change is one thing that a boot has changed.
type Change struct {
	About   string // Offers or Loaders
	State   string // "next": it is tried; "works": it has worked; "exhausted": all have failed
	MAC     model.MAC
	Model   string // set where the whole model is moved
	Arch    model.Arch
	From    string
	To      string
	Text    string // in a sentence
	Remedy  string // what a person can do, where nothing is left to try
	Machine bool   // of one machine, not of its model
}

// changes puts a ladder's steps into words. kind is the boot program's.
func changes(about string, b *model.Boot, steps []step, kind string) []Change {
	var all []Change
	for _, s := range steps {
		c := Change{About: about, State: string(s.what), MAC: b.MAC, Arch: b.Arch, From: s.from, To: s.to, Machine: !s.model}
		if s.model {
			c.Model = b.Model
		}
		c.Text = c.text(s.machines)
		if s.what == out {
			c.Remedy = remedy(about, kind)
		}
		all = append(all, c)
	}
	return all
}

// text says a change in a sentence.
func (c *Change) text(machines int) string {
	offer := c.About == Offers
	who := "the machine"
	if !c.Machine {
		who = fmt.Sprintf("machines of this model (%d)", machines)
	}
	failed := who + " did not go on from " + c.From
	if offer {
		failed = who + " did not take an offer of the form " + c.From
	}
	switch {
	case c.State == string(works) && offer:
		return fmt.Sprintf("%s took an offer of the form %s, and gets that from now on", who, c.To)
	case c.State == string(works):
		return fmt.Sprintf("%s went on from %s, and gets that from now on", who, c.To)
	case c.State == string(out):
		return fmt.Sprintf("%s, and nothing is left to try: %s again", failed, c.To)
	}
	return fmt.Sprintf("%s: the next attempt gets %s", failed, c.To)
}

// remedy says what is left to a person.
func remedy(about, kind string) string {
	switch {
	case about == Offers:
		return "use dhcp = \"merge\" there, which hands the machine one complete offer, or give the site's DHCP server the options that are listed (hobnail ports dhcp writes them for its make)"
	case kind == policy.LoaderIPXE:
		return "look at the machine's screen; with Secure Boot on nothing unsigned starts: use dhcp = \"merge\" or \"server\", where the signed shim is served, or UEFI HTTP boot"
	case kind == policy.LoaderPXELinux:
		return "look at the machine's screen; put an iPXE for its architecture into the folder of boot programs"
	}
	return "look at the machine's screen; what Secure Boot accepts is not left for an unsigned program: loader = \"ipxe\" in a rule does so, with Secure Boot off"
}

// Code is the event that tells of the change.
func (c *Change) Code() event.Code {
	switch {
	case c.State == string(out):
		return event.LearnExhausted
	case c.About == Offers:
		return event.LearnOffer
	}
	return event.LearnLoader
}

// Event tells of the change. options are the lines of handover.Boot, for an
// offer that no machine takes.
func (c *Change) Event(now time.Time, options []string) event.Event {
	attrs := []slog.Attr{slog.String("learned", c.Text), slog.String("about", c.About)}
	if c.Machine {
		attrs = append(attrs, slog.String("of", "machine"))
	} else {
		attrs = append(attrs, slog.String("of", "model"), slog.String("model", c.Model))
	}
	attrs = append(attrs, slog.String("arch", string(c.Arch)), slog.String("from", c.From), slog.String("next", c.To))
	if c.Remedy != "" {
		attrs = append(attrs, slog.String("remedy", c.Remedy))
	}
	if c.About == Offers && c.State == string(out) && len(options) > 0 {
		attrs = append(attrs, slog.String("options", strings.Join(options, "; ")))
	}
	return event.Event{Time: now, Code: c.Code(), MAC: c.MAC, Attrs: attrs}
}
