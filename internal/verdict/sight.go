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
	ours  bool
	lease *model.Step // its first offer of an address
	proxy *model.Step // its first offer without one
	ack   *model.Step
	told  *model.Step
	nak   *model.Step
}

// offers gives what it offered, the address first.
func (v *server) offers() []*model.Step {
	var all []*model.Step
	for _, s := range []*model.Step{v.lease, v.proxy, v.ack, v.told} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// bootData reports whether it named a boot file or spoke as PXE does.
func (v *server) bootData() bool {
	for _, s := range v.offers() {
		if s.DHCP.File != "" || s.DHCP.Vendor43 || isPXE(s.DHCP.Vendor) {
			return true
		}
	}
	return false
}

// lure gives its answer with option 60 = PXEClient and nothing in option 43
// that tells firmware to take the file of the packet: class DhcpBinl of EDK2,
// which asks port 4011 of that server.
func (v *server) lure() *model.Step {
	for _, s := range v.offers() {
		if s.DHCP.Address.IsValid() && strings.HasPrefix(s.DHCP.Vendor, "PXEClient") && !s.DHCP.Vendor43 {
			return s
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
	merged  bool // our offers complete another server's

	discovers, silent, asks []*model.Step
	request                 *model.Step // the last that chose a server
	ack, nak, decline, told *model.Step // the last of each

	files                          []*model.Step // without probes and harmless searches
	loader, config, kernel, initrd *model.Step   // the last read of each
	disk                           *model.Step
	loaderReads                    map[string]int
	open                           *model.Step // asked for, and not at its end
	home                           *model.Step
	probes, searches               int
}

func look(c Case) *sight {
	v := &sight{Case: c, loaderReads: map[string]int{}}
	own := map[netip.Addr]bool{}
	for i := range c.Boot.Steps {
		s := &c.Boot.Steps[i]
		if s.Ours && s.Server.IsValid() {
			own[s.Server] = true
		}
	}
	for i := range c.Boot.Steps {
		v.take(&c.Boot.Steps[i], own)
	}
	return v
}

func (v *sight) take(s *model.Step, own map[netip.Addr]bool) {
	if s.DHCP != nil && own[s.DHCP.Relay] {
		v.merged = true // what we passed on to the site's server, and its answer to us
		return
	}
	switch s.Kind {
	case model.StepDiscover:
		v.discovers = append(v.discovers, s)
	case model.StepSilent:
		v.silent = append(v.silent, s)
	case model.StepRequest:
		v.request = s
	case model.StepAsk:
		v.asks = append(v.asks, s)
	case model.StepDecline:
		v.decline = s
	case model.StepHome:
		v.home = s
	case model.StepOffer, model.StepAck, model.StepNak, model.StepTold:
		v.answer(s, own[s.Server])
	default:
		v.file(s)
	}
}

func (v *sight) answer(s *model.Step, ours bool) {
	var from *server
	for _, known := range v.servers {
		if known.addr == s.Server {
			from = known
		}
	}
	if from == nil {
		from = &server{addr: s.Server, ours: ours}
		v.servers = append(v.servers, from)
	}
	first := func(field **model.Step) {
		if *field == nil {
			*field = s
		}
	}
	switch {
	case s.Kind == model.StepOffer && s.DHCP.Address.IsValid():
		first(&from.lease)
	case s.Kind == model.StepOffer:
		first(&from.proxy)
	case s.Kind == model.StepAck:
		from.ack, v.ack = s, s
	case s.Kind == model.StepTold:
		from.told, v.told = s, s
	case s.Kind == model.StepNak:
		from.nak, v.nak = s, s
	}
}

func (v *sight) file(s *model.Step) {
	if s.File == nil {
		return
	}
	switch s.Kind {
	case model.StepProbe:
		v.probes++
		return
	case model.StepMissing:
		if _, ok := record.HarmlessSearch(s.File.Name); ok {
			v.searches++
			return
		}
	case model.StepAsked:
		v.open = s
		return
	case model.StepAborted:
		// GRUB, U-Boot and bootmgr close a file before its end with error 0.
		if s.File.Via == "tftp" && s.File.Code == 0 && s.File.Heard {
			return
		}
	case model.StepRead:
		v.read(s)
	}
	v.files = append(v.files, s)
}

func (v *sight) read(s *model.Step) {
	switch s.File.Role {
	case model.RoleLoader:
		v.loader = s
		v.loaderReads[s.File.Name] += s.Times()
	case model.RoleConfig:
		v.config = s
	case model.RoleKernel:
		v.kernel = s
	case model.RoleInitrd:
		v.initrd = s
	case model.RoleDisk:
		v.disk = s
	}
}

// isOurs reports whether a server is the one that the boot is judged for:
// hobnail, or, in a capture without one, whoever gave boot data.
func (v *sight) isOurs(s *server) bool {
	for _, o := range v.servers {
		if o.ours {
			return s.ours
		}
	}
	return s.bootData() && s.lure() == nil
}

func (v *sight) ours() (all []*server) {
	for _, s := range v.servers {
		if v.isOurs(s) {
			all = append(all, s)
		}
	}
	return all
}

func (v *sight) others() (all []*server) {
	for _, s := range v.servers {
		if !v.isOurs(s) {
			all = append(all, s)
		}
	}
	return all
}

// lastFile is the newest step of a file that counts; nil if none was asked for.
func (v *sight) lastFile() *model.Step {
	if len(v.files) == 0 {
		return nil
	}
	return v.files[len(v.files)-1]
}

// after reports whether a step came after another.
func after(a, b *model.Step) bool { return a != nil && b != nil && a.End().After(b.End()) }

// quietFor is how long nothing has been heard.
func (v *sight) quietFor() time.Duration { return v.Now.Sub(v.Boot.Last) }

// who names the machine.
func (v *sight) who() string {
	switch b := v.Boot; {
	case b.MAC != "":
		return string(b.MAC)
	case b.Addr.IsValid():
		return b.Addr.String()
	}
	return "the machine"
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
