package site

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"

	"hobnail/internal/bootfile"
	"hobnail/internal/bootscript"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/ramdisk"
)

// ramDisk puts an architecture's shim and GRUB on a disk for UEFI HTTP boot,
// with a configuration that tells GRUB where this server is and whose menu to
// load. Without a shim GRUB itself is what the firmware starts.
func (s *Site) ramDisk(r bootfile.Request, name string, p model.BootPath) (*bootfile.File, error) {
	removable, ok := ramdisk.RemovableName(p.Arch)
	grub, haveGRUB := s.Programs.Find(p.Arch, nbp.LoaderGRUB)
	if !ok || !haveGRUB {
		return nil, bootfile.ErrNotFound
	}
	type place struct {
		path string
		prog nbp.Program
	}
	onDisk := []place{{"EFI/BOOT/" + removable, grub}}
	if shim, ok := s.Programs.Find(p.Arch, nbp.LoaderShim); ok {
		// shim asks for GRUB beside itself by the name it was built with.
		onDisk = []place{{"EFI/BOOT/" + removable, shim}, {"EFI/BOOT/" + grub.File, grub}}
	}
	config := p
	config.File = model.ScriptGRUB
	text := bootscript.RAMDiskGRUB(s.server(r).Address, config.String())
	files := []ramdisk.File{{
		Path: "grub/grub.cfg", Size: int64(len(text)), Content: bytes.NewReader(text), ModTime: s.Started,
	}}
	sum := sha256.New()
	sum.Write(text)
	var closers []io.Closer
	for _, at := range onDisk {
		content, size, modified, err := s.Programs.Open(at.prog.Arch, at.prog.File)
		if err != nil {
			return nil, fmt.Errorf("putting %s on the RAM disk for %s: %v", at.prog.File, p.Arch, err)
		}
		if c, ok := content.(io.Closer); ok {
			closers = append(closers, c)
		}
		io.WriteString(sum, at.prog.SHA256)
		files = append(files, ramdisk.File{Path: at.path, Size: size, Content: content, ModTime: modified})
	}
	disk, err := ramdisk.New("HOBNAIL", files)
	if err != nil {
		return nil, fmt.Errorf("making the RAM disk for %s: %v", p.Arch, err)
	}
	return &bootfile.File{
		Name: name, Size: disk.Size(), Content: disk, ContentType: "application/vnd.efi-img",
		ETag: fmt.Sprintf(`"%x"`, sum.Sum(nil)),
		Close: func() error {
			for _, c := range closers {
				c.Close()
			}
			return nil
		},
	}, nil
}
