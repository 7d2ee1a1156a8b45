package verdict

import (
	"fmt"
	"strings"

	"hobnail/internal/model"
)

// transferEnded: the last file that was asked for did not come to its end, and
// nothing was read after it.
func transferEnded(v *sight) *finding {
	s := v.lastFile()
	if s == nil || s.Kind == model.StepRead || v.open != nil && after(v.open, s) {
		return nil
	}
	evidence := []*model.Step{v.ack, s}
	switch s.Kind {
	case model.StepMissing:
		return missing(v, s, evidence)
	case model.StepStalled:
		return stalled(s, evidence)
	case model.StepAborted:
		f := &finding{code: ReadBrokenOff, evidence: evidence,
			text: fmt.Sprintf("the machine broke off reading %s after %s%s", s.File.Name, octets(s.File.Octets), said(s))}
		if s.File.Code == 3 {
			f.cause = "the size that option 13 gives, or that the firmware asked for before, is smaller than the file"
			f.remedy = "remove option 13 (boot file size) from the DHCP server"
		}
		return f
	case model.StepRefused, model.StepFault:
		return &finding{code: BootFileFault, evidence: evidence, text: fmt.Sprintf("%s was asked for and could not be sent: %s", s.File.Name, orElse(s.Text, "the server's log says why"))}
	}
	return nil
}

func said(s *model.Step) string {
	if s.Text == "" {
		return ""
	}
	return fmt.Sprintf(": \"%s\"", s.Text)
}

func missing(v *sight, s *model.Step, evidence []*model.Step) *finding {
	f := &finding{code: BootFileNotFound, evidence: evidence,
		text: fmt.Sprintf("there is no file %s", s.File.Name)}
	if len(s.File.Near) > 0 {
		f.text += fmt.Sprintf("; there is %s", strings.Join(s.File.Near, ", "))
		f.remedy = "correct the name: the ones named exist"
	}
	if cut := strings.TrimSuffix(s.File.Name, `\xff`); cut != s.File.Name {
		f.cause = "the name in option 67 does not end in a zero octet, and the firmware read on"
		f.remedy = "end option 67 with a zero octet, or use the header's file field alone"
	}
	if from := v.namedBy(s.File.Name); from != nil && !v.isOurs(from) {
		f.cause = fmt.Sprintf("the DHCP server %s names it", from.addr)
		f.remedy = fmt.Sprintf("remove or correct the boot file (option 67, filename) of the DHCP server %s", from.addr)
		if len(v.ours()) > 0 {
			f.code = ForeignBootFile
			f.text = fmt.Sprintf("the machine took the boot file of the DHCP server %s, %s, which is not there", from.addr, s.File.Name)
		}
	}
	return f
}

// namedBy finds the server whose answer names a boot file.
func (v *sight) namedBy(name string) *server {
	for _, srv := range v.servers {
		for _, o := range srv.offers() {
			if o.DHCP.File != "" && strings.TrimLeft(o.DHCP.File, "/") == strings.TrimSuffix(strings.TrimLeft(name, "/"), `\xff`) {
				return srv
			}
		}
	}
	return nil
}

// stalled says what kind of packet did not get through, by which did.
func stalled(s *model.Step, evidence []*model.Step) *finding {
	d := s.File
	f := &finding{code: TransferStalled, evidence: evidence}
	switch {
	case s.Why == Unanswered:
		return &finding{code: BootFileNotAsked, detail: Unanswered, evidence: evidence,
			text:  fmt.Sprintf("%s was asked for %s, and no answer was seen", d.Name, plural(s.Times())),
			cause: "the request does not reach the boot server, its port is closed, or the answer is dropped on its way back"}
	case d.Via != "tftp":
		f.detail = "loss"
		f.text = fmt.Sprintf("%s stopped after %s: the machine took no more", d.Name, octets(d.Octets))
		f.cause = "the line loses packets, or the machine stopped"
		f.remedy = "look for errors on the ports between the machine and the server"
	case !d.Heard:
		f.detail = "data-port"
		f.text = fmt.Sprintf("%s was asked for, and what we answered was never acknowledged", d.Name)
		f.cause = "a firewall lets port 69 through and drops the answer, which comes from another port (each transfer has its own), or the way back is missing"
		f.remedy = "allow UDP from the server to the machines, any port (hobnail ports prints the rules); or set [tftp] single_port = true"
	case d.Blocks == 0:
		f.detail = "mtu"
		f.text = fmt.Sprintf("%s: small packets passed, and the first block of %d octets (%d with its headers) was never acknowledged", d.Name, d.Blksize, d.Blksize+32)
		f.cause = fmt.Sprintf("packets of %d octets do not get through: the path has a smaller MTU, or fragments are dropped", d.Blksize+32)
		f.remedy = "make the MTU of the path 1500 (tunnels and VLANs take some octets), or have the path's routers send ICMP back so that hobnail learns the size"
	default:
		f.detail = "loss"
		f.text = fmt.Sprintf("%s stopped after block %d (%s): the next was sent again and again and never acknowledged", d.Name, d.Blocks, octets(d.Octets))
		f.cause = "the line loses packets, a firewall forgot the transfer, or the machine was switched off"
		f.remedy = "look for errors on the ports between the machine and the server; try again by HTTP"
	}
	return f
}

// Unanswered is Step.Why of a request that got no answer at all: a capture
// shows that, a server cannot.
const Unanswered = "unanswered"

// octets writes a size as people say it.
func octets(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}
