package app

import (
	"net/netip"
	"path"
	"strings"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/classify"
	"hobnail/internal/event"
	"hobnail/internal/history"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/netio"
	"hobnail/internal/policy"
	"hobnail/internal/record"
	"hobnail/internal/site"
	"hobnail/internal/wire/dhcp4"
)

// recorder turns what the services hear and send into steps of boots.
type recorder struct {
	s    *Server
	keep *history.Keeper
}

// Heard is dhcp.Recorder's.
func (r *recorder) Heard(now time.Time, f *classify.Facts) {
	if f.MAC == "" || !f.Boots() && !r.keep.Knows(f.MAC) {
		return
	}
	if f.Boots() {
		r.s.sawMachine(f)
	}
	who, s, ok := record.Request(now, f)
	if !ok {
		return
	}
	if f.Boots() {
		who.Name = "" // the name that a person gave it comes with the answer
	}
	r.keep.Step(who, s)
}

// Answered is dhcp.Recorder's.
func (r *recorder) Answered(now time.Time, f *classify.Facts, d *policy.Decision, sent []byte) {
	if f.MAC == "" || !f.Boots() {
		return
	}
	if sent == nil {
		if d.Answer == policy.Ignore {
			r.silent(now, f, silenceOf(d), lastReason(d))
		}
		return
	}
	p, err := dhcp4.Parse(sent)
	if err != nil {
		return
	}
	from := netip.AddrPortFrom(d.Server, f.Ingress.Port)
	who, s, ok := record.Reply(now, p, from)
	if !ok {
		return
	}
	who.Place = record.Place(f.Relay, f.Ingress.Interface)
	if d.Machine != nil {
		who.Name = d.Machine.Name
	}
	s.Ours = true
	s.DHCP.Target = d.Target
	s.DHCP.Style = string(d.Mode)
	if d.Style != "" {
		s.DHCP.Style = string(d.Style)
	}
	s.DHCP.FreeStyle, s.DHCP.FreeLoader = d.FreeStyle, d.FreeLoader
	if d.Boot != nil {
		s.DHCP.Loader = d.Boot.Loader
	}
	s.DHCP.Reasons = reasonLines(d)
	r.keep.Step(who, s)
}

// Failed is dhcp.Recorder's.
func (r *recorder) Failed(now time.Time, f *classify.Facts, code string, err error) {
	why := model.SilentUndelivered
	if code == string(event.LeaseFault) {
		why = model.SilentLease
	}
	r.silent(now, f, why, err.Error())
}

func (r *recorder) silent(now time.Time, f *classify.Facts, why, text string) {
	if f.MAC == "" || !f.Boots() || why == model.SilentOther {
		return
	}
	r.keep.Step(record.Who{MAC: f.MAC, Place: record.Place(f.Relay, f.Ingress.Interface)}, model.Step{
		Time: now, Kind: model.StepSilent, Ours: true, Why: why, Text: record.Printable(text),
		DHCP: &model.DHCPStep{Xid: f.Xid, Relay: f.Relay, Stage: string(f.Stage), Class: string(f.Class), Arch: f.Arch},
	})
}

// silenceOf is why a decision sends nothing.
func silenceOf(d *policy.Decision) string {
	switch {
	case d.Missing != nil:
		return model.SilentNoProgram
	case d.PoolFull:
		return model.SilentPool
	case d.CircuitFull != "":
		return model.SilentCircuit
	case d.Target == model.TargetDeny:
		return model.SilentDeny
	case d.Mode == model.ModeOff:
		return model.SilentOff
	}
	reasons := d.Reasons()
	if len(reasons) == 0 {
		return model.SilentOther
	}
	switch reasons[len(reasons)-1].Rule {
	case "http":
		return model.SilentOff
	case "subnet":
		return model.SilentSubnet
	}
	return model.SilentOther
}

func lastReason(d *policy.Decision) string {
	if d.Missing != nil {
		return d.Missing.String()
	}
	reasons := d.Reasons()
	if len(reasons) == 0 {
		return ""
	}
	last := reasons[len(reasons)-1]
	return last.Text + " (" + last.At + ")"
}

func reasonLines(d *policy.Decision) []string {
	reasons := d.Reasons()
	lines := make([]string, 0, len(reasons))
	for _, r := range reasons {
		lines = append(lines, record.Printable(r.Rule+": "+r.Text+" ("+r.At+")"))
	}
	return lines
}

// Emit is event.Sink's: the file services tell by events.
func (r *recorder) Emit(e event.Event) {
	who, s, ok := history.FileEvent(e)
	if !ok {
		return
	}
	r.describe(&s)
	r.keep.Step(who, s)
}

// describe adds what only this server knows of a file.
func (r *recorder) describe(s *model.Step) {
	now := r.s.current.Load()
	name, ok := bootfile.Clean(s.File.Name)
	if !ok {
		return
	}
	if p, ok := model.ParseBootPath(name); ok && s.File.Role == model.RoleLoader {
		if prog, ok := now.Programs.FindFile(p.Arch, p.File); ok {
			s.File.Arch, s.File.Signer = prog.Arch, prog.Signer
			s.File.Refusal = refusalOf(prog)
		}
	}
	role, ok := now.roles[name]
	if !ok {
		role, ok = now.roles[orderedName(name)]
	}
	if ok && (s.File.Role == model.RoleOther || s.File.Role == model.RoleDisk) {
		s.File.Role = role
	}
	if s.Kind == model.StepMissing {
		if _, harmless := record.HarmlessSearch(name); !harmless {
			s.File.Near = record.Nearest(name, now.names)
		}
	}
}

// orderedName is what an image's file has in common under all tokens of
// installs; another name is as it was. A role is then told by the file's own
// name, which images share (linux, initrd.gz).
func orderedName(name string) string {
	if strings.HasPrefix(name, site.InstallPrefix) || strings.HasPrefix(name, image.Prefix) {
		return site.InstallPrefix + path.Base(name)
	}
	return name
}

// refusalOf is why a machine with Secure Boot on would not start a program, as
// far as that is known; it is a sentence of its own.
func refusalOf(p nbp.Program) string {
	if !p.Arch.UEFI() {
		return ""
	}
	if len(p.Signatures) == 0 {
		return "it is not signed"
	}
	for _, f := range p.Findings {
		if f.Level == nbp.LevelRefusal {
			return "it " + f.Text
		}
	}
	return ""
}

// fileRoles says what the images' files are for, by their names in the tree.
func fileRoles(l *Loaded) map[string]model.FileRole {
	roles := map[string]model.FileRole{}
	for _, img := range l.Images {
		bios, _ := img.On(model.ArchBIOS)
		for _, start := range []model.Image{img, bios} {
			kernel, initrd := image.Names(start)
			roles[kernel], roles[orderedName(kernel)] = model.RoleKernel, model.RoleKernel
			for _, n := range initrd {
				roles[n], roles[orderedName(n)] = model.RoleInitrd, model.RoleInitrd
			}
		}
	}
	return roles
}

// treeNames lists what can be read: for those who ask for something else.
func treeNames(l *Loaded, roles map[string]model.FileRole) []string {
	var names []string
	for _, p := range l.Programs.Programs() {
		names = append(names, model.BootPath{Arch: p.Arch, File: p.File}.String(), path.Base(p.File))
	}
	for n := range roles {
		if !strings.HasPrefix(n, site.InstallPrefix) {
			names = append(names, n)
		}
	}
	return names
}

// overhear listens for what other DHCP servers say on our links.
func (r *recorder) overhear(ear *netio.Ear) error {
	return ear.Listen(func(h netio.Overheard) {
		i, ok := r.s.ifaces.Lookup(h.IfIndex)
		if !ok {
			return
		}
		for _, own := range r.s.ifaces.Addresses() {
			if h.Src.Addr() == own {
				return
			}
		}
		p, err := dhcp4.Parse(h.Payload)
		if err != nil || p.Op != dhcp4.OpReply {
			return
		}
		who, s, ok := record.Reply(time.Now(), p, h.Src)
		if !ok {
			return
		}
		if who.Place = i.Name; s.DHCP.Relay.IsValid() && !isOwn(r.s.ifaces.Addresses(), s.DHCP.Relay) {
			who.Place = s.DHCP.Relay.String()
		}
		r.keep.Step(who, s)
	})
}

func isOwn(all []netip.Addr, a netip.Addr) bool {
	for _, own := range all {
		if own == a {
			return true
		}
	}
	return false
}
