package verdict

import (
	"fmt"
	"slices"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// How long a boot may be silent at each step before its verdict is certain.
const (
	discoverPatience = 45 * time.Second // firmware's last pause is 32 s
	addressPatience  = 40 * time.Second // EDK2 tries a silent boot server for 10 s, TFTP for 24 s
	loaderPatience   = 45 * time.Second // iPXE waits 15 s for its link and asks for 10 s
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
	answerMissing,
	booted,
	readingNow,
	loaderLoop,
	asksAgain,
	transferEnded,
	kernelRead,
	restartLoop,
	scriptRead,
	loaderRead,
	brokenOff,
	asksFirst,
}

// addressRules are those of a machine that asks for an address.
var addressRules = []rule{
	declined,
	turnedAway,
	addressTaken,
	refused,
	secondServer,
	offered,
	unanswered,
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

// asksFirst: no file was asked for, or nothing that counts.
func asksFirst(v *sight) *finding { return v.address() }

// address judges a machine that asks for an address.
func (v *sight) address() *finding {
	for _, r := range addressRules {
		if f := r(v); f != nil {
			return f
		}
	}
	return nothing(v)
}

// asksAgain: after its last file the machine asked for an address once more: a
// loader that was started, or U-Boot's second try. What came of that counts.
func asksAgain(v *sight) *finding {
	steps := v.Boot.Steps
	at := -1
	for i := len(steps) - 1; i >= 0 && steps[i].File == nil; i-- {
		if d := steps[i].DHCP; d != nil && d.Class != "" && steps[i].Kind == model.StepDiscover {
			at = i
		}
	}
	if at <= 0 || len(v.files) == 0 && v.closed == nil && v.search == nil {
		return nil
	}
	part := *v.Boot
	part.Steps, part.Start = steps[at:], steps[at].Time
	c := v.Case
	c.Boot = &part
	now := lookWith(c, v.own, v.heard)
	now.merged = now.merged || v.merged
	f := now.address()
	if v.loader != nil && v.asked[len(v.asked)-1].DHCP.Stage == "ipxe" {
		f.text = fmt.Sprintf("%s was read and started, and now: %s", v.loader.File.Name, f.text)
		f.evidence = append([]*model.Step{v.loader}, f.evidence...)
	}
	return f
}

func (v *sight) verdict(f *finding) model.Verdict {
	v.readElsewhere(f)
	e, _ := Lookup(f.code)
	out := model.Verdict{
		Code: f.code, Detail: f.detail, Outcome: e.Outcome, Step: v.step(),
		Text: or(f.text, e.Seen), Cause: or(f.cause, e.Cause), Remedy: or(f.remedy, e.Remedy), Who: or(f.who, e.Who),
		Notes: v.notes(f.code),
	}
	if f.outcome != "" {
		out.Outcome = f.outcome
	}
	if out.Outcome == model.OutcomeOK {
		out.Who = Nobody
	}
	out.Text, out.Cause, out.Remedy = record.Line(out.Text), record.Line(out.Cause), record.Line(out.Remedy)
	out.Final = v.Over || v.Boot.Ended || f.certain || v.quietFor() >= v.patience()
	if !out.Final && out.Outcome != model.OutcomeOK {
		out.Outcome = model.OutcomeRunning
	}
	for i, s := range f.evidence {
		if s != nil && !slices.Contains(f.evidence[:i], s) {
			out.Evidence = append(out.Evidence, model.Evidence{Time: s.Time, Frame: s.Frame, Text: Describe(s)})
		}
	}
	return out
}

// or gives the first that says something.
func or(particular, common string) string {
	if particular != "" {
		return particular
	}
	return common
}

// patience is how long the machine may be silent where it stands.
func (v *sight) patience() time.Duration {
	switch {
	case v.reading() != nil:
		return record.Idle // its end is told, however long it takes
	case v.kernel != nil, v.disk != nil, v.initrd != nil:
		return kernelPatience
	case v.loader != nil || v.config != nil:
		return loaderPatience
	case v.ack != nil && v.decline == nil && v.nak == nil:
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
	case v.touched():
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
		all = append(all, model.Note{Code: code, Text: record.Line(fmt.Sprintf(format, args...))})
	}
	if v.probes > 0 {
		add(SizeProbe, "the size of a file was asked for %s before it was read: normal", plural(v.probes))
	}
	if v.searches > 0 {
		add(HarmlessSearch, "loaders asked for %s that need not exist: normal", count(v.searches, "name"))
	}
	for _, s := range v.others() {
		for _, o := range s.said() {
			if fault := v.faultOf(o); fault != "" {
				add(StrayOptions, "the answer of the DHCP server %s %s", s.addr, fault)
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
				add(ForeignOption60, "the DHCP server %s sends option 60 = PXEClient without option 43", s.addr)
			}
		}
	}
	if s := v.foreignRead(); s != nil && code != ForeignBootFile {
		add(ForeignBootFile, "the machine read %s from %s, which is no hobnail", s.File.Name, s.Server)
	}
	if len(v.asked) > 0 {
		if secs := late(v.asked[0]); secs > 0 {
			add(LateStart, "the first request that was heard says that the machine has been asking for %d s", secs)
		}
	}
	if v.system != nil && v.home == nil && v.kernel == nil && v.disk == nil {
		add(OtherSystem, "afterwards something else asked for an address, without wanting to boot: the machine's own disk has started, or a setup program")
	}
	return all
}

// twoLessors finds two servers that offered different addresses and are not
// both ours; b is nil for none.
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

// late is how long the machine had been asking when it was heard first, where
// that says that earlier requests were lost; 0 where it does not. Some firmware
// has the octets the wrong way round, and iPXE means something else. A request
// that came again has the seconds of its last time.
func late(s *model.Step) int {
	secs := int(s.DHCP.Secs) - int(s.End().Sub(s.Time)/time.Second)
	if s.DHCP.Stage != "firmware" || secs < 12 || s.DHCP.Secs > 255 {
		return 0
	}
	return secs
}
