package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// Reasons of a StepStalled in a capture; a server cannot see them.
const (
	Unanswered = model.StalledUnanswered
	Elsewhere  = model.StalledElsewhere
	PortClosed = model.StalledClosed
)

// readingNow: a file is being read.
func readingNow(v *sight) *finding {
	s := v.reading()
	if s == nil {
		return nil
	}
	f := &finding{code: TransferStalled, detail: "open", outcome: model.OutcomeWarning, evidence: []*model.Step{v.ack, s},
		text:   fmt.Sprintf("%s is being read", s.File.Name),
		cause:  "the end of the transfer was not seen: the capture ended, or leaves the data ports out",
		remedy: "for a capture, leave no port out (tcpdump -i eth0 -w boot.pcap host ADDRESS or port 67 or port 68) and let it run until the machine has stopped"}
	if v.Over || v.Boot.Ended {
		f.text = fmt.Sprintf("%s was being read, and its end was not seen", s.File.Name)
	}
	return f
}

// transferEnded: the last file that was asked for did not come to its end, and
// nothing was read after it.
func transferEnded(v *sight) *finding {
	s := v.lastFile()
	if s == nil || s.Kind == model.StepRead {
		return nil
	}
	evidence := []*model.Step{v.ack, s}
	switch s.Kind {
	case model.StepMissing:
		return missing(v, s, evidence)
	case model.StepStalled:
		return stalled(v, s, evidence)
	case model.StepAborted:
		return aborted(v, s, evidence)
	case model.StepRefused, model.StepFault:
		return fault(s, evidence)
	}
	return nil
}

// aborted: the client ended the transfer with an error.
func aborted(v *sight, s *model.Step, evidence []*model.Step) *finding {
	if f := wrongArch(v, s); f != nil {
		return f
	}
	f := &finding{code: ReadBrokenOff, evidence: evidence,
		text: fmt.Sprintf("the machine broke off reading %s after %s%s", s.File.Name, octets(s.File.Octets), says(s))}
	size := v.fileSize()
	if s.File.Via == "tftp" && s.File.Code == 3 || size != nil && int64(size.DHCP.FileSize)*512 <= s.File.Octets && s.File.Octets > 0 {
		f.detail = "too-small"
		f.cause = "the machine had made room for a smaller file: option 13 (boot file size) of a DHCP server says so"
		f.remedy = "remove option 13 (boot file size) from the DHCP server"
		if size != nil {
			f.cause = fmt.Sprintf("option 13 of the DHCP server %s says that the file has %s", size.Server, octets(int64(size.DHCP.FileSize)*512))
			f.remedy = fmt.Sprintf("remove option 13 (boot file size) from the DHCP server %s", size.Server)
			f.evidence = append(f.evidence, size)
		}
	}
	return f
}

// fileSize is the answer that has option 13; nil for none.
func (v *sight) fileSize() *model.Step {
	for _, srv := range v.servers {
		for _, s := range srv.said() {
			if s.DHCP.FileSize > 0 {
				return s
			}
		}
	}
	return nil
}

// fault: the server could not or would not send the file.
func fault(s *model.Step, evidence []*model.Step) *finding {
	f := &finding{code: BootFileFault, evidence: evidence,
		text: fmt.Sprintf("%s was asked for and not sent: %s", s.File.Name, or(s.Text, "the server's log says why"))}
	http := s.File.Via == "http"
	switch {
	case http && s.File.Code >= 300 && s.File.Code < 400:
		f.detail = "redirect"
		f.text = fmt.Sprintf("the web server answers a request for %s with status %d, which sends the machine elsewhere", s.File.Name, s.File.Code)
		f.cause = "UEFI firmware follows no redirect"
		f.remedy = "name the URL where the file really is; a double slash in it is a common reason"
	case http && (s.File.Code == 401 || s.File.Code == 403), !http && s.File.Code == 2:
		f.detail = "forbidden"
		f.cause = "the server may not read the file, or does not give it to this machine"
		f.remedy = "on the server, make the file and its folders readable (chmod a+rX)"
	case s.Kind == model.StepRefused:
		f.detail = "refused"
	}
	return f
}

// says is what a client said when it ended a transfer.
func says(s *model.Step) string {
	if s.Text == "" {
		return ""
	}
	return fmt.Sprintf(": \"%s\"", s.Text)
}

func missing(v *sight, s *model.Step, evidence []*model.Step) *finding {
	f := &finding{code: BootFileNotFound, evidence: evidence, text: fmt.Sprintf("there is no file %s", s.File.Name)}
	if len(s.File.Near) > 0 {
		f.text += fmt.Sprintf("; there is %s", strings.Join(s.File.Near, ", "))
		f.remedy = fmt.Sprintf("correct the name: %s exists", s.File.Near[0])
	}
	from := v.namedBy(s.File.Name)
	if from != nil && !v.isOurs(from) {
		f.cause = fmt.Sprintf("the DHCP server %s names it", from.addr)
		f.remedy = fmt.Sprintf("remove or correct the boot file (option 67, filename) of the DHCP server %s", from.addr)
		if len(v.ours()) > 0 {
			f.code = ForeignBootFile
			f.text = fmt.Sprintf("the machine took the boot file of the DHCP server %s, %s, which is not there", from.addr, s.File.Name)
		}
	}
	if unterminated(s.File.Name) != s.File.Name {
		f.detail = "unterminated"
		f.cause = "the name in option 67 does not end in a zero octet, and the firmware read on"
		f.remedy = "on the DHCP server, end option 67 with a zero octet, or give the name as filename (the header's field) and remove option 67"
	}
	return f
}

// unterminated takes off what firmware reads behind a name in option 67 that
// does not end in zero: the end of the options, or more of them.
func unterminated(name string) string { return strings.TrimSuffix(name, `\xff`) }

// namedBy finds the server whose answer names a boot file.
func (v *sight) namedBy(name string) *server {
	name = strings.TrimLeft(unterminated(name), `/\`)
	for _, srv := range v.servers {
		for _, s := range srv.said() {
			if s.DHCP.File != "" && pathOf(s.DHCP.File) == name {
				return srv
			}
		}
	}
	return nil
}

// pathOf is a boot file as it is asked for: without scheme and host.
func pathOf(file string) string {
	if _, rest, ok := strings.Cut(file, "://"); ok {
		_, file, _ = strings.Cut(rest, "/")
	}
	return strings.TrimLeft(file, `/\`)
}

// headers are those of IPv4, UDP and TFTP.
const headers = 20 + 8 + 4

// smallPacket is what passes everywhere (RFC 791: 576).
const smallPacket = 576

// stalled says what kind of packet did not get through, by which did.
func stalled(v *sight, s *model.Step, evidence []*model.Step) *finding {
	d := s.File
	f := &finding{code: TransferStalled, evidence: evidence}
	size := d.Blksize + headers
	switch {
	case s.Why == Unanswered:
		return &finding{code: BootFileNotAsked, detail: Unanswered, evidence: evidence,
			text:  fmt.Sprintf("%s was asked for %s at %s, and no answer was seen", d.Name, plural(s.Times()), addrOr(s.Server, "the boot server")),
			cause: "the request does not reach the boot server, nothing listens there, or the answer is dropped on its way back"}
	case s.Why == PortClosed:
		return &finding{code: BootFileNotAsked, detail: PortClosed, evidence: evidence,
			text:   fmt.Sprintf("%s was asked for at %s, which answered that nothing listens on that port", d.Name, addrOr(s.Server, "the boot server")),
			cause:  "no TFTP or HTTP server runs there, the DHCP answer names the wrong server, or a firewall refuses the port",
			remedy: "start the server there, or correct the next server (option 66, next-server) in the DHCP answer"}
	case s.Why == Elsewhere:
		f.detail = Elsewhere
		f.text = fmt.Sprintf("%s was asked for at %s, and the answer came from another address%s", d.Name, addrOr(s.Server, "one address"), says(s))
		f.cause = "the server has several addresses or stands behind address translation (NAT, a load balancer), and answers from another than it was asked at; firmware drops such an answer"
		f.remedy = "name the address that the server answers from as next server; turn address translation off for TFTP"
		f.who = You
	case d.Via != "tftp":
		f.detail = "loss"
		f.text = fmt.Sprintf("%s stopped after %s: the machine took no more", d.Name, octets(d.Octets))
		f.cause = "the line loses packets, packets of full size do not get through (MTU), or the machine stopped"
		f.remedy = "look for errors on the switch ports of the machine and the server; where there is a tunnel between them, look at its MTU"
	case !d.Heard:
		f.detail = "data-port"
		f.text = fmt.Sprintf("%s was asked for, and nothing of our answer was ever acknowledged", d.Name)
		f.cause = "a firewall lets port 69 through and drops the answer, which comes from another port (each transfer has its own), or the way back is missing"
		f.remedy = "allow UDP from this server to the machines, from any port (hobnail ports prints the rules); or set answers = \"single-port\" in [tftp]"
	case d.Blocks == 0 && size > smallPacket:
		f.detail = "mtu"
		f.text = fmt.Sprintf("of %s small packets passed, and the first block of %d octets (%d with its headers) was never acknowledged", d.Name, d.Blksize, size)
		f.cause = fmt.Sprintf("packets of %d octets do not get through: something on the way has a smaller MTU, or fragments are dropped", size)
		f.remedy = "set the MTU on the whole way to 1500 (tunnels, VPNs and VLAN tags take some octets), or have its routers send ICMP \"fragmentation needed\" back, so that hobnail makes its blocks smaller"
	default:
		f.detail = "loss"
		f.text = fmt.Sprintf("%s stopped after block %d (%s): the next was sent again and again and never acknowledged", d.Name, d.Blocks, octets(d.Octets))
		f.cause = "the line loses packets, a firewall forgot the transfer, or the machine was switched off"
		f.remedy = "look for errors on the switch ports of the machine and the server, and for timeouts of UDP in a firewall between them; try again by HTTP"
	}
	return f
}

func addrOr(a netip.Addr, other string) string {
	if a.IsValid() {
		return a.String()
	}
	return other
}

// brokenOff: nothing was read to its end: the machine closed the file, asked
// for its size only, or looked for names that need not exist.
func brokenOff(v *sight) *finding {
	if len(v.files) > 0 {
		return nil
	}
	switch {
	case v.closed != nil:
		if f := wrongArch(v, v.closed); f != nil {
			return f
		}
		return &finding{code: ReadBrokenOff, detail: "closed", evidence: []*model.Step{v.ack, v.closed},
			text:   fmt.Sprintf("the machine closed %s after %s%s, and asked for nothing else", v.closed.File.Name, octets(v.closed.File.Octets), says(v.closed)),
			cause:  "somebody pressed a key, or the firmware did not like what it read",
			remedy: "look at the machine's screen, and start it again"}
	case v.probe != nil:
		s := v.probe
		return &finding{code: ReadBrokenOff, detail: "after-size", evidence: []*model.Step{v.ack, s},
			text:   fmt.Sprintf("the machine asked for the size of %s and never read it%s", s.File.Name, says(s)),
			cause:  "the file does not fit into the machine's memory, the answer lacks the size, or the file is empty",
			remedy: "compare the size of the file with the machine's memory; a TFTP server has to answer the option tsize"}
	case v.search != nil:
		return &finding{code: BootFileNotFound, detail: "searches", evidence: []*model.Step{v.ack, v.search},
			text:   "the machine only looked for names that need not exist, and none of them is there",
			remedy: "put the loader's configuration where it looks last: pxelinux.cfg/default, grub/grub.cfg"}
	}
	return nil
}

// readElsewhere turns a failure with a file of another server into what it is,
// where a hobnail offered its own.
func (v *sight) readElsewhere(f *finding) {
	switch f.code {
	case BootFileNotFound, BootFileFault, BootFileWrongArch, ReadBrokenOff, TransferStalled, LoaderSilent, SecureBootRefused, LoaderLoop, BootFileNotAsked:
	default:
		return
	}
	s := v.foreignRead()
	if s == nil || len(f.evidence) == 0 || s != v.lastFile() {
		return
	}
	what := f.text
	f.code, f.who = ForeignBootFile, Network
	f.cause, f.remedy = "", ""
	from := v.namedBy(s.File.Name)
	switch {
	case from != nil && from.ours:
		f.detail = "next-server"
		f.text = fmt.Sprintf("the machine asked %s, and not us, for %s, which is here: %s", s.Server, s.File.Name, what)
		f.cause = "the next server of another DHCP answer won: the site's DHCP server or router names itself (siaddr, option 66)"
		f.remedy = "set next-server (option 66) of the site's DHCP server to this server's address, or use dhcp = \"merge\""
	case from == nil && v.loader != nil && record.OwnName(v.loader.File.Name):
		f.detail = "next-server"
		f.text = fmt.Sprintf("the loader that we gave asked %s, and not us, for %s: %s", s.Server, s.File.Name, what)
		f.cause = "GRUB and some others take their server from the DHCP server's answer, not from ours"
		f.remedy = "use dhcp = \"merge\" or \"server\" there, or give those machines iPXE (loader = \"ipxe\" in a [[rule]])"
	default:
		f.detail = "read"
		f.text = fmt.Sprintf("the machine read %s from %s instead of ours: %s", s.File.Name, s.Server, what)
	}
}

// foreignRead is the last file that the machine asked of a server that is no
// hobnail, although one offered its own; nil for none.
func (v *sight) foreignRead() *model.Step {
	if len(v.own) == 0 {
		return nil
	}
	for i := len(v.files) - 1; i >= 0; i-- {
		s := v.files[i]
		if s.Server.IsValid() && !s.Ours && !v.isOwn(s.Server) && s.Kind != model.StepHome {
			if s.File.Role == model.RoleLoader || s.File.Role == model.RoleConfig {
				return s
			}
		}
	}
	return nil
}

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
