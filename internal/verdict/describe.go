package verdict

import (
	"fmt"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// Describe puts a step into words: one line, as a timeline shows it.
func Describe(s *model.Step) string {
	var b strings.Builder
	switch {
	case s.DHCP != nil:
		describeDHCP(&b, s)
	case s.File != nil:
		describeFile(&b, s)
	default:
		b.WriteString(string(s.Kind))
	}
	switch s.Kind {
	case model.StepSilent, model.StepHome, model.StepFault, model.StepRefused:
		if text := or(s.Text, s.Why); text != "" {
			fmt.Fprintf(&b, ": %s", text)
		}
	case model.StepAborted, model.StepProbe:
		if s.Text != "" {
			fmt.Fprintf(&b, ", the client said \"%s\"", s.Text)
		}
	case model.StepMissing:
		if s.Why != "" {
			fmt.Fprintf(&b, " (normal: %s)", s.Why)
		}
	case model.StepStalled:
		switch s.Why {
		case Unanswered:
			b.WriteString(", no answer")
		case PortClosed:
			b.WriteString(", nothing listens there")
		case Elsewhere:
			b.WriteString(", answered from another address")
		}
	}
	if s.Count > 1 {
		fmt.Fprintf(&b, ", %s", plural(s.Count))
	}
	return record.Line(b.String())
}

// messageNames are those of the DHCP messages, as everybody writes them.
var messageNames = map[model.StepKind]string{
	model.StepDiscover: "DISCOVER", model.StepOffer: "OFFER", model.StepRequest: "REQUEST", model.StepAck: "ACK",
	model.StepNak: "NAK", model.StepDecline: "DECLINE", model.StepRelease: "RELEASE", model.StepInform: "INFORM",
	model.StepAsk: "boot service asked (port 4011)", model.StepTold: "boot service answered (port 4011)", model.StepSilent: "not answered",
	model.StepHome: "DHCP",
}

func describeDHCP(b *strings.Builder, s *model.Step) {
	d := s.DHCP
	b.WriteString(or(messageNames[s.Kind], string(s.Kind)))
	if s.Server.IsValid() {
		from := "from"
		if s.Kind == model.StepAsk {
			from = "at"
		}
		fmt.Fprintf(b, " %s %s", from, s.Server)
		if s.Ours {
			b.WriteString(" (hobnail)")
		}
	}
	if d.Stage != "" && d.Class != "" {
		fmt.Fprintf(b, " of %s", d.Stage)
		if d.Arch != "" {
			fmt.Fprintf(b, " %s", d.Arch)
		}
	}
	if d.Relay.IsValid() {
		fmt.Fprintf(b, " through relay %s", d.Relay)
	}
	if d.Chosen.IsValid() {
		fmt.Fprintf(b, " for server %s", d.Chosen)
	}
	switch {
	case d.Address.IsValid():
		fmt.Fprintf(b, ", address %s", d.Address)
	case s.Kind == model.StepOffer:
		b.WriteString(", no address")
	}
	switch s.Kind {
	case model.StepOffer, model.StepAck, model.StepTold:
		describeAnswer(b, d)
	}
	if d.Message != "" {
		fmt.Fprintf(b, ", says \"%s\"", d.Message)
	}
}

// describeAnswer names what a server's answer has, and what is wrong with it.
func describeAnswer(b *strings.Builder, d *model.DHCPStep) {
	if d.File != "" {
		fmt.Fprintf(b, ", boot file %s", d.File)
		if d.NextServer.IsValid() && !strings.Contains(d.File, "://") {
			fmt.Fprintf(b, " on %s", d.NextServer)
		}
	}
	if d.Vendor != "" && !d.Vendor43 {
		fmt.Fprintf(b, ", option 60 \"%s\" without option 43", d.Vendor)
	}
	for _, fault := range []struct {
		is   bool
		text string
	}{
		{d.NoMask, "no subnet mask (option 1)"},
		{d.NoEnd, "no end (option 255)"},
		{d.NoServerID, "no server address (option 54)"},
		{d.BadOption != "", "wrong length: " + d.BadOption},
		{d.MenuFault != "", d.MenuFault},
		{d.FileSize > 0, fmt.Sprintf("option 13 (boot file size) = %d", d.FileSize)},
		{d.NoRoute, "next server on another network, and no router (option 3)"},
	} {
		if fault.is {
			fmt.Fprintf(b, ", %s", fault.text)
		}
	}
}

// verbs say what became of a file.
var verbs = map[model.StepKind]string{
	model.StepRead: "read", model.StepProbe: "size asked of", model.StepMissing: "not found:", model.StepAborted: "broken off:",
	model.StepStalled: "stalled:", model.StepRefused: "refused:", model.StepFault: "could not be read:", model.StepAsked: "asked for",
	model.StepHome: "read by the system:",
}

func describeFile(b *strings.Builder, s *model.Step) {
	d := s.File
	fmt.Fprintf(b, "%s %s %s", strings.ToUpper(d.Via), or(verbs[s.Kind], string(s.Kind)), d.Name)
	if s.Server.IsValid() && !s.Ours {
		fmt.Fprintf(b, " at %s", s.Server)
	}
	if d.Octets > 0 {
		fmt.Fprintf(b, ", %s", octets(d.Octets))
	}
	if d.Duration > 0 {
		fmt.Fprintf(b, " in %s", short(d.Duration))
	}
	if d.Blksize > 0 {
		fmt.Fprintf(b, ", blocks of %d", d.Blksize)
	}
	if d.Window > 1 {
		fmt.Fprintf(b, ", windows of %d", d.Window)
	}
	if d.Retransmissions > 0 {
		fmt.Fprintf(b, ", %d sent again", d.Retransmissions)
	}
}
