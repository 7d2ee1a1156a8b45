package sim

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/reply"
	"hobnail/internal/wire/dhcp4"
)

// Trace is the outcome of one simulated request, in the shape that programs
// read. Fields that do not apply are empty.
type Trace struct {
	Answer     string          `json:"answer"` // offer, ack, nak or ignore; in mode merge the answer that the site's server is asked for
	BootFile   string          `json:"boot_file"`
	NextServer string          `json:"next_server"`
	Target     string          `json:"target"`
	Address    string          `json:"address"`
	Mode       string          `json:"mode"`
	Subnet     string          `json:"subnet"`
	Machine    string          `json:"machine"` // name of the [[machine]]
	MAC        string          `json:"mac"`
	Arch       string          `json:"arch"`
	Stage      string          `json:"stage"`
	Loader     string          `json:"loader"`
	Offer      string          `json:"offer"` // form of a proxy's offer to firmware
	SendTo     string          `json:"send_to"`
	Missing    *Missing        `json:"missing,omitempty"`
	Reasons    []policy.Reason `json:"reasons"`
	Reply      string          `json:"reply"` // the UDP payload in hexadecimal digits
}

// Missing is a boot program that is not there.
type Missing struct {
	Arch   string   `json:"arch"`
	Files  []string `json:"files"`
	Folder string   `json:"folder"`
	Text   string   `json:"text"`
}

// Place is where the simulated request arrives.
type Place struct {
	// Server is our address as the machine reaches it; the zero value takes
	// [server] address, else a stand-in on the machine's own link.
	Server netip.Addr
	Port   uint16 // 67 or 4011
}

// Run takes one request through decision and reply.
func Run(v policy.View, req *dhcp4.Packet, at Place, now time.Time) (Trace, error) {
	in, assumed := ingress(v.Policy.Config, req, at)
	v.Own = append(slices.Clone(v.Own), in.Local)
	facts := classify.DHCP(req, in)
	d := v.Decide(now, &facts)
	t := Trace{
		Answer: string(d.Answer), Target: d.Target, Address: text(d.Address), Mode: string(d.Mode),
		MAC: string(facts.MAC), Arch: string(facts.Arch), Reasons: append(assumed, d.Reasons()...),
	}
	if facts.Boots() {
		t.Stage = string(facts.Stage)
	}
	if d.Subnet != nil {
		t.Subnet = d.Subnet.CIDR.String()
	}
	if d.Machine != nil {
		t.Machine = d.Machine.Name
	}
	if b := d.Boot; b != nil {
		t.BootFile, t.NextServer, t.Loader = b.File, text(b.NextServer), b.Loader
	}
	if m := d.Missing; m != nil {
		t.Missing = &Missing{Arch: string(m.Arch), Files: m.Files, Folder: m.Folder, Text: m.String()}
	}
	t.Offer = string(d.Style)
	switch d.Answer {
	case policy.Ignore:
		return t, nil
	case policy.Forward:
		t.completes(facts.Message)
		return t, nil
	}
	r, err := reply.Build(req, &facts, &d)
	if err != nil {
		return t, err
	}
	t.SendTo = r.To.Kind() + " " + r.To.Addr.String()
	t.Reply = hex.EncodeToString(r.Bytes)
	return t, nil
}

// completes says what the machine gets when the site's DHCP server gives the
// address: all but that, and so no packet.
func (t *Trace) completes(asked dhcp4.MessageType) {
	t.Answer = string(policy.Ack)
	if asked == dhcp4.Discover {
		t.Answer = string(policy.Offer)
	}
	t.Reasons = append(t.Reasons, policy.Reason{Rule: "merge", At: "built-in",
		Text: "the boot data goes into that server's answer; it gives the address, which is not known here"})
}

// Answering stands for a site whose DHCP server answers what is passed on to
// it: what mode auto is merge for.
type Answering struct{}

// State is that they answer.
func (Answering) State(netip.Prefix) policy.SiteState { return policy.SiteAnswers }

// Servers lists none: they are asked by broadcast.
func (Answering) Servers(netip.Prefix) []netip.Addr { return nil }

// Offered knows of no offer.
func (Answering) Offered(model.MAC, netip.Addr) (policy.SiteServer, bool) {
	return policy.SiteServer{}, false
}

// OnItsWay knows of no other request.
func (Answering) OnItsWay(time.Time, *classify.Facts) bool { return false }

// Taught stands for earlier boots that have taught one form of offer, whatever
// the machine.
type Taught struct{ Style model.Style }

// Offer is the one form.
func (t Taught) Offer(*classify.Facts) (policy.Lesson, bool) {
	return policy.Lesson{Choice: string(t.Style), Why: "as if this machine's boots had taught it"}, true
}

// Loader knows of none.
func (Taught) Loader(*classify.Facts, model.Arch) (policy.Lesson, bool) {
	return policy.Lesson{}, false
}

// standIn is a server address for configurations that name none, RFC 5737.
var standIn = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// ingress says where the request would arrive, and what had to be assumed for
// that: a server takes both from its interfaces, which are not looked at here.
func ingress(cfg *config.Config, req *dhcp4.Packet, at Place) (classify.Ingress, []policy.Reason) {
	in := classify.Ingress{Interface: "the machine's link", Local: at.Server, Port: at.Port}
	if in.Port == 0 {
		in.Port = 67
	}
	relayed := !req.GIAddr.IsUnspecified() && req.GIAddr.IsValid()
	var assumed []policy.Reason
	assume := func(at, format string, args ...any) {
		assumed = append(assumed, policy.Reason{Rule: "simulate", At: at, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case in.Local.IsValid():
	case cfg.Server.Address.IsValid():
		in.Local = cfg.Server.Address
	case !relayed && len(cfg.Subnets) > 0:
		s := &cfg.Subnets[0]
		in.Local = onLink(s)
		assume(s.At, "no relay is given: the machine is taken to be on the link of %s, where we have %s", s.CIDR, in.Local)
	default:
		in.Local = standIn
		assume("built-in", "the server's address is not known here: %s stands for it", standIn)
	}
	in.Dst = in.Local
	in.Src = netip.AddrPortFrom(netip.IPv4Unspecified(), 68)
	if relayed {
		in.Src = netip.AddrPortFrom(req.GIAddr, 67)
	} else if a := req.CIAddr; a.IsValid() && !a.IsUnspecified() {
		port := uint16(68)
		if in.Port != 67 {
			port = in.Port // EDK2 and PXE ROMs ask port 4011 from port 4011
		}
		in.Src = netip.AddrPortFrom(a, port)
	}
	return in, assumed
}

// onLink finds an address for ourselves in a subnet: one that is neither the
// router's nor the pool's.
func onLink(s *config.Subnet) netip.Addr {
	for a := s.CIDR.Masked().Addr().Next(); s.CIDR.Contains(a); a = a.Next() {
		if a != s.Router && !inPool(s, a) {
			return a
		}
	}
	return standIn
}

func inPool(s *config.Subnet, a netip.Addr) bool {
	for _, r := range s.Pool {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

func text(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// NoLeases is a lease table without leases: what a fresh server knows.
type NoLeases struct{}

// ByKey finds nothing.
func (NoLeases) ByKey(netip.Prefix, model.MAC) (model.Lease, bool) { return model.Lease{}, false }

// ByAddr finds nothing.
func (NoLeases) ByAddr(netip.Addr) (model.Lease, bool) { return model.Lease{}, false }

// Free finds every address free.
func (NoLeases) Free(ranges []policy.Range, start int64, _ time.Time, skip func(netip.Addr) bool) (netip.Addr, bool) {
	return policy.FirstFree(ranges, start, skip)
}

// Kept counts none.
func (NoLeases) Kept([]policy.Range, time.Time) int64 { return 0 }

// HeldBy counts none.
func (NoLeases) HeldBy(string, time.Time) int { return 0 }

// DeclinedBy counts none.
func (NoLeases) DeclinedBy(model.MAC, time.Time) int { return 0 }
