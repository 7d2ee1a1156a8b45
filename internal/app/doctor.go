package app

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hobnail/internal/diag"
	"hobnail/internal/diag/host"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/policy"
)

// CheckHost looks whether this host can do what a configuration asks of it,
// for machines of an architecture among others.
func CheckHost(ctx context.Context, l *Loaded, arch model.Arch) []diag.Finding {
	found := diag.JudgeHost(host.Look(ctx, wantOf(l, time.Now())))
	found = append(found, l.checkPrograms(arch)...)
	return append(found, l.checkFiles()...)
}

// wantOf is what a configuration needs of its host.
func wantOf(l *Loaded, now time.Time) host.Want {
	cfg := l.Config.Server
	w := host.Want{Data: cfg.Data, Interfaces: cfg.Interfaces, Address: cfg.Address, HTTP: cfg.HTTPPort}
	if answersDHCP(l) {
		w.Ports = append(w.Ports, diag.Port{Network: "udp", Port: dhcpPort, What: "DHCP"}, diag.Port{Network: "udp", Port: pxePort, What: "PXE boot service"})
	}
	w.Ports = append(w.Ports, diag.Port{Network: "udp", Port: 69, What: "TFTP"})
	for what, port := range map[string]uint16{"HTTP": cfg.HTTPPort, "HTTPS": cfg.HTTPSPort} {
		if port > 0 {
			w.Ports = append(w.Ports, diag.Port{Network: "tcp", Port: port, What: what})
		}
	}
	slices.SortStableFunc(w.Ports, func(a, b diag.Port) int { return strings.Compare(b.Network, a.Network) })
	for i := range l.Config.Subnets {
		s := &l.Config.Subnets[i]
		if s.Mode == model.ModeOff {
			continue
		}
		relay := s.Router
		if !relay.IsValid() {
			relay = s.CIDR.Addr().Next()
		}
		w.Subnets = append(w.Subnets, diag.Subnet{CIDR: s.CIDR, Mode: string(s.Mode)})
		w.Relays = append(w.Relays, relay)
	}
	w.Pools = poolsOf(l, now)
	return w
}

// poolsOf counts by the lease log, whether the server runs or not.
func poolsOf(l *Loaded, now time.Time) (all []diag.Pool) {
	leases, err := ReadLeases(l)
	if err != nil {
		return nil // there are none yet
	}
	for i := range l.Config.Subnets {
		s := &l.Config.Subnets[i]
		if s.Mode != model.ModeServer || len(s.Pool) == 0 {
			continue
		}
		pool := diag.Pool{CIDR: s.CIDR}
		for _, r := range l.Policy.Owned(s) {
			pool.Size += r.Size()
			for _, lease := range leases {
				if r.Contains(lease.Address) && lease.Expires.After(now) && lease.State != policy.StateReleased {
					pool.Used++
				}
			}
		}
		all = append(all, pool)
	}
	return all
}

// checkPrograms looks at the boot programs: whether there are any, whether there
// is one for an architecture, and what Secure Boot will say of them.
func (l *Loaded) checkPrograms(arch model.Arch) (all []diag.Finding) {
	have := l.Programs.Programs()
	if len(have) == 0 {
		all = append(all, diag.Found(diag.NoPrograms, diag.Fault, "this binary has no boot programs, and there are none in %s", l.Config.Server.NBP))
	} else {
		all = append(all, diag.Fine("%d boot programs are served", len(have)))
	}
	fits := func(p nbp.Program) bool { return p.Arch == arch && p.Loader != nbp.LoaderSupport }
	if arch != "" && len(have) > 0 && !slices.ContainsFunc(have, fits) {
		text := fmt.Sprintf("there is no boot program for %s", arch)
		if names := wanted(arch, ""); len(names) > 0 {
			text += fmt.Sprintf(": put %s into %s/%s", strings.Join(names, " or "), l.Config.Server.NBP, arch)
		}
		all = append(all, diag.Found(diag.NoProgram, diag.Fault, "%s", text))
	}
	for _, f := range l.BadNBP {
		all = append(all, diag.Found(diag.ProgramState, diag.Warning, "%s is not served: it %s", f.Path, f.Text))
	}
	for _, p := range l.Programs.Refused() {
		all = append(all, diag.Found(diag.ProgramState, diag.Warning, "%s is not served: it %s", p.Where(), p.Refusal()))
	}
	for _, p := range have {
		if text := p.Warning(); text != "" {
			all = append(all, diag.Found(diag.ProgramState, diag.Warning, "%s %s", p.Where(), text))
		}
	}
	return all
}

// checkFiles looks whether what the configuration names is there.
func (l *Loaded) checkFiles() (all []diag.Finding) {
	missing := func(format string, args ...any) {
		all = append(all, diag.Found(diag.FileMissing, diag.Warning, format, args...))
	}
	for _, img := range l.Config.Images {
		for _, path := range append([]string{img.Kernel}, img.Initrd...) {
			if why := unreadable(path); why != "" {
				missing("%s: image %s: %s", img.Source, img.Name, why)
			}
		}
	}
	for _, text := range l.missingTargets() {
		missing("%s", text)
	}
	for _, f := range l.BadDBX {
		missing("%s", f.Text)
	}
	return all
}

// LinksOf lists the networks of this host's links that a configuration names,
// or all where it names none: those where a boot can be walked.
func LinksOf(l *Loaded, links []netip.Prefix) []netip.Prefix {
	if len(l.Config.Subnets) == 0 {
		return links
	}
	var all []netip.Prefix
	for _, link := range links {
		for i := range l.Config.Subnets {
			if l.Config.Subnets[i].CIDR.Contains(link.Addr()) {
				all = append(all, link)
				break
			}
		}
	}
	return all
}
