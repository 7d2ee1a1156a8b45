// Package policy decides what a machine gets, and says why. It is pure: the
// same view, time and facts give the same decision. It opens no socket, reads
// no clock and no file, takes no lock, and writes no log; the server, the
// simulator and the checker all run this very code.
package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/classify"
	"hobnail/internal/config"
	"hobnail/internal/model"
)

// Answer is what a decision comes to.
type Answer string

// Answers.
const (
	Ignore  Answer = "ignore" // nothing is sent
	Offer   Answer = "offer"
	Ack     Answer = "ack"
	Nak     Answer = "nak"
	Forward Answer = "forward" // the site's DHCP server is asked, and its answer completed
)

// Reason is one step of a decision: which rule, written where, and what it
// said about this machine.
type Reason struct {
	Rule string `json:"rule"` // short stable name, or the rule's own name
	At   string `json:"at"`   // "hobnail.toml:31", an RFC section, or "built-in"
	Text string `json:"text"`
}

// Decision is what to answer and all that the answer needs.
type Decision struct {
	Answer   Answer
	Mode     model.Mode
	Subnet   *config.Subnet // nil where none is configured for the place
	Server   netip.Addr     // the boot server: our address as the client can reach it, unless the subnet names another
	ServerID netip.Addr     // option 54: our address, or what the relay wants there (RFC 5107)
	Address  netip.Addr     // the client's address; zero in proxy offers
	Lease    time.Duration  // 0: the reply carries no times
	Change   LeaseChange    // to be carried out before the answer leaves
	Boot     *Boot          // boot data; nil: none
	Target   string         // image, menu, local, deny or approve; "" where nothing boots
	Install  bool           // Target is installed without questions, by order
	Over     bool           // an order has come to its end: Target is the local disk
	Machine  *model.Machine // the named machine; nil if nobody named it
	Missing  *Missing       // set when no boot program could be given
	PoolFull bool           // no address was free
	// CircuitFull is the circuit that has as many addresses as it may have;
	// empty for none.
	CircuitFull string
	Place       netip.Prefix // what is known of the site's DHCP servers is known of this place; zero outside merge
	Passing     *Passing     // how the request goes on; set with Forward alone
	Taken       netip.Addr   // a DHCP server of the site, as the machine has taken its offer; zero: none was seen
	Options     []Option     // with an address: what is configured for the place and who asks there
	// Of a proxy's offer to firmware: its form, and how long it waits.
	Style model.Style
	Delay time.Duration
	// FreeStyle and FreeLoader say that nobody but earlier boots has chosen the
	// form of the offer, or the boot program: this boot may teach another.
	FreeStyle, FreeLoader bool
	steps                 []step
}

// step is a reason that nobody has read yet: most never are, and putting them
// into words costs more than the decision. The arguments are values, or point
// to what the configuration says, which does not change.
type step struct {
	rule, at, format string
	args             [mostArgs]any
	n                int
}

const mostArgs = 4

// Clone copies a decision for whoever keeps it: one's memory may be used again.
func (d *Decision) Clone() Decision {
	c := *d
	c.steps = slices.Clone(d.steps)
	return c
}

// NamesFile reports whether the answer has the boot file's name in it.
func (d *Decision) NamesFile() bool {
	return d.Boot != nil && (d.Answer != Offer || d.Style.NamesFile())
}

// Reasons says how the decision came about, step by step.
func (d *Decision) Reasons() []Reason {
	reasons := make([]Reason, len(d.steps))
	for i, s := range d.steps {
		reasons[i] = Reason{Rule: s.rule, At: s.at, Text: fmt.Sprintf(s.format, s.args[:s.n]...)}
	}
	return reasons
}

// Boot is the boot data of an answer.
type Boot struct {
	File       string // goes into `file`: a name in the tree, or an absolute URL
	NextServer netip.Addr
	Class      classify.Class // what option 60 says; ClassUBoot answers carry none
	Arch       model.Arch
	Loader     string // kind of the boot program, or "script"
}

// Missing names the boot program that a machine would need.
type Missing struct {
	Arch   model.Arch
	Loader string   // the kind or file name that was asked for; "" for any that works in the mode
	Files  []string // any one of these names; empty where no name is known
	Folder string   // where to put it
	// Refused says of each file that is there but not served why, in a sentence.
	Refused []string
}

// String is a sentence for people.
func (m Missing) String() string {
	return strings.Join(append([]string{m.wanted()}, m.Refused...), "; ")
}

func (m Missing) wanted() string {
	switch {
	case len(m.Files) == 0 && m.Loader != "":
		return fmt.Sprintf("no boot program of kind %s is known for %s", m.Loader, m.Arch)
	case len(m.Files) == 0:
		return fmt.Sprintf("nothing is known that could boot %s here", m.Arch)
	}
	return fmt.Sprintf("no boot program for %s: put %s into %s", m.Arch, orList(m.Files), m.Folder)
}

// ChangeKind is what happens to an address.
type ChangeKind string

// Kinds of change.
const (
	NoChange ChangeKind = ""
	Hold     ChangeKind = "hold"    // keep it for this machine while the offer stands
	Bind     ChangeKind = "bind"    // lease it: on stable storage before the ACK leaves
	Free     ChangeKind = "free"    // give it back
	PutAside ChangeKind = "decline" // somebody else uses it: lease it to nobody for a while
)

// LeaseChange is one change of one address.
type LeaseChange struct {
	Kind  ChangeKind
	Lease model.Lease
}

// Leases is what decisions need to know of addresses. Its answers must not
// change during one call of Decide.
type Leases interface {
	// ByKey gives the newest record that a machine has inside a network, in
	// whatever state.
	ByKey(network netip.Prefix, key model.MAC) (model.Lease, bool)
	// ByAddr gives the record of an address.
	ByAddr(netip.Addr) (model.Lease, bool)
	// Free gives an address that no record keeps at a time and that skip does
	// not refuse. It looks from start on, counted through the ranges, and
	// from their beginning after their end; where there are no records, the
	// first that skip lets pass is the answer. skip does not ask Leases.
	Free(ranges []Range, start int64, now time.Time, skip func(netip.Addr) bool) (netip.Addr, bool)
	// Kept counts the addresses of the ranges that records keep at a time.
	Kept(ranges []Range, now time.Time) int64
	// HeldBy counts the addresses that are kept at a time for machines of a
	// circuit.
	HeldBy(circuit string, now time.Time) int
	// DeclinedBy counts the addresses that are put aside at a time because a
	// machine declined them.
	DeclinedBy(key model.MAC, now time.Time) int
}

// Range is a run of addresses of a pool.
type Range = config.Range

// View is everything a decision may look at: an immutable snapshot.
type View struct {
	Policy *Policy
	Leases Leases
	// Own lists all addresses of this host: a REQUEST that names any of them
	// as the server is ours, and none of them is ever leased.
	Own []netip.Addr
	// Ahead is how far the host's clock is ahead of the time that decisions are
	// given. A lease outlives the process, and is recorded by the host's.
	Ahead time.Duration
	// Upstream is what has been learned of the site's DHCP servers; nil:
	// nothing.
	Upstream Upstream
	// Learned is what earlier boots have taught; nil: nothing.
	Learned Learned
	// Registry is what is known of machines beyond the configuration; nil:
	// nothing.
	Registry Registry
}

// Registry knows the machines that people have named, approved and given
// orders for, beyond the configuration.
type Registry interface {
	// Known says what is known of the machine that asks. configured is the one
	// of the configuration; nil if it names none.
	Known(f *classify.Facts, configured *model.Machine) Known
}

// Known is what a registry says of a machine.
type Known struct {
	Machine *model.Machine // nil if it is not named there
	Order   Order
	// Denied says that a person does not want this machine to be answered.
	Denied bool
	// At is where that is known from, for reasons: "hobnail machines".
	At string
	// Notes are sentences that a person should read: a MAC address that two
	// machines use.
	Notes []string
}

// Order is what a machine's order to install comes to at this moment.
type Order struct {
	State OrderState
	Image string // its name
	Why   string // a sentence
}

// OrderState says which target an order makes.
type OrderState string

// States of an order.
const (
	OrderNone    OrderState = ""        // there is none
	OrderInstall OrderState = "install" // the machine is to be installed
	OrderOver    OrderState = "over"    // it has come to its end, well or not: the local disk
)

// Lease states, as records carry them.
const (
	StateOffered  = "offered"
	StateBound    = "bound"
	StateReleased = "released"
	StateDeclined = "declined"
)

// Decide answers one DHCP request, on port 67 or 4011.
func (v View) Decide(now time.Time, f *classify.Facts) Decision {
	var d Decision
	v.DecideInto(&d, now, f)
	return d
}

// DecideInto is Decide for callers that have many to take: it overwrites a
// decision that nobody needs any more, and uses its memory.
func (v View) DecideInto(d *Decision, now time.Time, f *classify.Facts) {
	*d = Decision{Answer: Ignore, steps: d.steps[:0]}
	v.decide(d, now, f)
}

func (v View) decide(d *Decision, now time.Time, f *classify.Facts) {
	if f.Relayed() && !v.canRelay(f) {
		d.because("relay", "RFC 2131 section 4.1", "the packet says its relay is %s, which cannot be a relay: nothing is sent there", f.Relay)
		return
	}
	for _, q := range f.Quirks {
		d.because("quirk", "built-in", "%s: %s", q.Name, q.Text)
	}
	v.begin(d, f)
	asks := d.Mode == model.ModeMerge || d.Mode == model.ModeAuto
	switch {
	case d.Mode == model.ModeOff:
		d.because("mode", d.modeAt(v), "DHCP is off here: files only")
	case f.Ingress.Port == 4011:
		if asks {
			d.Mode = model.ModeProxy // whoever asks here has another server's ACK
		}
		v.bootService(d, f)
	case asks:
		v.merge(d, now, f)
	case d.Mode == model.ModeProxy:
		v.proxy(d, f)
	default:
		v.server(d, now, f)
	}
}

// begin fills in what every decision needs: where the machine is, and which of
// our addresses it is told.
func (v View) begin(d *Decision, f *classify.Facts) {
	d.Server = v.Policy.serverAddress(f)
	d.ServerID = d.Server
	v.place(d, f)
	if d.Subnet != nil && d.Subnet.NextServer.IsValid() {
		d.Server = d.Subnet.NextServer
	}
}

func (d *Decision) because(rule, at, format string, args ...any) {
	if d.steps == nil {
		d.steps = make([]step, 0, 6)
	}
	s := step{rule: rule, at: at, format: format, n: len(args)}
	if copy(s.args[:], args) < len(args) {
		panic("a reason has too many arguments")
	}
	d.steps = append(d.steps, s)
}

// ignore ends a decision without an answer, whatever was prepared before.
func (d *Decision) ignore(rule, at, format string, args ...any) {
	d.Answer, d.Address, d.Boot, d.Change = Ignore, netip.Addr{}, nil, LeaseChange{}
	d.FreeLoader = false
	d.because(rule, at, format, args...)
}

// canRelay refuses relay addresses that would turn an answer into a
// reflection: nobody relays from our own address, nor from one that names no
// single host.
func (v View) canRelay(f *classify.Facts) bool {
	return oneHost(f.Relay) && f.Relay != f.Ingress.Local && !slices.Contains(v.Own, f.Relay) &&
		f.Relay != model.BroadcastAddr(f.Ingress.Prefix)
}

// oneHost reports whether an address can be a single other host's: not this
// network's (0.0.0.0/8), nor loopback, multicast or broadcast, nor of the
// reserved block that broadcast is in (RFC 1122 section 3.2.1.3).
func oneHost(a netip.Addr) bool {
	if !a.Is4() || a.IsLoopback() {
		return false
	}
	first := a.As4()[0]
	return first != 0 && first < 224
}

func orList(words []string) string {
	switch len(words) {
	case 1:
		return words[0]
	case 2:
		return words[0] + " or " + words[1]
	}
	out := ""
	for i, w := range words {
		switch {
		case i == len(words)-1:
			out += " or " + w
		case i > 0:
			out += ", " + w
		default:
			out = w
		}
	}
	return out
}
