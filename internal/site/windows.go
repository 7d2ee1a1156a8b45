package site

import (
	"context"

	"hobnail/internal/bootfile"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
)

// windowsName is what Images calls a file that lies beside a boot manager of
// Windows: no machine asks for it so.
func windowsName(a model.Arch, file string) string { return "windows/" + string(a) + "/" + file }

// WindowsFiles gives what Images has to find in any case: names to paths on
// this host.
func WindowsFiles(programs *nbp.Inventory) map[string]string {
	all := map[string]string{}
	for a, files := range programs.Windows() {
		for file, path := range files {
			all[windowsName(a, file)] = path
		}
	}
	return all
}

// windows opens what a boot manager of Windows asks for, which the opener finds
// in any case: \Boot\BCD, boot\fonts\wgl4_boot.ttf, /boot\x64/BCD.
func (s *Site) windows(ctx context.Context, r bootfile.Request, a model.Arch, file string) (*bootfile.File, error) {
	if len(s.Programs.Windows()[a]) == 0 {
		return nil, bootfile.ErrNotFound
	}
	r.Name = windowsName(a, file)
	return s.Images.Open(ctx, r)
}

// windowsArch tells the architecture of a machine that asks at the root: the
// one it is known by, or the only one that has such files.
func (s *Site) windowsArch(r bootfile.Request) model.Arch {
	have := s.Programs.Windows()
	if a := s.Boots.ByAddr(r.Client.Addr()).Arch; len(have[a]) > 0 {
		return a
	}
	if len(have) == 1 {
		for a := range have {
			return a
		}
	}
	return ""
}
