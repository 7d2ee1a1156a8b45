package site

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"hobnail/internal/bootfile"
	"hobnail/internal/boots"
	"hobnail/internal/bootscript"
	"hobnail/internal/classify"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/policy"
	"hobnail/internal/windows"
)

// InstallPrefix begins the names of what one attempt to install reads. The
// token behind it is unguessable, and good for that attempt alone.
const InstallPrefix = "install/"

// readyPrefix begins the name of what says, beside a machine's boot programs,
// whether the screen with the number behind it is still true: the machine waits,
// and under this number. A GRUB that waits asks for nothing else.
const readyPrefix = "ready-"

// Orders carries out what people have ordered for machines. What it says was
// done is on stable storage.
type Orders interface {
	policy.Registry
	// Attempt gives the attempt to install that a machine's loader is to make.
	// Without a token it is to make none, for the reason given.
	Attempt(ctx context.Context, machine *model.Machine, f *classify.Facts) (Attempt, error)
	// Find gives the attempt that a token stands for; ok is false where it is
	// over, or never was.
	Find(token string) (a Attempt, ok bool)
	// Begin notes that an attempt's kernel is read: it comes before the kernel.
	Begin(ctx context.Context, token string) error
	// Tell takes what an installer says of itself. The words are the machine's.
	Tell(ctx context.Context, token string, w Word) error
	// Answer renders a file that the installer asks for: "preseed.cfg".
	// bootfile.ErrNotFound means that this kind of installer has no such file.
	Answer(ctx context.Context, token, file string, to bootscript.Server, m bootscript.Machine) ([]byte, error)
	// Wait notes that a machine waits for approval, and gives the number by which
	// people know it.
	Wait(ctx context.Context, f *classify.Facts) (number int, err error)
}

// Attempt is one attempt to install one machine.
type Attempt struct {
	Token   string // 32 hexadecimal digits; empty: there is none
	Machine string
	Image   string
	Edition int    // of Windows: its number in install.wim; 0: none
	Why     string // a sentence
}

// Word is what an installer says of itself: untrusted.
type Word struct {
	What  string // "done", "failed", "step", "log"
	Name  string // of a step, or the reason of a failure
	Query string // of the URL: state=begin&percent=10
	Body  []byte // that it sent
}

// Words are the names under a token that say something.
func Words() []string { return []string{"done", "failed", "step", "log"} }

// begin makes the menu of a machine that an order is about: that image at once,
// or the local disk where the order has come to its end. That end may be this
// machine's asking, so orders that are over are asked too. A store that cannot
// be written keeps no machine from its own disk.
func (s *Site) begin(ctx context.Context, m *bootscript.Menu, script policy.Script, f *classify.Facts, v bootscript.Values) error {
	a, err := s.Orders.Attempt(ctx, script.Machine, f)
	if err != nil && script.Install {
		return fmt.Errorf("making an attempt to install %s: %v", f.MAC, err)
	}
	if a.Why != "" {
		m.Why = a.Why
	}
	img, ok := s.Policy.Image(a.Image)
	if a.Token == "" || !ok || f.Arch != "" && !f.Arch.Runs(img.CPU) {
		m.Direct = model.TargetLocal
		return nil
	}
	img, _ = img.On(f.Arch)
	base := InstallPrefix + a.Token + "/"
	cmdline := img.Install
	if cmdline == "" {
		cmdline = img.Cmdline
	}
	if cmdline, err = s.cmdline(cmdline, v.Installing(m.Server.URL+"/"+strings.TrimSuffix(base, "/")), img.Name); err != nil {
		return fmt.Errorf("writing the command line of image %s for %s: %v", img.Name, m.Machine.MAC, err)
	}
	kernel, initrd := image.Names(img)
	e := bootscript.Entry{ID: img.Name, Title: img.Title, Kernel: base + path.Base(kernel), Cmdline: cmdline, Way: img.Way}
	for _, name := range initrd {
		e.Initrd = append(e.Initrd, base+path.Base(name))
	}
	if img.Way == model.WayWindows {
		s.startWindows(&e, windows.Ref{Image: img.Name, Token: a.Token}, m.Machine.Arch)
	}
	m.Direct, m.Entries = img.Name, []bootscript.Entry{e}
	return nil
}

// install serves what lies below a token.
func (s *Site) install(ctx context.Context, r bootfile.Request, name, rest string) (*bootfile.File, error) {
	token, file, ok := strings.Cut(rest, "/")
	if s.Orders == nil || !ok {
		return nil, bootfile.ErrNotFound
	}
	what, rest, _ := strings.Cut(file, "/")
	if slices.Contains(Words(), what) {
		if err := s.Orders.Tell(ctx, token, Word{what, rest, r.Query, r.Body}); err != nil {
			return nil, err
		}
		return s.generated(name, []byte("ok\n")), nil
	}
	a, ok := s.Orders.Find(token)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	who := s.Boots.ByAddr(r.Client.Addr())
	if img, ok := s.Policy.Image(a.Image); ok && img.Way != model.WayWindows { // those are below win/
		img, _ = img.On(who.Arch)
		if img.Way == model.WayESXi && strings.EqualFold(file, esxiConfig) {
			return s.esxi(ctx, r, name, img, esxiHandsFree(s.server(r).URL+"/"+InstallPrefix+token))
		}
		kernel, initrd := image.Names(img)
		for i, n := range append([]string{kernel}, initrd...) {
			pads := path.Base(n)+bootscript.Pad == file
			if path.Base(n) != file && !pads {
				continue
			}
			if i == 0 && !pads {
				if err := s.Orders.Begin(ctx, token); err != nil {
					return nil, err
				}
			}
			if r.Name = n; pads {
				r.Name += bootscript.Pad
			}
			f, err := s.image(ctx, r)
			if err == nil {
				f.Name = name
			}
			return f, err
		}
	}
	facts := factsOf(who)
	b, err := s.Orders.Answer(ctx, token, file, s.server(r), bootscript.Machine{
		Name: a.Machine, MAC: facts.MAC, UUID: facts.UUID, Arch: facts.Arch, Address: r.Client.Addr().Unmap(),
	})
	if err != nil {
		return nil, err
	}
	return s.generated(name, b), nil
}

// wait makes the screen of a machine that waits for approval.
func (s *Site) wait(ctx context.Context, m *bootscript.Menu, f *classify.Facts) error {
	m.Direct = ""
	number := 0
	if s.Orders != nil && f.MAC != "" {
		n, err := s.Orders.Wait(ctx, f)
		if err != nil {
			return fmt.Errorf("noting that %s waits for approval: %v", f.MAC, err)
		}
		number = n
	}
	arch := f.Arch
	if arch == "" {
		arch = model.ArchBIOS
	}
	m.Wait = &bootscript.Wait{Number: number, Ready: model.BootPath{MAC: f.MAC, Arch: arch, File: readyPrefix + strconv.Itoa(number)}.String()}
	return nil
}

// ready says whether a machine waits for approval under the number that it shows.
// To ask is to go on waiting.
func (s *Site) ready(ctx context.Context, name, shown string, who boots.Known) (*bootfile.File, error) {
	facts, waits := factsOf(who), false
	if s.view().Script(&facts).Target == model.TargetApprove {
		number := 0
		if s.Orders != nil && facts.MAC != "" {
			var err error
			if number, err = s.Orders.Wait(ctx, &facts); err != nil {
				return nil, fmt.Errorf("noting that %s waits for approval: %v", facts.MAC, err)
			}
		}
		waits = shown == strconv.Itoa(number)
	}
	return s.generated(name, bootscript.Waits(waits)), nil
}
