package diag

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/record"
	"hobnail/internal/sim"
	"hobnail/internal/verdict"
	"hobnail/internal/wire/dhcp4"
)

// Walk is what was heard on the way through a boot, up to where it ended.
type Walk struct {
	Machine   sim.Machine
	Interface string
	Relay     netip.Addr // we asked as this relay; zero: by broadcast
	Server    netip.Addr // that was asked, or is meant to answer; zero: whoever does
	Sent      *dhcp4.Packet
	Rounds    int      // how often DISCOVER was sent
	Offers    []Answer // of the last round, as they came
	Choice    Choice
	Chosen    bool
	Ack       *Answer // or NAK
	Told      *Answer // what port 4011 answered
	Asked     []netip.Addr
	Transfer  *Transfer
	Steps     []Stepped
	Findings  []Finding  // of the way, in its order
	Merged    bool       // a hobnail passed our DISCOVER on: it completes another server's answers
	Direct    *Answer    // what Server answered when it was asked directly, as by a relay
	Leased    netip.Addr // zero: none
	Released  bool
	Stopped   bool // by the person who started it
	End       time.Time
}

// Stepped is a step with the machine that it is about.
type Stepped struct {
	Who  record.Who
	Step model.Step
}

// Transfer is how the read of the boot file went.
type Transfer struct {
	Target Target
	Step   model.Step
	Signer string // of a boot program; empty where nothing can be signed
}

// Asks puts what we sent into the walk.
func (w *Walk) Asks(at time.Time, p *dhcp4.Packet, to netip.Addr) {
	in := classify.Ingress{Interface: w.Interface, Port: dhcp4.ServerPort}
	if to.IsValid() {
		in.Port, in.Dst = dhcp4.BootPort, to
	}
	facts := classify.DHCP(p, in)
	if who, s, ok := record.Request(at, &facts); ok {
		w.Steps = append(w.Steps, Stepped{who, s})
	}
}

// Hears puts an answer into the walk.
func (w *Walk) Hears(a Answer) {
	if a.Packet == nil {
		return
	}
	if who, s, ok := record.Reply(a.Time, a.Packet, a.From); ok {
		w.Steps = append(w.Steps, Stepped{who, s})
	}
}

// Declines notes that firmware would give the address back here, which doctor
// does by RELEASE: the address is not to be put aside.
func (w *Walk) Declines(at time.Time) {
	mac := w.mac()
	w.Steps = append(w.Steps, Stepped{record.Who{MAC: mac}, model.Step{
		Time: at, Kind: model.StepDecline, Text: "not sent: what UEFI firmware would do here",
		DHCP: &model.DHCPStep{Xid: w.Sent.Xid, Address: w.Leased, Message: "Lease is denied upon entering bound"},
	}})
}

// Reads puts the read of the boot file into the walk.
func (w *Walk) Reads(t Transfer) {
	w.Transfer = &t
	w.Steps = append(w.Steps, Stepped{record.Who{MAC: w.mac()}, t.Step})
}

func (w *Walk) mac() model.MAC { return model.MACFromBytes(w.Sent.HardwareAddr()) }

// Judge says how the boot ended, by the rules of the server and of explain.
// That doctor does not run the boot program is no failure.
func (w *Walk) Judge() model.Verdict {
	j := record.NewJoiner()
	var boot *model.Boot
	for _, s := range w.Steps {
		if b := j.Add(s.Who, s.Step); b != nil {
			boot = b
		}
	}
	if boot == nil {
		boot = &model.Boot{MAC: w.mac(), Start: w.End, Last: w.End}
	}
	v := verdict.Judge(verdict.Case{Boot: boot, Now: w.End, Over: true})
	read := w.Transfer != nil && w.Transfer.Step.Kind == model.StepRead
	if read && (v.Code == verdict.LoaderSilent || v.Code == verdict.HandedOver) {
		e, _ := verdict.Lookup(verdict.HandedOver)
		v.Code, v.Detail, v.Outcome, v.Who = e.Code, "", e.Outcome, e.Who
		v.Text = fmt.Sprintf("%s was read to its end; doctor does not run it", record.Printable(w.Transfer.Target.Name))
		v.Cause, v.Remedy = "", ""
	}
	if v.Code == verdict.OfferNotTaken {
		w.blame(&v)
	}
	return v
}

// blame finds why an offer was not taken in the offer itself: nothing was lost
// on the way, since it is here.
func (w *Walk) blame(v *model.Verdict) {
	for _, a := range w.Offers {
		for _, f := range CheckAnswer(w.Sent, a) {
			if f.State == Fault {
				v.Cause, v.Remedy, v.Who = f.Text, f.Remedy, f.Who
				return
			}
		}
	}
}

// Checklist lists all that the walk found, the verdict last.
func (w *Walk) Checklist() []Finding {
	var all []Finding
	all = append(all, w.answered()...)
	all = append(all, w.faultsOfAnswers()...)
	all = append(all, w.twoServers()...)
	all = append(all, w.strays()...)
	all = append(all, w.helper()...)
	all = append(all, w.way()...)
	all = append(all, w.Findings...)
	if !w.Stopped {
		all = append(all, w.verdict()...)
	}
	return append(all, w.lease()...)
}

// answered has a line for each offer.
func (w *Walk) answered() (all []Finding) {
	for _, s := range w.Steps {
		if s.Step.Kind == model.StepOffer && !slices.ContainsFunc(all, func(f Finding) bool { return f.Text == verdict.Describe(&s.Step) }) {
			f := fine("%s", verdict.Describe(&s.Step))
			f.Server = s.Step.Server
			all = append(all, f)
		}
	}
	if len(w.Offers) == 0 && !w.Stopped {
		all = append(all, finds(NoAnswerAtAll, Fault, "nobody answered %s of DISCOVER%s", count(w.Rounds, "round"), w.where()))
	}
	return all
}

func (w *Walk) where() string {
	switch {
	case w.Relay.IsValid():
		return fmt.Sprintf(" to %s as relay %s", w.Server, w.Relay)
	case w.Interface != "":
		return " on " + w.Interface
	}
	return ""
}

// faultsOfAnswers checks each answer once: what stands in the offer and in the
// ACK alike is said of the offer.
func (w *Walk) faultsOfAnswers() (all []Finding) {
	answers := slices.Clone(w.Offers)
	for _, a := range []*Answer{w.Ack, w.Told} {
		if a != nil {
			answers = append(answers, *a)
		}
	}
	for _, a := range answers {
		for _, f := range CheckAnswer(w.Sent, a) {
			known := func(g Finding) bool { return g.Code == f.Code && g.Server == f.Server }
			if f.Code == Option60Alone && f.Server == w.Choice.AskFirst {
				if w.Told != nil {
					continue // its own boot service answers: that is how it works there
				}
				if w.Ack != nil {
					f.State = Fault
					f.Text += ", and its port 4011 does not answer"
				}
			}
			if !slices.ContainsFunc(all, known) {
				all = append(all, f)
			}
		}
	}
	return all
}

// lessors are the offers of addresses, one of each server.
func (w *Walk) lessors() (all []Answer) {
	for _, a := range w.Offers {
		known := func(b Answer) bool { return b.Server() == a.Server() }
		if a.Leases() && !slices.ContainsFunc(all, known) {
			all = append(all, a)
		}
	}
	return all
}

// twoServers: several servers give addresses. Two hobnails have parts of a
// pool each; one in mode merge hands on another server's address, often the
// very one that the server offers by itself.
func (w *Walk) twoServers() []Finding {
	all := w.lessors()
	if len(all) < 2 {
		return nil
	}
	a, b := all[0], all[1]
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			if !sameNetwork(all[i], all[j]) {
				a, b = all[i], all[j]
			}
		}
	}
	text := fmt.Sprintf("%s offers %s and %s offers %s", a.Server(), a.Packet.YIAddr, b.Server(), b.Packet.YIAddr)
	relayed := !a.Packet.GIAddr.IsUnspecified()
	switch {
	case !sameNetwork(a, b):
		return []Finding{w.second(Fault, text+", of different networks or with different routers")}
	case a.Hobnail() && b.Hobnail():
		return nil
	case (a.Hobnail() || b.Hobnail()) && (w.Merged || a.Packet.YIAddr == b.Packet.YIAddr):
		return []Finding{fine("%s: hobnail completes the other's answer (mode merge)", text)}
	case (a.Hobnail() || b.Hobnail()) && relayed:
		return []Finding{w.second(Warning, text+": right if hobnail is in mode merge there, which cannot be heard behind a relay")}
	case a.Hobnail() || b.Hobnail():
		return []Finding{w.second(Fault, text)}
	}
	if a.Packet.YIAddr == b.Packet.YIAddr {
		return []Finding{w.second(Fault, text+": they will give one address to two machines")}
	}
	return []Finding{w.second(Warning, text+", alike but for the address: right if they are meant to share the network (failover, split scope)")}
}

func (w *Walk) second(state State, text string) Finding {
	e, _ := verdict.Lookup(verdict.SecondDHCPServer)
	return Finding{Code: TwoDHCPServers, State: state, Text: text, Remedy: e.Remedy, Who: e.Who}
}

func sameNetwork(a, b Answer) bool {
	ra, _ := a.router()
	rb, _ := b.router()
	return a.network() == b.network() && ra == rb
}

// strays: boot data of servers whose boot data is not used.
func (w *Walk) strays() (all []Finding) {
	if w.Choice.Boot == nil {
		return nil
	}
	used := w.Choice.Boot.Server()
	for _, a := range w.Offers {
		if a.Packet == nil || a.Server() == used || a.Hobnail() {
			continue
		}
		tftp, has66 := a.Packet.Options.Get(dhcp4.OptTFTPServerName)
		var has []string
		if file := a.BootFile(); file != "" {
			has = append(has, "the boot file "+record.Printable(file))
		}
		if has66 {
			has = append(has, "option 66 ("+record.Printable(strings.TrimRight(string(tftp), "\x00"))+")")
		}
		if len(has) == 0 || slices.ContainsFunc(all, func(f Finding) bool { return f.Server == a.Server() }) {
			continue
		}
		f := finds(StrayBootFile, Warning, "%s names %s too; this kind of machine goes to %s, others may not", a.Server(), join(has), used)
		f.Server = a.Server()
		all = append(all, f)
	}
	return all
}

// helper: the server that is meant to answer did not, and did when it was
// asked directly.
func (w *Walk) helper() []Finding {
	if !w.Server.IsValid() || w.Relay.IsValid() || slices.ContainsFunc(w.Offers, func(a Answer) bool { return a.Server() == w.Server || a.From.Addr() == w.Server }) {
		return nil
	}
	if w.Direct == nil {
		return []Finding{finds(NoAnswerAtAll, Fault, "%s answers neither what is broadcast here nor what it is sent directly", w.Server)}
	}
	e, _ := verdict.Lookup(verdict.HelperMissing)
	return []Finding{{Code: HelperMissing, State: Fault, Server: w.Server, Who: e.Who, Remedy: e.Remedy,
		Text: fmt.Sprintf("%s answers when it is asked directly, and nothing that is broadcast here reaches it", w.Server)}}
}

// way says how the steps after the offers went.
func (w *Walk) way() (all []Finding) {
	if w.Chosen && w.Choice.Boot != nil {
		all = append(all, fine("the address of %s and the boot data of %s are taken (%s)", w.Choice.Address.Server(), w.Choice.Boot.Server(), w.Choice.By))
	}
	for i := range w.Steps {
		s := &w.Steps[i].Step
		switch s.Kind {
		case model.StepAck, model.StepTold:
			all = append(all, fine("%s", verdict.Describe(s)))
		case model.StepRead, model.StepProbe:
			text := verdict.Describe(s)
			if w.Transfer != nil && s.Kind == model.StepRead && w.Transfer.Signer != "" {
				text += ", " + signed(w.Transfer.Signer)
			}
			all = append(all, fine("%s", text))
		}
	}
	return all
}

func signed(by string) string {
	if by == "unsigned" {
		return "unsigned: machines with Secure Boot on do not start it"
	}
	return "signed: " + by
}

// verdict is the last line, where it is not already said.
func (w *Walk) verdict() []Finding {
	v := w.Judge()
	if len(w.Offers) == 0 && v.Code == verdict.NoAnswer {
		return nil // said already
	}
	state := map[model.Outcome]State{model.OutcomeFailed: Fault, model.OutcomeWarning: Warning}[v.Outcome]
	if state == "" {
		return []Finding{fine("%s", v.Text)}
	}
	return []Finding{{Code: v.Code, State: state, Text: v.Text, Remedy: v.Remedy, Who: v.Who}}
}

func (w *Walk) lease() []Finding {
	switch {
	case !w.Leased.IsValid():
		return nil
	case w.Released:
		return []Finding{fine("%s was given back (RELEASE)", w.Leased)}
	}
	return []Finding{finds(NotReleased, Warning, "%s could not be given back", w.Leased)}
}

// Healthy reports whether there is no fault among findings.
func Healthy(all []Finding) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.State == Fault })
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func join(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return all[0] + " and " + all[1]
}
