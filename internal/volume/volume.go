// Package volume serves what lies inside images: files of an ISO, by their
// paths in it, straight out of the image's own file. Nothing is unpacked.
//
//	iso/<image>.iso      the image's file as it is
//	iso/<image>/<path>   a file inside it
//	img/<image>/<file>   the same for kernels and initial RAM disks, by the name
//	                     that package image gives them; or the image's file in a
//	                     cpio archive
package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"hobnail/internal/bootfile"
	"hobnail/internal/image"
	"hobnail/internal/isofs"
)

// Inner is a file inside the volume of an image; with Member, it is the volume
// itself as the file of that name in a cpio archive.
type Inner struct{ Image, Path, Member string }

// Set opens the volumes of a configuration and what lies in them. It
// implements bootfile.Opener. Its first two fields do not change.
type Set struct {
	// Files has the volumes themselves, under their image.VolumeName.
	Files bootfile.Opener
	// Named gives other names to files inside: "img/ubuntu/vmlinuz".
	Named map[string]Inner

	mu   sync.Mutex
	open map[string]*volume // that were read lately, by image
	turn uint64
}

// mostOpen is how many volumes stay open that nobody reads: each costs a file
// descriptor and what isofs remembers of its folders.
const mostOpen = 32

// volume is one that has been opened. It stays as long as somebody reads it.
type volume struct {
	*isofs.Volume
	file  *bootfile.File // what it reads
	users int
	used  uint64 // turn of its last use
}

// Open finds a file. Errors are ErrNotFound, or name the image and the place
// in it.
func (s *Set) Open(ctx context.Context, r bootfile.Request) (*bootfile.File, error) {
	name, ok := bootfile.Clean(r.Name)
	if !ok {
		return nil, bootfile.ErrNotFound
	}
	at, ok := s.Named[name]
	if !ok {
		rest, ok := strings.CutPrefix(name, image.VolumePrefix)
		if !ok {
			return nil, bootfile.ErrNotFound
		}
		at.Image, at.Path, ok = strings.Cut(rest, "/")
		if !ok {
			r.Name = name
			return s.Files.Open(ctx, r)
		}
	}
	return s.inside(ctx, r, name, at)
}

// inside opens a file inside a volume.
func (s *Set) inside(ctx context.Context, r bootfile.Request, name string, at Inner) (*bootfile.File, error) {
	r.Name = image.VolumeName(at.Image)
	whole, err := s.Files.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	if at.Member != "" {
		return packed(name, at.Member, whole)
	}
	v, err := s.volume(at.Image, whole)
	if err != nil {
		whole.Close()
		return nil, fmt.Errorf("opening image %s: %v", at.Image, err)
	}
	f, err := v.entry(name, at.Path, whole)
	if err != nil {
		s.release(v)
		whole.Close()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, bootfile.ErrNotFound) {
			return nil, bootfile.ErrNotFound
		}
		return nil, fmt.Errorf("opening a file of image %s: %v", at.Image, err)
	}
	f.Close = func() error {
		s.release(v)
		return whole.Close()
	}
	return f, nil
}

// entry opens a file of a volume. Where its octets lie together in the image,
// as nearly all do, the content is a section of the image's file, which a
// kernel can send by itself.
func (v *volume) entry(name, inner string, whole *bootfile.File) (*bootfile.File, error) {
	info, err := v.Stat(inner)
	if errors.Is(err, fs.ErrNotExist) && v.anyCase() {
		if found, ok := v.Fold(inner); ok {
			inner = found
			info, err = v.Stat(inner)
		}
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, bootfile.ErrNotFound
	}
	f := &bootfile.File{Name: name, Size: info.Size(), ModTime: info.ModTime(), ETag: innerETag(whole.ETag, inner)}
	extents, err := v.Extents(inner)
	if err != nil {
		return nil, err
	}
	if at, ok := together(extents, info.Size()); ok {
		f.Content = io.NewSectionReader(whole.Content, at, info.Size())
		return f, nil
	}
	opened, err := v.Volume.Open(inner)
	if err != nil {
		return nil, err
	}
	content, ok := opened.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("%s cannot be read from the middle", path.Base(inner))
	}
	f.Content = content
	return f, nil
}

// anyCase reports whether names are found in any case: plain ISO 9660 has
// upper case alone, and who reads UDF images are systems that do not tell case
// apart.
func (v *volume) anyCase() bool { return v.Format() == "iso9660" || v.Format() == "udf" }

// together reports where a file begins whose extents follow each other.
func together(extents []isofs.Extent, size int64) (at int64, ok bool) {
	if len(extents) == 0 {
		return 0, size == 0
	}
	at = extents[0].Offset
	next := at
	for _, e := range extents {
		if e.Offset != next {
			return 0, false
		}
		next += e.Size
	}
	return at, next-at >= size
}

// innerETag is an ETag of its own for each file of an image, and another when
// the image is another.
func innerETag(whole, inner string) string {
	if whole == "" {
		return ""
	}
	return strings.TrimSuffix(whole, `"`) + fmt.Sprintf("-%08x\"", hash(inner))
}

// hash is 32-bit FNV-1a.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// volume gives the open volume of an image, with one user more. What is there
// is used as long as the file is the same.
func (s *Set) volume(name string, whole *bootfile.File) (*volume, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	if v := s.open[name]; v != nil {
		if v.file.ETag == whole.ETag && v.file.Size == whole.Size {
			v.users++
			v.used = s.turn
			return v, nil
		}
		s.drop(name)
	}
	own, err := s.Files.Open(context.Background(), bootfile.Request{Name: image.VolumeName(name)})
	if err != nil {
		return nil, err
	}
	parsed, err := isofs.Open(own.Content, own.Size)
	if err != nil {
		own.Close()
		return nil, err
	}
	v := &volume{Volume: parsed, file: own, users: 2, used: s.turn} // its reader, and its place here
	if s.open == nil {
		s.open = map[string]*volume{}
	}
	s.open[name] = v
	s.trim()
	return v, nil
}

// trim closes the volume that was not read for the longest time, where there
// are too many.
func (s *Set) trim() {
	for len(s.open) > mostOpen {
		oldest := ""
		for name, v := range s.open {
			if oldest == "" || v.used < s.open[oldest].used {
				oldest = name
			}
		}
		s.drop(oldest)
	}
}

// drop takes a volume's place away; who reads it goes on.
func (s *Set) drop(name string) {
	v := s.open[name]
	delete(s.open, name)
	s.leave(v)
}

func (s *Set) release(v *volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(v)
}

func (s *Set) leave(v *volume) {
	if v.users--; v.users == 0 {
		v.file.Close()
	}
}

// Close closes what nobody reads any more.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.open {
		s.drop(name)
	}
	return nil
}
