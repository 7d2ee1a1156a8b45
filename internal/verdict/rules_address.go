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
	if s == nil || v.touched() || after(v.ack, s) || askedAfter(v, s) {
		return nil
	}
	addr := s.DHCP.Address
	f := &finding{code: Declined, evidence: []*model.Step{v.ack, s}, text: fmt.Sprintf("the machine declined %s%s", addr, message(s))}
	// EDK2 says this when the OFFER lacked the mask, or the ACK another address
	// than the OFFER; one that is in use gives no text (Dhcp4Io.c
	// DhcpLeaseAcquired).
	noMask := v.ack != nil && v.ack.DHCP.NoMask
	for _, srv := range v.servers {
		noMask = noMask || srv.lease != nil && srv.lease.DHCP.NoMask && srv.lease.DHCP.Address == addr
	}
	if noMask || strings.Contains(s.DHCP.Message, "upon entering bound") {
		f.detail, f.certain = "bad-offer", true
		f.cause = "the firmware does not accept the answer itself: OFFER and ACK differ in the address, or OFFER lacks what firmware wants"
		f.remedy = "capture the exchange and give the file to hobnail explain; OFFER and ACK of the DHCP server must say the same"
		if noMask {
			f.cause = "the answer lacks the subnet mask (option 1)"
			f.remedy = fmt.Sprintf("have the DHCP server %s send option 1 (subnet mask) in OFFER and ACK", serverOf(v.ack))
		}
		return f
	}
	f.detail = "in-use"
	f.cause = fmt.Sprintf("another device uses %s", addr)
	f.remedy = fmt.Sprintf("find the device that has %s (on the router: show ip arp, or arp -a), and give it a reservation or take its address out of the pool", addr)
	return f
}

func serverOf(s *model.Step) string {
	if s == nil || !s.Server.IsValid() {
		return "that answered"
	}
	return s.Server.String()
}

// message is what a client or server said in option 56.
func message(s *model.Step) string {
	if s.DHCP.Message == "" {
		return ""
	}
	return fmt.Sprintf(": \"%s\"", s.DHCP.Message)
}

// askedAfter reports whether the machine began anew after a step.
func askedAfter(v *sight, s *model.Step) bool {
	n := len(v.asked)
	return n > 0 && after(v.asked[n-1], s)
}

// addressTaken: the machine has its address, and no file was asked for.
func addressTaken(v *sight) *finding {
	if v.touched() || v.declinedSince() || v.refusedSince() {
		return nil
	}
	if v.ack == nil && v.told == nil && len(v.asks) == 0 && v.tookOther() == nil {
		return nil
	}
	for _, r := range []rule{bootService, lured, elsewhere, otherServer, foreignFile, otherWon, badMenu, noFileNamed} {
		if f := r(v); f != nil {
			return f
		}
	}
	if len(v.ours()) == 0 {
		return noBootData(v)
	}
	return neverAsked(v)
}

func (v *sight) declinedSince() bool { return v.decline != nil && !after(v.ack, v.decline) }
func (v *sight) refusedSince() bool  { return v.nak != nil && !after(v.ack, v.nak) }

// tookOther is the REQUEST for the address of another server than this one,
// where that did not refuse; its ACK is not heard by everybody.
func (v *sight) tookOther() *model.Step {
	r := v.request
	if r == nil || !r.DHCP.Chosen.IsValid() || after(v.nak, r) || v.mine(r.DHCP.Chosen) {
		return nil
	}
	return r
}

// mine reports whether an address is of the server that the boot is judged for.
// Where several hobnails are heard live, it is the one that keeps the record.
func (v *sight) mine(a netip.Addr) bool {
	s := v.find(a)
	if v.heard && s != nil && s.ours {
		return s.self
	}
	return s != nil && v.isOurs(s) || v.isOwn(a)
}

// took reports whether the machine took the address of a server, as far as that
// is known.
func (v *sight) took(s *server) bool {
	if s.ack != nil {
		return true
	}
	return v.request != nil && v.request.DHCP.Chosen == s.addr && s.nak == nil
}

// bootService: what was asked of port 4011 and not answered.
func bootService(v *sight) *finding {
	if len(v.asks) == 0 || v.told != nil {
		return nil
	}
	s := v.asks[len(v.asks)-1]
	times := 0
	for _, a := range v.asks {
		times += a.Times()
	}
	why, text := v.silence()
	if why == "" && len(v.asked) == 0 && v.request == nil {
		return &finding{code: HelperMissing, detail: "discover", evidence: []*model.Step{v.asks[0]},
			text: "the machine asks the boot service here, and its DISCOVER was never heard"}
	}
	if f := lured(v); f != nil && why == "" {
		return f
	}
	f := &finding{code: BootServiceSilent, evidence: []*model.Step{v.asks[0], s},
		text: fmt.Sprintf("the machine asked the boot service on port 4011 of %s %s, and got no answer", addrOr(s.Server, "this server"), plural(times))}
	if why != "" {
		f.code, f.detail = NoAnswer, why
		f.text += ": " + text
		f.remedy = silenceRemedies[why]
		return f.ofSilence(why)
	}
	return f
}

// lured: another server says PXEClient and nothing else, the machine took its
// address, and so has to ask its port 4011. iPXE and U-Boot do not care.
func lured(v *sight) *finding {
	class, firmware := v.firmware()
	if !firmware || class != "PXEClient" || v.told != nil {
		return nil
	}
	for _, s := range v.others() {
		o := s.lure()
		if o == nil || !v.took(s) {
			continue
		}
		f := &finding{code: ForeignOption60, evidence: []*model.Step{o, v.bootOffer(), v.request, v.ack},
			text:   fmt.Sprintf("the DHCP server %s sends option 60 = PXEClient without option 43: the machine asks port 4011 there, where nobody answers, and takes no other offer", s.addr),
			remedy: fmt.Sprintf("remove option 60 on the DHCP server %s (Windows: Server Options or Scope Options, 060 PXEClient), or use dhcp = \"merge\", whose complete offer comes first", s.addr)}
		if len(v.asks) > 0 {
			f.evidence = append(f.evidence, v.asks[0])
		}
		return f
	}
	return nil
}

// otherServer: two servers give addresses, and the machine took the wrong one.
func otherServer(v *sight) *finding {
	a, b := v.twoLessors()
	r := v.tookOther()
	if b == nil || r == nil && len(v.ours()) > 0 || len(v.ours()) > 0 && !v.weLease() {
		return nil
	}
	if r == nil || len(v.ours()) == 0 {
		return &finding{code: SecondDHCPServer, evidence: []*model.Step{a.lease, b.lease, v.request, v.ack},
			text: fmt.Sprintf("%s offered %s and %s offered %s, and neither told the machine what to boot", a.addr, a.lease.DHCP.Address, b.addr, b.lease.DHCP.Address)}
	}
	return &finding{code: SecondDHCPServer, evidence: []*model.Step{a.lease, b.lease, r, v.ack},
		text: fmt.Sprintf("%s offered %s and %s offered %s, and the machine took the one of %s, which knows nothing of what it is to boot",
			a.addr, a.lease.DHCP.Address, b.addr, b.lease.DHCP.Address, r.DHCP.Chosen)}
}

// weLease reports whether we offered an address of our own.
func (v *sight) weLease() bool {
	for _, s := range v.ours() {
		if s.lease != nil {
			return true
		}
	}
	return false
}

// foreignFile: another server's boot file or next server was what the machine
// had to go by.
func foreignFile(v *sight) *finding {
	if len(v.ours()) == 0 || v.complete() {
		return nil
	}
	for _, s := range v.others() {
		if !v.took(s) {
			continue
		}
		for _, o := range s.said() {
			if o.DHCP.File == "" {
				continue
			}
			return &finding{code: ForeignBootFile, evidence: []*model.Step{o, v.bootOffer(), v.request, v.ack},
				text:   fmt.Sprintf("the DHCP server %s names the boot file %s on %s, and the machine never asked for ours", s.addr, o.DHCP.File, addrOr(nextServer(o), "itself")),
				remedy: fmt.Sprintf("on the DHCP server %s, remove options 66 and 67 (next-server, filename) from that network, or use dhcp = \"merge\" there", s.addr)}
		}
	}
	return nil
}

// complete reports whether our own answer with address and boot data was
// acknowledged: no other counts then.
func (v *sight) complete() bool {
	for _, s := range v.ours() {
		if s.ack != nil && s.ack.DHCP.File != "" {
			return true
		}
	}
	return false
}

// nextServer is where a boot file is to be read from: the URL's host, else
// siaddr, else who says so.
func nextServer(s *model.Step) netip.Addr {
	if _, rest, ok := strings.Cut(s.DHCP.File, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if at, err := netip.ParseAddrPort(host); err == nil {
			return at.Addr()
		}
		a, _ := netip.ParseAddr(host)
		return a
	}
	if s.DHCP.NextServer.IsValid() {
		return s.DHCP.NextServer
	}
	return s.Server
}

// elsewhere: the machine went to a server whose files are read where this
// server does not hear it: another hobnail, or another boot server that was
// not contested.
func elsewhere(v *sight) *finding {
	if !v.heard {
		return nil
	}
	for _, s := range v.servers {
		switch {
		case s.self || !s.bootData():
		case s.ours && !v.chosenSelf():
			return otherBoots(s.addr, append(s.said(), v.request, v.ack))
		case len(v.own) == 0 && (s.lure() == nil || s.told != nil):
			return uncontested(v, s)
		}
	}
	if r := v.tookOther(); r != nil {
		for _, n := range v.Neighbours {
			if n.Ours && n.Addr == r.DHCP.Chosen {
				return otherBoots(n.Addr, []*model.Step{v.bootOffer(), r})
			}
		}
	}
	return nil
}

func otherBoots(a netip.Addr, evidence []*model.Step) *finding {
	return &finding{code: OtherBootServer, evidence: evidence,
		text: fmt.Sprintf("the boot server %s answered as well, and the machine has asked for nothing here: it boots from there", a)}
}

// uncontested: another boot server answered, and this one had nothing to say.
// What comes of it is not heard here.
func uncontested(v *sight, s *server) *finding {
	f := &finding{code: ForeignBootFile, detail: "uncontested", outcome: model.OutcomeWarning, evidence: append(s.said(), v.request, v.ack),
		text:   fmt.Sprintf("%s answered the machine and this server did not, so the machine boots from there or not at all", s.addr),
		cause:  "another boot server is there, and this one is off for that machine or gives such machines no answer",
		remedy: fmt.Sprintf("nothing, if the machine is to boot from %s; else remove options 66 and 67 (next-server, filename) there, and use dhcp = \"merge\" here", s.addr)}
	for _, o := range s.said() {
		if o.DHCP.File != "" {
			f.text = fmt.Sprintf("%s names the boot file %s on %s, this server did not answer, and no request for a file came here", s.addr, o.DHCP.File, addrOr(nextServer(o), "itself"))
		}
	}
	return f
}

// turnedAway: this server has a reason not to answer, whatever others do.
func turnedAway(v *sight) *finding {
	why, text := v.silence()
	if why == "" || !v.heard || len(v.own) > 0 || v.touched() || len(v.asks) > 0 {
		return nil
	}
	if why == model.SilentOff && elsewhere(v) != nil {
		return nil // somebody else is to name the boot file there
	}
	return (&finding{code: NoAnswer, detail: why, text: text, remedy: silenceRemedies[why],
		evidence: []*model.Step{first(v.asked), last(v.silent), v.request, v.ack}}).ofSilence(why)
}

// chosenSelf reports whether the machine asked this very server for its
// address.
func (v *sight) chosenSelf() bool {
	r := v.request
	if r == nil || !r.DHCP.Chosen.IsValid() {
		return false
	}
	s := v.find(r.DHCP.Chosen)
	return s != nil && s.self
}

// badMenu: the answer that the machine goes by has a PXE menu that leads
// nowhere.
func badMenu(v *sight) *finding {
	for _, s := range v.ours() {
		for _, o := range s.said() {
			if o.DHCP.MenuFault == "" || v.told != nil {
				continue
			}
			return &finding{code: BootMenuFault, evidence: []*model.Step{o, v.request, v.ack},
				text: fmt.Sprintf("the answer of %s tells the firmware to choose from a menu, and %s", s.addr, o.DHCP.MenuFault)}
		}
	}
	return nil
}

// noFileNamed: somebody said "PXE, take the file of this packet", and named
// none; or the boot service answered without one.
func noFileNamed(v *sight) *finding {
	if name, _ := v.given(); name != "" {
		return nil
	}
	named := func(s *server, o *model.Step, what string) *finding {
		return &finding{code: BootFileNotNamed, evidence: []*model.Step{o, v.request, v.ack},
			text: fmt.Sprintf("%s of %s has boot data and names no boot file", what, s.addr)}
	}
	for _, s := range v.servers {
		if s.told != nil && s.told.DHCP.File == "" {
			return named(s, s.told, "the boot service's answer (port 4011)")
		}
	}
	for _, s := range v.servers {
		for _, o := range s.said() {
			if o.DHCP.Bypass && isPXE(o.DHCP.Vendor) {
				return named(s, o, "the answer")
			}
		}
	}
	return nil
}

// noBootData: an address and nothing to boot from.
func noBootData(v *sight) *finding {
	why, text := v.silence()
	f := &finding{code: NoAnswer, detail: or(why, "no-boot-data"), evidence: []*model.Step{first(v.asked), v.request, v.ack, last(v.silent)},
		text: "the machine has an address, and nobody told it what to boot"}
	if text != "" {
		f.text += ": " + text
		f.remedy = silenceRemedies[why]
	} else {
		f.remedy = "start a boot server on that network, or add its address as a second helper (ip helper-address) on that network's router"
	}
	return f.ofSilence(why)
}

// neverAsked: the machine knows what to read and where, and asked for nothing.
func neverAsked(v *sight) *finding {
	name, next := v.given()
	f := &finding{code: BootFileNotAsked, evidence: []*model.Step{v.bootOffer(), v.request, v.ack, v.told},
		text: fmt.Sprintf("the machine has an address and was told to read %s from %s, and no request came %s", name, addrOr(next, "its server"), v.since())}
	for _, s := range v.servers {
		for _, o := range s.said() {
			if o.DHCP.NoRoute && v.took(s) {
				f.detail = "no-router"
				f.evidence = append(f.evidence, o)
				f.cause = fmt.Sprintf("%s is on another network, and the DHCP server %s gives the machine no router (option 3)", addrOr(next, "the boot server"), s.addr)
				f.remedy = fmt.Sprintf("set the router (option 3) on the DHCP server %s for that network", s.addr)
				return f
			}
		}
	}
	switch {
	case name == "":
		f.detail = "boot-service"
		f.text = fmt.Sprintf("the machine has an address and was told to ask the boot service on port 4011, and no request came %s", v.since())
		f.cause = "UDP port 4011 is blocked between the machine and this server, or the firmware ignores boot data that comes in an offer of its own"
		f.remedy = "open UDP port 4011 both ways (hobnail ports prints the rules), or use dhcp = \"merge\" there"
	case strings.Contains(name, "://"):
		f.detail = "http"
		f.cause = "the HTTP port is blocked between the machine and this server, or the firmware takes HTTPS only: its screen then says \"only HTTPS connection is allowed\""
		f.remedy = "open the HTTP port both ways (hobnail ports prints the rules); where the screen asks for HTTPS, allow HTTP in the machine's setup, or let the machine boot by PXE"
	case !v.complete():
		f.detail = "split-offer"
		f.cause = "the firmware ignores boot data that comes in an offer of its own (some HP and old Dell do), or the way from the machine to the TFTP server is blocked: route, firewall, VLAN"
		f.remedy = "use dhcp = \"merge\" there, which hands the machine one complete offer; else open UDP port 69 and the data ports both ways (hobnail ports prints the rules)"
	}
	return f
}

// bootOffer is the first offer of ours.
func (v *sight) bootOffer() *model.Step {
	for _, s := range v.ours() {
		if all := s.said(); len(all) > 0 {
			return all[0]
		}
	}
	return nil
}

// given is the boot file that the machine was told, and where.
func (v *sight) given() (name string, next netip.Addr) {
	for _, s := range v.ours() {
		for _, o := range s.said() {
			if o.DHCP.File != "" {
				name, next = o.DHCP.File, nextServer(o)
			}
		}
	}
	return name, next
}

// refused: a NAK was the last word.
func refused(v *sight) *finding {
	if v.nak == nil || after(v.ack, v.nak) || v.touched() || askedAfter(v, v.nak) {
		return nil
	}
	if a, b := v.twoLessors(); b != nil {
		return &finding{code: SecondDHCPServer, evidence: []*model.Step{a.lease, b.lease, v.request, v.nak},
			text: fmt.Sprintf("%s offered %s and %s offered %s, and then %s refused (NAK) what the machine asked for",
				a.addr, a.lease.DHCP.Address, b.addr, b.lease.DHCP.Address, v.nak.Server)}
	}
	f := &finding{code: AddressRefused, evidence: []*model.Step{v.request, v.nak},
		text: fmt.Sprintf("the DHCP server %s refused (NAK) what the machine asked for%s", v.nak.Server, message(v.nak))}
	switch r := v.request; {
	case r == nil:
	case r.DHCP.Chosen.IsValid() && r.DHCP.Chosen != v.nak.Server:
		f.detail = "other-server"
		f.text = fmt.Sprintf("the machine asked %s for its address, and another DHCP server, %s, refused (NAK)%s", r.DHCP.Chosen, v.nak.Server, message(v.nak))
		f.cause = "two DHCP servers speak for that network, and one of them refuses what the other gives (\"authoritative\")"
		f.remedy = fmt.Sprintf("turn the DHCP server %s or the DHCP server %s off on that network", v.nak.Server, r.DHCP.Chosen)
	case r.DHCP.Chosen.IsValid():
		f.detail = "taken"
		f.cause = "the address that was offered was given to another machine meanwhile, or the server does not remember its offer"
		f.remedy = "start the machine again; where it comes back, look into the log of that DHCP server"
	default:
		f.detail = "moved"
		f.cause = "the machine asked for the address it had before, which it cannot have on this network: it was moved, or its lease is gone"
		f.remedy = "start the machine again: it asks for a new address then"
	}
	return f
}

// secondServer: two servers gave addresses, and the machine took neither.
func secondServer(v *sight) *finding {
	a, b := v.twoLessors()
	if b == nil || v.touched() || v.ack != nil && !v.declinedSince() {
		return nil
	}
	return &finding{code: SecondDHCPServer, evidence: []*model.Step{a.lease, b.lease, v.request},
		text: fmt.Sprintf("%s offered %s and %s offered %s, and the machine took neither", a.addr, a.lease.DHCP.Address, b.addr, b.lease.DHCP.Address)}
}

// offered: our offer went out, and no REQUEST took it.
func offered(v *sight) *finding {
	ours := v.ours()
	if len(ours) == 0 || v.touched() || v.ack != nil && !v.declinedSince() {
		return nil
	}
	evidence := []*model.Step{first(v.asked), v.bootOffer(), v.request}
	if f := badOffer(v, evidence); f != nil {
		return f
	}
	if r := v.request; r != nil && v.mine(r.DHCP.Chosen) {
		return v.notAcknowledged(r, evidence)
	}
	if len(v.own) == 0 {
		if f := elsewhere(v); f != nil {
			return f
		}
	}
	if v.weLease() {
		return v.replyLost(evidence)
	}
	for _, s := range v.others() {
		if s.lease != nil {
			return v.splitOffer(fmt.Sprintf("the DHCP server %s offered an address", s.addr), append(evidence, s.lease))
		}
	}
	return v.noLease(evidence)
}

// badOffer: what was offered is of a form that the firmware drops.
func badOffer(v *sight, evidence []*model.Step) *finding {
	// Ours first: without boot data the rest does not matter.
	for _, s := range append(v.ours(), v.others()...) {
		for _, o := range []*model.Step{s.lease, s.proxy} {
			if o == nil {
				continue
			}
			fault := v.dropped(o)
			if fault == "" || !v.isOurs(s) && v.weLease() {
				continue
			}
			return &finding{code: OfferNotTaken, detail: "bad-offer", evidence: append(evidence, o), who: Network,
				text:   fmt.Sprintf("the answer of %s %s", s.addr, fault),
				cause:  "the firmware throws that answer away, as if it had never come",
				remedy: fmt.Sprintf("correct the options of the DHCP server %s, as the sentence says; hobnail doctor shows its answer", s.addr)}
		}
	}
	return nil
}

// notAcknowledged: the machine took what we offered, and no ACK came.
func (v *sight) notAcknowledged(r *model.Step, evidence []*model.Step) *finding {
	why, text := v.silence()
	f := &finding{code: NoAnswer, detail: or(why, "no-ack"), evidence: evidence,
		text: fmt.Sprintf("the machine asked %s for the address that it was offered, and got no answer", r.DHCP.Chosen)}
	if text != "" {
		f.text += ": " + text
	}
	f.remedy = or(silenceRemedies[why], "look whether the DHCP server that gives the addresses runs, and whether something between it and the machine drops its ACK")
	return f
}

// otherWon: we offered an address as well, and the machine took another.
func otherWon(v *sight) *finding {
	r := v.tookOther()
	if r == nil || !v.weLease() || len(v.own) == 0 {
		return nil
	}
	f := &finding{code: OfferNotTaken, detail: "other-server", evidence: []*model.Step{first(v.asked), v.bootOffer(), r, v.ack}, who: Network,
		text:   fmt.Sprintf("the machine took the offer of %s instead of ours", r.DHCP.Chosen),
		cause:  "another DHCP server answers on that network, and its offer won",
		remedy: fmt.Sprintf("turn the DHCP server %s off on that network, or use dhcp = \"merge\" there", r.DHCP.Chosen)}
	if v.merged {
		f.cause = "the machine took the DHCP server's own offer, which has no boot data, and not the complete one: it takes the first that comes (U-Boot), or ours came late"
		f.remedy = "have the DHCP server carry the boot data itself (hobnail ports prints what to set), or let hobnail give the addresses (dhcp = \"server\")"
	}
	if v.heard {
		f.outcome = model.OutcomeWarning // what came of it is not heard here
	}
	return f
}

// noLease: we gave boot data, and nobody an address.
func (v *sight) noLease(evidence []*model.Step) *finding {
	// A server that gave addresses there while this machine asked is up, and is
	// not heard: its offers go to the machine or its relay alone.
	for _, n := range v.Neighbours {
		if n.Leases && !n.Ours && (n.Last.After(v.Boot.Start) || v.relay().IsValid()) {
			return v.splitOffer(fmt.Sprintf("the DHCP server %s gives other machines there their addresses", n.Addr), evidence)
		}
	}
	times := plural(v.timesOffered())
	if relay := v.relay(); relay.IsValid() {
		return &finding{code: HelperMissing, detail: "dhcp-server", evidence: evidence,
			text:   fmt.Sprintf("%s offered boot data through the relay %s %s, and no DHCP server gave an address", v.we(), relay, times),
			cause:  "the relay sends DISCOVER to this server only: the DHCP server's helper address is missing there, or that server is down or has no free address",
			remedy: fmt.Sprintf("on the router that has %s, add the DHCP server as a second helper (ip helper-address), beside this server; then look whether the DHCP server has free addresses", relay)}
	}
	return &finding{code: NoLease, evidence: evidence,
		text: fmt.Sprintf("%s offered boot data %s, and no DHCP server offered an address", v.we(), times)}
}

func (v *sight) timesOffered() (n int) {
	for _, s := range v.ours() {
		for _, o := range []*model.Step{s.lease, s.proxy} {
			if o != nil {
				n = max(n, o.Times())
			}
		}
	}
	return max(n, 1)
}

// splitOffer: the address came in one offer, boot data in another, and the
// machine took neither.
func (v *sight) splitOffer(dhcp string, evidence []*model.Step) *finding {
	return &finding{code: OfferNotTaken, detail: "split-offer", evidence: evidence,
		text:   fmt.Sprintf("%s, %s offered boot data, and the machine asked %s and took neither", dhcp, v.we(), plural(v.timesAsked())),
		cause:  "the firmware ignores boot data that comes in an offer of its own (some HP and old Dell do), a switch or relay drops offers without an address (DHCP snooping), or the DHCP server's offer does not reach this machine",
		remedy: "use dhcp = \"merge\" there, which hands the machine one complete offer; or have the DHCP server carry the boot data (hobnail ports prints what to set); or trust this server's switch port (ip dhcp snooping trust)"}
}

func (v *sight) replyLost(evidence []*model.Step) *finding {
	f := &finding{code: OfferNotTaken, detail: "reply-lost", evidence: evidence, who: Network,
		text:   fmt.Sprintf("%s offered an address and boot data, and the machine asked %s and never took them", v.we(), plural(v.timesAsked())),
		cause:  "the answer does not reach the machine: a switch drops it (DHCP snooping), or it goes to the wrong VLAN",
		remedy: "trust this server's switch port (ip dhcp snooping trust); capture on the machine's port, and give the file to hobnail explain"}
	if relay := v.relay(); relay.IsValid() {
		f.cause = fmt.Sprintf("our answer goes to the relay %s and does not come back to the machine from there: no route to it, a firewall, or the relay drops it", relay)
		f.remedy = fmt.Sprintf("from this server, ping %s; let UDP port 67 pass both ways between the two; capture on the machine's port, and give the file to hobnail explain", relay)
	}
	return f
}

// unanswered: we heard the machine and sent nothing.
func unanswered(v *sight) *finding {
	if len(v.asked) == 0 && v.request == nil || len(v.ours()) > 0 || v.touched() {
		return nil
	}
	why, text := v.silence()
	evidence := []*model.Step{first(v.asked), v.request, last(v.silent)}
	if why != "" {
		return (&finding{code: NoAnswer, detail: why, text: text, evidence: evidence, remedy: silenceRemedies[why]}).ofSilence(why)
	}
	if f := badOffer(v, evidence); f != nil {
		return f
	}
	for _, s := range v.others() {
		if s.lease != nil {
			return &finding{code: NoAnswer, detail: "no-boot-data", evidence: append(evidence, s.lease),
				text:   fmt.Sprintf("the DHCP server %s offered an address without boot data, nobody offered boot data, and the machine took neither", s.addr),
				remedy: "start a boot server on that network, or add its address as a second helper (ip helper-address) on that network's router"}
		}
	}
	return &finding{code: NoAnswer, detail: "nobody", evidence: evidence,
		text:   fmt.Sprintf("the machine asked %s, and no answer was seen", plural(v.timesAsked())),
		cause:  "no DHCP server answers on that network: none runs there, its router has no helper address, or the capture was taken where the answer does not pass",
		remedy: "look whether other devices there get an address; add helper addresses (ip helper-address) on that network's router"}
}

// ofSilence: that a machine is denied is what somebody wanted.
func (f *finding) ofSilence(why string) *finding {
	if why == model.SilentDeny {
		f.outcome = model.OutcomeWarning
		f.cause = "a rule or the machine's entry says deny"
	}
	return f
}

// we is who the boot is judged for, as a sentence has it.
func (v *sight) we() string {
	if len(v.own) > 0 {
		return "we"
	}
	for _, s := range v.ours() {
		return "the boot server " + s.addr.String()
	}
	return "the boot server"
}

// silenceRemedies say what to do about each reason of silence.
var silenceRemedies = map[string]string{
	model.SilentDeny:        "nothing, if the machine is not to boot; else change the rule that is named",
	model.SilentNoProgram:   "put the boot program that is named into the folder that is named, then start hobnail again or send it HUP",
	model.SilentPool:        "make pool larger or lease shorter in that [[subnet]]; hobnail leases shows who has the addresses",
	model.SilentCircuit:     "look what is at that switch port, or raise per_circuit in that [[subnet]]",
	model.SilentSubnet:      "add a [[subnet]] for that network, or set dhcp = \"proxy\" or \"merge\" in [server]",
	model.SilentOff:         "turn on what is named there, if the machine is to boot from here",
	model.SilentLease:       "look for a full disk and for the rights of the data folder ([server] data); the log says which",
	model.SilentUndelivered: "look at this server's own network and firewall: it refused to send the answer; the log says why",
}

// silence is why this server did not answer; the last reason counts.
func (v *sight) silence() (why, text string) {
	for _, s := range v.silent {
		if s.Why != model.SilentOther && s.Why != "" {
			why, text = s.Why, s.Text
		}
	}
	return why, or(text, why)
}

// nothing: no rule knows what it sees. It is said plainly.
func nothing(v *sight) *finding {
	var end *model.Step
	if n := len(v.Boot.Steps); n > 0 {
		end = &v.Boot.Steps[n-1]
	}
	return &finding{code: NoAnswer, detail: "nobody", evidence: []*model.Step{end}, outcome: model.OutcomeWarning,
		text: "too little was heard of this boot to say more"}
}

func first(all []*model.Step) *model.Step {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func last(all []*model.Step) *model.Step {
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}
