package verdict

import (
	"fmt"
	"path"
	"strings"
	"time"

	"hobnail/internal/model"
	"hobnail/internal/record"
)

// answerMissing: the system that was booted asked for a file that is not there.
func answerMissing(v *sight) *finding {
	s := v.lastFile()
	if s == nil || s.Kind != model.StepMissing || v.initrd == nil && v.kernel == nil {
		return nil
	}
	// Loaders read kernel and initial RAM disk; what is asked for after both is
	// the system's own affair.
	if s.File.Role != model.RoleAnswer && (s.File.Role != model.RoleOther || v.initrd == nil || v.kernel == nil) {
		return nil
	}
	f := &finding{code: AnswerNotFound, evidence: []*model.Step{v.kernel, v.initrd, s},
		text: fmt.Sprintf("kernel and initial RAM disk were read, and the system then asked for %s, which is not there", s.File.Name)}
	if len(s.File.Near) > 0 {
		f.text += fmt.Sprintf("; there is %s", strings.Join(s.File.Near, ", "))
	}
	return f
}

// booted: the system or installer was heard from.
func booted(v *sight) *finding {
	home := v.home
	if end := v.lastFile(); home == nil && after(v.system, end) && (end == v.kernel || end == v.initrd || end == v.disk) {
		home = v.system // what was loaded asks for an address
	}
	if home == nil {
		return nil
	}
	f := &finding{
		code: Booted, certain: true, evidence: []*model.Step{v.kernel, v.initrd, v.disk, home},
		text: fmt.Sprintf("%s read, and %s", wereRead(v), or(home.Text, "the system asks for an address")),
	}
	if step, took, usual, known := v.slowest(); step != "" {
		f.code, f.detail = Slow, step
		f.text = fmt.Sprintf("it booted, but %s took %s; %s is usual here", stepNames[step], short(took), short(usual))
		if !known {
			f.text = fmt.Sprintf("it booted, but %s took %s", stepNames[step], short(took))
		}
		f.cause, f.remedy = slowness(v, step)
	}
	return f
}

// wereRead names what the machine read to start its system.
func wereRead(v *sight) string {
	switch {
	case v.kernel != nil && v.initrd != nil:
		return "kernel and initial RAM disk were"
	case v.kernel != nil:
		return "the kernel was"
	case v.disk != nil:
		return v.disk.File.Name + " was"
	case v.initrd != nil:
		return v.initrd.File.Name + " was"
	}
	return "the system was"
}

// slowness says where time is lost in a step.
func slowness(v *sight, step string) (cause, remedy string) {
	for _, s := range v.files {
		d := s.File
		if step == "address" || step == "system" || s.Kind != model.StepRead {
			continue
		}
		if !roundTrips(d) && d.Retransmissions > d.Blocks/100 && d.Retransmissions > 3 {
			return fmt.Sprintf("packets are lost on the way: %d blocks of %s were sent again, of %d", d.Retransmissions, d.Name, d.Blocks),
				"look for errors on the switch ports of the machine and the server: duplex, cable, a full uplink"
		}
		if d.Via == "tftp" && d.RoundTrip > 5*time.Millisecond {
			return fmt.Sprintf("each block of %s took a round trip of %s", d.Name, short(d.RoundTrip)),
				"serve that network from a nearer server, or let the machine read by HTTP"
		}
	}
	switch step {
	case "address":
		return "the DHCP server answered late, or the switch port came up late",
			"turn on portfast (edge port) on the switch ports of machines; look how long the DHCP server takes to answer"
	case "system":
		return "the machine, its disk or the installer took long before it used the network", "compare with other machines of the same model"
	}
	return "the network or the server had much to do, or the machine itself is slow", "compare with other machines of that network at the same time"
}

// roundTrips reports whether a read took as long as it did for its round trips.
// Blocks are sent again then as well: a server on a long line is impatient at
// first, and loses nothing.
func roundTrips(d *model.FileStep) bool {
	trips := d.Blocks / int64(max(1, d.Window))
	return d.Via == "tftp" && d.RoundTrip > 5*time.Millisecond && time.Duration(trips)*d.RoundTrip > d.Duration/2
}

// kernelRead: the kernel, or the disk that firmware boots, was read.
func kernelRead(v *sight) *finding {
	if v.kernel == nil && v.disk == nil && !v.windowsRead() {
		return nil
	}
	names := readNames(v.kernel, v.initrd, v.disk)
	f := &finding{
		code: HandedOver, evidence: []*model.Step{v.config, v.kernel, v.initrd, v.disk},
		text: fmt.Sprintf("%s was read, and nothing was heard %s", names, v.since()),
	}
	if v.quietFor() >= kernelPatience {
		f.code = InstallerSilent
	}
	return f
}

// windowsRead: boot.wim was read; there is no kernel.
func (v *sight) windowsRead() bool {
	return v.initrd != nil && strings.HasSuffix(strings.ToLower(v.initrd.File.Name), ".wim")
}

// loopReads is how often a loader is read before it is a loop: shim reads the
// next program two or three times in a row, a loop has the loader's own DHCP
// between its reads.
const loopReads = 3

// loaderLoop: the same boot program again and again within one boot.
func loaderLoop(v *sight) *finding {
	if v.loader == nil || v.kernel != nil || v.disk != nil || v.config != nil {
		return nil
	}
	name := v.loader.File.Name
	if n := v.readsBetweenAsking(name); n >= loopReads {
		return &finding{
			code: LoaderLoop, detail: "ipxe", certain: true, evidence: []*model.Step{v.loader},
			text:  fmt.Sprintf("%s was read %s, and each time the machine asked for an address again", name, plural(n)),
			cause: "the server that names it takes the loader for firmware and hands it itself again",
		}
	}
	// Where the machine's DHCP is not heard: firmware reads its first program
	// once, what comes after that may be read several times.
	if n := v.loader.Times(); len(v.asked) == 0 && v.request == nil && n >= loopReads && v.files[0].File.Name == name {
		return &finding{
			code: LoaderLoop, detail: "unheard", evidence: []*model.Step{v.loader},
			text:  fmt.Sprintf("%s was read %s, and nothing else; the machine's DHCP is not heard here", name, plural(n)),
			cause: "the DHCP server that names it takes the loader for firmware and hands it itself again, or the program fails and the machine starts over",
		}
	}
	return nil
}

// restartLoop: attempt after attempt ends after the same boot program.
func restartLoop(v *sight) *finding {
	if v.loader == nil || v.config != nil {
		return nil
	}
	n, since := 1, v.Boot.Start
	for _, p := range v.Before {
		if !stuck(p.Code) || since.Sub(p.Last) > 5*time.Minute {
			break
		}
		n++
		since = p.Last
	}
	if n < loopReads {
		return nil
	}
	return &finding{
		code: LoaderLoop, detail: "restarts", evidence: []*model.Step{v.loader},
		text:   fmt.Sprintf("%s was read in each of %d attempts one after another, and nothing after it", v.loader.File.Name, n),
		cause:  "the boot program fails or is refused, and the machine starts over",
		remedy: "look at the machine's screen; see whether Secure Boot is on; give the machine the other boot program (loader = \"…\" in a [[rule]] or [[machine]])",
	}
}

func stuck(code string) bool {
	return code == LoaderSilent || code == SecureBootRefused || code == LoaderLoop || code == BootFileWrongArch
}

// readsBetweenAsking counts the reads of a file that have a DISCOVER of iPXE
// between them.
func (v *sight) readsBetweenAsking(name string) (n int) {
	fresh := true
	for i := range v.Boot.Steps {
		s := &v.Boot.Steps[i]
		switch {
		case s.Kind == model.StepDiscover && s.DHCP != nil && s.DHCP.Stage == "ipxe":
			fresh = true
		case s.Kind == model.StepRead && s.File != nil && s.File.Name == name && fresh:
			n++
			fresh = false
		}
	}
	return n
}

// scriptRead: a loader read its script and no kernel.
func scriptRead(v *sight) *finding {
	if v.config == nil || after(v.loader, v.config) && !beside(v.loader) {
		return nil
	}
	f := &finding{
		code: HandedOver, evidence: []*model.Step{v.loader, v.config, v.system},
		text: fmt.Sprintf("%s was read, and nothing was asked for %s: the machine waits in its menu or started from its own disk", v.config.File.Name, v.since()),
	}
	switch target := v.target(); target {
	case "", model.TargetMenu, model.TargetLocal, model.TargetApprove:
	default:
		if v.system != nil {
			break // it came from somewhere that is not heard here
		}
		f.code = ScriptNotFollowed
		f.text = fmt.Sprintf("%s, which starts %s, was read, and its kernel was never asked for", v.config.File.Name, target)
	}
	if v.system != nil {
		f.text = fmt.Sprintf("%s was read, and then a system asked for an address: it started from the machine's own disk, or from a server that is not heard here", v.config.File.Name)
	}
	return f
}

// beside: pxelinux and GRUB read modules after their configuration.
func beside(s *model.Step) bool {
	switch path.Ext(strings.ToLower(s.File.Name)) {
	case ".c32", ".mod":
		return true
	}
	return false
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

// wrongArch: a boot program that the machine cannot run; nil where it can, or
// where nothing says so.
func wrongArch(v *sight, s *model.Step) *finding {
	arch, built := v.arch(), s.File.Arch
	if built == "" && s.File.Role == model.RoleLoader {
		built = record.ArchOf(s.File.Name)
	}
	legacy := arch.UEFI() && built == "" && legacyName(s.File.Name)
	efi := arch == model.ArchBIOS && built == "" && strings.HasSuffix(strings.ToLower(s.File.Name), ".efi")
	if s.File.Role != model.RoleLoader || arch == "" || !legacy && !efi && (built == "" || built == arch) {
		return nil
	}
	if !arch.UEFI() && arch != model.ArchBIOS {
		return nil // Raspberry Pi, POWER and s390 have no boot programs of this kind
	}
	f := &finding{code: BootFileWrongArch, evidence: []*model.Step{v.ack, s},
		text: fmt.Sprintf("%s is built for %s, and the machine is %s", s.File.Name, built, arch)}
	switch {
	case legacy:
		f.text = fmt.Sprintf("%s is a boot program for BIOS, and the machine is %s", s.File.Name, arch)
	case efi:
		f.text = fmt.Sprintf("%s is a boot program for UEFI, and the machine boots as BIOS", s.File.Name)
	}
	if from := v.namedBy(s.File.Name); from != nil && !from.ours {
		f.remedy = fmt.Sprintf("on the DHCP server %s, name a boot file for each architecture (option 93), or none: hobnail then names the right one", from.addr)
	}
	return f
}

// loaderRead: a boot program was read to its end, and nothing after it.
func loaderRead(v *sight) *finding {
	s := v.loader
	if s == nil {
		return nil
	}
	if f := wrongArch(v, s); f != nil {
		return f
	}
	evidence := []*model.Step{v.ack, s, v.system}
	f := &finding{
		code: LoaderSilent, evidence: evidence,
		text: fmt.Sprintf("%s was read to its end, and nothing was heard %s", s.File.Name, v.since()),
	}
	if v.arch().UEFI() && s.File.Refusal != "" {
		f.code = SecureBootRefused
		f.text = fmt.Sprintf("%s was read to its end, and nothing was heard %s; where Secure Boot is on, a machine does not start it: %s", s.File.Name, v.since(), s.File.Refusal)
		f.cause = fmt.Sprintf("Secure Boot is on, and %s", s.File.Refusal)
		return f
	}
	switch {
	case v.WentOn > 0 && v.WentOn >= v.Stuck:
		f.remedy = fmt.Sprintf("look at the machine's screen: %s of this model went on from this program, so look at what is different here: Secure Boot, firmware version, network card, memory", count(v.WentOn, "other boot"))
	case v.Stuck > 0:
		f.remedy = fmt.Sprintf("%s of this model ended here too: give them the other boot program (loader = \"…\" in a [[rule]]), or turn Secure Boot off on one to see whether that is it", count(v.Stuck, "other boot"))
	}
	if s.File.Signer != "" {
		f.cause = fmt.Sprintf("the program is signed (%s); the machine may still refuse it as revoked or not know the signer, or the program does not work with its network card, or waits for a key", s.File.Signer)
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
