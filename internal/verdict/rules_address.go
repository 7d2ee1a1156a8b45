package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"hobnail/internal/model"
)

// declined: the machine took an address and gave it back as unusable.
func declined(v *sight) *finding {
	s := v.decline
	if s == nil || len(v.files) > 0 || v.ack != nil && v.ack.Time.After(s.Time) {
		return nil
	}
	f := &finding{code: Declined, certain: true, evidence: []*model.Step{v.ack, s},
		text: fmt.Sprintf("the machine declined %s", s.DHCP.Address)}
	if s.DHCP.Message != "" {
		f.text += fmt.Sprintf(": \"%s\"", s.DHCP.Message)
	}
	// EDK2 says this when the offer lacked the mask; an address in use gives no
	// text (Dhcp4Io.c DhcpLeaseAcquired).
	noMask := v.ack != nil && v.ack.DHCP.NoMask
	if noMask || strings.Contains(s.DHCP.Message, "upon entering bound") {
		f.detail = "bad-offer"
		f.cause = "the offer itself was not acceptable: it lacks the subnet mask (option 1)"
		f.remedy = "have the DHCP server send option 1 (subnet mask) in OFFER and ACK"
		return f
	}
	f.detail = "in-use"
	f.cause = fmt.Sprintf("another device uses %s", s.DHCP.Address)
	return f
}

// addressTaken: the machine has its address, and no file was asked for.
func addressTaken(v *sight) *finding {
	if len(v.files) > 0 || v.open != nil || v.searches > 0 || v.probes > 0 {
		return nil
	}
	if v.ack == nil && v.told == nil && len(v.asks) == 0 && !v.tookOther() {
		return nil
	}
	if f := v.bootService(); f != nil {
		return f
	}
	if f := lured(v); f != nil {
		return f
	}
	if f := secondServer(v); f != nil {
		return f
	}
	if f := v.foreignFile(); f != nil {
		return f
	}
	if len(v.ours()) == 0 {
		return v.noBootData()
	}
	name, next := v.given()
	f := &finding{code: BootFileNotAsked, evidence: []*model.Step{v.bootOffer(), v.request, v.ack, v.told},
		text: fmt.Sprintf("the machine has an address and was told to read %s from %s, and no request came for %s", name, next, short(v.quietFor()))}
	if strings.HasPrefix(name, "http://") {
		f.detail = "http"
		f.cause = "the way from the machine to the HTTP port: route, firewall, VLAN; or firmware that reads by https only"
		f.remedy = "open the HTTP port both ways (hobnail ports); where the firmware wants https, set [server] https"
	}
	return f
}

// tookOther: the machine asked another server for its address, and that did not
// refuse; its ACK is not heard by everybody.
func (v *sight) tookOther() bool {
	r := v.request
	return r != nil && r.DHCP.Chosen.IsValid() && (v.nak == nil || v.nak.Time.Before(r.Time)) && !v.ourAddr(r.DHCP.Chosen)
}

func (v *sight) ourAddr(a netip.Addr) bool {
	for _, s := range v.servers {
		if s.addr == a && v.isOurs(s) {
			return true
		}
	}
	return false
}

// bootService: what was asked of port 4011 and not answered.
func (v *sight) bootService() *finding {
	if len(v.asks) == 0 || v.told != nil {
		return nil
	}
	s := v.asks[len(v.asks)-1]
	if len(v.discovers) == 0 && v.request == nil {
		return &finding{code: HelperMissing, detail: "discover", evidence: []*model.Step{v.asks[0]},
			text: "the machine asks the boot service here, and its DISCOVER was never heard"}
	}
	if f := lured(v); f != nil {
		return f
	}
	why, text := v.silence()
	if text == "" {
		text = "no answer was sent"
	}
	return &finding{code: NoAnswer, detail: orElse(why, "boot-service"), evidence: []*model.Step{v.asks[0], s},
		text: fmt.Sprintf("the machine asked the boot service on port 4011 %s: %s", plural(s.Times()), text)}
}

// lured: another server says PXEClient and nothing else.
func lured(v *sight) *finding {
	if len(v.files) > 0 || v.open != nil {
		return nil
	}
	for _, s := range v.others() {
		o := s.lure()
		if o == nil {
			continue
		}
		if o.DHCP.File != "" && len(v.ours()) == 0 && s.told != nil {
			continue // its own boot service answers: that is how it works there
		}
		f := &finding{code: ForeignOption60, certain: v.ack != nil, evidence: []*model.Step{o, v.request, v.ack},
			text: fmt.Sprintf("the DHCP server %s sends option 60 = PXEClient without option 43: the machine goes to its port 4011, where nobody answers, and takes no other offer", s.addr)}
		if len(v.asks) > 0 {
			f.evidence = append(f.evidence, v.asks[0])
		}
		return f
	}
	return nil
}

// secondServer: two servers offered different addresses.
func secondServer(v *sight) *finding {
	a, b := v.twoLessors()
	if b == nil {
		return nil
	}
	f := &finding{code: SecondDHCPServer, evidence: []*model.Step{a.lease, b.lease, v.request},
		text: fmt.Sprintf("%s offered %s and %s offered %s", a.addr, a.lease.DHCP.Address, b.addr, b.lease.DHCP.Address)}
	if v.request != nil && v.request.DHCP.Chosen.IsValid() {
		f.text += fmt.Sprintf("; the machine took the address of %s", v.request.DHCP.Chosen)
	}
	return f
}

// foreignFile: another server's boot file or next server was what the machine
// had to go by.
func (v *sight) foreignFile() *finding {
	if len(v.ours()) == 0 {
		return nil
	}
	for _, s := range v.others() {
		for _, o := range s.offers() {
			if o.DHCP.File == "" {
				continue
			}
			return &finding{code: ForeignBootFile, evidence: []*model.Step{o, v.bootOffer(), v.request, v.ack},
				text: fmt.Sprintf("the DHCP server %s names the boot file %s on %s, and the machine never asked for ours", s.addr, o.DHCP.File, nextServer(o))}
		}
	}
	return nil
}

func nextServer(s *model.Step) netip.Addr {
	if s.DHCP.NextServer.IsValid() {
		return s.DHCP.NextServer
	}
	return s.Server
}

// noBootData: an address and nothing to boot from.
func (v *sight) noBootData() *finding {
	why, text := v.silence()
	f := &finding{code: NoAnswer, detail: orElse(why, "no-boot-data"), evidence: []*model.Step{first(v.discovers), v.request, v.ack},
		text: "the machine has an address, and nobody told it what to boot"}
	if text != "" {
		f.text += ": " + text
	}
	return f
}

// bootOffer is the first offer of ours.
func (v *sight) bootOffer() *model.Step {
	for _, s := range v.ours() {
		if all := s.offers(); len(all) > 0 {
			return all[0]
		}
	}
	return nil
}

// given is the boot file that the machine was told, and where.
func (v *sight) given() (name string, next netip.Addr) {
	for _, s := range v.ours() {
		for _, o := range s.offers() {
			if o.DHCP.File != "" {
				name, next = o.DHCP.File, nextServer(o)
			}
		}
	}
	return name, next
}

// refused: a NAK was the last word.
func refused(v *sight) *finding {
	if v.nak == nil || v.ack != nil && v.ack.Time.After(v.nak.Time) || len(v.files) > 0 {
		return nil
	}
	for _, s := range v.discovers {
		if s.End().After(v.nak.Time) {
			return nil // it began anew
		}
	}
	f := &finding{code: AddressRefused, evidence: []*model.Step{v.request, v.nak},
		text: fmt.Sprintf("%s answered the machine's REQUEST with NAK", v.nak.Server)}
	if v.nak.DHCP.Message != "" {
		f.text += fmt.Sprintf(": \"%s\"", v.nak.DHCP.Message)
	}
	return f
}

// offered: our offer went out, and no REQUEST took it.
func offered(v *sight) *finding {
	ours := v.ours()
	if len(ours) == 0 || len(v.files) > 0 || v.open != nil || v.ack != nil {
		return nil
	}
	evidence := []*model.Step{first(v.discovers), v.bootOffer(), v.request}
	proxies := true
	for _, s := range ours {
		proxies = proxies && s.lease == nil
	}
	if r := v.request; r != nil && !proxies && r.DHCP.Chosen.IsValid() && !v.ourAddr(r.DHCP.Chosen) {
		return &finding{code: OfferNotTaken, detail: "other-server", evidence: evidence,
			text:   fmt.Sprintf("the machine took the offer of %s instead of ours", r.DHCP.Chosen),
			cause:  "another DHCP server answers on that network, and its offer won",
			remedy: "use dhcp = \"merge\" or \"proxy\" there, or turn the other server off", who: Network}
	}
	if !proxies {
		return v.replyLost(evidence)
	}
	for _, s := range v.others() {
		if s.lease != nil {
			return v.splitOffer(s.addr, append(evidence, s.lease))
		}
	}
	for _, n := range v.Neighbours {
		if n.Leases && !n.Ours {
			return v.splitOffer(n.Addr, evidence)
		}
	}
	f := &finding{code: NoLease, evidence: evidence,
		text: fmt.Sprintf("our offer of boot data went out %s, and no DHCP server offered an address", plural(v.times(ours)))}
	if relayed(v) {
		f.cause = "the relay of that network has no helper address for the DHCP server, or that is down or has no free address"
	}
	return f
}

func (v *sight) times(all []*server) (n int) {
	for _, s := range all {
		for _, o := range []*model.Step{s.lease, s.proxy} {
			if o != nil {
				n = max(n, o.Times())
			}
		}
	}
	return max(n, 1)
}

func relayed(v *sight) bool { return len(v.discovers) > 0 && v.discovers[0].DHCP.Relay.IsValid() }

// splitOffer: the address came in one offer, boot data in another, and the
// machine took neither.
func (v *sight) splitOffer(dhcp netip.Addr, evidence []*model.Step) *finding {
	return &finding{code: OfferNotTaken, detail: "split-offer", evidence: evidence,
		text:   fmt.Sprintf("the DHCP server %s offers an address, we offer boot data, and the machine asked %s and took neither", dhcp, plural(len1(v.discovers))),
		cause:  "the firmware ignores boot data that comes in an offer of its own, or a switch drops offers without an address (DHCP snooping)",
		remedy: "use dhcp = \"merge\", which hands the machine one complete offer; or have the DHCP server carry the boot data itself (hobnail ports prints what); let the switch trust this server's port"}
}

func (v *sight) replyLost(evidence []*model.Step) *finding {
	return &finding{code: OfferNotTaken, detail: "reply-lost", evidence: evidence,
		text:   fmt.Sprintf("we offered an address and boot data, and the machine asked %s and never took them", plural(len1(v.discovers))),
		cause:  "the answer does not reach the machine: a switch drops it (DHCP snooping), the relay does not pass it on, or it goes to the wrong VLAN",
		remedy: "let the switch trust this server's port; look whether the relay's address can be reached from here; capture on the machine's port and give the file to hobnail explain", who: Network}
}

// len1 is how often the machine asked.
func len1(all []*model.Step) (n int) {
	for _, s := range all {
		n += s.Times()
	}
	return max(n, 1)
}

// unanswered: we heard the machine and sent nothing.
func unanswered(v *sight) *finding {
	if len(v.ours()) > 0 || len(v.files) > 0 || v.open != nil {
		return nil
	}
	why, text := v.silence()
	evidence := []*model.Step{first(v.discovers), first(v.silent)}
	if why != "" {
		return &finding{code: NoAnswer, detail: why, text: text, evidence: evidence, remedy: silenceRemedies[why]}
	}
	for _, s := range v.others() {
		if s.lease != nil {
			return &finding{code: NoAnswer, detail: "no-boot-data", evidence: append(evidence, s.lease),
				text:   fmt.Sprintf("%s offered an address without boot data, nobody offered boot data, and the machine asked for neither", s.addr),
				remedy: "start a boot server there, or add its address as a helper on the router of that network"}
		}
	}
	return &finding{code: NoAnswer, detail: "nobody", evidence: evidence,
		text:   fmt.Sprintf("the machine asked %s, and no answer was seen", plural(len1(v.discovers))),
		remedy: "look whether a DHCP server runs on that network, or whether its router has helper addresses"}
}

// silenceRemedies say what to do about each reason of silence.
var silenceRemedies = map[string]string{
	model.SilentDeny:      "change the rule that the reason names, if the machine is to boot",
	model.SilentNoProgram: "put the boot program that is named into the folder that is named, then reload",
	model.SilentPool:      "make the pool larger or the lease shorter",
	model.SilentCircuit:   "look what is at that port, or raise per_circuit",
	model.SilentSubnet:    "add a [[subnet]] for that network, or dhcp = \"proxy\" or \"merge\" for all",
	model.SilentOff:       "turn it on there, if the machine is to boot from here",
	model.SilentLease:     "check disk space and the data directory",
}

// silence is why this server did not answer; the last reason counts.
func (v *sight) silence() (why, text string) {
	for _, s := range v.silent {
		if s.Why != model.SilentOther {
			why, text = s.Why, s.Text
		}
	}
	return why, text
}

// nothing: no rule knows what it sees. It is said plainly.
func nothing(v *sight) *finding {
	var last *model.Step
	if n := len(v.Boot.Steps); n > 0 {
		last = &v.Boot.Steps[n-1]
	}
	if v.open != nil {
		return &finding{code: TransferStalled, detail: "open", evidence: []*model.Step{v.open},
			text: fmt.Sprintf("%s was being read, and its end was not seen", v.open.File.Name)}
	}
	if v.probes+v.searches > 0 && len(v.files) == 0 {
		return &finding{code: BootFileNotFound, detail: "searches", evidence: []*model.Step{last},
			text: "the machine only looked for names that are not there, or asked for sizes, and read nothing"}
	}
	return &finding{code: NoAnswer, detail: "nobody", evidence: []*model.Step{last}, text: "too little was heard to say more"}
}

func first(all []*model.Step) *model.Step {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
