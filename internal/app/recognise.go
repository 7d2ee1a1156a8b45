package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hobnail/internal/image"
	"hobnail/internal/isofs"
	"hobnail/internal/library"
	"hobnail/internal/model"
	"hobnail/internal/wim"
	"hobnail/internal/windows"
)

// recognised is what the library keeps of an image beyond its words: JSON of
// library.Recognised.Detail.
type recognised struct {
	image.Found
	Editions []edition `json:"editions,omitempty"`
}

// edition is one image of a WIM: what a machine may be installed with.
type edition struct {
	Index     int      `json:"index"` // from 1
	Name      string   `json:"name"`
	Edition   string   `json:"edition,omitempty"` // "Professional"
	CPU       string   `json:"cpu,omitempty"`
	Version   string   `json:"version,omitempty"` // "10.0.26100.1742"
	Languages []string `json:"languages,omitempty"`
	Octets    int64    `json:"octets,omitempty"`
}

// recognise says what a file is: an ISO by what is in it, a WIM by its own
// words. It implements library.Recogniser.
func recognise(path string) (library.Recognised, error) {
	f, err := os.Open(path)
	if err != nil {
		return library.Recognised{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return library.Recognised{}, err
	}
	var r recognised
	if strings.EqualFold(filepath.Ext(path), ".wim") {
		r, err = recogniseWIM(f, info.Size())
	} else {
		r, err = recogniseISO(f, info.Size())
	}
	if err != nil {
		return library.Recognised{}, err
	}
	detail, err := json.Marshal(r)
	return library.Recognised{System: r.System, Title: r.Title, Version: r.Version, CPU: string(r.CPU), Detail: detail}, err
}

func recogniseISO(r io.ReaderAt, size int64) (recognised, error) {
	v, err := isofs.Open(r, size)
	if err != nil {
		return recognised{}, err
	}
	found, err := image.Recognise(v, v.Label())
	if err != nil {
		return recognised{}, err
	}
	out := recognised{Found: found}
	for _, name := range []string{found.InstallImage, found.WIM} {
		if name == "" {
			continue
		}
		info, err := wimInside(v, name)
		if err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s cannot be read: %v", name, err))
			continue
		}
		describeWIM(&out, info, name == found.InstallImage)
	}
	if w := windows.Warning(found.InstallImage); w != "" {
		out.Warnings = append(out.Warnings, w)
	}
	return out, nil
}

func wimInside(v *isofs.Volume, name string) (*wim.Info, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("it cannot be read from the middle")
	}
	return wim.ReadInfo(at, info.Size())
}

// describeWIM takes the words of a WIM: of the one with the editions all, of
// the one that boots only what is still missing.
func describeWIM(r *recognised, info *wim.Info, editions bool) {
	for _, i := range info.Images {
		if editions {
			r.Editions = append(r.Editions, edition{
				Index: i.Index, Name: orElse(i.DisplayName, i.Name), Edition: i.EditionID, CPU: string(i.CPU),
				Version: versionOf(i.Version), Languages: i.Languages, Octets: i.TotalBytes,
			})
		}
		if r.CPU == "" {
			r.CPU = i.CPU
		}
		if v := versionOf(i.Version); r.Version == "" {
			r.Version = v
		}
	}
}

func versionOf(v wim.Version) string {
	if v == (wim.Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Build, v.SPBuild)
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// recogniseWIM is for a WIM without an ISO around it: Windows PE of one's own
// making, or editions alone.
func recogniseWIM(r io.ReaderAt, size int64) (recognised, error) {
	info, err := wim.ReadInfo(r, size)
	if err != nil {
		return recognised{}, err
	}
	out := recognised{Found: image.Found{System: "wim", Way: image.WayNone, Tried: image.TriedReading}}
	describeWIM(&out, info, true)
	if len(out.Editions) > 0 {
		out.Title = out.Editions[0].Name
	}
	if info.Boot > 0 {
		out.System, out.Way = "windows-pe", image.WayWIM
	} else {
		out.Warnings = append(out.Warnings, "no image in it is marked as one that boots: it can be installed from, and machines cannot start it")
	}
	return out, nil
}

// treeOf opens what is in an ISO, for its .treeinfo. It implements
// library.Tree.
func treeOf(path string) (fs.FS, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var v *isofs.Volume
		if v, err = isofs.Open(f, info.Size()); err == nil {
			return v, f, nil
		}
	}
	f.Close()
	return nil, nil, err
}

// libraryImage is an image of the library as decisions see it; ok is false for
// one that nothing here can start, with the reason.
func libraryImage(i library.Image) (img model.Image, why string) {
	img = model.Image{
		Name: i.Name, Title: i.Shown(), CPU: model.CPUX64, Volume: i.Path,
		Source: "image library", Hidden: i.Edits.Hidden != nil && *i.Edits.Hidden,
	}
	if i.Found == nil {
		return img, orElse(i.Fault, "it was not recognised")
	}
	var r recognised
	if err := json.Unmarshal(i.Found.Detail, &r); err != nil {
		return img, fmt.Sprintf("what was recognised in it cannot be read: %v; hobnail images verify %s looks again", err, i.Name)
	}
	if r.CPU != "" {
		img.CPU = r.CPU
	}
	img.System, img.Version, img.Answer = r.System, r.Version, string(r.Answer)
	img.Cmdline, img.Install = r.Cmdline, r.Install
	if c := i.Edits.Cmdline; c != nil {
		img.Cmdline, img.Install = *c, *c
	}
	if a := i.Edits.Answer; a != nil {
		img.Answer = *a
	}
	if r.Way == image.WayWIM {
		img.InstallWIM, img.Editions = r.InstallImage, editions(r)
	}
	img.Firmware = onlyFirmware(r.Found)
	way := r.Way
	if img.Firmware == model.FirmwareBIOS {
		way = r.WayOf(model.FirmwareBIOS)
	}
	start, why := startOf(r.Found, way)
	img.Way, img.Kernel, img.Initrd = start.Way, start.Kernel, start.Initrd
	if why != "" || img.Firmware != "" || r.BIOS == "" || r.BIOS == r.Way {
		return img, why
	}
	bios, why := startOf(r.Found, r.BIOS)
	img.BIOS = &bios
	return img, why
}

// onlyFirmware is the only kind of firmware that starts an image; empty where
// both do.
func onlyFirmware(f image.Found) model.Firmware {
	switch {
	case f.WayOf(model.FirmwareBIOS) == image.WayNone:
		return model.FirmwareUEFI
	case f.WayOf(model.FirmwareUEFI) == image.WayNone:
		return model.FirmwareBIOS
	}
	return ""
}

// startOf is how an image starts one way; why says what hinders it.
func startOf(f image.Found, way image.Way) (s model.Start, why string) {
	switch way {
	case image.WayLinux:
		s.Kernel = inVolume(f.Kernel)
		for _, name := range f.Initrd {
			s.Initrd = append(s.Initrd, inVolume(name))
		}
		if f.ISOInitrd {
			s.Initrd = append(s.Initrd, model.Packed+image.ISOName)
		}
		if f.Package != "" && !exists(f.Kernel) {
			why = fmt.Sprintf("its kernel comes with the Debian package %s, which is not installed on this host", f.Package)
		}
	case image.WayEFI:
		s.Way, s.Kernel = model.WayEFI, inVolume(f.EFI)
	case image.WayESXi:
		s.Way, s.Kernel = model.WayESXi, inVolume(f.EFI)
		if f.EFI == "" {
			why = "it has no program for UEFI, and the one for BIOS needs a loader that hobnail does not have"
		}
	case image.WaySANBoot:
		s.Way, s.Kernel = model.WaySANBoot, model.WholeVolume
	case image.WayWIM:
		s.Way, s.Kernel = model.WayWindows, model.Inside+f.WIM // the volume itself where it is the WIM
	default:
		why = "nothing is known that starts it from the network"
	}
	return s, why
}

// editions are those that a machine can be installed with.
func editions(r recognised) []model.Edition {
	var all []model.Edition
	for _, e := range r.Editions {
		all = append(all, model.Edition{
			Index: e.Index, Name: e.Name, ID: e.Edition, CPU: model.CPU(e.CPU), Version: e.Version, Languages: e.Languages, Size: e.Octets,
		})
	}
	return all
}

// ImageDetail is what was recognised of an image of the library beyond its
// words.
type ImageDetail struct {
	Editions []model.Edition
	Warnings []string // what people should know of it, each a sentence
}

// Detail reads what was recognised of an image. What cannot be read is empty.
func Detail(i library.Image) ImageDetail {
	var r recognised
	if i.Found == nil || json.Unmarshal(i.Found.Detail, &r) != nil {
		return ImageDetail{}
	}
	return ImageDetail{editions(r), r.Warnings}
}

// inVolume is a path inside the image, or of this host where it begins with a
// slash.
func inVolume(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return model.Inside + name
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
