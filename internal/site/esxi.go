package site

import (
	"context"
	"fmt"
	"io"
	"strings"

	"hobnail/internal/bootfile"
	"hobnail/internal/image"
	"hobnail/internal/model"
)

// esxiConfig is what VMware's mboot reads. An image's names its files by paths
// on the disc that it expects to have come from.
const esxiConfig = "boot.cfg"

// maxESXiConfig bounds a boot.cfg, in octets. That of ESXi 8 has 5 KiB.
const maxESXiConfig = 64 << 10

// ofESXi tells from a name whether it is the boot.cfg of an image that starts
// so.
func (s *Site) ofESXi(name string) (model.Image, bool) {
	rest, _ := strings.CutPrefix(name, image.VolumePrefix)
	of, file, _ := strings.Cut(rest, "/")
	if !strings.EqualFold(file, esxiConfig) {
		return model.Image{}, false
	}
	img, ok := s.Policy.Image(of)
	return img, ok && img.Way == model.WayESXi
}

// esxi serves an image's boot.cfg with our address in it. The options are
// those of its kernel.
func (s *Site) esxi(ctx context.Context, r bootfile.Request, name string, img model.Image, options string) (*bootfile.File, error) {
	r.Name = image.VolumePrefix + img.Name + "/" + esxiConfig
	f, err := s.Images.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > maxESXiConfig {
		return nil, fmt.Errorf("reading boot.cfg of image %s: it has %d octets, and is taken up to %d", img.Name, f.Size, maxESXiConfig)
	}
	original, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Size))
	if err != nil {
		return nil, fmt.Errorf("reading boot.cfg of image %s: %v", img.Name, err)
	}
	b, err := image.ESXiBootConfig(original, s.server(r).URL+"/"+image.VolumePrefix+img.Name, options)
	if err != nil {
		return nil, fmt.Errorf("image %s: %v", img.Name, err)
	}
	return s.generated(name, b), nil
}

// esxiByHand are the kernel's options of an install by a person: those of the
// disc without cdromBoot, which has the installer look for the disc.
const esxiByHand = "runweasel"

// esxiHandsFree are those of an armed install.
func esxiHandsFree(url string) string {
	return esxiByHand + " ks=" + url + "/" + image.AnswerESXi.File()
}
