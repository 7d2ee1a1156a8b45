// Package recordtest has boots written down as a person reads them, for tests:
// a line is a time and what happened then.
//
//	0s  discover firmware uefi-x64 relay 10.1.0.1
//	0s  offer dhcp lease 10.0.0.50
//	0s  offer here proxy boots ~/snponly.efi
//	4s  request for dhcp
//	4s  ack dhcp lease 10.0.0.50
//	5s  probe ~/snponly.efi
//	5s  read ~/snponly.efi 200K took 300ms
//
// "here" is the hobnail that keeps the record (10.0.0.2), "hobnail" another
// (10.0.0.3), "dhcp" the site's DHCP server (10.0.0.1), "rogue" one more
// (10.0.0.9). "~/" stands for the folder of the machine in hobnail's tree. What
// a machine says of itself holds until it says something else. "capture" on a
// line of its own makes the record one of a capture, "mac …" another machine's.
package recordtest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// Start is the time of 0s.
var Start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// MAC is the machine that scripts are about, unless they say otherwise.
const MAC model.MAC = "52:54:00:12:34:56"

// Event is one line: what a joiner is told.
type Event struct {
	Line string
	Who  record.Who
	Step model.Step
}

// Script is a boot, or several, as they are heard.
type Script struct {
	Events  []Event
	Capture bool
}

var servers = map[string]string{"dhcp": "10.0.0.1", "here": "10.0.0.2", "hobnail": "10.0.0.3", "rogue": "10.0.0.9", "router": "10.0.0.254"}

// machine is what holds of a machine from line to line.
type machine struct {
	stage, class string
	arch         model.Arch
	firm         model.Firmware
	addr, relay  netip.Addr
	xid          uint32
}

// Parse reads a script.
func Parse(text string) (Script, error) {
	var s Script
	p := &parser{mac: MAC, machines: map[model.MAC]*machine{}}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		words, err := split(line)
		switch {
		case err != nil:
			return s, fmt.Errorf("line %d: %v", n+1, err)
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			continue
		case words[0] == "capture":
			s.Capture = true
			continue
		case words[0] == "mac" && len(words) == 2:
			p.mac = model.MAC(words[1])
			continue
		}
		e, err := p.event(words)
		if err != nil {
			return s, fmt.Errorf("line %d, %q: %v", n+1, line, err)
		}
		e.Line = line
		if s.Capture {
			e.Step.Frame = len(s.Events) + 1
		}
		s.Events = append(s.Events, e)
	}
	return s, nil
}

// MustParse is Parse for scripts that a test has in it.
func MustParse(text string) Script {
	s, err := Parse(text)
	if err != nil {
		panic("recordtest: " + err.Error())
	}
	return s
}

// Join tells a new joiner the first n events, and gives every boot in the order
// of their beginnings.
func (s Script) Join(n int) []*model.Boot {
	j := record.NewJoiner()
	var all []*model.Boot
	for _, e := range s.Events[:n] {
		b := j.Add(e.Who, Copy(e.Step))
		if b != nil && (len(all) == 0 || all[len(all)-1] != b) && !contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

func contains(all []*model.Boot, b *model.Boot) bool {
	for _, a := range all {
		if a == b {
			return true
		}
	}
	return false
}

// Copy copies a step with what it points at.
func Copy(s model.Step) model.Step {
	if s.DHCP != nil {
		d := *s.DHCP
		s.DHCP = &d
	}
	if s.File != nil {
		f := *s.File
		s.File = &f
	}
	return s
}

// End is when the script's last event was over.
func (s Script) End() time.Time {
	end := Start
	for i := range s.Events {
		if t := s.Events[i].Step.End(); t.After(end) {
			end = t
		}
	}
	return end
}

// split cuts a line into words; quotes hold some together.
func split(line string) (words []string, err error) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if rest, ok := strings.CutPrefix(line, `"`); ok {
			word, after, ok := strings.Cut(rest, `"`)
			if !ok {
				return nil, fmt.Errorf("a quote is not closed")
			}
			words, line = append(words, word), after
			continue
		}
		word, after, _ := strings.Cut(line, " ")
		words, line = append(words, word), after
	}
	return words, nil
}

type parser struct {
	mac      model.MAC
	machines map[model.MAC]*machine
}

func (p *parser) machine() *machine {
	m := p.machines[p.mac]
	if m == nil {
		m = &machine{stage: "firmware", class: "PXEClient", xid: uint32(0x1000 * (len(p.machines) + 1))}
		p.machines[p.mac] = m
	}
	return m
}

func (p *parser) event(words []string) (Event, error) {
	at, err := time.ParseDuration(words[0])
	if err != nil {
		return Event{}, err
	}
	if len(words) < 2 {
		return Event{}, fmt.Errorf("what happened is missing")
	}
	t, args := Start.Add(at), &args{words: words[2:]}
	var e Event
	switch verb := words[1]; verb {
	case "discover", "request", "inform", "decline", "release", "ask":
		e, err = p.client(verb, args)
	case "offer", "ack", "nak", "told":
		e, err = p.server(verb, args)
	case "silent":
		e = p.silent(args)
	case "home":
		e = Event{Who: record.Who{MAC: p.mac}, Step: model.Step{Kind: model.StepHome, Text: args.next()}}
	case "read", "probe", "missing", "aborted", "stalled", "refused", "fault", "begin":
		e, err = p.file(verb, args)
	default:
		err = fmt.Errorf("%q is no verb", verb)
	}
	if err == nil && args.err != nil {
		err = args.err
	}
	if e.Step.Time = t; e.Step.File != nil && e.Step.File.Duration > 0 {
		e.Step.Last = t.Add(e.Step.File.Duration)
	}
	return e, err
}

// client is a machine's DHCP message.
func (p *parser) client(verb string, a *args) (Event, error) {
	m := p.machine()
	d := &model.DHCPStep{}
	s := model.Step{Kind: model.StepKind(verb), DHCP: d}
	if verb == "ask" {
		s.Kind, s.Client = model.StepAsk, m.addr
		s.Server = a.addr()
	}
	xid, system := uint32(0), verb == "decline" || verb == "release"
	for a.more() {
		switch w := a.next(); w {
		case "firmware", "ipxe":
			m.stage, m.class = w, "PXEClient"
		case "os":
			system = true
		case "http":
			m.class, m.firm = "HTTPClient", model.FirmwareHTTP
		case "uboot":
			m.class, m.firm = "U-Boot", model.FirmwareUBoot
		case "pxe":
			m.class = "PXEClient"
		case "relay":
			m.relay = a.addr()
		case "direct":
			m.relay = netip.Addr{}
		case "for":
			d.Chosen = a.addr()
		case "address":
			d.Address = a.addr()
		case "secs":
			d.Secs = uint16(a.number())
		case "xid":
			xid = uint32(a.number())
		case "again":
			xid = m.xid
		case "says":
			d.Message = a.next()
		case "vendor":
			d.Vendor = a.next()
		default:
			if !strings.HasPrefix(w, "uefi-") && w != "bios" && w != "rpi" {
				return Event{}, fmt.Errorf("%q says nothing of a client", w)
			}
			m.arch = model.Arch(w)
			if m.firm = model.FirmwareUEFI; w == "bios" {
				m.firm = model.FirmwareBIOS
			}
		}
	}
	switch {
	case xid != 0:
		m.xid = xid
	case verb == "discover":
		m.xid++
	}
	d.Xid, d.Relay, d.Stage, d.Class = m.xid, m.relay, m.stage, m.class
	who := record.Who{MAC: p.mac, Place: record.Place(m.relay, "eth0")}
	if system {
		d.Stage, d.Class = "os", ""
	} else {
		d.Arch, d.Firmware = m.arch, m.firm
		who.Arch, who.Firmware, who.Vendor = m.arch, m.firm, d.Class
	}
	if !d.Address.IsValid() && (verb == "decline" || verb == "ask") {
		d.Address = m.addr
	}
	return Event{Who: who, Step: s}, nil
}

var kinds = map[string]model.StepKind{
	"offer": model.StepOffer, "ack": model.StepAck, "nak": model.StepNak, "told": model.StepTold,
	"read": model.StepRead, "probe": model.StepProbe, "missing": model.StepMissing, "aborted": model.StepAborted,
	"stalled": model.StepStalled, "refused": model.StepRefused, "fault": model.StepFault, "begin": model.StepAsked,
}

// server is an answer.
func (p *parser) server(verb string, a *args) (Event, error) {
	m := p.machine()
	d := &model.DHCPStep{Xid: m.xid, Relay: m.relay}
	s := model.Step{Kind: kinds[verb], DHCP: d}
	name := a.peek()
	s.Server = a.addr()
	if s.Ours = name == "here" || name == "hobnail"; s.Ours && verb != "nak" {
		d.Vendor, d.Vendor43, d.Bypass, d.NextServer = "PXEClient", true, true, s.Server
		if m.stage == "ipxe" || m.class != "PXEClient" {
			d.Vendor, d.Vendor43, d.Bypass = m.class, false, false
		}
	}
	if name == "here" {
		d.Target, d.Style = model.TargetMenu, string(model.ModeServer)
	}
	for a.more() {
		switch w := a.next(); w {
		case "lease":
			d.Address = a.addr()
		case "boots", "file":
			d.File = p.name(a.next())
		case "next":
			d.NextServer = a.addr()
		case "pxe":
			d.Vendor = "PXEClient"
		case "http":
			d.Vendor, d.Vendor43, d.Bypass = "HTTPClient", false, false
		case "bypass":
			d.Vendor, d.Vendor43, d.Bypass = "PXEClient", true, true
		case "menu":
			d.Vendor, d.Vendor43, d.Bypass = "PXEClient", true, false
		case "no43":
			d.Vendor43, d.Bypass = false, false
		case "proxy", "merge":
			if name == "here" {
				d.Style = w
			}
		case "target":
			d.Target = a.next()
		case "relay":
			d.Relay = a.addr()
		case "direct":
			d.Relay = netip.Addr{}
		case "no-mask":
			d.NoMask = true
		case "no-end":
			d.NoEnd = true
		case "no-id":
			d.NoServerID = true
		case "no-route":
			d.NoRoute = true
		case "bad-option":
			d.BadOption = a.next()
		case "menu-fault":
			d.MenuFault = a.next()
		case "size":
			d.FileSize = a.number()
		case "says":
			d.Message = a.next()
		case "again", "none":
		default:
			return Event{}, fmt.Errorf("%q says nothing of an answer", w)
		}
	}
	who := record.Who{MAC: p.mac, Place: record.Place(d.Relay, "eth0")}
	if verb == "ack" {
		who.Addr, s.Client = d.Address, d.Address
		m.addr = d.Address
	}
	return Event{Who: who, Step: s}, nil
}

func (p *parser) silent(a *args) Event {
	m := p.machine()
	return Event{Who: record.Who{MAC: p.mac, Place: record.Place(m.relay, "eth0")}, Step: model.Step{
		Kind: model.StepSilent, Ours: true, Why: a.next(), Text: a.next(),
		DHCP: &model.DHCPStep{Xid: m.xid, Relay: m.relay, Stage: m.stage, Class: m.class, Arch: m.arch},
	}}
}

// name is a file's name: "~/" is the machine's folder.
func (p *parser) name(s string) string {
	if file, ok := strings.CutPrefix(s, "~/"); ok {
		return model.BootPath{MAC: p.mac, Arch: p.machine().arch, File: file}.String()
	}
	if scheme, file, ok := strings.Cut(s, "/~/"); ok {
		return scheme + "/" + model.BootPath{MAC: p.mac, Arch: p.machine().arch, File: file}.String()
	}
	return s
}

// file is a request for a file.
func (p *parser) file(verb string, a *args) (Event, error) {
	m := p.machine()
	f := &model.FileStep{Name: p.name(a.next()), Via: "tftp", Heard: true, Blksize: 1468}
	s := model.Step{Kind: kinds[verb], File: f, Client: m.addr, Server: addr("here"), Ours: true}
	f.Role = record.RoleOf(f.Name)
	for a.more() {
		switch w := a.next(); w {
		case "http":
			f.Via, f.Blksize = "http", 0
		case "took":
			f.Duration = a.duration()
		case "rtt":
			f.RoundTrip = a.duration()
		case "blksize":
			f.Blksize = a.number()
		case "window":
			f.Window = a.number()
		case "blocks":
			f.Blocks = int64(a.number())
		case "again":
			f.Retransmissions = int64(a.number())
		case "unheard":
			f.Heard = false
		case "code":
			f.Code = a.number()
		case "says":
			s.Text = a.next()
		case "arch":
			f.Arch = model.Arch(a.next())
		case "refusal":
			f.Refusal = a.next()
		case "signer":
			f.Signer = a.next()
		case "near":
			f.Near = strings.Split(a.next(), ",")
		case "at":
			s.Ours = a.peek() == "here" || a.peek() == "hobnail"
			s.Server = a.addr()
		case "by":
			s.Client = a.addr()
		case "role":
			f.Role = model.FileRole(a.next())
		case model.StalledUnanswered, model.StalledElsewhere, model.StalledClosed:
			s.Why = w
		default:
			size, err := octets(w)
			if err != nil {
				return Event{}, fmt.Errorf("%q says nothing of a file", w)
			}
			f.Octets = size
		}
	}
	if f.Blocks == 0 && f.Blksize > 0 {
		f.Blocks = f.Octets / int64(f.Blksize)
	}
	return Event{Who: record.Who{}, Step: s}, nil
}

// octets reads 900, 200K, 30M.
func octets(s string) (int64, error) {
	unit := int64(1)
	switch {
	case strings.HasSuffix(s, "K"):
		unit = 1 << 10
	case strings.HasSuffix(s, "M"):
		unit = 1 << 20
	}
	n, err := strconv.ParseInt(strings.TrimRight(s, "KM"), 10, 64)
	return n * unit, err
}

func addr(s string) netip.Addr {
	if known, ok := servers[s]; ok {
		s = known
	}
	a, _ := netip.ParseAddr(s)
	return a
}

// args are the words that remain of a line.
type args struct {
	words []string
	err   error
}

func (a *args) more() bool { return len(a.words) > 0 && a.err == nil }

func (a *args) peek() string {
	if len(a.words) == 0 {
		return ""
	}
	return a.words[0]
}

func (a *args) next() string {
	w := a.peek()
	if w == "" && len(a.words) == 0 {
		a.err = fmt.Errorf("something is missing at the end")
		return ""
	}
	a.words = a.words[1:]
	return w
}

func (a *args) addr() netip.Addr {
	w := a.next()
	at := addr(w)
	if !at.IsValid() && a.err == nil {
		a.err = fmt.Errorf("%q is no address", w)
	}
	return at
}

func (a *args) number() int {
	n, err := strconv.Atoi(a.next())
	if err != nil && a.err == nil {
		a.err = err
	}
	return n
}

func (a *args) duration() time.Duration {
	d, err := time.ParseDuration(a.next())
	if err != nil && a.err == nil {
		a.err = err
	}
	return d
}
