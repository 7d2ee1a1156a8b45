package verdict

import (
	"fmt"
	"strings"

	"hobnail/internal/model"
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
	if s.Kind == model.StepSilent || s.Kind == model.StepHome || s.Kind == model.StepFault || s.Kind == model.StepRefused {
		if s.Text != "" {
			fmt.Fprintf(&b, ": %s", s.Text)
		}
	}
	if s.Count > 1 {
		fmt.Fprintf(&b, ", %s", plural(s.Count))
	}
	return b.String()
}

// names of the DHCP messages, as everybody writes them.
var messageNames = map[model.StepKind]string{
	model.StepDiscover: "DISCOVER", model.StepOffer: "OFFER", model.StepRequest: "REQUEST", model.StepAck: "ACK",
	model.StepNak: "NAK", model.StepDecline: "DECLINE", model.StepRelease: "RELEASE", model.StepInform: "INFORM",
	model.StepAsk: "boot service asked (4011)", model.StepTold: "boot service answered (4011)", model.StepSilent: "not answered",
	model.StepHome: "DHCP",
}

func describeDHCP(b *strings.Builder, s *model.Step) {
	d := s.DHCP
	b.WriteString(messageNames[s.Kind])
	if s.Server.IsValid() && s.Kind != model.StepAsk {
		fmt.Fprintf(b, " from %s", s.Server)
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
	if d.File != "" {
		fmt.Fprintf(b, ", boot file %s", d.File)
	}
	if s.Kind == model.StepOffer || s.Kind == model.StepAck {
		if d.Vendor != "" && !d.Vendor43 {
			fmt.Fprintf(b, ", option 60 \"%s\" without option 43", d.Vendor)
		}
		if fault := faultOf(s); fault != "" {
			fmt.Fprintf(b, ", %s", fault)
		}
	}
	if d.Message != "" {
		fmt.Fprintf(b, ", says \"%s\"", d.Message)
	}
}

// verbs of what became of a file.
var verbs = map[model.StepKind]string{
	model.StepRead: "read", model.StepProbe: "size asked of", model.StepMissing: "not found:", model.StepAborted: "broken off:",
	model.StepStalled: "stalled:", model.StepRefused: "refused:", model.StepFault: "could not be read:", model.StepAsked: "asked for",
	model.StepHome: "read by the system:",
}

func describeFile(b *strings.Builder, s *model.Step) {
	d := s.File
	fmt.Fprintf(b, "%s %s %s", strings.ToUpper(d.Via), verbs[s.Kind], d.Name)
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
	if s.Kind == model.StepAborted || s.Kind == model.StepProbe {
		if s.Text != "" {
			fmt.Fprintf(b, ", the client said \"%s\"", s.Text)
		}
	}
}
