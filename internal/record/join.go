package record

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
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
	// MaxAllSteps is how many steps the open boots may have together, some 200
	// MiB: 16384 boots of 32 steps.
	MaxAllSteps = 512 << 10
	// maxClaims is how many addresses are remembered.
	maxClaims = 4 * MaxOpen
	// quiet separates two attempts of firmware: EDK2 and BIOS ROMs ask for the
	// last time 32 s after the time before.
	quiet = 90 * time.Second
	// slowStart is how long iPXE may take from being read to its first request:
	// "initialising devices" takes two minutes on some servers.
	slowStart = 4 * time.Minute
	// restart is what a machine needs at least to come from a loader's menu back
	// to that loader's first request; a script that asks again is quicker.
	restart = 15 * time.Second
	// maxUnproven is how many boots of a minute may begin with a request that
	// anybody can have sent in another's name.
	maxUnproven = 64
	// Idle ends a boot that nobody has heard of for so long. Installers ask
	// people questions.
	Idle = 30 * time.Minute
	// further is how much longer a boot is kept that came further than asking,
	// where room is made: a flood of requests does not push it out.
	further = time.Hour
	// claimAge is how long an address counts as a machine's without its having
	// been heard there again.
	claimAge = 24 * time.Hour
)

// Joiner joins steps to boots. It is not safe for concurrent use. Its memory
// is bounded by MaxOpen, MaxSteps and MaxAllSteps.
type Joiner struct {
	open  map[string]*model.Boot // by MAC, or by address where no MAC is known
	addrs map[netip.Addr]claim
	steps int // of all open boots
	most  int // steps: MaxAllSteps but in tests
	// Boots that began unproven, since when.
	unproven      int
	unprovenSince time.Time
	// Closed is told of each boot to which nothing more will be added; may be nil.
	Closed func(*model.Boot)
}

// claim is who has an address, and since when we know.
type claim struct {
	mac     model.MAC
	at      time.Time
	offered bool // only offered: a Raspberry Pi takes it without a REQUEST
}

// NewJoiner makes a joiner that knows nothing.
func NewJoiner() *Joiner {
	return &Joiner{open: map[string]*model.Boot{}, addrs: map[netip.Addr]claim{}, most: MaxAllSteps}
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
// copies it. What the step points at is the joiner's from then on.
func (j *Joiner) Add(who Who, s model.Step) *model.Boot {
	if j.steps >= j.most {
		j.evict()
	}
	j.identify(&who, &s)
	printableStep(&who, &s)
	b := j.boot(&who, &s)
	if b == nil {
		return nil
	}
	j.know(b, &who, &s)
	if !worthKeeping(b, &s) {
		return nil
	}
	if b.Start.IsZero() || s.Time.Before(b.Start) {
		b.Start = s.Time
	}
	if s.End().After(b.Last) {
		b.Last = s.End()
	}
	before := len(b.Steps)
	appendStep(b, s)
	j.steps += len(b.Steps) - before
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
		if now.Sub(c.at) > claimAge {
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
	j.steps -= len(b.Steps)
	b.Ended = true
	if j.Closed != nil {
		j.Closed(b)
	}
}

// printableStep makes texts from the network fit to be shown, whoever made the
// step.
func printableStep(who *Who, s *model.Step) {
	who.Place, who.Name, who.Vendor = Printable(who.Place), Printable(who.Name), Printable(who.Vendor)
	s.Text = Printable(s.Text)
	if d := s.DHCP; d != nil {
		d.Vendor, d.Hostname, d.Message, d.File = Printable(d.Vendor), Printable(d.Hostname), Printable(d.Message), Printable(d.File)
	}
	if f := s.File; f != nil {
		f.Name = Printable(f.Name)
		if s.Kind == model.StepMissing && s.Why == "" {
			s.Why, _ = HarmlessSearch(f.Name)
		}
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
		if c, ok := j.addrs[addr]; ok && s.Time.Sub(c.at) < claimAge {
			who.MAC = c.mac
		}
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
	last := ""
	if b != nil && (s.Time.Sub(b.Last) > Idle || begins(b, s)) {
		j.end(k, b)
		b, last = nil, b.ID
	}
	if b != nil {
		asSystem(b, s)
		return b
	}
	if !starts(s) || unproven(s) && !j.mayBegin(s.Time) {
		return nil
	}
	if len(j.open) >= MaxOpen {
		j.evict()
	}
	b = &model.Boot{MAC: who.MAC, Start: s.Time, Last: s.Time}
	b.ID = s.Time.UTC().Format("20060102T150405.000") + "-" + idTail(who)
	if b.ID == last || strings.HasPrefix(last, b.ID+"-") {
		b.ID = last + "-" // two attempts within a millisecond: a flood
		if len(b.ID) > 64 {
			return nil
		}
	}
	j.open[k] = b
	return b
}

func idTail(who *Who) string {
	if who.MAC != "" {
		return who.MAC.Hex()
	}
	return hex.EncodeToString(who.Addr.AsSlice())
}

// evict makes room for a new boot: a sixteenth at once, so that looking through
// all is rare. Those that only asked go first, the longest silent of them.
func (j *Joiner) evict() {
	worth := func(b *model.Boot) int64 {
		if has(b, model.StepAck, "") || hasFile(b) {
			return b.Last.Add(further).UnixNano()
		}
		return b.Last.UnixNano()
	}
	all := make([]int64, 0, len(j.open))
	for _, b := range j.open {
		all = append(all, worth(b))
	}
	slices.Sort(all)
	limit, left := all[len(all)/16], len(all)/16+1
	for k, b := range j.open {
		if left > 0 && worth(b) <= limit {
			j.end(k, b)
			left--
		}
	}
}

// boots reports whether a DHCP step is a boot client's.
func boots(s *model.Step) bool { return s.DHCP != nil && s.DHCP.Class != "" }

// asks reports whether a step is a client's that wants an address.
func asks(s *model.Step) bool {
	return s.DHCP != nil && (s.Kind == model.StepDiscover || s.Kind == model.StepRequest || s.Kind == model.StepInform)
}

// answers reports whether a step is a DHCP server's.
func answers(s *model.Step) bool {
	return s.DHCP != nil && (s.Kind == model.StepOffer || s.Kind == model.StepAck || s.Kind == model.StepNak)
}

// starts reports whether a boot can begin with a step: with what a boot client
// sends, or with a file where its DHCP was not heard. What servers say, and
// what running systems do, begins none.
func starts(s *model.Step) bool {
	switch s.Kind {
	case model.StepDiscover, model.StepRequest, model.StepAsk, model.StepInform:
		return boots(s)
	case model.StepRead, model.StepAsked, model.StepStalled, model.StepAborted, model.StepMissing, model.StepProbe, model.StepRefused, model.StepFault:
		// People read over HTTP too.
		return s.File != nil && (s.File.Via == "tftp" || s.File.Role == model.RoleLoader)
	}
	return false
}

// unproven reports whether a step is a request by TFTP that was answered to an
// address from which nothing came back: its sender may have made that up.
func unproven(s *model.Step) bool {
	if s.File == nil || s.File.Via != "tftp" {
		return false
	}
	switch s.Kind {
	case model.StepMissing, model.StepRefused, model.StepFault:
		return true
	case model.StepStalled, model.StepAborted:
		return !s.File.Heard && s.File.Octets == 0
	}
	return false
}

// mayBegin lets some boots begin with an unproven step: machines behind a
// firewall that drops our answers have no other. A flood of forged requests
// would push all others out of the records.
func (j *Joiner) mayBegin(at time.Time) bool {
	if since := at.Sub(j.unprovenSince); since < 0 || since >= time.Minute {
		j.unproven, j.unprovenSince = 0, at
	}
	j.unproven++
	return j.unproven <= maxUnproven
}

// begins reports whether a step is the first of another attempt than the open
// one. The same xid says nothing: it repeats across boots.
func begins(b *model.Boot, s *model.Step) bool {
	gap := s.Time.Sub(b.Last)
	if s.File != nil {
		return beginsByFile(b, s, gap)
	}
	if !boots(s) {
		return false
	}
	switch s.Kind {
	case model.StepDiscover:
	case model.StepRequest, model.StepAsk:
		return gap > quiet && hasFile(b) // whose DISCOVER was not heard
	default:
		return false
	}
	at := lastAsked(b)
	loaded := has(b, model.StepRead, model.RoleKernel) || has(b, model.StepRead, model.RoleDisk) || has(b, model.StepRead, model.RoleInitrd)
	if s.DHCP.Stage == "ipxe" {
		return ipxeBegins(b, at, gap, loaded)
	}
	switch {
	case gap > quiet:
		return true
	case at < 0:
		return loaded // files alone so far: this machine's DHCP comes late
	}
	last := b.Steps[at].DHCP
	const uboot = "U-Boot"
	switch {
	case last.Stage != s.DHCP.Stage:
		return true // firmware after iPXE
	case last.Class == uboot:
		// It asks by this class and, some seconds later, as PXEClient.
		return loaded
	case s.DHCP.Class == uboot:
		return true
	case last.Class != s.DHCP.Class:
		return true
	}
	for i := at + 1; i < len(b.Steps); i++ {
		if b.Steps[i].File != nil || b.Steps[i].Kind == model.StepAck && s.DHCP.Xid != last.Xid {
			return true
		}
	}
	// Firmware counts the seconds of an attempt. Some of it leaves them at 0.
	return last.Secs >= 8 && s.DHCP.Secs < last.Secs && s.DHCP.Xid != last.Xid
}

// ipxeBegins: iPXE after a loader was read is that loader. After a kernel, or
// some time after its script, the machine has started again from iPXE in its
// ROM.
func ipxeBegins(b *model.Boot, at int, gap time.Duration, loaded bool) bool {
	patience := quiet
	if n := len(b.Steps); n > 0 && b.Steps[n-1].File != nil && b.Steps[n-1].File.Role == model.RoleLoader {
		patience = slowStart
	}
	if loaded || gap > patience {
		return true
	}
	if gap < restart || at < 0 || b.Steps[at].DHCP.Stage != "ipxe" {
		return false
	}
	script := false
	for i := at + 1; i < len(b.Steps); i++ {
		f := b.Steps[i].File
		if f == nil || b.Steps[i].Kind != model.StepRead {
			continue
		}
		// A loader that a script starts asks once more.
		script = f.Role == model.RoleConfig || script && f.Role != model.RoleLoader
	}
	return script
}

// beginsByFile: where no DHCP is heard at all, a boot program that is asked for
// anew after a while is another attempt.
func beginsByFile(b *model.Boot, s *model.Step, gap time.Duration) bool {
	if s.File.Role != model.RoleLoader || lastAsked(b) >= 0 {
		return false
	}
	return gap > quiet || gap > restart && has(b, model.StepRead, model.RoleKernel)
}

// asSystem turns what a machine does after its kernel was read into its own
// word: DHCP without boot data, or a file that only an installer asks for.
func asSystem(b *model.Boot, s *model.Step) {
	if s.Time.Sub(b.Last) > Idle || !has(b, model.StepRead, model.RoleKernel) && !has(b, model.StepRead, model.RoleInitrd) {
		return
	}
	switch {
	case asks(s) && !boots(s):
		if systemAt(b) >= 0 && b.Steps[systemAt(b)].Kind == model.StepHome {
			return // it has said so
		}
		s.Kind, s.Why, s.Text = model.StepHome, "", "the system asks for an address"
	case s.File == nil || s.File.Role != model.RoleAnswer:
	case s.Kind == model.StepRead || s.Kind == model.StepProbe || s.Kind == model.StepAborted:
		s.Kind, s.Text = model.StepHome, "the system reads a file that no loader asks for"
	}
}

// systemAt is the place of the first DHCP without boot data, of the system that
// was booted if that was heard; -1 for none.
func systemAt(b *model.Boot) int {
	at := -1
	for i := range b.Steps {
		s := &b.Steps[i]
		if s.Kind == model.StepHome && s.DHCP != nil {
			return i
		}
		if at < 0 && asks(s) && !boots(s) {
			at = i
		}
	}
	return at
}

// worthKeeping leaves out the daily life of a running system: of its DHCP the
// first exchange is kept, up to its ACK, which says that it runs.
func worthKeeping(b *model.Boot, s *model.Step) bool {
	if s.File != nil || boots(s) || !asks(s) && !answers(s) {
		return true // with the first word of the system, which is a StepHome
	}
	at := systemAt(b)
	if at < 0 {
		return true
	}
	for _, old := range b.Steps[at+1:] {
		if boots(&old) && asks(&old) {
			at = -1 // a loader that asked without boot data, and then with
		}
		if old.Kind == model.StepAck && at >= 0 {
			return false
		}
	}
	return true
}

// lastAsked is the place of a boot client's last DISCOVER or REQUEST; -1 where
// none was heard.
func lastAsked(b *model.Boot) int {
	for i := len(b.Steps) - 1; i >= 0; i-- {
		s := &b.Steps[i]
		if boots(s) && (s.Kind == model.StepDiscover || s.Kind == model.StepRequest) {
			return i
		}
	}
	return -1
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
		j.claim(who.Addr, claim{mac: b.MAC, at: s.Time})
	}
	if s.Kind == model.StepOffer && s.DHCP != nil && s.DHCP.Address.IsValid() {
		if old, ok := j.addrs[s.DHCP.Address]; !ok || old.offered || s.Time.Sub(old.at) > Idle {
			j.claim(s.DHCP.Address, claim{mac: b.MAC, at: s.Time, offered: true})
		}
	}
	if c, ok := j.addrs[b.Addr]; ok && c.mac == b.MAC && (s.Kind == model.StepDecline || s.Kind == model.StepRelease) {
		delete(j.addrs, b.Addr)
	}
}

// claim remembers who has an address. Where too many are remembered, those of
// machines that do not boot now go first.
func (j *Joiner) claim(a netip.Addr, c claim) {
	if c.mac == "" {
		return
	}
	if _, known := j.addrs[a]; !known && len(j.addrs) >= maxClaims {
		for old, other := range j.addrs {
			if j.open[string(other.mac)] == nil {
				delete(j.addrs, old)
			}
		}
		if len(j.addrs) > maxClaims-MaxOpen {
			clear(j.addrs)
		}
	}
	j.addrs[a] = c
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
	settle(b, &s)
	for i := len(b.Steps) - 1; i >= 0 && i >= len(b.Steps)-reach(&s); i-- {
		old := &b.Steps[i]
		if same(old, &s) {
			merge(old, &s)
			return
		}
		if !repeats(old, &s) {
			break
		}
	}
	if len(b.Steps) >= MaxSteps {
		b.Left++
		i := leastWorth(b.Steps)
		copy(b.Steps[i:], b.Steps[i+1:])
		b.Steps[len(b.Steps)-1] = s
		return
	}
	b.Steps = append(b.Steps, s)
}

// settle takes out the beginning of a read whose end has come: that is one
// step.
func settle(b *model.Boot, s *model.Step) {
	if s.File == nil || s.Kind == model.StepAsked {
		return
	}
	for i := len(b.Steps) - 1; i >= 0 && i >= len(b.Steps)-64; i-- {
		old := &b.Steps[i]
		if old.Kind != model.StepAsked || old.File == nil || old.File.Name != s.File.Name || old.Client != s.Client {
			continue
		}
		if old.Count > 1 {
			old.Count--
			return
		}
		end := s.End()
		s.Frame = old.Frame
		if old.Time.Before(s.Time) {
			s.Time = old.Time
		}
		if end.After(s.Time) {
			s.Last = end
		}
		b.Steps = append(b.Steps[:i], b.Steps[i+1:]...)
		return
	}
}

// leastWorth is the place of a step that a full record can do without: the
// newest say how it ended, the oldest how it began, and searches say little.
func leastWorth(steps []model.Step) int {
	for i := 32; i < len(steps)-32; i++ {
		switch s := &steps[i]; s.Kind {
		case model.StepProbe:
			return i
		case model.StepMissing:
			if s.Why != "" {
				return i
			}
		}
	}
	return len(steps) / 2
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
