package record

import (
	"fmt"
	"net/netip"
	"time"

	"hobnail/internal/model"
)

const (
	// MaxSteps is how many steps of a boot are kept; further ones are counted.
	// A boot has 20 to 60; one that reads a disk by pieces has its reads joined.
	MaxSteps = 256
	// MaxOpen is how many boots are kept open at a time: the one heard longest
	// ago is ended for a new one.
	MaxOpen = 16384
	// quiet separates two attempts of firmware: EDK2 and BIOS ROMs ask for the
	// last time 32 s after the time before.
	quiet = 90 * time.Second
	// Idle ends a boot that nobody has heard of for so long. Installers ask
	// people questions.
	Idle = 30 * time.Minute
	// osWindow is how long after its last file a machine's DHCP without boot
	// data counts as the system that was booted.
	osWindow = 30 * time.Minute
)

// Joiner joins steps to boots. It is not safe for concurrent use. Its memory
// is bounded by MaxOpen and MaxSteps.
type Joiner struct {
	open  map[string]*model.Boot // by MAC, or by address where no MAC is known
	addrs map[netip.Addr]claim
	// Closed is told of each boot to which nothing more will be added; may be nil.
	Closed func(*model.Boot)
}

// claim is who has an address, and since when we know.
type claim struct {
	mac model.MAC
	at  time.Time
}

// NewJoiner makes a joiner that knows nothing.
func NewJoiner() *Joiner {
	return &Joiner{open: map[string]*model.Boot{}, addrs: map[netip.Addr]claim{}}
}

// Open lists the boots that go on, in no order.
func (j *Joiner) Open() []*model.Boot {
	all := make([]*model.Boot, 0, len(j.open))
	for _, b := range j.open {
		all = append(all, b)
	}
	return all
}

// Add joins one step to the boot that it belongs to, and returns that; nil for
// a step that belongs to none. The boot is the joiner's own: whoever keeps it
// copies it.
func (j *Joiner) Add(who Who, s model.Step) *model.Boot {
	j.identify(&who, &s)
	b := j.boot(&who, &s)
	if b == nil {
		return nil
	}
	j.know(b, &who, &s)
	if b.Start.IsZero() || s.Time.Before(b.Start) {
		b.Start = s.Time
	}
	if s.End().After(b.Last) {
		b.Last = s.End()
	}
	appendStep(b, s)
	return b
}

// Expire ends the boots that nobody has heard of for long.
func (j *Joiner) Expire(now time.Time) {
	for key, b := range j.open {
		if now.Sub(b.Last) > Idle {
			j.end(key, b)
		}
	}
	for a, c := range j.addrs {
		if now.Sub(c.at) > 24*time.Hour {
			delete(j.addrs, a)
		}
	}
}

// EndAll ends all boots: nothing more will be heard.
func (j *Joiner) EndAll() {
	for key, b := range j.open {
		j.end(key, b)
	}
}

func (j *Joiner) end(key string, b *model.Boot) {
	delete(j.open, key)
	b.Ended = true
	if j.Closed != nil {
		j.Closed(b)
	}
}

// identify finds the machine of a step that does not name it: by the name of
// the file, then by the address that reads.
func (j *Joiner) identify(who *Who, s *model.Step) {
	if who.MAC != "" {
		return
	}
	if s.File != nil {
		who.MAC = MACOf(s.File.Name)
	}
	addr := s.Client
	if who.MAC == "" && addr.IsValid() {
		who.MAC = j.addrs[addr].mac
	}
	if !who.Addr.IsValid() {
		who.Addr = addr
	}
}

func key(who *Who) string {
	switch {
	case who.MAC != "":
		return string(who.MAC)
	case who.Addr.IsValid():
		return who.Addr.String()
	}
	return ""
}

// boot finds or begins the boot that a step belongs to.
func (j *Joiner) boot(who *Who, s *model.Step) *model.Boot {
	k := key(who)
	if k == "" {
		return nil
	}
	b := j.open[k]
	if b != nil && s.Time.Sub(b.Last) > Idle {
		j.end(k, b)
		b = nil
	}
	if b != nil && begins(b, s) {
		j.end(k, b)
		b = nil
	}
	if b != nil || !starts(s) {
		if b != nil {
			asSystem(b, s)
		}
		return b
	}
	j.evict()
	b = &model.Boot{MAC: who.MAC, Start: s.Time, Last: s.Time}
	b.ID = fmt.Sprintf("%s-%s", s.Time.UTC().Format("20060102T150405.000"), idTail(who))
	j.open[k] = b
	return b
}

func idTail(who *Who) string {
	if who.MAC != "" {
		return who.MAC.Hex()
	}
	return fmt.Sprintf("%x", who.Addr.AsSlice())
}

// evict makes room for a new boot.
func (j *Joiner) evict() {
	if len(j.open) < MaxOpen {
		return
	}
	// A sixteenth at once, so that looking through all is rare.
	oldest := time.Time{}
	var cut []time.Time
	for _, b := range j.open {
		cut = append(cut, b.Last)
	}
	oldest = nth(cut, len(cut)/16)
	for k, b := range j.open {
		if !b.Last.After(oldest) {
			j.end(k, b)
		}
	}
}

// boots reports whether a DHCP step is a boot client's.
func boots(s *model.Step) bool { return s.DHCP != nil && s.DHCP.Class != "" }

// starts reports whether a boot can begin with a step: with what a boot client
// sends, or with a file where its DHCP was not heard. What servers say, and
// what running systems do, begins none.
func starts(s *model.Step) bool {
	switch s.Kind {
	case model.StepDiscover, model.StepRequest, model.StepAsk, model.StepInform:
		return boots(s)
	case model.StepRead, model.StepAsked, model.StepStalled, model.StepAborted, model.StepMissing, model.StepProbe:
		// People read over HTTP too.
		return s.File != nil && (s.File.Via == "tftp" || s.File.Role == model.RoleLoader)
	}
	return false
}

// begins reports whether a step is the first of another attempt than the open
// one. The same xid says nothing: it repeats across boots.
func begins(b *model.Boot, s *model.Step) bool {
	if s.Kind != model.StepDiscover || !boots(s) {
		return false
	}
	gap := s.Time.Sub(b.Last)
	if gap > quiet {
		return true
	}
	last := lastAsked(b)
	if last == nil {
		return false // files alone so far: it is this machine's DHCP that comes late
	}
	uboot := last.DHCP.Class == "U-Boot" || s.DHCP.Class == "U-Boot"
	switch {
	case s.DHCP.Stage == "ipxe":
		// iPXE after a loader was read is that loader. After a kernel, the
		// machine has started again from iPXE in its ROM.
		return has(b, model.StepRead, model.RoleKernel)
	case uboot:
		// It asks by one class and, some seconds later, by another.
		return has(b, model.StepRead, model.RoleKernel)
	case last.DHCP.Class != s.DHCP.Class:
		return true
	case last.DHCP.Stage != s.DHCP.Stage:
		return true // firmware after iPXE
	}
	return hasFile(b) || has(b, model.StepAck, "") && s.DHCP.Xid != last.DHCP.Xid
}

// asSystem turns what a machine does after its kernel was read into its own
// word: DHCP without boot data, or a file that only an installer asks for.
func asSystem(b *model.Boot, s *model.Step) {
	switch {
	case s.DHCP != nil && (s.Kind == model.StepDiscover || s.Kind == model.StepRequest || s.Kind == model.StepInform) && !boots(s):
		if hasFile(b) && s.Time.Sub(b.Last) < osWindow {
			s.Kind, s.Why = model.StepHome, ""
			s.Text = "the system asks for an address"
		}
	case s.File != nil && s.File.Role == model.RoleAnswer && s.Kind != model.StepMissing:
		if has(b, model.StepRead, model.RoleKernel) || has(b, model.StepRead, model.RoleInitrd) {
			s.Kind = model.StepHome
			s.Text = "the system reads a file that no loader asks for"
		}
	}
}

func lastAsked(b *model.Boot) *model.Step {
	for i := len(b.Steps) - 1; i >= 0; i-- {
		s := &b.Steps[i]
		if boots(s) && (s.Kind == model.StepDiscover || s.Kind == model.StepRequest) {
			return s
		}
	}
	return nil
}

func has(b *model.Boot, kind model.StepKind, role model.FileRole) bool {
	for i := range b.Steps {
		s := &b.Steps[i]
		if s.Kind == kind && (role == "" || s.File != nil && s.File.Role == role) {
			return true
		}
	}
	return false
}

func hasFile(b *model.Boot) bool {
	for i := range b.Steps {
		if b.Steps[i].File != nil {
			return true
		}
	}
	return false
}

// know adds what a step says of the machine.
func (j *Joiner) know(b *model.Boot, who *Who, s *model.Step) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if b.UUID == "" {
		b.UUID = who.UUID
	}
	set(&b.Name, who.Name)
	set(&b.Place, who.Place)
	if b.Arch == "" {
		b.Arch, b.Firm = who.Arch, who.Firmware
	}
	if b.Model == "" && who.Vendor != "" {
		b.Model = ModelOf(b.MAC, who.Vendor, who.Arch)
	}
	if who.Addr.IsValid() && !who.Addr.IsUnspecified() {
		b.Addr = who.Addr
		if b.MAC != "" {
			j.addrs[who.Addr] = claim{b.MAC, s.Time}
		}
	}
}

// ModelOf is what learned behaviour is kept under: the maker's part of the MAC
// address, architecture and option 60. Machines of one kind share it.
func ModelOf(mac model.MAC, vendor string, arch model.Arch) string {
	if len(mac) < 8 {
		return ""
	}
	return string(mac[:8]) + " " + string(arch) + " " + vendor
}

// appendStep adds a step, or counts it where it repeats what stands just
// before it.
func appendStep(b *model.Boot, s model.Step) {
	for i := len(b.Steps) - 1; i >= 0 && i >= len(b.Steps)-reach(&s); i-- {
		old := &b.Steps[i]
		if old.Kind == model.StepAsked && s.File != nil && old.File != nil && old.File.Name == s.File.Name && old.Client == s.Client && s.Kind != model.StepAsked {
			s.Frame = old.Frame
			if s.Time.After(old.Time) {
				s.Time = old.Time
			}
			if s.Last.IsZero() {
				s.Last = s.Time
			}
			b.Steps = append(b.Steps[:i], b.Steps[i+1:]...)
			break
		}
		if same(old, &s) {
			merge(old, &s)
			return
		}
		if !repeats(old, &s) {
			break
		}
	}
	if len(b.Steps) >= MaxSteps {
		// The newest say how it ended, the oldest how it began.
		b.Left++
		copy(b.Steps[MaxSteps/2:], b.Steps[MaxSteps/2+1:])
		b.Steps[len(b.Steps)-1] = s
		return
	}
	b.Steps = append(b.Steps, s)
}

// reach is how far back a step may find its like: servers take turns in their
// offers, and loaders read several files at a time.
func reach(s *model.Step) int {
	if s.DHCP != nil {
		return 16
	}
	return 12
}

// repeats reports whether a step may stand between two that are one: DHCP
// between DHCP, files between files.
func repeats(old, s *model.Step) bool {
	if s.File != nil {
		return old.File != nil
	}
	switch old.Kind {
	case model.StepDiscover, model.StepOffer, model.StepSilent, model.StepAsk, model.StepTold:
		return true
	}
	return old.Kind == s.Kind
}

// same reports whether two steps are one that came again.
func same(old, s *model.Step) bool {
	if old.Kind != s.Kind || old.Server != s.Server || old.Why != s.Why || old.Ours != s.Ours {
		return false
	}
	switch {
	case old.DHCP != nil && s.DHCP != nil:
		a, b := old.DHCP, s.DHCP
		return a.Stage == b.Stage && a.Class == b.Class && a.File == b.File && a.Address == b.Address && a.Chosen == b.Chosen &&
			a.Relay == b.Relay && a.Style == b.Style && a.Vendor == b.Vendor
	case old.File != nil && s.File != nil:
		return old.File.Name == s.File.Name && old.File.Via == s.File.Via && old.Client == s.Client && old.File.Code == s.File.Code
	}
	return false
}

// merge counts s in old.
func merge(old, s *model.Step) {
	old.Count = old.Times() + s.Times()
	if s.End().After(old.End()) {
		old.Last = s.End()
	}
	if old.DHCP != nil {
		old.DHCP.Secs = max(old.DHCP.Secs, s.DHCP.Secs)
		old.DHCP.Xid = s.DHCP.Xid
		return
	}
	a, b := old.File, s.File
	a.Octets += b.Octets
	a.Blocks += b.Blocks
	a.Retransmissions += b.Retransmissions
	a.Duration += b.Duration
	a.Heard = a.Heard || b.Heard
}
