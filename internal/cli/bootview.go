package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/verdict"
)

// What boots are shown by holds only text that prints: record.Printable has
// seen to it before it came into a step.

// printBootLine shows a boot on one line: when, which machine, where, how far
// it came, and its verdict.
func printBootLine(w io.Writer, b *model.Boot) {
	v := &b.Verdict
	fmt.Fprintf(w, "%s  %s  %s  %s  %s: %s\n", b.ID, b.Start.Format(time.DateTime), machineOf(b), orDash(b.Place), verdictOf(v), v.Text)
}

// machineOf names a boot's machine: by its name where it has one.
func machineOf(b *model.Boot) string {
	words := []string{b.Name, string(b.MAC)}
	if b.MAC == "" && b.Addr.IsValid() {
		words = append(words, b.Addr.String())
	}
	if b.Arch != "" {
		words = append(words, string(b.Arch))
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// verdictOf is a verdict in one word and its code.
func verdictOf(v *model.Verdict) string {
	if v.Code == string(v.Outcome) || v.Code == "" {
		return string(v.Outcome)
	}
	return string(v.Outcome) + " " + v.Code
}

// printBoot shows a boot whole: a head that says how it ended and what to do,
// the evidence, and all that happened.
func printBoot(w io.Writer, b *model.Boot) {
	v := &b.Verdict
	fmt.Fprintf(w, "%s: %s\n", machineOf(b), v.Text)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-9s %s\n", name, value)
		}
	}
	word := verdictOf(v)
	if v.Detail != "" {
		word += " (" + v.Detail + ")"
	}
	if !v.Final {
		word += ", so far"
	}
	row("verdict", word)
	if v.Outcome != model.OutcomeOK {
		row("cause", v.Cause)
		row("do", v.Remedy)
		row("who", v.Who)
	}
	row("boot", b.ID)
	row("uuid", string(b.UUID))
	row("place", b.Place)
	if b.Addr.IsValid() {
		row("address", b.Addr.String())
	}
	row("time", b.Start.Format(time.DateTime+".000 MST")+", "+spent(b.Last.Sub(b.Start)))
	printEvidence(w, b)
	for i, n := range v.Notes {
		fmt.Fprintf(w, "  %-9s %s (%s)\n", head("noted", i), n.Text, n.Code)
	}
	printTimeline(w, b)
}

// head is a row's name on its first line only.
func head(name string, i int) string {
	if i > 0 {
		return ""
	}
	return name
}

func printEvidence(w io.Writer, b *model.Boot) {
	for i, e := range b.Verdict.Evidence {
		at := e.Time.Format("15:04:05.000")
		if e.Frame > 0 {
			at = fmt.Sprintf("packet %d, %s", e.Frame, at)
		}
		fmt.Fprintf(w, "  %-9s %s: %s\n", head("evidence", i), at, e.Text)
	}
}

// printTimeline shows all steps, with seconds since the first packet, and in a
// capture the packet's number.
func printTimeline(w io.Writer, b *model.Boot) {
	fmt.Fprintln(w, "  timeline")
	for i := range b.Steps {
		s := &b.Steps[i]
		frame := ""
		if s.Frame > 0 {
			frame = fmt.Sprintf("#%-7d ", s.Frame)
		}
		fmt.Fprintf(w, "  %+9.3f  %s%s\n", s.Time.Sub(b.Start).Seconds(), frame, verdict.Describe(s))
		if s.DHCP != nil {
			for _, r := range s.DHCP.Reasons {
				fmt.Fprintf(w, "             why: %s\n", r)
			}
		}
	}
	if b.Left > 0 {
		fmt.Fprintf(w, "             %d steps in between were not kept\n", b.Left)
	}
}

// spent writes how long a boot was heard of.
func spent(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
