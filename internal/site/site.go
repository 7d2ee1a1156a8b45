// Package site is the boot-file tree of one running configuration: it knows
// what each name stands for and, for names that mean a menu, which machine is
// asking. It is what both TFTP and HTTP serve.
//
//	m/<mac>/<arch>/<program>          a boot program, meant for one machine
//	m/<mac>/<arch>/boot.ipxe          that machine's script (also autoexec.ipxe,
//	                                  grub.cfg, pxelinux.cfg/…)
//	nbp/<arch>/<program>              the same without a machine
//	grub/grub.cfg, pxelinux.cfg/…     asked for at the root: the machine is told by
//	                                  its address, or by the MAC in the name
//	img/<image>/<file>                kernels, initial RAM disks, images
//	iso/<image>.iso, iso/<image>/…    an image's file, and what lies in it
//	install/<token>/<file>            what one attempt to install reads, and where it
//	                                  calls home
//	win/<image>/<token>/<file>        what boots a Windows image, by package windows
//	<program>                         a boot program by its bare name, for DHCP
//	                                  servers that somebody else configured
//	Boot/BCD, m/<mac>/<arch>/Boot/BCD what lies beside a boot manager of Windows,
//	                                  in any case: of the image that the address
//	                                  that asks boots, or the user's own files
package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/policy"
	"hobnail/internal/windows"
)

// Site opens boot files. All fields are required and do not change: a reload
// makes a new Site.
type Site struct {
	Policy   *policy.Policy
	Programs *nbp.Inventory
	Images   bootfile.Opener // names below img/, and those of WindowsFiles
	Boots    *boots.Memory
	Orders   Orders // nil: nobody can order anything
	// Windows has what boot managers of Windows read; nil: no image has any.
	Windows *Windows
	Started time.Time // modification time of generated files and embedded programs

	cmdlines sync.Map // *bootscript.Cmdline by its text: parsed when first wanted
}

// Open finds the file that a name stands for.
func (s *Site) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	name, ok := bootfile.Clean(r.Name)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	if ofImages(name) {
		if img, ok := s.ofESXi(name); ok {
			return s.esxi(ctx, r, name, img, esxiByHand)
		}
		return s.image(ctx, r)
	}
	if rest, ok := strings.CutPrefix(name, InstallPrefix); ok {
		return s.install(ctx, r, name, rest)
	}
	if ref, file, ok := windows.ParseName(name); ok {
		return s.bootWindows(ctx, r, ref, file)
	}
	if p, ok := model.ParseBootPath(name); ok {
		s.Boots.Read(r.Client.Addr(), p)
		if kind := scriptKind(p.File); kind != nil {
			s.Windows.forget(r)
			return s.script(ctx, r, name, kind, s.byName(p, r))
		}
		if number, ok := strings.CutPrefix(p.File, readyPrefix); ok {
			return s.ready(ctx, name, number, s.byName(p, r))
		}
		switch {
		case p.File == model.RAMDiskFile:
			return s.ramDisk(r, name, p)
		case ofImages(p.File):
			// U-Boot puts its boot file's folder before every name.
			r.Name = p.File
			return s.image(ctx, r)
		case strings.HasPrefix(p.File, InstallPrefix):
			return s.install(ctx, r, p.File, strings.TrimPrefix(p.File, InstallPrefix))
		}
		if ref, file, ok := windows.ParseName(p.File); ok {
			return s.bootWindows(ctx, r, ref, file)
		}
		f, err := s.program(r, name, p.Arch, p.File)
		if errors.Is(err, bootfile.ErrNotFound) {
			return s.besideManager(ctx, r, p, p.File)
		}
		s.Windows.forget(r)
		return f, err
	}
	if kind := scriptKind(name); kind != nil {
		s.Windows.forget(r)
		return s.script(ctx, r, name, kind, s.byName(model.BootPath{File: name}, r))
	}
	f, err := s.bareProgram(r, name)
	if errors.Is(err, bootfile.ErrNotFound) {
		return s.besideManager(ctx, r, model.BootPath{Arch: s.windowsArch(r)}, name)
	}
	return f, err
}

// ofImages reports whether a name is one of an image's files.
func ofImages(name string) bool {
	return strings.HasPrefix(name, image.Prefix) || strings.HasPrefix(name, image.VolumePrefix)
}

// renderer writes a menu in the language of one loader.
type renderer func(bootscript.Menu) []byte

// scriptKind tells from a name which loader asks for its configuration; nil if
// none does.
//
// Debian's signed GRUB asks for /grub/grub.cfg, the one of its installer for
// a longer path, Fedora's for grub.cfg-01-<mac>, grub.cfg-<address> and
// grub.cfg beside itself. pxelinux, U-Boot and petitboot look through
// pxelinux.cfg/: UUID, 01-<mac>, the address in ever fewer digits, default.
func scriptKind(name string) renderer {
	dir, base := path.Split(name)
	switch {
	case base == model.ScriptIPXE, base == model.ScriptAutoexec:
		return bootscript.IPXE
	case base == model.ScriptUBoot:
		return func(bootscript.Menu) []byte { return bootscript.UBoot() }
	case base == model.ScriptGRUB, strings.HasPrefix(base, model.ScriptGRUB+"-01-"):
		return bootscript.GRUB
	case path.Base(dir) == "pxelinux.cfg" && (base == "default" || strings.HasPrefix(base, "01-")):
		return bootscript.PXELinux
	}
	return nil
}

// byName tells whose configuration a name asks for. A MAC in the last part
// (pxelinux, GRUB) is the machine's own word and comes first, then one in the
// path, then the address that reads.
func (s *Site) byName(p model.BootPath, r bootfile.Request) boots.Known {
	if _, mac, ok := strings.Cut(path.Base(p.File), "01-"); ok {
		if m, err := model.ParseMAC(mac); err == nil {
			p.MAC = m
			if p.Arch == "" {
				p.Arch = s.Boots.ByAddr(r.Client.Addr()).Arch
			}
		}
	}
	if p.MAC != "" {
		return s.Boots.ByPath(p)
	}
	known := s.Boots.ByAddr(r.Client.Addr())
	if p.Arch != "" {
		known.Arch = p.Arch
	}
	return known
}

// script renders the menu of a machine.
func (s *Site) script(ctx context.Context, r bootfile.Request, name string, render renderer, who boots.Known) (*bootfile.File, error) {
	menu, err := s.menu(ctx, r, who)
	if err != nil {
		return nil, err
	}
	if menu.Wait != nil {
		menu.Wait.Script = name
	}
	return s.generated(name, render(menu)), nil
}

func (s *Site) generated(name string, b []byte) *bootfile.File {
	return &bootfile.File{
		Name: name, Size: int64(len(b)), Content: bytes.NewReader(b),
		ContentType: "text/plain; charset=utf-8", Close: func() error { return nil },
	}
}

// program opens a boot program of an architecture. A GRUB for proxy mode has
// our address in it, and the address in its ETag.
func (s *Site) program(r bootfile.Request, name string, arch model.Arch, file string) (*bootfile.File, error) {
	prog, ok := s.Programs.FindFile(arch, file)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	address := s.server(r).Address
	content, size, modified, err := s.Programs.OpenFor(arch, file, address)
	if err != nil {
		return nil, fmt.Errorf("opening boot program %s for %s: %v", file, arch, err)
	}
	if modified.IsZero() {
		modified = s.Started
	}
	f := &bootfile.File{
		Name: name, Size: size, Content: content, ModTime: modified,
		ETag: `"` + prog.SHA256 + `"`, Close: func() error { return nil },
	}
	if prog.Loader == nbp.LoaderGRUBProxy {
		f.ETag = fmt.Sprintf(`"%s-%s"`, prog.SHA256, address)
	}
	if c, ok := content.(io.Closer); ok {
		f.Close = c.Close
	}
	if arch.UEFI() && strings.HasSuffix(strings.ToLower(file), ".efi") {
		f.ContentType = "application/efi"
	}
	return f, nil
}

// bareProgram serves a program by its file name alone. Where several
// architectures have one of that name, as with the ipxe.efi that iPXE's signed
// shims ask for at the root, the machine that asks must be known.
func (s *Site) bareProgram(r bootfile.Request, name string) (*bootfile.File, error) {
	var archs []model.Arch
	for _, a := range model.Archs() {
		if _, ok := s.Programs.FindFile(a, name); ok {
			archs = append(archs, a)
		}
	}
	if len(archs) == 1 {
		return s.program(r, name, archs[0], name)
	}
	arch := s.Boots.ByAddr(r.Client.Addr()).Arch
	if !slices.Contains(archs, arch) {
		return nil, bootfile.ErrNotFound
	}
	return s.program(r, name, arch, name)
}

// menu makes what a machine is shown.
func (s *Site) menu(ctx context.Context, r bootfile.Request, who boots.Known) (bootscript.Menu, error) {
	facts := factsOf(who)
	script := s.view().Script(&facts)
	if script.Target == model.TargetDeny {
		return bootscript.Menu{}, bootfile.ErrNotFound
	}
	cfg := s.Policy.Config
	m := bootscript.Menu{
		Machine: bootscript.Machine{MAC: facts.MAC, UUID: facts.UUID, Arch: facts.Arch, Address: r.Client.Addr().Unmap()},
		Server:  s.server(r),
		Default: cfg.Boot.Default,
		Timeout: cfg.Boot.Timeout,
		Local:   script.Local,
		NoHTTP:  cfg.Server.HTTPPort == 0 || r.Via == "tftp" && who.Facts != nil && !policy.SpeaksHTTP(who.Facts),
	}
	if script.Machine != nil {
		m.Machine.Name = script.Machine.Name
	}
	if script.Target != model.TargetMenu {
		m.Direct = script.Target
	}
	if n := len(script.Reasons); n > 0 {
		last := script.Reasons[n-1]
		m.Why = fmt.Sprintf("%s (%s)", last.Text, last.At)
	}
	values := bootscript.NewValues(m.Machine, m.Server)
	switch {
	case script.Target == model.TargetApprove:
		return m, s.wait(ctx, &m, &facts)
	case script.Install, script.Over:
		return m, s.begin(ctx, &m, script, &facts, values)
	}
	for _, img := range script.Images {
		img, _ = img.On(facts.Arch)
		e, err := s.entry(img, m, values)
		switch {
		case err == nil:
			m.Entries = append(m.Entries, e)
		case img.Name == m.Direct:
			return m, err
		}
		// An image whose command line cannot be written for this machine is
		// not offered to it; the others still are.
	}
	return m, nil
}

// factsOf is what is known of a machine that reads.
func factsOf(who boots.Known) classify.Facts {
	facts := classify.Facts{MAC: who.MAC, Arch: who.Arch}
	if who.Facts != nil {
		facts = *who.Facts
		if who.Arch != "" {
			facts.Arch = who.Arch
		}
	}
	return facts
}

func (s *Site) view() policy.View {
	v := policy.View{Policy: s.Policy}
	if s.Orders != nil {
		v.Registry = s.Orders
	}
	return v
}

// server is this server as the machine that asks can reach it.
func (s *Site) server(r bootfile.Request) bootscript.Server {
	cfg := s.Policy.Config
	addr := cfg.Server.Address
	if !addr.IsValid() {
		addr = r.Local.Unmap()
	}
	return bootscript.Server{
		Name: cfg.Server.Name, Address: addr,
		URL: "http://" + netip.AddrPortFrom(addr, cfg.Server.HTTPPort).String(),
	}
}

func (s *Site) entry(img model.Image, m bootscript.Menu, v bootscript.Values) (bootscript.Entry, error) {
	cmdline, err := s.cmdline(img.Cmdline, v, img.Name)
	if err != nil {
		return bootscript.Entry{}, fmt.Errorf("writing the command line of image %s for %s: %v", img.Name, m.Machine.MAC, err)
	}
	kernel, initrd := image.Names(img)
	e := bootscript.Entry{ID: img.Name, Title: img.Title, Kernel: kernel, Initrd: initrd, Cmdline: cmdline, Way: img.Way}
	if img.Way == model.WayWindows {
		s.startWindows(&e, windows.Ref{Image: img.Name}, m.Machine.Arch)
	}
	return e, nil
}

// cmdline fills in a command line. To parse one takes longer than all else
// that a menu needs.
func (s *Site) cmdline(text string, v bootscript.Values, image string) (string, error) {
	parsed, ok := s.cmdlines.Load(text)
	if !ok {
		c, err := bootscript.ParseCmdline(text)
		if err != nil {
			return "", err
		}
		parsed, _ = s.cmdlines.LoadOrStore(text, c)
	}
	return parsed.(*bootscript.Cmdline).Expand(v, image)
}
