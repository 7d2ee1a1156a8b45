package windows

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"hobnail/internal/bcd"
	"hobnail/internal/bootfile"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/winboot"
)

// Boot is what one machine boots.
type Boot struct {
	Image model.Image // of model.WayWindows
	Token string      // of its attempt to install; empty: there is none
	// Of an attempt:
	Index  int    // the edition, for people to read
	Server string // this server, "http://10.77.1.2:8080"
}

// Ref is what stands for it in names.
func (b Boot) Ref() Ref { return Ref{b.Image.Name, b.Token} }

// Set opens what lies in the WIMs of images. Its exported fields do not change.
type Set struct {
	// Files has the volumes of images and what lies in them: package volume.
	Files bootfile.Opener
	// Agent gives the agent for Windows PE on a processor.
	Agent func(model.CPU) ([]byte, error)

	mu     sync.Mutex
	wims   map[string]*opened // by the WIM's name in the tree
	turn   uint64
	agents map[model.CPU]*agent
}

// Open opens a file that a machine asks for, by its name in any folder and any
// spelling. bootfile.ErrNotFound means that the image has none of that name.
func (s *Set) Open(ctx context.Context, r bootfile.Request, b Boot, name string) (*bootfile.File, error) {
	t, ok := winboot.Parse(name)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	var f *bootfile.File
	var err error
	switch t.Kind {
	case winboot.KindBCD:
		f, err = store(b, winboot.Clean(name))
	case winboot.KindWIM:
		f, err = s.boot(ctx, r, b, t)
	default:
		f, err = s.find(ctx, r, b, t)
	}
	if err != nil {
		if errors.Is(err, bootfile.ErrNotFound) {
			return nil, bootfile.ErrNotFound
		}
		return nil, fmt.Errorf("opening %s of image %s: %w", t.File, b.Image.Name, err)
	}
	f.Name = b.Ref().Name(t.File)
	return f, nil
}

// written is the time of every boot configuration: it must be the same whenever
// a part of one is read.
var written = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// store writes the boot configuration. A boot manager that came over the network
// is sent back to names that say what it boots; wimboot shows its files in
// \Boot, whatever they were called.
func store(b Boot, name string) (*bootfile.File, error) {
	o := bcd.Options{Arch: model.ArchX64, Title: title(b.Image), Modified: written}
	folder, _, _ := strings.Cut(name, "/")
	switch folder + "/" {
	case wimbootBIOS:
		o.Arch = model.ArchBIOS
	case wimbootUEFI:
	default:
		o.WIM = `\` + strings.ReplaceAll(b.Ref().Name("boot.wim"), "/", `\`)
		o.SDI = `\` + strings.ReplaceAll(b.Ref().Name("boot.sdi"), "/", `\`)
	}
	octets, err := bcd.Store(o)
	if err != nil {
		return nil, err
	}
	return inMemory(octets), nil
}

// title is an image's, as far as a boot configuration can have it.
func title(img model.Image) string {
	t := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, img.Title)
	if len(t) > 200 {
		t = strings.ToValidUTF8(t[:200], "")
	}
	return t
}

// inMemory is a file of octets that nobody changes any more.
func inMemory(b []byte) *bootfile.File {
	return &bootfile.File{
		Size: int64(len(b)), Content: bytes.NewReader(b), ETag: fmt.Sprintf(`"%x"`, sha256.Sum256(b)),
		Close: func() error { return nil },
	}
}

// wimName is what the image's boot.wim is called in the tree of Files: the image
// may be the WIM itself.
func wimName(img model.Image) (name string, ok bool) {
	inner, ok := strings.CutPrefix(img.Kernel, model.Inside)
	switch {
	case !ok:
		return "", false
	case inner == "":
		return image.VolumeName(img.Name), true
	}
	return image.VolumePrefix + img.Name + "/" + inner, true
}

// boot opens boot.wim: with the agent in it for an attempt, as it is otherwise.
func (s *Set) boot(ctx context.Context, r bootfile.Request, b Boot, t winboot.Thing) (*bootfile.File, error) {
	name, ok := wimName(b.Image)
	if !ok || t.File != "boot.wim" {
		return nil, bootfile.ErrNotFound
	}
	r.Name = name
	whole, err := s.Files.Open(ctx, r)
	if err != nil || b.Token == "" {
		return whole, err
	}
	w, err := s.wim(name, whole)
	if err != nil {
		whole.Close()
		return nil, err
	}
	p, err := s.patched(w, b)
	if err != nil {
		s.release(w)
		whole.Close()
		return nil, err
	}
	return &bootfile.File{
		Size: p.wim.Size(), Content: p.wim, ETag: etag(whole.ETag, p.key), ModTime: whole.ModTime,
		Close: func() error {
			s.release(w)
			return whole.Close()
		},
	}, nil
}

// etag is another for each file made of an image, and when the image is another.
func etag(whole, part string) string {
	return fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(whole+"\x00"+part)))
}

// find looks for a file where Windows has it: in boot.wim, or beside it in the
// ISO.
func (s *Set) find(ctx context.Context, r bootfile.Request, b Boot, t winboot.Thing) (*bootfile.File, error) {
	name, ok := wimName(b.Image)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	for _, at := range t.Places() {
		var f *bootfile.File
		var err error
		switch {
		case at.Tree == winboot.InWIM:
			f, err = s.inside(ctx, r, name, at.Path)
		case name == image.VolumeName(b.Image.Name):
			continue // there is no ISO around it
		default:
			r.Name = image.VolumePrefix + b.Image.Name + "/" + at.Path
			f, err = s.Files.Open(ctx, r)
		}
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, bootfile.ErrNotFound) {
			return nil, err
		}
	}
	return nil, bootfile.ErrNotFound
}

// inside opens a file of the image to boot of a WIM.
func (s *Set) inside(ctx context.Context, r bootfile.Request, wimName, name string) (*bootfile.File, error) {
	r.Name = wimName
	whole, err := s.Files.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	w, err := s.wim(wimName, whole)
	if err != nil {
		whole.Close()
		return nil, err
	}
	shut := func() error {
		s.release(w)
		return whole.Close()
	}
	content, size, err := w.file(name)
	if err != nil {
		shut()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, bootfile.ErrNotFound
		}
		return nil, err
	}
	f := &bootfile.File{Size: size, Content: content, ETag: etag(whole.ETag, name), ModTime: whole.ModTime, Close: shut}
	if path.Ext(name) == ".efi" {
		f.ContentType = "application/efi"
	}
	return f, nil
}
