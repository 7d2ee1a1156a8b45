package verdict

import (
	"fmt"
	"path"
	"strings"
	"time"

	"hobnail/internal/model"
)

// booted: the system or installer was heard from.
func booted(v *sight) *finding {
	if v.home == nil {
		return nil
	}
	f := &finding{
		code: Booted, certain: true, evidence: []*model.Step{v.kernel, v.initrd, v.home},
		text: fmt.Sprintf("kernel and initial RAM disk were read, and %s", orElse(v.home.Text, "the system was heard from")),
	}
	if step, took, usual := v.slowest(); step != "" {
		f.code, f.detail = Slow, step
		f.text = fmt.Sprintf("it booted, but %s took %s; %s is usual here", stepNames[step], short(took), short(usual))
		f.cause, f.remedy = slowness(v, step)
	}
	return f
}

// slowness says where time is lost in a step.
func slowness(v *sight, step string) (cause, remedy string) {
	for _, s := range v.files {
		if s.File.Retransmissions > s.File.Blocks/100 && s.File.Retransmissions > 3 {
			return fmt.Sprintf("packets are lost on the way: %d of %d blocks of %s were sent again", s.File.Retransmissions, s.File.Blocks, s.File.Name),
				"look for errors on the ports between the machine and the server; duplex, cable, a full uplink"
		}
		if s.File.Via == "tftp" && s.File.RoundTrip > 5*time.Millisecond {
			return fmt.Sprintf("each block of %s took a round trip of %s", s.File.Name, short(s.File.RoundTrip)),
				"serve that network from a nearer server, or let the machine read by HTTP"
		}
	}
	if step == "address" {
		return "the DHCP server answered late, or the switch port came up late", "turn on portfast (edge port) for the ports of machines; see how long the DHCP server takes"
	}
	return "the network or the server had much to do, or the machine itself is slow", "compare with other machines of that network at the same time"
}

// kernelRead: the kernel, or the disk that firmware boots, was read.
func kernelRead(v *sight) *finding {
	if v.kernel == nil && v.disk == nil && !v.windowsRead() {
		return nil
	}
	last := v.lastFile()
	evidence := []*model.Step{v.config, v.kernel, v.initrd, v.disk}
	quiet := v.quietFor()
	f := &finding{
		code: HandedOver, evidence: evidence,
		text: fmt.Sprintf("%s was read, and nothing was heard in the %s since", readNames(v.kernel, v.initrd, v.disk), short(quiet)),
	}
	if v.windowsRead() && v.kernel == nil {
		f.text = fmt.Sprintf("%s was read, and nothing was heard in the %s since", last.File.Name, short(quiet))
	}
	if quiet < kernelPatience {
		if v.Over {
			f.text += "; more may have come after the capture's end"
		}
		return f
	}
	f.code = InstallerSilent
	return f
}

// windowsRead: boot.wim was read; there is no kernel.
func (v *sight) windowsRead() bool {
	return v.initrd != nil && strings.HasSuffix(strings.ToLower(v.initrd.File.Name), ".wim")
}

// loaderLoop: the same boot program again and again.
func loaderLoop(v *sight) *finding {
	if v.kernel != nil || v.disk != nil {
		return nil
	}
	// shim reads the next program two or three times, and firmware a first one
	// twice: a loop has the loader's DHCP between its reads, or boots that end
	// alike.
	asked := 0
	for _, s := range v.discovers {
		if s.DHCP.Stage == "ipxe" {
			asked += s.Times()
		}
	}
	if v.loader != nil && v.config == nil && v.loaderReads[v.loader.File.Name] >= 3 && asked >= 2 {
		return &finding{
			code: LoaderLoop, detail: "ipxe", certain: true, evidence: []*model.Step{v.loader},
			text:  fmt.Sprintf("%s was read %s, and each time the machine asked for an address again", v.loader.File.Name, plural(v.loaderReads[v.loader.File.Name])),
			cause: "the server that named it takes the loader for firmware and hands it itself",
		}
	}
	if v.loader == nil {
		return nil
	}
	n, since := 1, v.Boot.Start
	for _, p := range v.Before {
		if p.Code != LoaderSilent && p.Code != SecureBootRefused && p.Code != LoaderLoop && p.Code != BootFileWrongArch || since.Sub(p.Last) > 5*time.Minute {
			break
		}
		n++
		since = p.Last
	}
	if n < 3 || v.config != nil {
		return nil
	}
	return &finding{
		code: LoaderLoop, detail: "restarts", evidence: []*model.Step{v.loader},
		text:   fmt.Sprintf("%s was read in each of %d attempts one after another, and nothing after it", v.loader.File.Name, n),
		cause:  "the boot program fails or is refused, and firmware starts over",
		remedy: "look at the machine's screen; try the other boot program (snponly instead of ipxe, or back); see whether Secure Boot is on",
	}
}

// scriptRead: a loader read its script and no kernel.
func scriptRead(v *sight) *finding {
	if v.config == nil || after(v.loader, v.config) && v.loader.File.Role == model.RoleLoader && !beside(v.loader, v.config) {
		return nil
	}
	target := v.target()
	f := &finding{
		code: HandedOver, evidence: []*model.Step{v.loader, v.config},
		text: fmt.Sprintf("%s was read, and nothing was asked for in the %s since: the machine waits in its menu or started from its own disk", v.config.File.Name, short(v.quietFor())),
	}
	switch target {
	case "", model.TargetMenu, model.TargetLocal:
	default:
		f.code = ScriptNotFollowed
		f.text = fmt.Sprintf("%s, which starts %s, was read, and its kernel was never asked for", v.config.File.Name, target)
	}
	return f
}

// beside: pxelinux and GRUB read modules after their configuration.
func beside(a, b *model.Step) bool {
	switch path.Ext(a.File.Name) {
	case ".c32", ".mod":
		return true
	}
	return path.Dir(a.File.Name) == path.Dir(b.File.Name) && !strings.HasSuffix(a.File.Name, ".efi")
}

// target is what our decision was to end in; "" where none was ours.
func (v *sight) target() string {
	for i := len(v.Boot.Steps) - 1; i >= 0; i-- {
		if d := v.Boot.Steps[i].DHCP; d != nil && d.Target != "" {
			return d.Target
		}
	}
	return ""
}

// loaderRead: a boot program was read to its end, and nothing after it.
func loaderRead(v *sight) *finding {
	s := v.loader
	if s == nil {
		return nil
	}
	evidence := []*model.Step{v.ack, s}
	quiet := short(v.quietFor())
	arch, built := v.Boot.Arch, s.File.Arch
	if built != "" && arch != "" && built != arch {
		return &finding{
			code: BootFileWrongArch, evidence: evidence,
			text: fmt.Sprintf("%s is built for %s, and the machine is %s", s.File.Name, built, arch),
		}
	}
	if arch == model.ArchBIOS && strings.HasSuffix(strings.ToLower(s.File.Name), ".efi") || arch.UEFI() && legacyName(s.File.Name) {
		return &finding{
			code: BootFileWrongArch, evidence: evidence,
			text: fmt.Sprintf("%s cannot run on %s", s.File.Name, arch),
		}
	}
	if arch.UEFI() && s.File.Refusal != "" {
		return &finding{
			code: SecureBootRefused, evidence: evidence,
			text:  fmt.Sprintf("%s was read to its end, then nothing for %s; with Secure Boot on a machine does not start it: %s", s.File.Name, quiet, s.File.Refusal),
			cause: fmt.Sprintf("Secure Boot is on, and %s", s.File.Refusal),
		}
	}
	f := &finding{
		code: LoaderSilent, evidence: evidence,
		text: fmt.Sprintf("%s was read to its end, then nothing for %s", s.File.Name, quiet),
	}
	switch {
	case v.WentOn > 0:
		f.remedy = fmt.Sprintf("look at the machine's screen: %d other boots of this model went on from this program, so that the machine itself is to blame (Secure Boot, its card, memory)", v.WentOn)
	case v.Stuck > 0:
		f.remedy = fmt.Sprintf("%d other boots of this model ended here too: give it the other boot program (loader = \"…\" in a rule), or turn Secure Boot off once to see whether that is it", v.Stuck)
	}
	if s.File.Signer != "" {
		f.cause = fmt.Sprintf("the program is signed (%s); it may still be too old for the machine's revocation list, or not work with its network card, or it waits for a key", s.File.Signer)
	}
	return f
}

// legacyName: a name that only programs for BIOS have.
func legacyName(name string) bool {
	switch path.Ext(strings.ToLower(name)) {
	case ".kpxe", ".kkpxe", ".pxe", ".0", ".n12", ".com", ".lkrn":
		return true
	}
	return false
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// readNames lists the files that were read.
func readNames(all ...*model.Step) string {
	var names []string
	for _, s := range all {
		if s != nil {
			names = append(names, s.File.Name)
		}
	}
	return strings.Join(names, " and ")
}
