package site

import (
	"context"
	"time"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/model"
	"hobnail/internal/winboot"
	"hobnail/internal/windows"
)

// Windows is what a site knows of machines that boot Windows images.
type Windows struct {
	Set  *windows.Set
	Ties *windows.Ties // outlives the Site
	Now  func() time.Time
}

// forget is for a machine that reads something else than Windows' files: where a
// boot begins, the one before it is over.
func (w *Windows) forget(r bootfile.Request) {
	if w != nil {
		w.Ties.Forget(r.Client.Addr())
	}
}

// startWindows fills in what starts a Windows image: its boot manager, or
// wimboot under iPXE where the user has supplied it.
func (s *Site) startWindows(e *bootscript.Entry, ref windows.Ref, a model.Arch) {
	e.Kernel, e.Initrd = ref.Manager(), nil
	file := winboot.WimbootFile(a)
	for _, folder := range []model.Arch{a, model.ArchX64, model.ArchBIOS} {
		// One build is for BIOS and x64, and people put it into either folder.
		if folder != a && winboot.WimbootFile(folder) != file || file == "" {
			continue
		}
		if _, ok := s.Programs.FindFile(folder, file); !ok {
			continue
		}
		e.Wimboot = model.BootPath{Arch: folder, File: file}.String()
		for _, f := range ref.ForWimboot(a) {
			e.Files = append(e.Files, bootscript.Named{Name: f.Name, File: f.File})
		}
		return
	}
}

// bootWindows opens a file by a name that says for what it is.
func (s *Site) bootWindows(ctx context.Context, r bootfile.Request, ref windows.Ref, file string) (*bootfile.File, error) {
	b, ok := s.windowsBoot(r, ref)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	t, ok := winboot.Parse(file)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	// The boot manager itself installs nothing, and firmware reads it twice; with
	// the boot configuration and boot.wim an attempt has begun.
	if b.Token != "" && (t.Kind == winboot.KindBCD || t.Kind == winboot.KindWIM) {
		if err := s.Orders.Begin(ctx, b.Token); err != nil {
			return nil, err
		}
	}
	f, err := s.Windows.Set.Open(ctx, r, b, file)
	if err == nil && t.Kind == winboot.KindProgram {
		s.Windows.Ties.Put(r.Client.Addr(), ref, s.Windows.Now())
	}
	return f, err
}

// windowsBoot is what stands behind a name; ok is false where nothing does, or
// does not any more.
func (s *Site) windowsBoot(r bootfile.Request, ref windows.Ref) (b windows.Boot, ok bool) {
	if s.Windows == nil {
		return b, false
	}
	b.Image, ok = s.Policy.Image(ref.Image)
	if !ok || b.Image.Way != model.WayWindows {
		return b, false
	}
	if ref.Token == "" {
		return b, true
	}
	if s.Orders == nil {
		return b, false
	}
	a, ok := s.Orders.Find(ref.Token)
	b.Token, b.Index, b.Server = ref.Token, a.Edition, s.server(r).URL
	return b, ok && a.Image == ref.Image
}

// besideManager opens what a boot manager of Windows asks for without saying for
// what: at the root, or beside its boot file, in any spelling. The address tells
// which image it boots, if it boots one; else it is the user's own files that
// are meant. A boot manager itself is that of the image that the machine is to
// boot, where a rule chose it as the boot program.
func (s *Site) besideManager(ctx context.Context, r bootfile.Request, p model.BootPath, file string) (*bootfile.File, error) {
	t, isWindows := winboot.Parse(file)
	if s.Windows != nil && isWindows {
		if t.Kind == winboot.KindProgram && p.MAC != "" {
			if ref, ok, err := s.chosenWindows(ctx, r, p); ok || err != nil {
				if err != nil {
					return nil, err
				}
				return s.bootWindows(ctx, r, ref, t.File)
			}
		}
		if ref, ok := s.Windows.Ties.Get(r.Client.Addr(), s.Windows.Now()); ok {
			return s.bootWindows(ctx, r, ref, file)
		}
	}
	return s.windows(ctx, r, p.Arch, file)
}

// chosenWindows is the image that a machine which asks for a boot manager is to
// boot; ok is false for one that is to boot something else.
func (s *Site) chosenWindows(ctx context.Context, r bootfile.Request, p model.BootPath) (ref windows.Ref, ok bool, err error) {
	facts := factsOf(s.byName(p, r))
	script := s.view().Script(&facts)
	ref.Image = script.Target
	if script.Install {
		a, err := s.Orders.Attempt(ctx, script.Machine, &facts)
		if err != nil || a.Token == "" {
			return ref, false, err
		}
		ref.Image, ref.Token = a.Image, a.Token
	}
	_, ok = s.windowsBoot(r, ref)
	return ref, ok, nil
}
