package app

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
)

// introduce says what the server is doing, a line each: what it listens on,
// which mode each subnet is in, what it has to give, and what comes next.
func (s *Server) introduce(l *Loaded, services []service) {
	for _, svc := range services {
		if svc.line != "" {
			s.opts.Say("listening: " + svc.line)
		}
	}
	if line := consoleLine(&l.Config.Server, s.ifaces.Addresses()); line != "" {
		s.opts.Say(line)
	}
	all := s.ifaces.All()
	if len(all) == 0 {
		s.opts.Say("interface: none has an IPv4 address; machines are answered as soon as one has")
	}
	for _, i := range all {
		s.opts.Say(fmt.Sprintf("interface: %s %s", i.Name, joinPrefixes(i.Prefixes)))
	}
	for _, line := range describe(l) {
		s.opts.Say(line)
	}
	s.opts.Say("ready: press F12 on a machine on this network" + nextStep(l))
}

func joinPrefixes(list []netip.Prefix) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}

// describe lists what a configuration comes to.
func describe(l *Loaded) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	cfg := l.Config
	for i := range cfg.Subnets {
		sub := &cfg.Subnets[i]
		text := modeText(sub.Mode)
		if sub.Mode == model.ModeServer {
			var own int64
			for _, r := range l.Policy.Owned(sub) {
				own += r.Size()
			}
			text += fmt.Sprintf(", %d addresses to give", own)
			if cfg.Server.Share.Of > 1 {
				text += fmt.Sprintf(" (share %d/%d)", cfg.Server.Share.Index, cfg.Server.Share.Of)
			}
		}
		say("subnet: %s %s (%s)", sub.CIDR, text, sub.At)
	}
	rest := "every network"
	if len(cfg.Subnets) > 0 {
		rest = "every other network"
	}
	say("subnet: %s: %s (%s)", rest, modeText(cfg.Server.DHCP), cfg.Server.DHCPAt)
	say("boot programs: %s", countPrograms(l.Programs.Programs()))
	say("images: %s", imageNames(l.Images))
	say("files: %s", guardText(cfg.Server.Landlock, bootfile.HasLandlock()))
	for _, w := range l.Warnings() {
		say("warning: %s", w)
	}
	return lines
}

func modeText(m model.Mode) string {
	switch m {
	case model.ModeServer:
		return "mode server, hobnail gives the addresses"
	case model.ModeMerge:
		return "mode merge, completing the answers of the DHCP server that is there"
	case model.ModeAuto:
		return "mode auto: merge where the DHCP server that is there answers us, else proxy"
	case model.ModeProxy:
		return "mode proxy, beside the DHCP server that is there"
	}
	return "mode off, files only"
}

// guardText says what keeps machines from reading anything else.
func guardText(wanted, there bool) string {
	switch {
	case !wanted:
		return "only what the configuration names is served; the kernel's own guard, Landlock, is off ([server] landlock)"
	case !there:
		return "only what the configuration names is served; this kernel has no Landlock to guard that as well"
	}
	return "only what the configuration names is served, and the kernel guards it (Landlock)"
}

func countPrograms(all []nbp.Program) string {
	var archs []string
	n := 0
	for _, p := range all {
		if p.Loader == nbp.LoaderSupport {
			continue
		}
		n++
		if !slices.Contains(archs, string(p.Arch)) {
			archs = append(archs, string(p.Arch))
		}
	}
	return fmt.Sprintf("%d for %s", n, strings.Join(archs, ", "))
}

func imageNames(images []model.Image) string {
	if len(images) == 0 {
		return "none; the menu has only the local disk"
	}
	var names []string
	for _, img := range images {
		names = append(names, img.Name)
	}
	return strings.Join(names, ", ")
}

func nextStep(l *Loaded) string {
	if l.Config.Boot.Unknown == model.TargetMenu {
		return "; it gets a menu"
	}
	return ""
}
