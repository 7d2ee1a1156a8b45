// Package app joins the rooms: it is the only one that knows them all. It
// loads a configuration with everything that it names, runs the services, and
// replaces the configuration of a running server as a whole or not at all.
package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"hobnail/internal/certificate"
	"hobnail/internal/config"
	"hobnail/internal/image"
	"hobnail/internal/model"
	"hobnail/internal/nbp"
	"hobnail/internal/policy"
	"hobnail/internal/ramdisk"
)

// DefaultConfig is read when no file is named and it is there.
const DefaultConfig = "/etc/hobnail/hobnail.toml"

// InvalidConfig is a configuration with faults.
type InvalidConfig struct {
	File   string
	Faults []config.Fault
}

// Error lists every fault on a line of its own.
func (e *InvalidConfig) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Loaded is a configuration and all that it names: immutable, replaced as a
// whole by a reload.
type Loaded struct {
	Config    *config.Config
	Policy    *policy.Policy
	Programs  *nbp.Inventory
	BadNBP    []nbp.Fault // the user's boot programs that cannot run where they lie
	DBX       []*nbp.DBX  // the revocation lists that could be read
	BadDBX    []DBXFault  // those that could not
	Images    []model.Image
	Installed []model.Image // those of Images that were found, not configured
	BadImages []string      // why images of the library are not offered
	// fits says of images of the library, by the names of their volumes, why a
	// file is not the one that was added.
	fits map[string]func(os.FileInfo) error
}

// DBXFault is a revocation list that cannot be read. It stops nothing: what is
// revoked is first of all for firmware to refuse, and a list that a share has
// lost must not keep a site from booting.
type DBXFault struct{ Path, Text string }

// Load reads a configuration file, or the built-in defaults where path is
// empty and DefaultConfig is not there, and finds programs and images. A file
// with faults gives *InvalidConfig.
func Load(path string) (*Loaded, error) {
	cfg, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	if cfg.Server.Name == "" {
		// A host without a name still serves; its menus only lack it.
		cfg.Server.Name, _ = os.Hostname()
	}
	l := &Loaded{Config: cfg}
	if err := l.findPrograms(time.Now()); err != nil {
		return nil, err
	}
	l.findImages()
	l.Policy = policy.Compile(cfg, l.Images, programs(l.Programs, cfg.Server.NBP))
	return l, nil
}

// withImages is the same configuration with the images that there are now.
func (l *Loaded) withImages() (*Loaded, error) {
	next := *l
	next.Installed, next.BadImages = nil, nil
	next.findImages()
	next.Policy = policy.Compile(next.Config, next.Images, programs(next.Programs, next.Config.Server.NBP))
	return &next, nil
}

// findPrograms finds the boot programs, and judges them by the rules that hold
// at a time.
func (l *Loaded) findPrograms(now time.Time) error {
	cfg := l.Config.Server
	for _, path := range cfg.DBX {
		list, err := nbp.ReadDBX(path)
		if err != nil {
			l.BadDBX = append(l.BadDBX, DBXFault{path, err.Error()})
			continue
		}
		l.DBX = append(l.DBX, list)
	}
	var err error
	l.Programs, l.BadNBP, err = nbp.Load(cfg.NBP, nbp.Rules{DBX: l.DBX, Allow: cfg.AllowRevoked, Now: now})
	if err != nil {
		return fmt.Errorf("loading boot programs: %v", err)
	}
	return nil
}

func readConfig(path string) (*config.Config, error) {
	if path == "" {
		if _, err := os.Stat(DefaultConfig); err != nil {
			return config.Default(), nil
		}
		path = DefaultConfig
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %v", err)
	}
	cfg, faults := config.ParseWith(path, data, addedImages)
	if len(faults) > 0 {
		return nil, &InvalidConfig{File: path, Faults: faults}
	}
	return cfg, nil
}

// addedImages names the images of a data folder's library. A library that cannot
// be read has none: that is told when it is loaded.
func addedImages(data string) map[string]model.CPU {
	all, err := readLibrary(context.Background(), data)
	if err != nil {
		return nil
	}
	names := map[string]model.CPU{}
	for _, i := range all {
		img, _ := libraryImage(i)
		names[img.Name] = img.CPU
	}
	return names
}

// findImages puts the configured images first and adds those of the library,
// then those installed on this host whose names nobody else uses.
func (l *Loaded) findImages() {
	l.Images, l.fits = slices.Clone(l.Config.Images), map[string]func(os.FileInfo) error{}
	added, err := ReadLibrary(context.Background(), l)
	if err != nil {
		l.BadImages = append(l.BadImages, err.Error())
	}
	for _, i := range added {
		if slices.ContainsFunc(l.Images, func(have model.Image) bool { return have.Name == i.Name }) {
			continue // [[image]] of that name was written later, and counts
		}
		img, why := libraryImage(i)
		if _, err := i.State(); err != nil && why == "" {
			why = err.Error()
		}
		if why != "" {
			l.BadImages = append(l.BadImages, fmt.Sprintf("image %s is not offered: %s", i.Name, why))
			continue
		}
		l.Images = append(l.Images, img)
		l.fits[image.VolumeName(img.Name)] = i.Fits
	}
	for _, img := range image.Discover(os.DirFS("/")) {
		if !slices.ContainsFunc(l.Images, func(have model.Image) bool { return have.Name == img.Name }) {
			l.Images = append(l.Images, img)
			l.Installed = append(l.Installed, img)
		}
	}
}

// programs shows the inventory as decisions see it: whatever only accompanies
// a boot program is left out.
func programs(inv *nbp.Inventory, folder string) policy.Programs {
	p := policy.Programs{Folder: folder, Wanted: wanted}
	for _, prog := range inv.Refused() {
		p.Refused = append(p.Refused, policy.Refused{
			Program: policy.Program{Arch: prog.Arch, Loader: string(prog.Loader), File: prog.File}, Why: prog.Refusal(),
		})
	}
	for _, prog := range inv.Programs() {
		if prog.Loader != nbp.LoaderSupport {
			p.Have = append(p.Have, policy.Program{Arch: prog.Arch, Loader: string(prog.Loader), File: prog.File})
		}
		if _, ok := ramdisk.RemovableName(prog.Arch); ok && prog.Loader == nbp.LoaderGRUB {
			p.Have = append(p.Have, policy.Program{Arch: prog.Arch, Loader: policy.LoaderRAMDisk, File: model.RAMDiskFile})
		}
	}
	return p
}

// wanted narrows the names that would do for an architecture to one kind.
func wanted(arch model.Arch, loader string) []string {
	var names []string
	if loader == policy.LoaderRAMDisk {
		loader = policy.LoaderGRUB // which it is made of
	}
	for _, name := range nbp.Want(arch) {
		if loader == "" || string(nbp.LoaderOf(name)) == loader {
			names = append(names, name)
		}
	}
	return names
}

// Warnings lists what is no fault of the configuration's form but will not
// work as it stands.
func (l *Loaded) Warnings() []string {
	var w []string
	for _, f := range l.BadNBP {
		w = append(w, f.String())
	}
	for _, f := range l.BadDBX {
		w = append(w, f.Text)
	}
	w = append(w, l.BadImages...)
	for _, p := range l.Programs.Refused() {
		w = append(w, p.Where()+" is not served: it "+p.Refusal())
	}
	for _, p := range l.Programs.Programs() {
		if text := p.Warning(); text != "" {
			w = append(w, p.Where()+" "+text)
		}
	}
	for _, name := range l.Config.Server.AllowRevoked {
		if !slices.ContainsFunc(l.Programs.All(), func(p nbp.Program) bool { return nbp.Named(p, name) }) {
			w = append(w, fmt.Sprintf("[server] allow_revoked names %s, and there is no such boot program", name))
		}
	}
	for _, img := range l.Config.Images {
		for _, path := range append([]string{img.Kernel}, img.Initrd...) {
			if msg := unreadable(path); msg != "" {
				w = append(w, fmt.Sprintf("%s: image %s: %s", img.Source, img.Name, msg))
			}
		}
	}
	w = append(w, l.missingTargets()...)
	if c := l.Config.Server; c.Certificate != "" {
		if _, err := certificate.Load(c.Certificate, c.CertificateKey, time.Now()); err != nil {
			w = append(w, "[server] certificate: "+err.Error())
		}
	}
	if len(l.Programs.Programs()) == 0 {
		w = append(w, "this binary has no boot programs: build it with make build, or put some into "+l.Config.Server.NBP)
	}
	return w
}

// missingTargets lists where an image is named that is not there: an installer
// whose Debian package is not installed on this host.
func (l *Loaded) missingTargets() []string {
	var w []string
	check := func(target, at string) {
		switch target {
		case "", model.TargetMenu, model.TargetLocal, model.TargetDeny, model.TargetApprove:
			return
		}
		if _, ok := l.Policy.Image(target); !ok {
			w = append(w, fmt.Sprintf("%s: there is no image %s on this host; is its package installed?", at, target))
		}
	}
	cfg := l.Config
	check(cfg.Boot.Unknown, cfg.Boot.UnknownAt)
	check(cfg.Boot.Default, "[boot] default")
	for _, m := range cfg.Machines {
		check(m.Boot, m.Source)
	}
	for _, r := range cfg.Rules {
		check(r.Boot, r.At)
	}
	return w
}

func unreadable(path string) string {
	if strings.Contains(path, "://") {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err.Error()
	case !info.Mode().IsRegular():
		return path + " is not a file"
	}
	return ""
}
