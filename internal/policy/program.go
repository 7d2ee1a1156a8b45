package policy

import (
	"fmt"
	"slices"

	"hobnail/internal/classify"
	"hobnail/internal/model"
	"hobnail/internal/wire/pxe"
)

// Kinds of boot program, as rules and the inventory name them.
const (
	LoaderIPXE     = "ipxe"
	LoaderIPXEShim = "ipxe-shim" // iPXE behind its own signed shim
	LoaderShim     = "shim"      // shim, then GRUB
	LoaderGRUB     = "grub"
	LoaderPXELinux = "pxelinux"
	LoaderCustom   = "custom"
	// LoaderGRUBProxy is GRUB with our address written into it as it is handed
	// out: GRUB that need not take its server from a foreign ACK.
	LoaderGRUBProxy = "grub-proxy"
	LoaderScript    = "script" // not a program: iPXE's next step
	// LoaderRAMDisk is shim and GRUB inside a disk image, for UEFI HTTP boot:
	// fetched one by one they find no configuration, as GRUB then knows no
	// server (seen: it stops at "grub>").
	LoaderRAMDisk = "ramdisk"
)

// managerFile is Windows' boot manager under UEFI. Named as boot program, it
// comes out of the image that the machine boots, where the user has none.
const managerFile = "bootmgfw.efi"

// bootData fills in what the machine is to load. It reports false when there
// is nothing to send, with the reason given.
func (v View) bootData(d *Decision, f *classify.Facts) bool {
	c := v.choose(d, f)
	if c.target == model.TargetDeny {
		d.ignore("deny", "built-in", "the target is deny: no answer")
		return false
	}
	if f.Class == classify.ClassHTTP && v.Policy.Config.Server.HTTPPort == 0 {
		d.ignore("http", "built-in", "the machine boots by HTTP and [server] http is off")
		return false
	}
	v.windowsManager(d, f, &c)
	if f.Stage == classify.StageIPXE && !v.replacesIPXE(f, c.loader) {
		d.Boot = v.script(d, f)
		return true
	}
	if f.Class == classify.ClassUBoot && c.loader == "" {
		d.Boot = uboot(d, f)
		return true
	}
	prog, ok := v.program(d, f, c)
	if !ok {
		return false
	}
	path := model.BootPath{MAC: f.MAC, Arch: prog.Arch, File: prog.File}.String()
	d.Boot = &Boot{File: path, NextServer: d.Server, Class: f.Class, Arch: prog.Arch, Loader: prog.Loader}
	if f.Class == classify.ClassHTTP {
		d.Boot.File = v.url(d, path)
	}
	return true
}

// windowsManager passes over the boot manager of Windows as boot program where
// there are images that have one and the machine is to boot none of them: with
// another target there must be something that boots it.
//
// Firmware that is to boot Windows is given it without being asked to: started
// by GRUB it is told of the network card alone, which in EDK2 has no PXE Base
// Code, and so of no server (seen with a GRUB in its place).
func (v View) windowsManager(d *Decision, f *classify.Facts, c *choice) {
	if c.loader == "" && f.Class == classify.ClassPXE && f.Stage == classify.StageFirmware && v.fromImage(d, f.Arch, f) {
		c.loader = managerFile
		return
	}
	if c.loader != managerFile || v.fromImage(d, f.Arch, f) || !slices.ContainsFunc(v.Policy.images, isWindows) {
		return
	}
	for _, arch := range archs(f) {
		if _, ok := v.Policy.findProgram(arch, c.loader); ok {
			return
		}
	}
	d.because("boot-program", "built-in", "%s comes out of a Windows image under UEFI PXE, and this machine boots %s: its usual boot program", managerFile, d.Target)
	c.loader = ""
}

func isWindows(img model.Image) bool { return img.Way == model.WayWindows }

// fromImage reports whether Windows' boot manager comes out of the image that a
// machine boots. By UEFI HTTP it would ask nobody: it knows TFTP alone.
func (v View) fromImage(d *Decision, arch model.Arch, f *classify.Facts) bool {
	img, ok := v.Policy.Image(d.Target)
	return ok && isWindows(img) && arch.UEFI() && f.Class != classify.ClassHTTP
}

// replacesIPXE reports whether a chosen loader is to be given even to a
// machine that already runs iPXE. iPXE is never handed itself: it would ask
// again, and get itself again, for ever.
func (v View) replacesIPXE(f *classify.Facts, loader string) bool {
	if loader == "" || startsIPXE(loader) {
		return false
	}
	for _, arch := range archs(f) {
		if p, ok := v.Policy.findProgram(arch, loader); ok {
			return !startsIPXE(p.Loader)
		}
	}
	return true
}

func startsIPXE(kind string) bool { return kind == LoaderIPXE || kind == LoaderIPXEShim }

// archs lists the architectures a client can be served for, its preference
// first.
func archs(f *classify.Facts) []model.Arch {
	var list []model.Arch
	for _, row := range f.Archs {
		if row.Arch != "" && !slices.Contains(list, row.Arch) {
			list = append(list, row.Arch)
		}
	}
	return list
}

// script is what iPXE gets: the address of its script. One without HTTP
// (some vendors' ROMs) gets it over TFTP.
func (v View) script(d *Decision, f *classify.Facts) *Boot {
	arch := f.Arch
	if arch == "" {
		arch = model.ArchBIOS
	}
	path := model.BootPath{MAC: f.MAC, Arch: arch, File: model.ScriptIPXE}.String()
	b := &Boot{NextServer: d.Server, Class: f.Class, Arch: arch, Loader: LoaderScript}
	if v.Policy.Config.Server.HTTPPort != 0 && SpeaksHTTP(f) {
		b.File = v.url(d, path)
		d.because("ipxe", "built-in", "iPXE is running: it gets its script by HTTP")
	} else {
		b.File = fmt.Sprintf("tftp://%s/%s", d.Server, path)
		d.because("ipxe", "built-in", "iPXE is running but knows no HTTP, or HTTP is off: its script by TFTP")
	}
	return b
}

// uboot is what U-Boot's own DHCP client gets: a script that makes it read
// pxelinux.cfg. It needs no boot program.
func uboot(d *Decision, f *classify.Facts) *Boot {
	d.because("u-boot", "built-in", "U-Boot reads a menu by itself: it gets a script that makes it do so")
	path := model.BootPath{MAC: f.MAC, Arch: f.Arch, File: model.ScriptUBoot}.String()
	return &Boot{File: path, NextServer: d.Server, Class: f.Class, Arch: f.Arch, Loader: LoaderScript}
}

// SpeaksHTTP reports whether iPXE can load by HTTP. A build that sends no
// feature list at all is taken to be a normal one.
func SpeaksHTTP(f *classify.Facts) bool {
	return f.IPXE.Has(pxe.FeatureHTTP) || !f.IPXE.Has(pxe.FeatureTFTP)
}

func (v View) url(d *Decision, path string) string {
	return fmt.Sprintf("http://%s:%d/%s", d.Server, v.Policy.Config.Server.HTTPPort, path)
}

// program picks the boot program: the first of the client's architectures for
// which there is one, of the kind that was chosen or that fits the mode.
func (v View) program(d *Decision, f *classify.Facts, c choice) (Program, bool) {
	switch {
	case f.Arch == "" && f.ArchName == "":
		d.ignore("architecture", "RFC 4578 section 2.1", "the client names no architecture that can be read")
		return Program{}, false
	case f.Arch == "":
		d.ignore("architecture", "RFC 4578 section 2.1", "no boot program can exist for %s", f.ArchName)
		return Program{}, false
	}
	for _, arch := range archs(f) {
		if p, ok := v.programFor(d, arch, f, c); ok {
			return p, true
		}
	}
	m := v.missing(f.Arch, d.Mode, c.loader, f.Class == classify.ClassHTTP)
	d.ignore("boot-program", "built-in", "%s", m)
	d.Missing = &m
	return Program{}, false
}

func (v View) programFor(d *Decision, arch model.Arch, f *classify.Facts, c choice) (Program, bool) {
	http, loader := f.Class == classify.ClassHTTP, c.loader
	if http && (loader == LoaderShim || loader == LoaderGRUB || loader == LoaderGRUBProxy) {
		loader = LoaderRAMDisk
	}
	if loader != "" {
		p, ok := v.Policy.findProgram(arch, loader)
		if !ok && loader == managerFile && v.fromImage(d, arch, f) {
			d.because("boot-program", "built-in", "%s comes out of image %s", loader, d.Target)
			return Program{Arch: arch, Loader: LoaderCustom, File: loader}, true
		}
		if ok {
			d.because("boot-program", "built-in", "%s is the %s chosen for %s", p.File, loader, arch)
		}
		return p, ok
	}
	if p, ok := v.Policy.findCustom(arch); ok {
		d.because("boot-program", v.Policy.programs.Folder, "%s is the user's own program for %s", p.File, arch)
		return p, true
	}
	kinds := preference(arch, d.Mode, http)
	if img, ok := v.needsIPXE(c.target, arch); ok {
		// Nothing that Secure Boot accepts can start it, so nothing is lost where
		// it is on: the others would show a menu without it.
		slices.SortStableFunc(kinds, func(a, b string) int {
			switch x, y := startsIPXE(a), startsIPXE(b); {
			case x == y:
				return 0
			case x:
				return -1
			}
			return 1
		})
		d.because("boot-program", img.Source, "image %s is started by iPXE alone, so iPXE comes first; where Secure Boot is on, the firmware refuses one that is not signed", img.Name)
	}
	var refused []Refused
	for _, kind := range kinds {
		refused = append(refused, v.Policy.refusedOf(arch, kind)...)
		if p, ok := v.Policy.findProgram(arch, kind); ok {
			for _, r := range refused {
				d.because("boot-program", "built-in", "%s is there but not served: it %s", r.File, r.Why)
			}
			d.because("boot-program", "built-in", "%s %s", p.File, why(kind, arch, d.Mode))
			return v.taughtProgram(d, f, p), true
		}
	}
	return Program{}, false
}

// needsIPXE gives the image that a target is, if iPXE alone can start it on an
// architecture.
func (v View) needsIPXE(target string, arch model.Arch) (model.Image, bool) {
	img, ok := v.Policy.Image(target)
	if !ok || !arch.UEFI() {
		return img, false // a BIOS gets iPXE in any case
	}
	img, ok = img.On(arch)
	return img, ok && img.Way.IPXEOnly()
}

// preference orders the kinds of boot program for an architecture. Where we
// give the ACK, UEFI gets the chain that Secure Boot accepts: no DHCP option
// says whether it is on, and shim does no harm where it is off. Behind another
// DHCP server GRUB is lost, as it takes its server from that server's ACK and
// knows no proxy offers (seen: it stops at "Welcome to GRUB!"), so there only
// iPXE will do, and where there is none a GRUB that is told its server.
//
// By HTTP the chain comes as a RAM disk, in which GRUB is told its server: that
// works in every mode.
func preference(arch model.Arch, mode model.Mode, http bool) []string {
	switch {
	case arch == model.ArchBIOS:
		return []string{LoaderIPXE, LoaderPXELinux}
	case http:
		return []string{LoaderIPXEShim, LoaderRAMDisk, LoaderIPXE}
	case mode == model.ModeServer, mode == model.ModeMerge:
		return []string{LoaderShim, LoaderGRUB, LoaderIPXEShim, LoaderIPXE}
	}
	return []string{LoaderIPXEShim, LoaderIPXE, LoaderGRUBProxy}
}

func why(kind string, arch model.Arch, mode model.Mode) string {
	switch {
	case arch == model.ArchBIOS:
		return "starts BIOS machines"
	case kind == LoaderRAMDisk:
		return "is a disk with GRUB, and shim where there is one, for firmware that boots by HTTP"
	case kind == LoaderGRUBProxy:
		return fmt.Sprintf("is GRUB with this server's address in it, as there is no iPXE for %s; nobody has signed it: where Secure Boot is on, use UEFI HTTP boot", arch)
	case mode == model.ModeProxy:
		return "works behind another DHCP server, where GRUB does not"
	case kind == LoaderShim:
		return "starts with Secure Boot on or off, and DHCP never says which"
	case kind == LoaderGRUB:
		return fmt.Sprintf("is what there is for %s: no signed shim is known", arch)
	}
	return fmt.Sprintf("is what there is for %s", arch)
}

// findProgram finds a program by kind, or by file name.
func (p *Policy) findProgram(arch model.Arch, loader string) (Program, bool) {
	for _, prog := range p.programs.Have {
		if prog.Arch == arch && (prog.Loader == loader || prog.File == loader) {
			return prog, true
		}
	}
	return Program{}, false
}

// refusedOf lists the programs of a kind, or of a file name, that are not
// served, where none in their place is. A RAM disk is made of two.
func (p *Policy) refusedOf(arch model.Arch, loader string) []Refused {
	if len(p.programs.Refused) == 0 {
		return nil
	}
	if loader == LoaderRAMDisk {
		return append(p.refusedOf(arch, LoaderShim), p.refusedOf(arch, LoaderGRUB)...)
	}
	var all []Refused
	if _, served := p.findProgram(arch, loader); served {
		return nil
	}
	for _, r := range p.programs.Refused {
		if r.Arch == arch && (r.Loader == loader || r.File == loader) {
			all = append(all, r)
		}
	}
	return all
}

// findCustom finds a user's program of a kind we have no name for, if it is
// the only one for its architecture.
func (p *Policy) findCustom(arch model.Arch) (found Program, ok bool) {
	for _, prog := range p.programs.Have {
		if prog.Arch == arch && prog.Loader == LoaderCustom {
			if ok {
				return Program{}, false
			}
			found, ok = prog, true
		}
	}
	return found, ok
}

// missing names the files that would have done here.
func (v View) missing(arch model.Arch, mode model.Mode, loader string, http bool) Missing {
	m := Missing{Arch: arch, Loader: loader, Folder: fmt.Sprintf("%s/%s", v.Policy.programs.Folder, arch)}
	kinds := []string{loader}
	if loader == "" {
		kinds = preference(arch, mode, http)
	}
	m.Refused = v.refusals(arch, kinds)
	if loader != "" && !knownLoader(loader) {
		m.Files = []string{loader}
		return m
	}
	for _, kind := range kinds {
		m.Files = append(m.Files, v.Policy.programs.Wanted(arch, kind)...)
	}
	return m
}

// refusals says of each refused program of some kinds why it is.
func (v View) refusals(arch model.Arch, kinds []string) []string {
	var all []string
	for _, kind := range kinds {
		for _, r := range v.Policy.refusedOf(arch, kind) {
			all = append(all, fmt.Sprintf("%s is there but not served: it %s", r.File, r.Why))
		}
	}
	return all
}

func knownLoader(loader string) bool {
	switch loader {
	case LoaderIPXE, LoaderIPXEShim, LoaderShim, LoaderGRUB, LoaderGRUBProxy, LoaderPXELinux:
		return true
	}
	return false
}
