package verdict

import (
	"fmt"
	"time"

	"hobnail/internal/model"
)

// How long a boot may be silent at each step before its verdict is certain.
const (
	discoverPatience = 45 * time.Second // firmware's last pause is 32 s
	addressPatience  = 40 * time.Second // EDK2 tries a silent boot server for 10 s, TFTP for 24 s
	loaderPatience   = 30 * time.Second
	kernelPatience   = 5 * time.Minute
)

// finding is what a rule comes to: the catalogue's entry and what is particular.
type finding struct {
	code, detail string
	text         string // one sentence, without the machine
	cause        string // "": the catalogue's
	remedy       string
	who          string
	outcome      model.Outcome // "": the catalogue's
	evidence     []*model.Step
	certain      bool // whatever comes, it stays so for this attempt
}

// rule looks whether a boot ended in its way; nil: it did not.
type rule func(*sight) *finding

// rules in the order in which they are tried: from the end of a boot to its
// beginning, so that what a machine came through is not held against it.
var rules = []rule{
	booted,
	transferEnded,
	kernelRead,
	loaderLoop,
	scriptRead,
	loaderRead,
	declined,
	addressTaken,
	refused,
	secondServer,
	lured,
	offered,
	unanswered,
	nothing,
}

// Judge says how a boot ended, or would end if nothing more came.
func Judge(c Case) model.Verdict {
	v := look(c)
	for _, r := range rules {
		if f := r(v); f != nil {
			return v.verdict(f)
		}
	}
	return v.verdict(nothing(v))
}

func (v *sight) verdict(f *finding) model.Verdict {
	e, _ := Lookup(f.code)
	out := model.Verdict{
		Code: f.code, Detail: f.detail, Outcome: e.Outcome, Step: v.step(),
		Text: f.text, Cause: e.Cause, Remedy: e.Remedy, Who: e.Who,
		Notes: v.notes(f.code),
	}
	if f.text == "" {
		out.Text = e.Seen
	}
	if f.cause != "" {
		out.Cause = f.cause
	}
	if f.remedy != "" {
		out.Remedy = f.remedy
	}
	if f.who != "" {
		out.Who = f.who
	}
	if f.outcome != "" {
		out.Outcome = f.outcome
	}
	if out.Outcome == model.OutcomeOK {
		out.Who = Nobody
	}
	out.Final = v.Over || v.Boot.Ended || f.certain || v.quietFor() >= v.patience()
	if !out.Final && out.Outcome != model.OutcomeOK {
		out.Outcome = model.OutcomeRunning
	}
	for _, s := range f.evidence {
		if s != nil {
			out.Evidence = append(out.Evidence, model.Evidence{Time: s.Time, Frame: s.Frame, Text: Describe(s)})
		}
	}
	return out
}

// patience is how long the machine may be silent where it stands.
func (v *sight) patience() time.Duration {
	switch {
	case v.open != nil && after(v.open, v.lastFile()):
		return kernelPatience
	case v.kernel != nil:
		return kernelPatience
	case v.loader != nil || v.config != nil:
		return loaderPatience
	case v.ack != nil:
		return addressPatience
	}
	return discoverPatience
}

// step says how far the machine came.
func (v *sight) step() string {
	switch {
	case v.home != nil:
		return "system"
	case v.kernel != nil || v.initrd != nil || v.disk != nil:
		return "kernel"
	case v.config != nil:
		return "script"
	case v.loader != nil:
		return "loader"
	case len(v.files) > 0 || v.open != nil || v.probes > 0:
		return "boot-file"
	case v.ack != nil || v.told != nil || len(v.asks) > 0:
		return "address"
	case len(v.servers) > 0:
		return "offer"
	}
	return "discover"
}

// notes are what stands beside the verdict.
func (v *sight) notes(code string) (all []model.Note) {
	add := func(code, format string, args ...any) {
		all = append(all, model.Note{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if v.probes > 0 {
		add(SizeProbe, "the size of a file was asked %s and the transfer broken off: normal", plural(v.probes))
	}
	if v.searches > 0 {
		add(HarmlessSearch, "loaders asked for %d names that need not exist: normal", v.searches)
	}
	for _, s := range v.others() {
		for _, o := range s.offers() {
			if fault := faultOf(o); fault != "" {
				add(StrayOptions, "the answer of %s %s", s.addr, fault)
				break
			}
		}
	}
	if code != SecondDHCPServer {
		if a, b := v.twoLessors(); b != nil {
			add(SecondDHCPServer, "%s and %s both offered an address", a.addr, b.addr)
		}
	}
	if code != ForeignOption60 {
		for _, s := range v.others() {
			if s.lure() != nil && len(v.ours()) > 0 {
				add(ForeignOption60, "%s sends option 60 = PXEClient without option 43", s.addr)
			}
		}
	}
	if len(v.discovers) > 0 && v.discovers[0].DHCP.Stage == "firmware" && late(v.discovers[0].DHCP.Secs) {
		add(LateStart, "the first request heard says that the machine has been asking for %d s", v.discovers[0].DHCP.Secs)
	}
	return all
}

// faultOf says what is wrong with a server's answer, "" for nothing.
func faultOf(s *model.Step) string {
	d := s.DHCP
	switch {
	case d.NoEnd:
		return "does not end in option 255: UEFI firmware drops it"
	case d.BadOption != "":
		return "has an option of a length that UEFI firmware drops the whole packet for: " + d.BadOption
	case d.NoMask:
		return "gives an address without a subnet mask (option 1): UEFI firmware declines it"
	}
	return ""
}

// twoLessors finds two servers that offered different addresses and are not
// both ours; nil for none.
func (v *sight) twoLessors() (a, b *server) {
	for _, s := range v.servers {
		if s.lease == nil || v.merged && s.ours {
			continue
		}
		switch {
		case a == nil:
			a = s
		case a.lease.DHCP.Address != s.lease.DHCP.Address && !(a.ours && s.ours):
			return a, s
		}
	}
	return a, nil
}

// late reports whether seconds of a first request say that earlier ones were
// lost. Some firmware has the octets the wrong way round, and iPXE means
// something else.
func late(secs uint16) bool { return secs >= 12 && secs < 256 }
