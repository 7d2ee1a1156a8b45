package verdict

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// server is all that one DHCP server said to the machine.
type server struct {
	addr  netip.Addr
	ours  bool        // a hobnail
	self  bool        // the hobnail that keeps this record
	lease *model.Step // its first offer of an address
	proxy *model.Step // its first offer without one
	ack   *model.Step
	told  *model.Step
	nak   *model.Step
}

// said gives what it offered, told and acknowledged, offers first.
func (s *server) said() []*model.Step {
	all := make([]*model.Step, 0, 4)
	for _, step := range [...]*model.Step{s.lease, s.proxy, s.ack, s.told} {
		if step != nil {
			all = append(all, step)
		}
	}
	return all
}

// bootData reports whether it named a boot file or spoke as PXE does.
func (s *server) bootData() bool {
	for _, step := range [...]*model.Step{s.lease, s.proxy, s.ack, s.told} {
		if step != nil && (step.DHCP.File != "" || isPXE(step.DHCP.Vendor)) {
			return true
		}
	}
	return false
}

// lure gives its answer with an address, option 60 = PXEClient and nothing in
// option 43 that tells firmware to take the file of the packet: class DhcpBinl
// of EDK2, which asks port 4011 of that server. Its ROM kin give PXE-E55.
func (s *server) lure() *model.Step {
	for _, step := range [...]*model.Step{s.lease, s.ack} {
		if step != nil && strings.HasPrefix(step.DHCP.Vendor, "PXEClient") && !step.DHCP.Vendor43 && step.DHCP.Address.IsValid() {
			return step
		}
	}
	return nil
}

func isPXE(vendor string) bool {
	return strings.HasPrefix(vendor, "PXEClient") || strings.HasPrefix(vendor, "HTTPClient")
}

// sight is a boot as the rules look at it.
type sight struct {
	Case
	servers []*server
	own     []netip.Addr // of hobnails
	merged  bool         // our offers complete another server's
	heard   bool         // live: what passes between the machine and others is not heard

	asked, silent, asks     []*model.Step // DISCOVERs of boot clients; their requests to port 4011
	request                 *model.Step   // the last of a boot client
	firstAck                *model.Step
	ack, nak, decline, told *model.Step // the last of each
	system                  *model.Step // first DHCP without boot data: what runs on the machine now

	files                          []*model.Step // without probes and harmless searches
	loader, config, kernel, initrd *model.Step   // the last read of each
	disk                           *model.Step
	closed                         *model.Step // the last file that was closed before its end
	open                           *model.Step // asked for, and not at its end
	probe, search                  *model.Step // the last of each
	probes, searches               int
	home                           *model.Step // the first
	systemAsks                     bool        // what asked last wants no boot data
	last                           time.Time   // when the boot, not the system after it, was heard last
}

func look(c Case) *sight {
	own, heard := ownOf(c.Boot.Steps), !c.Over
	for i := range c.Boot.Steps {
		if c.Boot.Steps[i].Frame > 0 {
			heard = false
			break
		}
	}
	return lookWith(c, own, heard)
}

// ownOf finds the addresses of hobnails.
func ownOf(steps []model.Step) []netip.Addr {
	var v sight
	for i := range steps {
		s := &steps[i]
		if !s.Ours {
			continue
		}
		v.addOwn(s.Server)
		if s.DHCP != nil && s.DHCP.File != "" {
			v.addOwn(nextServer(s))
		}
	}
	return v.own
}

func lookWith(c Case, own []netip.Addr, heard bool) *sight {
	v := &sight{Case: c, own: own, heard: heard}
	for i := range c.Boot.Steps {
		v.take(&c.Boot.Steps[i])
	}
	if v.last.IsZero() {
		v.last = c.Boot.Last
	}
	return v
}

func (v *sight) addOwn(a netip.Addr) {
	if a.IsValid() && !v.isOwn(a) {
		v.own = append(v.own, a)
	}
}

func (v *sight) isOwn(a netip.Addr) bool {
	for _, own := range v.own {
		if own == a {
			return true
		}
	}
	return false
}

func (v *sight) take(s *model.Step) {
	if d := s.DHCP; d != nil {
		if v.isOwn(d.Relay) {
			v.merged = true // what we passed on to the site's server, and its answer to us
			return
		}
		v.merged = v.merged || s.Ours && d.Style == string(model.ModeMerge)
	}
	switch s.Kind {
	case model.StepOffer, model.StepAck, model.StepNak:
		if v.systemAsks {
			return // what it is told is not for the boot
		}
	case model.StepDiscover, model.StepRequest, model.StepInform, model.StepHome:
		v.systemAsks = s.DHCP != nil && s.DHCP.Class == ""
	}
	if v.ofSystem(s) {
		if v.system == nil {
			v.system = s
		}
		return
	}
	if s.End().After(v.last) {
		v.last = s.End()
	}
	switch {
	case s.DHCP != nil:
		v.dhcp(s)
	case s.File != nil:
		v.file(s)
	case s.Kind == model.StepHome:
		v.atHome(s)
	}
}

func (v *sight) atHome(s *model.Step) {
	if v.home == nil {
		v.home = s
	}
}

// ofSystem: DHCP without boot data, of something that runs on the machine after
// its firmware. EDK2's DECLINE has no boot data either.
func (v *sight) ofSystem(s *model.Step) bool {
	if s.DHCP == nil || s.DHCP.Class != "" {
		return false
	}
	switch s.Kind {
	case model.StepDiscover, model.StepRequest, model.StepInform:
		return true
	}
	return false
}

func (v *sight) dhcp(s *model.Step) {
	switch s.Kind {
	case model.StepDiscover:
		v.asked = append(v.asked, s)
	case model.StepSilent:
		v.silent = append(v.silent, s)
	case model.StepRequest:
		v.request = s
	case model.StepAsk:
		v.asks = append(v.asks, s)
	case model.StepDecline:
		v.decline = s
	case model.StepHome:
		v.atHome(s)
	case model.StepOffer, model.StepAck, model.StepNak, model.StepTold:
		v.answer(s)
	}
}

func (v *sight) answer(s *model.Step) {
	var from *server
	for _, known := range v.servers {
		if known.addr == s.Server {
			from = known
		}
	}
	if from == nil {
		from = &server{addr: s.Server, ours: v.isOwn(s.Server)}
		v.servers = append(v.servers, from)
	}
	d := s.DHCP
	from.self = from.self || d.Style != "" || d.Target != "" || len(d.Reasons) > 0
	first := func(field **model.Step) {
		if *field == nil {
			*field = s
		}
	}
	switch {
	case s.Kind == model.StepOffer && d.Address.IsValid():
		first(&from.lease)
	case s.Kind == model.StepOffer:
		first(&from.proxy)
	case s.Kind == model.StepTold:
		from.told, v.told = s, s
	case s.Kind == model.StepNak:
		from.nak, v.nak = s, s
	case d.Address.IsValid():
		from.ack, v.ack = s, s
		first(&v.firstAck)
	}
}

func (v *sight) file(s *model.Step) {
	switch s.Kind {
	case model.StepHome:
		v.atHome(s)
		return
	case model.StepProbe:
		v.probe = s
		v.probes += s.Times()
		return
	case model.StepMissing:
		if harmless(s) {
			v.search = s
			v.searches += s.Times()
			return
		}
	case model.StepAsked:
		v.open = s
		return
	case model.StepAborted:
		// GRUB, U-Boot and bootmgr close a file before its end with error 0, and
		// so do people at the keys.
		if s.File.Via == "tftp" && s.File.Code == 0 && s.File.Heard {
			v.closed = s
			return
		}
	case model.StepRead:
		v.read(s)
	}
	if v.open != nil && v.open.File.Name == s.File.Name {
		v.open = nil
	}
	v.files = append(v.files, s)
}

// harmless: the joiner writes it into the step.
func harmless(s *model.Step) bool {
	if s.Why != "" {
		return true
	}
	_, ok := record.HarmlessSearch(s.File.Name)
	return ok
}

// kernelSize is what no script and no configuration has.
const kernelSize = 1 << 20

func (v *sight) read(s *model.Step) {
	switch s.File.Role {
	case model.RoleLoader:
		v.loader = s
	case model.RoleConfig:
		v.config = s
	case model.RoleKernel:
		v.kernel = s
	case model.RoleInitrd:
		v.initrd = s
	case model.RoleDisk:
		v.disk = s
	case model.RoleOther:
		// Kernels have all kinds of names.
		if s.File.Octets >= kernelSize && (v.config != nil || v.loader != nil) {
			v.kernel = s
		}
	}
}

// isOurs reports whether a server is the one that the boot is judged for:
// hobnail, or, in a record without one, whoever gave boot data.
func (v *sight) isOurs(s *server) bool {
	if len(v.own) > 0 {
		return s.ours
	}
	return s.bootData() && s.lure() == nil
}

func (v *sight) which(ours bool) (all []*server) {
	for _, s := range v.servers {
		if v.isOurs(s) == ours {
			all = append(all, s)
		}
	}
	return all
}

func (v *sight) ours() []*server   { return v.which(true) }
func (v *sight) others() []*server { return v.which(false) }

// find gives the server of an address; nil for one that said nothing.
func (v *sight) find(a netip.Addr) *server {
	for _, s := range v.servers {
		if a.IsValid() && s.addr == a {
			return s
		}
	}
	return nil
}

// lastFile is the newest step of a file that counts; nil if none was asked for.
func (v *sight) lastFile() *model.Step {
	if len(v.files) == 0 {
		return nil
	}
	return v.files[len(v.files)-1]
}

// reading is the file whose end was not seen, if nothing came after it.
func (v *sight) reading() *model.Step {
	if v.open == nil || after(v.lastFile(), v.open) {
		return nil
	}
	return v.open
}

// touched reports whether the machine asked for any file.
func (v *sight) touched() bool {
	return len(v.files) > 0 || v.open != nil || v.closed != nil || v.probes+v.searches > 0
}

// arch is the machine's architecture: what it said last of itself, as U-Boot
// and firmware may differ.
func (v *sight) arch() model.Arch {
	if n := len(v.asked); n > 0 && v.asked[n-1].DHCP.Arch != "" {
		return v.asked[n-1].DHCP.Arch
	}
	return v.Boot.Arch
}

// firmware reports whether it is the machine's firmware that asked last, and in
// which class.
func (v *sight) firmware() (class string, ok bool) {
	s := v.request
	if n := len(v.asked); n > 0 && !after(s, v.asked[n-1]) {
		s = v.asked[n-1]
	}
	if s == nil {
		return "", false
	}
	return s.DHCP.Class, s.DHCP.Stage == "firmware"
}

// after reports whether a step came after another.
func after(a, b *model.Step) bool { return a != nil && b != nil && a.End().After(b.End()) }

// quietFor is how long nothing has been heard of the boot.
func (v *sight) quietFor() time.Duration { return max(0, v.Now.Sub(v.last)) }

// since says how long nothing has been heard, as a sentence has it.
func (v *sight) since() string {
	switch {
	case v.Over && v.quietFor() < time.Second:
		return "until the end of the capture"
	case v.system != nil:
		return "until another system started on the machine"
	}
	return "for " + short(v.quietFor())
}

// timesAsked is how often the machine asked; what a relay sent on is the same
// request once more.
func (v *sight) timesAsked() (n int) {
	for _, s := range v.asked {
		sum := 0
		for _, o := range v.asked {
			if o.DHCP.Relay == s.DHCP.Relay {
				sum += o.Times()
			}
		}
		n = max(n, sum)
		if len(v.asked) > 32 {
			break
		}
	}
	return max(n, 1)
}

// relay gives the relay that sent the machine's request on; not valid for none.
func (v *sight) relay() netip.Addr {
	for _, s := range v.asked {
		if s.DHCP.Relay.IsValid() {
			return s.DHCP.Relay
		}
	}
	return netip.Addr{}
}

// plural is "once", "twice", "5 times".
func plural(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// count is "1 name" or "5 names".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
